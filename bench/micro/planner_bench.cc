// How long does one plan of a run of 2,000 steps take? To beat: 10 ms in each shape.
//
// Chain: each step comes after the one before. Wide: no step waits for another. A plan is timed on
// the state that the name tells; nothing is sent and nothing written.

#include <benchmark/benchmark.h>

#include "kubeclient/codec/json_writer.h"
#include "tests/unit/logic/graph_world.h"

namespace millrace::logic {
namespace {

constexpr int kSteps = 2000;

/// 2,000 steps of an action, each after the one before or all at once.
std::string spec_of(const std::string& action, bool chain) {
  std::string steps;
  for (int i = 0; i < kSteps; ++i) {
    steps += (i == 0 ? "" : ",") + (R"({"name":"s)" + std::to_string(i)) + "\"," + action;
    if (chain && i > 0) steps += R"(,"dependsOn":["s)" + std::to_string(i - 1) + "\"]";
    steps += "}";
  }
  return R"({"steps":[)" + steps + "]}";
}

const std::string kHttp = R"("http":{"url":"http://s/{{ run.name }}"})";
const std::string kPod = R"("container":{"image":"i","args":["{{ run.name }}"]})";

void plan_again(benchmark::State& state, GraphWorld& world) {
  for (auto _ : state) {
    const RunPlan plan = world.plan();
    benchmark::DoNotOptimize(plan.actions.data());
  }
}

/// Answer `count` calls, or as many as run, step after step.
void answer(GraphWorld& world, int count) {
  for (int i = 0; i < count; ++i) {
    world.answer("s" + std::to_string(i) + "/1", 200, R"({"value":"a short answer"})");
    if (i + 1 < count) world.settle();
  }
}

void chain_first(benchmark::State& state) {
  GraphWorld world(spec_of(kHttp, true));
  plan_again(state, world);
}

void chain_half(benchmark::State& state) {
  GraphWorld world(spec_of(kHttp, true));
  world.settle();
  answer(world, kSteps / 2);
  plan_again(state, world);
}

void wide_first(benchmark::State& state) {
  GraphWorld world(spec_of(kHttp, false));
  plan_again(state, world);
}

void wide_running(benchmark::State& state) {
  GraphWorld world(spec_of(kHttp, false));
  world.settle();
  plan_again(state, world);
}

void wide_ended(benchmark::State& state) {
  GraphWorld world(spec_of(kHttp, false));
  world.settle();
  for (int i = 0; i < kSteps; ++i) {
    world.answer("s" + std::to_string(i) + "/1", 200, R"({"value":"a short answer"})");
  }
  plan_again(state, world);
}

void wide_failed(benchmark::State& state) {
  GraphWorld world(spec_of(kHttp + R"(,"retry":{"limit":1})", false));
  world.settle();
  for (int i = 0; i < kSteps; ++i) world.answer("s" + std::to_string(i) + "/1", 500);
  plan_again(state, world);
}

void wide_pods_first(benchmark::State& state) {
  GraphWorld world(spec_of(kPod, false));
  plan_again(state, world);
}

void wide_pods_running(benchmark::State& state) {
  GraphWorld world(spec_of(kPod, false));
  world.settle();
  plan_again(state, world);
}

BENCHMARK(chain_first)->Unit(benchmark::kMillisecond);
BENCHMARK(chain_half)->Unit(benchmark::kMillisecond);
BENCHMARK(wide_first)->Unit(benchmark::kMillisecond);
BENCHMARK(wide_running)->Unit(benchmark::kMillisecond);
BENCHMARK(wide_ended)->Unit(benchmark::kMillisecond);
BENCHMARK(wide_failed)->Unit(benchmark::kMillisecond);
BENCHMARK(wide_pods_first)->Unit(benchmark::kMillisecond);
BENCHMARK(wide_pods_running)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::logic
