/// The name of an object inside one kind.
#pragma once

#include <compare>
#include <functional>
#include <string>

namespace millrace {

/// Namespace and name; `ns` is empty for cluster-scoped kinds.
struct ObjectKey {
  std::string ns;
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
  /// "ns/name", or "name" for cluster-scoped kinds.
  std::string str() const { return ns.empty() ? name : ns + "/" + name; }
};

}  // namespace millrace

template <>
struct std::hash<millrace::ObjectKey> {
  std::size_t operator()(const millrace::ObjectKey& key) const noexcept {
    const std::size_t a = std::hash<std::string>{}(key.ns);
    return std::hash<std::string>{}(key.name) ^ (a + 0x9e3779b97f4a7c15ULL + (a << 6) + (a >> 2));
  }
};
