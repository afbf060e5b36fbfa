#include "controllers/shell/webhook_run.h"

#include <algorithm>

#include "controllers/expression/evaluate.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/hash.h"
#include "kubeclient/base/json_quote.h"

namespace millrace::shell {
namespace {

using codec::Value;

constexpr const char* kDefaultSignatureHeader = "X-Hub-Signature-256";
/// A name has at most 63 bytes: '-' and 12 digits, and the pipeline's.
constexpr std::size_t kMostPipelineName = 50;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_utf8(const std::string& text) {
  std::string repaired = text;
  repair_utf8(repaired);
  return repaired == text;
}

/// Secrets must not become part of an object; what belongs to the connection says nothing.
bool is_kept(const std::string& name, const std::string& signature) {
  static constexpr std::string_view kDropped[] = {
      "connection", "content-length",    "cookie",  "expect",        "keep-alive", "te",
      "trailer",    "transfer-encoding", "upgrade", "x-callback-url"};
  static constexpr std::string_view kSecret[] = {"authorization", "token",  "secret", "signature",
                                                 "password",      "apikey", "api-key"};
  if (name == signature) return false;
  if (std::find(std::begin(kDropped), std::end(kDropped), name) != std::end(kDropped)) return false;
  return std::none_of(std::begin(kSecret), std::end(kSecret), [&](std::string_view piece) {
    return name.find(piece) != std::string::npos;
  });
}

Value headers_value(const delivery::Delivery& delivery, const crds::Trigger& trigger) {
  Value out = Value::object();
  const std::string signature = lower(signature_header(trigger));
  for (const auto& [name, text] : delivery.headers) {
    const std::string key = lower(name);
    if (!is_kept(key, signature)) continue;
    std::string value = text;
    repair_utf8(value);
    Value& place = out[key];
    place = place.is_null() ? Value(value) : Value(place.as_string() + ", " + value);
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = static_cast<char>(c | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::string decode_form(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  repair_utf8(out);
  return out;
}

/// Of a name that comes twice the first value counts.
Value query_value(std::string_view query) {
  Value out = Value::object();
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = pair.find('=');
    const std::string name = decode_form(pair.substr(0, equals));
    if (name.empty() || out.find(name) != nullptr) continue;
    out[name] = equals == std::string_view::npos ? "" : decode_form(pair.substr(equals + 1));
  }
  return out;
}

Result<Value> body_value(const delivery::Delivery& delivery) {
  if (delivery.body.empty()) return Value();
  const std::string_view type = delivery::find_header(delivery.headers, "Content-Type");
  std::string media = lower(type.substr(0, type.find(';')));
  while (media.ends_with(' ')) media.pop_back();
  const bool json = media == "application/json" || media.ends_with("+json");
  if (json || media.empty()) {
    auto parsed = Value::parse(delivery.body);
    if (parsed.ok()) return parsed;
    if (json) {
      return fail(Code::Invalid,
                  "the body is not the JSON that Content-Type says: " + parsed.error().message);
    }
  }
  if (!is_utf8(delivery.body)) return fail(Code::Invalid, "the body is not UTF-8");
  return Value(delivery.body);
}

}  // namespace

std::string signature_header(const crds::Trigger& trigger) {
  return trigger.signature_header.empty() ? kDefaultSignatureHeader : trigger.signature_header;
}

Result<Value> trigger_value(const delivery::Delivery& delivery, const crds::Trigger& trigger) {
  MR_ASSIGN(Value body, body_value(delivery));
  Value out = Value::object({{"type", "webhook"}, {"id", delivery.id}});
  out["body"] = std::move(body);
  out["headers"] = headers_value(delivery, trigger);
  out["query"] = query_value(delivery.query);
  if (!delivery.callback_url.empty()) out["callbackUrl"] = delivery.callback_url;
  return out;
}

Result<Value> trigger_params(const crds::Trigger& trigger, const Value& value) {
  Value out = Value::object();
  expression::RootScope scope;
  scope.set("trigger", value);
  for (const auto& [name, text] : trigger.params) {
    const std::string whole = text.find("{{") == std::string::npos ? "{{ " + text + " }}" : text;
    const auto fault = [&](const Error& error) {
      return fail(Code::Invalid, "param " + name + ": " + error.message);
    };
    const auto parsed = expression::Template::parse(whole);
    if (!parsed.ok()) return fault(parsed.error());
    auto evaluated = expression::evaluate(*parsed, scope);
    if (!evaluated.ok()) return fault(evaluated.error());
    out[name] = *std::move(evaluated);
  }
  return out;
}

std::string webhook_run_name(const crds::Pipeline& pipeline, std::string_view id, int salt) {
  std::string text = pipeline.metadata.uid + "\n" + std::string(id);
  if (salt > 0) text += "\n" + std::to_string(salt);
  return logic::shorten(pipeline.metadata.name, kMostPipelineName) + "-" +
         hex(stable_hash(text), 12);
}

logic::Action create_webhook_run(const crds::Pipeline& pipeline, const std::string& revision,
                                 const std::string& name, Value trigger, Value params) {
  logic::Action action;
  action.verb = logic::Action::Verb::Create;
  action.resource = crds::PipelineRun::kResource;
  action.key = {pipeline.metadata.ns, name};
  action.owner_uid = pipeline.metadata.uid;
  action.body = logic::object_head(action.resource, action.key);
  Value& metadata = action.body["metadata"];
  metadata["labels"] =
      logic::to_value({{logic::kPipelineLabel, logic::label_value(pipeline.metadata.name)},
                       {logic::kTriggerLabel, "webhook"}});
  metadata["annotations"] = logic::to_value({{kWebhookAnnotation, "true"},
                                             {kDeliveryAnnotation, trigger.find("id")->as_string()},
                                             {logic::kRevisionAnnotation, revision}});
  metadata["ownerReferences"] =
      Value::array({logic::controller_reference(crds::Pipeline::kResource, pipeline.metadata)});
  Value& spec = action.body["spec"];
  spec["refPipeline"] = pipeline.metadata.name;
  if (!params.empty()) spec["params"] = std::move(params);
  spec["trigger"] = std::move(trigger);
  return action;
}

}  // namespace millrace::shell
