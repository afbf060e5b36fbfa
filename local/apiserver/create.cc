#include <utility>

#include "local/apiserver/draft.h"
#include "local/apiserver/first_objects.h"
#include "local/apiserver/warnings.h"
#include "local/apiserver/writes.h"
#include "local/patch/managed_fields.h"
#include "local/schema/fit.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr int kNameAttempts = 8;  ///< of generated names. Source: Kubernetes, RetryGenerateName

std::string text_at(const Value& object, std::string_view key) {
  const Value* value = object.at_path({"metadata", key});
  return value == nullptr ? "" : value->as_string();
}

/// The namespace must be there, and not on its way out.
std::optional<Refused> check_namespace(const Context& context, const Target& target,
                                       const std::string& name) {
  static const schema::Kind* const namespaces = schema::find_kind("", "v1", "namespaces");
  if (!target.kind->resource.namespaced) return std::nullopt;
  auto record = context.storage.get({"namespaces", "", target.ns});
  if (!record.ok()) return from_storage(record.error(), *target.kind, name);
  if (*record == nullptr) return not_found(*namespaces, target.ns);
  for (const auto& [field, value] : (*record)->attributes.fields) {
    if (field != "status.phase" || value != "Terminating") continue;
    const schema::Kind& kind = *target.kind;
    Value details = Value::object({{"name", name}});
    if (!kind.resource.group.empty()) details["group"] = kind.resource.group;
    details["kind"] = kind.resource.plural;
    details["causes"] =
        Value::array({Value::object({{"reason", "NamespaceTerminating"},
                                     {"message", "namespace " + target.ns + " is being terminated"},
                                     {"field", "metadata.namespace"}})});
    auto refusal = refuse(403, "Forbidden",
                          kind.storage_name() + " \"" + name +
                              "\" is forbidden: unable to create new content in namespace " +
                              target.ns + " because it is being terminated");
    refusal.value().details = std::move(details);
    return refusal;
  }
  return std::nullopt;
}

bool address_taken(const Context& context, std::string_view address) {
  auto services = context.storage.list("services", "", nullptr, 0, 0);
  if (!services.ok()) return false;
  for (const auto& record : services->records) {
    for (const auto& [field, value] : record->attributes.fields) {
      if (field == "spec.clusterIP" && value == address) return true;
    }
  }
  return false;
}

Answer<std::string> store(Context& context, const Target& target, const Value& object,
                          const WriteOptions& options) {
  const std::string name = text_at(object, "name");
  auto draft = make_draft(object, *target.kind);
  if (!draft) return Refused(std::move(draft).error());
  const storage::Key key{target.kind->storage_name(), target.ns, name};
  if (options.dry_run) {
    auto existing = context.storage.get(key);
    if (!existing.ok()) return from_storage(existing.error(), *target.kind, name);
    if (*existing != nullptr) return already_exists(*target.kind, name);
    return without_version(target.kind->to_stored == nullptr ? object
                                                             : target.kind->to_stored(object));
  }
  auto record = context.storage.create(key, draft->build());
  if (!record.ok() && record.error().code == Code::AlreadyExists) {
    auto existing = context.storage.get(key);
    if (existing.ok() && *existing != nullptr &&
        !text_at(read_stored((*existing)->json, *target.kind), "deletionTimestamp").empty()) {
      auto refusal = already_exists(*target.kind, name);
      refusal.value().message = "object is being deleted: " + refusal.value().message;
      return refusal;
    }
  }
  if (!record.ok()) return from_storage(record.error(), *target.kind, name);
  if (key.resource == "namespaces") make_service_account(context, name);
  return (*record)->json;
}

/// Where there is one node only, nobody needs to schedule.
void bind_to_node(Value& object, const schema::Kind& kind, const std::string& node) {
  if (node.empty() || kind.storage_name() != "pods") return;
  Value* spec = object.find("spec");
  if (spec == nullptr || !spec->is_object()) return;
  Value& name = (*spec)["nodeName"];
  if (name.as_string().empty()) name = node;
}

/// Strategy, validation and storage of an object that has its name.
Answer<std::string> finish(Context& context, const Target& target, Value object,
                           const WriteOptions& options, Time now) {
  const schema::Kind& kind = *target.kind;
  Creation creation{now, context.identities.uid(), nullptr};
  creation.address_taken = [&context](std::string_view address) {
    return address_taken(context, address);
  };
  prepare_create(object, kind, creation);
  bind_to_node(object, kind, context.options.default_node);
  Problems problems = validate_create(object, kind);
  for (auto& problem : schema::validate(object, nullptr, kind)) {
    problems.push_back(std::move(problem));
  }
  if (!problems.empty()) {
    return invalid(group_in_complaints(kind), kind.resource.kind, text_at(object, "name"),
                   problems);
  }
  if (options.warnings != nullptr) *options.warnings = write_warnings(object, nullptr, kind);
  settle_create(object, kind);
  return store(context, target, object, options);
}

}  // namespace

Answer<std::string> create_object(Context& context, const Target& target, Value object,
                                  const WriteOptions& options, Tracking tracking) {
  const schema::Kind& kind = *target.kind;
  Value& metadata = object["metadata"];
  if (kind.resource.namespaced) metadata["namespace"] = target.ns;
  if (auto refusal = check_namespace(context, target, text_at(object, "name"))) {
    return *std::move(refusal);
  }
  if (!text_at(object, "resourceVersion").empty()) {
    return plain_error("resourceVersion should not be set on objects to be created");
  }
  const Time now = context.clock.now();
  schema::apply_defaults(object, kind);
  // What a client says of the status at birth is dropped; nobody owns it.
  if (kind.status) object.erase("status");
  if (tracking == Tracking::Needed) {
    // Taken off before anybody could own them.
    object["metadata"].erase("deletionTimestamp");
    object["metadata"].erase("deletionGracePeriodSeconds");
    patch::track_update(object, nullptr, *kind.type,
                        {options.manager, kind.resource.api_version(), ""}, now);
  }
  const std::string base = text_at(object, "generateName");
  if (!text_at(object, "name").empty() || base.empty()) {
    return finish(context, target, std::move(object), options, now);
  }
  for (int attempt = 1;; ++attempt) {
    Value candidate = object;  // labels and selectors of some kinds follow the name
    candidate["metadata"]["name"] = generated_name(base, context.identities.suffix());
    auto stored = finish(context, target, std::move(candidate), options, now);
    const bool again = !stored && stored.error().reason == "AlreadyExists";
    if (!again || attempt == kNameAttempts) return stored;
  }
}

}  // namespace millrace::apiserver
