#include "local/apiserver/refusal.h"

#include <algorithm>
#include <utility>

namespace millrace::apiserver {
namespace {

using codec::Value;

Value details_of(std::string_view name, std::string_view group, std::string_view kind) {
  Value details = Value::object();
  if (!name.empty()) details["name"] = name;
  if (!group.empty()) details["group"] = group;
  if (!kind.empty()) details["kind"] = kind;
  return details;
}

Refused about(int code, std::string reason, const schema::Kind& kind, std::string_view name,
              std::string message) {
  return Refused(Refusal{.code = code,
                         .reason = std::move(reason),
                         .message = std::move(message),
                         .details = details_of(name, kind.resource.group, kind.resource.plural)});
}

std::string quoted(const schema::Kind& kind, std::string_view name) {
  const api::ApiResource& resource = kind.resource;
  return std::string(resource.plural) + (resource.group.empty() ? "" : ".") +
         std::string(resource.group) + " \"" + std::string(name) + "\"";
}

}  // namespace

std::string status_json(const Refusal& refusal) {
  Value metadata = Value::object();
  if (!refusal.continue_token.empty()) metadata["continue"] = refusal.continue_token;
  Value status = Value::object({{"kind", "Status"},
                                {"apiVersion", "v1"},
                                {"metadata", std::move(metadata)},
                                {"status", "Failure"},
                                {"message", refusal.message}});
  if (!refusal.reason.empty()) status["reason"] = refusal.reason;
  if (!refusal.details.is_null()) status["details"] = refusal.details;
  status["code"] = refusal.code;
  return status.dump();
}

Refused refuse(int code, std::string reason, std::string message) {
  return Refused(Refusal{.code = code, .reason = std::move(reason), .message = std::move(message)});
}

Refused bad_request(std::string message) { return refuse(400, "BadRequest", std::move(message)); }

Refused plain_error(std::string message) { return refuse(500, "", std::move(message)); }

Refused no_such_resource() {
  return Refused(Refusal{.code = 404,
                         .reason = "NotFound",
                         .message = "the server could not find the requested resource",
                         .details = Value::object()});
}

Refused not_found(const schema::Kind& kind, std::string_view name) {
  return about(404, "NotFound", kind, name, quoted(kind, name) + " not found");
}

Refused already_exists(const schema::Kind& kind, std::string_view name) {
  return about(409, "AlreadyExists", kind, name, quoted(kind, name) + " already exists");
}

Refused conflict(const schema::Kind& kind, std::string_view name, std::string_view why) {
  return about(409, "Conflict", kind, name,
               "Operation cannot be fulfilled on " + quoted(kind, name) + ": " + std::string(why));
}

Refused outdated(const schema::Kind& kind, std::string_view name) {
  return conflict(kind, name,
                  "the object has been modified; please apply your changes to the latest version "
                  "and try again");
}

Refused invalid(std::string_view group, std::string_view kind_name, std::string_view name,
                const std::vector<schema::Problem>& problems) {
  Value causes = Value::array();
  std::vector<std::string> texts;
  for (const schema::Problem& problem : problems) {
    causes.push_back(Value::object(
        {{"reason", problem.reason}, {"message", problem.message}, {"field", problem.field}}));
    std::string text = problem.field + ": " + problem.message;
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) {
      texts.push_back(std::move(text));
    }
  }
  std::string message = qualified_kind(group, kind_name) + " \"" + std::string(name) +
                        "\" is invalid: " + (texts.size() == 1 ? "" : "[");
  for (std::size_t i = 0; i < texts.size(); ++i) message += (i == 0 ? "" : ", ") + texts[i];
  if (texts.size() != 1) message += "]";
  Value details = details_of(name, group, kind_name);
  details["causes"] = std::move(causes);
  return Refused(Refusal{.code = 422,
                         .reason = "Invalid",
                         .message = std::move(message),
                         .details = std::move(details)});
}

std::string_view group_in_complaints(const schema::Kind& kind) {
  return kind.resource.kind == "Event" ? std::string_view() : std::string_view(kind.resource.group);
}

Refused invalid_options(std::string_view options_kind, std::string field, std::string reason,
                        std::string message) {
  return invalid("meta.k8s.io", options_kind, "",
                 {{std::move(field), std::move(reason), std::move(message)}});
}

Refused method_not_allowed() {
  return Refused(
      Refusal{.code = 405,
              .reason = "MethodNotAllowed",
              .message = "the server does not allow this method on the requested resource",
              .details = Value::object()});
}

Refused too_large_version(std::string_view asked, std::uint64_t current) {
  Value details = Value::object(
      {{"causes", Value::array({Value::object({{"reason", "ResourceVersionTooLarge"},
                                               {"message", "Too large resource version"}})})},
       {"retryAfterSeconds", 1}});
  return Refused(Refusal{.code = 504,
                         .reason = "Timeout",
                         .message = "Timeout: Too large resource version: " + std::string(asked) +
                                    ", current: " + std::to_string(current),
                         .details = std::move(details)});
}

Refused unsupported_body(std::string_view accepted) {
  return refuse(
      415, "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: " +
          std::string(accepted));
}

Refused not_acceptable(std::string_view message) {
  return refuse(406, "NotAcceptable", std::string(message));
}

Refused from_storage(const Error& error, const schema::Kind& kind, std::string_view name) {
  switch (error.code) {
    case Code::NotFound:
      return not_found(kind, name);
    case Code::AlreadyExists:
      return already_exists(kind, name);
    case Code::Conflict:
      return outdated(kind, name);
    case Code::Expired:
      return refuse(410, "Expired", error.message);
    default:
      return Refused(
          Refusal{.code = 500,
                  .reason = "InternalError",
                  .message = "Internal error occurred: " + error.message,
                  .details = Value::object(
                      {{"causes", Value::array({Value::object({{"message", error.message}})})}})});
  }
}

std::string qualified_kind(std::string_view group, std::string_view kind) {
  std::string text(kind);
  if (!group.empty()) {
    text += '.';
    text += group;
  }
  return text;
}

}  // namespace millrace::apiserver
