/// Described types into compact JSON text.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/codec/describe.h"

namespace millrace::codec {

/// Appends JSON to a string. Zero and empty members are left out unless required or kept.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(&out) {}

  void value(bool v) { *out_ += v ? "true" : "false"; }
  void value(int v) { *out_ += std::to_string(v); }
  void value(std::int64_t v) { *out_ += std::to_string(v); }
  void value(double v) { append_json_double(*out_, v); }
  void value(const std::string& v) { append_json_string(*out_, v); }
  void value(Time v);
  void value(MicroTime v);
  void value(Duration v);
  void value(const Value& v) { *out_ += v.dump(); }

  template <class E>
  requires NamedEnum<E>
  void value(E v) { append_json_string(*out_, enum_name(v)); }
  template <class T>
  void value(const std::optional<T>& v) {
    if (v) {
      value(*v);
    } else {
      *out_ += "null";
    }
  }
  template <class T>
  void value(const std::vector<T>& v) {
    *out_ += '[';
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (i > 0) *out_ += ',';
      value(v[i]);
    }
    *out_ += ']';
  }
  template <class T>
  void value(const std::map<std::string, T>& v) {
    *out_ += '{';
    bool first = true;
    for (const auto& [key, item] : v) {
      if (!first) *out_ += ',';
      first = false;
      append_json_string(*out_, key);
      *out_ += ':';
      value(item);
    }
    *out_ += '}';
  }
  template <Described T>
  void value(const T& v) {
    *out_ += '{';
    Fields fields{this};
    T::describe(fields, v);
    *out_ += '}';
  }

 private:
  struct Fields {
    JsonWriter* writer;
    bool first = true;

    template <class T>
    void field(std::string_view name, const T& member, const FieldOptions& options = {}) {
      const bool keep = options.required || options.keep;
      if (!keep && is_zero(member)) return;
      std::string& out = *writer->out_;
      const std::size_t before = out.size();
      if (!first) out += ',';
      append_json_string(out, name);
      out += ':';
      const std::size_t start = out.size();
      writer->value(member);
      if constexpr (Described<T>) {
        if (!keep && out.size() == start + 2) {  // "{}"
          out.resize(before);
          return;
        }
      }
      first = false;
    }
    void rule(std::string_view, std::string_view) {}
  };

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

  std::string* out_;
};

/// `v` as compact JSON.
template <class T>
std::string encode(const T& v) {
  std::string out;
  JsonWriter(out).value(v);
  return out;
}

/// `v` as a Value, to be put into a larger body.
template <class T>
Value to_value(const T& v) {
  auto parsed = Value::parse(encode(v));
  MR_CHECK(parsed.ok());
  return *std::move(parsed);
}

}  // namespace millrace::codec
