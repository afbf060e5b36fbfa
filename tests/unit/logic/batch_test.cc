#include "controllers/logic/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using crds::StepPhase;

/// A world with the batch pipeline and one run, settled.
World started(const std::string& spec = "") {
  World w;
  w.put(kBatchPipeline);
  w.put(batch_run(spec));
  w.settle();
  return w;
}

std::vector<std::string> states(const crds::PipelineRunStatus& status) {
  std::vector<std::string> out;
  for (const auto& step : status.step_states) {
    out.push_back(step.name + "=" + std::string(codec::enum_name(step.state)));
  }
  return out;
}

using Texts = std::vector<std::string>;

TEST(PlanBatch, ShortRunNeedsSixWrites) {
  World w;
  w.put(kBatchPipeline);
  w.put(batch_run());
  w.settle();
  w.succeed_pod(w.only_pod());
  w.settle();
  // The first two are the Pipeline's (once per revision) and a hand-made run's.
  const std::string job = w.names("Job").front();
  const Texts want = {"Create ControllerRevision " + w.names("ControllerRevision").front(),
                      "Create Job " + job,
                      "Patch PipelineRun r",
                      "Create Pod " + w.names("Pod").front(),
                      "Status r",
                      "PatchStatus Job " + job};
  EXPECT_EQ(w.log, want);
  EXPECT_EQ(w.condition("Succeeded").status, "True");
  EXPECT_EQ(w.condition("Completed").status, "True");
  EXPECT_EQ(w.status().steps, "3/3");
  EXPECT_TRUE(w.status().completion_time.has_value());
}

TEST(PlanBatch, PO_10_StatesFollowThePod) {
  World w = started();
  w.advance(300ms);
  EXPECT_EQ(w.reason(), "Pending");
  EXPECT_EQ(w.status().step_states[0].waiting->reason, "ContainerCreating");
  EXPECT_EQ(w.status().step_states[1].waiting->reason, "PreviousStep");
  w.run_pod(w.only_pod(), 1);
  w.advance(2s);
  EXPECT_EQ(w.reason(), "Running");
  EXPECT_EQ(w.condition("Succeeded").status, "Unknown");
  EXPECT_EQ(w.condition("Completed").status, "False");
  EXPECT_EQ(states(w.status()), (Texts{"input=Succeeded", "clean=Running", "output--out=Pending"}));
  EXPECT_EQ(w.status().steps, "1/3");
  EXPECT_EQ(w.status().steps_completed, Texts{"build-step-input"});
  EXPECT_EQ(w.status().cluster->build_name, w.names("Job").front());
}

TEST(PlanBatch, PO_7_TwoRetriesMakeThreeAttempts) {
  World w = started(R"(,"maxRetryCount":2)");
  for (int i = 0; i < 3; ++i) {
    w.advance(5s);
    w.fail_pod(w.only_pod(), 0, 3, "Error", "no such index\n");
    w.settle();
  }
  const auto status = w.status();
  EXPECT_EQ(w.reason(), "Fail");
  EXPECT_EQ(w.condition("Succeeded").status, "False");
  EXPECT_EQ(w.condition("Succeeded").message,
            "attempt 3 of 3 failed: step input exited with code 3: no such index");
  EXPECT_EQ(status.retry_status->retry_count, 2);
  ASSERT_EQ(status.retry_status->history_build.size(), 3u);
  EXPECT_EQ(w.names("Job").size(), 3u);
  std::set<std::string> builds;
  for (const auto& record : status.retry_status->history_build) {
    builds.insert(record.build_name);
    EXPECT_EQ(record.reason, "Fail");
    EXPECT_TRUE(record.start_time && record.completion_time);
  }
  EXPECT_EQ(builds.size(), 3u);
  EXPECT_TRUE(status.completion_time.has_value());
}

TEST(PlanBatch, RetryCountFollowsTheSpec) {
  World w = started(R"(,"maxRetryCount":1)");
  w.refuse = [](const Action& action) -> std::optional<Error> {
    if (action.resource.kind != "Job") return std::nullopt;
    return refusal(Code::Unavailable, "away");
  };
  w.fail_pod(w.only_pod(), 0, 1);
  w.advance(300ms);
  EXPECT_EQ(w.status().retry_status->retry_count, 0) << "after the first failure";
  EXPECT_EQ(w.reason(), "ApiUnavailable");
  w.refuse = nullptr;
  w.advance(2s);
  EXPECT_EQ(w.status().retry_status->retry_count, 1) << "in the second attempt";
}

TEST(PlanBatch, PO_8_RetryResumesAtTheFailedStep) {
  const struct {
    const char* name;
    std::vector<std::size_t> failing;  // the step that fails in each attempt, within the attempt
    Texts want;                        // steps of the attempt after those
  } cases[] = {
      {"first step failed: all again", {0}, {"input", "clean", "output--out"}},
      {"second step failed", {1}, {"clean", "output--out"}},
      {"last step failed", {2}, {"output--out"}},
      {"counted over all attempts", {1, 1}, {"output--out"}},
      {"same step twice", {1, 0}, {"clean", "output--out"}},
  };
  for (const auto& c : cases) {
    World w = started(R"(,"maxRetryCount":5)");
    for (const std::size_t step : c.failing) {
      w.fail_pod(w.only_pod(), step, 1);
      w.settle();
    }
    const codec::Value spec = (*w.find("Pod", w.only_pod()))["spec"];
    Texts got;
    for (const char* list : {"initContainers", "containers"}) {
      if (spec.find(list) == nullptr) continue;
      for (const auto& item : spec.find(list)->items()) {
        got.push_back(item.find("name")->as_string().substr(11));
      }
    }
    EXPECT_EQ(got, c.want) << c.name;
    w.succeed_pod(w.only_pod());
    w.settle();
    EXPECT_EQ(w.status().steps, "3/3") << c.name;
    EXPECT_EQ(w.condition("Succeeded").status, "True") << c.name;
    EXPECT_EQ(w.status().retry_status->history_build.size(), c.failing.size()) << c.name;
  }
}

TEST(PlanBatch, PO_9_ToEndWellOnlyWhenToldToStopIsNoSuccess) {
  for (const char* how : {"BuildTimeout", "Cancelled"}) {
    World w = started(R"(,"timeout":"30s")");
    w.run_pod(w.only_pod(), 2);
    if (how == std::string("Cancelled")) (*w.find("PipelineRun", "r"))["spec"]["cancel"] = true;
    w.advance(31s);
    ASSERT_TRUE(w.get<api::Pod>(w.only_pod()).metadata.deletion_timestamp.has_value());
    w.succeed_pod(w.only_pod());  // it heard TERM, and exits with 0
    w.settle();
    w.finish_deletions();
    w.settle();
    EXPECT_EQ(w.reason(), how);
  }
}

TEST(PlanBatch, PO_9_TimeoutEndsTheAttempt) {
  World w = started(R"(,"timeout":"30s","maxRetryCount":1)");
  w.run_pod(w.only_pod(), 1);
  w.advance(29500ms);
  EXPECT_EQ(w.reason(), "Running");
  w.advance(1s);
  EXPECT_EQ(w.reason(), "Stopping");
  EXPECT_TRUE(w.get<api::Pod>(w.only_pod()).metadata.deletion_timestamp.has_value());
  const std::string job = w.names("Job").front();
  w.finish_deletions();
  w.settle();
  const auto status = w.status();
  ASSERT_EQ(status.retry_status->history_build.size(), 1u);
  EXPECT_EQ(status.retry_status->history_build[0].reason, "BuildTimeout");
  EXPECT_EQ(api::find_condition(w.get<api::Job>(job).status.conditions, "Failed")->reason,
            "BuildTimeout");
  EXPECT_EQ(status.step_states.size(), 3u) << "after a timeout all steps run again";
  w.run_pod(w.only_pod(), 2);
  w.advance(31s);
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(w.reason(), "BuildTimeout");
  EXPECT_EQ(w.condition("Completed").status, "True");
  EXPECT_NE(w.condition("Succeeded").message.find("did not end within 30s; step output--out was"),
            std::string::npos)
      << w.condition("Succeeded").message;
}

TEST(PlanBatch, TimeoutsOfOtherLengths) {
  World ten = started();
  ten.run_pod(ten.only_pod());
  ten.advance(10min - 2s);
  EXPECT_EQ(ten.reason(), "Running") << "absent means ten minutes";
  ten.advance(3s);
  EXPECT_EQ(ten.reason(), "Stopping") << "absent means ten minutes";
  World none = started(R"(,"timeout":"0s")");
  none.run_pod(none.only_pod());
  none.advance(30h);
  EXPECT_EQ(none.reason(), "Running") << "0s means no limit";
}

TEST(PlanBatch, NeverStartedIsNotTheProgramsFault) {
  const struct {
    const char* name;
    const char* pod;  // its status until the timeout
    const char* waiting;
    const char* reason;
  } cases[] = {
      {"unschedulable",
       R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False",
           "reason":"Unschedulable","message":"0/1 nodes"}]})",
       "Unschedulable", "Unschedulable"},
      {"image pull",
       R"({"phase":"Pending","initContainerStatuses":[{"name":"build-step-input",
           "state":{"waiting":{"reason":"ErrImagePull","message":"not found"}}}]})",
       "ImagePullBackOff", "ImagePullFailed"},
      {"missing secret",
       R"({"phase":"Pending","initContainerStatuses":[{"name":"build-step-input",
           "state":{"waiting":{"reason":"CreateContainerConfigError","message":"no secret"}}}]})",
       "CreateContainerConfigError", "CreateContainerConfigError"},
  };
  for (const auto& c : cases) {
    World w = started(R"(,"timeout":"30s")");
    w.set_status("Pod", w.only_pod(), c.pod);
    w.advance(2s);
    EXPECT_EQ(w.reason(), c.waiting) << c.name;
    EXPECT_EQ(w.status().step_states[0].waiting->reason, c.waiting) << c.name;
    w.advance(40s);
    w.finish_deletions();
    w.settle();
    EXPECT_EQ(w.reason(), c.reason) << c.name;
  }
}

TEST(PlanBatch, ImpossibleImageNameFailsAtOnce) {
  World w = started();
  w.set_status("Pod", w.only_pod(),
               R"({"phase":"Pending","initContainerStatuses":[{"name":"build-step-input",
                   "state":{"waiting":{"reason":"InvalidImageName","message":"A:B:C"}}}]})");
  w.settle();
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(w.reason(), "ImagePullFailed");
}

TEST(PlanBatch, InfrastructureReasons) {
  const struct {
    const char* name;
    const char* pod;
    const char* reason;
  } cases[] = {
      {"evicted", R"({"phase":"Failed","reason":"Evicted","message":"low on memory"})", "Evicted"},
      {"node lost",
       R"({"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True",
           "reason":"DeletionByTaintManager"}]})",
       "NodeLost"},
      {"preempted",
       R"({"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True",
           "reason":"PreemptionByScheduler"}]})",
       "Preempted"},
      {"node shutdown", R"({"phase":"Failed","reason":"Terminated"})", "NodeShutdown"},
      {"no room", R"({"phase":"Failed","reason":"OutOfcpu"})", "NodeRejected"},
  };
  for (const auto& c : cases) {
    World w = started();
    w.set_status("Pod", w.only_pod(), c.pod);
    w.settle();
    EXPECT_EQ(w.reason(), c.reason) << c.name;
    EXPECT_EQ(w.condition("Succeeded").status, "False") << c.name;
  }
}

TEST(PlanBatch, PodThatVanishedIsLost) {
  World w = started();
  w.run_pod(w.only_pod(), 1);
  w.advance(2s);
  w.erase("Pod", w.only_pod());
  w.settle();
  EXPECT_EQ(w.reason(), "PodLost");
  EXPECT_EQ(w.status().retry_status->history_build[0].steps_succeeded, Texts{"input"})
      << "what was recorded counts";
  EXPECT_EQ(states(w.status()), (Texts{"input=Succeeded", "clean=Failed", "output--out=Skipped"}));
}

TEST(PlanBatch, VanishedPodIsLostAfterARestartToo) {
  World w = started();
  w.run_pod(w.only_pod());
  w.advance(2s);
  w.restart();
  w.erase("Pod", w.only_pod());
  w.settle();
  EXPECT_EQ(w.reason(), "PodLost");
}

TEST(PlanBatch, DeletedJobIsLost) {
  World w = started();
  w.run_pod(w.only_pod());
  w.advance(2s);
  w.erase("Job", w.names("Job").front());
  w.settle();
  EXPECT_EQ(w.reason(), "Running") << "its pod still runs";
  w.erase("Pod", w.only_pod());
  w.settle();
  EXPECT_EQ(w.reason(), "JobLost");
}

TEST(PlanBatch, ARetryWaitsForThePodOfAJobThatWasMadeAgain) {
  // Found by tests/sim: a user deleted the Job, another operator made it again.
  World w = started(R"(,"maxRetryCount":1)");
  const std::string uid = w.get<crds::PipelineRun>("r").metadata.uid;
  w.put(R"({"kind":"Pod","metadata":{"name":"left","labels":{"millrace.dev/run":"r",
    "millrace.dev/run-uid":")" +
        uid + R"(","millrace.dev/attempt":"1"},"ownerReferences":[
    {"apiVersion":"batch/v1","kind":"Job","name":")" +
        w.names("Job").front() + R"(","uid":"before","controller":true}]}})");
  w.set_status("Pod", "left", R"({"phase":"Running"})");
  const auto pods = w.names("Pod");
  w.fail_pod(*std::find_if(pods.begin(), pods.end(), [](auto& name) { return name != "left"; }), 0,
             1);
  w.advance(5s);
  EXPECT_EQ(w.names("Job").size(), 1u);
  EXPECT_FALSE(is_terminal(w.get<crds::PipelineRun>("r")));
  w.erase("Pod", "left");
  w.advance(5s);
  EXPECT_EQ(w.names("Job").size(), 2u);
}

TEST(PlanBatch, StuckPodOfADeadNodeIsGivenUp) {
  World w = started();
  w.run_pod(w.only_pod());
  w.advance(2s);
  auto& pod = *w.find("Pod", w.only_pod());
  pod["metadata"]["deletionTimestamp"] = format_time(w.now + 30s);
  w.advance(80s);
  EXPECT_EQ(w.reason(), "Running");
  w.advance(15s);
  EXPECT_EQ(w.reason(), "NodeLost");
}

TEST(PlanBatch, CancelWaitsForThePod) {
  World w = started(R"(,"maxRetryCount":3)");
  w.run_pod(w.only_pod(), 1);
  w.advance(2s);
  (*w.find("PipelineRun", "r"))["spec"]["cancel"] = true;
  w.settle();
  EXPECT_EQ(w.condition("Cancelled").status, "Unknown");
  EXPECT_EQ(w.condition("Completed").status, "False");
  EXPECT_TRUE(w.get<api::Pod>(w.only_pod()).metadata.deletion_timestamp.has_value());
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(w.condition("Cancelled").status, "True");
  EXPECT_EQ(w.condition("Cancelled").reason, "Cancelled");
  EXPECT_EQ(w.condition("Succeeded").status, "False");
  EXPECT_EQ(w.condition("Completed").status, "True");
  EXPECT_EQ(w.names("Job").size(), 1u) << "no retry";
  EXPECT_EQ(
      api::find_condition(w.get<api::Job>(w.names("Job")[0]).status.conditions, "Failed")->reason,
      "Cancelled");
}

TEST(PlanBatch, CancelAtOtherMoments) {
  World before = World();
  before.put(batch_run(R"(,"cancel":true)"));
  before.settle();
  EXPECT_EQ(before.condition("Cancelled").status, "True") << "before it started";
  EXPECT_TRUE(before.names("Job").empty());

  World late = started();
  (*late.find("PipelineRun", "r"))["spec"]["cancel"] = true;
  late.succeed_pod(late.only_pod());
  late.settle();
  EXPECT_EQ(late.condition("Succeeded").status, "True") << "after the work was done";
  EXPECT_EQ(late.condition("Cancelled").status, "False") << "after the work was done";
}

TEST(PlanBatch, PO_6_ExpiredPipelineCancelsTheRun) {
  World w;
  w.expired = true;
  w.put(kBatchPipeline);
  w.put(batch_run());
  w.settle();
  EXPECT_EQ(w.condition("Cancelled").status, "True");
  EXPECT_EQ(w.condition("Cancelled").reason, "PipelineExpired");
  EXPECT_EQ(w.condition("Cancelled").message.find("Pipeline is expired"), 0u);
  EXPECT_EQ(w.condition("Succeeded").status, "False");
  EXPECT_TRUE(w.status().completion_time.has_value());
  EXPECT_TRUE(w.names("Job").empty());

  World retry = started(R"(,"maxRetryCount":1)");
  retry.expired = true;
  retry.fail_pod(retry.only_pod(), 0, 1);
  retry.settle();
  EXPECT_EQ(retry.reason(), "PipelineExpired") << "also for a retry";
  EXPECT_EQ(retry.status().retry_status->history_build.size(), 1u);
}

TEST(PlanBatch, PO_14_MissingPipelineWaits) {
  World w;
  w.put(batch_run());
  w.settle();
  EXPECT_EQ(w.reason(), "PipelineNotFound");
  EXPECT_EQ(w.condition("Succeeded").status, "Unknown");
  EXPECT_EQ(w.reads, 1) << "absence is checked with the server";
  w.put(kBatchPipeline);
  w.advance(1s);
  EXPECT_EQ(w.names("Job").size(), 1u);
  EXPECT_EQ(w.reason(), "Pending");
}

TEST(PlanBatch, AJobThatIsCompleteWithoutItsPodIsLookedAtLive) {
  World w = started();
  const std::string pod = w.only_pod();
  w.succeed_pod(pod);
  w.set_status("Job", w.names("Job").front(),
               R"({"conditions":[{"type":"Complete","status":"True"}]})");
  const int before = w.reads;
  EXPECT_TRUE(w.plan("r").status);
  EXPECT_EQ(w.reads, before) << "the pod is known";
  w.erase("Pod", pod);
  EXPECT_TRUE(w.plan("r").status) << "and if the server has none either, so be it";
  EXPECT_EQ(w.reads, before + 1);
}

TEST(PlanBatch, ATickHasOneRun) {
  // An operator that was frozen between claim and create wakes up, when the tick's run has ended
  // and is gone.
  World w;
  w.put(kBatchPipeline);
  const std::string pipeline = w.get<crds::Pipeline>("p").metadata.uid;
  const auto ledger = [](const std::string& rest) {
    return R"({"schedule":{"ticks":[{"time":"2026-11-21T10:00:00Z",)" + rest + "}]}}";
  };
  const auto add_run = [&](const std::string& name, const std::string& owner, int tick) {
    w.put(R"({"kind":"PipelineRun","metadata":{"name":")" + name +
          R"(","labels":{"millrace.dev/tick":")" + std::to_string(1795255200 + tick) +
          R"("},"ownerReferences":[{"apiVersion":"millrace.dev/v1","kind":"Pipeline","name":"p",
          "controller":true,"uid":")" +
          owner + R"("}]},"spec":{"refPipeline":"p"}})");
  };
  w.set_status("Pipeline", "p", ledger(R"("outcome":"Created","run":"p-run","uid":"first")"));
  add_run("p-run", pipeline, 0);
  w.settle();
  EXPECT_TRUE(w.names("Job").empty());
  EXPECT_EQ(w.reason("p-run"), "DuplicateTick");
  EXPECT_EQ(w.condition("Cancelled", "p-run").status, "True");
  const std::string message = w.condition("Succeeded", "p-run").message;
  EXPECT_NE(message.find("2026-11-21T10:00:00Z"), std::string::npos) << message;
  EXPECT_NE(message.find("first"), std::string::npos) << message;

  add_run("of-another-tick", pipeline, 60);
  add_run("of-another-pipeline", "elsewhere", 0);
  w.settle();
  EXPECT_EQ(w.names("Job").size(), 2u);
  w.set_status("Pipeline", "p", ledger(R"("outcome":"Claimed","run":"claimed")"));
  add_run("claimed", pipeline, 0);
  const std::string own = w.get<crds::PipelineRun>("claimed").metadata.uid;
  EXPECT_FALSE(w.plan("claimed").actions.empty()) << "it is not on record yet";
  w.set_status("Pipeline", "p",
               ledger(R"("outcome":"Created","run":"claimed","uid":")" + own + '"'));
  w.settle();
  EXPECT_EQ(w.names("Job").size(), 3u) << "it is the one on record";
}

TEST(PlanBatch, RefusedCreates) {
  const struct {
    const char* name;
    const char* kind;
    Code code;
    const char* message;
    const char* reason;
    bool waits;
  } cases[] = {
      {"job quota", "Job", Code::Throttled, "exceeded quota: q", "QuotaExceeded", true},
      {"pod quota", "Pod", Code::Throttled, "exceeded quota: q", "QuotaExceeded", true},
      {"429", "Job", Code::Throttled, "too many requests", "Throttled", true},
      {"server away", "Pod", Code::Unavailable, "connection refused", "ApiUnavailable", true},
      {"our rights", "Job", Code::Denied, "User \"x\" cannot create resource \"jobs\"", "Forbidden",
       true},
      {"no account yet", "Pod", Code::Denied, "error looking up service account ns/x: not found",
       "ServiceAccountNotFound", true},
      {"invalid job", "Job", Code::Invalid, "spec.template.spec.volumes[0]: bad", "CreateFailed",
       false},
      {"pod security", "Pod", Code::Denied, "violates PodSecurity \"restricted\"", "CreateFailed",
       false},
  };
  for (const auto& c : cases) {
    World w;
    w.refuse = [&](const Action& action) -> std::optional<Error> {
      if (action.resource.kind != c.kind) return std::nullopt;
      return refusal(c.code, c.message);
    };
    w.put(kBatchPipeline);
    w.put(batch_run());
    w.advance(3s);
    EXPECT_EQ(w.reason(), c.reason) << c.name;
    EXPECT_EQ(w.condition("Succeeded").status, c.waits ? "Unknown" : "False") << c.name;
    EXPECT_NE(w.condition("Succeeded").message.find(c.message), std::string::npos)
        << c.name << ": " << w.condition("Succeeded").message;
    if (!c.waits) continue;
    w.refuse = nullptr;
    w.advance(40s);
    w.succeed_pod(w.only_pod());
    w.settle();
    EXPECT_EQ(w.condition("Succeeded").status, "True") << c.name << " and goes on";
  }
}

TEST(PlanBatch, ForeignJobOfThatNameIsAConflict) {
  World w;
  w.put(kBatchPipeline);
  w.put(batch_run());
  const auto run = w.get<crds::PipelineRun>("r");
  const std::string job = job_name("r", run.metadata.uid, "batch", 1);
  w.put(R"({"kind":"Job","metadata":{"name":")" + job + R"("},"spec":{}})");
  w.settle();
  EXPECT_EQ(w.reason(), "NameConflict");
}

TEST(PlanBatch, LabelsAloneMakeNoPodOfTheRun) {
  // Found by tests/sim: a foreign pod with the labels ended the run as its own would have.
  World w = started(R"(,"maxRetryCount":1)");
  const std::string uid = w.get<crds::PipelineRun>("r").metadata.uid;
  const std::string other_owner =
      R"(,"ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":")" +
      w.names("Job").front() + R"(","uid":"another","controller":true}])";
  int count = 0;
  for (const std::string& owner : {std::string(), other_owner}) {
    for (const std::string attempt : {"1", "2"}) {
      for (const std::string phase : {"Succeeded", "Failed", "Running"}) {
        const std::string name = "forged-" + std::to_string(++count);
        w.put(R"({"kind":"Pod","metadata":{"name":")" + name +
              R"(","labels":{"millrace.dev/run":"r","millrace.dev/run-uid":")" + uid +
              R"(","millrace.dev/attempt":")" + attempt + R"("})" + owner + "}}");
        w.set_status("Pod", name, R"({"phase":")" + phase + R"("})");
        w.advance(2s);
        EXPECT_FALSE(is_terminal(w.get<crds::PipelineRun>("r"))) << owner << attempt << phase;
        EXPECT_EQ(w.names("Job").size(), 1u) << owner << attempt << phase;
      }
    }
  }
}

TEST(PlanBatch, MissingAdapterImageFailsTheRun) {
  World w;
  w.config.adapter_images.input_elastic_search.clear();
  w.put(kBatchPipeline);
  w.put(batch_run(R"(,"maxRetryCount":3)"));
  w.settle();
  EXPECT_EQ(w.reason(), "AdapterImageMissing");
  EXPECT_NE(w.condition("Succeeded").message.find("adapterImages.inputElasticSearch"),
            std::string::npos);
  EXPECT_TRUE(w.names("Job").empty());
  EXPECT_FALSE(w.status().retry_status.has_value());
}

TEST(PlanBatch, EditOfThePipelineDoesNotReachARunUnderWay) {
  World w = started(R"(,"maxRetryCount":1)");
  w.advance(1s);
  (*w.find("Pipeline", "p"))["spec"]["batchJob"]["processors"].items()[0]["image"] = "demo/new:2";
  w.fail_pod(w.only_pod(), 0, 1);
  w.settle();
  EXPECT_EQ(w.names("Job").size(), 2u);
  for (const std::string& job : w.names("Job")) {
    EXPECT_EQ(w.find("Job", job)->dump().find("demo/new:2"), std::string::npos);
  }
}

TEST(PlanBatch, LostRevisionEndsTheRun) {
  World w = started();
  w.advance(1s);
  w.erase("ControllerRevision", w.names("ControllerRevision").front());
  w.erase("Pipeline", "p");
  w.settle();
  EXPECT_EQ(w.reason(), "RevisionLost");
}

TEST(PlanBatch, DeletionRemovesForeignFinalizersOnly) {
  World w = started();
  auto& run = *w.find("PipelineRun", "r");
  run["metadata"]["deletionTimestamp"] = format_time(w.now);
  run["metadata"]["finalizers"] = codec::Value::array({"finalizer.ljchen.net", "keep.example.com"});
  const RunPlan plan = w.plan("r");
  ASSERT_EQ(plan.actions.size(), 1u);
  EXPECT_EQ(*plan.actions[0].body.at_path({"metadata", "finalizers"}),
            codec::Value::array({"keep.example.com"}));
  EXPECT_FALSE(plan.status.has_value());
  w.settle();
  EXPECT_TRUE(is_settled(w.get<crds::PipelineRun>("r")));
}

TEST(PlanBatch, PO_17_RestartStartsNoSecondAttempt) {
  World w = started();
  w.run_pod(w.only_pod());
  w.restart();
  w.advance(5s);
  EXPECT_EQ(w.names("Job").size(), 1u);
  EXPECT_EQ(w.names("Pod").size(), 1u);
  w.succeed_pod(w.only_pod());
  w.settle();
  EXPECT_EQ(w.condition("Succeeded").status, "True");
}

TEST(PlanBatch, FinishedRunsNeedNothing) {
  World w = started();
  w.succeed_pod(w.only_pod());
  w.settle();
  const int writes = w.writes;
  w.restart();
  w.advance(48h);
  EXPECT_EQ(w.writes, writes);
  EXPECT_EQ(w.reads, 0);
}

TEST(PlanBatch, ProgressIsWrittenOnceASecondAtMost) {
  World w = started();
  w.advance(300ms);
  int before = w.writes;
  for (std::size_t step = 0; step < 3; ++step) {
    w.run_pod(w.only_pod(), step);
    w.advance(10ms);
  }
  EXPECT_LE(w.writes - before, 1) << "only Pending to Running";
  w.advance(2s);
  EXPECT_EQ(states(w.status()),
            (Texts{"input=Succeeded", "clean=Succeeded", "output--out=Running"}));
}

TEST(PlanBatch, BuiltInControllerGivesTheSameStatuses) {
  // The built-in controller is played by hand: pods from the template, Failed conditions.
  const auto make_pod = [](World& w) {
    const std::string job = w.names("Job").back();
    const codec::Value& object = *w.find("Job", job);
    codec::Value pod = codec::Value::object({{"kind", "Pod"}});
    pod["metadata"] = *object.at_path({"spec", "template", "metadata"});
    pod["metadata"]["name"] = job + "-x";
    pod["metadata"]["ownerReferences"] = codec::Value::array(
        {controller_reference(api::Job::kResource, w.get<api::Job>(job).metadata)});
    pod["spec"] = *object.at_path({"spec", "template", "spec"});
    w.put(pod.dump());
    w.set_status("Pod", job + "-x", R"({"phase":"Pending"})");
  };
  World w;
  w.config.job_controller = JobController::Kubernetes;
  w.put(kBatchPipeline);
  w.put(batch_run(R"(,"timeout":"30s")"));
  w.settle();
  EXPECT_EQ(w.get<api::Job>(w.names("Job").front()).spec.managed_by, "");
  EXPECT_TRUE(w.names("Pod").empty());
  make_pod(w);
  w.run_pod(w.only_pod());
  w.advance(31s);
  const auto job = w.get<api::Job>(w.names("Job").front());
  EXPECT_EQ(job.spec.active_deadline_seconds, 1) << "what the built-in controller acts upon";
  EXPECT_EQ(w.reason(), "Stopping");
  w.erase("Pod", w.only_pod());
  w.settle();
  EXPECT_EQ(w.reason(), "Stopping") << "until the Job says that no pod will come";
  w.set_status("Job", job.metadata.name,
               R"({"conditions":[{"type":"Failed","status":"True","reason":"DeadlineExceeded"}]})");
  w.settle();
  EXPECT_EQ(w.reason(), "BuildTimeout");
}

TEST(PlanBatch, NotesTellTheStory) {
  World w = started(R"(,"maxRetryCount":1)");
  w.advance(1s);
  w.fail_pod(w.only_pod(), 0, 1);
  w.advance(1s);
  w.succeed_pod(w.only_pod());
  w.settle();
  Texts reasons;
  for (const Note& note : w.notes) reasons.push_back(note.reason);
  EXPECT_EQ(reasons, (Texts{"Started", "BuildRetry", "Started", "Succeeded"}));
}

}  // namespace
}  // namespace millrace::logic
