// What the simulation found in the planner of graphs; each of these failed before.

#include <gtest/gtest.h>

#include "kubeclient/codec/json_writer.h"
#include "tests/unit/logic/graph_world.h"

namespace millrace::logic {
namespace {

TEST(GraphFound, NothingBeginsBeforeTheFrozenPipelineIsStored) {
  GraphWorld w(R"({"steps":[{"name":"a","http":{"url":"http://s/"}}]})");
  RunInput input;
  input.now = w.now;
  input.run = &w.run;
  input.pipeline = &w.pipeline;
  input.current = &w.revision;
  EXPECT_EQ(plan_run(input).calls.size(), 1u) << "with the revision's create before it";
  CreateFailure failure;
  failure.error.code = Code::Throttled;
  failure.kind = "ControllerRevision";
  failure.key = {"ns", w.revision.name};
  input.create_failure = failure;
  const RunPlan refused = plan_run(input);
  EXPECT_TRUE(refused.calls.empty() && refused.actions.empty());
  ASSERT_TRUE(refused.status.has_value());
  EXPECT_EQ(refused.status->pipeline_revision, "");
  EXPECT_EQ(refused.status->start_time, std::nullopt);
  EXPECT_TRUE(refused.recheck.has_value()) << "it is tried again";
}

TEST(GraphFound, CombinationsWithoutOutputsStayWithoutThem) {
  GraphWorld w(
      R"({"steps":[{"name":"m","container":{"image":"i"},"matrix":{"params":{"x":[1,2]}}}]})");
  w.settle();
  w.end_pod("m.0", 0);
  w.settle();
  const auto before = w.state("m.0");
  w.end_pod("m.1", 0);
  w.settle();
  EXPECT_EQ(w.state("m.0"), before) << "what has ended does not change";
  EXPECT_TRUE(w.ended());
}

TEST(GraphFound, CombinationsBegunBeforeTheFirstStatusAreNotBegunAgain) {
  GraphWorld w(
      R"({"steps":[{"name":"m","container":{"image":"i"},"matrix":{"params":{"x":[1,2]}}}]})");
  w.lose_status = [] { return true; };
  for (int i = 0; i < 3; ++i) w.step();
  const RunPlan next = w.plan();
  EXPECT_TRUE(next.actions.empty()) << "each of them would put the first status off again";
  w.lose_status = nullptr;
  w.end_pod("m.0", 0);
  w.end_pod("m.1", 0);
  w.advance(std::chrono::seconds(2));
  EXPECT_TRUE(w.ended()) << w.states();
}

TEST(GraphFound, ARetryOfTheRunLeavesToleratedMatricesAlone) {
  GraphWorld w(R"({"steps":[{"name":"m","http":{"url":"http://s/"},"continueOnError":true,
      "matrix":{"params":{"x":[1,2]},"maxParallel":1}},
      {"name":"n","http":{"url":"http://s/"},"dependsOn":["m"]}]})",
               R"(,"maxRetryCount":1)");
  w.settle();
  w.answer("m.0/1", 400);
  w.settle();
  w.answer("n/1", 400);
  w.settle();
  EXPECT_EQ(w.count("call n/2"), 1u);
  EXPECT_EQ(w.count("call m.1/1"), 0u) << "what comes after it has run";
  w.answer("n/2", 200);
  w.settle();
  EXPECT_EQ(w.reason(), "Succeeded");
}

/// What the status says of `step` at the moment when `entry` is begun.
std::string recorded_at(GraphWorld& w, const std::string& step, const std::string& entry) {
  std::string said = "never begun";
  w.begun = [&](const std::string& what) {
    if (what != entry) return;
    said = "nothing";
    for (const auto& state : w.run.status.step_states) {
      if (state.name == step) said = codec::enum_name(state.state);
    }
  };
  w.settle();
  w.begun = nullptr;
  return said;
}

// Else a cancel or a timeout that comes in between says that they never came to their turn,
// although what comes after them has begun.
TEST(GraphFound, WhatNoPodTellsIsOnRecordBeforeAJobIsBuiltOnIt) {
  const auto after = [](const std::string& first) {
    return R"({"steps":[{"name":"a",)" + first +
           R"(},{"name":"b","container":{"image":"i"},"dependsOn":["a"]}]})";
  };
  GraphWorld skipped(after(R"("container":{"image":"i"},"when":"false")"));
  EXPECT_EQ(recorded_at(skipped, "a", "job b/1"), "Skipped");
  GraphWorld failed(
      after(R"("container":{"image":"i"},"when":"int('x') > 0","continueOnError":true)"));
  EXPECT_EQ(recorded_at(failed, "a", "job b/1"), "Failed");
  GraphWorld empty(after(R"("container":{"image":"i"},"matrix":{"params":{"x":"{{ [] }}"}})"));
  EXPECT_EQ(recorded_at(empty, "a", "job b/1"), "Succeeded");

  GraphWorld over(after(R"("container":{"image":"i"})"), R"(,"retryOf":"r0")");
  over.retried = over.run;
  over.retried->metadata.name = "r0";
  crds::StepState& good = over.retried->status.step_states.emplace_back();
  good.name = "a";
  good.state = crds::StepPhase::Succeeded;
  EXPECT_EQ(recorded_at(over, "a", "job b/1"), "Succeeded");
}

TEST(GraphFound, WhatAPodTellsCostsNoStatusBeforeTheNextJob) {
  GraphWorld w(R"({"steps":[{"name":"a","container":{"image":"i"}},
      {"name":"b","container":{"image":"i"},"dependsOn":["a"]}]})");
  w.settle();
  w.end_pod("a", 0);
  EXPECT_EQ(recorded_at(w, "a", "job b/1"), "Running");
}

TEST(GraphFound, AConditionIsLookedAtWithoutAPlace) {
  GraphWorld w(R"({"steps":[{"name":"a","container":{"image":"i"}},
      {"name":"b","container":{"image":"i"},"when":"false"},
      {"name":"c","container":{"image":"i"},"when":"true"}],"parallelism":1})");
  w.settle();
  EXPECT_EQ(w.state("b").reason, "WhenFalse") << "it needs none";
  ASSERT_TRUE(w.state("c").waiting.has_value());
  EXPECT_EQ(w.state("c").waiting->reason, "Parallelism");
  w.end_pod("a", 0);
  w.settle();
  EXPECT_EQ(w.count("job c/1"), 1u);
}

TEST(GraphFound, AFinallyMatrixThatIsNotDoneInTimeEnds) {
  for (const std::string action :
       {R"("http":{"url":"http://s/"})", R"("container":{"image":"i"})"}) {
    for (const bool cancel : {false, true}) {
      GraphWorld w(R"({"steps":[{"name":"a","http":{"url":"http://s/"}}],
          "finally":[{"name":"f",)" +
                   action + R"(,"matrix":{"params":{"x":[1,2,3]},"maxParallel":2}}],
          "finallyTimeout":"30s"})");
      w.settle();
      w.run.spec.cancel = cancel;
      if (!cancel) w.answer("a/1", 200);
      w.settle();
      EXPECT_EQ(w.state("f").state, crds::StepPhase::Running);
      w.advance(std::chrono::seconds(32));
      EXPECT_EQ(w.state("f").state, crds::StepPhase::Failed) << w.states();
      EXPECT_EQ(w.state("f").reason, "FinallyTimeout");
      EXPECT_EQ(w.reason(), cancel ? "Cancelled" : "StepFailed");
      EXPECT_TRUE(w.ended()) << w.reason() << " " << w.message();
    }
  }
}

TEST(GraphFound, AMatrixThatSucceededUnreadBeforeTheTimeWasOverHasSucceeded) {
  GraphWorld w(R"({"steps":[{"name":"m","container":{"image":"i"},"matrix":{"params":{"x":[1,2]}}},
      {"name":"b","dependsOn":["m"],"container":{"image":"i"}}]})");
  w.run.spec.timeout = std::chrono::minutes(1);
  w.settle();
  w.end_pod("m.0", 0);
  w.end_pod("m.1", 0);
  w.now += std::chrono::minutes(2);
  w.settle();
  EXPECT_EQ(w.state("m").state, crds::StepPhase::Succeeded) << w.states();
  EXPECT_EQ(w.state("b").state, crds::StepPhase::Skipped);
  EXPECT_EQ(w.reason(), "RunTimeout");
}

TEST(GraphFound, AFinallyStepInItsBackoffWhenTheTimeIsOverHasFailed) {
  GraphWorld w(R"({"steps":[{"name":"a","container":{"image":"i"}}],
      "finally":[{"name":"f","container":{"image":"i"},
                  "retry":{"limit":3,"backoff":{"initial":"1m"}}}],"finallyTimeout":"30s"})");
  w.settle();
  w.end_pod("a", 0);
  w.settle();
  w.end_pod("f", 3);
  w.settle();
  ASSERT_EQ(w.state("f").waiting->reason, "Backoff");
  w.advance(std::chrono::seconds(31));
  EXPECT_EQ(w.state("f").state, crds::StepPhase::Failed);
  EXPECT_EQ(w.state("f").reason, "FinallyTimeout");
  EXPECT_EQ(w.state("f").attempt, 2) << "which never began; no step goes back an attempt";
  EXPECT_NE(w.state("f").message.find("exited with code 3"), std::string::npos);
  EXPECT_EQ(w.reason(), "StepFailed");
  EXPECT_TRUE(w.ended());
}

TEST(GraphFound, ARetryDoesNotGiveFinallyNewTime) {
  GraphWorld w(R"({"steps":[{"name":"a","container":{"image":"i"}}],
      "finally":[{"name":"f","container":{"image":"i"},
                  "retry":{"limit":9,"backoff":{"initial":"1s","factor":1}}}],
      "finallyTimeout":"30s"})");
  w.settle();
  w.end_pod("a", 0);
  w.settle();
  const Time begun = w.now;
  while (!w.ended() && w.now - begun < std::chrono::minutes(2)) {
    w.advance(std::chrono::seconds(8));
    if (!w.pods_alive().empty()) w.end_pod("f", 3);
    w.settle();
  }
  EXPECT_LE(w.now - begun, std::chrono::seconds(34));
  EXPECT_EQ(w.state("f").reason, "FinallyTimeout");
}

TEST(GraphFound, FinallyEndsWithinItsTimeAlsoWhenNothingOfItCanStart) {
  GraphWorld w(R"({"steps":[{"name":"a","http":{"url":"http://s/"}}],
      "finally":[{"name":"f","container":{"image":"i"}}],"finallyTimeout":"30s"})");
  w.refuse = [](const Action& action) -> std::optional<Error> {
    if (!makes_job(action)) return std::nullopt;
    Error error;
    error.code = Code::Throttled;
    error.http_status = 403;
    error.message =
        "jobs.batch \"f\" is forbidden: exceeded quota: q, requested: count/jobs.batch=1";
    return error;
  };
  w.settle();
  w.answer("a/1", 200);
  for (int i = 0; i < 10; ++i) w.step();
  ASSERT_TRUE(w.state("f").waiting.has_value()) << w.states();
  EXPECT_EQ(w.state("f").waiting->reason, "QuotaExceeded");
  w.now += std::chrono::seconds(31);
  for (int i = 0; i < 10 && !w.ended(); ++i) w.step();
  EXPECT_TRUE(w.ended()) << w.states();
  EXPECT_EQ(w.state("f").reason, "FinallyTimeout");
}

TEST(GraphFound, OutputsThatWereCutFailTheStep) {
  const std::string spec = R"({"steps":[{"name":"a","container":{"image":"i"}}]})";
  for (const std::string& said :
       {std::string(4090, 'x') + "\nk=value\n", "{\"k\":\"" + std::string(4090, 'x')}) {
    GraphWorld w(spec);
    w.settle();
    w.end_pod("a", 0, said.substr(0, 4096));
    w.settle();
    EXPECT_EQ(w.state("a").state, crds::StepPhase::Failed);
    EXPECT_EQ(w.state("a").reason, "OutputsTooLong");
    EXPECT_NE(w.state("a").message.find("wrote 4096 bytes or more"), std::string::npos)
        << w.state("a").message;
  }
  const std::string whole = "{\"k\":\"" + std::string(4088, 'x') + "\"}";
  for (const std::string& said : {"k=" + std::string(4093, 'x'), whole}) {
    GraphWorld w(spec);
    w.settle();
    w.end_pod("a", 0, said);
    w.settle();
    EXPECT_EQ(w.state("a").state, crds::StepPhase::Succeeded) << said.size();
    EXPECT_FALSE(w.state("a").outputs.is_null());
  }
}

TEST(GraphFound, AClockThatIsSetBackDoesNotMakeAPauseLonger) {
  for (const char* answered : {"", "7"}) {  // by Retry-After
    GraphWorld w(
        R"({"steps":[{"name":"a","http":{"url":"http://s/"},
            "retry":{"limit":1,"backoff":{"initial":"5s"}}}]})");
    w.settle();
    w.answer("a/1", 503);
    if (*answered != 0) w.calls.at("a/1").result->retry_after = std::chrono::seconds(7);
    w.settle();
    ASSERT_EQ(w.state("a").waiting->reason, "Backoff");
    w.now -= std::chrono::hours(1);
    w.settle();
    w.advance(std::chrono::seconds(4));
    EXPECT_EQ(w.count("call a/2"), 0u) << "nor shorter";
    w.advance(std::chrono::seconds(5));
    EXPECT_EQ(w.count("call a/2"), 1u) << answered;
  }
}

TEST(GraphFound, AClockThatIsSetBackDoesNotMakeAWaitLonger) {
  GraphWorld w(R"({"steps":[{"name":"a","wait":{"duration":"5s"}}]})");
  w.settle();
  w.advance(std::chrono::seconds(2));
  w.now -= std::chrono::hours(1);
  w.settle();
  EXPECT_EQ(w.state("a").waiting->message, "until 2026-11-21T02:00:08Z");
  w.advance(std::chrono::seconds(4));
  EXPECT_EQ(w.state("a").state, crds::StepPhase::Running) << "nor shorter";
  w.advance(std::chrono::seconds(4));
  EXPECT_EQ(w.state("a").state, crds::StepPhase::Succeeded);
}

TEST(GraphFound, AServiceSaysWhenToComeAgain) {
  struct Row {
    const char* backoff;
    std::chrono::seconds asked;
    std::chrono::seconds pause;
  };
  for (const Row& row :
       {Row{R"({"initial":"1s"})", std::chrono::seconds(20), std::chrono::seconds(20)},
        Row{R"({"initial":"40s"})", std::chrono::seconds(20), std::chrono::seconds(40)},
        Row{R"({"initial":"1s","max":"10s"})", std::chrono::seconds(20), std::chrono::seconds(10)},
        Row{R"({"initial":"1s"})", std::chrono::seconds(9999), std::chrono::seconds(300)}}) {
    GraphWorld w(
        R"({"steps":[{"name":"a","http":{"url":"http://s/"},"retry":{"limit":1,"backoff":)" +
        std::string(row.backoff) + "}}]}");
    w.settle();
    w.answer("a/1", 503);
    w.calls.at("a/1").result->retry_after = row.asked;
    w.settle();
    w.restart();
    w.advance(row.pause - std::chrono::seconds(1));
    EXPECT_EQ(w.count("call a/2"), 0u) << row.backoff;
    w.advance(std::chrono::seconds(3));
    EXPECT_EQ(w.count("call a/2"), 1u) << row.backoff;
  }
}

TEST(GraphFound, StepsThatFailedAreNamedOnceWhateverTheirCombinations) {
  GraphWorld w(R"({"steps":[{"name":"fan","http":{"url":"http://s/"},
        "matrix":{"params":{"x":[1,2]},"failFast":false}}],
      "finally":[{"name":"f","http":{"url":"http://s/",
                  "body":"{{ run.failedSteps | join(',') }}"}}]})");
  w.settle();
  w.answer("fan.0/1", 400);
  w.answer("fan.1/1", 400);
  w.settle();
  ASSERT_EQ(w.count("call f/1"), 1u);
  EXPECT_EQ(w.orders.back().body, "fan");
}

TEST(GraphFound, ACancelNamesTheChildRunThatNoStatusKnowsYet) {
  GraphWorld w(R"({"steps":[{"name":"a","pipeline":{"name":"other"}}]})");
  w.lose_status = [&] { return !w.children.empty() && !w.run.spec.cancel; };
  for (int i = 0; i < 20 && w.children.empty(); ++i) w.step();
  ASSERT_EQ(w.children.size(), 1u);
  w.restart();
  w.run.spec.cancel = true;
  w.settle();
  EXPECT_TRUE(w.children.front().spec.cancel);
  EXPECT_EQ(w.state("a").run_name, w.children.front().metadata.name);
}

}  // namespace
}  // namespace millrace::logic
