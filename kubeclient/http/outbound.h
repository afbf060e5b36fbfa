/// Calls of HTTP services on behalf of users: any number at once on one thread, to places that the
/// policy allows.
///
/// Unlike Loop this trusts neither the target nor the request: each connection is checked against
/// the policy at the address it goes to, answers are bounded in every way, redirects are followed
/// under the same rules. HTTP/1.1, one call per connection, connections are used again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "kubeclient/http/outbound_policy.h"

namespace millrace::http {

struct OutboundHeader {
  std::string name;
  std::string value;
  bool operator==(const OutboundHeader&) const = default;
};

/// Whether 301, 302, 303, 307 and 308 with a Location are followed, up to ten in a row. The first
/// three become GET without a body (HEAD stays HEAD), the others keep method and body. Once a
/// redirect leads to another host or port, or from https to http, of the headers given only those
/// about content and Idempotency-Key go along.
enum class Redirects { Follow, Leave };

struct OutboundRequest {
  std::string method = "GET";  ///< GET HEAD POST PUT PATCH DELETE OPTIONS
  std::string url;
  std::vector<OutboundHeader> headers = {};
  std::string body = {};
  bool has_body = false;
  Redirects redirects = Redirects::Follow;
  std::size_t max_body = 65536;          ///< of the answer, decompressed [bytes]
  std::string ca = {};                   ///< PEM, instead of the system's authorities
  std::optional<Duration> timeout = {};  ///< of the call with its redirects; none: no limit
};

/// A complete answer, whatever its status.
struct OutboundAnswer {
  int status = 0;
  /// Canonical name ("Content-Type") → values in the order they came. Bytes as sent, not
  /// necessarily UTF-8. Without Content-Encoding and Content-Length if the body was decompressed.
  std::map<std::string, std::vector<std::string>> headers;
  std::string body;
  int redirects = 0;  ///< followed
};

/// Called once, on the I/O thread; must not block and may start and cancel calls. Errors: Invalid
/// (URL, method, header, CA), Denied (target, TLS trust), Timeout, Unavailable (no connection,
/// cut), Malformed (not HTTP, too large, too many redirects), Cancelled. Messages hold method, host
/// and path, never the query, user names, headers or bodies.
using OutboundDone = std::function<void(Result<OutboundAnswer>)>;

/// Everything that is the same for all calls. The environment is never read.
struct OutboundOptions {
  TargetPolicy policy = {};
  std::string proxy = {};  ///< http, https, socks5 or socks5h URL; empty: none
  ProxyBypass no_proxy = {};
  std::string user_agent = "millrace";
  std::string thread_name = "mr-http";  ///< at most 15 bytes
  std::chrono::milliseconds connect_timeout{10'000};
  std::size_t max_headers = std::size_t{64} << 10;  ///< of one answer [bytes]
  std::size_t max_lookups = 32;  ///< host names looked up at once; each takes a thread of libcurl's
};

/// The I/O thread with its connections. All methods are safe from any thread.
class Outbound {
 public:
  explicit Outbound(const OutboundOptions& options);
  /// As stop().
  ~Outbound();
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  /// Begin a call; never blocks, never calls `done` from inside. A request that is not idempotent
  /// (POST, PATCH) is sent once at most. The handle is for cancel().
  std::uint64_t start(OutboundRequest request, OutboundDone done);
  /// End the call with Cancelled, soon. No-op when it has ended.
  void cancel(std::uint64_t handle);
  /// End all calls with Cancelled and join the thread. What is started afterwards is dropped, its
  /// `done` never called. Not from inside `done`.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http
