#include "kubeclient/runtime/leader.h"

#include <gtest/gtest.h>

#include <functional>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "tests/support/fake_api.h"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using support::error_of;

class NullSink final : public LogSink {
 public:
  void write(const std::string&) override {}
};

/// Moves the clock, and runs one step of a script in each pause.
class ScriptedPause final : public Pause {
 public:
  explicit ScriptedPause(support::ManualClock& clock) : clock_(clock) {}
  bool wait(Duration length, const std::stop_token& stop) const override {
    if (stop.stop_requested()) return false;
    clock_.advance(length);
    if (next_ < steps.size()) steps[next_++]();
    return !stop.stop_requested();
  }
  std::vector<std::function<void()>> steps;

 private:
  support::ManualClock& clock_;
  mutable std::size_t next_ = 0;
};

const ObjectKey kLease{"millrace", "operator"};

class LeaderTest : public testing::Test {
 protected:
  std::string holder() const {
    const codec::Value stored = api.stored("leases", kLease);
    const codec::Value* found = stored.at_path({"spec", "holderIdentity"});
    return found == nullptr ? "(none)" : found->as_string();
  }
  void held_by(const std::string& who, int duration = 15) {
    codec::Value lease = codec::Value::object();
    lease["metadata"]["namespace"] = kLease.ns;
    lease["metadata"]["name"] = kLease.name;
    lease["spec"]["holderIdentity"] = who;
    lease["spec"]["leaseDurationSeconds"] = duration;
    lease["spec"]["renewTime"] = "2026-11-21T00:00:00.000000Z";
    api.store("leases", std::move(lease));
  }

  std::stop_source stop;
  support::ManualClock clock;
  ScriptedPause pause{clock};
  MetricsRegistry metrics;
  NullSink sink;
  Logger log{sink};
  Env env{clock, pause, metrics, log};
  support::FakeApi api{clock};
  LeaderElector elector{api, api, {kLease, "me", {}, 1}, env};
};

TEST_F(LeaderTest, CreatesAndLeads) {
  EXPECT_FALSE(elector.leading());
  EXPECT_TRUE(elector.acquire(stop.get_token()).ok());
  EXPECT_TRUE(elector.leading());
  EXPECT_EQ(elector.holder(), "me");
  EXPECT_EQ(holder(), "me");
  const auto created = api.calls("create");
  ASSERT_EQ(created.size(), 1u);
  EXPECT_EQ(created[0].body.find(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",)"), 0u);
}

TEST_F(LeaderTest, WaitsWhileSomebodyRenewsAndTakesOverWhenTheyFallSilent) {
  held_by("you");
  const SteadyTime start = clock.steady();
  EXPECT_TRUE(elector.acquire(stop.get_token()).ok());
  EXPECT_GE(clock.steady() - start, 15s);
  EXPECT_LT(clock.steady() - start, 15s + 3s);
  EXPECT_EQ(holder(), "me");
}

TEST_F(LeaderTest, TakesAReleasedLeaseAtOnce) {
  held_by("");
  const SteadyTime start = clock.steady();
  EXPECT_TRUE(elector.acquire(stop.get_token()).ok());
  EXPECT_EQ(clock.steady(), start);
}

TEST_F(LeaderTest, LosesTheRaceHonestly) {
  held_by("");
  api.during_next("patch", [this] { held_by("you"); });
  pause.steps = {[this] { stop.request_stop(); }};
  EXPECT_EQ(elector.acquire(stop.get_token()).error().code, Code::Cancelled);
  EXPECT_EQ(holder(), "you");
  EXPECT_FALSE(elector.leading());
}

TEST_F(LeaderTest, KeepsTryingWhenTheServerIsAway) {
  api.fail_next("get", error_of(Code::Unavailable), 3);
  EXPECT_TRUE(elector.acquire(stop.get_token()).ok());
}

TEST_F(LeaderTest, RenewsUntilStoppedAndReleases) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  pause.steps.resize(9, [] {});
  pause.steps.push_back([this] { stop.request_stop(); });
  EXPECT_TRUE(elector.hold(stop.get_token()).ok());
  EXPECT_EQ(api.calls("patch").size(), 9u);
  EXPECT_EQ(api.calls("get").size(), 1u) << "renewals read nothing";
  EXPECT_TRUE(elector.leading()) << "until it is released";
  elector.release();
  EXPECT_FALSE(elector.leading());
  EXPECT_EQ(holder(), "");
}

TEST_F(LeaderTest, SurvivesFailuresShorterThanTheDeadline) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  api.fail_next("patch", error_of(Code::Unavailable), 2);
  pause.steps = {[] {}, [] {}, [] {}, [this] { stop.request_stop(); }};
  EXPECT_TRUE(elector.hold(stop.get_token()).ok());
  EXPECT_TRUE(elector.leading());
}

TEST_F(LeaderTest, LosesAtTheRenewDeadlineNotLater) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  const SteadyTime renewed = clock.steady();
  api.fail_next("patch", error_of(Code::Unavailable), 100);
  const auto lost = elector.hold(stop.get_token());
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Code::Timeout);
  EXPECT_EQ(clock.steady() - renewed, 10s);
  EXPECT_FALSE(elector.leading());
  elector.release();
  EXPECT_EQ(holder(), "me") << "what is lost is not touched any more";
}

TEST_F(LeaderTest, AProcessThatWasPausedNoticesBeforeItActs) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  clock.advance(11s);
  EXPECT_FALSE(elector.leading()) << "also between two renewals";
  const auto lost = elector.hold(stop.get_token());
  EXPECT_FALSE(lost.ok());
  EXPECT_TRUE(api.calls("patch").empty()) << "no renewal was tried";
}

TEST_F(LeaderTest, AProcessPausedInsideTheRenewalNoticesAfterwards) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  api.during_next("patch", [this] { clock.advance(60s); });
  EXPECT_EQ(elector.hold(stop.get_token()).error().code, Code::Timeout);
  EXPECT_FALSE(elector.leading());
}

TEST_F(LeaderTest, TakenByAnotherIsLost) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  held_by("you");
  const auto lost = elector.hold(stop.get_token());
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Code::Conflict);
  EXPECT_NE(lost.error().message.find("you"), std::string::npos);
  EXPECT_EQ(holder(), "you");
}

TEST_F(LeaderTest, ARenewalWhoseAnswerWasLostIsStillOurs) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  api.lose_answer("patch", error_of(Code::Timeout));
  pause.steps = {[] {}, [] {}, [this] { stop.request_stop(); }};
  EXPECT_TRUE(elector.hold(stop.get_token()).ok());
  EXPECT_TRUE(elector.leading());
}

TEST_F(LeaderTest, ADeletedLeaseIsMadeAnew) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  api.erase("leases", kLease);
  pause.steps = {[] {}, [this] { stop.request_stop(); }};
  EXPECT_TRUE(elector.hold(stop.get_token()).ok());
  EXPECT_EQ(holder(), "me");
}

TEST_F(LeaderTest, AChangeByOthersThatLeavesTheHolderIsNoLoss) {
  ASSERT_TRUE(elector.acquire(stop.get_token()).ok());
  codec::Value lease = api.stored("leases", kLease);
  lease["metadata"]["labels"]["x"] = "y";
  api.store("leases", std::move(lease));
  pause.steps = {[] {}, [this] { stop.request_stop(); }};
  EXPECT_TRUE(elector.hold(stop.get_token()).ok());
  const codec::Value stored = api.stored("leases", kLease);
  EXPECT_NE(stored.at_path({"metadata", "labels", "x"}), nullptr) << "patched, not replaced";
}

TEST_F(LeaderTest, IsSteppedWithoutAnyPause) {
  held_by("you");
  const auto wait = elector.try_acquire({});
  ASSERT_TRUE(wait.has_value());
  EXPECT_GE(*wait, 2s);
  clock.advance(15s);
  EXPECT_EQ(elector.try_acquire({}), std::nullopt) << "it leads";
  clock.advance(5s);
  EXPECT_EQ(elector.renew({}).value_or(Duration()), Duration(5s));
  api.fail_next("patch", error_of(Code::Unavailable));
  EXPECT_EQ(elector.renew({}).value_or(Duration()), Duration(2s)) << "sooner after a failure";
  clock.advance(10s);
  EXPECT_EQ(elector.renew({}).error().code, Code::Timeout);
  EXPECT_FALSE(elector.leading());
}

}  // namespace
}  // namespace millrace::runtime
