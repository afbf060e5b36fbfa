// How deletions go. Source: Kubernetes, apiserver/pkg/registry/rest/delete.go and generic/registry/
// store.go.
#include <algorithm>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";

bool is_pod(const schema::Kind& kind) {
  return kind.resource.group.empty() && kind.resource.plural == "pods";
}
bool is_namespace(const schema::Kind& kind) {
  return kind.resource.group.empty() && kind.resource.plural == "namespaces";
}
/// Jobs of batch/v1 leave their pods behind unless told otherwise.
bool orphans_by_default(const schema::Kind& kind) {
  return kind.resource.group == "batch" && kind.resource.plural == "jobs";
}

bool has_items(const Value* list) { return list != nullptr && !list->items().empty(); }

bool has_finalizer(const Value& object, std::string_view name) {
  const Value* finalizers = object.at_path({"metadata", "finalizers"});
  if (finalizers == nullptr) return false;
  return std::find(finalizers->items().begin(), finalizers->items().end(), Value(name)) !=
         finalizers->items().end();
}

Propagation propagation_of(const Value& object, const schema::Kind& kind,
                           const Deletion& deletion) {
  if (deletion.propagation) return *deletion.propagation;
  if (has_finalizer(object, kOrphan)) return Propagation::Orphan;
  if (has_finalizer(object, kForeground)) return Propagation::Foreground;
  return orphans_by_default(kind) ? Propagation::Orphan : Propagation::Background;
}

/// Put the finalizer of the propagation into place; says whether that changed anything.
bool set_finalizers(Value& object, const schema::Kind& kind, const Deletion& deletion) {
  if (kind.resource.kind == "Event") return false;  // no garbage collection for them
  const Propagation propagation = propagation_of(object, kind, deletion);
  const std::string_view wanted = propagation == Propagation::Orphan       ? kOrphan
                                  : propagation == Propagation::Foreground ? kForeground
                                                                           : std::string_view();
  const bool has_orphan = has_finalizer(object, kOrphan);
  const bool has_foreground = has_finalizer(object, kForeground);
  if (has_orphan == (wanted == kOrphan) && has_foreground == (wanted == kForeground)) return false;
  Value::Array& finalizers = object["metadata"]["finalizers"].items();
  std::erase_if(finalizers, [](const Value& name) {
    return name.as_string() == kOrphan || name.as_string() == kForeground;
  });
  if (!wanted.empty()) finalizers.emplace_back(wanted);
  if (finalizers.empty()) object["metadata"].erase("finalizers");
  return true;
}

void mark(Value& object, std::int64_t grace, Time now) {
  Value& metadata = object["metadata"];
  metadata["deletionTimestamp"] = format_time(now + std::chrono::seconds(grace));
  metadata["deletionGracePeriodSeconds"] = grace;
  if (const Value* generation = metadata.find("generation"); generation != nullptr) {
    metadata["generation"] = generation->as_int() + 1;
  }
}

bool is_going(const Value& object) {
  return !text_at(object, {"metadata", "deletionTimestamp"}).empty();
}

/// A pod that is on its way already; its time may only be cut short.
bool shorten(Value& object, const Deletion& deletion) {
  if (!deletion.grace_seconds) return false;
  const std::int64_t before = number_at(object, {"metadata", "deletionGracePeriodSeconds"});
  // Less than nothing is a second. Source: Kubernetes, rest.BeforeDelete.
  const std::int64_t grace = *deletion.grace_seconds < 0 ? 1 : *deletion.grace_seconds;
  if (grace >= before) return false;
  const auto end = parse_time(text_at(object, {"metadata", "deletionTimestamp"}));
  if (!end.ok()) return false;
  Value& metadata = object["metadata"];
  metadata["deletionTimestamp"] = format_time(*end - std::chrono::seconds(before - grace));
  metadata["deletionGracePeriodSeconds"] = grace;
  return true;
}

DeleteStep delete_pod(Value& object, const schema::Kind& kind, const Deletion& deletion, Time now) {
  const bool new_finalizers = set_finalizers(object, kind, deletion);
  bool changed = false;
  if (is_going(object)) {
    changed = shorten(object, deletion);
  } else {
    mark(object, pod_grace(object, deletion.grace_seconds), now);
    changed = true;
  }
  if (ends_deletion(object, kind)) return DeleteStep::Remove;
  return changed || new_finalizers ? DeleteStep::Update : DeleteStep::Nothing;
}

DeleteStep delete_namespace(Value& object, const schema::Kind& kind, const Deletion& deletion,
                            Time now) {
  const bool new_finalizers = set_finalizers(object, kind, deletion);
  const bool going = is_going(object);
  if (!going) {
    object["metadata"]["deletionTimestamp"] = format_time(now);
    object["status"]["phase"] = "Terminating";
  }
  if (ends_deletion(object, kind)) return DeleteStep::Remove;
  return going && !new_finalizers ? DeleteStep::Nothing : DeleteStep::Update;
}

}  // namespace

DeleteStep prepare_delete(Value& object, const schema::Kind& kind, const Deletion& deletion,
                          Time now) {
  if (is_pod(kind)) return delete_pod(object, kind, deletion, now);
  if (is_namespace(kind)) return delete_namespace(object, kind, deletion, now);
  const bool new_finalizers = set_finalizers(object, kind, deletion);
  // Nobody waits for it: it goes as it is.
  if (!has_items(object.at_path({"metadata", "finalizers"}))) return DeleteStep::Remove;
  if (is_going(object)) return new_finalizers ? DeleteStep::Update : DeleteStep::Nothing;
  mark(object, 0, now);
  return DeleteStep::Update;
}

bool ends_deletion(const Value& object, const schema::Kind& kind) {
  if (!is_going(object) || has_items(object.at_path({"metadata", "finalizers"}))) return false;
  if (is_namespace(kind)) return !has_items(object.at_path({"spec", "finalizers"}));
  return number_at(object, {"metadata", "deletionGracePeriodSeconds"}) == 0;
}

std::string delete_warning(const schema::Kind& kind, const Deletion& deletion) {
  if (!orphans_by_default(kind) || deletion.propagation) return "";
  return "child pods are preserved by default when jobs are deleted; set "
         "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress "
         "this warning";
}

}  // namespace millrace::apiserver
