#include "local/apiserver/strategy.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using schema::Path;

bool is(const schema::Kind& kind, std::string_view group, std::string_view plural) {
  return kind.resource.group == group && kind.resource.plural == plural;
}

/// Kinds whose metadata.generation the server counts.
bool has_generation(const schema::Kind& kind) {
  return kind.custom || is(kind, "", "pods") || is(kind, "batch", "jobs") ||
         is(kind, "apps", "deployments");
}

void set_generation(Value& object, std::int64_t generation) {
  object["metadata"]["generation"] = generation;
}

/// What a change of the spec is to the generation.
bool spec_changed(const Value& object, const Value& old, const schema::Kind& kind) {
  if (!kind.custom) {
    if (!same(object.find("spec"), old.find("spec"))) return true;
    return is(kind, "apps", "deployments") && !same(object.at_path({"metadata", "annotations"}),
                                                    old.at_path({"metadata", "annotations"}));
  }
  const auto strip = [](Value value) {
    for (const char* member : {"metadata", "status", "apiVersion", "kind"}) value.erase(member);
    return value;
  };
  return !(strip(object) == strip(old));
}

void prepare_new_namespace(Value& object) {
  Value::Array& finalizers = object["spec"]["finalizers"].items();
  const Value kubernetes("kubernetes");
  if (std::find(finalizers.begin(), finalizers.end(), kubernetes) == finalizers.end()) {
    finalizers.push_back(kubernetes);
  }
  object["status"] = Value::object({{"phase", "Active"}});
}

/// The label that names the namespace; not to be changed by clients.
void label_namespace(Value& object) {
  object["metadata"]["labels"]["kubernetes.io/metadata.name"] =
      text_at(object, {"metadata", "name"});
}

void check_namespace_status(schema::Problems& out, const Value& object) {
  const std::string phase = text_at(object, {"status", "phase"});
  const bool going = !text_at(object, {"metadata", "deletionTimestamp"}).empty();
  if (going && phase != "Terminating") {
    out.invalid(Path("status") / "Phase", phase,
                "may only be 'Terminating' if `deletionTimestamp` is not empty");
  }
  if (!going && phase != "Active") {
    out.invalid(Path("status") / "Phase", phase,
                "may only be 'Active' if `deletionTimestamp` is empty");
  }
}

/// What an update of the status may touch besides it differs from kind to kind.
void keep_all_but_status(Value& object, const Value& old, const schema::Kind& kind) {
  if (kind.custom) {
    Value result = old;
    copy_member(result, object, "status");
    for (const char* member : {"managedFields", "resourceVersion", "uid"}) {
      copy_member(result["metadata"], *object.find("metadata"), member);
    }
    object = std::move(result);
    return;
  }
  copy_member(object, old, "spec");
  Value& metadata = object["metadata"];
  const Value& before = *old.find("metadata");
  if (is(kind, "", "pods")) {
    copy_member(metadata, before, "ownerReferences");
    prepare_pod_status(object, old);
  } else if (is(kind, "apps", "deployments")) {
    copy_member(metadata, before, "labels");
  }
}

/// Fields that a server knows, but has switched off. Source: Kubernetes, CoordinatedLeaderElection.
void drop_alpha_fields(Value& lease) {
  Value* spec = lease.find("spec");
  if (spec == nullptr || !spec->is_object()) return;
  for (const char* member : {"strategy", "preferredHolder"}) spec->erase(member);
}

void keep_status(Value& object, const Value& old, const schema::Kind& kind) {
  if (kind.status) copy_member(object, old, "status");
  if (const Value* spec = old.find("spec"); spec != nullptr && is(kind, "", "namespaces")) {
    copy_member(object["spec"], *spec, "finalizers");
  }
  if (is(kind, "", "services")) prepare_service_update(object, old);
  if (is(kind, "coordination.k8s.io", "leases")) drop_alpha_fields(object);
  if (is(kind, "", "secrets")) {
    merge_string_data(object);
    if (text_at(object, {"type"}).empty()) copy_member(object, old, "type");
  }
}

void check_new(schema::Problems& out, const Value& object, const schema::Kind& kind) {
  if (is(kind, "batch", "jobs")) check_new_job(out, object);
  if (is(kind, "", "services")) check_new_service(out, object);
  if (is(kind, "", "secrets")) check_docker_config(out, object);
  if (is(kind, "coordination.k8s.io", "leases")) check_lease(out, object);
  if (is(kind, "apps", "controllerrevisions")) check_revision(out, object);
}

void check_main_update(schema::Problems& out, const Value& object, const Value& old,
                       const schema::Kind& kind) {
  if (is(kind, "", "pods")) {
    check_pod_update(out, object, old);
  } else if (is(kind, "batch", "jobs")) {
    check_job_update(out, object, old);
  } else if (is(kind, "apps", "deployments")) {
    check_immutable(out, object, old, {"spec", "selector"});
  } else if (is(kind, "", "services")) {
    check_service_update(out, object, old);
  } else if (is(kind, "", "configmaps")) {
    check_immutable_data(out, object, old, {"data", "binaryData"});
  } else if (is(kind, "", "secrets")) {
    check_immutable(out, object, old, {"type"});
    check_immutable_data(out, object, old, {"data"});
  } else if (is(kind, "coordination.k8s.io", "leases")) {
    check_lease(out, object);
  } else if (is(kind, "apps", "controllerrevisions")) {
    check_revision(out, object);
    check_immutable(out, object, old, {"data"});
  }
}

void check_status_update(schema::Problems& out, const Value& object, const Value& old,
                         const schema::Kind& kind) {
  if (is(kind, "", "pods")) check_pod_status(out, object, old);
  if (is(kind, "apps", "deployments")) check_deployment_status(out, object);
  if (is(kind, "", "namespaces")) check_namespace_status(out, object);
}

}  // namespace

bool same(const Value* a, const Value* b) {
  const auto nothing = [](const Value* value) {
    return value == nullptr || value->is_null() ||
           ((value->is_object() || value->is_array() || value->is_string()) && value->empty());
  };
  if (nothing(a) || nothing(b)) {
    // An object whose members are all empty is as good as none.
    const Value* rest = nothing(a) ? b : a;
    if (nothing(rest)) return true;
    if (!rest->is_object()) return false;
    return std::all_of(rest->members().begin(), rest->members().end(),
                       [](const Value::Member& member) { return same(&member.second, nullptr); });
  }
  if (a->is_array() && b->is_array()) {
    return std::equal(a->items().begin(), a->items().end(), b->items().begin(), b->items().end(),
                      [](const Value& x, const Value& y) { return same(&x, &y); });
  }
  if (!a->is_object() || !b->is_object()) return *a == *b;
  const auto covered = [](const Value& x, const Value& y) {
    return std::all_of(x.members().begin(), x.members().end(), [&y](const Value::Member& member) {
      return same(&member.second, y.find(member.first));
    });
  };
  return covered(*a, *b) && covered(*b, *a);
}

std::string text_at(const Value& object, std::initializer_list<std::string_view> path) {
  const Value* value = object.at_path(path);
  return value == nullptr ? "" : value->as_string();
}

std::int64_t number_at(const Value& object, std::initializer_list<std::string_view> path) {
  const Value* value = object.at_path(path);
  return value == nullptr ? 0 : value->as_int();
}

void copy_member(Value& object, const Value& from, std::string_view name) {
  if (const Value* value = from.find(name); value != nullptr) {
    object[name] = *value;
  } else if (object.is_object()) {
    object.erase(name);
  }
}

namespace {
Path path_of(std::initializer_list<std::string_view> names) {
  Path path;
  for (const std::string_view name : names) path = path / name;
  return path;
}
}  // namespace

void check_immutable(schema::Problems& out, const Value& object, const Value& old,
                     std::initializer_list<std::string_view> path) {
  const Value* now = object.at_path(path);
  if (same(now, old.at_path(path))) return;
  out.invalid(path_of(path), now == nullptr ? Value() : *now, "field is immutable");
}

void check_not_negative(schema::Problems& out, const Value& object,
                        std::initializer_list<std::string_view> path) {
  const Value* value = object.at_path(path);
  if (value == nullptr || value->as_int() >= 0) return;
  out.invalid(path_of(path), *value, "must be greater than or equal to 0");
}

std::string generated_name(std::string_view base, std::string_view suffix) {
  return std::string(base.substr(0, 58)) + std::string(suffix);
}

void prepare_create(Value& object, const schema::Kind& kind, const Creation& creation) {
  Value& metadata = object["metadata"];
  for (const char* member : {"selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    metadata.erase(member);
  }
  metadata["uid"] = creation.uid;
  metadata["creationTimestamp"] = format_time(creation.now);
  if (has_generation(kind)) set_generation(object, 1);
  if (kind.status) object.erase("status");
  if (is(kind, "", "pods")) prepare_new_pod(object);
  if (is(kind, "batch", "jobs")) prepare_new_job(object);
  if (is(kind, "", "services")) prepare_new_service(object, creation);
  if (is(kind, "", "secrets")) merge_string_data(object);
  if (is(kind, "coordination.k8s.io", "leases")) drop_alpha_fields(object);
  if (is(kind, "", "namespaces")) {
    prepare_new_namespace(object);
    label_namespace(object);
  }
  // These have a status from birth on, if an empty one.
  const bool shows_status =
      is(kind, "batch", "jobs") || is(kind, "apps", "deployments") || is(kind, "", "nodes");
  if (shows_status && object.find("status") == nullptr) object["status"] = Value::object();
}

void settle_create(Value& object, const schema::Kind& kind) {
  if (is(kind, "batch", "jobs")) settle_new_job(object);
}

Problems validate_create(const Value& object, const schema::Kind& kind) {
  schema::Problems out;
  check_metadata(out, object, kind);
  check_new(out, object, kind);
  if (kind.resource.kind == "Event") check_new_event(out, object, kind);
  return out.take();
}

void prepare_update(Value& object, const Value& old, const schema::Kind& kind, Part part,
                    Time /*now*/) {
  if (part == Part::Status) {
    keep_all_but_status(object, old, kind);
  } else {
    keep_status(object, old, kind);
  }
  Value& metadata = object["metadata"];
  const Value& before = *old.find("metadata");
  metadata.erase("selfLink");
  for (const char* member : {"creationTimestamp", "generation"})
    copy_member(metadata, before, member);
  if (text_at(object, {"metadata", "uid"}).empty()) copy_member(metadata, before, "uid");
  // A deletion cannot be taken back; one that is wished for here is a complaint of validation.
  for (const char* member : {"deletionTimestamp", "deletionGracePeriodSeconds"}) {
    if (const Value* value = before.find(member)) metadata[member] = *value;
  }
  if (part == Part::Status) {
    if (before.find("deletionTimestamp") == nullptr) metadata.erase("deletionTimestamp");
    return;
  }
  if (is(kind, "", "namespaces")) label_namespace(object);
  if (is(kind, "", "pods")) prepare_pod_update(object, old);
  if (has_generation(kind) && spec_changed(object, old, kind)) {
    set_generation(object, number_at(old, {"metadata", "generation"}) + 1);
  }
}

Problems validate_update(const Value& object, const Value& old, const schema::Kind& kind,
                         Part part) {
  schema::Problems out;
  check_metadata_update(out, object, old, kind);
  if (part == Part::Status) {
    check_status_update(out, object, old, kind);
    Problems all = out.take();
    if (is(kind, "batch", "jobs")) {
      for (auto& problem : check_job_status(object, old)) all.push_back(std::move(problem));
    }
    return all;
  }
  if (kind.resource.kind == "Event") {
    check_event_update(out, object, old, kind);
  } else {
    check_main_update(out, object, old, kind);
  }
  return out.take();
}

bool allows_unconditional_update(const schema::Kind& kind) {
  return !kind.custom && !is(kind, "coordination.k8s.io", "leases");
}

bool allows_create_on_update(const schema::Kind& kind) {
  return is(kind, "", "services") || is(kind, "coordination.k8s.io", "leases") ||
         kind.resource.kind == "Event";
}

}  // namespace millrace::apiserver
