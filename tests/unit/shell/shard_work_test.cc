#include "controllers/shell/shard_work.h"

#include <gtest/gtest.h>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/shell/fake_calls.h"

namespace millrace::shell {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDrain = 10s;

/// Run "ns/r" with UID "u", and what is asked of it.
class ShardWorkTest : public testing::Test {
 protected:
  explicit ShardWorkTest(int count = 2)
      : work_(caches_, &calls_, run_memory_, pipeline_memory_, {clock_, pause_, metrics_, log_},
              {count, kDrain, [](int) {},
               [this](const ObjectKey& run) { looked_.push_back(run.str()); }}) {
    crds::PipelineRun run;
    run.metadata.ns = "ns";
    run.metadata.name = "r";
    run.metadata.uid = "u";
    run.spec.ref_pipeline = "p";
    runs_.put(std::make_shared<const crds::PipelineRun>(std::move(run)));
    work_.gained(shard());
  }

  const crds::PipelineRun& run() { return *runs_.get({"ns", "r"}); }
  int shard() { return work_.of(run()); }
  void begin(const std::string& key) {
    logic::CallOrder order;
    order.key = key;
    ASSERT_TRUE(calls_.begin("u", "ns", order, {}, {}).ok());
  }

  support::ManualClock clock_;
  support::SteppingPause pause_{clock_};
  MetricsRegistry metrics_;
  const Logger log_{stderr_sink(), LogLevel::Off};
  runtime::Store<crds::Pipeline> pipelines_;
  runtime::Store<crds::PipelineRun> runs_;
  runtime::Store<api::Job> jobs_;
  runtime::Store<api::Pod> pods_;
  runtime::Store<api::Deployment> deployments_;
  runtime::Store<api::Service> services_;
  runtime::Store<api::ControllerRevision> revisions_;
  const Caches caches_{pipelines_, runs_, jobs_, pods_, deployments_, services_, revisions_};
  FakeCalls calls_;
  Memory<RunMemory> run_memory_;
  Memory<PipelineMemory> pipeline_memory_;
  std::vector<std::string> looked_;
  ShardWork work_;
};

struct OneShard : ShardWorkTest {
  OneShard() : ShardWorkTest(1) {}
};

TEST_F(ShardWorkTest, AShardIsLeftOnceTheAnswersOfItsCallsAreOnRecord) {
  begin("a/1");
  EXPECT_TRUE(work_.may_call(run()));
  work_.leave(shard());
  EXPECT_FALSE(work_.may_call(run()));
  EXPECT_EQ(looked_, std::vector<std::string>{"ns/r"}) << "its answer may be on record by now";
  EXPECT_FALSE(work_.left(shard()));
  calls_.answer("a/1");
  EXPECT_FALSE(work_.left(shard())) << "not on record yet";
  calls_.forget("u", "a/1");
  EXPECT_TRUE(work_.left(shard()));
}

TEST_F(ShardWorkTest, CallsThatWaitTheirTurnAreLeftToTheNextOwner) {
  calls_.add_waiting("u", "a/1");
  work_.leave(shard());
  EXPECT_TRUE(work_.left(shard()));
}

TEST_F(ShardWorkTest, ACallLongerThanTheBoundIsCut) {
  begin("a/1");
  work_.leave(shard());
  clock_.advance(kDrain - 1ms);
  EXPECT_FALSE(work_.left(shard()));
  EXPECT_FALSE(calls_.none_known());
  clock_.advance(1ms);
  EXPECT_TRUE(work_.left(shard()));
  EXPECT_TRUE(calls_.none_known());
}

TEST_F(OneShard, OnceTheEndHasBegunNoCallIsBegunAndThoseUnderWayAreAwaited) {
  begin("a/1");
  calls_.add_waiting("u", "b/1");
  EXPECT_TRUE(work_.may_call(run()));
  work_.begin_ending();
  EXPECT_FALSE(work_.may_call(run()));
  EXPECT_EQ(looked_, std::vector<std::string>{"ns/r"});
  EXPECT_TRUE(work_.calls_under_way());
  EXPECT_EQ(calls_.states("u").size(), 1U) << "what waits its turn is not sent any more";
  calls_.forget("u", "a/1");
  EXPECT_FALSE(work_.calls_under_way());
}

TEST_F(OneShard, WhatIsUnderWayStillIsCut) {
  begin("a/1");
  work_.begin_ending();
  work_.cut_calls();
  EXPECT_TRUE(calls_.none_known());
}

/// Counts.
struct Inner final : runtime::Reconciler {
  Result<runtime::Outcome> reconcile(const ObjectKey&, const runtime::ReconcileContext&) override {
    ++count;
    return runtime::Done{};
  }
  int count = 0;
};

void expect_nothing_once_shut(ShardWork& work, int shard, const crds::PipelineRun& run,
                              const Logger& log) {
  Inner inner;
  ShardedReconciler gated(inner, work.gate(), [shard](const ObjectKey&) { return shard; });
  const runtime::ReconcileContext context{{}, log, "1"};
  ASSERT_TRUE(gated.reconcile({"ns", "r"}, context).ok());
  ASSERT_EQ(inner.count, 1);
  work.gate().shut();
  EXPECT_TRUE(gated.reconcile({"ns", "r"}, context).ok());
  EXPECT_EQ(inner.count, 1);
  EXPECT_FALSE(work.may_call(run));
  EXPECT_FALSE(work.gate().owns(shard));
}

TEST_F(OneShard, NothingIsReconciledOnceTheLeaseIsLost) {
  expect_nothing_once_shut(work_, shard(), run(), log_);
}

TEST_F(ShardWorkTest, NothingIsReconciledOnceOneOfItsLeasesIsLost) {
  expect_nothing_once_shut(work_, shard(), run(), log_);
}

}  // namespace
}  // namespace millrace::shell
