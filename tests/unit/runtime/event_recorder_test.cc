#include "kubeclient/runtime/event_recorder.h"

#include <gtest/gtest.h>

#include "kubeclient/api/pod.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "tests/support/fake_api.h"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using support::error_of;

class NullSink final : public LogSink {
 public:
  void write(const std::string&) override {}
};

class EventRecorderTest : public testing::Test {
 protected:
  EventRecorderTest() {
    options.series.component = "millrace.dev/operator";
    options.series.instance = "pod-0";
    options.backoff = {500ms, 30s, 3, 0};
  }
  void start() {
    recorder = std::make_unique<EventRecorder>(api, options, env);
    recorder->start();
  }
  void tell(std::string note) {
    EventRequest request;
    api::Pod pod;
    pod.metadata.ns = "ns";
    pod.metadata.name = "p";
    pod.metadata.uid = "u";
    request.regarding = reference_to(pod);
    request.reason = "Started";
    request.action = "Start";
    request.note = std::move(note);
    recorder->record(std::move(request));
  }
  bool flush() { return recorder->flush(clock.steady() + 1h); }
  std::uint64_t count(const char* result) {
    return metrics.counter("millrace_events_total", "", {{"result", result}}).value();
  }

  support::ManualClock clock;
  support::SteppingPause pause{clock};
  MetricsRegistry metrics;
  NullSink sink;
  Logger log{sink};
  Env env{clock, pause, metrics, log};
  support::FakeApi api{clock};
  EventRecorderOptions options;
  std::unique_ptr<EventRecorder> recorder;
};

TEST_F(EventRecorderTest, WritesEventsAndSeries) {
  start();
  tell("hello");
  ASSERT_TRUE(flush());
  const auto created = api.calls("create");
  ASSERT_EQ(created.size(), 1u);
  EXPECT_EQ(created[0].plural, "events");
  EXPECT_EQ(created[0].body.find(R"({"apiVersion":"events.k8s.io/v1","kind":"Event",)"), 0u);
  EXPECT_NE(created[0].body.find(R"("regarding":{"apiVersion":"v1","kind":"Pod",)"),
            std::string::npos);
  clock.advance(31s);
  tell("hello");
  ASSERT_TRUE(flush());
  const auto patched = api.calls("patch");
  ASSERT_EQ(patched.size(), 1u);
  EXPECT_EQ(patched[0].key, created[0].key);
  EXPECT_EQ(patched[0].body,
            R"({"series":{"count":2,"lastObservedTime":"2026-11-21T00:00:31.000000Z"}})");
  EXPECT_EQ(count("written"), 2u);
}

TEST_F(EventRecorderTest, RepeatsHeldBackAreWrittenWhenTheirTimeComes) {
  start();
  clock.on_advance([this] { recorder->wake(); });
  tell("hello");
  tell("hello");
  ASSERT_TRUE(flush());
  EXPECT_EQ(count("joined"), 1u);
  EXPECT_TRUE(api.calls("patch").empty());
  clock.advance(30s);
  while (count("written") < 2) std::this_thread::yield();
  EXPECT_EQ(api.calls("patch").size(), 1u);
}

TEST_F(EventRecorderTest, AFullQueueDropsAndNeverBlocks) {
  options.queue = 2;
  recorder = std::make_unique<EventRecorder>(api, options, env);  // nobody takes anything out
  for (int i = 0; i < 5; ++i) tell(std::to_string(i));
  EXPECT_EQ(count("dropped"), 3u);
}

TEST_F(EventRecorderTest, AStormIsSpreadOverTime) {
  options.per_second = 10;
  options.burst = 2;
  start();
  const SteadyTime before = clock.steady();
  for (const char* note : {"a", "b", "c", "d", "e"}) tell(note);
  ASSERT_TRUE(flush());
  EXPECT_EQ(count("written"), 5u);
  EXPECT_EQ(clock.steady() - before, Duration(300ms));  // the third to the fifth waited
}

TEST_F(EventRecorderTest, FailuresThatMayPassAreTriedAgain) {
  start();
  Error told = error_of(Code::Throttled);
  told.delay = 4s;
  api.fail_next("create", told);
  api.fail_next("create", error_of(Code::Unavailable));
  api.lose_answer("create", error_of(Code::Timeout));  // then it exists already
  tell("hello");
  ASSERT_TRUE(flush());
  EXPECT_EQ(count("written"), 1u);
  const std::vector<Duration> want = {4s, 1500ms, 4500ms};
  EXPECT_EQ(pause.lengths(), want);
}

TEST_F(EventRecorderTest, OthersAreGivenUp) {
  start();
  api.fail_next("create", error_of(Code::Denied));
  api.fail_next("create", error_of(Code::Unavailable), 5);
  tell("one");
  ASSERT_TRUE(flush());
  tell("two");
  ASSERT_TRUE(flush());
  EXPECT_EQ(count("failed"), 2u);
  tell("one");
  ASSERT_TRUE(flush());
  EXPECT_EQ(count("written"), 1u) << "as a new event, not as part of a series that is not there";
  EXPECT_EQ(api.calls("create").size(), 1u + 5u + 1u);
}

TEST_F(EventRecorderTest, StepsOnTheCallersThread) {
  recorder = std::make_unique<EventRecorder>(api, options, env);
  EXPECT_FALSE(recorder->work_once());
  EXPECT_EQ(recorder->next_due(), std::nullopt);
  tell("one");
  EXPECT_EQ(recorder->next_due(), clock.steady());
  EXPECT_TRUE(recorder->work_once());
  tell("one");
  EXPECT_TRUE(recorder->work_once());
  EXPECT_EQ(api.calls("create").size(), 1u) << "the second one joins the first";
  ASSERT_TRUE(recorder->next_due().has_value());
  EXPECT_FALSE(recorder->work_once());
  clock.advance(*recorder->next_due() - clock.steady());
  EXPECT_TRUE(recorder->work_once());
  EXPECT_EQ(api.calls("patch").size(), 1u);
}

TEST_F(EventRecorderTest, StopWritesWhatWaits) {
  start();
  for (int i = 0; i < 20; ++i) tell(std::to_string(i));
  recorder->stop(clock.steady() + 1h);
  EXPECT_EQ(count("written"), 20u);
  tell("late");
  EXPECT_EQ(count("dropped"), 1u);
}

}  // namespace
}  // namespace millrace::runtime
