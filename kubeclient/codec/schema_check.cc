#include "kubeclient/codec/schema_check.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <regex>
#include <set>

#include "kubeclient/base/time_format.h"

namespace millrace::codec {
namespace {

/// std::regex recurses on its input; longer text breaks a length limit anyway.
constexpr std::size_t kMaxPatternInput = 1024;

/// Characters, as JSON Schema counts them.
std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text.substr(0, 64));
  return out;
}

std::string one_of(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

std::string plural(std::int64_t count, std::string_view singular, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? singular : many);
}

bool is_kind(const Value& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "number") return value.is_number();
  // 3.0 is an integer to the API server as well.
  return value.is_int() ||
         (value.is_number() && std::floor(value.as_double()) == value.as_double());
}

/// What is wrong with the kind of `value`, and how to mend it.
std::string kind_message(const Value& value, std::string_view type) {
  static const std::map<std::string_view, std::string_view> wanted = {
      {"object", "a map of fields"}, {"array", "a list"},    {"string", "a string"},
      {"boolean", "true or false"},  {"number", "a number"}, {"integer", "a whole number"}};
  std::string message = "must be " + std::string(wanted.at(type));
  if (value.is_null()) return message + ", not empty; give a value or leave it out";
  message += ", not ";
  if (value.is_string()) {
    message += "the string " + quoted(value.as_string());
  } else if (value.is_array() || value.is_object()) {
    message += value.is_array() ? "a list" : "a map";
  } else {
    message += value.dump();
    if (type == "string") message += "; write it in quotes";
  }
  return message;
}

/// Letters to insert, drop, change, or swap with their neighbour; case counts not.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  };
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = d[i - 1][j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

class Checker {
 public:
  Checker(const SchemaCheckOptions& options, std::vector<FieldError>& errors)
      : options_(options), errors_(errors) {}

  void check(const Value& schema, const Value& value, const Value* old, const std::string& path) {
    const std::size_t before = errors_.size();
    const bool typed = schema.find("type") != nullptr;
    if (!typed && schema.find("x-kubernetes-int-or-string") == nullptr) return;  // anything fits
    if (!check_kind(schema, value, path)) return;
    if (value.is_string()) check_string(schema, value.as_string(), path);
    if (value.is_number()) check_number(schema, value.as_double(), path);
    if (value.is_array()) check_array(schema, value, old, path);
    if (value.is_object()) check_object(schema, value, old, path);
    if (errors_.size() == before) check_rules(schema, value, old, path);
  }

 private:
  void error(std::string path, std::string message) {
    errors_.push_back({std::move(path), std::move(message)});
  }

  bool check_kind(const Value& schema, const Value& value, const std::string& path) {
    const Value* type = schema.find("type");
    if (type == nullptr) {  // IntOrString
      if (value.is_int() || value.is_string()) return true;
      error(path, "must be a whole number or a string");
      return false;
    }
    if (is_kind(value, type->as_string())) return true;
    error(path, kind_message(value, type->as_string()));
    return false;
  }

  void check_string(const Value& schema, const std::string& text, const std::string& path) {
    const auto length = static_cast<std::int64_t>(count_characters(text));
    if (const Value* min = schema.find("minLength"); min != nullptr && length < min->as_int()) {
      error(path, min->as_int() == 1
                      ? "must not be empty"
                      : "must have at least " + plural(min->as_int(), "character", "characters"));
    }
    if (const Value* max = schema.find("maxLength"); max != nullptr && length > max->as_int()) {
      return error(path, "must have at most " + plural(max->as_int(), "character", "characters") +
                             ", not " + std::to_string(length));
    }
    if (const Value* names = schema.find("enum")) {
      std::vector<std::string_view> choices;
      for (const Value& name : names->items()) choices.push_back(name.as_string());
      if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
        error(path, quoted(text) + " is not one of " + one_of(choices));
      }
    }
    if (const Value* pattern = schema.find("pattern")) {
      const std::regex regex(pattern->as_string(), std::regex::ECMAScript);
      if (text.size() > kMaxPatternInput || !std::regex_search(text, regex)) {
        error(path, quoted(text) + " does not match " + pattern->as_string());
      }
    }
    const Value* format = schema.find("format");
    if (format != nullptr && format->as_string() == "date-time" && !parse_time(text).ok()) {
      error(path, "must be a time such as 2026-01-02T03:04:05Z");
    }
  }

  void check_number(const Value& schema, double number, const std::string& path) {
    const Value* min = schema.find("minimum");
    const Value* max = schema.find("maximum");
    if (min != nullptr && number < min->as_double()) {
      error(path, "must be at least " + min->dump());
    } else if (max != nullptr && number > max->as_double()) {
      error(path, "must be at most " + max->dump());
    } else if (const Value* format = schema.find("format");
               format != nullptr && format->as_string() == "int32" &&
               (number > std::numeric_limits<std::int32_t>::max() ||
                number < std::numeric_limits<std::int32_t>::min())) {
      error(path, "must fit into 32 bits");
    }
  }

  void check_count(const Value& schema, const char* min_name, const char* max_name,
                   std::size_t size, const std::string& path) {
    const auto count = static_cast<std::int64_t>(size);
    if (const Value* min = schema.find(min_name); min != nullptr && count < min->as_int()) {
      error(path, "must have at least " + plural(min->as_int(), "entry", "entries"));
    }
    if (const Value* max = schema.find(max_name); max != nullptr && count > max->as_int()) {
      error(path, "must have at most " + plural(max->as_int(), "entry", "entries") + ", not " +
                      std::to_string(count));
    }
  }

  void check_array(const Value& schema, const Value& value, const Value* old,
                   const std::string& path) {
    check_count(schema, "minItems", "maxItems", value.items().size(), path);
    const Value* keys = schema.find("x-kubernetes-list-map-keys");
    const std::string key = keys == nullptr ? "" : keys->items().front().as_string();
    std::map<std::string, std::size_t> seen;
    std::size_t index = 0;
    for (const Value& item : value.items()) {
      const std::string item_path = path + '[' + std::to_string(index) + ']';
      const Value* name = key.empty() ? nullptr : item.find(key);
      check(*schema.find("items"), item, old_item(old, key, name), item_path);
      if (name != nullptr) {
        const auto [first, is_new] = seen.emplace(name->dump(), index);
        if (!is_new) {
          error(item_path + '.' + key, first->first + " is already used by [" +
                                           std::to_string(first->second) +
                                           "]; names must be unique");
        }
      }
      ++index;
    }
  }

  /// The old item of the same key; items of lists without keys have no identity.
  static const Value* old_item(const Value* old, const std::string& key, const Value* name) {
    if (old == nullptr || name == nullptr) return nullptr;
    for (const Value& item : old->items()) {
      const Value* old_name = item.find(key);
      if (old_name != nullptr && *old_name == *name) return &item;
    }
    return nullptr;
  }

  void check_object(const Value& schema, const Value& value, const Value* old,
                    const std::string& path) {
    check_count(schema, "minProperties", "maxProperties", value.members().size(), path);
    const Value* properties = schema.find("properties");
    const Value* additional = schema.find("additionalProperties");
    const bool open = schema.find("x-kubernetes-preserve-unknown-fields") != nullptr ||
                      (properties == nullptr && additional == nullptr);
    for (const auto& [name, member] : value.members()) {
      const std::string member_path = path.empty() ? name : path + '.' + name;
      const Value* known = properties == nullptr ? nullptr : properties->find(name);
      if (known == nullptr) known = additional;
      if (known != nullptr) {
        if (member.is_null()) continue;  // the API server drops it
        check(*known, member, old == nullptr ? nullptr : old->find(name), member_path);
      } else if (!open) {
        unknown(*properties, name, member_path);
      }
    }
    const Value* required = schema.find("required");
    if (required == nullptr) return;
    for (const Value& name : required->items()) {
      const Value* member = value.find(name.as_string());
      if (member != nullptr && !member->is_null()) continue;
      error(path.empty() ? name.as_string() : path + '.' + name.as_string(), "required");
    }
  }

  void unknown(const Value& properties, const std::string& name, const std::string& path) {
    std::vector<std::string_view> names;
    for (const auto& [known, schema] : properties.members()) names.push_back(known);
    const std::string_view near = nearest_name(name, names);
    std::string message = "unknown field";
    if (!near.empty()) {
      message += "; did you mean " + std::string(near) + "?";
    } else if (names.size() <= 12) {
      message += "; known here: " + one_of(names);
    }
    error(path, message);
  }

  void check_rules(const Value& schema, const Value& value, const Value* old,
                   const std::string& path) {
    const Value* rules = schema.find("x-kubernetes-validations");
    if (rules == nullptr || options_.rules == nullptr) return;
    for (const Value& rule : rules->items()) {
      const std::string& text = rule.find("rule")->as_string();
      const bool on_update = text.find("oldSelf") != std::string::npos;
      if (on_update && old == nullptr) continue;
      const auto found = options_.rules->find(text);
      MR_CHECK(found != options_.rules->end());
      if (!found->second(value, old)) error(path, rule.find("message")->as_string());
    }
  }

  const SchemaCheckOptions& options_;
  std::vector<FieldError>& errors_;
};

}  // namespace

std::vector<FieldError> check_schema(const Value& schema, const Value& value,
                                     const SchemaCheckOptions& options) {
  std::vector<FieldError> errors;
  Checker(options, errors).check(schema, value, options.old_value, "");
  return errors;
}

std::string_view nearest_name(std::string_view text,
                              const std::vector<std::string_view>& candidates) {
  if (text.size() > 64) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, text.size() / 3 + 1);
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(text, candidate);
    if (distance >= best_distance || distance >= candidate.size()) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace millrace::codec
