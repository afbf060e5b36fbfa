#include <utility>

#include "operator/gateway/gateway.h"

namespace millrace::gateway {
namespace {

Response health_response(const HealthCheck& check, const std::string& note = {}) {
  const Result<> health = check();
  if (health.ok()) return {.body = note.empty() ? "ok\n" : "ok: " + note + "\n"};
  return {.status = 503, .body = health.error().message + "\n"};
}

}  // namespace

std::vector<Route> operator_routes(const MetricsRegistry& registry, HealthCheck healthy,
                                   HealthCheck ready, std::function<std::string()> note) {
  std::vector<Route> routes;
  routes.push_back({"/metrics", [&registry] {
                      // Source: Prometheus text exposition format 0.0.4.
                      return Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                      .body = registry.text()};
                    }});
  routes.push_back({"/healthz", [check = std::move(healthy)] { return health_response(check); }});
  routes.push_back({"/readyz", [check = std::move(ready), note = std::move(note)] {
                      return health_response(check, note ? note() : std::string());
                    }});
  return routes;
}

}  // namespace millrace::gateway
