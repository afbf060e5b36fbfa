#include "tests/unit/patch/documents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

namespace millrace::patch {

using codec::Value;

Value json(std::string_view text) {
  auto parsed = Value::parse(text);
  if (!parsed.ok()) {
    ADD_FAILURE() << parsed.error().message << " in " << text;
    return {};
  }
  return *std::move(parsed);
}

Value Documents::scalar(bool nulls) {
  static const char* const texts[] = {"", "x", "a/b", "m~n", "ü"};
  switch (below(nulls ? 5 : 4)) {
    case 0:
      return Value(below(2) == 0);
    case 1:
      return Value(static_cast<std::int64_t>(below(3)));
    case 2:
      return Value(0.5 + below(2));
    case 3:
      return Value(texts[below(5)]);
    default:
      return {};
  }
}

Value Documents::make(int depth, bool nulls) {
  static const char* const names[] = {"a", "b", "c/d", "e~f", "", "0"};
  const std::uint32_t kind = depth == 0 ? 0 : below(4);
  if (kind < 2) return scalar(nulls);
  const std::uint32_t count = below(4);
  if (kind == 2) {
    Value list = Value::array();
    for (std::uint32_t i = 0; i < count; ++i) list.push_back(make(depth - 1, nulls));
    return list;
  }
  Value object = Value::object();
  for (std::uint32_t i = 0; i < count; ++i) object[names[below(6)]] = make(depth - 1, nulls);
  return object;
}

Value Documents::any(int depth) { return make(depth, true); }

Value Documents::object_without_nulls(int depth) {
  Value object = Value::object();
  for (const char* name : {"a", "b", "c/d"}) {
    if (below(3) != 0) object[name] = make(depth - 1, false);
  }
  return object;
}

Value Documents::changed(const Value& from) {
  if (below(8) == 0) return make(2, true);
  Value to = from;
  if (to.is_object()) {
    for (auto& [key, member] : to.members()) member = changed(member);
    if (!to.empty() && below(4) == 0) to.members().erase(to.members().begin());
  } else if (to.is_array()) {
    for (Value& item : to.items()) item = changed(item);
    if (!to.empty() && below(4) == 0) to.items().erase(to.items().begin());
    if (below(4) == 0) to.push_back(make(2, true));
  }
  return to;
}

std::string Documents::mutated(std::string_view text) {
  std::string out(text);
  for (std::uint32_t i = 0; i <= below(4); ++i) {
    if (out.empty()) return out;
    const std::size_t at = below(static_cast<std::uint32_t>(out.size()));
    switch (below(4)) {
      case 0:
        out.erase(at, 1 + below(8));
        break;
      case 1:
        out.insert(at, out.substr(at / 2, 1 + below(16)));
        break;
      case 2:
        out[at] = "{}[]\",:0n$/~"[below(12)];
        break;
      default:
        out[at] = static_cast<char>(below(256));
    }
  }
  return out;
}

Value merge_difference(const Value& from, const Value& to) {
  Value patch = Value::object();
  for (const auto& [key, old] : from.members()) {
    if (to.find(key) == nullptr) patch[key] = Value();
  }
  for (const auto& [key, wanted] : to.members()) {
    const Value* old = from.find(key);
    if (old != nullptr && *old == wanted) continue;
    const bool both = old != nullptr && old->is_object() && wanted.is_object();
    patch[key] = both ? merge_difference(*old, wanted) : wanted;
  }
  return patch;
}

namespace {

std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

void note(Value& patch, const char* op, const std::string& path, const Value* value) {
  Value entry = Value::object({{"op", op}, {"path", path}});
  if (value != nullptr) entry["value"] = *value;
  patch.push_back(std::move(entry));
}

void compare(const Value& from, const Value& to, const std::string& path, Value& patch) {
  if (from == to && from.kind_name() == to.kind_name()) return;
  if (from.is_object() && to.is_object()) {
    for (const auto& [key, old] : from.members()) {
      if (to.find(key) == nullptr) note(patch, "remove", path + "/" + escaped(key), nullptr);
    }
    for (const auto& [key, wanted] : to.members()) {
      const std::string below = path + "/" + escaped(key);
      if (const Value* old = from.find(key)) {
        compare(*old, wanted, below, patch);
      } else {
        note(patch, "add", below, &wanted);
      }
    }
    return;
  }
  if (from.is_array() && to.is_array()) {
    const std::size_t shared = std::min(from.items().size(), to.items().size());
    for (std::size_t i = 0; i < shared; ++i) {
      compare(from.items()[i], to.items()[i], path + "/" + std::to_string(i), patch);
    }
    for (std::size_t i = from.items().size(); i > shared; --i) {
      note(patch, "remove", path + "/" + std::to_string(i - 1), nullptr);
    }
    for (std::size_t i = shared; i < to.items().size(); ++i) {
      note(patch, "add", path + "/-", &to.items()[i]);
    }
    return;
  }
  note(patch, "replace", path, &to);
}

}  // namespace

Value json_difference(const Value& from, const Value& to) {
  Value patch = Value::array();
  compare(from, to, "", patch);
  return patch;
}

}  // namespace millrace::patch
