/// Types of API objects as trees: what every other part of the embedded server asks about fields.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"

namespace millrace::schema {

enum class Shape { Boolean, Integer, Number, String, IntOrString, Object, Map, List, Any };

/// How server-side apply treats a list. Source: Kubernetes, x-kubernetes-list-type.
enum class ListKind { Atomic, Set, Map };

/// When the real server writes a field: its programs are in Go, where `omitempty` drops zero
/// values.
enum class Written {
  IfPresent,  ///< as it was given, also when it is zero or empty
  IfNotZero,  ///< not when false, 0, "" or an empty container
  Always,     ///< also when it was not given: as its zero value
};

struct Type;

struct Field {
  std::string name;
  const Type* type = nullptr;
  std::string doc;  ///< one line, for `kubectl explain`
  bool required = false;
  codec::Value default_value;  ///< null: none
  Written written = Written::IfPresent;
  std::vector<std::string> enums;  ///< the values allowed, when there are only some
  // How strategic merge treats the list or object of this field. Source: Kubernetes,
  // x-kubernetes-patch-strategy and -merge-key.
  bool patch_merge = false;
  std::string patch_key;  ///< member that identifies an item; empty: items are plain values
  bool retain_keys = false;
  // How server-side apply treats the list of this field; meaningless for other shapes.
  ListKind list_kind = ListKind::Atomic;
  std::vector<std::string> list_keys;  ///< ListKind::Map: members that together identify an item
  bool atomic = false;  ///< Object or Map that is owned as a whole; also when its type says so
  // Protobuf: the field's number, and that of the message it stands in where JSON has no object
  // around it. 0: none.
  std::uint32_t number = 0;
  std::uint32_t outer_number = 0;
};

/// A type; shared by the fields that have it, and owned by its `Types`.
struct Type {
  Shape shape = Shape::Any;
  std::string name;    ///< for OpenAPI, e.g. "io.k8s.api.core.v1.PodSpec"; empty for plain ones
  std::string format;  ///< "int32", "int64", "date-time", "micro-time", "byte", "quantity" or empty
  std::string go_name;  ///< as the real server names it in complaints, e.g. "v1.PodSpec"
  std::string doc;
  std::vector<Field> fields;      ///< Object
  const Type* element = nullptr;  ///< Map: of the values; List: of the items
  bool keep_unknown = false;      ///< Object: fields that are not declared stay
  bool atomic = false;            ///< Object: owned as a whole, also as an item of a list
  /// Custom kinds: the structural schema this was made of (limits, enums, rules); else null.
  const codec::Value* custom = nullptr;

  /// The field `name`, or null.
  const Field* find(std::string_view field) const;
};

/// Owner of types that may refer to each other.
using Types = std::deque<Type>;

/// The value that stands where nothing was given: "", 0, false, {}, or null for times and lists.
codec::Value zero_value(const Type& type);

}  // namespace millrace::schema
