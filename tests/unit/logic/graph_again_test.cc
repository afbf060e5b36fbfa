// What happens more than once: retries of steps and of runs, archives, stops before the first
// status.

#include <gtest/gtest.h>

#include "controllers/logic/labels.h"
#include "controllers/logic/retry_of.h"
#include "controllers/logic/run_status.h"
#include "kubeclient/codec/json_writer.h"
#include "tests/unit/logic/graph_world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

std::string pod(const std::string& name, const std::string& more = "") {
  return R"({"name":")" + name + R"(","container":{"image":"i"})" + more + "}";
}
std::string http(const std::string& name, const std::string& more = "") {
  return R"({"name":")" + name + R"(","http":{"url":"http://s/x"})" + more + "}";
}
std::string steps(const std::string& list, const std::string& more = "") {
  return R"({"steps":[)" + list + "]" + more + "}";
}

TEST(GraphAgain, AStepsRetriesCountAnewInEachAttemptOfTheRun) {
  GraphWorld w(steps(pod("a", R"(,"retry":{"limit":1,"backoff":{"initial":"4s"}})")),
               R"(,"maxRetryCount":1)");
  w.settle();
  for (int attempt = 1; attempt <= 4; ++attempt) {
    ASSERT_EQ(w.count("job a/" + std::to_string(attempt)), 1u) << w.message();
    w.end_pod("a", 1);
    w.advance(3s);
    EXPECT_EQ(w.count("job a/2"), attempt == 1 ? 0u : 1u) << "the pause begins anew as well";
    w.advance(3s);
  }
  EXPECT_EQ(w.reason(), "StepFailed");
  EXPECT_EQ(w.log.size(), 4u);
  EXPECT_EQ(w.state("a").retries, 1);
}

TEST(GraphAgain, TriesCountAlsoWhenTheHistoryWasCut) {
  GraphWorld w(steps(pod("a", R"(,"retry":{"limit":2})")));
  w.settle();
  for (int i = 0; i < 3; ++i) {
    w.end_pod("a", 1);
    w.advance(10s);
    if (w.run.status.retry_status) w.run.status.retry_status->history_build.clear();
  }
  EXPECT_EQ(w.count("job a/3"), 1u);
  EXPECT_EQ(w.log.size(), 3u) << "none more than the limit allows";
  EXPECT_EQ(w.reason(), "StepFailed");
}

/// 400 calls, whose answers of 1 KB are archived; "last" reads one of them.
std::string many() {
  std::string list;
  for (int i = 0; i < 400; ++i) {
    list += http("s" + std::to_string(i), R"(,"outputs":{"v":"response.body.v"})") + ",";
  }
  return steps(
      list + http("last", R"(,"dependsOn":["s7","s399"],"when":"steps.s7.outputs.v == 7")"),
      R"(,"parallelism":50)");
}

void answer_all(GraphWorld& w, int last) {
  for (int round = 0; round < 30 && !w.ended(); ++round) {
    w.settle();
    for (auto& [key, call] : w.calls) {
      if (call.result) continue;
      const std::string step = key.substr(0, key.find('/'));
      const std::string number = step == "last" ? "0" : step.substr(1);
      const std::string text = R"({"text":")" + std::string(1000, 'x') + R"(","v":)" + number + "}";
      w.answer(key, step == "last" ? last : 200, text);
    }
    w.advance(1s);
  }
}

TEST(GraphAgain, ARetryOfARunTakesOverWhatWasArchivedToo) {
  GraphWorld first(many());
  answer_all(first, 500);
  ASSERT_EQ(first.reason(), "StepFailed") << first.message();
  ASSERT_FALSE(first.archives.empty());
  ASSERT_EQ(first.run.status.archive->revisions.size(), first.archives.size());
  GraphWorld w(many(), R"(,"retryOf":"first")");
  w.retried = first.run;
  w.retried->metadata.uid = "somebody else's";
  for (const auto& object : first.archives) restore_steps(*w.retried, object);
  EXPECT_LT(w.retried->status.step_states.size(), 401u) << "an archive has to belong to the run";
  w.retried = first.run;
  for (const auto& object : first.archives) restore_steps(*w.retried, object);
  EXPECT_EQ(w.retried->status.step_states.size(), 401u);
  answer_all(w, 200);
  ASSERT_EQ(w.orders.size(), 1u);
  EXPECT_EQ(w.orders[0].key, "last/1");
  EXPECT_EQ(w.reason(), "Succeeded") << w.message();
  EXPECT_EQ(w.run.status.steps, "401/401");
  EXPECT_LE(codec::encode(w.run.status).size(), kStatusBudget);
}

TEST(GraphAgain, AnArchiveThatIsRefusedIsTriedAgainAfterAPauseAndNothingIsLost) {
  GraphWorld w(many());
  bool refuse = true;
  w.refuse = [&](const Action& action) -> std::optional<Error> {
    if (!refuse || action.resource.kind != "ControllerRevision") return std::nullopt;
    Error error{};
    error.code = Code::Throttled;
    error.message = "exceeded quota";
    return error;
  };
  for (int round = 0; round < 10; ++round) {
    w.settle();
    for (auto& [key, call] : w.calls) {
      if (!call.result && key != "last/1") {
        w.answer(key, 200, R"({"text":")" + std::string(1000, 'x') + R"(","v":7})");
      }
    }
    w.settle();
  }
  ASSERT_EQ(w.state("last").state, crds::StepPhase::Running) << w.message();
  EXPECT_EQ(w.count("refused ControllerRevision"), 1u) << "not at each plan";
  EXPECT_EQ(w.run.status.step_states.size(), 401u);
  w.advance(31s);
  EXPECT_EQ(w.count("refused ControllerRevision"), 2u);
  refuse = false;
  w.advance(31s);
  EXPECT_FALSE(w.archives.empty());
  w.answer("last/1", 200);
  w.settle();
  EXPECT_EQ(w.reason(), "Succeeded");
  EXPECT_EQ(w.run.status.steps, "401/401");
}

TEST(GraphAgain, WhatAMatrixMadeBeforeTheFirstStatusIsStoppedToo) {
  for (const bool child : {false, true}) {
    const std::string matrix = R"(,"matrix":{"params":{"x":[1,2]}})";
    GraphWorld w(
        steps(child ? R"({"name":"m","pipeline":{"name":"q"})" + matrix + "}" : pod("m", matrix)));
    w.lose_status = [] { return true; };
    w.step();
    ASSERT_EQ(w.log.size(), 2u);
    ASSERT_TRUE(w.run.status.step_states.empty());
    w.restart();
    w.lose_status = nullptr;
    w.run.spec.cancel = true;
    w.settle();
    if (child) {
      for (const auto& run : w.children) EXPECT_TRUE(run.spec.cancel) << run.metadata.name;
      EXPECT_FALSE(w.ended());
      w.end_child("m.0", false);
      w.end_child("m.1", false);
      w.settle();
    } else {
      EXPECT_EQ(w.count("stop m.0"), 1u);
      EXPECT_EQ(w.count("stop m.1"), 1u);
    }
    EXPECT_TRUE(w.ended()) << w.states() << w.message();
    EXPECT_EQ(w.reason(), "Cancelled");
    EXPECT_TRUE(w.pods_alive().empty());
  }
}

// ---- conveyor-belt ----

std::string job(const std::string& name, const std::string& stage) {
  return R"({"name":")" + name + R"(","stage":")" + stage +
         R"(","action":{"http":{"url":"http://s/x"}}})";
}
std::string belt(const std::string& more = "") {
  return R"({"stages":["one","two"],"jobs":[)" + job("a", "one") + "," + job("b", "one") + "," +
         job("c", "two") + R"(],"error":{"action":{"http":{"url":"http://s/e"}}})" + more + "}";
}

TEST(GraphBelt, TheErrorJobIsCalledOnceAsSoonAsAJobHasFailed) {
  GraphWorld w(belt());
  w.settle();
  w.no_answer("one-a/1", Code::Unavailable);
  w.settle();
  EXPECT_EQ(w.log.back(), "call error/1") << "b still runs";
  w.no_answer("one-b/1", Code::Unavailable);
  w.settle();
  EXPECT_FALSE(w.ended());
  w.answer("error/1", 200);
  w.settle();
  EXPECT_EQ(w.reason(), "StepFailed");
  EXPECT_EQ(w.log.size(), 3u);
  EXPECT_EQ(w.count("call two-c/1"), 0u);
}

TEST(GraphBelt, RetriesOfTheRunComeBeforeTheErrorJob) {
  GraphWorld w(belt(), R"(,"maxRetryCount":1)");
  w.settle();
  w.no_answer("one-a/1", Code::Unavailable);
  w.settle();
  EXPECT_EQ(w.log.size(), 2u) << "neither an error job nor a retry while b runs";
  w.answer("one-b/1", 200);
  w.settle();
  EXPECT_EQ(w.log.back(), "call one-a/2");
  EXPECT_EQ(w.log.size(), 3u);
  w.no_answer("one-a/2", Code::Unavailable);
  w.settle();
  EXPECT_EQ(w.log.back(), "call error/1");
  w.answer("error/1", 200);
  w.settle();
  EXPECT_EQ(w.reason(), "StepFailed");
  EXPECT_EQ(w.count("call error/1"), 1u);
}

TEST(GraphBelt, ARetryThatSucceedsCallsNoErrorJob) {
  GraphWorld w(belt(), R"(,"maxRetryCount":1)");
  w.settle();
  w.no_answer("one-a/1", Code::Unavailable);
  w.answer("one-b/1", 200);
  w.settle();
  w.answer("one-a/2", 200);
  w.settle();
  w.answer("two-c/1", 200);
  w.settle();
  EXPECT_EQ(w.reason(), "Succeeded");
  EXPECT_EQ(w.count("call error/1"), 0u);
  EXPECT_EQ(w.state("error").state, crds::StepPhase::Skipped);
}

TEST(GraphBelt, StepsOfOnErrorWaitForTheJobsThatStillRun) {
  GraphWorld w(belt(R"(,"onError":[)" + http("tell") + "]"));
  w.settle();
  w.no_answer("one-a/1", Code::Unavailable);
  w.settle();
  EXPECT_EQ(w.count("call error/1"), 1u);
  EXPECT_EQ(w.count("call tell/1"), 0u);
  w.answer("one-b/1", 200);
  w.settle();
  EXPECT_EQ(w.count("call tell/1"), 1u);
}

// ---- child runs and objects ----

TEST(GraphAgain, RunsAreNestedEightDeepAtMost) {
  GraphWorld w(steps(R"({"name":"a","pipeline":{"name":"p"}})"));
  w.run.metadata.annotations[kDepthAnnotation] = "7";
  w.settle();
  ASSERT_EQ(w.children.size(), 1u);
  EXPECT_EQ(w.children[0].metadata.annotation(kDepthAnnotation), "8");
  GraphWorld deep(steps(R"({"name":"a","pipeline":{"name":"p"}})"));
  deep.run.metadata.annotations[kDepthAnnotation] = "8";
  deep.settle();
  EXPECT_TRUE(deep.children.empty());
  EXPECT_EQ(deep.reason(), "StepFailed");
  EXPECT_NE(deep.message().find("nested more than 8 deep"), std::string::npos) << deep.message();
}

TEST(GraphAgain, ObjectsAreLookedAtOftenAtFirstAndThenSeldom) {
  GraphWorld w(steps(R"({"name":"a","manifest":{"object":{"apiVersion":"v1","kind":"Thing",
      "metadata":{"name":"x"}},"success":"object.ready"}})"));
  w.advance(1s);
  EXPECT_GE(w.looks, 4);
  EXPECT_LE(w.looks, 12);
  w.advance(59s);
  EXPECT_LE(w.looks, 40);
  const int before = w.looks;
  for (int i = 0; i < 20; ++i) w.step();
  EXPECT_EQ(w.looks, before) << "a plan for another reason does not look again";
  w.advance(50s);
  EXPECT_GE(w.looks, before + 9);
  EXPECT_LE(w.looks, before + 11);
  w.objects.at("Thing/x")["ready"] = true;
  w.advance(5s);
  EXPECT_EQ(w.reason(), "Succeeded");
}

}  // namespace
}  // namespace millrace::logic
