#include "kubeclient/codec/value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "kubeclient/base/json_quote.h"

namespace millrace::codec {
namespace {

constexpr std::size_t kMaxDepth = 128;

/// Builds a Value from the parser's events, without the parser's own document tree.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add(Value()); }
  bool boolean(bool b) override { return add(Value(b)); }
  bool number_integer(number_integer_t n) override { return add(Value(std::int64_t{n})); }
  bool number_unsigned(number_unsigned_t n) override {
    if (n > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return add(Value(static_cast<double>(n)));
    }
    return add(Value(static_cast<std::int64_t>(n)));
  }
  bool number_float(number_float_t d, const string_t&) override { return add(Value(d)); }
  bool string(string_t& s) override { return add(Value(std::move(s))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Value::object()); }
  bool start_array(std::size_t) override { return open(Value::array()); }
  bool key(string_t& k) override {
    keys_.back() = std::move(k);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    if (error_.empty()) error_ = "not valid JSON at byte " + std::to_string(position);
    return false;
  }

  Value take() { return std::move(root_); }
  const std::string& error() const { return error_; }

 private:
  bool add(Value value) {
    place(std::move(value));
    return true;
  }
  void place(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().is_array()) {
      stack_.back().items().push_back(std::move(value));
    } else {
      // A repeated key: the last one wins, as in the API server.
      stack_.back()[keys_.back()] = std::move(value);
    }
  }
  bool open(Value container) {
    if (stack_.size() >= kMaxDepth) {
      error_ = "JSON nested more than " + std::to_string(kMaxDepth) + " deep";
      return false;
    }
    stack_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Value done = std::move(stack_.back());
    stack_.pop_back();
    keys_.pop_back();
    place(std::move(done));
    return true;
  }

  Value root_;
  std::vector<Value> stack_;
  std::vector<std::string> keys_;
  std::string error_;
};

void write(const Value& value, int indent, int depth, std::string& out) {
  const auto line = [&](int level) {
    if (indent == 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent * level), ' ');
  };
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    out += std::to_string(value.as_int());
  } else if (value.is_number()) {
    append_json_double(out, value.as_double());
  } else if (value.is_string()) {
    append_json_string(out, value.as_string());
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const Value& item : value.items()) {
      if (!first) out += ',';
      first = false;
      line(depth + 1);
      write(item, indent, depth + 1, out);
    }
    if (!first) line(depth);
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.members()) {
      if (!first) out += ',';
      first = false;
      line(depth + 1);
      append_json_string(out, key);
      out += indent == 0 ? ":" : ": ";
      write(member, indent, depth + 1, out);
    }
    if (!first) line(depth);
    out += '}';
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  // Nearly all strings need no escape: copy them in one piece.
  bool plain = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x80 || c == '"' || c == '\\') {
      plain = false;
      break;
    }
  }
  if (!plain) {
    out += json_quote(text);
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

void append_json_double(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  out.append(text.data(), end);
}

Result<Value> Value::parse(std::string_view text) {
  Builder builder;
  bool ok = false;
  try {
    ok = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  } catch (const nlohmann::json::exception& e) {
    return fail(Code::Malformed, std::string("not valid JSON: ") + e.what());
  }
  if (!ok) {
    return fail(Code::Malformed, builder.error().empty() ? "not valid JSON" : builder.error());
  }
  return builder.take();
}

std::string Value::dump() const {
  std::string out;
  write(*this, 0, 0, out);
  return out;
}

std::string Value::pretty() const {
  std::string out;
  write(*this, 2, 0, out);
  return out;
}

std::string_view Value::kind_name() const {
  constexpr std::array<std::string_view, 7> names = {"null",   "bool",  "integer", "number",
                                                     "string", "array", "object"};
  return names[data_.index()];
}

bool Value::as_bool(bool fallback) const {
  const bool* b = std::get_if<bool>(&data_);
  return b == nullptr ? fallback : *b;
}

std::int64_t Value::as_int(std::int64_t fallback) const {
  if (const auto* n = std::get_if<std::int64_t>(&data_)) return *n;
  const auto* d = std::get_if<double>(&data_);
  if (d == nullptr || *d != std::floor(*d) || std::fabs(*d) > 9.0e18) return fallback;
  return static_cast<std::int64_t>(*d);
}

double Value::as_double(double fallback) const {
  if (const auto* d = std::get_if<double>(&data_)) return *d;
  const auto* n = std::get_if<std::int64_t>(&data_);
  return n == nullptr ? fallback : static_cast<double>(*n);
}

const std::string& Value::as_string() const {
  static const std::string empty;
  const auto* s = std::get_if<std::string>(&data_);
  return s == nullptr ? empty : *s;
}

const Value::Array& Value::items() const {
  static const Array empty;
  const auto* a = std::get_if<Array>(&data_);
  return a == nullptr ? empty : *a;
}

const Value::Object& Value::members() const {
  static const Object empty;
  const auto* o = std::get_if<Object>(&data_);
  return o == nullptr ? empty : *o;
}

Value::Array& Value::items() {
  if (is_null()) data_ = Array();
  MR_CHECK(is_array());
  return std::get<Array>(data_);
}

Value::Object& Value::members() {
  if (is_null()) data_ = Object();
  MR_CHECK(is_object());
  return std::get<Object>(data_);
}

const Value* Value::find(std::string_view key) const {
  for (const Member& member : members()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Value* Value::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

const Value* Value::at_path(std::initializer_list<std::string_view> keys) const {
  const Value* value = this;
  for (const std::string_view key : keys) {
    if (value == nullptr) return nullptr;
    value = value->find(key);
  }
  return value;
}

Value& Value::operator[](std::string_view key) {
  if (Value* found = find(key)) return *found;
  members().emplace_back(std::string(key), Value());
  return members().back().second;
}

bool Value::erase(std::string_view key) {
  if (!is_object()) return false;
  return std::erase_if(std::get<Object>(data_), [&](const Member& m) { return m.first == key; }) >
         0;
}

bool Value::empty() const {
  if (is_array()) return items().empty();
  if (is_object()) return members().empty();
  return is_null();
}

bool Value::operator==(const Value& other) const {
  if (is_object() && other.is_object()) {
    if (members().size() != other.members().size()) return false;
    for (const auto& [key, value] : members()) {
      const Value* theirs = other.find(key);
      if (theirs == nullptr || !(*theirs == value)) return false;
    }
    return true;
  }
  if (is_number() && other.is_number() && is_int() != other.is_int()) {
    return as_double() == other.as_double();
  }
  return data_ == other.data_;
}

}  // namespace millrace::codec
