/// The webhook server as the configuration wants it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controllers/delivery/delivery.h"
#include "controllers/logic/webhook_config.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/base/result.h"
#include "operator/gateway/delivery_log.h"
#include "operator/gateway/gateway.h"
#include "operator/gateway/webhook_server.h"

namespace millrace::bin {

/// Start it; null when the configuration gives no address. `namespaces` are the operator's: one
/// alone is the default namespace. The references outlive the server. Errors: Invalid (address,
/// certificate), Denied, Unavailable.
Result<std::unique_ptr<gateway::WebhookServer>> start_webhooks(
    const logic::WebhookConfig& config, const std::vector<std::string>& namespaces,
    delivery::DeliverySink& sink, gateway::DeliveryLog& records, const Clock& clock,
    MetricsRegistry& metrics, const Logger& log);

/// `GET /deliveries` of the metrics port. `records` outlives the gateway.
gateway::Route deliveries_route(const gateway::DeliveryLog& records);

}  // namespace millrace::bin
