/// A JSON value of our own, for documents whose shape we do not know or only pass on.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kubeclient/base/result.h"

namespace millrace::codec {

/// Null, bool, integer, double, string, array or object. Objects keep the order of their members.
/// A value type: copies are deep. Deepest nesting accepted by parse: 128.
class Value {
 public:
  using Array = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool b) : data_(b) {}
  Value(int n) : data_(static_cast<std::int64_t>(n)) {}
  Value(std::int64_t n) : data_(n) {}
  Value(double d) : data_(d) {}
  Value(const char* s) : data_(std::string(s)) {}
  Value(std::string s) : data_(std::move(s)) {}
  Value(std::string_view s) : data_(std::string(s)) {}
  Value(Array a) : data_(std::move(a)) {}
  Value(Object o) : data_(std::move(o)) {}

  /// `Value::object({{"name", "x"}, {"ports", Value::array({80})}})`; without arguments an empty
  /// one.
  static Value object(std::initializer_list<Member> members = {}) { return Value(Object(members)); }
  static Value array(std::initializer_list<Value> items = {}) { return Value(Array(items)); }

  /// Parse one JSON document. Integers beyond 64 bits become doubles.
  /// Errors: Malformed (syntax, trailing text, bad UTF-8, nesting above 128), with the byte's
  /// position.
  static Result<Value> parse(std::string_view text);
  /// Compact JSON; bytes that are not UTF-8 become U+FFFD.
  std::string dump() const;
  /// JSON with two-space indents, for people.
  std::string pretty() const;

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }
  /// "null", "bool", "integer", "number", "string", "array" or "object".
  std::string_view kind_name() const;

  /// The content, or `fallback` (empty container) when the value is of another kind.
  bool as_bool(bool fallback = false) const;
  std::int64_t as_int(std::int64_t fallback = 0) const;
  double as_double(double fallback = 0) const;
  const std::string& as_string() const;
  const Array& items() const;
  const Object& members() const;
  /// The content for changing; turns null into an empty container first. Other kinds are a bug.
  Array& items();
  Object& members();

  /// The member `key` of an object, or null pointer when absent or not an object.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  /// `find` through nested objects: `at_path({"metadata", "name"})`.
  const Value* at_path(std::initializer_list<std::string_view> keys) const;
  /// The member `key`, added as null when absent; turns null into an object.
  Value& operator[](std::string_view key);
  bool erase(std::string_view key);
  void push_back(Value item) { items().push_back(std::move(item)); }
  bool empty() const;

  /// Equal content; the order of object members counts not.
  bool operator==(const Value& other) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> data_;
};

/// Append `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
/// Append a finite double in the shortest form that reads back equal; others as null.
void append_json_double(std::string& out, double number);

}  // namespace millrace::codec
