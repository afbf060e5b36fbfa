#include "controllers/logic/job.h"

#include <gtest/gtest.h>

#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using codec::Value;

/// A world with one Job "j" of ours; `spec` are further members of its spec.
World with_job(const std::string& spec = "") {
  World w;
  w.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{"managedBy":"millrace.dev/job-controller",
      "backoffLimit":0,"completions":1,"parallelism":1)" +
        spec + R"(,"template":{"metadata":{"labels":{"a":"b","job-name":"j"},
      "annotations":{"c":"d"}},"spec":{"restartPolicy":"Never",
      "containers":[{"name":"build-step-x","image":"i"}]}}}})");
  w.reconcile_job("j");
  return w;
}

/// The conditions as "Type=Status/Reason".
std::vector<std::string> conditions(World& w) {
  std::vector<std::string> out;
  for (const auto& c : w.get<api::Job>("j").status.conditions) {
    out.push_back(c.type + "=" + c.status + "/" + c.reason);
  }
  return out;
}
using Texts = std::vector<std::string>;

TEST(PlanJob, MakesThePodOfTheTemplate) {
  World w = with_job();
  const std::string name = w.only_pod();
  EXPECT_EQ(name, pod_name("j", w.get<api::Job>("j").metadata.uid));
  const auto pod = w.get<api::Pod>(name);
  EXPECT_EQ(pod.metadata.label("a"), "b");
  EXPECT_EQ(pod.metadata.label("job-name"), "j");
  EXPECT_EQ(pod.metadata.annotation("c"), "d");
  ASSERT_NE(pod.metadata.controller_ref(), nullptr);
  EXPECT_EQ(pod.metadata.controller_ref()->kind, "Job");
  EXPECT_EQ(w.find("Pod", name)->at_path({"spec", "restartPolicy"})->as_string(), "Never");
  w.settle();
  EXPECT_EQ(w.log, Texts{"Create Pod " + name}) << "nothing more until something happens";
}

TEST(PlanJob, APodThatComesLateIsMadeOnlyAfterALiveLook) {
  EXPECT_EQ(with_job().reads, 0) << "at once: nobody else can have made it";
  World w;
  w.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{"managedBy":"millrace.dev/job-controller",
      "backoffLimit":0,"completions":1,"parallelism":1,"template":{"spec":{
      "containers":[{"name":"c","image":"i"}]}}}})");
  w.now += 10s;
  w.reconcile_job("j");
  EXPECT_EQ(w.reads, 1);
  EXPECT_EQ(w.log, Texts{"Create Pod " + w.only_pod()});
}

TEST(PlanJob, ThePodOfAnothersJobIsMadeOnlyAfterALiveLook) {
  // Found by the simulation (seed 2233): another operator made the pod, stopped the Job and took
  // the pod away, all within a moment, and the caches of this one lagged.
  World w;
  w.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{"managedBy":"millrace.dev/job-controller",
      "backoffLimit":0,"completions":1,"parallelism":1,"template":{"spec":{
      "containers":[{"name":"c","image":"i"}]}}}})");
  const auto job = w.get<api::Job>("j");
  JobInput input;
  input.now = w.now;
  input.job = &job;
  EXPECT_EQ(plan_job(input).actions.size(), 1u);
  input.shared = true;
  EXPECT_TRUE(plan_job(input).needs_live);
  input.live = true;
  EXPECT_EQ(plan_job(input).actions.size(), 1u);
}

/// A run "r", with further `members` of its metadata, and a Job "j" of it; `alone`: of many pods.
World with_run(const std::string& members, const std::string& status, bool alone = false) {
  World w;
  w.alone = alone;
  w.put(R"({"kind":"PipelineRun","metadata":{"name":"r","uid":"r-uid")" + members +
        R"(},"spec":{"refPipeline":"p"},"status":)" + status + "}");
  w.put(R"({"kind":"Job","metadata":{"name":"j","ownerReferences":[{"apiVersion":"millrace.dev/v1",
      "kind":"PipelineRun","name":"r","uid":"r-uid","controller":true}]},"spec":{)" +
        std::string(alone ? R"("completions":3,"parallelism":2)"
                          : R"("managedBy":"millrace.dev/job-controller","backoffLimit":0)") +
        R"(,"template":{"spec":{"containers":[{"name":"build-step-x","image":"i"}]}}}})");
  return w;
}
const char* const kEndedRun =
    R"({"conditions":[{"type":"Completed","status":"True","reason":"Cancelled"}]})";

TEST(PlanJob, AJobWhoseRunHasEndedOrIsBeingDeletedIsStoppedWithoutAPod) {
  for (const bool alone : {false, true}) {
    World ended = with_run("", kEndedRun, alone);
    World going = with_run(R"(,"deletionTimestamp":"2026-11-21T03:00:00Z")", "{}", alone);
    for (World* w : {&ended, &going}) {
      w->reconcile_job("j");
      EXPECT_EQ(w->log, Texts{"Patch Job j"}) << alone;
      EXPECT_EQ(w->get<api::Job>("j").metadata.annotation(kStopAnnotation), "RunEnded");
      w->settle();
      EXPECT_EQ(w->log.size(), 2u) << alone;
      EXPECT_EQ(conditions(*w), (Texts{"FailureTarget=True/RunEnded", "Failed=True/RunEnded"}));
      EXPECT_TRUE(w->names("Pod").empty()) << alone;
    }
  }
}

TEST(PlanJob, AJobWhoseRunIsGoneIsLeftToBeCollected) {
  for (const bool alone : {false, true}) {
    World gone = with_run("", "{}", alone);
    gone.erase("PipelineRun", "r");
    World another = with_run("", "{}", alone);
    (*another.find("PipelineRun", "r"))["metadata"]["uid"] = "the-next-one";
    for (World* w : {&gone, &another}) {
      w->reconcile_job("j");
      EXPECT_EQ(w->reads, 1) << "an absence is checked with the server";
      EXPECT_TRUE(w->log.empty()) << alone;
      const JobPlan plan = w->plan_for_job("j");
      EXPECT_TRUE(plan.actions.empty() && !plan.recheck) << alone;
    }
  }
}

TEST(PlanJob, TheRunOfAJobCostsNoReadUnlessTheCacheHasNone) {
  for (const bool alone : {false, true}) {
    World w = with_run("", "{}", alone);
    w.reconcile_job("j");
    EXPECT_EQ(w.reads, 0) << alone;
    EXPECT_EQ(w.names("Pod").size(), alone ? 2u : 1u);

    World fresh = with_run("", "{}", alone);
    const auto job = fresh.get<api::Job>("j");
    const auto run = fresh.get<crds::PipelineRun>("r");
    JobInput input;
    input.now = fresh.now;
    input.alone = alone;
    input.job = &job;
    const JobPlan asks = plan_job(input);
    EXPECT_TRUE(asks.needs_live && asks.actions.empty() && !asks.recheck) << alone;
    input.live = true;
    input.run = &run;
    EXPECT_EQ(plan_job(input).actions.size(), alone ? 2u : 1u);
  }
}

TEST(PlanJob, PodsThatAreThereWhenTheRunEndsAreLeftAlone) {
  World one = with_run("", "{}");
  one.reconcile_job("j");
  one.set_status("PipelineRun", "r", kEndedRun);
  one.reconcile_job("j");
  EXPECT_EQ(one.log.size(), 1u);
  one.succeed_pod(one.only_pod());
  one.settle();
  EXPECT_EQ(conditions(one).back(), "Complete=True/CompletionsReached");

  World many = with_run("", "{}", true);
  many.reconcile_job("j");
  const Texts pods = many.names("Pod");
  ASSERT_EQ(pods.size(), 2u);
  many.set_status("PipelineRun", "r", kEndedRun);
  many.succeed_pod(pods[0]);
  many.settle();
  EXPECT_TRUE(many.get<api::Job>("j").metadata.annotation(kStopAnnotation).empty());
  EXPECT_FALSE(many.get<api::Pod>(pods[1]).metadata.deletion_timestamp.has_value());
  many.succeed_pod(pods[1]);
  many.settle();
  EXPECT_EQ(many.names("Pod"), pods) << "none for the third completion";
  EXPECT_EQ(conditions(many), (Texts{"FailureTarget=True/RunEnded", "Failed=True/RunEnded"}));
}

TEST(PlanJob, AJobThatWasWantedLongAgoGetsItsPodOnlyAfterALiveLook) {
  // A process that stood still between plan and create has caches that are as old.
  World w = with_run("", "{}");
  const auto run = w.get<crds::PipelineRun>("r");
  auto job = w.get<api::Job>("j");
  JobInput input;
  input.now = w.now;
  input.job = &job;
  input.run = &run;
  job.metadata.annotations[kStartedAnnotation] = format_micro_time(w.now - 1s);
  EXPECT_EQ(plan_job(input).actions.size(), 1u);
  job.metadata.annotations[kStartedAnnotation] = format_micro_time(w.now - 6s);
  EXPECT_TRUE(plan_job(input).needs_live);
}

TEST(PlanJob, SuccessIsOneWriteThatTheServerAccepts) {
  World w = with_job();
  w.succeed_pod(w.only_pod());
  w.settle();
  EXPECT_EQ(w.log.size(), 2u);
  EXPECT_EQ(conditions(w), (Texts{"SuccessCriteriaMet=True/CompletionsReached",
                                  "Complete=True/CompletionsReached"}));
  const auto status = w.get<api::Job>("j").status;
  EXPECT_EQ(status.succeeded, 1);
  ASSERT_TRUE(status.start_time && status.completion_time);
  EXPECT_GE(*status.completion_time, *status.start_time);
  w.advance(48h);
  EXPECT_EQ(w.log.size(), 2u) << "finished Jobs need nothing";
}

TEST(PlanJob, LongLivedPodsAreShownAsActiveOnce) {
  World w = with_job();
  w.run_pod(w.only_pod());
  w.may_report = false;
  w.advance(1500ms);
  EXPECT_EQ(w.get<api::Job>("j").status.active, 0) << "too much progress is written just now";
  w.may_report = true;
  w.advance(2s);
  const auto status = w.get<api::Job>("j").status;
  EXPECT_EQ(status.active, 1);
  ASSERT_TRUE(status.start_time.has_value());
  w.advance(5min);
  EXPECT_EQ(w.log.size(), 2u);
  w.fail_pod(w.only_pod(), 0, 2);
  w.settle();
  const auto end = w.get<api::Job>("j").status;
  EXPECT_EQ(end.start_time, status.start_time) << "the server refuses another";
  EXPECT_EQ(end.active, 0);
  EXPECT_EQ(end.failed, 1);
  EXPECT_FALSE(end.completion_time.has_value());
  EXPECT_EQ(conditions(w),
            (Texts{"FailureTarget=True/BackoffLimitExceeded", "Failed=True/BackoffLimitExceeded"}));
}

TEST(PlanJob, EndsOfThePod) {
  const struct {
    const char* name;
    const char* pod;
    const char* reason;
  } cases[] = {
      {"evicted", R"({"phase":"Failed","reason":"Evicted"})", "Evicted"},
      {"exit code",
       R"({"phase":"Failed","containerStatuses":[{"name":"build-step-x","state":{"terminated":
          {"exitCode":1}}}]})",
       "BackoffLimitExceeded"},
      {"no cause given", R"({"phase":"Failed"})", "PodFailed"},
  };
  for (const auto& c : cases) {
    World w = with_job();
    w.set_status("Pod", w.only_pod(), c.pod);
    w.settle();
    EXPECT_EQ(conditions(w).back(), std::string("Failed=True/") + c.reason) << c.name;
  }
}

TEST(PlanJob, OwnDeadline) {
  World w = with_job(R"(,"activeDeadlineSeconds":60)");
  w.run_pod(w.only_pod());
  w.advance(58s);
  EXPECT_FALSE(w.get<api::Pod>(w.only_pod()).metadata.deletion_timestamp.has_value());
  w.advance(3s);
  EXPECT_TRUE(w.get<api::Pod>(w.only_pod()).metadata.deletion_timestamp.has_value());
  EXPECT_TRUE(conditions(w).empty()) << "not before the pod has ended";
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(conditions(w).back(), "Failed=True/DeadlineExceeded");
}

TEST(PlanJob, APodThatOnlyALiveReadFoundIsLookedAtAgain) {
  World w = with_job();
  w.run_pod(w.only_pod());
  w.advance(5s);
  const auto job = w.get<api::Job>("j");
  const auto pod = w.get<api::Pod>(w.only_pod());
  JobInput input;
  input.now = w.now;
  input.job = &job;
  input.pods = {&pod};
  EXPECT_EQ(plan_job(input).recheck, std::nullopt) << "its end is an event";
  input.live = true;
  EXPECT_EQ(plan_job(input).recheck, Duration(30s));
}

TEST(PlanJob, ADeadlineBeyondAllTimesIsNone) {
  for (const char* seconds : {"10000000000", "9223372036854775807"}) {
    World w = with_job(R"(,"activeDeadlineSeconds":)" + std::string(seconds));
    w.run_pod(w.only_pod());
    w.advance(1h);
    EXPECT_FALSE(w.get<api::Pod>(w.only_pod()).metadata.deletion_timestamp.has_value()) << seconds;
    EXPECT_TRUE(conditions(w).empty()) << seconds;
  }
}

TEST(PlanJob, StopOrderBeforeThePodCouldBeMade) {
  World w;
  w.refuse = [](const Action&) { return refusal(Code::Throttled, "exceeded quota"); };
  w.put(R"({"kind":"Job","metadata":{"name":"j","annotations":{"millrace.dev/stop":"Cancelled",
      "millrace.dev/stop-message":"on request"}},
      "spec":{"managedBy":"millrace.dev/job-controller","template":{"spec":{}}}})");
  w.settle();
  EXPECT_TRUE(w.names("Pod").empty());
  EXPECT_EQ(conditions(w).back(), "Failed=True/Cancelled");
}

TEST(PlanJob, LostPods) {
  World seen = with_job();
  seen.settle();
  seen.erase("Pod", seen.only_pod());
  seen.settle();
  EXPECT_EQ(conditions(seen).back(), "Failed=True/PodLost") << "seen by this process";
  EXPECT_EQ(seen.reads, 1) << "absence is checked with the server";

  World recorded = with_job();
  recorded.advance(2s);
  recorded.restart();
  recorded.erase("Pod", recorded.only_pod());
  recorded.settle();
  EXPECT_EQ(conditions(recorded).back(), "Failed=True/PodLost") << "recorded as active";

  World stuck = with_job();
  stuck.run_pod(stuck.only_pod());
  (*stuck.find("Pod", stuck.only_pod()))["metadata"]["deletionTimestamp"] =
      format_time(stuck.now + 30s);
  stuck.advance(80s);
  EXPECT_TRUE(stuck.get<api::Job>("j").status.conditions.empty());
  stuck.advance(15s);
  EXPECT_EQ(conditions(stuck).back(), "Failed=True/NodeLost") << "its node does not answer";
}

TEST(PlanJob, SuspendAndResume) {
  World w = with_job();
  w.run_pod(w.only_pod());
  w.advance(2s);
  (*w.find("Job", "j"))["spec"]["suspend"] = true;
  w.settle();
  EXPECT_TRUE(w.get<api::Pod>(w.only_pod()).metadata.deletion_timestamp.has_value());
  w.finish_deletions();
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(conditions(w), Texts{"Suspended=True/JobSuspended"});
  EXPECT_FALSE(w.get<api::Job>("j").status.start_time.has_value());
  (*w.find("Job", "j"))["spec"]["suspend"] = false;
  w.settle();
  w.run_pod(w.only_pod());
  w.advance(2s);
  EXPECT_EQ(conditions(w), Texts{"Suspended=False/JobResumed"});
  w.succeed_pod(w.only_pod());
  w.settle();
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
}

TEST(PlanJob, WhatIsNotOurs) {
  World foreign = with_job();
  World w;
  w.put(
      R"({"kind":"Job","metadata":{"name":"j"},"spec":{"managedBy":"kueue.x-k8s.io/multikueue"}})");
  w.settle();
  EXPECT_TRUE(w.log.empty()) << "another controller's";

  World going = with_job();
  (*going.find("Job", "j"))["metadata"]["deletionTimestamp"] = format_time(going.now);
  going.erase("Pod", going.only_pod());
  const std::size_t before = going.log.size();
  going.settle();
  EXPECT_EQ(going.log.size(), before) << "being deleted";
}

}  // namespace
}  // namespace millrace::logic
