/// Columns of `kubectl get`.
#pragma once

#include <string_view>

namespace millrace::crds {

/// One column. Source: Kubernetes, apiextensions/v1 CustomResourceColumnDefinition.
struct PrintColumn {
  std::string_view name;
  std::string_view type;  ///< "string", "integer", "boolean" or "date" (shown as an age)
  std::string_view json_path;
  std::string_view doc;
  int priority = 0;  ///< above 0: only with `-o wide`
};

}  // namespace millrace::crds
