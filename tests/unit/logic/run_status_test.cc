#include "controllers/logic/run_status.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using crds::PipelineRunStatus;

const Time kNow = *parse_time("2026-11-21T03:00:00.5Z");

PipelineRunStatus with(std::string_view completed, std::string_view succeeded,
                       std::string_view reason, std::string_view message = "") {
  PipelineRunStatus status;
  set_condition(status, "Succeeded", succeeded, reason, message, kNow, 1);
  set_condition(status, "Completed", completed, "x", "", kNow, 1);
  return status;
}

TEST(SetCondition, SortsAndMovesTheTimeOnlyWithTheStatus) {
  PipelineRunStatus status = with("False", "Unknown", "Pending");
  set_condition(status, "Cancelled", "True", "r", "m", kNow, 1);
  ASSERT_EQ(status.conditions.size(), 3u);
  EXPECT_EQ(status.conditions[0].type, "Cancelled");
  EXPECT_EQ(status.conditions[1].type, "Completed");
  EXPECT_EQ(status.conditions[2].type, "Succeeded");
  set_condition(status, "Succeeded", "Unknown", "Running", "new", kNow + 60s, 2);
  EXPECT_EQ(status.conditions[2].last_transition_time, truncate_to_second(kNow));
  EXPECT_EQ(status.conditions[2].observed_generation, 2);
  set_condition(status, "Succeeded", "True", "Succeeded", "", kNow + 60s, 2);
  EXPECT_EQ(status.conditions[2].last_transition_time, truncate_to_second(kNow + 60s));
}

TEST(Cut, KeepsWholeCharacters) {
  EXPECT_EQ(cut("short", 10), "short");
  EXPECT_EQ(cut("0123456789", 8), "01234...");
  EXPECT_EQ(cut("0123\xC3\xA4\xC3\xA4\xC3\xA4", 8), "0123...");
  EXPECT_EQ(cut(std::string(5000, 'x'), kMessageLimit).size(), kMessageLimit);
}

TEST(DecideWrite, Table) {
  const PipelineRunStatus none;
  const PipelineRunStatus pending = with("False", "Unknown", "Pending");
  const PipelineRunStatus progress = with("False", "Unknown", "Pending", "more");
  const PipelineRunStatus running = with("False", "Unknown", "Running");
  const PipelineRunStatus done = with("True", "True", "Succeeded");
  PipelineRunStatus retried = with("False", "Unknown", "BuildRetry");
  retried.retry_status.emplace().history_build.emplace_back();
  const struct {
    const char* name;
    const PipelineRunStatus& before;
    const PipelineRunStatus& after;
    std::optional<Duration> created;  // ago
    std::optional<Duration> written;  // ago
    bool now;
    std::optional<Duration> wait;
  } cases[] = {
      {"equal", pending, pending, {}, {}, false, {}},
      {"first, long after the create", none, pending, 1s, {}, true, {}},
      {"first, right after the create", none, pending, 100ms, {}, false, 150ms},
      {"first, after a restart", none, pending, {}, {}, true, {}},
      {"end, right after the create", none, done, 10ms, {}, true, {}},
      {"retry, right after the create", none, retried, 10ms, {}, true, {}},
      {"reason changes", pending, running, 1s, 300ms, true, {}},
      {"reason changes right after a write", pending, running, 1s, 50ms, false, 200ms},
      {"progress too soon", pending, progress, 10s, 400ms, false, 600ms},
      {"progress", pending, progress, 10s, 1s, true, {}},
      {"clock went back", pending, progress, 10s, -5s, true, {}},
  };
  for (const auto& c : cases) {
    const auto ago = [](std::optional<Duration> d) -> std::optional<Time> {
      if (!d) return std::nullopt;
      return kNow - std::chrono::duration_cast<std::chrono::microseconds>(*d);
    };
    const WriteDecision got = decide_write(c.before, c.after, ago(c.created), ago(c.written), kNow);
    EXPECT_EQ(got.now, c.now) << c.name;
    EXPECT_EQ(got.wait, c.wait) << c.name;
    EXPECT_EQ(got.progress, c.now && &c.after != &done && &c.after != &retried) << c.name;
  }
}

TEST(FitBudget, TrimsTheOldestFirst) {
  PipelineRunStatus status = with("False", "Unknown", "Running");
  auto& history = status.retry_status.emplace().history_build;
  for (int i = 1; i <= 1001; ++i) {
    crds::AttemptRecord record;
    record.ns = std::string(63, 'n');
    record.build_name = std::string(57, 'b');
    record.attempt = i;
    record.start_time = record.completion_time = kNow;
    record.reason = "Fail";
    record.message = std::string(kMessageLimit, 'm');
    history.push_back(record);
  }
  history[2].steps_succeeded = {"input"};
  fit_budget(status);
  EXPECT_LE(codec::encode(status).size(), kStatusBudget);
  const auto& after = status.retry_status->history_build;
  EXPECT_EQ(after.back().attempt, 1001);
  EXPECT_EQ(after.back().build_name.size(), 57u);
  bool kept = false;
  for (const auto& record : after) kept |= !record.steps_succeeded.empty();
  EXPECT_TRUE(kept) << "a step that succeeded must not run again";

  PipelineRunStatus small = with("False", "Unknown", "Running");
  small.retry_status.emplace().history_build.resize(20);
  for (auto& record : small.retry_status->history_build) record.message = std::string(1000, 'm');
  const PipelineRunStatus before = small;
  fit_budget(small);
  EXPECT_EQ(small, before) << "what fits is left alone";
}

}  // namespace
}  // namespace millrace::logic
