#include <utility>

#include "kubeclient/base/json_quote.h"
#include "local/apiserver/draft.h"
#include "local/apiserver/reads.h"
#include "local/apiserver/render.h"
#include "local/apiserver/request_body.h"
#include "local/apiserver/write_verbs.h"
#include "local/apiserver/writes.h"
#include "local/patch/patch.h"
#include "local/schema/fit.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

std::string selector_text(const Value& deployment) {
  std::string out;
  if (const Value* labels = deployment.at_path({"spec", "selector", "matchLabels"})) {
    for (const auto& [key, value] : labels->members()) {
      out += (out.empty() ? "" : ",") + key + "=" + value.as_string();
    }
  }
  return out;
}

/// The autoscaling/v1 Scale of a Deployment.
Value scale_of(const Value& deployment) {
  Value metadata = Value::object();
  for (const std::string_view key :
       {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const Value* value = deployment.at_path({"metadata", key})) metadata[key] = *value;
  }
  const Value* wanted = deployment.at_path({"spec", "replicas"});
  const Value* have = deployment.at_path({"status", "replicas"});
  Value spec = Value::object();
  if (wanted != nullptr && wanted->as_int() != 0) spec["replicas"] = *wanted;
  Value status = Value::object({{"replicas", have == nullptr ? 0 : have->as_int()}});
  if (std::string selector = selector_text(deployment); !selector.empty()) {
    status["selector"] = std::move(selector);
  }
  return Value::object({{"kind", "Scale"},
                        {"apiVersion", "autoscaling/v1"},
                        {"metadata", std::move(metadata)},
                        {"spec", std::move(spec)},
                        {"status", std::move(status)}});
}

/// The Scale kind itself, for shapes.
const schema::Kind& scale_kind() {
  static const schema::Kind kind = [] {
    schema::Kind made;
    made.resource = {"autoscaling", "v1", "scales", "Scale", true};
    made.type = &schema::scale_type();
    return made;
  }();
  return kind;
}

/// What the request makes of the Scale of `old`.
Answer<Value> wanted_scale(const Request& request, const Value& old) {
  if (request.method == "PUT") {
    auto decoded = decode_object(request, scale_kind(), FieldValidation::Ignore);
    if (!decoded) return Refused(std::move(decoded).error());
    return std::move(decoded->object);
  }
  const JsonBody body = read_json(request.body);
  if (!body.error.empty()) return bad_request("error decoding patch: " + body.error);
  const std::string type = media_type(request.content_type);
  Value scale = scale_of(old);
  if (type == "application/json-patch+json") {
    auto patched = patch::json_patch(std::move(scale), body.value);
    if (!patched.ok()) {
      return refuse(patched.error().code == Code::Malformed ? 400 : 422,
                    patched.error().code == Code::Malformed ? "BadRequest" : "Invalid",
                    patched.error().message);
    }
    scale = *std::move(patched);
  } else if (type == "application/merge-patch+json" ||
             type == "application/strategic-merge-patch+json") {
    // A Scale has no lists: both patches mean the same.
    if (auto ok = patch::check_merge(body.value); !ok.ok()) return bad_request(ok.error().message);
    scale = patch::merge(std::move(scale), body.value);
  } else {
    auto refusal = refuse(415, "UnsupportedMediaType", "415: Unsupported Media Type");
    refusal.value().details = Value::object();
    return refusal;
  }
  const std::string text = scale.dump();
  auto fitted = schema::fit(scale, scale_kind());
  if (!fitted.ok()) {
    return invalid("", "", "",
                   {{"patch", "FieldValueInvalid",
                     "Invalid value: " + json_quote(text) + ": " + fitted.error().message}});
  }
  return scale;
}

Answer<Edited> rescaled(const Request& request, const Target& target, const Value& old) {
  auto scale = wanted_scale(request, old);
  if (!scale) return Refused(std::move(scale).error());
  if (auto refusal = check_names(*scale, target)) return *std::move(refusal);
  const Value* wanted = scale->at_path({"spec", "replicas"});
  const std::int64_t replicas = wanted == nullptr ? 0 : wanted->as_int();
  if (replicas < 0) {
    return invalid(
        "autoscaling", "Scale", target.name,
        {{"spec.replicas", "FieldValueInvalid",
          "Invalid value: " + std::to_string(replicas) + ": must be greater than or equal to 0"}});
  }
  Value object = old;
  object["spec"]["replicas"] = replicas;
  const Value* version = scale->at_path({"metadata", "resourceVersion"});
  object["metadata"]["resourceVersion"] = version == nullptr ? Value("") : *version;
  return Edited{std::move(object), Tracking::Needed};
}

}  // namespace

Answer<Response> serve_scale(Context& context, const Request& request, const Target& target) {
  auto output = negotiate(request, *target.kind);
  if (!output) return Refused(std::move(output).error());
  std::string json;
  if (request.method == "GET") {
    auto record = find_record(context, target);
    if (!record) return Refused(std::move(record).error());
    json = (*record)->json;
  } else {
    const bool put = request.method == "PUT";
    auto options = write_options(request, put ? Writing::Update : Writing::Patch);
    if (!options) return Refused(std::move(options).error());
    const auto edit = [&](const Value& old) { return rescaled(request, target, old); };
    auto stored = update_object(context, target, *options, put ? Method::Put : Method::Patch, edit);
    if (!stored) return Refused(std::move(stored).error());
    json = *std::move(stored);
  }
  return make_response(200, scale_of(parse_stored(json)).dump(), *output);
}

}  // namespace millrace::apiserver
