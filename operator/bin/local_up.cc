#include "operator/bin/local_up.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <iostream>
#include <thread>

#include "kubeclient/base/duration.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "operator/bin/file_limit.h"
#include "operator/bin/signals.h"
#include "operator/bin/webhooks.h"
#include "operator/cli/version.h"

namespace millrace::bin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kPoll{5};
constexpr seconds kStartTimeout{30};
constexpr const char* kLoopback = "127.0.0.1:";
constexpr const char* kAnyPort = "127.0.0.1:0";
/// Files of the process besides calls and webhooks: the API server's connections, logs of pods.
constexpr std::uint64_t kOtherFiles = 1500;

int complain(const cli::Environment& env, const std::string& message) {
  env.err << "millrace local up: " << message << "\n";
  return cli::kFailure;
}

/// `given`: the folder as the user wrote it; empty for the default one.
std::string usage_text(const mode::DataDir& dir, const mode::Owner& owner,
                       const std::string& given) {
  const std::string data = given.empty() ? "" : " --data " + given;
  const std::string webhooks =
      owner.webhooks.empty() ? "" : "\n  webhooks  " + owner.webhooks + "/webhook/NAME";
  return "  server    https://" + owner.address + webhooks + "\n  data      " + dir.path() +
         "\n\nUse it:\n  export KUBECONFIG=" + dir.kubeconfig() +
         "\n  kubectl get pipelines,pipelineruns\nStop it:\n  millrace local down" + data + "\n";
}

std::string in_use(const mode::DataDir& dir, const mode::Owner& owner) {
  const std::string whose = "process " + std::to_string(owner.pid);
  if (owner.command == "run") {
    return "\"" + dir.path() + "\" is in use by a `millrace local run` (" + whose +
           "); wait for its end, or give another folder (--data)";
  }
  return "\"" + dir.path() + "\" is in use by " + whose + "; stop it with: millrace local down";
}

/// Start on the address that was asked for, else on that of the last time, so that kubeconfigs
/// elsewhere stay good, else on any.
Result<std::unique_ptr<mode::LocalMode>> start_mode(mode::ModeOptions options,
                                                    const std::string& asked,
                                                    const std::string& last, mode::Helpers& helpers,
                                                    const runtime::Env& env) {
  options.listen = !asked.empty() ? asked : last.empty() ? kAnyPort : last;
  auto started = mode::LocalMode::start(options, helpers, env);
  const bool address_failed = !started.ok() && asked.empty() && !last.empty() &&
                              started.error().message.find("cannot listen") != std::string::npos;
  if (!address_failed) return started;
  options.listen = kAnyPort;
  return mode::LocalMode::start(options, helpers, env);
}

/// Where webhooks are taken: as asked for, as configured, as last time, else on any port.
std::string webhook_address(const cli::LocalOptions& options, const std::string& last) {
  if (options.no_operator) return "";  // whoever starts the operator takes them
  if (options.webhook_address) return *options.webhook_address;
  if (!options.config.webhook.address.empty()) return options.config.webhook.address;
  const std::size_t host = last.find(kLoopback);
  return host == std::string::npos ? kAnyPort : last.substr(host);
}

/// Null when there is nothing to take webhooks for. `asked`: no other address will do. `records`
/// outlives `local`. Errors: as of start_webhooks.
Result<std::unique_ptr<gateway::WebhookServer>> take_webhooks(logic::WebhookConfig config,
                                                              bool asked, mode::LocalMode& local,
                                                              gateway::DeliveryLog& records,
                                                              MetricsRegistry& metrics,
                                                              const runtime::Env& env) {
  delivery::DeliverySink* sink = local.deliveries();
  if (sink == nullptr) return std::unique_ptr<gateway::WebhookServer>();
  const auto listen = [&] {
    return start_webhooks(config, {"default"}, *sink, records, env.clock, metrics, env.log);
  };
  auto started = listen();
  if (!started.ok() && !asked && config.address != kAnyPort) {
    config.address = kAnyPort;
    started = listen();
  }
  if (started.ok()) return started;
  return fail(started.error().code, "webhooks: " + started.error().message +
                                        "; choose another address with --webhook-address");
}

/// "http://127.0.0.1:41234".
std::string webhook_url(const logic::WebhookConfig& config, std::uint16_t port) {
  std::string host = config.address.substr(0, config.address.rfind(':'));
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  return (config.certificate_file.empty() ? "http://" : "https://") + host + ":" +
         std::to_string(port);
}

/// Until `stop`. Once work has come to rest, the memory it took is given back; free pages already
/// when it is slow, as events are written for minutes after a burst of runs.
void rest_between_work(mode::LocalMode& local, const runtime::Pause& pause,
                       const std::stop_token& stop) {
  constexpr std::uint64_t kMuchWork = 100;  // [writes]
  std::uint64_t last = local.version();
  std::uint64_t returned = last;
  std::uint64_t trimmed = last;
  while (pause.wait(std::chrono::seconds(3), stop)) {
    const std::uint64_t version = local.version();
    if (version == last && version >= returned + kMuchWork) {
      local.rest();
      returned = trimmed = version;
    } else if (version < last + kMuchWork && version >= trimmed + kMuchWork) {
      runtime::return_free_memory();
      trimmed = version;
    }
    last = version;
  }
}

/// Serve until a signal. `announce` is called once: with nothing when it is ready, else with what
/// went wrong.
int serve(const cli::LocalOptions& options, const mode::DataDir& dir, const Clock& clock,
          const std::function<void(const mode::Owner*, const std::string&)>& announce) {
  const auto failed = [&](const std::string& message) {
    announce(nullptr, message);
    return cli::kFailure;
  };
  // First of all: it forks, and must not inherit the lock.
  auto helpers = mode::Helpers::fork_off();
  if (!helpers.ok()) return failed(helpers.error().message);
  const sigset_t signals = block_signals();
  ::umask(077);
  const Logger log(stderr_sink(), options.log_level.value_or(LogLevel::Info));
  const auto before = mode::last_owner(dir);
  mode::ModeOptions local_options = mode_options(options, dir);
  logic::WebhookConfig& webhook = local_options.config.webhook;
  webhook.address = webhook_address(options, before ? before->webhooks : "");
  raise_file_limit(files_needed(local_options.config, kOtherFiles), log);
  auto lock = mode::DataLock::take(dir);
  if (!lock.ok()) {
    const auto owner = mode::current_owner(dir);
    return failed(owner ? in_use(dir, *owner) : lock.error().message);
  }
  mode::Owner owner;
  owner.pid = ::getpid();
  owner.command = "up";
  owner.since = clock.now();
  if (before) {  // should this start fail, the next one knows them still
    owner.address = before->address;
    owner.webhooks = before->webhooks;
  }
  if (const auto said = lock->publish(owner); !said.ok()) return failed(said.error().message);

  MetricsRegistry metrics;
  const runtime::SystemPause pause;
  const runtime::Env env{clock, pause, metrics, log};
  SignalWaiter waiter(
      signals, [&](int signal) { log.info("stopping", {kv("signal", signal_name(signal))}); });
  gateway::DeliveryLog deliveries;
  auto started = start_mode(local_options, options.listen, owner.address, **helpers, env);
  if (!started.ok()) return failed(started.error().message);
  mode::LocalMode& local = **started;
  if (!local.wait_ready(waiter.token())) return failed("stopped before it was ready");
  const bool asked = options.webhook_address || !options.config.webhook.address.empty();
  const auto webhooks = take_webhooks(webhook, asked, local, deliveries, metrics, env);
  if (!webhooks.ok()) return failed(webhooks.error().message);
  owner.address = local.address();
  owner.webhooks = *webhooks ? webhook_url(webhook, (*webhooks)->port()) : "";
  owner.ready = true;
  if (const auto said = lock->publish(owner); !said.ok()) return failed(said.error().message);
  log.info("ready", {kv("version", cli::version_info().version), kv("address", owner.address),
                     kv("data", dir.path())});
  announce(&owner, "");
  runtime::return_free_memory();
  rest_between_work(local, pause, waiter.token());
  if (*webhooks) (*webhooks)->stop();
  local.stop();
  owner.ready = false;
  (void)lock->publish(owner);
  log.info("stopped");
  return cli::kSuccess;
}

bool loopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("[::1]") ||
         address.starts_with("localhost:");
}

void warn_of_network(const cli::Environment& env, const cli::LocalOptions& options,
                     const std::string& address) {
  if (!loopback(address)) {
    env.err << "warning: " << address
            << " can be reached from the network; whoever has the token can run programs here as "
               "you\n";
  }
  const std::string webhooks = webhook_address(options, "");
  if (!webhooks.empty() && !loopback(webhooks)) {
    env.err << "warning: webhooks on " << webhooks
            << " can be reached from the network; give the triggers a token or an HMAC key\n";
  }
}

/// The child's side of the fork: no terminal, output to the log.
void detach(const mode::DataDir& dir) {
  ::setsid();
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int log =
      ::open(dir.log().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  ::dup2(null, 0);
  ::dup2(log >= 0 ? log : ::open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
  ::dup2(1, 2);
  if (::chdir("/") != 0) return;  // only so that no file system is kept busy
}

/// Everything that comes out of the pipe until its end.
std::string read_pipe(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

int up_in_background(const cli::LocalOptions& options, const mode::DataDir& dir,
                     const cli::Environment& env) {
  const SteadyTime began = env.clock.steady();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return complain(env, std::strerror(errno));
  const pid_t child = ::fork();  // no thread has been started yet
  if (child < 0) return complain(env, std::string("no process to be had: ") + std::strerror(errno));
  if (child == 0) {
    ::close(ends[0]);
    detach(dir);
    return serve(options, dir, env.clock, [&](const mode::Owner*, const std::string& error) {
      if (!error.empty()) {
        std::cerr << error << "\n";
        (void)!::write(ends[1], error.data(), error.size());
      } else {
        (void)!::write(ends[1], "", 1);
      }
      ::close(ends[1]);
    });
  }
  ::close(ends[1]);
  const std::string said = read_pipe(ends[0]);
  ::close(ends[0]);
  // One that failed still holds the folder until it has ended; whoever tries again must not meet
  // it.
  if (said != std::string(1, '\0')) (void)::waitpid(child, nullptr, 0);
  const auto owner = mode::current_owner(dir);
  if (said != std::string(1, '\0') || !owner) {
    return complain(
        env, said.empty() ? "the server ended while it started; see " + dir.log() : said.c_str());
  }
  const auto took = std::chrono::duration_cast<milliseconds>(env.clock.steady() - began);
  env.out << "millrace local is up (pid " << owner->pid << ", after " << human_duration(took)
          << ")\n"
          << usage_text(dir, *owner, options.data_dir);
  warn_of_network(env, options, owner->address);
  return cli::kSuccess;
}

}  // namespace

mode::ModeOptions mode_options(const cli::LocalOptions& options, const mode::DataDir& dir) {
  mode::ModeOptions out;
  out.data_dir = dir.path();
  out.version = cli::version_info().version;
  out.config = options.config;
  out.run_operator = !options.no_operator;
  out.parallelism = options.parallelism;
  switch (options.runtime) {
    case cli::LocalRuntime::Auto:
      out.runtime = executor::Runtime::Auto;
      break;
    case cli::LocalRuntime::Process:
      out.runtime = executor::Runtime::Process;
      break;
    case cli::LocalRuntime::Podman:
      out.runtime = executor::Runtime::Podman;
      break;
    case cli::LocalRuntime::Docker:
      out.runtime = executor::Runtime::Docker;
      break;
  }
  return out;
}

std::optional<mode::Owner> wait_for_server(const mode::DataDir& dir, Duration most) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  for (;;) {
    const auto owner = mode::current_owner(dir);
    if (!owner || owner->command == "run") return std::nullopt;
    if (owner->ready) return owner;
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(kPoll);  // another process has no way to wake us
  }
}

int local_up(const cli::LocalOptions& options, const cli::Environment& env) {
  const auto dir = data_dir(options, env);
  if (!dir.ok()) return complain(env, dir.error().message);
  if (const auto made = dir->create(); !made.ok()) return complain(env, made.error().message);
  if (const auto owner = mode::current_owner(*dir)) {
    if (options.foreground || owner->command == "run") return complain(env, in_use(*dir, *owner));
    const auto ready = wait_for_server(*dir, kStartTimeout);
    if (!ready) return complain(env, in_use(*dir, *owner));
    env.out << "millrace local is up already (pid " << ready->pid << ")\n"
            << usage_text(*dir, *ready, options.data_dir);
    return cli::kSuccess;
  }
  if (!options.foreground) return up_in_background(options, *dir, env);
  return serve(options, *dir, env.clock, [&](const mode::Owner* owner, const std::string& error) {
    if (owner == nullptr) {
      complain(env, error);
      return;
    }
    env.out << "millrace local is up; Ctrl-C stops it\n"
            << usage_text(*dir, *owner, options.data_dir) << std::flush;
    warn_of_network(env, options, owner->address);
  });
}

}  // namespace millrace::bin
