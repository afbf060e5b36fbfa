#include "operator/cli/retry_plan.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using crds::StepPhase;

crds::StepState state(const char* name, StepPhase phase) {
  crds::StepState s;
  s.name = name;
  s.state = phase;
  return s;
}

api::Condition condition(const char* type, const char* status, const char* reason = "") {
  api::Condition c;
  c.type = type;
  c.status = status;
  c.reason = reason;
  return c;
}

crds::PipelineRun failed_run(std::vector<crds::StepState> states) {
  crds::PipelineRun run;
  run.metadata.name = "r-1";
  run.metadata.ns = "team";
  run.spec.ref_pipeline = "p";
  run.spec.params["day"] = "x";
  run.spec.cancel = true;
  run.spec.max_retry_count = 2;
  run.spec.approvals.resize(1);
  run.status.step_states = std::move(states);
  run.status.conditions = {condition("Completed", "True"), condition("Succeeded", "False", "Fail")};
  return run;
}

/// "+a -b": reused and run again.
std::string signs(const RetryPlan& plan) {
  std::string text;
  for (const RetryPlan::Step& step : plan.steps) {
    text += (text.empty() ? "" : " ") + std::string(step.reused ? "+" : "-") + step.name;
  }
  return text;
}

TEST(RetryPlan, SucceededStepsOfAGraphAreReused) {
  const auto run = failed_run({state("a", StepPhase::Succeeded), state("b", StepPhase::Failed),
                               state("c", StepPhase::Skipped), state("e", StepPhase::Succeeded),
                               state("f", StepPhase::Succeeded)});
  const std::vector<GraphStep> graph = {{.name = "a"},
                                        {.name = "b"},
                                        {.name = "c", .after = {"b"}},
                                        {.name = "d"},
                                        {.name = "e", .group = logic::Group::OnError},
                                        {.name = "f", .group = logic::Group::Finally}};
  EXPECT_EQ(signs(plan_retry(run, graph).value()), "+a -b -c -d -e -f");
}

TEST(RetryPlan, AStepWhoseConditionWasFalseIsNotAskedAgain) {
  crds::StepState skipped = state("a", StepPhase::Skipped);
  skipped.reason = "WhenFalse";
  EXPECT_EQ(signs(plan_retry(failed_run({skipped}), {{.name = "a"}}).value()), "+a");
}

TEST(RetryPlan, WhatWasArchivedRunsAgainWhenItsDetailsAreGone) {
  auto run = failed_run({});
  run.status.archive.emplace();
  run.status.archive->succeeded = "0";
  EXPECT_EQ(signs(plan_retry(run, {{.name = "a", .position = 0}}).value()), "-a");
}

TEST(RetryPlan, ABatchGoesOnWhereItFailedUnlessItTookTooLong) {
  for (const bool late : {false, true}) {
    auto run = failed_run({state("a", StepPhase::Succeeded), state("b", StepPhase::Failed)});
    run.status.cluster.emplace();
    run.status.cluster->build_name = "job";
    crds::AttemptRecord record;
    record.attempt = 1;
    record.reason = late ? "BuildTimeout" : "Fail";
    record.steps_succeeded = {"a"};
    run.status.retry_status.emplace().history_build = {record};
    const auto plan = plan_retry(run, {{.name = "a"}, {.name = "b", .after = {"a"}}});
    EXPECT_EQ(signs(plan.value()), late ? "-a -b" : "+a -b");
  }
}

TEST(RetryPlan, TheNewRunHasTheSameParamsAndNamesTheOldOne) {
  const auto plan = plan_retry(failed_run({}), {{.name = "a"}});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->body, codec::Value::parse(R"({"apiVersion":"millrace.dev/v1","kind":"PipelineRun",
                "metadata":{"generateName":"p-retry-","namespace":"team"},
                "spec":{"refPipeline":"p","params":{"day":"x"},"maxRetryCount":2,"retryOf":"r-1"}})")
                            .value());
}

TEST(RetryPlan, WhatCannotBeRetriedIsRefusedWithTheCure) {
  auto going = failed_run({});
  going.status.conditions.clear();
  auto good = failed_run({});
  good.status.conditions.back().status = "True";
  const struct {
    const char* name;
    crds::PipelineRun run;
    GraphStep step;
    const char* want;
  } cases[] = {
      {"going on", going, {.name = "a"}, "r-1 has not ended; wait for its end, or stop it: cancel"},
      {"succeeded", good, {.name = "a"}, "there is nothing to retry; for another run: start p"},
      {"a stream", failed_run({}), {.name = "a", .action = ActionKind::Stream}, "stream"},
  };
  for (const auto& c : cases) {
    const auto plan = plan_retry(c.run, {c.step});
    ASSERT_FALSE(plan.ok()) << c.name;
    EXPECT_NE(plan.error().message.find(c.want), std::string::npos) << plan.error().message;
  }
}

TEST(RetryPlan, ItIsPrintedAsATable) {
  const RetryPlan plan{.steps = {{"a", true, "it succeeded"}, {"b", false, "it failed"}},
                       .body = {}};
  EXPECT_EQ(to_text(plan, Look::Plain),
            "STEP   PLAN         WHY\na      reused       it succeeded\nb      runs again   it "
            "failed\n");
}

}  // namespace
}  // namespace millrace::cli
