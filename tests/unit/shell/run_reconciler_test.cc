#include "controllers/shell/run_reconciler.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"
#include "kubeclient/runtime/work_queue.h"
#include "tests/unit/shell/fake_calls.h"
#include "tests/unit/shell/shell_bed.h"

namespace millrace::shell {
namespace {

using codec::Value;
using namespace std::chrono_literals;

/// Runs that the gateway makes, of a pipeline of one call; over a fake API.
class Bed final : public ShellBed {
 public:
  Bed() {
    runs.add_index(kByOwnerUid, by_owner_uid<crds::PipelineRun>);
    jobs.add_index(kByRunUid, by_run_uid<api::Job>);
    pods.add_index(kByRunUid, by_run_uid<api::Pod>);
    pipelines.put(as_cached<crds::Pipeline>(*Value::parse(R"({"metadata":{"name":"p",
        "namespace":"ns","uid":"pu","resourceVersion":"1"},"spec":{
        "steps":[{"name":"a","http":{"url":"https://a.example"}}]}})")));
  }

  std::optional<Version> wrote(const api::ApiResource& resource, const std::string& json) override {
    if (resource == crds::PipelineRun::kResource) {
      runs.put(as_cached<crds::PipelineRun>(*Value::parse(json)));
    } else if (resource == api::ControllerRevision::kResource) {
      revisions.put(as_cached<api::ControllerRevision>(*Value::parse(json)));
    }
    return std::nullopt;
  }

  /// A delivery comes; the cache sees its run.
  void add_run(const std::string& name) {
    const std::string revision = revision_cache.current(*pipelines.get({"ns", "p"}))->name;
    api.store(
        "pipelineruns",
        *Value::parse(R"({"metadata":{"name":")" + name + R"(","namespace":"ns","uid":")" + name +
                      R"(","creationTimestamp":")" + format_time(truncate_to_second(clock.now())) +
                      R"(","annotations":{"millrace.dev/revision":")" + revision +
                      R"("},"ownerReferences":[{
        "apiVersion":"millrace.dev/v1","kind":"Pipeline","name":"p","uid":"pu","controller":true}]},
        "spec":{"refPipeline":"p","trigger":{"body":{}}}})"));
    runs.put(as_cached<crds::PipelineRun>(api.stored("pipelineruns", {"ns", name})));
  }
  /// Another operator has the answer on record; our watch lags.
  void end_elsewhere(const std::string& name) {
    Value run = api.stored("pipelineruns", {"ns", name});
    run["status"] = *Value::parse(R"({"conditions":[{"type":"Completed","status":"True"},
        {"type":"Succeeded","status":"True"}]})");
    api.store("pipelineruns", std::move(run));
  }

  Result<runtime::Outcome> reconcile(const std::string& name) {
    return reconciler.reconcile({"ns", name}, {{}, log, "1"});
  }

  Memory<RunMemory> memory;
  RevisionCache revision_cache;
  UserObjects objects{api, api};
  FakeCalls calls;
  runtime::WorkQueue queue{{.name = "run"}, clock, metrics};
  RunReconciler reconciler{services, caches, actor, memory, revision_cache, objects, &calls, queue};
};

TEST(RunReconciler, TheFirstCallOfARunThatSomebodyElseHadIsBegunAfterALiveLook) {
  Bed bed;
  bed.add_run("theirs");
  bed.end_elsewhere("theirs");
  bed.add_run("left");
  bed.reconciler.took_over(bed.clock.now());
  ASSERT_TRUE(bed.reconcile("theirs").ok());
  EXPECT_TRUE(bed.calls.begun().empty()) << "it has been sent, and the answer is on record";
  ASSERT_TRUE(bed.reconcile("left").ok());
  EXPECT_EQ(bed.calls.begun().size(), 1u);

  bed.clock.advance(10s);
  bed.add_run("ours");
  const std::size_t before = bed.api.calls().size();
  ASSERT_TRUE(bed.reconcile("ours").ok());
  EXPECT_EQ(bed.calls.begun().size(), 2u);
  for (std::size_t i = before; i < bed.api.calls().size(); ++i) {
    EXPECT_NE(bed.api.calls()[i].verb, "get") << "nothing is read for it";
    EXPECT_NE(bed.api.calls()[i].verb, "list") << "nothing is read for it";
  }
}

}  // namespace
}  // namespace millrace::shell
