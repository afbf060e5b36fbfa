#include "kubeclient/codec/schema.h"

#include <algorithm>

#include "kubeclient/base/duration.h"

namespace millrace::codec {
namespace {

using Kind = TypeInfo::Kind;

/// What Go's time.ParseDuration reads, without a minus sign.
constexpr std::string_view kDurationPattern =
    "^[+]?(0|(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
constexpr std::string_view kDurationMessage = "must be a duration such as 90s, 10m or 1h30m";
constexpr int kMaxDurationLength = 64;

Value text_schema(int max_length) {
  return Value::object({{"type", "string"}, {"minLength", 1}, {"maxLength", max_length}});
}

void add_rule(Value& schema, std::string_view rule, std::string_view message) {
  schema["x-kubernetes-validations"].push_back(
      Value::object({{"rule", rule}, {"message", message}}));
}

Value label_schema() {
  Value name = text_schema(63);
  add_rule(name, kDnsLabelRule, kDnsLabelMessage);
  return name;
}

Value open_object() { return Value::object({{"type", "object"}}); }

/// As much of a core/v1 Container as has to be right before a pod is made of it.
Value container_schema() {
  Value schema = open_object();
  schema["required"] = Value::array({"name", "image"});
  schema["properties"] = Value::object({{"name", label_schema()}, {"image", text_schema(1024)}});
  schema["x-kubernetes-preserve-unknown-fields"] = true;
  return schema;
}

void make_keyed_list(Value& schema, std::string_view key) {
  schema["x-kubernetes-list-type"] = "map";
  schema["x-kubernetes-list-map-keys"] = Value::array({Value(key)});
}

Value container_list(int min_items) {
  Value schema = Value::object({{"type", "array"}});
  if (min_items > 0) schema["minItems"] = min_items;
  schema["maxItems"] = 64;
  schema["items"] = container_schema();
  make_keyed_list(schema, "name");
  return schema;
}

/// The schema of a Value, by the Kubernetes type that its field names.
Value any_schema(const FieldOptions& options) {
  if (options.int_or_string) return Value::object({{"x-kubernetes-int-or-string", true}});
  if (options.kube_type == "any") {
    return Value::object({{"x-kubernetes-preserve-unknown-fields", true}});
  }
  if (options.kube_type == "core/v1 Container") return container_schema();
  if (options.kube_type == "core/v1 Container without name") {
    Value schema = open_object();
    schema["required"] = Value::array({"image"});
    schema["properties"] = Value::object({{"image", text_schema(1024)}});
    schema["x-kubernetes-preserve-unknown-fields"] = true;
    return schema;
  }
  Value schema = open_object();
  if (options.kube_type == "core/v1 Volume") {
    schema["required"] = Value::array({"name"});
    schema["properties"] = Value::object({{"name", label_schema()}});
  } else if (options.kube_type == "core/v1 PodSpec") {
    schema["required"] = Value::array({"containers"});
    schema["properties"] =
        Value::object({{"containers", container_list(1)}, {"initContainers", container_list(0)}});
  }
  schema["x-kubernetes-preserve-unknown-fields"] = true;
  return schema;
}

Value with_options(const TypeInfo& type, const FieldOptions& options);

Value object_schema(const TypeInfo& type) {
  Value schema = open_object();
  Value required = Value::array();
  Value properties = Value::object();
  for (const FieldInfo& field : type.fields) {
    if (field.options.required) required.push_back(field.name);
    properties[field.name] = with_options(field.type, field.options);
  }
  if (!required.empty()) schema["required"] = std::move(required);
  schema["properties"] = std::move(properties);
  for (const RuleInfo& rule : type.rules) add_rule(schema, rule.rule, rule.message);
  return schema;
}

Value bare_schema(const TypeInfo& type, const FieldOptions& options) {
  switch (type.kind) {
    case Kind::Bool:
      return Value::object({{"type", "boolean"}});
    case Kind::Int32:
      return Value::object({{"type", "integer"}, {"format", "int32"}});
    case Kind::Int64:
      return Value::object({{"type", "integer"}, {"format", "int64"}});
    case Kind::Double:
      return Value::object({{"type", "number"}, {"format", "double"}});
    case Kind::String:
      return Value::object({{"type", "string"}});
    case Kind::Time:
    case Kind::MicroTime:
      return Value::object({{"type", "string"}, {"format", "date-time"}});
    case Kind::Duration:
      return Value::object({{"type", "string"}, {"maxLength", kMaxDurationLength}});
    case Kind::Enum: {
      Value names = Value::array();
      for (const std::string_view name : type.names) names.push_back(name);
      return Value::object({{"type", "string"}, {"enum", std::move(names)}});
    }
    case Kind::Any:
      return any_schema(options);
    case Kind::Object: {
      Value schema = object_schema(type);
      if (options.preserve_unknown) schema["x-kubernetes-preserve-unknown-fields"] = true;
      return schema;
    }
    case Kind::List: {
      Value schema = Value::object({{"type", "array"}});
      FieldOptions item;  // the items are of the field's Kubernetes type
      item.kube_type = options.kube_type;
      schema["items"] = bare_schema(type.item.front(), item);
      if (!options.list_map_key.empty()) make_keyed_list(schema, options.list_map_key);
      return schema;
    }
    case Kind::Map: {
      Value schema = open_object();
      if (options.preserve_unknown) {
        schema["x-kubernetes-preserve-unknown-fields"] = true;
        return schema;
      }
      FieldOptions item;
      item.kube_type = options.kube_type;
      schema["additionalProperties"] = bare_schema(type.item.front(), item);
      return schema;
    }
  }
  return {};
}

Value number(double limit) {
  Value value(limit);
  const std::int64_t whole = value.as_int();
  return static_cast<double>(whole) == limit ? Value(whole) : value;
}

Value with_options(const TypeInfo& type, const FieldOptions& options) {
  Value schema = Value::object();
  if (!options.doc.empty()) schema["description"] = options.doc;
  Value bare = bare_schema(type, options);
  for (auto& [key, value] : bare.members()) schema[key] = std::move(value);
  const bool list = type.kind == Kind::List;
  if (options.min) schema["minimum"] = number(*options.min);
  if (options.max) schema["maximum"] = number(*options.max);
  if (options.min_length) schema["minLength"] = *options.min_length;
  if (options.max_length) schema["maxLength"] = *options.max_length;
  if (options.min_items) schema[list ? "minItems" : "minProperties"] = *options.min_items;
  if (options.max_items) schema[list ? "maxItems" : "maxProperties"] = *options.max_items;
  if (!options.pattern.empty()) schema["pattern"] = options.pattern;
  if (!options.format.empty()) schema["format"] = options.format;
  if (!options.default_json.empty()) {
    auto value = Value::parse(options.default_json);
    MR_CHECK(value.ok());
    schema["default"] = *std::move(value);
  }
  if (type.kind == Kind::Duration) {
    add_rule(schema, duration_rule(options.rule),
             options.rule.empty() ? kDurationMessage : options.rule_message);
  } else if (!options.rule.empty()) {
    add_rule(schema, options.rule, options.rule_message);
  }
  return schema;
}

}  // namespace

std::string duration_rule(std::string_view extra) {
  std::string rule = "self.matches('" + std::string(kDurationPattern) + "') && ";
  if (extra.empty()) return rule + "duration(self) >= duration('0s')";
  return rule + std::string(extra);
}

bool is_duration(const Value& self) {
  const auto duration = parse_duration(self.as_string());
  return duration.ok() && duration->count() >= 0 && !self.as_string().starts_with('-');
}

bool is_dns_label(const Value& self) {
  const std::string& text = self.as_string();
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && alphanumeric(text.front()) && alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
}

Value schema_of(const TypeInfo& type) { return with_options(type, {}); }

}  // namespace millrace::codec
