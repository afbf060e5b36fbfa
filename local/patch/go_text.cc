#include "local/patch/go_text.h"

#include <set>

namespace millrace::patch {

using codec::Value;

std::string go_plain(const Value& value) {
  if (value.is_null()) return "<nil>";
  if (value.is_string()) return value.as_string();
  if (value.is_array()) {
    std::string text;
    for (const Value& item : value.items()) text += (text.empty() ? "" : " ") + go_plain(item);
    return "[" + text + "]";
  }
  if (!value.is_object()) return value.dump();
  std::set<std::string> members;
  for (const auto& [name, member] : value.members()) members.insert(name + ":" + go_plain(member));
  std::string text;
  for (const std::string& member : members) text += (text.empty() ? "" : " ") + member;
  return "map[" + text + "]";
}

std::string go_literal(const Value& value) {
  if (value.is_null()) return "interface {}(nil)";
  std::string text;
  if (value.is_array()) {
    for (const Value& item : value.items()) text += (text.empty() ? "" : ", ") + go_literal(item);
    return "[]interface {}{" + text + "}";
  }
  if (!value.is_object()) return value.dump();
  std::set<std::string> members;
  for (const auto& [name, member] : value.members()) {
    members.insert(Value(name).dump() + ":" + go_literal(member));
  }
  for (const std::string& member : members) text += (text.empty() ? "" : ", ") + member;
  return "map[string]interface {}{" + text + "}";
}

std::string go_type(const Value& value) {
  if (value.is_object()) return "map[string]interface {}";
  if (value.is_array()) return "[]interface {}";
  if (value.is_null()) return "<nil>";
  if (value.is_number()) return value.is_int() ? "int64" : "float64";
  return std::string(value.kind_name());
}

}  // namespace millrace::patch
