#include "local/apiserver/request_body.h"

#include <algorithm>
#include <utility>

#include "kubeclient/base/hash.h"
#include "kubeclient/base/json_quote.h"
#include "kubeclient/codec/yaml.h"
#include "local/apiserver/warnings.h"
#include "local/schema/protobuf.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::size_t kShownBytes = 30;
constexpr std::size_t kMostWarnings = 100;
constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";

/// The start of a body as errors show it: text when it may be JSON, else hex.
std::string excerpt(std::string_view body) {
  if (body.empty()) return "<empty>";
  const std::string_view start = body.substr(0, kShownBytes);
  std::string out;
  if (start.front() == '{') {
    out = start;
  } else {
    for (const char c : start) out += hex(static_cast<unsigned char>(c), 2);
  }
  return body.size() > kShownBytes ? out + " ..." : out;
}

std::string kind_in_body(const Value& object) {
  const Value* kind = object.find("kind");
  return kind == nullptr ? "" : kind->as_string();
}

std::string version_in_body(const Value& object) {
  const Value* version = object.find("apiVersion");
  return version == nullptr ? "" : version->as_string();
}

std::string_view short_version(std::string_view api_version) {
  const std::size_t slash = api_version.find('/');
  return slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
}

Refused cannot_handle(std::string_view kind, std::string_view version, const schema::Kind& wanted,
                      const std::string& why) {
  return bad_request(std::string(kind) + " in version " + json_quote(version) +
                     " cannot be handled as a " + std::string(wanted.resource.kind) + ": " + why);
}

/// The document in a protobuf body; of another kind it has only kind and apiVersion.
Answer<Value> read_protobuf(const Request& request, const schema::Kind& kind) {
  const std::string api_version = kind.resource.api_version();
  auto envelope = schema::read_envelope(request.body);
  if (!envelope.ok()) {
    return bad_request("the object provided is unrecognized (must be of type " +
                       std::string(kind.resource.kind) + "): " + envelope.error().message + " (" +
                       excerpt(request.body) + ")");
  }
  auto document = schema::decode_protobuf(request.body, api_version, kind.resource.kind);
  if (document.ok()) return *std::move(document);
  const std::string& shown_kind =
      envelope->kind.empty() ? std::string(kind.resource.kind) : envelope->kind;
  const std::string shown_version =
      envelope->api_version.empty() ? api_version : envelope->api_version;
  return cannot_handle(shown_kind, short_version(shown_version), kind, document.error().message);
}

/// The document in a body of JSON or YAML.
Answer<JsonBody> read_text(const Request& request, const schema::Kind& kind) {
  JsonBody body = parse_body(request);
  if (body.error.empty() && body.value.is_null()) {
    if (kind.custom) {
      return bad_request("the object provided is unrecognized (must be of type " +
                         std::string(kind.resource.kind) +
                         "): Object 'Kind' is missing in 'null' (" + excerpt("null") + ")");
    }
    body.value = Value::object();
  }
  if (body.error.empty() && !body.value.is_object()) {
    body.error = "json: cannot unmarshal " +
                 std::string(body.value.is_number() ? "number" : body.value.kind_name()) +
                 " into Go value of type struct { APIVersion string "
                 "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                 "\"json:\\\"kind,omitempty\\\"\" }";
  }
  if (body.error.empty()) return body;
  const bool yaml = body.error.starts_with("yaml:");
  return bad_request("the object provided is unrecognized (must be of type " +
                     std::string(kind.resource.kind) +
                     "): " + (yaml ? "" : "couldn't get version/kind; json parse error: ") +
                     body.error + " (" + excerpt(request.body) + ")");
}

/// Kind and apiVersion: absent ones of built-in kinds are filled in, wrong ones refused.
std::optional<Refused> check_type(Value& object, const schema::Kind& kind) {
  const std::string api_version = kind.resource.api_version();
  const std::string body_kind = kind_in_body(object);
  const std::string body_version = version_in_body(object);
  const std::string wanted_kind(kind.resource.kind);
  if (!kind.custom) {
    if ((body_kind.empty() || body_kind == wanted_kind) &&
        (body_version.empty() || body_version == api_version)) {
      object["kind"] = wanted_kind;
      object["apiVersion"] = api_version;
      return std::nullopt;
    }
    const std::string shown_kind = body_kind.empty() ? wanted_kind : body_kind;
    const std::string shown_version = body_version.empty() ? api_version : body_version;
    const std::size_t slash = shown_version.find('/');
    const std::string group = slash == std::string::npos ? "" : shown_version.substr(0, slash);
    if (schema::find_kind_by_name(group, short_version(shown_version), shown_kind) != nullptr) {
      return cannot_handle(shown_kind, short_version(shown_version), kind,
                           "converting (" + std::string(short_version(shown_version)) + "." +
                               shown_kind + ") to (core." + wanted_kind + "): unknown conversion");
    }
    return cannot_handle(shown_kind, short_version(shown_version), kind,
                         "no kind " + json_quote(shown_kind) + " is registered for version " +
                             json_quote(shown_version) +
                             " in scheme \"pkg/runtime/scheme.go:110\"");
  }
  if (body_kind.empty()) {
    const std::string text = object.dump();
    return bad_request("the object provided is unrecognized (must be of type " + wanted_kind +
                       "): Object 'Kind' is missing in '" + text + "' (" + excerpt(text) + ")");
  }
  if (body_version != api_version) {
    return bad_request("the API version in the data (" + body_version +
                       ") does not match the expected API version (" + api_version + ")");
  }
  if (body_kind != wanted_kind) {
    const Value* name = object.at_path({"metadata", "name"});
    return invalid(kind.resource.group, body_kind, name == nullptr ? "" : name->as_string(),
                   {{"kind", "FieldValueInvalid",
                     "Invalid value: " + json_quote(body_kind) + ": must be " + wanted_kind}});
  }
  return std::nullopt;
}

}  // namespace

std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  while (!type.empty() && type.back() == ' ') type.pop_back();
  while (!type.empty() && type.front() == ' ') type.erase(0, 1);
  return type;
}

JsonBody parse_yaml_text(std::string_view text) {
  // Most "YAML" bodies are JSON; the faster reader also says more about repeated fields.
  if (const std::size_t first = text.find_first_not_of(" \n\r\t");
      first != std::string_view::npos && text[first] == '{') {
    JsonBody body = read_json(text);
    if (body.error.empty()) return body;
  }
  JsonBody body;
  codec::YamlPosition at;
  auto documents = codec::parse_yaml_documents(text, "", &at);
  if (!documents.ok()) {
    body.error = "yaml: line " + std::to_string(at.line) + ": " + documents.error().message;
  } else if (!documents->empty()) {
    body.value = std::move(documents->front().value);
  }
  return body;
}

bool is_body_type(std::string_view type) {
  return type.empty() || type == "application/json" || type == "application/yaml" ||
         type == kProtobuf;
}

JsonBody parse_body(const Request& request) {
  const std::string type = media_type(request.content_type);
  if (type == "application/yaml") return parse_yaml_text(request.body);
  if (type != kProtobuf) return read_json(request.body);
  JsonBody body;
  auto document = schema::decode_protobuf(request.body);
  if (document.ok()) {
    body.value = *std::move(document);
  } else {
    body.error = document.error().message;
  }
  return body;
}

std::string strict_error(std::vector<std::string> strict, FieldValidation validation,
                         std::vector<std::string>& warnings) {
  if (validation == FieldValidation::Ignore || strict.empty()) return "";
  if (validation == FieldValidation::Warn) {
    for (std::string& text : strict) {
      if (warnings.size() < kMostWarnings) warnings.push_back(std::move(text));
    }
    return "";
  }
  std::string error = "strict decoding error: ";
  for (std::size_t i = 0; i < strict.size(); ++i) error += (i == 0 ? "" : ", ") + strict[i];
  return error;
}

Answer<Decoded> decode_object(const Request& request, const schema::Kind& kind,
                              FieldValidation validation) {
  const std::string type = media_type(request.content_type);
  if (!is_body_type(type) || (type == kProtobuf && kind.custom)) {
    return unsupported_body(kBodyTypes);
  }
  Decoded decoded;
  std::vector<std::string> repeated;
  if (type == kProtobuf) {
    auto document = read_protobuf(request, kind);
    if (!document) return Refused(std::move(document).error());
    decoded.object = *std::move(document);
  } else {
    auto body = read_text(request, kind);
    if (!body) return Refused(std::move(body).error());
    decoded.object = std::move(body->value);
    repeated = std::move(body->repeated);
  }
  if (auto refusal = check_type(decoded.object, kind)) return *std::move(refusal);
  const std::string_view version = kind.resource.version;
  auto fitted = schema::fit(decoded.object, kind);
  if (!fitted.ok()) {
    return cannot_handle(kind.resource.kind, version, kind, fitted.error().message);
  }
  std::vector<std::string> strict;
  for (const std::string& path : repeated) {
    strict.push_back("duplicate field " + json_quote(path));
  }
  strict.insert(strict.end(), fitted->unknown.begin(), fitted->unknown.end());
  const std::string error = strict_error(std::move(strict), validation, decoded.warnings);
  if (!error.empty()) return cannot_handle(kind.resource.kind, version, kind, error);
  merge_owners(decoded.object, Sent::Whole, decoded.warnings);
  if (decoded.object.find("metadata") == nullptr) decoded.object["metadata"] = Value::object();
  return decoded;
}

}  // namespace millrace::apiserver
