#include "operator/bin/run_operator.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <random>
#include <stop_token>

#include "controllers/shell/http_caller.h"
#include "controllers/shell/operator.h"
#include "kubeclient/base/hash.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/client.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/http/loop.h"
#include "kubeclient/http/outbound_policy.h"
#include "kubeclient/runtime/env.h"
#include "operator/bin/file_limit.h"
#include "operator/bin/signals.h"
#include "operator/bin/webhooks.h"
#include "operator/cli/version.h"
#include "operator/gateway/gateway.h"

namespace millrace::bin {
namespace {

/// "<host>_<random>": two operators on one machine, or one restarted, are never the same holder.
std::string identity() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {'m', 'r'};
  std::random_device random;
  const std::uint64_t value = (std::uint64_t{random()} << 32) | random();
  return std::string(host.data()) + "_" + hex(value, 16);
}

shell::OperatorSettings settings_of(const cli::OperatorOptions& options) {
  shell::OperatorSettings settings;
  settings.namespaces = options.namespaces;
  settings.workers = options.workers;
  settings.leader_elect = options.leader_elect;
  settings.lease_namespace = options.lease_namespace;
  settings.shards = options.shards;
  settings.lease_times = runtime::lease_times(options.lease_duration);
  settings.identity = identity();
  settings.drain_timeout = options.drain_timeout;
  settings.config = options.config;
  if (!options.config.webhook.address.empty()) settings.webhooks = options.config.webhook;
  return settings;
}

/// The API server as HTTP steps must not reach it: its name and its addresses, with the port.
std::vector<std::string> api_server_of(const client::ClientConfig& config) {
  std::string rest =
      config.server.substr(std::min(config.server.size(), config.server.find("://")));
  if (rest.starts_with("://")) rest.erase(0, 3);
  rest = rest.substr(0, rest.find('/'));
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  const std::string host = rest.substr(0, has_port ? colon : std::string::npos);
  const std::string port = has_port ? rest.substr(colon) : ":443";
  std::vector<std::string> out = {host + port};
  for (const std::string& address : http::resolve_host(host)) {
    const bool v6 = address.find(':') != std::string::npos && !address.starts_with("[");
    out.push_back((v6 ? "[" + address + "]" : address) + port);
  }
  return out;
}

/// Files of the process besides calls and webhooks: connections to the API server and of the
/// metrics port, caches of libraries.
constexpr std::uint64_t kOtherFiles = 160;

/// Ask the server who it is: a wrong address, CA or token shows here, before anything else starts.
Result<std::string> greet(client::Client& api, const std::stop_token& stop) {
  client::CallOptions options;
  options.stop = stop;
  options.timeout = std::chrono::seconds(10);
  return api.raw_get("/version", options);
}

}  // namespace

int run_operator(const cli::OperatorOptions& options, const Clock& clock) {
  const sigset_t signals = block_signals();
  const Logger log(stderr_sink(), options.log_level);
  raise_file_limit(files_needed(options.config, kOtherFiles), log);
  const client::Environment environment = client::read_environment();
  const auto config = client::load_config(
      {.kubeconfig = options.kubeconfig, .context = options.context}, environment);
  if (!config.ok()) {
    std::cerr << "millrace operator: " << config.error().message << "\n";
    return 1;
  }

  MetricsRegistry metrics;
  const runtime::SystemPause pause;
  const runtime::Env env{clock, pause, metrics, log};
  client::Credentials credentials(*config, environment, clock);
  http::Loop loop(client::loop_options(*config));
  client::Client api(*config, credentials, loop, metrics, log, "operator");

  SignalWaiter signal_waiter(
      signals, [&log](int signal) { log.info("stopping", {kv("signal", signal_name(signal))}); });
  const std::stop_token stop = signal_waiter.token();
  const auto outbound = shell::outbound_options(options.config.http, api_server_of(*config));
  if (!outbound.ok()) {
    std::cerr << "millrace operator: " << outbound.error().message << "\n";
    return 1;
  }
  shell::HttpCaller http_calls(*outbound,
                               static_cast<std::size_t>(options.config.http.max_concurrent), api,
                               clock, metrics, log);
  shell::Operator engine(api, api, settings_of(options), env, &http_calls);

  gateway::DeliveryLog deliveries;
  std::unique_ptr<gateway::Gateway> web;
  if (options.metrics) {
    gateway::GatewayOptions web_options;
    web_options.host = options.metrics->host;
    web_options.port = options.metrics->port;
    auto routes = gateway::operator_routes(
        metrics, [] { return Result<>(); },
        [&]() -> Result<> {
          if (engine.ready()) return {};
          return fail(Code::Unavailable, "the caches are not synced yet");
        },
        [&] { return engine.note(); });
    routes.push_back(deliveries_route(deliveries));
    auto started = gateway::Gateway::start(web_options, std::move(routes), log);
    if (!started.ok()) {
      std::cerr << "millrace operator: --metrics-address: " << started.error().message << "\n";
      return 1;
    }
    web = *std::move(started);
    log.info("serving metrics", {kv("port", static_cast<int>(web->port()))});
  }

  std::unique_ptr<gateway::WebhookServer> webhooks;
  if (delivery::DeliverySink* sink = engine.deliveries()) {
    auto started = start_webhooks(options.config.webhook, options.namespaces, *sink, deliveries,
                                  clock, metrics, log);
    if (!started.ok()) {
      std::cerr << "millrace operator: webhook: " << started.error().message << "\n";
      return 1;
    }
    webhooks = *std::move(started);
  }

  const auto version = greet(api, stop);
  // 403 is no reason to give up: who may not read the version may still do the work.
  if (!version.ok() && version.error().code == Code::Denied && version.error().http_status != 403) {
    std::cerr << "millrace operator: " << config->source << ": " << version.error().message << "\n";
    return 1;
  }
  log.info("starting",
           {kv("version", cli::version_info().version), kv("commit", cli::version_info().commit),
            kv("server", config->server), kv("workers", options.workers)});
  if (!version.ok()) {
    log.warn("the API server does not answer; waiting for it", {kv("error", version.error())});
  }
  const shell::OperatorEnd end = engine.run(stop);
  http_calls.stop();
  if (end == shell::OperatorEnd::LeaseLost) {
    log.error("lease lost, ending the process");
    return 1;
  }
  log.info("stopped");
  return 0;
}

}  // namespace millrace::bin
