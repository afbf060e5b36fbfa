#include "local/schema/custom_check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>
#include <set>
#include <string>

#include "crds/rules.h"
#include "kubeclient/base/time_format.h"

namespace millrace::schema {
namespace {

using codec::Value;

/// std::regex recurses on its input; longer text breaks a length limit anyway.
constexpr std::size_t kMaxPatternInput = 1024;

constexpr const char* kNotChecked =
    "some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation";

std::size_t count_characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

/// The type as OpenAPI names it.
std::string type_name(const Value& value) {
  if (value.is_bool()) return "boolean";
  if (value.is_int()) return "integer";
  return std::string(value.kind_name());
}

bool is_whole(const Value& value) {
  return value.is_int() ||
         (value.is_number() && std::floor(value.as_double()) == value.as_double());
}

bool has_type(const Value& value, const std::string& type) {
  if (type == "integer") return is_whole(value);
  if (type == "number") return value.is_number();
  return type_name(value) == type;
}

/// The value before the update at the same place, when that can be told.
const Value* old_member(const Value* old, std::string_view name) {
  return old == nullptr ? nullptr : old->find(name);
}

const std::string& list_key(const Value& schema) {
  static const std::string none;
  const Value* keys = schema.find("x-kubernetes-list-map-keys");
  return keys == nullptr ? none : keys->items().front().as_string();
}

const Value* old_item(const Value* old, const std::string& key, const Value& item) {
  const Value* name = item.find(key);
  if (old == nullptr || name == nullptr || !old->is_array()) return nullptr;
  for (const Value& candidate : old->items()) {
    const Value* old_name = candidate.find(key);
    if (old_name != nullptr && *old_name == *name) return &candidate;
  }
  return nullptr;
}

/// Calls `visit(schema, value, old, path)` for each value below `value` that the schema knows.
template <class Visit>
void for_each_child(const Value& schema, const Value& value, const Value* old, const Path& path,
                    const Visit& visit) {
  if (value.is_array()) {
    const Value* items = schema.find("items");
    if (items == nullptr) return;
    const std::string& key = list_key(schema);
    std::size_t index = 0;
    for (const Value& item : value.items()) {
      visit(*items, item, key.empty() ? nullptr : old_item(old, key, item), path[index++]);
    }
  }
  const Value* properties = schema.find("properties");
  const Value* additional = schema.find("additionalProperties");
  for (const auto& [name, member] : value.members()) {
    const Value* known = properties == nullptr ? nullptr : properties->find(name);
    if (known == nullptr) known = additional;
    if (known != nullptr) visit(*known, member, old_member(old, name), path / name);
  }
}

/// Types, limits, enums, unique keys.
class ShapeCheck {
 public:
  explicit ShapeCheck(Problems& problems) : problems_(problems) {}

  void check(const Value& schema, const Value& value, const Value* old, const Path& path) {
    if (old != nullptr && *old == value) return;
    const bool right = check_type(schema, value, path);
    check_enum(schema, value, path);
    if (!right) return;
    if (value.is_string()) check_string(schema, value, path);
    if (value.is_number()) check_number(schema, value, path);
    if (value.is_array()) check_count(schema, "minItems", "maxItems", value.items().size(), path);
    if (value.is_object()) {
      check_count(schema, "minProperties", "maxProperties", value.members().size(), path);
    }
    for_each_child(schema, value, old, path,
                   [this](const Value& below, const Value& member, const Value* old_value,
                          const Path& place) { check(below, member, old_value, place); });
    check_required(schema, value, path);
    check_unique(schema, value, path);
  }

 private:
  static std::string in_body(const Path& path, const std::string& text) {
    return path.text() + " in body " + text;
  }

  bool check_type(const Value& schema, const Value& value, const Path& path) {
    const Value* type = schema.find("type");
    if (type == nullptr) return value.is_int() || value.is_string();
    if (has_type(value, type->as_string())) return true;
    const std::string got = type_name(value);
    problems_.type_invalid(
        path, got, in_body(path, "must be of type " + type->as_string() + ": \"" + got + "\""));
    return false;
  }

  void check_enum(const Value& schema, const Value& value, const Path& path) {
    const Value* names = schema.find("enum");
    if (names == nullptr) return;
    const auto& items = names->items();
    if (std::find(items.begin(), items.end(), value) != items.end()) return;
    std::vector<std::string> choices;
    for (const Value& name : items) choices.push_back(name.as_string());
    problems_.unsupported(path, value, choices);
  }

  void check_string(const Value& schema, const Value& value, const Path& path) {
    const std::string& text = value.as_string();
    const auto length = static_cast<std::int64_t>(count_characters(text));
    if (const Value* max = schema.find("maxLength"); max != nullptr && length > max->as_int()) {
      problems_.too_long(path, static_cast<std::size_t>(max->as_int()));
    }
    if (const Value* min = schema.find("minLength"); min != nullptr && length < min->as_int()) {
      problems_.invalid(
          path, value,
          in_body(path, "should be at least " + std::to_string(min->as_int()) + " chars long"));
    }
    if (const Value* pattern = schema.find("pattern")) {
      const std::regex regex(pattern->as_string(), std::regex::ECMAScript);
      if (text.size() > kMaxPatternInput || !std::regex_search(text, regex)) {
        problems_.invalid(path, value,
                          in_body(path, "should match '" + pattern->as_string() + "'"));
      }
    }
    const Value* format = schema.find("format");
    if (format != nullptr && format->as_string() == "date-time" && !parse_time(text).ok()) {
      problems_.invalid(path, value, in_body(path, "must be of type date-time: " + value.dump()));
    }
  }

  void check_number(const Value& schema, const Value& value, const Path& path) {
    const Value* min = schema.find("minimum");
    const Value* max = schema.find("maximum");
    if (max != nullptr && value.as_double() > max->as_double()) {
      problems_.invalid(path, value,
                        in_body(path, "should be less than or equal to " + max->dump()));
    }
    if (min != nullptr && value.as_double() < min->as_double()) {
      problems_.invalid(path, value,
                        in_body(path, "should be greater than or equal to " + min->dump()));
    }
  }

  void check_count(const Value& schema, const char* min_name, const char* max_name,
                   std::size_t count, const Path& path) {
    const Value* min = schema.find(min_name);
    const Value* max = schema.find(max_name);
    if (max != nullptr && count > static_cast<std::size_t>(max->as_int())) {
      problems_.too_many(path, count, static_cast<std::size_t>(max->as_int()));
    }
    if (min != nullptr && count < static_cast<std::size_t>(min->as_int())) {
      const bool list = std::string_view(min_name) == "minItems";
      problems_.invalid(path, static_cast<std::int64_t>(count),
                        in_body(path, "should have at least " + std::to_string(min->as_int()) +
                                          (list ? " items" : " properties")));
    }
  }

  void check_required(const Value& schema, const Value& value, const Path& path) {
    const Value* required = schema.find("required");
    if (required == nullptr || !value.is_object()) return;
    for (const Value& name : required->items()) {
      if (value.find(name.as_string()) == nullptr) problems_.required(path / name.as_string());
    }
  }

  /// One complaint a list, about the second item of the same key.
  void check_unique(const Value& schema, const Value& value, const Path& path) {
    const std::string& key = list_key(schema);
    if (key.empty() || !value.is_array()) return;
    std::set<std::string> seen;
    std::size_t index = 0;
    for (const Value& item : value.items()) {
      const Value* name = item.find(key);
      const Path place = path[index++];
      if (name == nullptr || seen.insert(name->dump()).second) continue;
      problems_.duplicate(place, Value::object({{key, *name}}));
      return;
    }
  }

  Problems& problems_;
};

/// CEL rules, by their meaning in C++.
class RuleCheck {
 public:
  explicit RuleCheck(Problems& problems) : problems_(problems) {}

  void check(const Value& schema, const Value& value, const Value* old, const Path& path) {
    if (old != nullptr && *old == value) return;
    if (const Value* rules = schema.find("x-kubernetes-validations")) {
      for (const Value& rule : rules->items()) check_rule(rule, value, old, path);
    }
    for_each_child(schema, value, old, path,
                   [this](const Value& below, const Value& member, const Value* old_value,
                          const Path& place) { check(below, member, old_value, place); });
  }

 private:
  void check_rule(const Value& rule, const Value& value, const Value* old, const Path& path) {
    const std::string& text = rule.find("rule")->as_string();
    if (old == nullptr && text.find("oldSelf") != std::string::npos) return;
    const auto found = crds::rule_table().find(text);
    MR_CHECK(found != crds::rule_table().end());
    if (found->second(value, old)) return;
    problems_.invalid(path, type_name(value), rule.find("message")->as_string());
  }

  Problems& problems_;
};

/// Complaints after which no rule is asked.
bool blocks_rules(const Problem& problem) {
  static const std::set<std::string, std::less<>> reasons = {
      "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany",
      "FieldValueTypeInvalid"};
  return reasons.find(problem.reason) != reasons.end();
}

/// Nulls where the schema allows none. `shown` is the path as it stands inside of the message.
void find_nulls(const Value& schema, const Value& value, const std::string& path,
                const std::string& shown, std::vector<Problem>& out) {
  if (value.is_null()) {
    const Value* nullable = schema.find("nullable");
    const Value* type = schema.find("type");
    // A default takes the place of null.
    if ((nullable != nullptr && nullable->as_bool()) || schema.find("default") != nullptr) return;
    if (type == nullptr) return;
    out.push_back({path, "FieldValueTypeInvalid",
                   "Invalid value: \"null\": " + shown + " in body must be of type " +
                       type->as_string() + ": \"null\""});
    return;
  }
  const Value* items = schema.find("items");
  if (value.is_array() && items != nullptr) {
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      const std::string index = "[" + std::to_string(i) + "]";
      find_nulls(*items, value.items()[i], path + index, shown + index, out);
    }
  }
  if (!value.is_object()) return;
  const Value* properties = schema.find("properties");
  const Value* others = schema.find("additionalProperties");
  for (const auto& [name, member] : value.members()) {
    const Value* below = properties == nullptr ? nullptr : properties->find(name);
    if (below == nullptr && others != nullptr && others->is_object()) below = others;
    if (below == nullptr) continue;
    const std::string at = path.empty() ? name : path + "." + name;
    find_nulls(*below, member, at, shown.empty() ? name : shown + "." + name, out);
  }
}

}  // namespace

std::vector<Problem> null_problems(const Value& body, const Kind& kind,
                                   std::string_view subresource) {
  std::vector<Problem> out;
  const Value* properties =
      kind.type->custom == nullptr ? nullptr : kind.type->custom->find("properties");
  if (properties == nullptr) return out;
  for (const auto& [name, member] : body.members()) {
    const Value* schema = properties->find(name);
    const bool status = name == "status";
    if (schema == nullptr || name == "metadata" || status != (subresource == "status")) continue;
    if (member.is_null()) continue;  // as if it were not there; measured
    find_nulls(*schema, member, name, status ? "" : name, out);
  }
  if (out.empty()) return out;
  out.insert(out.begin(),
             {"<nil>", "FieldValueInvalid", std::string("Invalid value: null: ") + kNotChecked});
  return out;
}

void check_custom(const Value& object, const Value* old_object, const Type& type,
                  Problems& problems) {
  MR_CHECK(type.custom != nullptr);
  ShapeCheck(problems).check(*type.custom, object, old_object, {});
  const auto& found = problems.list();
  if (std::any_of(found.begin(), found.end(), &blocks_rules)) {
    problems.invalid({}, Value(), kNotChecked);
    return;
  }
  RuleCheck(problems).check(*type.custom, object, old_object, {});
}

}  // namespace millrace::schema
