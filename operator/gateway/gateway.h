/// A small HTTP/1.1 server for what the operator says of itself: metrics and health.
///
/// One thread, `mr-gw-0`, serves all connections without blocking. It is built to stay up next to
/// careless or hostile clients: every request has a deadline, headers and bodies have limits, and
/// when all places are taken the connection that has been silent longest is closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/base/result.h"

namespace millrace::gateway {

/// What a route answers.
struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Answers GET and HEAD of one exact path. Called on the gateway's thread: must not block.
struct Route {
  std::string path;  ///< "/metrics"; unique in a gateway
  std::function<Response()> answer;
};

/// Where to listen, and the limits of a connection.
struct GatewayOptions {
  std::string host{};      ///< IP address or name; empty = every interface, IPv6 and IPv4
  std::uint16_t port = 0;  ///< 0 = any free port; see `Gateway::port`
  std::size_t max_connections = 64;
  std::uint32_t max_header_bytes = 8 * 1024;         ///< request line and headers [bytes]
  std::uint64_t max_body_bytes = 4 * 1024;           ///< [bytes]
  std::chrono::milliseconds request_timeout{5'000};  ///< first byte to last byte [ms]
  std::chrono::milliseconds idle_timeout{75'000};    ///< between two requests [ms]
  std::chrono::milliseconds write_timeout{10'000};   ///< for one response [ms]
  std::chrono::milliseconds stop_grace{1'000};       ///< for responses under way at the stop [ms]
};

/// A running server. Stopped by the destructor. Thread-safe.
class Gateway {
 public:
  /// Listen and serve `routes`. Errors: Invalid (host is no address), Denied (a port that needs
  /// rights), Unavailable (port taken, address not of this machine).
  static Result<std::unique_ptr<Gateway>> start(const GatewayOptions& options,
                                                std::vector<Route> routes, const Logger& log);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// The port it listens on, also when 0 was asked for.
  std::uint16_t port() const;

  /// Stop listening, finish responses that are being written (within `stop_grace`), close the
  /// rest and join the thread. May be called again. Not from a route.
  void stop();

 private:
  class Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A check that is asked on each request; an error means "no" and its message says why.
using HealthCheck = std::function<Result<>()>;

/// `/metrics` (Prometheus text), `/healthz` and `/readyz` (200 "ok", or 503 and the reason).
/// `registry` outlives the gateway. What `note` gives, if anything, is said after the "ok" of
/// `/readyz`.
std::vector<Route> operator_routes(const MetricsRegistry& registry, HealthCheck healthy,
                                   HealthCheck ready, std::function<std::string()> note = {});

}  // namespace millrace::gateway
