#include <utility>

#include "local/apiserver/draft.h"
#include "local/apiserver/reads.h"
#include "local/apiserver/writes.h"

namespace millrace::apiserver {
namespace {

constexpr int kAttempts = 100;

Refused precondition(const schema::Kind& kind, std::string_view name, std::string message) {
  auto refusal = refuse(409, "Conflict",
                        "Operation cannot be fulfilled on " +
                            qualified_kind(kind.resource.group, kind.resource.kind) + " \"" +
                            std::string(name) + "\": " + std::move(message));
  codec::Value details = codec::Value::object({{"name", name}});
  if (!kind.resource.group.empty()) details["group"] = kind.resource.group;
  details["kind"] = kind.resource.kind;
  refusal.value().details = std::move(details);
  return refusal;
}

std::optional<Refused> check(const storage::Record& record, const Target& target,
                             const DeleteOptions& options) {
  const schema::Kind& kind = *target.kind;
  if (!options.uid.empty() && options.uid != record.uid) {
    return precondition(kind, target.name,
                        "the UID in the precondition (" + options.uid +
                            ") does not match the UID in record (" + record.uid +
                            "). The object might have been deleted and then recreated");
  }
  const std::string version = std::to_string(record.version);
  if (!options.version.empty() && options.version != version) {
    return precondition(kind, target.name,
                        "the ResourceVersion in the precondition (" + options.version +
                            ") does not match the ResourceVersion in record (" + version +
                            "). The object might have been modified");
  }
  return std::nullopt;
}

/// Namespaces that the server cannot be without.
std::optional<Refused> check_immortal(const Target& target) {
  if (target.kind->storage_name() != "namespaces") return std::nullopt;
  if (target.name != "default" && target.name != "kube-system" && target.name != "kube-public") {
    return std::nullopt;
  }
  auto refusal =
      refuse(403, "Forbidden",
             "namespaces \"" + target.name + "\" is forbidden: this namespace may not be deleted");
  refusal.value().details = codec::Value::object({{"name", target.name}, {"kind", "namespaces"}});
  return refusal;
}

/// Kinds that are given time to end. Source: Kubernetes, rest.RESTGracefulDeleteStrategy.
bool goes_in_two_steps(const schema::Kind& kind) { return kind.storage_name() == "pods"; }

/// One attempt on `record`; nothing when somebody else wrote in between. `marked` is what was
/// written if the object was marked before it was to go: whoever sees that may remove it first.
Answer<std::optional<Deleted>> attempt(Context& context, const Target& target,
                                       const DeleteOptions& options, const storage::Record& record,
                                       std::optional<Deleted>& marked_object) {
  using Outcome = std::optional<Deleted>;
  const schema::Kind& kind = *target.kind;
  codec::Value object = read_stored(record.json, kind);
  const DeleteStep step = prepare_delete(object, kind, options.deletion, context.clock.now());
  if (step == DeleteStep::Nothing) return Outcome({record.json, record.uid, false});
  auto draft = make_draft(object, kind);
  if (!draft) return Refused(std::move(draft).error());
  const bool gone = step == DeleteStep::Remove;
  if (options.dry_run) {
    return Outcome({draft->wire.with(record.version), record.uid, gone});
  }
  std::uint64_t version = record.version;
  if (gone && goes_in_two_steps(kind) && !(object == read_stored(record.json, kind))) {
    // As there, its watchers see that it is to go before it goes.
    auto marked = context.storage.update(key_of(target), version, draft->build());
    if (!marked.ok() && marked.error().code == Code::Conflict) return Outcome();
    if (!marked.ok()) return from_storage(marked.error(), kind, target.name);
    version = (*marked)->version;
    marked_object = Deleted{(*marked)->json, record.uid, true};
  }
  auto stored = gone ? context.storage.remove(key_of(target), version, draft->build())
                     : context.storage.update(key_of(target), record.version, draft->build());
  if (stored.ok()) return Outcome({(*stored)->json, record.uid, gone});
  if (stored.error().code == Code::Conflict) return Outcome();
  if (stored.error().code == Code::NotFound && marked_object) return marked_object;
  return from_storage(stored.error(), kind, target.name);
}

}  // namespace

Answer<Deleted> delete_object(Context& context, const Target& target,
                              const DeleteOptions& options) {
  if (auto refusal = check_immortal(target)) return *std::move(refusal);
  std::optional<Deleted> marked;
  for (int i = 0; i < kAttempts; ++i) {
    auto record = find_record(context, target);
    if (marked && (!record || (*record)->uid != marked->uid)) return *std::move(marked);
    if (!record) return Refused(std::move(record).error());
    if (auto refusal = check(**record, target, options)) return *std::move(refusal);
    auto outcome = attempt(context, target, options, **record, marked);
    if (!outcome) return Refused(std::move(outcome).error());
    if (*outcome) return **std::move(outcome);
  }
  return outdated(*target.kind, target.name);
}

}  // namespace millrace::apiserver
