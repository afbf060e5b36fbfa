#include "controllers/shell/job_reconciler.h"

#include <gtest/gtest.h>

#include "controllers/logic/job_many.h"
#include "controllers/logic/names.h"
#include "kubeclient/runtime/work_queue.h"
#include "tests/unit/shell/shell_bed.h"

namespace millrace::shell {
namespace {

using codec::Value;

logic::Config alone() {
  logic::Config config;
  config.run_unmanaged_jobs = true;
  return config;
}

const char* const kOnePod =
    R"("managedBy":"millrace.dev/job-controller","backoffLimit":0,"completions":1,"parallelism":1,)";

/// A Job controller over a fake API; its caches hold what a test puts there and our own writes.
class Bed final : public ShellBed {
 public:
  Bed() : ShellBed(alone()) { pods.add_index(kByOwnerUid, by_owner_uid<api::Pod>); }

  std::optional<Version> wrote(const api::ApiResource& resource, const std::string& json) override {
    if (resource == api::Job::kResource) jobs.put(as_cached<api::Job>(*Value::parse(json)));
    if (resource == api::Pod::kResource) pods.put(as_cached<api::Pod>(*Value::parse(json)));
    return std::nullopt;
  }

  /// Store the Job "j" with `spec`, in the API and in the cache.
  void add_job(const std::string& spec, const std::string& labels = "{}",
               const std::string& owners = "[]") {
    api.store("jobs", *Value::parse(R"({"metadata":{"name":"j","namespace":"ns","uid":"u1",
        "creationTimestamp":"2026-11-21T00:00:00Z","ownerReferences":)" +
                                    owners + R"(,"labels":)" + labels + R"(},"spec":{)" + spec +
                                    R"("template":{"spec":{"containers":[{"name":"c"}]}}}})"));
    cache_job();
  }
  /// The same, made by this process for the run "r" of UID "ru".
  void add_job_of_run() {
    add_job(kOnePod, R"({"millrace.dev/run":"r","millrace.dev/run-uid":"ru"})",
            R"([{"apiVersion":"millrace.dev/v1","kind":"PipelineRun","name":"r","uid":"ru",
            "controller":true}])");
    run_memory.update("ru", [](RunMemory& m) { m.made_jobs["j"] = {1, true}; });
  }
  /// The run "r" as the API and, if `cached`, the cache have it.
  void add_run(const std::string& uid, bool ended, bool cached) {
    Value run = *Value::parse(R"({"metadata":{"name":"r","namespace":"ns"},
        "spec":{"refPipeline":"p"}})");
    run["metadata"]["uid"] = uid;
    if (ended) {
      run["status"]["conditions"] =
          *Value::parse(R"([{"type":"Completed","status":"True","reason":"Cancelled"}])");
    }
    api.store("pipelineruns", run);
    if (cached) runs.put(as_cached<crds::PipelineRun>(api.stored("pipelineruns", {"ns", "r"})));
  }
  void cache_job() { jobs.put(as_cached<api::Job>(api.stored("jobs", {"ns", "j"}))); }

  /// The kubelet reports.
  void set_phase(const std::string& pod, const std::string& phase) {
    Value object = api.stored("pods", {"ns", pod});
    object["status"]["phase"] = phase;
    api.store("pods", std::move(object));
    pods.put(as_cached<api::Pod>(api.stored("pods", {"ns", pod})));
  }

  Result<runtime::Outcome> reconcile() { return reconciler.reconcile({"ns", "j"}, {{}, log, "1"}); }
  api::Job::JobStatus status() {
    return as_cached<api::Job>(api.stored("jobs", {"ns", "j"}))->status;
  }
  std::string last_condition() {
    const auto now = status();
    return now.conditions.empty() ? "" : now.conditions.back().type;
  }

  Memory<JobMemory> memory;
  Memory<RunMemory> run_memory;
  runtime::WorkQueue run_queue{{.name = "run"}, clock, metrics};
  JobReconciler reconciler{services, caches, actor, memory, run_memory, run_queue};
};

TEST(JobReconciler, OnePodTakesACreateAndAStatusWrite) {
  Bed bed;
  bed.add_job(kOnePod, R"({"millrace.dev/run-uid":"r1"})");
  bed.run_memory.update("r1", [](RunMemory& m) { m.made_jobs["j"] = {1, true}; });
  ASSERT_TRUE(bed.reconcile().ok());
  bed.set_phase(logic::pod_name("j", "u1"), "Succeeded");
  EXPECT_EQ(bed.reconcile().value(), runtime::Outcome(runtime::Done{}));
  EXPECT_EQ(bed.last_condition(), "Complete");
  EXPECT_EQ(bed.reconcile().value(), runtime::Outcome(runtime::Done{}));
  EXPECT_EQ(bed.api.calls().size(), 2u);
  EXPECT_EQ(bed.memory.size(), 0u) << "nothing is kept of finished Jobs";
}

TEST(JobReconciler, AJobOfARunThatGoesOnCostsNoLookAtTheRun) {
  Bed bed;
  bed.add_run("ru", false, true);
  bed.add_job_of_run();
  ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_EQ(bed.api.calls("create").size(), 1u);
  EXPECT_EQ(bed.api.calls().size(), 1u);
}

TEST(JobReconciler, AJobThatComesAfterTheEndOfItsRunIsStoppedWithoutAPod) {
  // Another process made it, having stood still while this one cancelled and ended the run; or its
  // create took effect long after it timed out.
  Bed bed;
  bed.add_run("ru", true, true);
  bed.add_job_of_run();
  bed.run_memory.forget("ru");  // as of all runs that have ended
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_TRUE(bed.api.calls("create").empty());
  ASSERT_EQ(bed.last_condition(), "Failed");
  EXPECT_EQ(bed.status().conditions.back().reason, "RunEnded");
  EXPECT_EQ(bed.api.calls("patch").size(), 2u) << "the order and the end";
}

TEST(JobReconciler, TheEndOfARunThatTheCacheDoesNotShowIsSeenByTheProcessThatTakesOver) {
  Bed bed;
  bed.add_run("ru", false, true);
  bed.add_run("ru", true, false);
  bed.add_job_of_run();
  bed.run_memory.forget("ru");  // not the process that made the Job
  ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_TRUE(bed.api.calls("create").empty());
  EXPECT_EQ(bed.api.calls("patch").size(), 1u);
}

TEST(JobReconciler, ARunThatIsNotCachedIsReadOnceAndGoesOn) {
  Bed bed;
  bed.add_run("ru", false, false);
  bed.add_job_of_run();
  ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_EQ(bed.api.calls("create").size(), 1u);
  int looks = 0;
  for (const auto& call : bed.api.calls("get")) looks += call.plural == "pipelineruns" ? 1 : 0;
  EXPECT_EQ(looks, 1);
}

TEST(JobReconciler, AJobWhoseRunIsGoneGetsNoPodAndNothingElse) {
  for (const bool another : {false, true}) {
    for (const bool cached : {false, true}) {
      Bed bed;
      if (another) bed.add_run("the next one", false, cached);
      bed.add_job_of_run();
      const auto outcome = bed.reconcile();
      ASSERT_TRUE(outcome.ok());
      EXPECT_EQ(*outcome, runtime::Outcome(runtime::Done{})) << another;
      EXPECT_TRUE(bed.api.calls("create").empty()) << another;
      EXPECT_TRUE(bed.api.calls("patch").empty()) << another;
    }
  }
}

TEST(JobReconciler, ARunThatOnlyACacheThatLagsHasOfTheSameNameIsNotTaken) {
  Bed bed;
  bed.add_run("the one before", true, true);
  bed.add_run("ru", false, false);
  bed.add_job_of_run();
  ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_EQ(bed.api.calls("create").size(), 1u);
  EXPECT_TRUE(bed.api.calls("patch").empty());
}

/// After a restart a Job of a run that has ended may come into the cache when its ended pod was
/// let go of already; the store takes no version of the pod that it had before.
TEST(JobReconciler, APodThatLeftTheCacheForGoodIsReadLive) {
  for (const char* spec : {kOnePod, R"("completions":1,)"}) {
    Bed bed;
    bed.add_job(spec);
    ASSERT_TRUE(bed.reconcile().ok());
    const bool one = spec == kOnePod;
    const std::string name =
        one ? logic::pod_name("j", "u1") : logic::slot_pod_name("j", "u1", 0, 0);
    bed.set_phase(name, "Succeeded");
    Bed after;  // the same API, as a new process finds it
    after.api.store("jobs", bed.api.stored("jobs", {"ns", "j"}));
    after.api.store("pods", bed.api.stored("pods", {"ns", name}));
    const auto pod = as_cached<api::Pod>(after.api.stored("pods", {"ns", name}));
    after.pods.replace("", {pod}, api::version_number(pod->metadata.resource_version),
                       runtime::ReplaceMode::KeepNewer);
    after.pods.drop({"ns", name});
    after.cache_job();
    const auto first = after.reconcile();
    ASSERT_TRUE(first.ok());
    if (one) {  // not the process that made the Job: it looks before it makes anything
      EXPECT_EQ(after.last_condition(), "Complete");
      EXPECT_TRUE(after.api.calls("create").empty());
      continue;
    }
    EXPECT_EQ(*first, runtime::Outcome(runtime::RequeueAfter{})) << "no event will come";
    ASSERT_EQ(after.pods.get({"ns", name}), nullptr) << "else this proves nothing";
    ASSERT_TRUE(after.reconcile().ok());
    EXPECT_EQ(after.last_condition(), "Complete") << spec;
    EXPECT_EQ(after.api.calls("create").size(), 1u);
  }
}

TEST(JobReconciler, AbsenceIsAskedForOnceAndCountsAsAFailure) {
  Bed bed;
  bed.add_job(R"("completions":1,"backoffLimit":0,)");
  ASSERT_TRUE(bed.reconcile().ok());
  const ObjectKey pod{"ns", logic::slot_pod_name("j", "u1", 0, 0)};
  bed.api.erase("pods", pod);
  bed.pods.remove(pod, 0);
  ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_EQ(bed.last_condition(), "Failed");
  EXPECT_EQ(bed.api.calls("list").size(), 1u);
  EXPECT_EQ(bed.status().failed, 1);
}

TEST(JobReconciler, ARefusedPodIsToldToItsRunAndTriedAgain) {
  Bed bed;
  bed.add_job(kOnePod, R"({"millrace.dev/run":"r","millrace.dev/run-uid":"ru"})");
  bed.api.fail_next("create", support::error_of(Code::Throttled, "exceeded quota: q"));
  const auto outcome = bed.reconcile();
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(*outcome, runtime::Outcome(runtime::RequeueAfter{std::chrono::seconds(1)}));
  ASSERT_TRUE(bed.run_memory.get("ru").pod_failure.has_value());
  EXPECT_EQ(bed.run_queue.try_get(), (ObjectKey{"ns", "r"}));
  ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_FALSE(bed.run_memory.get("ru").pod_failure.has_value());
  EXPECT_EQ(bed.api.calls("create").size(), 2u);
}

TEST(JobReconciler, AConflictOrALostConnectionIsForTheQueue) {
  const struct {
    const char* verb;
    Code code;
  } cases[] = {{"patch", Code::Conflict}, {"patch", Code::Timeout}, {"create", Code::Timeout}};
  for (const auto& c : cases) {
    Bed bed;
    bed.add_job(kOnePod);
    if (std::string(c.verb) == "patch") {
      ASSERT_TRUE(bed.reconcile().ok());
      bed.set_phase(logic::pod_name("j", "u1"), "Succeeded");
    }
    bed.api.fail_next(c.verb, support::error_of(c.code));
    const auto outcome = bed.reconcile();
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(to_string(outcome.error().code), to_string(c.code));
    ASSERT_TRUE(bed.reconcile().ok()) << "and then it works";
  }
}

TEST(JobReconciler, ACreateWhoseAnswerWasLostMakesNoSecondPod) {
  Bed bed;
  bed.add_job(R"("completions":2,"parallelism":2,)");
  bed.api.lose_answer("create", support::error_of(Code::Timeout));
  EXPECT_FALSE(bed.reconcile().ok());
  ASSERT_TRUE(bed.reconcile().ok());
  ASSERT_TRUE(bed.reconcile().ok());
  for (const int slot : {0, 1}) {
    EXPECT_NE(bed.pods.get({"ns", logic::slot_pod_name("j", "u1", slot, 0)}), nullptr);
  }
  EXPECT_EQ(bed.pods.size(), 2u);
}

TEST(JobReconciler, AStopDoesNotOverlookAPodWhoseCreateWentUnanswered) {
  // Found by tests/sim: the Job ended, the pod ran on, and the next attempt began beside it.
  for (const char* spec : {kOnePod, R"("completions":1,)"}) {
    Bed bed;
    bed.add_job(spec);
    bed.api.lose_answer("create", support::error_of(Code::Timeout));
    EXPECT_FALSE(bed.reconcile().ok());
    ASSERT_EQ(bed.pods.size(), 0u);
    Value job = bed.api.stored("jobs", {"ns", "j"});
    job["metadata"]["annotations"] = Value::object({{"millrace.dev/stop", "Cancelled"}});
    bed.api.store("jobs", std::move(job));
    bed.cache_job();
    ASSERT_TRUE(bed.reconcile().ok());
    EXPECT_NE(bed.last_condition(), "Failed") << spec;
    for (int i = 0; i < 3 && bed.last_condition() != "Failed"; ++i) {
      ASSERT_TRUE(bed.reconcile().ok());
    }
    EXPECT_EQ(bed.api.calls("delete").size(), 1u) << spec;
    EXPECT_EQ(bed.last_condition(), "Failed") << spec;
  }
}

TEST(JobReconciler, AJobThatHasExpiredIsDeleted) {
  Bed bed;
  bed.add_job(R"("ttlSecondsAfterFinished":60,)");
  ASSERT_TRUE(bed.reconcile().ok());
  bed.set_phase(logic::slot_pod_name("j", "u1", 0, 0), "Succeeded");
  EXPECT_EQ(bed.reconcile().value(), runtime::Outcome(runtime::Done{}));
  const auto waits = bed.reconcile();
  ASSERT_TRUE(waits.ok() && std::holds_alternative<runtime::RequeueAfter>(*waits));
  EXPECT_EQ(std::get<runtime::RequeueAfter>(*waits).delay, Duration(std::chrono::seconds(60)));
  bed.clock.advance(std::chrono::seconds(61));
  ASSERT_TRUE(bed.reconcile().ok());
  EXPECT_TRUE(bed.api.stored("jobs", {"ns", "j"}).is_null());
}

}  // namespace
}  // namespace millrace::shell
