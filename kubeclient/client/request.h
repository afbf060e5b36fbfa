/// What each verb sends: method, path with query, body. The one place that both the client over
/// HTTP and the one inside the API server's process take it from. Nothing is sent here.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/client/client.h"

namespace millrace::http {
enum class Method;
}

namespace millrace::client {

/// One verb, ready to be sent as often as needed.
struct Operation {
  const char* verb = "";      ///< as the API server's audit log names it
  std::string resource = {};  ///< plural, "pods/log" for logs; "" for raw paths
  http::Method method{};      ///< Get unless set
  std::string path = {};      ///< escaped, with query
  std::string body = {};
  const char* content_type = "application/json";  ///< of the body, if there is one
  const char* accept = "application/json";

  bool is_read() const;
  std::string_view method_name() const;
  /// "GET https://host:port/api/v1/pods", without the query, for messages.
  std::string what(std::string_view server = {}) const;
};

// Errors of all: Invalid (a name or namespace that is missing or is no path segment; an apply
// without field manager). Of `CallOptions` only `dry_run` counts.
Result<Operation> get_request(const api::ApiResource& resource, const ObjectKey& key);
Result<Operation> list_request(const api::ApiResource& resource, const std::string& ns,
                               const ListOptions& list);
Result<Operation> watch_request(const api::ApiResource& resource, const std::string& ns,
                                const WatchOptions& watch);
Result<Operation> create_request(const api::ApiResource& resource, const std::string& ns,
                                 std::string_view body, const CallOptions& options);
Result<Operation> replace_request(const api::ApiResource& resource, const ObjectKey& key,
                                  std::string_view body, const std::string& subresource,
                                  const CallOptions& options);
Result<Operation> patch_request(const api::ApiResource& resource, const ObjectKey& key,
                                PatchType type, std::string_view body, const PatchOptions& patch,
                                const CallOptions& options);
Result<Operation> delete_request(const api::ApiResource& resource, const ObjectKey& key,
                                 const DeleteOptions& del, const CallOptions& options);
Result<Operation> log_request(const ObjectKey& pod, const LogOptions& log);
/// GET of any path; it must begin with '/'.
Result<Operation> raw_request(std::string_view path);

}  // namespace millrace::client
