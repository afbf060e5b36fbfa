#include "local/apiserver/reads.h"

#include <charconv>
#include <utility>

#include "kubeclient/base/json_quote.h"
#include "local/apiserver/continue_token.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::size_t kPage = 500;  ///< records looked at together when a selector may drop some

constexpr const char* kContinueExpired =
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list.";

/// What is asked for by name needs no walk over the others.
Answer<Selection> select_one(const Context& context, const Target& target, const Selector& selector,
                             std::string ns) {
  Selection selection;
  // The version first: the object may be newer than it, never older.
  selection.version = context.storage.version();
  auto record = context.storage.get(
      {target.kind->storage_name(), std::move(ns), std::string(selector.exact_name())});
  if (!record.ok()) return from_storage(record.error(), *target.kind, "");
  if (*record != nullptr && selector.matches((*record)->attributes)) {
    selection.records.push_back(*std::move(record));
  }
  return selection;
}

Refused expired_list(const ListOptions& options, const std::optional<ContinueToken>& token) {
  auto refusal = refuse(410, "Expired", "The resourceVersion for the provided list is too old.");
  if (token && !options.continue_token.empty()) {
    refusal.value().message = kContinueExpired;
    refusal.value().continue_token = encode_continue({token->ns, token->name, std::nullopt});
  }
  return refusal;
}

}  // namespace

storage::Key key_of(const Target& target) {
  return {target.kind->storage_name(), target.ns, target.name};
}

Answer<storage::RecordRef> find_record(const Context& context, const Target& target) {
  auto record = context.storage.get(key_of(target));
  if (!record.ok()) return from_storage(record.error(), *target.kind, target.name);
  if (*record == nullptr) return not_found(*target.kind, target.name);
  return *std::move(record);
}

Answer<Selection> select(const Context& context, const Target& target, const Selector& selector,
                         const storage::Key* after, std::size_t limit, std::uint64_t version) {
  const std::string resource = target.kind->storage_name();
  std::string ns = target.ns;
  if (ns.empty()) ns = selector.exact_namespace();
  if (version == 0 && after == nullptr && !selector.exact_name().empty() &&
      (!ns.empty() || !target.kind->resource.namespaced)) {
    return select_one(context, target, selector, std::move(ns));
  }
  Selection selection;
  storage::Key last;
  for (;;) {
    const std::size_t page = limit == 0 || selector.empty() ? limit : std::max(limit, kPage);
    auto listing = context.storage.list(resource, ns, after, page, version);
    if (!listing.ok()) return from_storage(listing.error(), *target.kind, "");
    selection.version = listing->version;
    version = listing->version;  // the next page is of the same moment
    selection.more = listing->more;
    selection.remaining = listing->remaining;
    if (selector.empty()) {
      selection.records = std::move(listing->records);
      return selection;
    }
    for (std::size_t i = 0; i < listing->records.size(); ++i) {
      auto& record = listing->records[i];
      if (!selector.matches(record->attributes)) continue;
      if (limit != 0 && selection.records.size() == limit) {
        selection.more = true;  // this one did not fit any more
        return selection;
      }
      selection.records.push_back(record);
    }
    if (!listing->more || listing->records.empty()) {
      selection.more = false;
      return selection;
    }
    last = listing->records.back()->key;
    after = &last;
  }
}

Answer<Response> get_object(const Context& context, const Request& request, const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  if (const std::string_view version = request.get("resourceVersion"); !version.empty()) {
    std::uint64_t number = 0;
    const char* last = version.data() + version.size();
    const auto end = std::from_chars(version.data(), last, number);
    if (end.ec != std::errc() || end.ptr != last) {
      return plain_error("resourceVersion: Invalid value: " + json_quote(version) +
                         ": strconv.ParseUint: parsing " + json_quote(version) +
                         ": invalid syntax");
    }
    if (number > context.storage.version()) {
      return too_large_version(version, context.storage.version());
    }
  }
  auto record = find_record(context, target);
  if (!record) return Refused(std::move(record).error());
  return renderer->object((*record)->json, 200);
}

Answer<Response> list_objects(const Context& context, const Request& request,
                              const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto options = list_options(request, *target.kind, Reading::List);
  if (!options) return Refused(std::move(options).error());

  std::optional<ContinueToken> token;
  storage::Key after;
  std::uint64_t version = 0;
  if (!options->continue_token.empty()) {
    auto decoded = decode_continue(options->continue_token);
    if (!decoded) return Refused(std::move(decoded).error());
    token = *std::move(decoded);
    after = {target.kind->storage_name(), token->ns, token->name};
    version = token->version.value_or(0);
  } else if (options->version) {
    const std::uint64_t now = context.storage.version();
    if (*options->version > now) {
      return too_large_version(request.get("resourceVersion"), now);
    }
    if (options->exact) version = *options->version;
    // As the real server's cache does: version 0 means all that is at hand, without pages.
    if (*options->version == 0) options->limit = 0;
  }
  auto selection = select(context, target, options->selector, token ? &after : nullptr,
                          static_cast<std::size_t>(options->limit), version);
  if (!selection) {
    if (selection.error().code == 410) return expired_list(*options, token);
    return Refused(std::move(selection).error());
  }
  Value metadata = Value::object({{"resourceVersion", std::to_string(selection->version)}});
  if (selection->more && !selection->records.empty()) {
    const storage::Key& last = selection->records.back()->key;
    metadata["continue"] = encode_continue({last.ns, last.name, selection->version});
    if (options->selector.empty()) {
      metadata["remainingItemCount"] = static_cast<std::int64_t>(selection->remaining);
    }
  }
  return renderer->list(selection->records, std::move(metadata));
}

}  // namespace millrace::apiserver
