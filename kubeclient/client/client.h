/// The verbs of the Kubernetes API over HTTP, as JSON text; `typed.h` puts types on top.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"

namespace millrace {
class Logger;
class MetricsRegistry;
}  // namespace millrace
namespace millrace::api {
struct ApiResource;
}
namespace millrace::http {
class Loop;
}

namespace millrace::client {

class Credentials;
struct ClientConfig;

enum class PatchType { Merge, Json, Apply };
/// What happens to the children of a deleted object.
enum class Propagation { Background, Foreground, Orphan };

/// Act as somebody else; the server checks that we may.
struct Impersonation {
  std::string user;  ///< empty: as ourselves
  std::vector<std::string> groups;
  bool operator==(const Impersonation&) const = default;
};

/// How long a call may take, and under which circumstances it is made.
struct CallOptions {
  std::stop_token stop = {};                    ///< ends the call with Cancelled
  Duration timeout = std::chrono::seconds(30);  ///< of the call with all its retries
  bool dry_run = false;                         ///< the server checks and answers, stores nothing
  Impersonation as = {};                        ///< beats the one of the kubeconfig
};

struct ListOptions {
  std::string label_selector = {};
  std::string field_selector = {};
  int limit = 0;  ///< objects per page; 0: all at once
  std::string continue_token = {};
  std::string resource_version = {};
  std::string resource_version_match = {};  ///< "", "Exact" or "NotOlderThan"
};

struct WatchOptions {
  std::string label_selector = {};
  std::string field_selector = {};
  std::string resource_version = {};
  bool bookmarks = true;
  bool send_initial_events = false;  ///< watch-list: the objects first, then an end bookmark
  std::chrono::seconds timeout{0};   ///< the server ends the watch after it [s]; 0: its default
};

struct DeleteOptions {
  Propagation propagation = Propagation::Background;
  std::string uid = {};               ///< precondition; else Conflict
  std::string resource_version = {};  ///< precondition; else Conflict
  std::optional<int> grace_seconds = {};
};

struct PatchOptions {
  std::string subresource = {};    ///< "" or "status"
  std::string field_manager = {};  ///< required for Apply
  bool force = false;              ///< Apply only: take over fields of other managers
};

struct LogOptions {
  std::string container = {};  ///< may be empty if the pod has one only
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<std::int64_t> tail_lines = {};
  std::optional<std::int64_t> limit_bytes = {};
  std::optional<std::int64_t> since_seconds = {};
};

/// A response that comes in pieces. One reader thread; `cancel` from any. Ends when destroyed.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// The next piece, cut anywhere; "" is the clean end of the stream. Errors: Timeout when nothing
  /// came until `deadline` (call again); Unavailable when the connection broke or the server fell
  /// silent, Malformed and Cancelled, which are final.
  virtual Result<std::string> read(SteadyTime deadline) = 0;
  /// Wake `read`, which then answers Cancelled.
  virtual void cancel() = 0;
};

/// Calls without effect. Safe from any thread; a call blocks its caller only.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual Result<std::string> get_text(const api::ApiResource& resource, const ObjectKey& key,
                                       const CallOptions& options) = 0;
  /// `ns` "" lists all namespaces.
  virtual Result<std::string> list_text(const api::ApiResource& resource, const std::string& ns,
                                        const ListOptions& list, const CallOptions& options) = 0;
  /// Start a watch: one JSON object a line. `options.timeout` is for the start only, the stop token
  /// for the whole watch. Expired may come from here or as an event of type ERROR.
  virtual Result<std::unique_ptr<ByteStream>> watch(const api::ApiResource& resource,
                                                    const std::string& ns,
                                                    const WatchOptions& watch,
                                                    const CallOptions& options) = 0;
  /// GET of a path such as "/apis/apps/v1", for what is no object: discovery. Readers that have
  /// none answer NotFound.
  virtual Result<std::string> raw_get(std::string_view path, const CallOptions& options);
};

/// Calls with effect; each answers with the object as the server stored it (delete: the object or
/// a Status). Safe from any thread. After Timeout and Unavailable the effect is unknown.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual Result<std::string> create_text(const api::ApiResource& resource, const std::string& ns,
                                          std::string_view body, const CallOptions& options) = 0;
  /// `subresource` is "" or "status".
  virtual Result<std::string> replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                           std::string_view body, const std::string& subresource,
                                           const CallOptions& options) = 0;
  virtual Result<std::string> patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                         PatchType type, std::string_view body,
                                         const PatchOptions& patch, const CallOptions& options) = 0;
  virtual Result<std::string> delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                          const DeleteOptions& del, const CallOptions& options) = 0;
};

/// One API server. Credentials are refreshed once on a 401; 429 is repeated for every verb, other
/// failures that may pass (503, broken connections) for reads only, all within the deadline.
class Client final : public Reader, public Writer {
 public:
  /// `component` goes into the user agent: "millrace/<version> (<component>)".
  Client(const ClientConfig& config, Credentials& credentials, http::Loop& loop,
         MetricsRegistry& metrics, const Logger& log, std::string_view component);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Result<std::string> get_text(const api::ApiResource& resource, const ObjectKey& key,
                               const CallOptions& options) override;
  Result<std::string> list_text(const api::ApiResource& resource, const std::string& ns,
                                const ListOptions& list, const CallOptions& options) override;
  Result<std::unique_ptr<ByteStream>> watch(const api::ApiResource& resource, const std::string& ns,
                                            const WatchOptions& watch,
                                            const CallOptions& options) override;
  Result<std::string> create_text(const api::ApiResource& resource, const std::string& ns,
                                  std::string_view body, const CallOptions& options) override;
  Result<std::string> replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                   std::string_view body, const std::string& subresource,
                                   const CallOptions& options) override;
  Result<std::string> patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                 PatchType type, std::string_view body, const PatchOptions& patch,
                                 const CallOptions& options) override;
  Result<std::string> delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                  const DeleteOptions& del, const CallOptions& options) override;

  /// The log of one container, as the runtime wrote it. `options.timeout` is for the start only.
  Result<std::unique_ptr<ByteStream>> pod_logs(const ObjectKey& pod, const LogOptions& log,
                                               const CallOptions& options);
  /// GET of any path of the server, e.g. "/version" or "/apis/batch/v1?timeout=5s".
  Result<std::string> raw_get(std::string_view path, const CallOptions& options) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::client
