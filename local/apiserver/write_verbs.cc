#include "local/apiserver/write_verbs.h"

#include <utility>

#include "local/apiserver/draft.h"
#include "local/apiserver/reads.h"
#include "local/apiserver/render.h"
#include "local/apiserver/request_body.h"
#include "local/apiserver/writes.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

Answer<Response> answer(const Renderer& renderer, const Answer<std::string>& stored, int status,
                        const std::vector<std::string>& warnings) {
  if (!stored) {
    Refusal refusal = stored.error();
    refusal.warnings = warnings;
    return Refused(std::move(refusal));
  }
  auto response = renderer.object(*stored, status);
  if (response) add_warnings(*response, warnings);
  return response;
}

/// What was told of the body, then what of the object.
std::vector<std::string> joined(std::vector<std::string> first,
                                const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// Status Success, as deletes answer for most kinds.
std::string success(const schema::Kind& kind, std::string_view name, const std::string& uid) {
  Value details = Value::object({{"name", name}});
  if (!kind.resource.group.empty()) details["group"] = kind.resource.group;
  details["kind"] = kind.resource.plural;
  details["uid"] = uid;
  return Value::object({{"kind", "Status"},
                        {"apiVersion", "v1"},
                        {"metadata", Value::object()},
                        {"status", "Success"},
                        {"details", std::move(details)}})
      .dump();
}

std::vector<std::string> delete_warnings(const Target& target, const DeleteOptions& options) {
  std::string text = delete_warning(*target.kind, options.deletion);
  if (text.empty()) return {};
  return {std::move(text)};
}

/// Kinds whose delete answers with the object itself. Source: Kubernetes, ReturnDeletedObject.
bool returns_deleted(const schema::Kind& kind) {
  if (!kind.resource.group.empty()) return false;
  const std::string_view plural = kind.resource.plural;
  return plural == "pods" || plural == "services" || plural == "serviceaccounts";
}

}  // namespace

Answer<Response> post_object(Context& context, const Request& request, const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto options = write_options(request, Writing::Create);
  if (!options) return Refused(std::move(options).error());
  auto decoded = decode_object(request, *target.kind, options->validation);
  if (!decoded) return Refused(std::move(decoded).error());
  if (auto refusal = check_names(decoded->object, target)) {
    refusal->value().warnings = std::move(decoded->warnings);
    return *std::move(refusal);
  }
  std::vector<std::string> warnings;
  options->warnings = &warnings;
  const auto made =
      create_object(context, target, std::move(decoded->object), *options, Tracking::Needed);
  return answer(*renderer, made, 201, joined(std::move(decoded->warnings), warnings));
}

Answer<Response> put_object(Context& context, const Request& request, const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto options = write_options(request, Writing::Update);
  if (!options) return Refused(std::move(options).error());
  auto decoded = decode_object(request, *target.kind, options->validation);
  if (!decoded) return Refused(std::move(decoded).error());
  if (auto refusal = check_names(decoded->object, target)) {
    refusal->value().warnings = std::move(decoded->warnings);
    return *std::move(refusal);
  }
  std::vector<std::string> warnings;
  options->warnings = &warnings;
  const auto edit = [&decoded](const Value&) -> Answer<Edited> {
    return Edited{decoded->object, Tracking::Needed};
  };
  auto stored = update_object(context, target, *options, Method::Put, edit);
  if (!stored && stored.error().code == 404 && target.subresource.empty() &&
      allows_create_on_update(*target.kind)) {
    stored = create_object(context, target, std::move(decoded->object), *options, Tracking::Needed);
    return answer(*renderer, stored, 201, joined(std::move(decoded->warnings), warnings));
  }
  return answer(*renderer, stored, 200, joined(std::move(decoded->warnings), warnings));
}

Answer<Response> put_finalize(Context& context, const Request& request, const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto decoded = decode_object(request, *target.kind, FieldValidation::Ignore);
  if (!decoded) return Refused(std::move(decoded).error());
  if (auto refusal = check_names(decoded->object, target)) return *std::move(refusal);
  auto record = find_record(context, target);
  if (!record) return Refused(std::move(record).error());
  const Value* wanted = decoded->object.at_path({"spec", "finalizers"});
  std::string shown;
  const auto edited = edit_as_server(context, key_of(target), (*record)->uid, [&](Value& object) {
    Value& spec = object["spec"];
    spec.erase("finalizers");
    if (wanted != nullptr && !wanted->empty()) spec["finalizers"] = *wanted;
    shown = to_wire(object).with((*record)->version);
    return true;
  });
  if (!edited.ok()) return from_storage(edited.error(), *target.kind, target.name);
  return renderer->object(shown, 200);
}

Answer<Response> delete_one(Context& context, const Request& request, const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto options = delete_options(request);
  if (!options) return Refused(std::move(options).error());
  const std::vector<std::string> warnings = delete_warnings(target, *options);
  auto deleted = delete_object(context, target, *options);
  if (!deleted) {
    deleted.error().warnings = warnings;
    return Refused(std::move(deleted).error());
  }
  if (deleted->gone && !returns_deleted(*target.kind)) {
    Response response;
    response.body = success(*target.kind, target.name, deleted->uid) + '\n';
    add_warnings(response, warnings);
    return response;
  }
  const int status = !deleted->gone && options->orphan_denied ? 202 : 200;
  return answer(*renderer, deleted->json, status, warnings);
}

Answer<Response> delete_collection(Context& context, const Request& request, const Target& target) {
  auto renderer = renderer_for(request, *target.kind, context.clock.now());
  if (!renderer) return Refused(std::move(renderer).error());
  auto listing = list_options(request, *target.kind, Reading::List);
  if (!listing) return Refused(std::move(listing).error());
  auto options = delete_options(request);
  if (!options) return Refused(std::move(options).error());
  auto selection = select(context, target, listing->selector, nullptr,
                          static_cast<std::size_t>(listing->limit), 0);
  if (!selection) return Refused(std::move(selection).error());
  for (const storage::RecordRef& record : selection->records) {
    Target one = target;
    one.ns = record->key.ns;
    one.name = record->key.name;
    auto deleted = delete_object(context, one, *options);
    // Gone by now is as good as deleted.
    if (!deleted && deleted.error().code != 404) return Refused(std::move(deleted).error());
  }
  auto response = renderer->list(
      selection->records, Value::object({{"resourceVersion", std::to_string(selection->version)}}));
  if (response) add_warnings(*response, delete_warnings(target, *options));
  return response;
}

}  // namespace millrace::apiserver
