#include "operator/bin/local_commands.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <iostream>
#include <thread>

#include "controllers/logic/run.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/http/loop.h"
#include "local/mode/data_dir.h"
#include "operator/bin/local_run.h"
#include "operator/bin/local_up.h"

namespace millrace::bin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// For pods that ignore TERM, and for everything else twice over.
constexpr seconds kDownTimeout{60};
constexpr int kPageSize = 500;

int complain(const cli::Environment& env, const char* command, const std::string& message) {
  env.err << "millrace local " << command << ": " << message << "\n";
  return cli::kFailure;
}

std::string human_size(std::uint64_t bytes) {
  char text[32];
  if (bytes < 1024 * 1024) {
    std::snprintf(text, sizeof text, "%.0f KiB", static_cast<double>(bytes) / 1024);
  } else {
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / 1024 / 1024);
  }
  return text;
}

/// Send TERM to the process that holds the folder and wait for its end.
Result<> end_owner(const mode::DataDir& dir, const mode::Owner& owner) {
  // By descriptor, so that no other process can be meant, should this one end meanwhile.
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, owner.pid, 0));
  const auto again = mode::current_owner(dir);
  if (fd < 0 || !again || again->pid != owner.pid) {
    if (fd >= 0) ::close(fd);
    if (!again) return {};
    return fail(Code::Unavailable,
                "cannot reach process " + std::to_string(owner.pid) + ", which runs the server");
  }
  const long sent = ::syscall(SYS_pidfd_send_signal, fd, SIGTERM, nullptr, 0);
  const int error = errno;
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  const int ended =
      sent == 0
          ? ::poll(&waiting, 1,
                   static_cast<int>(std::chrono::duration_cast<milliseconds>(kDownTimeout).count()))
          : -1;
  ::close(fd);
  if (sent != 0) {
    return fail(Code::Denied, "cannot stop process " + std::to_string(owner.pid) + ": " +
                                  std::strerror(error) + "; it belongs to somebody else");
  }
  if (ended <= 0) {
    return fail(Code::Timeout, "process " + std::to_string(owner.pid) + " did not end within " +
                                   human_duration(kDownTimeout) + "; its log is " + dir.log());
  }
  return {};
}

int down(const cli::LocalOptions& options, const cli::Environment& env) {
  const auto dir = data_dir(options, env);
  if (!dir.ok()) return complain(env, "down", dir.error().message);
  (void)wait_for_server(*dir, seconds(10));  // one that starts cannot be told to stop yet
  const auto owner = mode::current_owner(*dir);
  if (!owner || owner->command == "run") {
    env.out << "millrace local is not running (" << dir->path() << ")\n";
    return cli::kSuccess;
  }
  const auto ended = end_owner(*dir, *owner);
  if (!ended.ok()) return complain(env, "down", ended.error().message);
  env.out << "millrace local is down; its data stays in " << dir->path() << "\n";
  return cli::kSuccess;
}

struct RunCounts {
  std::size_t all = 0;
  std::size_t active = 0;
};

Result<RunCounts> count_runs(const mode::DataDir& dir, const cli::Environment& env) {
  MR_ASSIGN(const auto server, ServerClient::connect(dir, env.clock));
  client::CallOptions call;
  call.timeout = seconds(5);
  MR_ASSIGN(const auto runs,
            client::list_all<crds::PipelineRun>(server->client(), "", kPageSize, {}, call));
  RunCounts counts{.all = runs.items.size()};
  for (const crds::PipelineRun& run : runs.items) {
    if (!logic::is_terminal(run)) ++counts.active;
  }
  return counts;
}

int status(const cli::LocalOptions& options, const cli::Environment& env) {
  using codec::Value;
  const auto dir = data_dir(options, env);
  if (!dir.ok()) return complain(env, "status", dir.error().message);
  const auto owner = mode::current_owner(*dir);
  const bool running = owner && owner->command == "up";
  const bool webhooks = running && owner->ready && !owner->webhooks.empty();
  const std::uint64_t size = dir->size();
  const auto counts = running && owner->ready ? count_runs(*dir, env)
                                              : Result<RunCounts>(fail(Code::Unavailable, ""));
  if (options.json) {
    Value value = Value::object({{"running", running}, {"data", dir->path()}});
    value["dataBytes"] = static_cast<std::int64_t>(size);
    if (running) {
      value["pid"] = owner->pid;
      value["ready"] = owner->ready;
      value["server"] = "https://" + owner->address;
      value["kubeconfig"] = dir->kubeconfig();
      if (webhooks) value["webhooks"] = owner->webhooks + "/webhook";
    }
    if (counts.ok()) {
      value["runs"] = static_cast<std::int64_t>(counts->all);
      value["runsActive"] = static_cast<std::int64_t>(counts->active);
    }
    env.out << value.pretty() << "\n";
    return running ? cli::kSuccess : cli::kFailure;
  }
  if (!running) {
    env.out << "not running\ndata     " << dir->path() << " (" << human_size(size)
            << ")\nStart it with: millrace local up\n";
    if (owner) env.out << "busy     process " << owner->pid << ", millrace local run\n";
    return cli::kFailure;
  }
  env.out << (owner->ready ? "running" : "starting") << "  pid " << owner->pid << ", for "
          << human_duration(env.clock.now() - owner->since) << "\nserver   https://"
          << owner->address << "\ndata     " << dir->path() << " (" << human_size(size) << ")\n";
  if (webhooks) env.out << "webhooks " << owner->webhooks << "/webhook/NAME\n";
  if (counts.ok()) {
    env.out << "runs     " << counts->active << " active, " << counts->all << " in all\n";
  } else if (owner->ready) {
    env.out << "runs     unknown: " << counts.error().message << "\n";
  }
  return cli::kSuccess;
}

int kubeconfig(const cli::LocalOptions& options, const cli::Environment& env) {
  const auto dir = data_dir(options, env);
  if (!dir.ok()) return complain(env, "kubeconfig", dir.error().message);
  const auto text = mode::read_file_or_empty(dir->kubeconfig());
  if (!text.ok()) return complain(env, "kubeconfig", text.error().message);
  if (text->empty()) {
    return complain(
        env, "kubeconfig",
        "there is none yet in " + dir->path() + "; start the server: millrace local up");
  }
  if (options.path_only) {
    env.out << dir->kubeconfig() << "\n";
  } else {
    env.out << *text;
  }
  return cli::kSuccess;
}

}  // namespace

Result<mode::DataDir> data_dir(const cli::LocalOptions& options, const cli::Environment& env) {
  std::string path = options.data_dir;
  if (path.empty()) {
    MR_ASSIGN(path, mode::default_data_dir(env.variable));
  }
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error).lexically_normal();
  if (error) return fail(Code::Invalid, "\"" + path + "\": " + error.message());
  std::string text = absolute.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return mode::DataDir(text);
}

struct ServerClient::Impl {
  Impl(client::ClientConfig client_config, const client::Environment& environment,
       const Clock& clock)
      : config(std::move(client_config)),
        credentials(config, environment, clock),
        loop(client::loop_options(config)),
        api(config, credentials, loop, metrics, log, "local") {}

  const client::ClientConfig config;
  const Logger log{stderr_sink(), LogLevel::Error};
  MetricsRegistry metrics;
  client::Credentials credentials;
  http::Loop loop;
  client::Client api;
};

Result<std::unique_ptr<ServerClient>> ServerClient::connect(const mode::DataDir& dir,
                                                            const Clock& clock) {
  const client::Environment environment = client::read_environment();
  MR_ASSIGN(auto config, client::load_kubeconfig({dir.kubeconfig()}, "", environment));
  config.proxy_url.clear();  // it is this machine
  return std::unique_ptr<ServerClient>(
      new ServerClient(std::make_unique<Impl>(std::move(config), environment, clock)));
}

ServerClient::ServerClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServerClient::~ServerClient() = default;
client::Client& ServerClient::client() { return impl_->api; }

cli::LocalCommands local_commands(const cli::Environment& env) {
  return {
      .up = [&env](const cli::LocalOptions& options) { return local_up(options, env); },
      .down = [&env](const cli::LocalOptions& options) { return down(options, env); },
      .status = [&env](const cli::LocalOptions& options) { return status(options, env); },
      .kubeconfig = [&env](const cli::LocalOptions& options) { return kubeconfig(options, env); },
      .run = [&env](const cli::LocalOptions& options) { return local_run(options, env); },
  };
}

}  // namespace millrace::bin
