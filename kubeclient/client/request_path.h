/// URLs of the Kubernetes API, from checked and escaped parts.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"

namespace millrace::api {
struct ApiResource;
}

namespace millrace::client {

/// "/apis/batch/v1/namespaces/ns/jobs". `ns` "" is all namespaces, or a cluster-scoped kind.
/// Errors: Invalid (a namespace that is no path segment, or for a kind that has none).
Result<std::string> collection_path(const api::ApiResource& resource, const std::string& ns);
/// The path of one object, with "/subresource" unless that is empty. Errors: Invalid.
Result<std::string> object_path(const api::ApiResource& resource, const ObjectKey& key,
                                const std::string& subresource = {});

/// "?a=1&b=2"; values are escaped, empty ones left out.
class Query {
 public:
  Query& add(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace millrace::client
