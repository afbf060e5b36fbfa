/// Question: how fast do N runs of any engine end, one by one, all at once or at a steady rate, and
/// what do they cost the engine?
///
/// Runs are made from a template, by creating objects or by webhooks; their end is a condition or
/// phase seen through a watch. With --mode bare this program makes what an engine has to make for
/// each run, by a script of writes (bare.h), and does nothing else. That is the bound.
/// `bench/macro/run` calls it.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <CLI/CLI.hpp>

#include "bench/macro/bare.h"
#include "bench/macro/board.h"
#include "bench/macro/follow.h"
#include "bench/macro/http_target.h"
#include "bench/macro/process_usage.h"
#include "bench/macro/starter.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/client.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/codec/value.h"
#include "kubeclient/http/loop.h"
#include "kubeclient/http/outbound.h"

namespace millrace::bench {
namespace {

using codec::Value;
using std::chrono::milliseconds;

struct Options {
  std::string kubeconfig;
  std::string ns = "default";
  std::string prefix = "bench";
  std::string mode = "create";
  std::string resource = "millrace.dev/v1/pipelineruns/PipelineRun";
  std::string template_file;
  std::string script_file;
  std::string webhook_url;
  std::string suffix;
  std::string id = "name";
  std::string success = "Succeeded=True";
  std::string failure = "Succeeded=False";
  std::string child_label = "millrace.dev/run";
  std::string output = "text";
  std::vector<std::string> watch;
  int target_port = -1;
  int runs = 100;
  int concurrency = 16;
  double rate = 0;       ///< [runs/s]
  std::int64_t due = 0;  ///< await: [s since 1970]
  int pid = 0;
  bool one_by_one = false;
  int pause = 50;     ///< between two runs of --one-by-one [ms]
  int timeout = 600;  ///< for all [s]
  int settle = 1000;  ///< before the process's usage is read for the last time [ms]
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::NotFound, path + ": cannot be read");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string name_of(const Options& options, int i) {
  const std::string digits = std::to_string(i);
  return options.prefix + "-" + std::string(6 - std::min<std::size_t>(6, digits.size()), '0') +
         digits + options.suffix;
}

/// Of a run, or of the Pipeline whose schedule makes it: what `options.id` tells to be its name.
const std::string& id_of(const Options& options, const AnyObject& object) {
  static constexpr std::string_view kAnnotation = "annotation:";
  if (!options.id.starts_with(kAnnotation)) return object.metadata.name;
  return object.metadata.annotation(options.id.substr(kAnnotation.size()));
}

/// `options.concurrency` threads start runs, not before their time.
Result<void> start_all(Starter& starter, const Options& options, Board& board) {
  std::atomic<int> next{0};
  const SteadyTime begin = now();
  std::vector<std::thread> threads;
  for (int t = 0; t < options.concurrency; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < options.runs; i = next++) {
        if (options.rate > 0) {
          const std::chrono::duration<double> after(i / options.rate);
          std::this_thread::sleep_until(begin + std::chrono::duration_cast<Duration>(after));
        }
        const std::string name = name_of(options, i);
        board.mark(name, &Marks::sent);
        const auto started = starter.start(name);
        if (!started.ok()) return board.abort(started.error().message);
        board.mark(name, &Marks::answered);
      }
    });
  }
  const auto done = board.wait_done(static_cast<std::size_t>(options.runs),
                                    begin + std::chrono::seconds(options.timeout));
  next = options.runs;
  for (std::thread& thread : threads) thread.join();
  return done;
}

/// Runs that somebody else starts at `options.due`.
Result<void> await_all(const Options& options, Board& board) {
  const std::chrono::duration<double> left =
      std::chrono::system_clock::time_point(std::chrono::seconds(options.due)) -
      std::chrono::system_clock::now();
  const SteadyTime due = now() + std::chrono::duration_cast<Duration>(left);
  for (int i = 0; i < options.runs; ++i) board.mark(name_of(options, i), &Marks::sent, due);
  return board.wait_done(static_cast<std::size_t>(options.runs),
                         due + std::chrono::seconds(options.timeout));
}

Result<void> start_one_by_one(Starter& starter, const Options& options, Board& board) {
  const SteadyTime deadline = now() + std::chrono::seconds(options.timeout);
  for (int i = 0; i < options.runs; ++i) {
    const std::string name = name_of(options, i);
    board.mark(name, &Marks::sent);
    MR_TRY(starter.start(name));
    board.mark(name, &Marks::answered);
    MR_TRY(board.wait_done(static_cast<std::size_t>(i) + 1, deadline));
    std::this_thread::sleep_for(milliseconds(options.pause));
  }
  return {};
}

double own_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// The watches of one measurement.
class Watches {
 public:
  Watches(client::Reader& reader, const api::ApiResource& resource, const Options& options,
          const runtime::Env& env, Board& board, StateTest success, StateTest failure,
          BareClient* bare) {
    follows_.push_back(
        std::make_unique<Follow>(reader, resource, options.ns, env,
                                 [&board, &options, success, failure](const AnyObject& o) {
                                   const std::string& name = id_of(options, o);
                                   board.mark(name, &Marks::seen);
                                   if (success.holds(o)) return board.mark(name, &Marks::done);
                                   if (failure.holds(o)) board.fail_run(name);
                                 }));
    const auto child = [&](const api::ApiResource& kind, Board::Times seen, Board::Times ended) {
      follows_.push_back(std::make_unique<Follow>(
          reader, kind, options.ns, env,
          [&board, label = options.child_label, seen, ended](const AnyObject& o) {
            const std::string& run = o.metadata.label(label);
            board.add(run, seen, o.metadata.uid);
            if (ended != nullptr && o.status.phase == "Succeeded") {
              board.add(run, ended, o.metadata.uid + " ended");
            }
          }));
    };
    for (const std::string& kind : options.watch) {
      if (kind == "jobs") child(api::Job::kResource, &Marks::jobs, nullptr);
      if (kind == "pods") child(api::Pod::kResource, &Marks::pods, &Marks::pods_ended);
    }
    if (bare == nullptr || !bare->waits_for_pods()) return;
    follows_.push_back(std::make_unique<Follow>(reader, api::Pod::kResource, options.ns, env,
                                                [bare](const AnyObject& o) {
                                                  if (o.status.phase == "Succeeded")
                                                    bare->pod_ended(o.metadata.name);
                                                }));
  }
  Result<void> wait_synced() {
    const SteadyTime deadline = now() + std::chrono::seconds(60);
    for (const auto& follow : follows_) MR_TRY(follow->wait_synced(deadline));
    return {};
  }

 private:
  std::vector<std::unique_ptr<Follow>> follows_;
};

/// Runs are made by one of these, null when others make them; `bare` is the same object when it is
/// the bare client.
struct Starting {
  std::unique_ptr<Starter> starter;
  BareClient* bare = nullptr;
};

Result<Starting> make_starter(client::Client& api, http::Outbound& http,
                              const api::ApiResource& resource, const Options& options,
                              Board& board) {
  Starting out;
  if (options.mode == "await") return out;
  if (options.mode == "bare") {
    MR_ASSIGN(const std::string text, read_file(options.script_file));
    MR_ASSIGN(Script script, Script::parse(text));
    auto bare = std::make_unique<BareClient>(api, std::move(script), options.ns,
                                             options.concurrency, board);
    out.bare = bare.get();
    out.starter = std::move(bare);
    return out;
  }
  MR_ASSIGN(std::string body, read_file(options.template_file));
  out.starter = options.mode == "webhook"
                    ? make_webhook_starter(http, options.webhook_url, std::move(body))
                    : make_create_starter(api, resource, options.ns, std::move(body));
  return out;
}

void print_text(const Value& report) {
  for (const auto& [name, value] : report.members()) {
    if (name != "latency_ms") {
      std::printf("%-24s %s\n", name.c_str(), value.dump().c_str());
      continue;
    }
    for (const auto& [what, p] : value.members()) {
      std::printf("%-24s p50 %8.2f  p90 %8.2f  p99 %8.2f  max %8.2f ms (%s)\n", what.c_str(),
                  p.find("p50")->as_double(), p.find("p90")->as_double(),
                  p.find("p99")->as_double(), p.find("max")->as_double(),
                  p.find("n")->dump().c_str());
    }
  }
}

Result<void> start_runs(const Options& options, Starter* starter, Board& board) {
  if (starter == nullptr) return await_all(options, board);
  if (options.one_by_one) return start_one_by_one(*starter, options, board);
  return start_all(*starter, options, board);
}

Result<Value> run_load(const Options& options, Starter* starter, Board& board) {
  std::optional<ProcessUsage> before;
  if (options.pid != 0) {
    MR_ASSIGN(before, process_usage(options.pid));
  }
  const double own_before = own_cpu();
  MR_TRY(start_runs(options, starter, board));
  const double own_after = own_cpu();
  std::this_thread::sleep_for(milliseconds(100));  // marks of other watches
  Value report = report_of(board.marks());
  report["mode"] = options.mode;
  report["concurrency"] = options.one_by_one ? 1 : options.concurrency;
  if (options.rate > 0) report["rate"] = options.rate;
  report["bench_cpu_s"] = own_after - own_before;
  if (!before) return report;
  // Events and the like may still be on their way out.
  std::this_thread::sleep_for(milliseconds(options.settle));
  MR_ASSIGN(const ProcessUsage after, process_usage(options.pid));
  report["engine_cpu_s"] = after.cpu - before->cpu;
  report["engine_rss_before_kib"] = before->resident;
  report["engine_rss_kib"] = after.resident;
  report["engine_rss_peak_kib"] = after.resident_peak;
  return report;
}

Result<void> measure(const Options& options) {
  const SystemClock clock;
  const Logger log(stderr_sink(), LogLevel::Warn);
  const client::Environment environment = client::read_environment();
  MR_ASSIGN(const client::ClientConfig config,
            client::load_config({.kubeconfig = options.kubeconfig}, environment));
  MR_ASSIGN(const ResourceName resource, parse_resource(options.resource));
  MR_ASSIGN(const StateTest success, parse_state_test(options.success));
  MR_ASSIGN(const StateTest failure, parse_state_test(options.failure));
  MetricsRegistry metrics;
  const runtime::SystemPause pause;
  const runtime::Env env{clock, pause, metrics, log};
  client::Credentials credentials(config, environment, clock);
  http::Loop loop(client::loop_options(config));
  client::Client api(config, credentials, loop, metrics, log, "bench");
  http::OutboundOptions outbound;
  MR_ASSIGN(outbound.policy, http::TargetPolicy::make({.allow = {"127.0.0.1", "localhost"}}));
  http::Outbound http(outbound);

  Board board;
  for (int i = 0; i < options.runs; ++i) board.expect(name_of(options, i));
  std::unique_ptr<HttpTarget> target;
  if (options.target_port >= 0) {
    const auto on_call = [&](const std::string& run, HttpTarget::Moment moment) {
      board.add(run, moment == HttpTarget::Moment::Came ? &Marks::calls : &Marks::calls_ended, "");
    };
    MR_ASSIGN(target,
              HttpTarget::start(static_cast<std::uint16_t>(options.target_port), on_call, log));
  }
  MR_ASSIGN(const Starting made, make_starter(api, http, resource.resource(), options, board));
  Watches watches(api, resource.resource(), options, env, board, success, failure, made.bare);
  MR_TRY(watches.wait_synced());
  const SteadyTime begin = now();
  MR_ASSIGN(Value report, run_load(options, made.starter.get(), board));
  if (made.bare != nullptr) {
    MR_TRY(made.bare->drain(begin + std::chrono::seconds(options.timeout)));
    report["retries"] = made.bare->retries();
    report["all_written_s"] = std::chrono::duration<double>(now() - begin).count();
  }
  if (options.output == "json") {
    std::cout << report.dump() << "\n";
  } else {
    print_text(report);
  }
  return {};
}

void describe(CLI::App& app, Options& options) {
  app.add_option("--kubeconfig", options.kubeconfig, "which cluster; default: as kubectl");
  app.add_option("--namespace", options.ns, "where, must exist")->capture_default_str();
  app.add_option("--prefix", options.prefix, "start of the runs' names")->capture_default_str();
  app.add_option("--mode", options.mode,
                 "create, webhook (POST instead), bare (the bound), or await (others make them)")
      ->check(CLI::IsMember({"create", "webhook", "bare", "await"}));
  app.add_option("--resource", options.resource, "of the runs: group/version/plural/Kind")
      ->capture_default_str();
  app.add_option("--template", options.template_file,
                 "JSON of a run, or of a webhook's body; $(NAME) becomes the run's name");
  app.add_option("--script", options.script_file, "bare: the writes of a run, see bare.h");
  app.add_option("--webhook", options.webhook_url, "where to POST");
  app.add_option("--id", options.id,
                 "what tells a run's name on the object: name, or annotation:KEY")
      ->capture_default_str();
  app.add_option("--success", options.success, "Condition=Status or phase=Value of a run")
      ->capture_default_str();
  app.add_option("--failure", options.failure, "the same; ends the measurement")
      ->capture_default_str();
  app.add_option("--child-label", options.child_label, "holds the run's name on Jobs and pods")
      ->capture_default_str();
  app.add_option("--watch", options.watch, "what else to watch: jobs, pods")
      ->delimiter(',')
      ->check(CLI::IsMember({"jobs", "pods"}));
  app.add_option("--target", options.target_port,
                 "serve HTTP calls on this port; they bring the run's name as X-Run");
  app.add_option("--due", options.due, "await: when the runs should come [s since 1970]");
  app.add_option("--suffix", options.suffix, "end of the runs' names");
  app.add_option("--runs", options.runs, "how many")->check(CLI::Range(1, 999999));
  app.add_option("--concurrency", options.concurrency, "starting threads")
      ->check(CLI::Range(1, 256));
  app.add_option("--rate", options.rate, "start so many a second; 0: as fast as it goes");
  app.add_flag("--one-by-one", options.one_by_one, "start the next when one has ended");
  app.add_option("--pause", options.pause, "between two of --one-by-one [ms]");
  app.add_option("--controller-pid", options.pid, "report what this process used");
  app.add_option("--settle", options.settle, "before the process's usage is read [ms]");
  app.add_option("--timeout", options.timeout, "for all [s]");
  app.add_option("-o,--output", options.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Options options;
  CLI::App app("Make load for an engine that runs pipelines, and time it");
  millrace::bench::describe(app, options);
  CLI11_PARSE(app, argc, argv);
  const auto done = millrace::bench::measure(options);
  if (done.ok()) return 0;
  std::cerr << "load: " << done.error().message << "\n";
  return 1;
}
