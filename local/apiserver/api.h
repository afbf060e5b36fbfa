/// The embedded API server without its sockets: a request in, a response out.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/clock.h"
#include "local/apiserver/log_source.h"
#include "local/apiserver/stream.h"
#include "local/storage/storage.h"

namespace millrace {
class Logger;
class MetricsRegistry;
}  // namespace millrace

namespace millrace::apiserver {

/// One HTTP request, decoded.
struct Request {
  std::string method;                                      ///< "GET"
  std::string path;                                        ///< percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  ///< percent-decoded, in order
  std::string accept;
  std::string content_type;
  std::string user_agent;
  std::string if_none_match;
  std::string body;

  /// The first value of `name`, or empty.
  std::string_view get(std::string_view name) const;
};

/// One HTTP response; with `stream`, the body comes from there.
struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  ///< Warning, ETag, ...
  std::string body;
  std::unique_ptr<Stream> stream;
};

struct ApiOptions {
  Duration event_ttl = std::chrono::hours(1);  ///< how long Events are kept
  Duration bookmark_interval = std::chrono::minutes(1);
  std::uint32_t seed = 0;  ///< of UIDs and generated names; 0: random
  /// Pods that name no node are born on this one; empty: somebody else binds them.
  std::string default_node = {};
};

/// All kinds, verbs and controllers of the server. Safe from any thread.
class Api {
 public:
  /// `logs` may be null: then pods have none.
  Api(storage::Storage& storage, const Clock& clock, const Logger& log, LogSource* logs,
      ApiOptions options);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  /// Never throws; whatever is wrong with the request becomes a metav1.Status.
  Response handle(const Request& request);

  /// The server's own controllers (garbage collection, namespaces, expiry of Events), one piece of
  /// work; false when there is none now. For programs without threads.
  bool work_once();
  /// When `work_once` will have something to do by time alone; none: not before the next write.
  std::optional<SteadyTime> next_due() const;
  /// `work_once` until `stop`. Blocks.
  void run(const std::stop_token& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::apiserver
