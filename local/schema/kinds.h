/// The kinds that the embedded server serves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/api/meta.h"
#include "local/schema/type.h"

namespace millrace::schema {

/// One column of `kubectl get`. Source: Kubernetes, meta/v1 TableColumnDefinition.
struct Column {
  std::string name;
  std::string type;    ///< "string", "integer", "date", ...
  std::string format;  ///< "name" for the first one
  std::string doc;
  int priority = 0;  ///< above 0: with -o wide only
  std::string path;  ///< custom kinds: the JSON path; empty for built-in ones
};

/// Makes one shape of an object from another.
using Convert = codec::Value (*)(const codec::Value&);

/// One kind, and all that discovery says of it.
struct Kind {
  api::ApiResource resource;
  std::string singular;
  std::string list_kind;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  bool status = false;            ///< has the subresource "status"
  bool scale = false;             ///< has the subresource "scale", an autoscaling/v1 Scale
  bool log = false;               ///< has the subresource "log"
  bool delete_collection = true;  ///< a whole collection may be deleted in one request
  bool custom = false;            ///< ours, served as from a CustomResourceDefinition
  const Type* type = nullptr;
  std::vector<Column> columns;
  /// Kinds that are another shape of the objects of a kind above: from and to what is stored. Null:
  /// stored as it is.
  Convert to_stored = nullptr;
  Convert from_stored = nullptr;

  /// The storage's name of it: "pods", or "jobs.batch". Events of both groups are "events".
  std::string storage_name() const;
};

/// All kinds, ordered as discovery lists them: core first, then by group. Built at the first call.
const std::vector<Kind>& kinds();
/// By group, version and plural; null when not served.
const Kind* find_kind(std::string_view group, std::string_view version, std::string_view plural);
/// By group, version and kind; null when not served.
const Kind* find_kind_by_name(std::string_view group, std::string_view version,
                              std::string_view kind);

/// autoscaling/v1 Scale, the body of the subresource "scale".
const Type& scale_type();
/// What bodies in protobuf may hold: the built-in kinds, Scale, reviews and DeleteOptions. Null:
/// none of them.
const Type* wire_type(std::string_view api_version, std::string_view kind);
/// metav1.ObjectMeta, which all kinds have.
const Type& metadata_type();

}  // namespace millrace::schema
