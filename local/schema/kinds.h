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

/// One kind, and all that discovery says of it.
struct Kind {
  api::ApiResource resource;
  std::string singular;
  std::string list_kind;
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  bool status = false;  ///< has the subresource "status"
  bool custom = false;  ///< ours, served as from a CustomResourceDefinition
  const Type* type = nullptr;
  std::vector<Column> columns;

  /// The storage's name of it: "pods", or "jobs.batch".
  std::string storage_name() const;
};

/// All kinds, ordered as discovery lists them: core first, then by group. Built at the first call.
const std::vector<Kind>& kinds();
/// By group, version and plural; null when not served.
const Kind* find_kind(std::string_view group, std::string_view version, std::string_view plural);
/// By group, version and kind; null when not served.
const Kind* find_kind_by_name(std::string_view group, std::string_view version,
                              std::string_view kind);

}  // namespace millrace::schema
