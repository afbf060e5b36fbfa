#include "operator/bin/local_run.h"

#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/client.h"
#include "local/mode/local_mode.h"
#include "local/mode/run_files.h"
#include "operator/bin/file_limit.h"
#include "operator/bin/local_up.h"
#include "operator/bin/signals.h"

namespace millrace::bin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kPoll{10};
constexpr seconds kStartTimeout{30};
constexpr std::uint64_t kOtherFiles = 500;  // besides calls: logs of pods, the database

int complain(const cli::Environment& env, const std::string& message) {
  env.err << "millrace local run: " << message << "\n";
  return cli::kFailure;
}

mode::Colour colour_for(const cli::Environment& env) {
  const auto no_color = env.variable("NO_COLOR");
  const auto terminal = env.variable("TERM");
  const bool wanted = ::isatty(STDOUT_FILENO) == 1 && (!no_color || no_color->empty()) &&
                      terminal.value_or("") != "dumb";
  return wanted ? mode::Colour::Yes : mode::Colour::No;
}

/// Do the work against one server.
int follow(const mode::RunPlan& plan, const cli::LocalOptions& options, const cli::Environment& env,
           const SignalWaiter& signals, client::Reader& reader, client::Writer& writer,
           mode::OpenLog open_log, const runtime::Env& runtime_env) {
  const mode::RunSurroundings surroundings{
      .reader = reader,
      .writer = writer,
      .open_log = std::move(open_log),
      .env = runtime_env,
      .print =
          [&](std::string_view text) {
            if (!text.empty()) env.out << text << std::flush;
          },
      .complain = [&](std::string_view text) { complain(env, std::string(text)); }};
  const mode::RunOptions run_options{.timeout = options.timeout,
                                     .colour = colour_for(env),
                                     .cancel = signals.token(),
                                     .leave = signals.second()};
  return static_cast<int>(mode::run_all(plan, run_options, surroundings));
}

int run_on_server(const mode::RunPlan& plan, const cli::LocalOptions& options,
                  const cli::Environment& env, const mode::DataDir& dir) {
  const SignalWaiter waiter(block_signals(), {});
  auto server = ServerClient::connect(dir, env.clock);
  if (!server.ok()) return complain(env, server.error().message);
  client::Client& api = (*server)->client();
  const Logger log(stderr_sink(), options.log_level.value_or(LogLevel::Error));
  MetricsRegistry metrics;
  const runtime::SystemPause pause;
  const auto open_log = [&api](const ObjectKey& pod, const client::LogOptions& what,
                               const client::CallOptions& call) {
    return api.pod_logs(pod, what, call);
  };
  return follow(plan, options, env, waiter, api, api, open_log, {env.clock, pause, metrics, log});
}

int run_in_process(const mode::RunPlan& plan, const cli::LocalOptions& options,
                   const cli::Environment& env, const mode::DataDir& dir,
                   const mode::DataLock& lock, mode::Helpers& helpers) {
  mode::Owner owner;
  owner.pid = ::getpid();
  const auto last = mode::last_owner(dir).value_or(mode::Owner{});
  owner.address = last.address;
  owner.webhooks = last.webhooks;
  owner.command = "run";
  owner.since = env.clock.now();
  if (const auto said = lock.publish(owner); !said.ok()) return complain(env, said.error().message);
  const SignalWaiter waiter(block_signals(), {});
  ::umask(077);
  const Logger log(stderr_sink(), options.log_level.value_or(LogLevel::Error));
  mode::ModeOptions local_options = mode_options(options, dir);
  local_options.config.webhook.address.clear();  // nobody could know where for so short a time
  raise_file_limit(files_needed(local_options.config, kOtherFiles), log);
  MetricsRegistry metrics;
  const runtime::SystemPause pause;
  const runtime::Env runtime_env{env.clock, pause, metrics, log};
  auto started = mode::LocalMode::start(local_options, helpers, runtime_env);
  if (!started.ok()) return complain(env, started.error().message);
  apiserver::DirectClient& api = (*started)->client();
  MetricsRegistry own_metrics;  // the operator's informers are told apart from ours
  const auto open_log = [&api](const ObjectKey& pod, const client::LogOptions& what,
                               const client::CallOptions& call) {
    return api.pod_logs(pod, what, call);
  };
  return follow(plan, options, env, waiter, api, api, open_log,
                {env.clock, pause, own_metrics, log});
}

}  // namespace

int local_run(const cli::LocalOptions& options, const cli::Environment& env) {
  std::vector<mode::Manifest> files;
  for (const cli::NamedText& file : options.files) files.push_back({file.name, file.text});
  const auto plan = mode::plan_run(files, options.pipeline, options.params);
  if (!plan.ok()) return complain(env, plan.error().message);
  const auto dir = data_dir(options, env);
  if (!dir.ok()) return complain(env, dir.error().message);
  if (const auto made = dir->create(); !made.ok()) return complain(env, made.error().message);

  std::unique_ptr<mode::Helpers> helpers;
  bool told = false;
  for (;;) {
    const auto owner = mode::current_owner(*dir);
    if (owner && owner->command == "up" && wait_for_server(*dir, kStartTimeout)) {
      helpers.reset();
      return run_on_server(*plan, options, env, *dir);
    }
    if (!owner) {
      if (!helpers) {  // before the lock, which they must not inherit
        auto forked = mode::Helpers::fork_off();
        if (!forked.ok()) return complain(env, forked.error().message);
        helpers = *std::move(forked);
      }
      const auto lock = mode::DataLock::take(*dir);
      if (lock.ok()) return run_in_process(*plan, options, env, *dir, *lock, *helpers);
      if (lock.error().code != Code::AlreadyExists) return complain(env, lock.error().message);
    } else if (!told) {
      told = true;
      env.err << "millrace local run: waiting for process " << owner->pid << ", which uses "
              << dir->path() << "\n";
    }
    std::this_thread::sleep_for(kPoll);  // another process has no way to wake us
  }
}

}  // namespace millrace::bin
