#include "kubeclient/runtime/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "kubeclient/base/metrics.h"
#include "kubeclient/base/result.h"
#include "tests/support/manual_clock.h"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;

const ObjectKey kA{"one", "a"}, kB{"one", "b"}, kC{"one", "c"}, kX{"two", "x"}, kY{"three", "y"};

class WorkQueueTest : public testing::Test {
 protected:
  /// Names of the keys that are ready, in the order in which workers get them; they stay in work.
  std::string drain() {
    std::string out;
    while (const auto key = queue.try_get()) out += key->name;
    return out;
  }
  std::stop_source stop;
  support::ManualClock clock;
  MetricsRegistry metrics;
  WorkQueue queue{{.name = "test",
                   .backoff = {10ms, 5min, 2, 0},
                   .failures_per_second = 10,
                   .failure_burst = 3},
                  clock,
                  metrics};
};

TEST_F(WorkQueueTest, AddedTwiceIsReadyOnce) {
  queue.add(kA);
  queue.add(kA);
  EXPECT_EQ(queue.depth(), 1u);
  EXPECT_EQ(drain(), "a");
  queue.done(kA);
  EXPECT_EQ(drain(), "");
}

TEST_F(WorkQueueTest, NeverTwiceInWorkAndNoEventLost) {
  queue.add(kA);
  EXPECT_EQ(drain(), "a");
  queue.add(kA);
  queue.add(kA);
  EXPECT_EQ(drain(), "") << "in work";
  queue.done(kA);
  EXPECT_EQ(drain(), "a") << "was dirty";
  queue.done(kA);
  EXPECT_EQ(drain(), "");
}

TEST_F(WorkQueueTest, NamespacesTakeTurns) {
  for (const auto& key : {kA, kB, kC, kX, kY}) queue.add(key);
  EXPECT_EQ(drain(), "axybc");
}

TEST_F(WorkQueueTest, EarliestDueTimeWins) {
  queue.add_after(kA, 10s);
  queue.add_after(kA, 5s);
  queue.add_after(kA, 20s);
  clock.advance(4999ms);
  EXPECT_EQ(drain(), "");
  clock.advance(1ms);
  EXPECT_EQ(drain(), "a");
  queue.done(kA);
  clock.advance(1h);
  EXPECT_EQ(drain(), "") << "the later times are gone";
}

TEST_F(WorkQueueTest, KeysDueTogetherComeByName) {
  for (const auto& key : {kC, kA, kB}) queue.add_after(key, 1s);
  clock.advance(1s);
  EXPECT_EQ(drain(), "abc");
}

TEST_F(WorkQueueTest, AddBeatsDelayAndClearsIt) {
  queue.add_after(kA, 10s);
  queue.add(kA);
  EXPECT_EQ(drain(), "a");
  queue.done(kA);
  clock.advance(1h);
  EXPECT_EQ(drain(), "");
}

TEST_F(WorkQueueTest, ADelayBeyondAllClocksIsNotDueAtOnce) {
  queue.add_after(kA, Duration::max());
  clock.advance(24h);
  EXPECT_EQ(drain(), "");
}

TEST_F(WorkQueueTest, DelayAskedForDuringWorkStaysAfterDone) {
  queue.add(kA);
  EXPECT_EQ(drain(), "a");
  queue.add_after(kA, 10s);
  queue.done(kA);
  EXPECT_EQ(drain(), "");
  clock.advance(10s);
  EXPECT_EQ(drain(), "a");
}

TEST_F(WorkQueueTest, DueWhileInWorkMakesDirty) {
  queue.add(kA);
  EXPECT_EQ(drain(), "a");
  queue.add_after(kA, 1s);
  clock.advance(2s);
  EXPECT_EQ(drain(), "");
  queue.done(kA);
  EXPECT_EQ(drain(), "a");
}

TEST_F(WorkQueueTest, FailuresBackOffPerKeyUntilForgotten) {
  EXPECT_EQ(queue.add_failed(kA), 10ms);
  EXPECT_EQ(queue.add_failed(kA), 20ms);
  EXPECT_EQ(queue.add_failed(kB), 10ms);
  clock.advance(1s);
  queue.forget(kA);
  EXPECT_EQ(queue.add_failed(kA), 10ms);
}

TEST_F(WorkQueueTest, OneBucketSlowsAllFailures) {
  EXPECT_EQ(queue.add_failed(kA), 10ms);
  EXPECT_EQ(queue.add_failed(kB), 10ms);
  EXPECT_EQ(queue.add_failed(kC), 10ms);
  EXPECT_EQ(queue.add_failed(kX), 100ms);
  EXPECT_EQ(queue.add_failed(kY), 200ms);
}

TEST_F(WorkQueueTest, ShutdownHandsOutReadyKeysUntilItsDeadline) {
  queue.add(kA);
  queue.add(kB);
  queue.add_after(kC, 1s);
  queue.shutdown(clock.steady() + 5s);
  queue.add(kX);
  EXPECT_EQ(queue.get({}), kA);
  clock.advance(5s);
  EXPECT_EQ(queue.get({}), std::nullopt);
}

TEST_F(WorkQueueTest, ShutdownForgetsDirtyAndDelayed) {
  queue.add(kA);
  EXPECT_EQ(drain(), "a");
  queue.add(kA);
  queue.add_after(kC, 1s);
  queue.shutdown(clock.steady() + 1h);
  queue.done(kA);
  clock.advance(2s);
  EXPECT_EQ(queue.get({}), std::nullopt);
}

TEST_F(WorkQueueTest, DoneWithoutGetIsABug) { EXPECT_THROW(queue.done(kA), BugError); }

TEST_F(WorkQueueTest, MetricsTell) {
  queue.add(kA);
  clock.advance(3s);
  EXPECT_EQ(drain(), "a");
  clock.advance(7s);
  queue.done(kA);
  queue.add(kB);
  const std::string text = metrics.text();
  for (const char* line :
       {"millrace_queue_depth{queue=\"test\"} 1\n", "millrace_queue_adds_total{queue=\"test\"} 2\n",
        "millrace_queue_latency_seconds_sum{queue=\"test\"} 3\n",
        "millrace_queue_work_seconds_sum{queue=\"test\"} 7\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST_F(WorkQueueTest, StopEndsAWaitingGet) {
  std::optional<ObjectKey> got = kA;
  std::thread worker([&] { got = queue.get(stop.get_token()); });
  stop.request_stop();
  worker.join();
  EXPECT_EQ(got, std::nullopt);
}

TEST_F(WorkQueueTest, AdvancingTheClockWakesAWaitingGet) {
  clock.on_advance([this] { queue.wake(); });
  queue.add_after(kA, 10h);
  std::optional<ObjectKey> got;
  std::thread worker([&] { got = queue.get({}); });
  clock.advance(10h);
  worker.join();
  EXPECT_EQ(got, kA);
}

TEST_F(WorkQueueTest, ManyThreadsLoseNothingAndNeverShareAKey) {
  constexpr int kKeys = 50, kRounds = 200;
  std::vector<std::atomic<int>> in_work(kKeys), seen(kKeys);
  std::vector<std::atomic<int>> wanted(kKeys);
  std::atomic<bool> shared{false};
  std::vector<std::thread> workers;
  for (int w = 0; w < 4; ++w) {
    workers.emplace_back([&] {
      while (const auto key = queue.get({})) {
        const auto i = static_cast<std::size_t>(std::stoi(key->name));
        if (in_work[i].fetch_add(1) != 0) shared = true;
        seen[i] = wanted[i].load();  // what a reconcile reads when it runs
        in_work[i].fetch_sub(1);
        queue.done(*key);
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kKeys; ++i) {
      ++wanted[static_cast<std::size_t>(i)];
      queue.add({"ns" + std::to_string(i % 3), std::to_string(i)});
    }
  }
  // Dirty keys are dropped by a shutdown: wait until every worker has seen the last state.
  for (std::size_t i = 0; i < kKeys; ++i) {
    while (seen[i] != kRounds) std::this_thread::yield();
  }
  queue.shutdown(clock.steady() + 1h);
  for (auto& worker : workers) worker.join();
  EXPECT_FALSE(shared);
  EXPECT_EQ(queue.depth(), 0u);
}

}  // namespace
}  // namespace millrace::runtime
