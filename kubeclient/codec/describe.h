/// How a type tells its fields, once, to every codec.
///
/// A type has `template <class V, class Self> static void describe(V& v, Self& self)` that calls,
/// in any order:
///   v.field("jsonName", self.member, {.doc = "...", .required = true, ...});
///   v.rule("self.a || self.b", "give a or b");     CEL on the object; only schemas look at it
/// Member types: bool, int, std::int64_t, double, std::string, Time, MicroTime, Duration, Value,
/// enumerations with EnumNames, described structs, and std::optional, std::vector,
/// std::map<std::string, T> of these.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/codec/value.h"

namespace millrace::codec {

/// A time with microseconds on the wire (metav1.MicroTime); plain `Time` is written in whole
/// seconds.
struct MicroTime {
  Time time{};
  bool operator==(const MicroTime&) const = default;
};

/// What is known of a field besides its name and type. All parts are optional.
struct FieldOptions {
  std::string_view doc = {};           ///< for reference docs and the schema's description
  bool required = false;               ///< must be given
  bool keep = false;                   ///< written even when zero or empty
  bool int_or_string = false;          ///< Value: Kubernetes IntOrString
  bool preserve_unknown = false;       ///< schema: keep members that are not described
  std::optional<double> min = {};      ///< numbers: smallest value
  std::optional<double> max = {};      ///< numbers: largest value
  std::optional<int> min_length = {};  ///< strings
  std::optional<int> max_length = {};  ///< strings
  std::optional<int> min_items = {};   ///< lists and maps
  std::optional<int> max_items = {};   ///< lists and maps
  std::string_view pattern = {};       ///< strings: RE2 expression, unanchored as in JSON Schema
  std::string_view format = {};        ///< strings: OpenAPI format
  std::string_view unit = {};          ///< of the number, for docs: "s", "bytes"
  std::string_view default_json = {};  ///< the value the API server fills in, as JSON
  std::string_view list_map_key = {};  ///< lists: x-kubernetes-list-type map with this key
  std::string_view rule = {};          ///< CEL on this field
  std::string_view rule_message = {};  ///< what to say when `rule` does not hold
  std::string_view kube_type = {};     ///< for docs: "core/v1 Container"
};

template <class E>
using EnumName = std::pair<E, std::string_view>;

/// Specialise for each enumeration that stands in an API object:
/// `template <> struct EnumNames<Policy> { static constexpr EnumName<Policy> names[] =
/// {{Policy::Allow, "Allow"}}; };`
template <class E>
struct EnumNames;

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires {
  EnumNames<E>::names;
};

/// The API string of an enumerator; empty when it has none.
template <NamedEnum E>
constexpr std::string_view enum_name(E value) {
  for (const auto& [candidate, name] : EnumNames<E>::names) {
    if (candidate == value) return name;
  }
  return {};
}

namespace detail {
/// Stands for any visitor where only "has a describe function" is asked.
struct AnyVisitor {
  template <class T>
  void field(std::string_view, T&, const FieldOptions& = {}) {}
  void rule(std::string_view, std::string_view) {}
};
}  // namespace detail

template <class T>
concept Described = requires(detail::AnyVisitor& v, T& t) {
  T::describe(v, t);
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsStringMap : std::false_type {};
template <class T>
struct IsStringMap<std::map<std::string, T>> : std::true_type {};

}  // namespace millrace::codec
