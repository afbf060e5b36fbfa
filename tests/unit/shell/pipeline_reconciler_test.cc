#include "controllers/shell/pipeline_reconciler.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"
#include "kubeclient/runtime/work_queue.h"
#include "tests/unit/shell/shell_bed.h"

namespace millrace::shell {
namespace {

using codec::Value;
using support::error_of;

const ObjectKey kKey{"ns", "p"};

/// The Pipeline "p" with an hourly schedule that is registered, over a fake API; the caches hold
/// what a test puts there and our own writes.
class Bed final : public ShellBed {
 public:
  explicit Bed(const std::string& strategy = "") {
    runs.add_index(kByPipeline, [](const crds::PipelineRun& run) {
      return std::vector{index_value(run.metadata.ns, run.spec.ref_pipeline)};
    });
    revisions.add_index(kByOwnerUid, by_owner_uid<api::ControllerRevision>);
    api.store("pipelines", *Value::parse(R"({"metadata":{"name":"p","namespace":"ns","uid":"pu",
        "generation":1},"spec":{"batchJob":{"processors":[{"name":"a","image":"i"}]},
        "strategy":{"cronExpression":"@every 1h")" +
                                         strategy + "}}}"));
    cache();
    EXPECT_TRUE(reconcile().ok());
    clock.advance(std::chrono::hours(1));
  }

  std::optional<Version> wrote(const api::ApiResource& resource, const std::string& json) override {
    if (resource == crds::Pipeline::kResource) {
      pipelines.put(as_cached<crds::Pipeline>(*Value::parse(json)));
    } else if (resource == crds::PipelineRun::kResource) {
      runs.put(as_cached<crds::PipelineRun>(*Value::parse(json)));
    } else if (resource == api::ControllerRevision::kResource) {
      revisions.put(as_cached<api::ControllerRevision>(*Value::parse(json)));
    }
    return std::nullopt;
  }
  /// The watch catches up.
  void cache() { pipelines.put(as_cached<crds::Pipeline>(api.stored("pipelines", kKey))); }

  /// A run of an earlier tick has ended well.
  void add_ended_run() {
    api.store("pipelineruns", *Value::parse(R"({"metadata":{"name":"old","namespace":"ns",
        "uid":"ou","labels":{"millrace.dev/tick":"1"}},"spec":{"refPipeline":"p"},"status":{
        "conditions":[{"type":"Completed","status":"True"},{"type":"Succeeded","status":"True"}]}})"));
    runs.put(as_cached<crds::PipelineRun>(api.stored("pipelineruns", {"ns", "old"})));
  }

  Result<runtime::Outcome> reconcile() { return reconciler.reconcile(kKey, {{}, log, "1"}); }
  crds::TickRecord tick() const {
    return as_cached<crds::Pipeline>(api.stored("pipelines", kKey))->status.schedule->ticks.back();
  }
  std::size_t made() const {
    std::size_t count = 0;
    for (const auto& call : api.calls("create")) count += call.plural == "pipelineruns" ? 1 : 0;
    return count;
  }

  Memory<PipelineMemory> memory;
  RevisionCache revision_cache;
  ZoneFiles zones;
  runtime::WorkQueue trials{{.name = "trial"}, clock, metrics};
  PipelineReconciler reconciler{services, caches, actor, memory, revision_cache, zones, trials};
};

TEST(PipelineReconciler, AClaimOnRecordGetsItsRunByAFreshViewOnly) {
  Bed bed;
  bed.api.fail_next("create", error_of(Code::Unavailable));
  EXPECT_FALSE(bed.reconcile().ok());
  ASSERT_EQ(bed.tick().outcome, crds::TickOutcome::Claimed);
  ASSERT_EQ(bed.made(), 1u) << "a try";
  ASSERT_TRUE(bed.api.calls("get").empty()) << "the claim itself was written on a fresh view";

  // Meanwhile another operator made the run, put it on record, and the run is gone.
  const Value claimed = bed.api.stored("pipelines", kKey);
  Value recorded = claimed;
  recorded["status"]["schedule"]["ticks"] =
      *Value::parse(R"([{"time":")" + format_time(bed.tick().time) +
                    R"(","outcome":"Created","run":"p-run","uid":"ru"}])");
  bed.api.store("pipelines", std::move(recorded));
  EXPECT_EQ(bed.reconcile().error().code, Code::Conflict) << "the watch lags";
  EXPECT_EQ(bed.made(), 1u);
  bed.cache();
  EXPECT_TRUE(bed.reconcile().ok());
  EXPECT_EQ(bed.made(), 1u);

  bed.api.store("pipelines", claimed);  // as if nobody else had done anything
  bed.cache();
  EXPECT_TRUE(bed.reconcile().ok());
  EXPECT_EQ(bed.made(), 2u);
}

TEST(PipelineReconciler, WhatAQuotaRefusesDoesNotKeepTheRunsThatFillIt) {
  Bed bed(R"(,"successfulRunsHistoryLimit":0)");
  bed.add_ended_run();
  bed.api.fail_next("create", error_of(Code::Throttled, "exceeded quota"));
  EXPECT_EQ(bed.reconcile().error().code, Code::Throttled);
  EXPECT_EQ(bed.api.calls("delete").size(), 1u);
}

TEST(PipelineReconciler, ARunThatCannotBeDeletedDoesNotHoldUpTheNext) {
  Bed bed(R"(,"successfulRunsHistoryLimit":0)");
  bed.add_ended_run();
  bed.api.fail_next("delete", error_of(Code::Denied, "a webhook says no"));
  EXPECT_EQ(bed.reconcile().error().code, Code::Denied) << "tried again";
  EXPECT_EQ(bed.made(), 1u);
}

}  // namespace
}  // namespace millrace::shell
