/// Question: what does it cost to decode one object as a watch delivers it?
/// Baseline to beat: a whole document tree of the same bytes (`Value::parse`, nlohmann's parser
/// below it).
#include <benchmark/benchmark.h>

#include <string>

#include "bench/micro/allocations.h"
#include "bench/micro/samples.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"
#include "kubeclient/runtime/watch_framer.h"
#include "kubeclient/runtime/watch_text.h"

namespace millrace::bench {
namespace {

void report(benchmark::State& state, const AllocationCount& count, const std::string& text) {
  count.report(state);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations());
}

/// As an informer does it: one event into one object.
template <class T>
void watch_event(benchmark::State& state, const std::string& object) {
  const std::string text = event_of(object);
  const AllocationCount count;
  for (auto _ : state) {
    runtime::WatchObject<T> event;
    if (!codec::thread_reader().read(text, event).empty()) state.SkipWithError("not read");
    benchmark::DoNotOptimize(event);
  }
  report(state, count, text);
}
void watch_pod(benchmark::State& state) { watch_event<api::Pod>(state, pod_text()); }
void watch_job(benchmark::State& state) { watch_event<api::Job>(state, job_text(1)); }
BENCHMARK(watch_pod);
BENCHMARK(watch_job);

void document_tree(benchmark::State& state, const std::string& object) {
  const std::string text = event_of(object);
  const AllocationCount count;
  for (auto _ : state) {
    auto value = codec::Value::parse(text);
    benchmark::DoNotOptimize(value);
  }
  report(state, count, text);
}
BENCHMARK_CAPTURE(document_tree, pod, pod_text());
BENCHMARK_CAPTURE(document_tree, job, job_text(1));

/// The stream of a watch cut into lines, in pieces of 16 KiB.
void frame(benchmark::State& state) {
  constexpr int kEvents = 100;
  constexpr std::size_t kPiece = 16 * 1024;
  std::string stream;
  for (int i = 0; i < kEvents; ++i) stream += event_of(job_text(i)) + "\n";
  std::size_t lines = 0;
  const AllocationCount count;
  for (auto _ : state) {
    runtime::WatchFramer framer;
    for (std::size_t at = 0; at < stream.size(); at += kPiece) {
      framer.push(stream.substr(at, kPiece));
      while (framer.next()) ++lines;
    }
  }
  if (lines != static_cast<std::size_t>(state.iterations()) * kEvents) state.SkipWithError("lines");
  count.report(state, kEvents);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stream.size()));
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(frame);

}  // namespace
}  // namespace millrace::bench
