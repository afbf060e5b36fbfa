#include "kubeclient/runtime/event_series.h"

#include <gtest/gtest.h>

#include <functional>

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using Verdict = EventSeries::Verdict;

EventRequest request(std::string note = "note", std::string name = "run") {
  EventRequest out;
  out.regarding = {"millrace.dev/v1", "PipelineRun", "ns", std::move(name), "uid", "7"};
  out.reason = "Started";
  out.action = "Start";
  out.note = std::move(note);
  return out;
}

class EventSeriesTest : public testing::Test {
 protected:
  EventSeries::Answer take(const EventRequest& r) { return series.take(r, now, wall()); }
  Time wall() const {
    return Time(std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()));
  }
  SteadyTime now{1h};
  EventSeries series{{.component = "millrace.dev/operator", .instance = "pod-0", .capacity = 8}};
};

TEST_F(EventSeriesTest, TheFirstIsAWholeEvent) {
  const auto answer = take(request());
  ASSERT_EQ(answer.verdict, Verdict::Write);
  ASSERT_TRUE(answer.write->create);
  const api::Event& event = *answer.write->create;
  EXPECT_EQ(event.metadata.ns, "ns");
  EXPECT_EQ(event.metadata.name.substr(0, 4), "run.");
  EXPECT_EQ(event.metadata.name.size(), 4u + 16u);
  EXPECT_EQ(event.event_time.time, wall());
  EXPECT_FALSE(event.series);
  EXPECT_EQ(event.reporting_controller, "millrace.dev/operator");
  EXPECT_EQ(event.reporting_instance, "pod-0");
  EXPECT_EQ(event.regarding.uid, "uid");
}

TEST_F(EventSeriesTest, RepeatsJoinASeriesThatIsWrittenNowAndThen) {
  const ObjectKey key = take(request()).write->key;
  now += 1s;
  EXPECT_EQ(take(request()).verdict, Verdict::Joined);
  now += 1s;
  EXPECT_EQ(take(request()).verdict, Verdict::Joined);
  const Time last = wall();
  EXPECT_TRUE(series.due(now).empty());
  ASSERT_EQ(series.next_due(), now + 28s);
  now += 28s;
  const auto due = series.due(now);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].key, key);
  EXPECT_FALSE(due[0].create);
  EXPECT_EQ(due[0].state.count, 3);
  EXPECT_EQ(due[0].state.last_observed_time.time, last);
  EXPECT_EQ(series.next_due(), std::nullopt);
  now += 60s;
  const auto late = take(request());
  ASSERT_EQ(late.verdict, Verdict::Write) << "the gap is over: written at once";
  EXPECT_EQ(late.write->state.count, 4);
}

TEST_F(EventSeriesTest, WhatMakesANewEvent) {
  take(request());
  const struct {
    const char* name;
    std::function<void(EventRequest&)> change;
  } cases[] = {
      {"note", [](EventRequest& r) { r.note = "x"; }},
      {"reason", [](EventRequest& r) { r.reason = "x"; }},
      {"action", [](EventRequest& r) { r.action = "x"; }},
      {"type", [](EventRequest& r) { r.type = "Warning"; }},
      {"object", [](EventRequest& r) { r.regarding.name = "x"; }},
      {"object made anew", [](EventRequest& r) { r.regarding.uid = "x"; }},
  };
  for (const auto& c : cases) {
    EventRequest r = request();
    c.change(r);
    const auto answer = take(r);
    EXPECT_TRUE(answer.write && answer.write->create) << c.name;
  }
  EventRequest same = request();
  same.regarding.resource_version = "8";
  EXPECT_EQ(take(same).verdict, Verdict::Joined) << "a newer version of the object is the same";
}

TEST_F(EventSeriesTest, AfterTheWindowItIsNewAgain) {
  const ObjectKey key = take(request()).write->key;
  now += 10min;
  const auto answer = take(request());
  ASSERT_TRUE(answer.write && answer.write->create);
  EXPECT_NE(answer.write->key, key);
}

TEST_F(EventSeriesTest, AChattyObjectIsCutShort) {
  int written = 0;
  for (int i = 0; i < 100; ++i) {
    written += take(request("note " + std::to_string(i))).verdict == Verdict::Write;
  }
  EXPECT_EQ(written, 25);
  EXPECT_EQ(take(request("x", "other")).verdict, Verdict::Write) << "others are not";
  now += 1min;
  EXPECT_EQ(take(request("later")).verdict, Verdict::Write);
}

TEST_F(EventSeriesTest, AForgottenSeriesStartsAnew) {
  const std::string name = take(request()).write->series;
  series.forget(name);
  EXPECT_TRUE(take(request()).write->create);
}

TEST_F(EventSeriesTest, MemoryIsBounded) {
  for (int i = 0; i < 1000; ++i) take(request("n", "run" + std::to_string(i)));
  now += 1s;
  EXPECT_TRUE(take(request("n", "run1")).write->create) << "the old ones were forgotten";
  EXPECT_EQ(take(request("n", "run999")).verdict, Verdict::Joined);
}

TEST_F(EventSeriesTest, KeepsTheLimitsOfTheApi) {
  EventRequest r = request(std::string(1023, 'x') + "\xC3\xA4", std::string(253, 'n'));
  r.reason = std::string(200, 'R');
  r.action = std::string(200, 'A');
  r.regarding.ns = "";
  const api::Event event = *take(r).write->create;
  EXPECT_EQ(event.note, std::string(1023, 'x')) << "not cut inside a character";
  EXPECT_EQ(event.metadata.name.size(), 253u);
  EXPECT_EQ(event.reason.size(), 128u);
  EXPECT_EQ(event.action.size(), 128u);
  EXPECT_EQ(event.metadata.ns, "default") << "cluster-scoped";
}

}  // namespace
}  // namespace millrace::runtime
