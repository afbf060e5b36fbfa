/// Question: how many keys pass the queue when informers add while workers take, each on a thread
/// of its own? To beat: 100,000/s, far above what an API server lets us write.
#include <benchmark/benchmark.h>

#include <string>
#include <thread>
#include <vector>

#include "kubeclient/base/metrics.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::runtime {
namespace {

constexpr int kKeys = 10'000;

void add_take_done(benchmark::State& state) {
  const SystemClock clock;
  const auto workers = static_cast<int>(state.range(0));
  const auto adders = static_cast<int>(state.range(1));
  std::vector<ObjectKey> keys;
  for (int i = 0; i < kKeys; ++i) {
    keys.push_back({"team-" + std::to_string(i % 10), "run-" + std::to_string(i)});
  }
  for (auto _ : state) {
    MetricsRegistry metrics;
    WorkQueue queue({.name = "bench"}, clock, metrics);
    std::vector<std::jthread> threads;
    for (int w = 0; w < workers; ++w) {
      threads.emplace_back([&](const std::stop_token& stop) {
        while (const auto key = queue.get(stop)) {
          queue.forget(*key);
          queue.done(*key);
        }
      });
    }
    std::vector<std::thread> sources;
    for (int a = 0; a < adders; ++a) {
      sources.emplace_back([&, a] {
        for (std::size_t i = static_cast<std::size_t>(a); i < keys.size();
             i += static_cast<std::size_t>(adders)) {
          queue.add(keys[i]);
        }
      });
    }
    for (std::thread& source : sources) source.join();
    queue.shutdown(clock.steady() + std::chrono::hours(1));
    for (std::jthread& thread : threads) thread.join();
  }
  state.SetItemsProcessed(state.iterations() * kKeys);
}
BENCHMARK(add_take_done)->Args({1, 1})->Args({4, 1})->Args({4, 4})->Args({16, 4})->UseRealTime();

}  // namespace
}  // namespace millrace::runtime
