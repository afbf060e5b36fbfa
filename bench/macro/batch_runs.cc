/// Question: how fast do N batch runs of a few steps end, what do they cost the operator, and how
/// near is that to what the cluster allows at all?
///
/// Three modes on the same cluster answer it:
///   runs  N PipelineRuns, done when each is Succeeded: the operator under test
///   bare  the baseline to come near to: this program creates the same Jobs and pods itself,
///         without looking at them in between, done when each pod has succeeded
///   jobs  the baseline to beat: N plain Jobs of the same content, run by the cluster's own Job
///         controller, done when each is Complete
///
/// Everything is seen through watches and timed by one monotonic clock. `bench/macro/run` calls it.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <CLI/CLI.hpp>

#include "bench/macro/process_usage.h"
#include "controllers/logic/compile.h"
#include "controllers/logic/job.h"
#include "controllers/logic/job_body.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/revision.h"
#include "controllers/logic/run.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/client.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"
#include "kubeclient/http/loop.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/informer.h"

namespace millrace::bench {
namespace {

using codec::Value;
using std::chrono::milliseconds;

enum class Mode { Runs, Bare, Jobs };

struct Options {
  std::string kubeconfig;
  std::string ns = "default";
  std::string prefix = "bench";
  std::string output = "text";
  Mode mode = Mode::Runs;
  int runs = 100;
  int concurrency = 16;
  int steps = 3;
  int operator_pid = 0;
  bool one_by_one = false;
  bool latency = false;
  int pause = 200;    ///< between two runs of --one-by-one [ms]
  int timeout = 600;  ///< for all [s]
  int settle = 1000;  ///< before the operator's usage is read for the last time [ms]
};

constexpr const char* kPipeline = "bench";
constexpr const char* kAdapterImage = "millrace.test/adapter:1";

SteadyTime now() { return std::chrono::steady_clock::now(); }

/// When this program saw what of one run; unset: not yet.
struct Marks {
  std::optional<SteadyTime> sent;      ///< the create call was begun
  std::optional<SteadyTime> run_seen;  ///< the run (bare, jobs: the Job) came over the watch
  std::optional<SteadyTime> job_seen;
  std::optional<SteadyTime> pod_ended;
  std::optional<SteadyTime> done;
};

/// All marks, and how many runs have ended. Safe from any thread.
class Board {
 public:
  Board(std::string prefix, int runs) : prefix_(std::move(prefix) + "-"), state_() {
    state_.lock()->marks.resize(static_cast<std::size_t>(runs));
  }

  std::string name(int i) const {
    std::string digits = std::to_string(i);
    return prefix_ + std::string(6 - std::min<std::size_t>(6, digits.size()), '0') + digits;
  }

  /// Note that `which` of the run `name` happened now, the first time.
  void mark(const std::string& name, std::optional<SteadyTime> Marks::*which) {
    const SteadyTime time = now();
    const std::optional<std::size_t> i = index(name);
    if (!i) return;
    bool ended = false;
    {
      auto state = state_.lock();
      if (*i >= state->marks.size() || state->marks[*i].*which) return;
      state->marks[*i].*which = time;
      ended = which == &Marks::done;
      if (ended) ++state->done;
    }
    if (ended) changed_.notify_all();
  }
  void abort(std::string why) {
    auto state = state_.lock();
    if (state->problem.empty()) state->problem = std::move(why);
    changed_.notify_all();
  }
  /// Wait until `count` runs have ended. Errors: Timeout; Invalid with the first problem.
  Result<void> wait_done(int count, SteadyTime deadline) {
    auto state = state_.lock();
    const bool over = changed_.wait_until(
        state.lock(), deadline, [&] { return state->done >= count || !state->problem.empty(); });
    if (!state->problem.empty()) return fail(Code::Invalid, state->problem);
    if (!over) {
      return fail(Code::Timeout, "only " + std::to_string(state->done) + " of " +
                                     std::to_string(count) + " ended in time");
    }
    return {};
  }
  std::vector<Marks> marks() const { return state_.lock()->marks; }

 private:
  struct State {
    std::vector<Marks> marks;
    int done = 0;
    std::string problem;
  };

  std::optional<std::size_t> index(const std::string& name) const {
    if (!name.starts_with(prefix_)) return std::nullopt;
    std::size_t value = 0;
    const char* first = name.data() + prefix_.size();
    const auto [end, error] = std::from_chars(first, first + 6, value);
    if (error != std::errc() || end != first + 6) return std::nullopt;
    return value;
  }

  const std::string prefix_;
  Guarded<State> state_;
  std::condition_variable_any changed_;
};

/// The pipeline under test: input, processors, one output.
Value pipeline_body(const Options& options) {
  Value processors = Value::array();
  for (int i = 0; i < options.steps - 2; ++i) {
    processors.push_back(Value::object({{"name", "step" + std::to_string(i + 1)},
                                        {"image", "busybox:1"},
                                        {"command", Value::array({"true"})}}));
  }
  Value batch = Value::object(
      {{"input", Value::object({{"apiServer", Value::object({{"server", "http://in.test"}})}})},
       {"outputs",
        Value::array({Value::object(
            {{"name", "out"}, {"custom", Value::object({{"image", kAdapterImage}})}})})}});
  if (!processors.empty()) batch["processors"] = std::move(processors);
  Value body = Value::object({{"apiVersion", "millrace.dev/v1"},
                              {"kind", "Pipeline"},
                              {"metadata", Value::object({{"name", kPipeline}})}});
  body["spec"] = Value::object({{"batchJob", std::move(batch)}});
  return body;
}

/// Makes Jobs as the operator would, from the operator's own planner, but for what ties them to a
/// run, so that the operator leaves them alone.
class JobMaker {
 public:
  static Result<JobMaker> make(const Options& options) {
    JobMaker maker(options);
    MR_ASSIGN(maker.pipeline_, codec::decode<crds::Pipeline>(pipeline_body(options).dump()));
    maker.pipeline_.metadata.ns = options.ns;
    maker.revision_ = logic::freeze(maker.pipeline_);
    maker.config_.adapter_images.input_api_server = kAdapterImage;
    MR_ASSIGN(maker.plan_, logic::compile(maker.pipeline_.spec, maker.config_));
    maker.steps_ = logic::step_names(maker.pipeline_.spec);
    return maker;
  }

  /// The body of the Job `name`.
  std::string body(const std::string& name) const {
    crds::PipelineRun run;
    run.metadata.ns = options_.ns;
    run.metadata.name = name;
    run.metadata.uid = name;
    run.spec.ref_pipeline = kPipeline;
    logic::RunInput input;
    input.now = SystemClock().now();
    input.run = &run;
    input.config = config_;
    Value body = logic::create_job(input, revision_, plan_.nodes.front(), 1, steps_).body;
    Value& metadata = body["metadata"];
    metadata["name"] = name;
    metadata.erase("ownerReferences");
    metadata["labels"].erase(logic::kRunUidLabel);
    body["spec"]["template"]["metadata"]["labels"].erase(logic::kRunUidLabel);
    if (options_.mode == Mode::Jobs) body["spec"].erase("managedBy");
    return body.dump();
  }

 private:
  explicit JobMaker(const Options& options) : options_(options) {}

  Options options_;
  crds::Pipeline pipeline_;
  logic::Revision revision_;
  logic::Config config_;
  logic::Plan plan_;
  std::vector<std::string> steps_;
};

bool is_true(const std::vector<api::Condition>& conditions, std::string_view type) {
  const api::Condition* condition = api::find_condition(conditions, type);
  return condition != nullptr && condition->status == "True";
}

/// Follows what the mode needs to know, and no more: watches cost the machine too.
class Watches {
 public:
  Watches(client::Reader& reader, const Options& options, Board& board, const runtime::Env& env)
      : board_(board),
        runs_(reader, informer_options<crds::PipelineRun>(options), env),
        jobs_(reader, informer_options<api::Job>(options), env),
        pods_(reader, informer_options<api::Pod>(options), env) {
    const bool every = options.latency && options.mode == Mode::Runs;
    watch_runs_ = options.mode == Mode::Runs;
    watch_jobs_ = every || options.mode == Mode::Jobs;
    watch_pods_ = every || options.mode == Mode::Bare;
    runs_.on_change([this](const auto&, const auto& run) {
      if (!run) return;
      const std::string& name = run->metadata.name;
      board_.mark(name, &Marks::run_seen);
      if (is_true(run->status.conditions, "Succeeded")) board_.mark(name, &Marks::done);
      if (is_true(run->status.conditions, "Completed") &&
          !is_true(run->status.conditions, "Succeeded")) {
        board_.abort("run " + name + " failed");
      }
    });
    jobs_.on_change([this, mode = options.mode](const auto&, const auto& job) {
      if (!job) return;
      if (mode == Mode::Runs) {
        board_.mark(job->metadata.label(logic::kRunLabel), &Marks::job_seen);
        return;
      }
      const std::string& name = job->metadata.name;
      board_.mark(name, &Marks::run_seen);
      if (is_true(job->status.conditions, "Complete")) board_.mark(name, &Marks::done);
      if (is_true(job->status.conditions, "Failed")) board_.abort("Job " + name + " failed");
    });
    pods_.on_change([this, mode = options.mode](const auto&, const auto& pod) {
      if (!pod) return;
      const std::string& name = pod->metadata.label(logic::kRunLabel);
      if (pod->status.phase == "Failed") board_.abort("a pod of " + name + " failed");
      if (pod->status.phase != "Succeeded") return;
      board_.mark(name, mode == Mode::Runs ? &Marks::pod_ended : &Marks::done);
    });
  }

  /// Start the watches and wait until they have listed what there is.
  Result<void> start() {
    const SteadyTime deadline = now() + std::chrono::seconds(60);
    bool synced = true;
    const auto begin = [&](auto& informer, bool wanted) {
      if (!wanted) return;
      informer.start();
      synced = synced && informer.wait_synced({}, deadline);
    };
    begin(runs_, watch_runs_);
    begin(jobs_, watch_jobs_);
    begin(pods_, watch_pods_);
    if (!synced) return fail(Code::Timeout, "the watches did not start within a minute");
    return {};
  }

 private:
  template <class T>
  static runtime::InformerOptions<T> informer_options(const Options& options) {
    runtime::InformerOptions<T> out;
    out.namespaces = {options.ns};
    return out;
  }

  Board& board_;
  runtime::Informer<crds::PipelineRun> runs_;
  runtime::Informer<api::Job> jobs_;
  runtime::Informer<api::Pod> pods_;
  bool watch_runs_ = false;
  bool watch_jobs_ = false;
  bool watch_pods_ = false;
};

/// Creates the runs, or the Jobs that stand in for them.
class Creator {
 public:
  Creator(client::Client& api, const Options& options, Board& board, JobMaker jobs)
      : api_(api), options_(options), board_(board), jobs_(std::move(jobs)) {}

  Result<void> create(int i) {
    const std::string name = board_.name(i);
    if (options_.mode == Mode::Runs) {
      const Value body = Value::object({{"apiVersion", "millrace.dev/v1"},
                                        {"kind", "PipelineRun"},
                                        {"metadata", Value::object({{"name", name}})},
                                        {"spec", Value::object({{"refPipeline", kPipeline}})}});
      board_.mark(name, &Marks::sent);
      MR_TRY(api_.create_text(crds::PipelineRun::kResource, options_.ns, body.dump(), {}));
      return {};
    }
    const std::string body = jobs_.body(name);
    board_.mark(name, &Marks::sent);
    MR_ASSIGN(const api::Job job, client::create<api::Job>(api_, options_.ns, body));
    if (options_.mode == Mode::Jobs) return {};
    logic::JobInput input;
    input.now = SystemClock().now();
    input.job = &job;
    const logic::JobPlan plan = logic::plan_job(input);
    if (plan.actions.size() != 1) return fail(Code::Bug, "the planner did not ask for one pod");
    const std::string pod = plan.actions.front().body.dump();
    MR_TRY(api_.create_text(api::Pod::kResource, options_.ns, pod, {}));
    return {};
  }

 private:
  client::Client& api_;
  const Options& options_;
  Board& board_;
  JobMaker jobs_;
};

// --- the report
// -----------------------------------------------------------------------------------

/// Percentiles of some latencies [ms].
Value percentiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double p) {
    const auto i = static_cast<std::size_t>(p * static_cast<double>(values.size() - 1) + 0.5);
    return values[i];
  };
  return Value::object({{"n", static_cast<std::int64_t>(values.size())},
                        {"p50", at(0.50)},
                        {"p90", at(0.90)},
                        {"p99", at(0.99)},
                        {"max", values.back()}});
}

void add_latency(Value& report, const char* name, const std::vector<Marks>& marks,
                 std::optional<SteadyTime> Marks::*from, std::optional<SteadyTime> Marks::*to) {
  std::vector<double> values;
  for (const Marks& m : marks) {
    if (!(m.*from) || !(m.*to)) continue;
    values.push_back(std::chrono::duration<double, std::milli>(*(m.*to) - *(m.*from)).count());
  }
  if (!values.empty()) report[name] = percentiles(std::move(values));
}

double own_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Value report_of(const Options& options, const std::vector<Marks>& marks) {
  SteadyTime first = SteadyTime::max();
  SteadyTime last = SteadyTime::min();
  for (const Marks& m : marks) {
    first = std::min(first, m.sent.value_or(first));
    last = std::max(last, m.done.value_or(last));
  }
  const double wall = std::chrono::duration<double>(last - first).count();
  constexpr const char* kModes[] = {"runs", "bare", "jobs"};
  Value report = Value::object({{"mode", kModes[static_cast<int>(options.mode)]},
                                {"runs", options.runs},
                                {"concurrency", options.one_by_one ? 1 : options.concurrency},
                                {"wall_s", wall},
                                {"runs_per_s", static_cast<double>(options.runs) / wall}});
  Value latency = Value::object();
  add_latency(latency, "sent_to_done", marks, &Marks::sent, &Marks::done);
  add_latency(latency, "created_to_done", marks, &Marks::run_seen, &Marks::done);
  add_latency(latency, "created_to_job", marks, &Marks::run_seen, &Marks::job_seen);
  add_latency(latency, "sent_to_job", marks, &Marks::sent, &Marks::job_seen);
  add_latency(latency, "pod_ended_to_done", marks, &Marks::pod_ended, &Marks::done);
  report["latency_ms"] = std::move(latency);
  return report;
}

void print_text(const Value& report) {
  for (const auto& [name, value] : report.members()) {
    if (name == "latency_ms") {
      for (const auto& [what, p] : value.members()) {
        std::printf("%-20s p50 %8.2f  p90 %8.2f  p99 %8.2f  max %8.2f ms\n", what.c_str(),
                    p.find("p50")->as_double(), p.find("p90")->as_double(),
                    p.find("p99")->as_double(), p.find("max")->as_double());
      }
    } else {
      std::printf("%-20s %s\n", name.c_str(), value.dump().c_str());
    }
  }
}

// --- the whole
// ------------------------------------------------------------------------------------

Result<void> make_pipeline(client::Client& api, const Options& options) {
  const auto made =
      api.create_text(crds::Pipeline::kResource, options.ns, pipeline_body(options).dump(), {});
  if (!made.ok() && made.error().code != Code::AlreadyExists) return fail(made.error());
  return {};
}

Result<void> create_all(Creator& creator, const Options& options, Board& board) {
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < options.concurrency; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < options.runs; i = next++) {
        const auto created = creator.create(i);
        if (!created.ok()) return board.abort(created.error().message);
      }
    });
  }
  const auto done = board.wait_done(options.runs, now() + std::chrono::seconds(options.timeout));
  next = options.runs;
  for (std::thread& thread : threads) thread.join();
  return done;
}

Result<void> create_one_by_one(Creator& creator, const Options& options, Board& board) {
  const SteadyTime deadline = now() + std::chrono::seconds(options.timeout);
  for (int i = 0; i < options.runs; ++i) {
    MR_TRY(creator.create(i));
    MR_TRY(board.wait_done(i + 1, deadline));
    std::this_thread::sleep_for(milliseconds(options.pause));
  }
  return {};
}

Result<void> measure(const Options& options) {
  const SystemClock clock;
  const Logger log(stderr_sink(), LogLevel::Warn);
  const client::Environment environment = client::read_environment();
  MR_ASSIGN(const client::ClientConfig config,
            client::load_config({.kubeconfig = options.kubeconfig}, environment));
  MetricsRegistry metrics;
  const runtime::SystemPause pause;
  const runtime::Env env{clock, pause, metrics, log};
  client::Credentials credentials(config, environment, clock);
  http::Loop calls(client::loop_options(config));
  http::Loop watch_loop(client::loop_options(config));
  client::Client api(config, credentials, calls, watch_loop, metrics, log, "bench");

  MR_ASSIGN(JobMaker jobs, JobMaker::make(options));
  if (options.mode == Mode::Runs) MR_TRY(make_pipeline(api, options));
  Board board(options.prefix, options.runs);
  Watches watches(api, options, board, env);
  MR_TRY(watches.start());
  Creator creator(api, options, board, std::move(jobs));

  std::optional<ProcessUsage> before;
  if (options.operator_pid != 0) {
    MR_ASSIGN(before, process_usage(options.operator_pid));
  }
  const double own_before = own_cpu();
  MR_TRY(options.one_by_one ? create_one_by_one(creator, options, board)
                            : create_all(creator, options, board));
  const double own_after = own_cpu();
  if (options.latency) std::this_thread::sleep_for(milliseconds(100));  // marks of other watches

  Value report = report_of(options, board.marks());
  report["bench_cpu_s"] = own_after - own_before;
  if (before) {
    // Events and the like may still be on their way out.
    std::this_thread::sleep_for(milliseconds(options.settle));
    MR_ASSIGN(const ProcessUsage after, process_usage(options.operator_pid));
    report["operator_cpu_s"] = after.cpu - before->cpu;
    report["operator_rss_kib"] = after.resident;
    report["operator_rss_anon_kib"] = after.resident_anon;
    report["operator_rss_peak_kib"] = after.resident_peak;
  }
  if (options.output == "json") {
    std::cout << report.dump() << "\n";
  } else {
    print_text(report);
  }
  return {};
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  using namespace millrace::bench;
  Options options;
  CLI::App app("Create batch runs (or their bare counterpart) and time them");
  const std::map<std::string, Mode> modes{
      {"runs", Mode::Runs}, {"bare", Mode::Bare}, {"jobs", Mode::Jobs}};
  app.add_option("--kubeconfig", options.kubeconfig, "which cluster; default: as kubectl");
  app.add_option("--namespace", options.ns, "where, must exist")->capture_default_str();
  app.add_option("--prefix", options.prefix, "start of the objects' names")->capture_default_str();
  app.add_option("--mode", options.mode, "runs, bare or jobs")
      ->transform(CLI::CheckedTransformer(modes));
  app.add_option("--runs", options.runs, "how many")->check(CLI::Range(1, 999999));
  app.add_option("--concurrency", options.concurrency, "creating threads")
      ->check(CLI::Range(1, 256));
  app.add_option("--steps", options.steps, "containers of each run")->check(CLI::Range(2, 60));
  app.add_option("--operator-pid", options.operator_pid, "report what this process used");
  app.add_flag("--one-by-one", options.one_by_one, "create the next when one has ended");
  app.add_flag("--latency", options.latency, "runs: watch Jobs and pods too, for all latencies");
  app.add_option("--pause", options.pause, "between two of --one-by-one [ms]");
  app.add_option("--settle", options.settle, "before the operator's usage is read [ms]");
  app.add_option("--timeout", options.timeout, "for all [s]");
  app.add_option("-o,--output", options.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  CLI11_PARSE(app, argc, argv);
  const auto done = measure(options);
  if (done.ok()) return 0;
  std::cerr << "batch_runs: " << done.error().message << "\n";
  return 1;
}
