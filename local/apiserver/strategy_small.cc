// Kinds with few rules: ConfigMap, Secret, Lease, ControllerRevision, Event. Source: Kubernetes,
// pkg/apis/{core,coordination,apps}/validation.
#include <array>

#include "kubeclient/base/time_format.h"
#include "kubeclient/client/pem.h"
#include "local/apiserver/json_body.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using schema::Path;

constexpr std::size_t kWordLimit = 128;   // reportingInstance, action, reason [bytes]
constexpr std::size_t kNoteLimit = 1024;  // [bytes]

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group <<= 8;
      if (i + k < bytes.size()) group |= static_cast<unsigned char>(bytes[i + k]);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

bool is_new_api(const schema::Kind& kind) { return kind.resource.group == "events.k8s.io"; }

/// Members of an Event have two names; complaints use that of core/v1.
const Value* member(const Value& event, std::string_view core, std::string_view group) {
  const Value* value = event.find(core);
  return value != nullptr ? value : event.find(group);
}

std::string text_of(const Value* value) { return value == nullptr ? "" : value->as_string(); }

bool is_set(const Value* value) {
  return value != nullptr && !value->is_null() && !same(value, nullptr) &&
         !(value->is_int() && value->as_int() == 0);
}

void check_word(schema::Problems& out, const Value& event, std::string_view name) {
  const std::string text = text_of(event.find(name));
  if (text.empty()) out.required(Path(std::string(name)));
  if (text.size() > kWordLimit) {
    out.invalid(Path(std::string(name)), "", "can have at most 128 characters");
  }
}

/// The rules that both groups share. An Event with eventTime is one of the new ones.
void check_event(schema::Problems& out, const Value& event, const schema::Kind& kind) {
  const std::string ns = text_at(event, {"metadata", "namespace"});
  const Value* object = member(event, "involvedObject", "regarding");
  const std::string about = object == nullptr ? "" : text_at(*object, {"namespace"});
  const bool is_new = is_set(event.find("eventTime"));
  const bool fits = about.empty() ? ns.empty() || ns == "default" || (is_new && ns == "kube-system")
                                  : is_new || about == ns;
  if (!fits) {
    out.invalid(Path("involvedObject") / "namespace", about, "does not match event.namespace");
  }
  if (!is_new) return;
  const Path controller(is_new_api(kind) ? "reportingController" : "reportingComponent");
  const std::string name = text_of(member(event, "reportingComponent", "reportingController"));
  if (name.empty()) out.required(controller);
  for (const std::string& text : qualified_name_complaints(name)) {
    out.invalid(controller, name, text);
  }
  for (const char* word : {"reportingInstance", "action", "reason"}) check_word(out, event, word);
  if (text_of(member(event, "message", "note")).size() > kNoteLimit) {
    out.invalid(Path("message"), "", "can have at most 1024 characters");
  }
}

void check_series(schema::Problems& out, const Value& event) {
  const Value* series = event.find("series");
  if (series == nullptr || series->is_null()) return;
  if (number_at(*series, {"count"}) < 2) {
    out.invalid(Path("series") / "count", "", "should be at least 2");
  }
  if (text_at(*series, {"lastObservedTime"}).empty()) {
    out.required(Path("series") / "lastObservedTime");
  }
}

struct Names {
  const char* core;
  const char* group;
};

/// An object reference as the real server shows it: by the names of Go fields.
Value shown(const Value* value) {
  if (value == nullptr || !value->is_object()) return value == nullptr ? Value() : *value;
  Value out = Value::object();
  constexpr std::array<Names, 7> kFields{{{"kind", "Kind"},
                                          {"namespace", "Namespace"},
                                          {"name", "Name"},
                                          {"uid", "UID"},
                                          {"apiVersion", "APIVersion"},
                                          {"resourceVersion", "ResourceVersion"},
                                          {"fieldPath", "FieldPath"}}};
  for (const Names& field : kFields) out[field.group] = text_at(*value, {field.core});
  return out;
}

bool same_time(const Value* a, const Value* b) {
  const auto left = parse_time(text_of(a));
  const auto right = parse_time(text_of(b));
  return left.ok() == right.ok() && (!left.ok() || *left == *right);
}

}  // namespace

void merge_string_data(Value& secret) {
  const Value* plain = secret.find("stringData");
  if (plain == nullptr) return;
  const Value texts = *plain;
  secret.erase("stringData");
  if (texts.members().empty()) return;
  Value& data = secret["data"];
  for (const auto& [key, value] : texts.members()) data[key] = base64(value.as_string());
}

void check_docker_config(schema::Problems& out, const Value& secret) {
  const std::string type = text_at(secret, {"type"});
  const bool old = type == "kubernetes.io/dockercfg";
  if (!old && type != "kubernetes.io/dockerconfigjson") return;
  const std::string_view key = old ? ".dockercfg" : ".dockerconfigjson";
  const Value* data = secret.at_path({"data", key});
  if (data == nullptr) return;  // validation says so
  const auto text = client::decode_base64(data->as_string());
  if (!text) return;
  const std::string error = read_json(*text).error;
  if (error.empty()) return;
  out.invalid(Path("data").key(key), Value("<secret contents redacted>"), error);
}

void check_immutable_data(schema::Problems& out, const Value& object, const Value& old,
                          std::initializer_list<std::string_view> members) {
  const Value* before = old.find("immutable");
  if (before == nullptr || !before->as_bool()) return;
  constexpr std::string_view kDetail = "field is immutable when `immutable` is set";
  const Value* now = object.find("immutable");
  if (now == nullptr || !now->as_bool()) out.forbidden(Path("immutable"), kDetail);
  for (const std::string_view name : members) {
    if (!same(object.find(name), old.find(name))) out.forbidden(Path(std::string(name)), kDetail);
  }
}

void check_lease(schema::Problems& out, const Value& lease) {
  const Value* duration = lease.at_path({"spec", "leaseDurationSeconds"});
  if (duration != nullptr && !duration->is_null() && duration->as_int() <= 0) {
    out.invalid(Path("spec") / "leaseDurationSeconds", *duration, "must be greater than 0");
  }
  check_not_negative(out, lease, {"spec", "leaseTransitions"});
}

void check_revision(schema::Problems& out, const Value& revision) {
  const Value* data = revision.find("data");
  if (data == nullptr || data->is_null()) out.required(Path("data"), "data is mandatory");
  check_not_negative(out, revision, {"revision"});
}

void check_new_event(schema::Problems& out, const Value& event, const schema::Kind& kind) {
  check_event(out, event, kind);
  if (!is_new_api(kind)) return;
  check_series(out, event);
  if (!is_set(event.find("eventTime"))) out.required(Path("eventTime"));
  const std::string type = text_of(event.find("type"));
  if (type != "Normal" && type != "Warning") {
    out.invalid(Path("type"), "", "has invalid value: " + type);
  }
  constexpr std::array<Names, 4> kOld{{{"firstTimestamp", "deprecatedFirstTimestamp"},
                                       {"lastTimestamp", "deprecatedLastTimestamp"},
                                       {"count", "deprecatedCount"},
                                       {"source", "deprecatedSource"}}};
  for (const Names& names : kOld) {
    if (is_set(member(event, names.core, names.group))) {
      out.invalid(Path(names.core), "", "needs to be unset");
    }
  }
}

void check_event_update(schema::Problems& out, const Value& event, const Value& old,
                        const schema::Kind& kind) {
  check_event(out, event, kind);
  if (!is_new_api(kind)) return;
  if (!same(event.find("series"), old.find("series"))) check_series(out, event);
  const auto fixed = [&](const Names& names) {
    const Value* now = member(event, names.core, names.group);
    if (same(now, member(old, names.core, names.group))) return;
    // The new API's own names are used where both have the field.
    const bool controller = std::string_view(names.core) == "reportingComponent";
    out.invalid(Path(controller ? names.group : names.core), shown(now), "field is immutable");
  };
  fixed({"involvedObject", "regarding"});
  fixed({"reason", "reason"});
  fixed({"message", "note"});
  fixed({"firstTimestamp", "deprecatedFirstTimestamp"});
  fixed({"lastTimestamp", "deprecatedLastTimestamp"});
  fixed({"count", "deprecatedCount"});
  fixed({"reason", "reason"});
  fixed({"type", "type"});
  if (!same_time(event.find("eventTime"), old.find("eventTime"))) fixed({"eventTime", "eventTime"});
  fixed({"action", "action"});
  fixed({"related", "related"});
  fixed({"reportingComponent", "reportingController"});
  fixed({"reportingInstance", "reportingInstance"});
}

}  // namespace millrace::apiserver
