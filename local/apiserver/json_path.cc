#include "local/apiserver/json_path.h"

#include <charconv>

namespace millrace::apiserver {
namespace {

using codec::Value;

/// `@.type=="Ready"`: the first item for which it holds.
const Value* first_match(const Value& list, std::string_view test) {
  const std::size_t equals = test.find("==");
  if (!test.starts_with("@.") || equals == std::string_view::npos) return nullptr;
  const std::string_view member = test.substr(2, equals - 2);
  std::string_view wanted = test.substr(equals + 2);
  if (wanted.size() < 2 || wanted.front() != wanted.back()) return nullptr;
  wanted = wanted.substr(1, wanted.size() - 2);
  for (const Value& item : list.items()) {
    const Value* value = item.find(member);
    if (value != nullptr && value->is_string() && value->as_string() == wanted) return &item;
  }
  return nullptr;
}

const Value* at_bracket(const Value& value, std::string_view inside) {
  if (inside.starts_with("?(") && inside.ends_with(")")) {
    return first_match(value, inside.substr(2, inside.size() - 3));
  }
  std::size_t index = 0;
  const char* end = inside.data() + inside.size();
  const auto read = std::from_chars(inside.data(), end, index);
  if (read.ec != std::errc() || read.ptr != end || index >= value.items().size()) return nullptr;
  return &value.items()[index];
}

}  // namespace

const Value* at_json_path(const Value& object, std::string_view path) {
  const Value* value = &object;
  while (value != nullptr && !path.empty()) {
    if (path.front() == '.') {
      const std::size_t end = path.find_first_of(".[", 1);
      value = value->find(path.substr(1, end == std::string_view::npos ? end : end - 1));
      path = end == std::string_view::npos ? "" : path.substr(end);
    } else if (path.front() == '[') {
      const std::size_t end = path.find(']');
      if (end == std::string_view::npos) return nullptr;
      value = at_bracket(*value, path.substr(1, end - 1));
      path = path.substr(end + 1);
    } else {
      return nullptr;
    }
  }
  return value;
}

}  // namespace millrace::apiserver
