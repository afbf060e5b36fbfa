#include "operator/bin/cluster.h"

#include <ostream>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/client.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/http/loop.h"
#include "kubeclient/runtime/env.h"
#include "local/mode/run_files.h"
#include "operator/bin/signals.h"

namespace millrace::bin {
namespace {

constexpr std::chrono::seconds kGetTimeout{10};

class RealCluster final : public cli::Cluster {
 public:
  RealCluster(client::ClientConfig config, std::string ns, const client::Environment& environment,
              const cli::Environment& env)
      : env_(env),
        config_(std::move(config)),
        ns_(std::move(ns)),
        waiter_(block_signals(), {}),
        credentials_(config_, environment, env.clock),
        loop_(client::loop_options(config_)),
        api_(config_, credentials_, loop_, metrics_, log_, "cli") {}

  client::Reader& reader() override { return api_; }
  client::Writer& writer() override { return api_; }
  const std::string& ns() const override { return ns_; }
  Result<std::unique_ptr<client::ByteStream>> pod_logs(const ObjectKey& pod,
                                                       const client::LogOptions& log,
                                                       const client::CallOptions& call) override {
    return api_.pod_logs(pod, log, call);
  }
  Result<std::string> raw_get(const std::string& path) override {
    return api_.raw_get(path, {.stop = waiter_.token(), .timeout = kGetTimeout});
  }
  std::stop_token stop() override { return waiter_.token(); }

  int follow(const crds::PipelineRun& run, const cli::FollowOptions& follow) override {
    const bool fancy = follow.look == cli::Look::Fancy;
    const mode::RunOptions options{
        .colour = fancy ? mode::Colour::Yes : mode::Colour::No,
        .telling = follow.logs_only ? mode::Telling::Logs : mode::Telling::Progress,
        .step = follow.step,
        .attempt = follow.attempt,
        .containers = follow.containers,
        .summary = follow.summary,
        .leave = waiter_.token()};
    const runtime::SystemPause pause;
    const mode::RunSurroundings world{
        .reader = api_,
        .writer = api_,
        .open_log =
            [&](const ObjectKey& pod, const client::LogOptions& asked,
                const client::CallOptions& call) {
              client::LogOptions log = asked;
              log.timestamps = follow.timestamps;
              log.tail_lines = follow.tail;
              if (follow.since) {
                log.since_seconds = std::max<std::int64_t>(
                    1, std::chrono::ceil<std::chrono::seconds>(*follow.since).count());
              }
              return api_.pod_logs(pod, log, call);
            },
        .env = {env_.clock, pause, metrics_, log_},
        .print =
            [&](std::string_view text) {
              if (!text.empty()) env_.out << text << std::flush;
            },
        .complain = [&](std::string_view text) { env_.err << "millrace: " << text << "\n"; }};
    const auto result = mode::follow_runs({run}, options, world);
    if (waiter_.token().stop_requested()) {
      env_.err << run.metadata.name << " goes on; to stop it: millrace cancel " << run.metadata.name
               << "\n";
      return cli::kStopped;
    }
    return follow.logs_only ? static_cast<int>(cli::kSuccess) : static_cast<int>(result);
  }

 private:
  const cli::Environment& env_;
  const client::ClientConfig config_;
  const std::string ns_;
  const Logger log_{stderr_sink(), LogLevel::Off};
  MetricsRegistry metrics_;
  SignalWaiter waiter_;
  client::Credentials credentials_;
  http::Loop loop_;
  client::Client api_;
};

bool is_loopback(const std::string& server) {
  return server.find("://127.") != std::string::npos ||
         server.find("://[::1]") != std::string::npos ||
         server.find("://localhost") != std::string::npos;
}

}  // namespace

cli::Connect connect_to_cluster(const cli::Environment& environment) {
  return [&environment](const cli::ClusterChoice& choice) -> Result<std::unique_ptr<cli::Cluster>> {
    const client::Environment process = client::read_environment();
    MR_ASSIGN(
        auto config,
        client::load_config({.kubeconfig = choice.kubeconfig, .context = choice.context}, process));
    if (is_loopback(config.server)) config.proxy_url.clear();  // it is this machine
    std::string ns = choice.ns.empty() ? config.ns : choice.ns;
    return std::unique_ptr<cli::Cluster>(
        std::make_unique<RealCluster>(std::move(config), std::move(ns), process, environment));
  };
}

Result<std::string> http_get(const std::string& base, const std::string& path, const Clock& clock) {
  const client::Environment process = client::read_environment();
  client::ClientConfig config;
  config.server = base;
  while (!config.server.empty() && config.server.back() == '/') config.server.pop_back();
  config.source = "--address";
  const Logger log(stderr_sink(), LogLevel::Off);
  MetricsRegistry metrics;
  client::Credentials credentials(config, process, clock);
  http::Loop loop(client::loop_options(config));
  client::Client api(config, credentials, loop, metrics, log, "cli");
  return api.raw_get(path, {.timeout = kGetTimeout});
}

}  // namespace millrace::bin
