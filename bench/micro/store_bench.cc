/// Question: what do the informers' store and its readers cost, with 10,000 Jobs in it?
/// To beat: 100,000/s in each way, far above what an API server sends.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/micro/allocations.h"
#include "bench/micro/samples.h"
#include "kubeclient/api/job.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/runtime/store.h"

namespace millrace::runtime {
namespace {

constexpr int kObjects = 10'000;
constexpr int kNamespaces = 10;
constexpr int kPerRun = 4;

using Jobs = std::vector<Ref<api::Job>>;

/// Of ten namespaces; four Jobs bear one run's label.
Jobs make_jobs(std::uint64_t version) {
  Jobs jobs;
  for (int i = 0; i < kObjects; ++i) {
    api::Job job = *codec::decode<api::Job>(bench::job_text(i));
    job.metadata.ns = "team-" + std::to_string(i % kNamespaces);
    job.metadata.resource_version = std::to_string(version + static_cast<std::uint64_t>(i));
    job.metadata.labels["millrace.dev/run"] = "run-" + std::to_string(i / kPerRun);
    jobs.push_back(std::make_shared<const api::Job>(std::move(job)));
  }
  return jobs;
}

void add_run_index(Store<api::Job>& store) {
  store.add_index("run", [](const api::Job& job) -> std::vector<std::string> {
    return {job.metadata.label("millrace.dev/run")};
  });
}

/// Filled once for all that only read.
Store<api::Job>& full_store() {
  static Store<api::Job> store;
  static const bool filled = [] {
    add_run_index(store);
    for (const Ref<api::Job>& job : make_jobs(1)) store.put(job);
    return true;
  }();
  benchmark::DoNotOptimize(filled);
  return store;
}

void report(benchmark::State& state, const bench::AllocationCount& count, int objects) {
  count.report(state, objects);
  state.SetItemsProcessed(state.iterations() * objects);
}

void put_new(benchmark::State& state) {
  const Jobs jobs = make_jobs(1);
  const bench::AllocationCount count;
  for (auto _ : state) {
    Store<api::Job> store;
    add_run_index(store);
    for (const Ref<api::Job>& job : jobs) store.put(job);
    benchmark::DoNotOptimize(store.size());
  }
  report(state, count, kObjects);
}
BENCHMARK(put_new)->Unit(benchmark::kMillisecond);

/// Versions only grow: two sets of objects take turns by making a new version of each.
void put_again(benchmark::State& state) {
  Store<api::Job> store;
  add_run_index(store);
  Jobs jobs = make_jobs(1);
  for (const Ref<api::Job>& job : jobs) store.put(job);
  std::uint64_t version = 2 * kObjects;
  const bench::AllocationCount count;
  for (auto _ : state) {
    state.PauseTiming();
    version += kObjects;
    Jobs next = make_jobs(version);
    state.ResumeTiming();
    for (Ref<api::Job>& job : next) store.put(std::move(job));
  }
  state.SetItemsProcessed(state.iterations() * kObjects);
}
BENCHMARK(put_again)->Unit(benchmark::kMillisecond)->Iterations(5);

void get(benchmark::State& state) {
  Store<api::Job>& store = full_store();
  std::vector<ObjectKey> keys;
  for (const Ref<api::Job>& job : store.list())
    keys.push_back({job->metadata.ns, job->metadata.name});
  std::size_t i = 0;
  const bench::AllocationCount count;
  for (auto _ : state) {
    benchmark::DoNotOptimize(store.get(keys[i]));
    i = (i + 1) % keys.size();
  }
  report(state, count, 1);
}
BENCHMARK(get);
BENCHMARK(get)->Threads(4)->UseRealTime();

void by_index(benchmark::State& state) {
  Store<api::Job>& store = full_store();
  int i = 0;
  const bench::AllocationCount count;
  for (auto _ : state) {
    benchmark::DoNotOptimize(store.by_index("run", "run-" + std::to_string(i)));
    i = (i + 1) % (kObjects / kPerRun);
  }
  report(state, count, kPerRun);
}
BENCHMARK(by_index);

void list_all(benchmark::State& state) {
  Store<api::Job>& store = full_store();
  const bench::AllocationCount count;
  for (auto _ : state) benchmark::DoNotOptimize(store.list());
  report(state, count, kObjects);
}
BENCHMARK(list_all)->Unit(benchmark::kMicrosecond);

void list_namespace(benchmark::State& state) {
  Store<api::Job>& store = full_store();
  const bench::AllocationCount count;
  for (auto _ : state) benchmark::DoNotOptimize(store.list("team-3"));
  report(state, count, kObjects / kNamespaces);
}
BENCHMARK(list_namespace)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace millrace::runtime
