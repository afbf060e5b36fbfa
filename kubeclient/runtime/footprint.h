/// How much memory a described value takes, roughly: for the gauges of caches.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/describe.h"

namespace millrace::runtime {

namespace detail {

/// Adds up the heap bytes behind described members; their own size is part of the outer object.
struct FootprintVisitor {
  static constexpr std::size_t kMapNode = 48;  ///< a libstdc++ tree node and malloc's header
  std::size_t bytes = 0;

  template <class T>
  void field(std::string_view, const T& member, const codec::FieldOptions& = {}) {
    add(member);
  }
  void rule(std::string_view, std::string_view) {}

  void add(const std::string& text) {
    if (text.capacity() > 15) bytes += text.capacity() + 1;
  }
  void add(const codec::Value& value) {
    add(value.as_string());
    for (const codec::Value& item : value.items()) {
      bytes += sizeof(codec::Value);
      add(item);
    }
    for (const auto& [key, item] : value.members()) {
      bytes += sizeof(codec::Value::Member);
      add(key);
      add(item);
    }
  }
  template <class T>
  void add(const std::optional<T>& member) {
    if (member) add(*member);
  }
  template <class T>
  void add(const std::vector<T>& items) {
    bytes += items.capacity() * sizeof(T);
    for (const T& item : items) add(item);
  }
  template <class T>
  void add(const std::map<std::string, T>& map) {
    for (const auto& [key, item] : map) {
      bytes += kMapNode + sizeof(key) + sizeof(item);
      add(key);
      add(item);
    }
  }
  template <class T>
  void add(const T& member) {
    if constexpr (codec::Described<T>) T::describe(*this, member);
  }
};

}  // namespace detail

/// Estimated bytes of `value`, itself included.
template <codec::Described T>
std::size_t footprint(const T& value) {
  detail::FootprintVisitor visitor;
  T::describe(visitor, value);
  return sizeof(T) + visitor.bytes;
}

}  // namespace millrace::runtime
