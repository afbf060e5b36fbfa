#include "local/mode/local_mode.h"

#include <atomic>
#include <thread>

#include "controllers/logic/labels.h"
#include "controllers/shell/http_caller.h"
#include "controllers/shell/operator.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/log.h"
#include "local/apiserver/api.h"
#include "local/apiserver/certificate.h"
#include "local/apiserver/server.h"
#include "local/executor/spawner.h"
#include "local/mode/data_dir.h"
#include "local/storage/storage.h"

namespace millrace::mode {
namespace {

/// How often to ask for readiness, which has no signal of its own.
constexpr Duration kLook = std::chrono::milliseconds(1);

/// The API server needs the executor's logs, and the executor needs the API server: one of them
/// has to come second.
class LateLogs final : public apiserver::LogSource {
 public:
  void set(apiserver::LogSource* source) { source_ = source; }
  Result<std::unique_ptr<apiserver::Stream>> open(const apiserver::LogRequest& request) override {
    apiserver::LogSource* source = source_;
    if (source == nullptr) return fail(Code::Unavailable, "the executor has not started yet");
    return source->open(request);
  }

 private:
  std::atomic<apiserver::LogSource*> source_{nullptr};
};

std::string agent(const std::string& version, const char* component) {
  return "millrace/" + version + " (" + component + ")";
}

executor::ExecutorOptions executor_options(const ModeOptions& options) {
  executor::ExecutorOptions out;
  out.data_dir = DataDir(options.data_dir).pods();
  out.runtime = options.runtime;
  out.parallelism = options.parallelism;
  out.image_commands = options.config.image_commands;
  out.run_label = logic::kRunLabel;
  out.run_uid_label = logic::kRunUidLabel;
  out.run_api_version = crds::PipelineRun::kResource.api_version();
  out.run_kind = crds::PipelineRun::kResource.kind;
  return out;
}

apiserver::ApiOptions api_options(const ModeOptions& options) {
  apiserver::ApiOptions out;
  out.default_node = executor_options(options).node_name;  // there is one machine only
  return out;
}

shell::OperatorSettings operator_settings(const ModeOptions& options) {
  shell::OperatorSettings settings;
  settings.workers = options.workers;
  settings.leader_elect = false;  // the lock of the folder is the leader's
  settings.identity = "millrace-local";
  settings.drain_timeout = std::chrono::seconds(2);
  settings.config = options.config;
  if (!options.config.webhook.address.empty()) settings.webhooks = options.config.webhook;
  settings.config.run_unmanaged_jobs = true;  // there is no other Job controller
  return settings;
}

/// Services of a laptop are on loopback, so HTTP steps may go there unless the configuration says
/// no; the API server itself is left out where its port is known beforehand.
Result<http::OutboundOptions> call_options(const ModeOptions& options) {
  logic::HttpConfig http = options.config.http;
  for (const char* range : {"127.0.0.0/8", "::1"}) http.allow.emplace_back(range);
  std::vector<std::string> servers;
  if (options.listen && !options.listen->ends_with(":0")) servers.push_back(*options.listen);
  return shell::outbound_options(http, servers);
}

}  // namespace

struct LocalMode::Impl {
  Impl(std::unique_ptr<storage::Storage> opened, const ModeOptions& mode_options,
       const http::OutboundOptions& outbound, executor::Spawner& spawner,
       const runtime::Env& environment)
      : options(mode_options),
        env(environment),
        storage(std::move(opened)),
        api(*storage, env.clock, env.log, &logs, api_options(options)),
        own_client(api, env.clock, agent(options.version, "local")),
        executor_client(api, env.clock, agent(options.version, "executor")),
        operator_client(api, env.clock, agent(options.version, "operator")),
        executor(executor_client, executor_client, spawner, executor_options(options), env),
        calls(outbound, static_cast<std::size_t>(options.config.http.max_concurrent),
              operator_client, env.clock, env.metrics, env.log),
        engine(operator_client, operator_client, operator_settings(options), env, &calls) {
    logs.set(&executor.logs());
  }
  ~Impl() {
    stop();
    logs.set(nullptr);
  }

  Result<> listen() {
    const DataDir dir(options.data_dir);
    apiserver::ServerOptions server_options;
    server_options.threads = options.server_threads;
    MR_ASSIGN(server_options.token, token_of(dir));
    std::vector<std::string> names = {"127.0.0.1", "::1", "localhost"};
    const std::string host = options.listen->substr(0, options.listen->rfind(':'));
    if (host != "127.0.0.1" && host != "[::1]" && host != "localhost" && host != "0.0.0.0" &&
        host != "[::]" && !host.empty()) {
      names.push_back(host.front() == '[' ? host.substr(1, host.size() - 2) : host);
    }
    MR_ASSIGN(const apiserver::ServerIdentity identity,
              apiserver::server_identity(dir.certificates(), names, env.clock.now()));
    server_options.certificate = identity.server.certificate;
    server_options.private_key = identity.server.private_key;
    server_options.address = *options.listen;
    MR_ASSIGN(server, apiserver::Server::start(api, server_options, env.clock, env.log));
    return write_private_file(
        dir.kubeconfig(),
        kubeconfig_text(reachable(server->address()), identity.authority, server_options.token));
  }

  /// Clients on this machine cannot call the address that means all of its addresses.
  static std::string reachable(const std::string& address) {
    const std::string port = address.substr(address.rfind(':'));
    if (address.starts_with("0.0.0.0:")) return "127.0.0.1" + port;
    if (address.starts_with("[::]:")) return "[::1]" + port;
    return address;
  }

  void run() {
    const auto thread = [this](const char* name, auto body) {
      threads.emplace_back([this, name, body] {
        runtime::name_this_thread(name);
        body();
      });
    };
    thread("mr-housekeep", [this] { api.run(stop_source.get_token()); });
    thread("mr-exec", [this] { executor.run(stop_source.get_token()); });
    if (!options.run_operator) return;
    thread("mr-operator", [this] { engine.run(stop_source.get_token()); });
  }

  void stop() {
    if (server) server->stop();
    stop_source.request_stop();
    for (std::thread& t : threads) t.join();  // the operator's waits for calls under way
    threads.clear();
    calls.stop();
  }

  const ModeOptions options;
  const runtime::Env env;
  std::unique_ptr<storage::Storage> storage;
  LateLogs logs;
  apiserver::Api api;
  apiserver::DirectClient own_client;
  apiserver::DirectClient executor_client;
  apiserver::DirectClient operator_client;
  executor::Executor executor;
  shell::HttpCaller calls;
  shell::Operator engine;
  std::unique_ptr<apiserver::Server> server;
  std::stop_source stop_source;
  std::vector<std::thread> threads;
};

Result<std::unique_ptr<Helpers>> Helpers::fork_off() {
  MR_ASSIGN(auto spawner, executor::Spawner::fork_off());
  return std::unique_ptr<Helpers>(new Helpers(std::move(spawner)));
}

Helpers::Helpers(std::unique_ptr<executor::Spawner> spawner) : spawner_(std::move(spawner)) {}
Helpers::~Helpers() = default;

Result<std::unique_ptr<LocalMode>> LocalMode::start(const ModeOptions& options, Helpers& helpers,
                                                    const runtime::Env& env) {
  storage::Options storage_options;
  storage_options.path = DataDir(options.data_dir).database();
  storage_options.cache_bytes = std::size_t{1} << 20;
  MR_ASSIGN(auto opened, storage::open_storage(storage_options));
  MR_ASSIGN(const http::OutboundOptions outbound, call_options(options));
  auto impl = std::make_unique<Impl>(std::move(opened), options, outbound, helpers.spawner(), env);
  if (options.listen) MR_TRY(impl->listen());
  impl->run();
  return std::unique_ptr<LocalMode>(new LocalMode(std::move(impl)));
}

LocalMode::LocalMode(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalMode::~LocalMode() = default;

bool LocalMode::ready() const {
  return impl_->executor.ready() && (!impl_->options.run_operator || impl_->engine.ready());
}

bool LocalMode::wait_ready(const std::stop_token& stop) const {
  while (!ready()) {
    if (!impl_->env.pause.wait(kLook, stop)) return false;
  }
  return true;
}

std::uint64_t LocalMode::version() const { return impl_->storage->version(); }

void LocalMode::rest() {
  impl_->storage->compact();
  runtime::return_free_memory();
}

std::string LocalMode::address() const {
  return impl_->server ? impl_->server->address() : std::string();
}

delivery::DeliverySink* LocalMode::deliveries() {
  return impl_->options.run_operator ? impl_->engine.deliveries() : nullptr;
}

apiserver::DirectClient& LocalMode::client() { return impl_->own_client; }

void LocalMode::stop() { impl_->stop(); }

}  // namespace millrace::mode
