#include <charconv>
#include <utility>

#include "kubeclient/base/json_quote.h"
#include "local/apiserver/draft.h"
#include "local/apiserver/reads.h"
#include "local/apiserver/warnings.h"
#include "local/apiserver/writes.h"
#include "local/patch/managed_fields.h"
#include "local/schema/fit.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

/// Of an update that gave no resourceVersion, against concurrent writers. The real server gives up
/// on patches after 5 and never on replacements.
constexpr int kAttempts = 100;

std::string text_at(const Value& object, std::string_view key) {
  const Value* value = object.at_path({"metadata", key});
  return value == nullptr ? "" : value->as_string();
}

Part part_of(const Target& target) {
  return target.subresource == "status" ? Part::Status : Part::Main;
}

/// The resourceVersion and UID in `object` as preconditions.
std::optional<Refused> check_preconditions(const Value& object, const storage::Record& record,
                                           const Target& target, Method method) {
  const schema::Kind& kind = *target.kind;
  const std::string uid = text_at(object, "uid");
  if (method == Method::Put && !uid.empty() && uid != record.uid) {
    const std::string& group = std::string(kind.resource.group);
    return conflict(kind, target.name,
                    "StorageError: invalid object, Code: 4, Key: /registry/" +
                        (group.empty() ? "" : group + "/") + std::string(kind.resource.plural) +
                        "/" + (target.ns.empty() ? "" : target.ns + "/") + target.name +
                        ", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
                        "precondition: " +
                        uid + ", UID in object meta: " + record.uid);
  }
  const std::string version = text_at(object, "resourceVersion");
  if (version.empty()) {
    if (method == Method::Patch || allows_unconditional_update(kind)) return std::nullopt;
    return invalid(kind.resource.group, kind.resource.plural, target.name,
                   {{"metadata.resourceVersion", "FieldValueInvalid",
                     "Invalid value: 0: must be specified for an update"}});
  }
  std::uint64_t number = 0;
  const char* last = version.data() + version.size();
  const auto end = std::from_chars(version.data(), last, number);
  if (end.ec != std::errc() || end.ptr != last) {
    return plain_error("strconv.ParseUint: parsing " + json_quote(version) + ": invalid syntax");
  }
  if (number != record.version) return outdated(kind, target.name);
  return std::nullopt;
}

/// Strategy, managedFields and validation of an update.
std::optional<Refused> finish(Context& context, Edited& edited, const Value& old,
                              const Target& target, const WriteOptions& options) {
  const schema::Kind& kind = *target.kind;
  const Time now = context.clock.now();
  Value& object = edited.object;
  schema::apply_defaults(object, kind);
  prepare_update(object, old, kind, part_of(target), now);
  if (edited.tracking == Tracking::Needed) {
    const std::string part = part_of(target) == Part::Status ? "status" : "";
    patch::track_update(object, &old, *kind.type,
                        {options.manager, kind.resource.api_version(), part}, now);
  }
  Problems problems = validate_update(object, old, kind, part_of(target));
  for (auto& problem : schema::validate(object, &old, kind)) {
    problems.push_back(std::move(problem));
  }
  if (problems.empty()) {
    if (options.warnings != nullptr) *options.warnings = write_warnings(object, &old, kind);
    return std::nullopt;
  }
  return invalid(group_in_complaints(kind), kind.resource.kind, target.name, problems);
}

/// One attempt on `record`; nothing when somebody else wrote in between.
Answer<std::optional<std::string>> attempt(Context& context, const Target& target,
                                           const WriteOptions& options, Method method,
                                           const Edit& edit, const storage::Record& record) {
  using Outcome = std::optional<std::string>;
  const schema::Kind& kind = *target.kind;
  const Value old = read_stored(record.json, kind);
  auto edited = edit(old);
  if (!edited) return Refused(std::move(edited).error());
  Value& object = edited->object;
  if (auto refusal = check_names(object, target)) return *std::move(refusal);
  if (auto refusal = check_preconditions(object, record, target, method)) {
    return *std::move(refusal);
  }
  const std::string given = text_at(object, "resourceVersion");
  Value& metadata = object["metadata"];
  metadata["resourceVersion"] = std::to_string(record.version);
  if (text_at(object, "uid").empty()) metadata["uid"] = record.uid;
  if (kind.resource.namespaced) metadata["namespace"] = target.ns;
  if (auto refusal = finish(context, *edited, old, target, options)) return *std::move(refusal);
  if (object == old) return Outcome(record.json);
  auto draft = make_draft(object, kind);
  if (!draft) return Refused(std::move(draft).error());
  const bool gone = ends_deletion(object, kind);
  // The answer to the write that ends a deletion still has the version before it.
  if (options.dry_run || gone) {
    const std::string last = draft->wire.with(record.version);
    if (options.dry_run) return Outcome(last);
    auto removed = context.storage.remove(key_of(target), record.version, draft->build());
    if (removed.ok()) return Outcome(last);
    if (removed.error().code == Code::Conflict) return Outcome();
    return from_storage(removed.error(), kind, target.name);
  }
  auto stored = context.storage.update(key_of(target), record.version, draft->build());
  if (stored.ok()) return Outcome((*stored)->json);
  if (stored.error().code == Code::Conflict && method == Method::Put && !given.empty()) {
    return outdated(kind, target.name);
  }
  if (stored.error().code == Code::Conflict) return Outcome();
  return from_storage(stored.error(), kind, target.name);
}

}  // namespace

std::optional<Refused> check_names(const Value& object, const Target& target) {
  const std::string name = text_at(object, "name");
  const std::string ns = text_at(object, "namespace");
  if (!target.name.empty() && name.empty()) {
    return bad_request("the name of the object (" + target.name +
                       " based on URL) was undeterminable: name must be provided");
  }
  if (!target.name.empty() && name != target.name) {
    return bad_request("the name of the object (" + name +
                       ") does not match the name on the URL (" + target.name + ")");
  }
  if (!ns.empty() && ns != target.ns) {
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  return std::nullopt;
}

Answer<std::string> update_object(Context& context, const Target& target,
                                  const WriteOptions& options, Method method, const Edit& edit) {
  for (int i = 0; i < kAttempts; ++i) {
    auto record = find_record(context, target);
    if (!record) return Refused(std::move(record).error());
    auto outcome = attempt(context, target, options, method, edit, **record);
    if (!outcome) return Refused(std::move(outcome).error());
    if (*outcome) return **std::move(outcome);
  }
  return outdated(*target.kind, target.name);
}

Result<void> edit_as_server(Context& context, const storage::Key& key, const std::string& uid,
                            const std::function<bool(Value&)>& edit) {
  const schema::Kind* kind = nullptr;
  for (const schema::Kind& candidate : schema::kinds()) {
    if (candidate.to_stored == nullptr && candidate.storage_name() == key.resource) {
      kind = &candidate;
    }
  }
  if (kind == nullptr) return fail(Code::NotFound, key.resource + " are not served");
  for (int i = 0; i < kAttempts; ++i) {
    MR_ASSIGN(const storage::RecordRef record, context.storage.get(key));
    if (record == nullptr) return fail(Code::NotFound, key.name + " not found");
    if (record->uid != uid) return fail(Code::Conflict, key.name + " is another object by now");
    Value object = read_stored(record->json, *kind);
    if (!edit(object)) return {};
    auto draft = make_draft(object, *kind);
    if (!draft) return fail(Code::Invalid, draft.error().message);
    auto stored = ends_deletion(object, *kind)
                      ? context.storage.remove(key, record->version, draft->build())
                      : context.storage.update(key, record->version, draft->build());
    if (stored.ok()) return {};
    if (stored.error().code != Code::Conflict) return fail(std::move(stored).error());
  }
  return fail(Code::Unavailable, key.name + " is written by others all the time");
}

}  // namespace millrace::apiserver
