/// Described types into Values, without the way over text.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "kubeclient/codec/json_writer.h"

namespace millrace::codec {

/// Makes what `Value::parse(encode(v))` would: the same members are left out.
class ValueWriter {
 public:
  static Value value(bool v) { return Value(v); }
  static Value value(int v) { return Value(v); }
  static Value value(std::int64_t v) { return Value(v); }
  static Value value(const std::string& v) { return Value(v); }
  static Value value(const Value& v) { return v; }
  template <class E>
  requires NamedEnum<E>
  static Value value(E v) { return Value(enum_name(v)); }
  template <class T>
  static Value value(const std::optional<T>& v) {
    return v ? value(*v) : Value();
  }
  template <class T>
  static Value value(const std::vector<T>& v) {
    Value::Array items;
    items.reserve(v.size());
    for (const T& item : v) items.push_back(value(item));
    return Value(std::move(items));
  }
  template <class T>
  static Value value(const std::map<std::string, T>& v) {
    Value::Object members;
    members.reserve(v.size());
    for (const auto& [key, item] : v) members.emplace_back(key, value(item));
    return Value(std::move(members));
  }
  template <Described T>
  static Value value(const T& v) {
    Fields fields;
    T::describe(fields, v);
    return Value(std::move(fields.members));
  }
  static Value value(double v) { return text(v); }
  static Value value(Time v) { return text(v); }
  static Value value(MicroTime v) { return text(v); }
  static Value value(Duration v) { return text(v); }

 private:
  /// As in JsonWriter.
  template <class T>
  static bool is_zero(const T& member) {
    if constexpr (IsOptional<T>::value) {
      return !member.has_value();
    } else if constexpr (IsVector<T>::value || IsStringMap<T>::value ||
                         std::is_same_v<T, std::string>) {
      return member.empty();
    } else if constexpr (std::is_same_v<T, Value>) {
      return member.is_null();
    } else if constexpr (Described<T>) {
      return false;
    } else {
      return member == T{};
    }
  }

  template <class T>
  static Value text(const T& v) {
    return Value::parse(encode(v)).value_or(Value());
  }

  struct Fields {
    Value::Object members;

    template <class T>
    void field(std::string_view name, const T& member, const FieldOptions& options = {}) {
      const bool keep = options.required || options.keep;
      if (!keep && is_zero(member)) return;
      Value out = ValueWriter::value(member);
      if constexpr (Described<T>) {
        if (!keep && out.empty()) return;
      }
      members.emplace_back(std::string(name), std::move(out));
    }
    void rule(std::string_view, std::string_view) {}
  };
};

}  // namespace millrace::codec
