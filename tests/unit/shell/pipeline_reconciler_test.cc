#include "controllers/shell/pipeline_reconciler.h"

#include <gtest/gtest.h>

#include "controllers/shell/trim.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/runtime/event_recorder.h"
#include "kubeclient/runtime/work_queue.h"
#include "tests/support/fake_api.h"

namespace millrace::shell {
namespace {

using codec::Value;
using support::error_of;

const ObjectKey kKey{"ns", "p"};

template <class T>
runtime::Ref<T> decode(const Value& object) {
  auto decoded = codec::decode<T>(object.dump());
  MR_CHECK(decoded.ok());
  trim(*decoded);
  return std::make_shared<const T>(*std::move(decoded));
}

class Nowhere final : public LogSink {
 public:
  void write(const std::string&) override {}
};

/// The Pipeline "p" with an hourly schedule that is registered, over a fake API; the caches hold
/// what a test puts there and our own writes.
class Bed final : public WriteObserver {
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
      pipelines.put(decode<crds::Pipeline>(*Value::parse(json)));
    } else if (resource == crds::PipelineRun::kResource) {
      runs.put(decode<crds::PipelineRun>(*Value::parse(json)));
    } else if (resource == api::ControllerRevision::kResource) {
      revisions.put(decode<api::ControllerRevision>(*Value::parse(json)));
    }
    return std::nullopt;
  }
  /// The watch catches up.
  void cache() { pipelines.put(decode<crds::Pipeline>(api.stored("pipelines", kKey))); }

  /// A run of an earlier tick has ended well.
  void add_ended_run() {
    api.store("pipelineruns", *Value::parse(R"({"metadata":{"name":"old","namespace":"ns",
        "uid":"ou","labels":{"millrace.dev/tick":"1"}},"spec":{"refPipeline":"p"},"status":{
        "conditions":[{"type":"Completed","status":"True"},{"type":"Succeeded","status":"True"}]}})"));
    runs.put(decode<crds::PipelineRun>(api.stored("pipelineruns", {"ns", "old"})));
  }

  Result<runtime::Outcome> reconcile() { return reconciler.reconcile(kKey, {{}, log, "1"}); }
  crds::TickRecord tick() const {
    return decode<crds::Pipeline>(api.stored("pipelines", kKey))->status.schedule->ticks.back();
  }
  std::size_t made() const {
    std::size_t count = 0;
    for (const auto& call : api.calls("create")) count += call.plural == "pipelineruns" ? 1 : 0;
    return count;
  }

  support::ManualClock clock;
  support::SteppingPause pause{clock};
  support::FakeApi api{clock};
  MetricsRegistry metrics;
  Nowhere sink;
  Logger log{sink};
  runtime::Env env{clock, pause, metrics, log};
  runtime::EventRecorder events{api, {}, env};
  runtime::Store<crds::Pipeline> pipelines;
  runtime::Store<crds::PipelineRun> runs;
  runtime::Store<api::Job> jobs;
  runtime::Store<api::Pod> pods;
  runtime::Store<api::Deployment> deployments;
  runtime::Store<api::Service> services_store;
  runtime::Store<api::ControllerRevision> revisions;
  Caches caches{pipelines, runs, jobs, pods, deployments, services_store, revisions};
  ProgressBudget progress{clock};
  Services services{api, clock, log, metrics, events, {}, progress};
  Actor actor{api, api, *this};
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
