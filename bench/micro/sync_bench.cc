/// Question: what do 10,000 Jobs cost an informer, in resident memory and in time to synced?
///
/// Baseline: the issue's budget, 60 MiB for 10,000 runs with their Jobs and pods, synced in 3 s.
/// The server is a function that makes pages of 500 objects of about 3.3 kB, so that only our own
/// side is measured. Run it alone: resident memory is the process's.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <fstream>
#include <memory>

#include "bench/micro/samples.h"
#include "kubeclient/api/job.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/runtime/informer.h"

namespace millrace::runtime {
namespace {

constexpr int kObjects = 10'000;
constexpr int kPage = 500;

/// Lists the Jobs in pages; its watches stay silent until stopped.
class Server final : public client::Reader {
 public:
  Server() {
    for (int first = 0; first < kObjects; first += kPage) {
      const int next = first + kPage;
      std::string page = R"({"metadata":{"resourceVersion":"999999","continue":")";
      page += next < kObjects ? std::to_string(next) : "";
      page += R"("},"items":[)";
      for (int i = first; i < next; ++i) page += (i > first ? "," : "") + bench::job_text(i);
      pages_.push_back(page + "]}");
      bytes += pages_.back().size();
    }
  }
  Result<std::string> get_text(const api::ApiResource&, const ObjectKey&,
                               const client::CallOptions&) override {
    return fail(Code::NotFound, "not kept");
  }
  Result<std::string> list_text(const api::ApiResource&, const std::string&,
                                const client::ListOptions& list,
                                const client::CallOptions&) override {
    const int first = list.continue_token.empty() ? 0 : std::stoi(list.continue_token);
    return pages_[static_cast<std::size_t>(first / kPage)];
  }
  Result<std::unique_ptr<client::ByteStream>> watch(const api::ApiResource&, const std::string&,
                                                    const client::WatchOptions&,
                                                    const client::CallOptions& options) override {
    return std::unique_ptr<client::ByteStream>(std::make_unique<Silent>(options.stop));
  }
  std::size_t bytes = 0;

 private:
  class Silent final : public client::ByteStream {
   public:
    explicit Silent(std::stop_token stop) : stop_(std::move(stop)) {}
    Result<std::string> read(SteadyTime) override {
      SystemPause().wait(std::chrono::hours(1), stop_);
      return fail(Code::Cancelled, "stopped");
    }
    void cancel() override {}

   private:
    std::stop_token stop_;
  };
  std::vector<std::string> pages_;
};

class NullSink final : public LogSink {
 public:
  void write(const std::string&) override {}
};

/// Resident memory [bytes]. Source: Linux, proc(5), statm.
double resident() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, pages = 0;
  statm >> size >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void sync_jobs(benchmark::State& state) {
  Server server;
  SystemClock clock;
  SystemPause pause;
  MetricsRegistry metrics;
  NullSink sink;
  const Logger log(sink);
  static double grown = 0;  // of the very first round: later ones find freed memory to reuse
  std::size_t estimate = 0;
  for (auto _ : state) {
    const double before = resident();
    InformerOptions<api::Job> options;
    options.protocol.watch_list = false;
    options.trim = [](api::Job& job) { job.spec.pod_template = {}; };
    Informer<api::Job> informer(server, std::move(options), {clock, pause, metrics, log});
    informer.add_index("run", [](const api::Job& job) -> std::vector<std::string> {
      return {job.metadata.label("millrace.dev/run")};
    });
    informer.start();
    informer.wait_synced({}, clock.steady() + std::chrono::minutes(1));
    if (grown == 0) grown = resident() - before;
    estimate = informer.store().bytes();
    informer.stop();
  }
  state.counters["json_per_object"] = static_cast<double>(server.bytes) / kObjects;
  state.counters["rss_per_object"] = grown / kObjects;
  state.counters["estimate_per_object"] = static_cast<double>(estimate) / kObjects;
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(server.bytes));
}
BENCHMARK(sync_jobs)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace millrace::runtime
