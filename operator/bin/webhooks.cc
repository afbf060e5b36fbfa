#include "operator/bin/webhooks.h"

#include "operator/cli/operator_options.h"

namespace millrace::bin {

Result<std::unique_ptr<gateway::WebhookServer>> start_webhooks(
    const logic::WebhookConfig& config, const std::vector<std::string>& namespaces,
    delivery::DeliverySink& sink, gateway::DeliveryLog& records, const Clock& clock,
    MetricsRegistry& metrics, const Logger& log) {
  MR_ASSIGN(const auto address, cli::parse_listen_address(config.address));
  if (!address) return std::unique_ptr<gateway::WebhookServer>();
  gateway::WebhookOptions options;
  options.server.host = address->host;
  options.server.port = address->port;
  options.server.certificate_file = config.certificate_file;
  options.server.key_file = config.key_file;
  options.server.max_body_bytes = static_cast<std::uint64_t>(config.max_body_bytes);
  options.default_namespace = config.default_namespace;
  if (options.default_namespace.empty() && namespaces.size() == 1) {
    options.default_namespace = namespaces.front();
  }
  options.remote_rate = config.remote_rate_per_second;
  options.remote_burst = config.remote_burst;
  MR_ASSIGN(auto server,
            gateway::WebhookServer::start(options, sink, records, clock, metrics, log));
  log.info("taking webhooks", {kv("port", static_cast<int>(server->port())),
                               kv("tls", !config.certificate_file.empty())});
  return server;
}

gateway::Route deliveries_route(const gateway::DeliveryLog& records) {
  return {"/deliveries", [&records] {
            return gateway::Response{.content_type = "application/json", .body = records.json()};
          }};
}

}  // namespace millrace::bin
