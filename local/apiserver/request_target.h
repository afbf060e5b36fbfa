/// What the path of a request points at.
#pragma once

#include <string>
#include <string_view>

#include "local/apiserver/refusal.h"
#include "local/schema/kinds.h"

namespace millrace::apiserver {

/// A collection, an object, or a subresource of one.
struct Target {
  const schema::Kind* kind = nullptr;  ///< never null
  std::string ns;                      ///< empty: all namespaces, or a cluster-wide kind
  std::string name;                    ///< empty: the collection
  std::string subresource;             ///< "status", "log", "scale" or empty
  bool watch = false;                  ///< by the old path /api/v1/watch/...

  bool is_collection() const { return name.empty(); }
};

/// Resolve /api/v1/... and /apis/GROUP/VERSION/...; refuses with 404 what is not served.
/// Total: any text has an answer.
Answer<Target> parse_target(std::string_view path);

}  // namespace millrace::apiserver
