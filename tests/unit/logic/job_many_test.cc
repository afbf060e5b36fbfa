#include "controllers/logic/job_many.h"

#include <gtest/gtest.h>

#include <set>

#include "controllers/logic/labels.h"
#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using codec::Value;
using Texts = std::vector<std::string>;

/// A world without another Job controller, with one Job "j"; `spec` are members of its spec.
World with_job(const std::string& spec, const std::string& restart = "Never") {
  World w;
  w.alone = true;
  w.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{)" + spec +
        R"(,"template":{"metadata":{"labels":{"a":"b"}},"spec":{"restartPolicy":")" + restart +
        R"(","initContainers":[{"name":"i"}],"containers":[{"name":"c","image":"x"}]}}}})");
  w.settle();
  return w;
}

Texts conditions(World& w) {
  Texts out;
  for (const auto& c : w.get<api::Job>("j").status.conditions) {
    if (c.type != "millrace.dev/Pods") out.push_back(c.type + "=" + c.status + "/" + c.reason);
  }
  return out;
}

/// Names of pods that have not ended.
Texts running(World& w) {
  Texts out;
  for (const api::Pod& pod : w.all<api::Pod>()) {
    if (pod.status.phase == "Pending" || pod.status.phase == "Running") {
      out.push_back(pod.metadata.name);
    }
  }
  return out;
}

void end_all(World& w, bool good) {
  for (const std::string& name : running(w)) {
    good ? w.succeed_pod(name) : w.fail_pod(name, 1, 1);
  }
  w.settle();
}

/// The pod of an index that has not ended.
std::string pod_of(World& w, int slot) {
  for (const std::string& name : running(w)) {
    if (slot_of(w.get<api::Pod>(name))->slot == slot) return name;
  }
  return "none";
}

TEST(PlanMany, AJobOfKubectlCreate) {
  World w = with_job(R"("backoffLimit":6,"completions":1,"parallelism":1)");
  ASSERT_EQ(running(w).size(), 1u);
  const auto pod = w.get<api::Pod>(running(w).front());
  EXPECT_EQ(pod.metadata.label("a"), "b");
  EXPECT_EQ(pod.metadata.label("job-name"), "j");
  EXPECT_EQ(pod.metadata.label("batch.kubernetes.io/controller-uid"),
            w.get<api::Job>("j").metadata.uid);
  end_all(w, true);
  EXPECT_EQ(conditions(w), (Texts{"SuccessCriteriaMet=True/CompletionsReached",
                                  "Complete=True/CompletionsReached"}));
  EXPECT_EQ(w.log.size(), 2u) << "a short Job is one pod and one status";
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, OnlyWhereThereIsNoOtherController) {
  for (const char* manager : {"", R"("managedBy":"kubernetes.io/job-controller",)"}) {
    World w;
    w.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{)" + std::string(manager) +
          R"("template":{"spec":{}}}})");
    w.settle();
    EXPECT_TRUE(w.log.empty()) << manager;
    w.alone = true;
    w.settle();
    EXPECT_EQ(w.names("Pod").size(), 1u) << manager;
  }
}

TEST(PlanMany, FailuresAreRepeatedEverLaterUpToTheLimit) {
  World w = with_job(R"("backoffLimit":2)");
  const struct {
    Duration before;
    Duration after;
  } pauses[] = {{9s, 2s}, {19s, 2s}};
  for (const auto& pause : pauses) {
    end_all(w, false);
    w.advance(pause.before);
    EXPECT_TRUE(running(w).empty());
    w.advance(pause.after);
    ASSERT_EQ(running(w).size(), 1u);
    EXPECT_TRUE(conditions(w).empty());
  }
  end_all(w, false);
  EXPECT_EQ(conditions(w).back(), "Failed=True/BackoffLimitExceeded");
  EXPECT_EQ(w.get<api::Job>("j").status.failed, 3);
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, RestartsInPlaceCountTowardsTheLimit) {
  World w = with_job(R"("backoffLimit":2)", "OnFailure");
  const auto restarted = [&](int times) {
    w.set_status("Pod", running(w).front(),
                 R"({"phase":"Running","containerStatuses":[{"name":"c","restartCount":)" +
                     std::to_string(times) + "}]}");
    w.settle();
  };
  restarted(1);
  EXPECT_TRUE(conditions(w).empty());
  restarted(2);
  EXPECT_EQ(conditions(w), Texts{"FailureTarget=True/BackoffLimitExceeded"});
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(conditions(w).back(), "Failed=True/BackoffLimitExceeded");
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, RunsAsManyAtOnceAsItMayUntilEnoughSucceeded) {
  World w = with_job(R"("completions":5,"parallelism":2)");
  Texts seen;
  for (const std::size_t want : {2u, 2u, 1u}) {
    EXPECT_EQ(running(w).size(), want);
    end_all(w, true);
  }
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
  EXPECT_EQ(w.get<api::Job>("j").status.succeeded, 5);
  EXPECT_EQ(w.names("Pod").size(), 5u);
}

TEST(PlanMany, AWorkQueueEndsWhenOneSucceededAndTheOthersAreThrough) {
  World w = with_job(R"("parallelism":3)");
  ASSERT_EQ(running(w).size(), 3u);
  w.succeed_pod(running(w).front());
  w.settle();
  EXPECT_EQ(running(w).size(), 2u) << "none is added any more";
  EXPECT_TRUE(conditions(w).empty());
  end_all(w, true);
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
  EXPECT_EQ(w.get<api::Job>("j").status.succeeded, 3);
}

TEST(PlanMany, IndexesAreInThePodsAndInTheStatus) {
  World w = with_job(R"("completions":4,"parallelism":3,"completionMode":"Indexed")");
  const Value pod = *w.find("Pod", pod_of(w, 2));
  EXPECT_EQ(pod.at_path({"spec", "hostname"})->as_string(), "j-2");
  for (const char* map : {"labels", "annotations"}) {
    EXPECT_EQ(pod.at_path({"metadata", map, kIndexAnnotation})->as_string(), "2");
  }
  for (const char* list : {"initContainers", "containers"}) {
    const Value& env = *pod.at_path({"spec", list})->items()[0].find("env");
    EXPECT_EQ(env.items()[0].find("name")->as_string(), "JOB_COMPLETION_INDEX") << list;
    EXPECT_EQ(env.items()[0].find("value")->as_string(), "2") << list;
  }
  w.succeed_pod(pod_of(w, 0));
  w.succeed_pod(pod_of(w, 2));
  w.advance(2s);
  EXPECT_EQ(w.get<api::Job>("j").status.completed_indexes, "0,2");
  EXPECT_EQ(running(w).size(), 2u);
  end_all(w, true);
  EXPECT_EQ(w.get<api::Job>("j").status.completed_indexes, "0-3");
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, ElasticIndexedJobsFollowTheirCompletions) {
  World w = with_job(R"("completions":3,"parallelism":3,"completionMode":"Indexed")");
  w.succeed_pod(pod_of(w, 2));
  w.advance(2s);
  for (const char* member : {"completions", "parallelism"}) {
    (*w.find("Job", "j"))["spec"][member] = 2;
  }
  w.advance(2s);
  EXPECT_EQ(w.get<api::Job>("j").status.succeeded, 0);
  for (const char* member : {"completions", "parallelism"}) {
    (*w.find("Job", "j"))["spec"][member] = 3;
  }
  w.advance(2s);
  end_all(w, true);
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, LimitsPerIndex) {
  World w = with_job(
      R"("completions":2,"parallelism":2,"completionMode":"Indexed","backoffLimitPerIndex":1)");
  w.succeed_pod(pod_of(w, 1));
  w.fail_pod(pod_of(w, 0), 1, 1);
  w.advance(11s);
  ASSERT_NE(pod_of(w, 0), "none");
  EXPECT_EQ(w.get<api::Pod>(pod_of(w, 0)).metadata.annotation(kIndexFailuresAnnotation), "1");
  w.fail_pod(pod_of(w, 0), 1, 1);
  w.settle();
  EXPECT_EQ(conditions(w).back(), "Failed=True/FailedIndexes");
  const auto status = w.get<api::Job>("j").status;
  EXPECT_EQ(status.failed_indexes, "0");
  EXPECT_EQ(status.completed_indexes, "1");

  World many = with_job(
      R"("completions":5,"parallelism":5,"completionMode":"Indexed","backoffLimitPerIndex":0,
      "maxFailedIndexes":1)");
  many.fail_pod(pod_of(many, 0), 1, 1);
  many.settle();
  EXPECT_TRUE(conditions(many).empty());
  many.fail_pod(pod_of(many, 3), 1, 1);
  many.settle();
  EXPECT_EQ(conditions(many), Texts{"FailureTarget=True/MaxFailedIndexesExceeded"});
  many.finish_deletions();
  many.settle();
  EXPECT_EQ(conditions(many).back(), "Failed=True/MaxFailedIndexesExceeded");
  EXPECT_EQ(many.complaints, Texts{});
}

TEST(PlanMany, PoliciesOnFailedPods) {
  const std::string rules = R"("backoffLimit":0,"podFailurePolicy":{"rules":[
      {"action":"FailJob","onExitCodes":{"operator":"In","values":[42]}},
      {"action":"Ignore","onPodConditions":[{"type":"DisruptionTarget","status":"True"}]}]})";
  World fails = with_job(rules);
  fails.fail_pod(running(fails).front(), 1, 42);
  fails.settle();
  EXPECT_EQ(conditions(fails).back(), "Failed=True/PodFailurePolicy");

  World ignored = with_job(rules);
  ignored.set_status("Pod", running(ignored).front(),
                     R"({"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True",
                     "reason":"EvictionByEvictionAPI"}]})");
  ignored.advance(30s);
  EXPECT_EQ(running(ignored).size(), 1u) << "replaced";
  EXPECT_EQ(ignored.get<api::Job>("j").status.failed, 0);

  World counted = with_job(rules);
  counted.fail_pod(running(counted).front(), 1, 7);
  counted.settle();
  EXPECT_EQ(conditions(counted).back(), "Failed=True/BackoffLimitExceeded");
}

TEST(PlanMany, SuccessPolicyEndsTheRest) {
  World w = with_job(R"("completions":4,"parallelism":4,"completionMode":"Indexed",
      "successPolicy":{"rules":[{"succeededIndexes":"1-3","succeededCount":1}]})");
  w.succeed_pod(pod_of(w, 0));
  w.settle();
  EXPECT_TRUE(conditions(w).empty()) << "0 is none of them";
  w.succeed_pod(pod_of(w, 2));
  w.settle();
  EXPECT_EQ(conditions(w), Texts{"SuccessCriteriaMet=True/SuccessPolicy"});
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(conditions(w).back(), "Complete=True/SuccessPolicy");
  EXPECT_EQ(w.get<api::Job>("j").status.completed_indexes, "0,2");
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, TheDeadlineEndsAllPodsFirst) {
  World w = with_job(R"("completions":2,"parallelism":2,"activeDeadlineSeconds":20)");
  w.advance(25s);
  EXPECT_EQ(conditions(w), Texts{"FailureTarget=True/DeadlineExceeded"});
  for (const api::Pod& pod : w.all<api::Pod>()) EXPECT_TRUE(pod.metadata.deletion_timestamp);
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(conditions(w).back(), "Failed=True/DeadlineExceeded");
  EXPECT_EQ(w.get<api::Job>("j").status.failed, 2);
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, SuspensionIsNoFailureAndTheDeadlineStartsAnew) {
  World w = with_job(R"("completions":2,"parallelism":2,"activeDeadlineSeconds":60,
      "backoffLimit":0)");
  w.advance(30s);
  (*w.find("Job", "j"))["spec"]["suspend"] = true;
  w.settle();
  for (int i = 0; i < 2; ++i) w.finish_deletions();
  w.advance(100s);
  EXPECT_EQ(conditions(w), Texts{"Suspended=True/JobSuspended"});
  EXPECT_FALSE(w.get<api::Job>("j").status.start_time.has_value());
  EXPECT_TRUE(running(w).empty());
  (*w.find("Job", "j"))["spec"]["suspend"] = false;
  w.advance(50s);
  EXPECT_EQ(conditions(w), Texts{"Suspended=False/JobResumed"});
  ASSERT_EQ(running(w).size(), 2u);
  end_all(w, true);
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
  EXPECT_EQ(w.get<api::Job>("j").status.failed, 0);
  EXPECT_EQ(w.complaints, Texts{});
}

TEST(PlanMany, LessParallelismEndsTheSurplusWithoutCountingIt) {
  World w = with_job(R"("completions":6,"parallelism":3,"backoffLimit":0)");
  (*w.find("Job", "j"))["spec"]["parallelism"] = 1;
  w.settle();
  w.finish_deletions();
  w.settle();
  EXPECT_EQ(running(w).size(), 1u);
  for (int i = 0; i < 6; ++i) end_all(w, true);
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
  EXPECT_EQ(w.get<api::Job>("j").status.failed, 0);
}

TEST(PlanMany, APodThatSomebodyDeletesIsAFailure) {
  for (const bool restart : {false, true}) {
    World w = with_job(R"("backoffLimit":1)");
    w.advance(3s);
    if (restart) w.restart();
    w.erase("Pod", running(w).front());
    w.advance(2s);
    EXPECT_EQ(running(w).size(), 1u) << restart;
    EXPECT_EQ(w.get<api::Job>("j").status.failed, 1) << restart;
    w.erase("Pod", running(w).front());
    w.settle();
    EXPECT_EQ(conditions(w).back(), "Failed=True/BackoffLimitExceeded") << restart;
    EXPECT_GT(w.reads, 0) << "absence is checked with the server";
  }
}

TEST(PlanMany, WhenAPodOnItsWayOutIsReplaced) {
  const auto leave = [](World& w) {
    (*w.find("Pod", running(w).front()))["metadata"]["deletionTimestamp"] =
        format_time(w.now + 30s);
    w.advance(15s);
  };
  World early = with_job(R"("completions":1)");
  leave(early);
  EXPECT_EQ(running(early).size(), 2u);
  EXPECT_EQ(early.get<api::Job>("j").status.terminating, 1);
  World late = with_job(R"("completions":1,"podReplacementPolicy":"Failed")");
  leave(late);
  EXPECT_EQ(running(late).size(), 1u);
  late.finish_deletions();
  late.advance(15s);
  EXPECT_EQ(running(late).size(), 1u);
  EXPECT_EQ(late.get<api::Job>("j").status.failed, 1);
}

TEST(PlanMany, CountedPodsMayGo) {
  World w = with_job(R"("completions":4,"parallelism":2)");
  end_all(w, true);
  w.advance(2s);
  w.restart();
  for (const api::Pod& pod : w.all<api::Pod>()) {
    if (pod.status.phase == "Succeeded") w.erase("Pod", pod.metadata.name);
  }
  w.advance(2s);
  EXPECT_EQ(w.get<api::Job>("j").status.succeeded, 2);
  end_all(w, true);
  EXPECT_EQ(conditions(w).back(), "Complete=True/CompletionsReached");
  EXPECT_EQ(w.get<api::Job>("j").status.failed, 0);
}

TEST(PlanMany, RefusedPods) {
  World w;
  w.alone = true;
  bool refuse = true;
  w.refuse = [&](const Action&) {
    return refuse ? std::optional(refusal(Code::Throttled, "exceeded quota")) : std::nullopt;
  };
  w.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{"template":{"spec":{}}}})");
  w.settle();
  EXPECT_TRUE(conditions(w).empty());
  refuse = false;
  w.advance(2s);
  EXPECT_EQ(running(w).size(), 1u);

  World never;
  never.alone = true;
  never.refuse = [](const Action&) { return refusal(Code::Invalid, "spec.containers: Required"); };
  never.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{"template":{"spec":{}}}})");
  never.settle();
  EXPECT_EQ(conditions(never).back(), "Failed=True/CreateFailed");
}

TEST(PlanMany, ManyPodsAreMadeInPieces) {
  World w = with_job(R"("completions":70,"parallelism":70)");
  const auto first = w.plan_for_job("j");
  EXPECT_TRUE(first.actions.empty()) << "all are there";
  EXPECT_EQ(running(w).size(), 70u);
  World fresh;
  fresh.alone = true;
  fresh.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{"completions":70,"parallelism":70,
      "template":{"spec":{}}}})");
  const JobPlan plan = fresh.plan_for_job("j");
  EXPECT_EQ(plan.actions.size(), 20u);
  EXPECT_EQ(plan.recheck, Duration::zero());
}

TEST(PlanMany, NamesOfPodsAreNeverAlike) {
  World w;
  w.alone = true;
  const std::string name(60, 'n');
  w.put(R"({"kind":"Job","metadata":{"name":")" + name + R"("},"spec":{"template":{"spec":{}}}})");
  const auto job = w.get<api::Job>(name);
  std::set<std::string> names;
  for (const int slot : {0, 1, 10, 99999, 2147483647}) {
    for (const int attempt : {0, 1, 11, 1000000000}) {
      const Action action = create_slot_pod(job, {slot, attempt}, 0);
      EXPECT_TRUE(names.insert(action.key.name).second) << action.key.name;
      EXPECT_LE(action.key.name.size(), 63u);
    }
  }
}

TEST(PlanExpiry, FinishedJobsGoWhenTheirTimeIsUp) {
  World w = with_job(R"("ttlSecondsAfterFinished":60)");
  end_all(w, true);
  w.advance(58s);
  EXPECT_NE(w.find("Job", "j"), nullptr);
  w.advance(3s);
  EXPECT_EQ(w.find("Job", "j"), nullptr);

  World other = with_job(R"("ttlSecondsAfterFinished":0)");
  other.alone = false;
  end_all(other, true);
  other.alone = true;
  end_all(other, true);
  EXPECT_EQ(other.find("Job", "j"), nullptr) << "at once";
}

}  // namespace
}  // namespace millrace::logic
