/// The HTTP side of webhooks: `POST /webhook/NAME` and `POST /webhook/NAMESPACE/NAME`.
///
/// It knows HTTP and limits; what a delivery means is the sink's affair. `GET /healthz` says "ok".
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "controllers/delivery/delivery.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/base/result.h"
#include "operator/gateway/http_server.h"

namespace millrace::gateway {

class DeliveryLog;

struct WebhookOptions {
  HttpServerOptions server = webhook_server_defaults();
  std::string default_namespace;  ///< of /webhook/NAME; empty: such paths are not found
  double remote_rate = 0;         ///< POSTs of one address [1/s], /64 for IPv6; 0: no limit
  double remote_burst = 200;      ///< and at once

  /// What a server on the network needs.
  static HttpServerOptions webhook_server_defaults();
};

/// A running server. Stopped by the destructor. Thread-safe.
class WebhookServer {
 public:
  /// `sink`, `records`, `clock` and `metrics` outlive the server, and the sink's completions that
  /// are still to come. Metrics: millrace_webhook_deliveries_total{verdict},
  /// millrace_webhook_seconds, millrace_webhook_connections. Errors: as of HttpServer::start.
  static Result<std::unique_ptr<WebhookServer>> start(const WebhookOptions& options,
                                                      delivery::DeliverySink& sink,
                                                      DeliveryLog& records, const Clock& clock,
                                                      MetricsRegistry& metrics, const Logger& log);
  ~WebhookServer();
  WebhookServer(const WebhookServer&) = delete;
  WebhookServer& operator=(const WebhookServer&) = delete;

  /// The port it listens on, also when 0 was asked for.
  std::uint16_t port() const;
  /// Stop listening, wait for deliveries under way (a few seconds at most), close and join. May be
  /// called again. Not from the sink.
  void stop();

 private:
  class Impl;
  explicit WebhookServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::gateway
