/// Random values of described types, for round trips: same seed, same value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/describe.h"

namespace millrace::test {

/// Fills described values. All parts may be empty, zero, or absent; texts hold quotes, control
/// characters and several scripts; limits of fields are not kept.
class RandomValue {
 public:
  explicit RandomValue(std::uint64_t seed) : engine_(seed) {}

  template <class T>
  T make() {
    T out{};
    fill(out);
    return out;
  }

  void fill(bool& out) { out = below(2) == 1; }
  void fill(int& out) { out = static_cast<int>(whole() >> 32); }
  void fill(std::int64_t& out) { out = whole(); }
  void fill(double& out) { out = static_cast<double>(whole() >> 20) / 1024.0; }
  void fill(std::string& out) {
    static constexpr std::string_view pieces[] = {"a",  "Z",  "0",  " ",    "\"", "\\",  "\n",
                                                  "\t", "/",  "\1", "é",    "µ",  "漢",  "😀",
                                                  "{}", ": ", "#",  "null", "-",  "true"};
    out.clear();
    for (auto n = below(6); n > 0; --n) out += pieces[below(std::size(pieces))];
  }
  /// Whole seconds between 1970 and 2100, as metav1.Time holds them.
  void fill(Time& out) {
    out = Time(std::chrono::seconds(static_cast<std::int64_t>(below(4102444800))));
  }
  void fill(codec::MicroTime& out) {
    fill(out.time);
    out.time += std::chrono::microseconds(static_cast<std::int64_t>(below(1000000)));
  }
  void fill(Duration& out) { out = Duration(whole() / 1000); }
  void fill(codec::Value& out) { out = value(3); }

  template <class E>
  requires codec::NamedEnum<E>
  void fill(E& out) {
    const auto& names = codec::EnumNames<E>::names;
    out = names[below(std::size(names))].first;
  }
  template <class T>
  void fill(std::optional<T>& out) {
    out.reset();
    if (below(2) == 1) fill(out.emplace());
  }
  template <class T>
  void fill(std::vector<T>& out) {
    out.clear();
    for (auto n = below(4); n > 0; --n) fill(out.emplace_back());
  }
  template <class T>
  void fill(std::map<std::string, T>& out) {
    out.clear();
    for (auto n = below(4); n > 0; --n) {
      std::string key;
      fill(key);
      fill(out[key]);
    }
  }
  template <codec::Described T>
  void fill(T& out) {
    Fields fields{this};
    T::describe(fields, out);
  }

  /// 0 to limit - 1.
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }

 private:
  struct Fields {
    RandomValue* self;
    template <class T>
    void field(std::string_view, T& member, const codec::FieldOptions& = {}) {
      self->fill(member);
    }
    void rule(std::string_view, std::string_view) {}
  };

  /// Small and large numbers alike.
  std::int64_t whole() {
    const auto bits = engine_();
    return static_cast<std::int64_t>(bits) >> below(64);
  }

  codec::Value value(int depth) {
    switch (below(depth > 0 ? 7 : 5)) {
      case 0:
        return {};
      case 1:
        return codec::Value(make<bool>());
      case 2:
        return codec::Value(make<std::int64_t>());
      case 3:
        return codec::Value(make<double>());
      case 4:
        return codec::Value(make<std::string>());
      case 5: {
        codec::Value list = codec::Value::array();
        for (auto n = below(4); n > 0; --n) list.push_back(value(depth - 1));
        return list;
      }
      default: {
        codec::Value map = codec::Value::object();
        for (auto n = below(4); n > 0; --n) map[make<std::string>()] = value(depth - 1);
        return map;
      }
    }
  }

  std::mt19937_64 engine_;
};

}  // namespace millrace::test
