#include "controllers/logic/graph.h"

#include <gtest/gtest.h>

#include "controllers/logic/labels.h"
#include "controllers/logic/run_status.h"
#include "kubeclient/base/time_format.h"
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
std::string after(const std::string& name, const std::string& more = "") {
  return R"(,"dependsOn":[")" + name + R"("])" + more;
}

/// Once ended: nothing more is planned, whatever is known.
void expect_settled(GraphWorld& w) {
  EXPECT_TRUE(w.ended()) << w.states() << " " << w.reason() << " " << w.message();
  const RunPlan rest = w.plan();
  EXPECT_TRUE(rest.actions.empty() && !rest.status && rest.calls.empty() && !rest.recheck);
}

TEST(Graph, StepsBeginOnceWhatTheyComeAfterIsDone) {
  GraphWorld w(steps(pod("b", after("a")) + "," + pod("a") + "," + pod("c", after("b"))));
  w.settle();
  EXPECT_EQ(w.log, Texts{"job a/1"});
  const RunPlan again = w.plan();
  EXPECT_TRUE(again.actions.empty() && !again.status) << "the plan on what its actions led to";
  w.end_pod("a", 0);
  w.settle();
  w.end_pod("b", 0);
  w.settle();
  w.end_pod("c", 0);
  w.settle();
  EXPECT_EQ(w.log, (Texts{"job a/1", "job b/1", "job c/1"}));
  EXPECT_EQ(w.reason(), "Succeeded");
  EXPECT_EQ(w.run.status.steps, "3/3");
  expect_settled(w);
}

TEST(Graph, ConditionsLetStepsBeAndDependentsGoOn) {
  GraphWorld w(steps(pod("a", R"(,"when":"1 == 2")") + "," + pod("b", after("a")) + "," +
                     pod("c", R"(,"when":"run.name == 'r'")")));
  w.settle();
  EXPECT_EQ(w.log, (Texts{"job b/1", "job c/1"}));
  EXPECT_EQ(w.state("a").reason, "WhenFalse");
}

TEST(Graph, AnExpressionThatCannotBeWorkedOutFailsItsStepWithThePath) {
  GraphWorld w(steps(pod("a") + "," + pod("b", after("a", R"(,"when":"steps.a.outputs.n > 1")"))));
  w.settle();
  w.end_pod("a", 0);
  w.settle();
  EXPECT_EQ(w.state("b").reason, "ExpressionError");
  EXPECT_NE(w.state("b").message.find("spec.steps[1].when"), std::string::npos);
  EXPECT_EQ(w.reason(), "StepFailed");
  expect_settled(w);
}

const std::string kGroups = R"(,"onError":[)" + pod("e") + R"(],"finally":[)" + pod("f") + "]";

TEST(Graph, AFailureHoldsUpItsDependentsAloneThenOnErrorAndFinallyRunOnce) {
  GraphWorld w(steps(pod("a") + "," + pod("b") + "," + pod("c", after("a")), kGroups));
  w.settle();
  w.end_pod("a", 3);
  w.settle();
  EXPECT_EQ(w.log, (Texts{"job a/1", "job b/1"})) << "b may finish";
  w.end_pod("b", 0);
  w.settle();
  EXPECT_EQ(w.log.back(), "job e/1");
  w.end_pod("e", 0);
  w.settle();
  EXPECT_EQ(w.log.back(), "job f/1");
  EXPECT_FALSE(w.ended());
  w.end_pod("f", 0);
  w.settle();
  EXPECT_EQ(w.states(), "a=Failed b=Succeeded c=Skipped e=Succeeded f=Succeeded");
  EXPECT_EQ(w.state("c").reason, "DependencyFailed");
  EXPECT_EQ(w.reason(), "StepFailed");
  EXPECT_NE(w.message().find("step a failed"), std::string::npos);
  EXPECT_EQ(w.log.size(), 4u);
  expect_settled(w);
}

TEST(Graph, WithoutAFailureOnErrorIsSkippedAndFinallyRuns) {
  GraphWorld w(steps(pod("a"), kGroups));
  w.settle();
  w.end_pod("a", 0);
  w.settle();
  w.end_pod("f", 0);
  w.settle();
  EXPECT_EQ(w.states(), "a=Succeeded e=Skipped f=Succeeded");
  EXPECT_EQ(w.reason(), "Succeeded");
}

TEST(Graph, CancelStopsWhatRunsThenFinallyRuns) {
  GraphWorld w(steps(pod("a") + "," + http("h") + "," + pod("c", after("a")), kGroups));
  w.settle();
  w.run.spec.cancel = true;
  w.settle();
  EXPECT_EQ(w.count("stop a"), 1u);
  EXPECT_EQ(w.log.back(), "job f/1");
  w.end_pod("f", 0);
  w.settle();
  EXPECT_EQ(w.reason(), "Cancelled");
  EXPECT_EQ(w.states(), "a=Failed h=Failed c=Skipped e=Skipped f=Succeeded");
  expect_settled(w);
}

TEST(Graph, TheRunsTimeoutSaysSoWhateverRan) {
  for (const bool finally : {false, true}) {
    GraphWorld w(steps(http("h") + "," + pod("c", after("h")), finally ? kGroups : ""),
                 R"(,"timeout":"60s","maxRetryCount":2)");
    w.settle();
    w.advance(61s);
    if (finally) {
      EXPECT_EQ(w.log.back(), "job f/1");
      w.end_pod("f", 0);
      w.settle();
    }
    EXPECT_EQ(w.reason(), "RunTimeout") << w.message();
    EXPECT_EQ(w.state("h").reason, "RunTimeout");
    expect_settled(w);
  }
}

TEST(Graph, FinallyEndsWithinItsTime) {
  GraphWorld w(steps(pod("a"), R"(,"finally":[)" + pod("f", R"(,"retry":{"limit":3})") +
                                   R"(],"finallyTimeout":"30s")"));
  w.settle();
  w.end_pod("a", 0);
  w.settle();
  w.advance(31s);
  EXPECT_EQ(w.count("stop f"), 1u);
  EXPECT_EQ(w.count("job f/2"), 0u);
  EXPECT_EQ(w.state("f").reason, "FinallyTimeout");
  expect_settled(w);
}

TEST(Graph, ContinueOnErrorLetsDependentsAndTheRunGoOn) {
  GraphWorld w(steps(pod("a", R"(,"continueOnError":true)") + "," + pod("b", after("a"))));
  w.settle();
  w.end_pod("a", 1);
  w.settle();
  EXPECT_EQ(w.log.back(), "job b/1");
  w.end_pod("b", 0);
  w.settle();
  EXPECT_EQ(w.reason(), "Succeeded");
}

TEST(Graph, RetriesPauseAndTheAttemptIsOnRecordBeforeTheNextBegins) {
  GraphWorld w(steps(pod("a", R"(,"retry":{"limit":2,"backoff":{"initial":"10s"}})")));
  w.begun = [&](const std::string& entry) {
    if (entry != "job a/2") return;
    EXPECT_EQ(w.run.status.retry_status->history_build.size(), 1u);
  };
  w.settle();
  w.end_pod("a", 1);
  w.advance(9s);
  EXPECT_EQ(w.count("job a/2"), 0u);
  EXPECT_EQ(w.state("a").waiting->reason, "Backoff");
  w.advance(2s);
  EXPECT_EQ(w.count("job a/2"), 1u);
  w.end_pod("a", 1);
  w.advance(19s);
  EXPECT_EQ(w.count("job a/3"), 0u) << "twice as long";
  w.advance(2s);
  w.end_pod("a", 1);
  w.advance(60s);
  EXPECT_EQ(w.log.size(), 3u);
  EXPECT_EQ(w.reason(), "StepFailed");
  expect_settled(w);
}

TEST(Graph, OnlyTheCausesNamedAreTriedAgain) {
  GraphWorld w(steps(http("a", R"(,"retry":{"limit":1,"on":["Infrastructure"]})") + "," +
                     http("b", R"(,"retry":{"limit":1,"on":["Infrastructure"]})")));
  w.settle();
  w.answer("a/1", 404);
  w.answer("b/1", 503);
  w.advance(5s);
  EXPECT_EQ(w.count("call a/2"), 0u);
  EXPECT_EQ(w.count("call b/2"), 1u);
  EXPECT_EQ(w.state("a").reason, "HttpStatus");
}

TEST(Graph, ARetryOfTheRunRepeatsOnlyWhatFailed) {
  GraphWorld w(steps(pod("a") + "," + pod("b") + "," + pod("c", after("b")) + "," +
                     pod("t", R"(,"continueOnError":true)")),
               R"(,"maxRetryCount":1)");
  w.settle();
  w.end_pod("a", 0);
  w.end_pod("t", 1);
  w.end_pod("b", 1);
  w.settle();
  EXPECT_EQ(w.count("job b/2"), 1u);
  EXPECT_EQ(w.run.status.retry_status->retry_count, 1);
  w.end_pod("b", 0);
  w.settle();
  w.end_pod("c", 0);
  w.settle();
  EXPECT_EQ(w.log.size(), 5u) << "what is tolerated is not repeated";
  EXPECT_EQ(w.reason(), "Succeeded");
  expect_settled(w);
}

TEST(Graph, AMatrixRunsEachCombinationSomeAtATimeAndGivesLists) {
  GraphWorld w(steps(http("m", R"(,"matrix":{"params":{"x":[1,2],"y":["u","v"]},"maxParallel":3},
      "outputs":{"o":"response.body.v"})") +
                     "," + http("n", after("m", R"(,"when":"length(steps.m.outputs.o) == 4")"))));
  w.settle();
  EXPECT_EQ(w.log.size(), 3u);
  for (const char* key : {"m.0/1", "m.1/1", "m.2/1"}) w.answer(key, 200, R"({"v":7})");
  w.settle();
  EXPECT_EQ(w.log.back(), "call m.3/1");
  w.answer("m.3/1", 200, R"({"v":8})");
  w.settle();
  EXPECT_EQ(w.state("m").outputs.dump(), R"({"o":[7,7,7,8]})");
  EXPECT_EQ(w.log.back(), "call n/1") << w.states() << w.state("n").message;
}

TEST(Graph, AMatrixStopsAtAFailureUnlessToldNotTo) {
  for (const bool fast : {true, false}) {
    GraphWorld w(steps(http("m", std::string(R"(,"matrix":{"params":{"x":[1,2]},"maxParallel":1,
        "failFast":)") + (fast ? "true" : "false") +
                                     "}")));
    w.settle();
    w.answer("m.0/1", 400);
    w.settle();
    EXPECT_EQ(w.count("call m.1/1"), fast ? 0u : 1u);
    if (!fast) w.answer("m.1/1", 200);
    w.settle();
    EXPECT_EQ(w.state("m.1").state, fast ? crds::StepPhase::Skipped : crds::StepPhase::Succeeded);
    EXPECT_EQ(w.reason(), "StepFailed");
    expect_settled(w);
  }
}

TEST(Graph, AMatrixOfNothingSucceeds) {
  GraphWorld w(steps(
      http("m", R"(,"matrix":{"params":{"x":"{{ params.l }}"}})") + "," + http("n", after("m")),
      R"(,"params":[{"name":"l","type":"list","default":[]}])"));
  w.settle();
  EXPECT_EQ(w.log, Texts{"call n/1"});
}

TEST(Graph, ParallelismHolds) {
  GraphWorld w(steps(http("a") + "," + http("b") + "," + http("c"), R"(,"parallelism":2)"));
  w.settle();
  EXPECT_EQ(w.log.size(), 2u);
  w.answer("a/1", 200);
  w.settle();
  EXPECT_EQ(w.log.size(), 3u);
}

TEST(Graph, CallsBeginOnlyOnceTheStatusSaysSo) {
  GraphWorld w(steps(http("a")));
  w.lose_status = [] { return true; };
  for (int i = 0; i < 3; ++i) w.step();
  EXPECT_TRUE(w.log.empty());
  EXPECT_TRUE(w.plan().status.has_value());
  w.run.metadata.annotations[kRevisionAnnotation] = w.revision.name;
  EXPECT_FALSE(w.plan().calls.empty());
  w.lose_status = nullptr;
  w.settle();
  EXPECT_EQ(w.count("call a/1"), 1u);
  w.restart();
  w.settle();
  ASSERT_EQ(w.orders.size(), 2u);
  EXPECT_EQ(w.orders[0], w.orders[1]) << "the same key tells the service that it is one call";
}

TEST(Graph, FirstCallsOfAGatewaysRunCostNoStatusUnlessTheyLast) {
  const std::string three =
      steps(http("a") + "," + http("b", after("a")) + "," + http("c", after("b")));
  GraphWorld w(three);
  w.run.metadata.annotations[kRevisionAnnotation] = w.revision.name;
  w.settle();
  EXPECT_EQ(w.log, Texts{"call a/1"});
  EXPECT_EQ(w.run.status, crds::PipelineRunStatus());
  for (const char* key : {"a/1", "b/1", "c/1"}) {
    w.answer(key, 200);
    w.settle();
  }
  EXPECT_EQ(w.reason(), "Succeeded");
  GraphWorld slow(three);
  slow.run.metadata.annotations[kRevisionAnnotation] = slow.revision.name;
  slow.settle();
  slow.advance(std::chrono::milliseconds(300));
  EXPECT_EQ(slow.reason(), "Running");
  EXPECT_EQ(slow.log, Texts{"call a/1"});
}

TEST(Graph, ProgressWaitsWhileTooMuchOfItIsWritten) {
  GraphWorld w(steps(pod("a")));
  w.run.metadata.annotations[kRevisionAnnotation] = w.revision.name;
  w.may_report = false;
  w.settle();
  w.advance(std::chrono::seconds(30));
  EXPECT_EQ(w.reason(), "") << "nothing but progress";
  ASSERT_TRUE(w.plan().recheck.has_value());
  EXPECT_LE(*w.plan().recheck, kReportAgain);
  w.may_report = true;
  EXPECT_TRUE(w.plan().reports);
  w.may_report = false;
  w.end_pod("a", 0);
  w.settle();
  EXPECT_EQ(w.reason(), "Succeeded") << "an end is no progress";
}

TEST(Graph, AJobIsMadeWithoutAStatusBesideIt) {
  GraphWorld w(steps(pod("a")));
  const RunPlan plan = w.plan();
  ASSERT_EQ(plan.actions.size(), 2u);
  EXPECT_EQ(plan.actions[0].verb, Action::Verb::MergePatch);  // its revision
  EXPECT_EQ(plan.actions[1].verb, Action::Verb::Create);
  EXPECT_FALSE(plan.status.has_value());
  ASSERT_TRUE(plan.recheck.has_value());
  EXPECT_LE(*plan.recheck, std::chrono::milliseconds(250));
}

TEST(Graph, TheRevisionStandsOnTheRunBeforeAnythingIsMade) {
  GraphWorld w(steps(pod("a") + "," + pod("b")));
  w.run.metadata.owner_references.clear();
  const RunPlan plan = w.plan();
  ASSERT_EQ(plan.actions.size(), 3u);
  EXPECT_EQ(plan.actions[0].key.name, "r");
  const codec::Value* metadata = plan.actions[0].body.find("metadata");
  EXPECT_EQ(metadata->at_path({"annotations", kFrozenAnnotation})->as_string(),
            "r-uid/" + w.revision.name);
  EXPECT_EQ(metadata->find("ownerReferences")->items().size(), 1u);
  EXPECT_NE(metadata->find("resourceVersion"), nullptr);

  // After a crash, whoever goes on knows it, even if it sees no Job yet; a copy of the run does
  // not.
  w.run.metadata.annotations[kFrozenAnnotation] = "r-uid/p-before-the-edit";
  EXPECT_EQ(chosen_revision(w.run, {}), "p-before-the-edit");
  w.run.metadata.uid = "another";
  EXPECT_EQ(chosen_revision(w.run, {}), "");
}

TEST(Graph, TheFirstJobDecidesTheRevisionUnlessTheRunHasBegun) {
  crds::PipelineRun run;
  run.status.pipeline_revision = "p-after";  // of a status that only says what it waits for
  api::Job job;
  job.metadata.annotations[kRevisionAnnotation] = "p-before";
  EXPECT_EQ(chosen_revision(run, {}), "p-after");
  EXPECT_EQ(chosen_revision(run, {&job}), "p-before") << "made by another operator";
  run.status.cluster.emplace();
  EXPECT_EQ(chosen_revision(run, {&job}), "p-after") << "its steps are on record";
}

TEST(Graph, AnswersGoToLaterStepsAndSecretsStayReferences) {
  GraphWorld w(steps(http("a") + R"(,{"name":"b","dependsOn":["a"],"http":{"method":"put",
      "url":"http://s/{{ steps.a.response.body.id }}","headers":[{"name":"Authorization",
      "valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],"body":{"n":"{{ steps.a.response.body.id }}"},
      "success":"response.status == 418"}})"));
  w.settle();
  w.answer("a/1", 200, R"({"id":5})");
  w.settle();
  ASSERT_EQ(w.orders.size(), 2u);
  EXPECT_EQ(w.orders[1].url, "http://s/5");
  EXPECT_EQ(w.orders[1].method, "PUT");
  EXPECT_EQ(w.orders[1].body, R"({"n":5})");
  EXPECT_EQ(w.orders[1].headers[0].value, "");
  EXPECT_EQ(w.orders[1].headers[0].value_from->secret_key_ref.name, "s");
  w.answer("b/1", 418);
  w.settle();
  EXPECT_EQ(w.reason(), "Succeeded");
}

std::string approval() {
  return steps(R"({"name":"a","approval":{"approvers":["eve","group:ops"],"expires":"1h"}})");
}

TEST(Graph, ApprovalsCountOnlyOfApprovers) {
  const struct {
    const char* by;
    const char* group;
    crds::Decision decision;
    const char* want;
  } rows[] = {{"eve", "", crds::Decision::Approve, "Succeeded"},
              {"bob", "ops", crds::Decision::Approve, "Succeeded"},
              {"bob", "dev", crds::Decision::Approve, "Approval"},
              {"eve", "", crds::Decision::Reject, "StepFailed"}};
  for (const auto& row : rows) {
    GraphWorld w(approval());
    w.settle();
    EXPECT_EQ(w.reason(), "Approval");
    w.run.spec.approvals.push_back({"a", row.decision, row.by, {row.group}, "c"});
    w.settle();
    EXPECT_EQ(w.reason(), row.want) << row.by << row.group;
  }
  GraphWorld w(approval());
  w.advance(61min);
  EXPECT_EQ(w.state("a").reason, "ApprovalExpired");
  expect_settled(w);
}

TEST(Graph, WaitsLastAsLongAsTheySayAlsoAfterARestart) {
  GraphWorld w(steps(R"({"name":"a","wait":{"duration":"30s"}})"));
  w.advance(10s);
  w.restart();
  w.advance(19s);
  EXPECT_FALSE(w.ended());
  w.advance(3s);
  EXPECT_EQ(w.reason(), "Succeeded");
}

std::string child(const std::string& more = "") {
  return steps(R"({"name":"a","pipeline":{"name":"q"})" + more + "}");
}

TEST(Graph, AChildRunTellsTheStepsEnd) {
  for (const bool good : {true, false}) {
    GraphWorld w(child());
    w.settle();
    w.end_child("a", good);
    w.settle();
    EXPECT_EQ(w.reason(), good ? "Succeeded" : "StepFailed");
    expect_settled(w);
  }
}

TEST(Graph, CancelReachesTheChildRunAlsoWhenTheStatusDoesNotKnowIt) {
  for (const bool lost : {false, true}) {
    GraphWorld w(child());
    if (lost) w.lose_status = [] { return true; };
    w.step();
    w.lose_status = nullptr;
    w.run.spec.cancel = true;
    w.settle();
    ASSERT_EQ(w.children.size(), 1u);
    EXPECT_TRUE(w.children[0].spec.cancel);
    EXPECT_FALSE(w.ended());
    w.end_child("a", false);
    w.settle();
    EXPECT_EQ(w.reason(), "Cancelled");
    expect_settled(w);
  }
}

TEST(Graph, AChildRunThatTakesTooLongIsCancelledAndTheStepTimedOut) {
  GraphWorld w(child(R"(,"timeout":"1m")"));
  w.advance(61s);
  EXPECT_TRUE(w.children[0].spec.cancel);
  w.end_child("a", false);
  w.settle();
  EXPECT_EQ(w.state("a").reason, "StepTimeout");
}

TEST(Graph, AManifestIsAppliedOnceAndWatched) {
  for (const char* phase : {"Good", "Bad"}) {
    GraphWorld w(steps(R"({"name":"a","manifest":{"object":{"apiVersion":"v1","kind":"Thing",
        "metadata":{"name":"x"}},"success":"object.status.phase == 'Good'",
        "failure":"object.status.phase == 'Bad'"}})"));
    w.settle();
    EXPECT_EQ(w.log, Texts{"apply Thing/x"});
    w.advance(10s);
    EXPECT_EQ(w.reason(), "ObjectNotReady") << "a field that is missing means: not yet";
    w.objects.at("Thing/x")["status"]["phase"] = phase;
    w.advance(3s);
    EXPECT_EQ(w.reason(), phase == std::string("Good") ? "Succeeded" : "StepFailed");
    EXPECT_EQ(w.log.size(), 1u);
    expect_settled(w);
  }
}

crds::PipelineRun other(const std::string& name, const std::string& created, bool started) {
  crds::PipelineRun run;
  run.metadata.name = name;
  run.metadata.ns = "ns";
  run.metadata.uid = name;
  run.metadata.creation_timestamp = *parse_time(created);
  run.status.concurrency_group = "g";
  if (started) run.status.start_time = run.metadata.creation_timestamp;
  return run;
}

std::string grouped(const std::string& how) {
  return steps(http("a"), R"(,"concurrency":{"group":"g","onConflict":")" + how + "\"}");
}

TEST(Graph, ConcurrencyQueuesFirstComeFirstServed) {
  GraphWorld w(grouped("Queue"));
  w.step();
  EXPECT_EQ(w.run.status.concurrency_group, "g") << "it stands in the line before it looks";
  EXPECT_TRUE(w.log.empty());
  w.others.push_back(other("o", "2026-11-21T02:00:00Z", false));
  w.settle();
  EXPECT_EQ(w.reason(), "Queued");
  w.others[0] = other("o", "2026-11-21T04:00:00Z", false);
  w.settle();
  EXPECT_EQ(w.log, Texts{"call a/1"});
}

TEST(Graph, ConcurrencyRejectsOrReplaces) {
  GraphWorld rejected(grouped("Reject"));
  rejected.others.push_back(other("o", "2026-11-21T02:00:00Z", true));
  rejected.settle();
  EXPECT_EQ(rejected.reason(), "ConcurrencyLimit");
  expect_settled(rejected);
  GraphWorld w(grouped("Replace"));
  w.others.push_back(other("o", "2026-11-21T02:00:00Z", true));
  w.settle();
  EXPECT_EQ(w.log, Texts{"cancel o"});
  w.others.clear();
  w.settle();
  EXPECT_EQ(w.log.back(), "call a/1");
}

TEST(Graph, RunsThatCannotStartEnd) {
  GraphWorld bad(steps(http("a"), R"(,"params":[{"name":"n","type":"integer"}])"),
                 R"(,"params":{"n":"x"})");
  bad.settle();
  EXPECT_EQ(bad.reason(), "ParamsInvalid");
  expect_settled(bad);
  GraphWorld cancelled(steps(http("a")), R"(,"cancel":true)");
  cancelled.settle();
  EXPECT_EQ(cancelled.reason(), "Cancelled");
  EXPECT_TRUE(cancelled.log.empty());
  expect_settled(cancelled);
}

TEST(Graph, ARetryOfARunTakesOverWhatSucceeded) {
  GraphWorld first(steps(http("a") + "," + http("b", after("a"))));
  first.settle();
  first.answer("a/1", 200);
  first.settle();
  first.answer("b/1", 500);
  first.settle();
  GraphWorld w(steps(http("a") + "," + http("b", after("a"))), R"(,"retryOf":"first")");
  w.retried = first.run;
  w.settle();
  EXPECT_EQ(w.log, Texts{"call b/1"});
}

TEST(Graph, TheCallbackIsToldOfSuccessAlone) {
  for (const int status : {200, 500}) {
    GraphWorld w(steps(http("a")), R"(,"trigger":{"callbackUrl":"http://back/"})");
    w.settle();
    w.answer("a/1", status);
    w.settle();
    if (status == 200) {
      EXPECT_EQ(w.log.back(), "call x-callback-url/1");
      EXPECT_FALSE(w.ended());
      w.no_answer("x-callback-url/1", Code::Unavailable);
      w.settle();
    }
    EXPECT_EQ(w.reason(), status == 200 ? "Succeeded" : "StepFailed");
    EXPECT_EQ(w.log.size(), status == 200 ? 2u : 1u);
    expect_settled(w);
  }
}

TEST(Graph, AStatusOfTwoThousandStepsStaysSmallAndEndedStepsStayDone) {
  std::string list;
  for (int i = 0; i < 2000; ++i) list += (i == 0 ? "" : ",") + http("s" + std::to_string(i));
  GraphWorld w(steps(list, R"(,"parallelism":500)"));
  for (int round = 0; round < 8 && !w.ended(); ++round) {
    w.settle();
    EXPECT_LE(codec::encode(w.run.status).size(), std::size_t{256} * 1024);
    for (auto& [key, call] : w.calls) {
      if (!call.result) w.answer(key, 200, R"({"text":"a hundred bytes or so of an answer"})");
    }
  }
  EXPECT_EQ(w.reason(), "Succeeded") << w.message();
  EXPECT_EQ(w.run.status.steps, "2000/2000");
  EXPECT_TRUE(w.run.status.archive.has_value());
  EXPECT_EQ(w.orders.size(), 2000u) << "none twice";
}

}  // namespace
}  // namespace millrace::logic
