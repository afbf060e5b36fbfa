/// Described types as data: what the schema, the reference docs and the file checks are made of.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/codec/describe.h"

namespace millrace::codec {

struct FieldInfo;

/// A CEL rule on an object or field, and what to say when it does not hold.
struct RuleInfo {
  std::string_view rule;
  std::string_view message;
};

/// The shape of one type. Texts point at the literals of its describe function.
struct TypeInfo {
  enum class Kind {
    Bool,
    Int32,
    Int64,
    Double,
    String,
    Time,
    MicroTime,
    Duration,
    Any,  ///< a Value: anything, see FieldOptions::kube_type
    Enum,
    Object,
    List,
    Map,  ///< string keys
  };
  Kind kind = Kind::Any;
  std::vector<std::string_view> names;  ///< Enum: the API strings
  std::vector<FieldInfo> fields;        ///< Object: in the order described
  std::vector<RuleInfo> rules;          ///< Object: in the order described
  std::vector<TypeInfo> item;           ///< List, Map: one element, the type of the items
};

/// One field of an object.
struct FieldInfo {
  std::string_view name;
  TypeInfo type;
  FieldOptions options;
};

/// The shape of `T`, a type that `describe` may name (see describe.h).
template <class T>
TypeInfo type_info();

namespace detail {

/// Collects the fields and rules of one described type.
struct InfoVisitor {
  TypeInfo* info;

  template <class T>
  void field(std::string_view name, T&, const FieldOptions& options = {}) {
    info->fields.push_back({name, type_info<std::remove_const_t<T>>(), options});
  }
  void rule(std::string_view cel, std::string_view message) {
    info->rules.push_back({cel, message});
  }
};

template <class T>
struct ItemOf {};
template <class T>
struct ItemOf<std::vector<T>> {
  using Type = T;
};
template <class T>
struct ItemOf<std::optional<T>> {
  using Type = T;
};
template <class T>
struct ItemOf<std::map<std::string, T>> {
  using Type = T;
};

}  // namespace detail

template <class T>
TypeInfo type_info() {
  using Kind = TypeInfo::Kind;
  TypeInfo info;
  if constexpr (IsOptional<T>::value) {
    return type_info<typename detail::ItemOf<T>::Type>();
  } else if constexpr (IsVector<T>::value || IsStringMap<T>::value) {
    info.kind = IsVector<T>::value ? Kind::List : Kind::Map;
    info.item.push_back(type_info<typename detail::ItemOf<T>::Type>());
  } else if constexpr (NamedEnum<T>) {
    info.kind = Kind::Enum;
    for (const auto& [value, name] : EnumNames<T>::names) info.names.push_back(name);
  } else if constexpr (std::is_same_v<T, bool>) {
    info.kind = Kind::Bool;
  } else if constexpr (std::is_same_v<T, int>) {
    info.kind = Kind::Int32;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    info.kind = Kind::Int64;
  } else if constexpr (std::is_same_v<T, double>) {
    info.kind = Kind::Double;
  } else if constexpr (std::is_same_v<T, std::string>) {
    info.kind = Kind::String;
  } else if constexpr (std::is_same_v<T, Time>) {
    info.kind = Kind::Time;
  } else if constexpr (std::is_same_v<T, MicroTime>) {
    info.kind = Kind::MicroTime;
  } else if constexpr (std::is_same_v<T, Duration>) {
    info.kind = Kind::Duration;
  } else if constexpr (std::is_same_v<T, Value>) {
    info.kind = Kind::Any;
  } else {
    static_assert(Described<T>);
    info.kind = Kind::Object;
    T value{};
    detail::InfoVisitor visitor{&info};
    T::describe(visitor, value);
  }
  return info;
}

}  // namespace millrace::codec
