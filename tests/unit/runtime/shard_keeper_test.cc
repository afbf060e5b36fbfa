#include "kubeclient/runtime/shard_keeper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

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

/// Never waited with: the tests step.
class NoPause final : public Pause {
 public:
  bool wait(Duration, const std::stop_token&) const override { return true; }
};

const ObjectKey kLease{"ns", "op"};

/// One process, as far as shards go.
class Replica final : public ShardUser {
 public:
  Replica(support::FakeApi& api, const Clock& clock, std::string name, int shards)
      : env_{clock, pause_, metrics, log_},
        keeper(api, api, {kLease, shards, std::move(name), {}, 1}, env_, *this) {}

  void gained(int shard) override { held.insert(shard); }
  void leave(int shard) override { asked.insert(shard); }
  bool left(int shard) override {
    if (!may_leave) return false;
    held.erase(shard);
    asked.erase(shard);
    return true;
  }

  std::set<int> held;
  std::set<int> asked;
  bool may_leave = true;
  bool dead = false;
  SteadyTime due{};
  MetricsRegistry metrics;

 private:
  NoPause pause_;
  NullSink sink_;
  Logger log_{sink_};
  Env env_;

 public:
  ShardKeeper keeper;
};

class ShardKeeperTest : public testing::Test {
 protected:
  std::string field(int shard, const char* name) const {
    const codec::Value stored = api.stored("leases", shard_lease(kLease, shard));
    const codec::Value* found = stored.at_path({"spec", name});
    return found == nullptr ? "" : found->as_string();
  }
  std::string note(int shard, const char* name) const {
    const codec::Value stored = api.stored("leases", shard_lease(kLease, shard));
    const codec::Value* found = stored.at_path({"metadata", "annotations", name});
    return found == nullptr ? "" : found->as_string();
  }
  Replica& add(const std::string& name, int shards = 3) {
    all.push_back(std::make_unique<Replica>(api, clock, name, shards));
    all.back()->due = clock.steady();
    return *all.back();
  }
  /// Let each do what is due when it is, until `length` is over or `done`; no shard is ever held by
  /// two.
  bool pass(
      Duration length, const std::function<bool()>& done = [] { return false; }) {
    const SteadyTime end = clock.steady() + length;
    while (clock.steady() <= end) {
      SteadyTime next = end;
      for (auto& replica : all) {
        if (replica->dead) continue;
        if (replica->due <= clock.steady()) {
          const auto wait = replica->keeper.step({});
          if (!wait.ok()) {
            replica->dead = true;
            continue;
          }
          replica->due = clock.steady() + *wait;
        }
        next = std::min(next, replica->due);
      }
      for (int k = 0; k < 3; ++k) {
        int holders = 0;
        for (auto& replica : all) {
          holders += !replica->dead && replica->held.contains(k) && replica->keeper.holds(k);
        }
        EXPECT_LE(holders, 1) << "shard " << k;
      }
      if (done()) return true;
      if (clock.steady() >= end) break;
      clock.advance(std::max<Duration>(next - clock.steady(), 1ms));
    }
    return done();
  }

  support::ManualClock clock;
  support::FakeApi api{clock};
  std::vector<std::unique_ptr<Replica>> all;
};

TEST_F(ShardKeeperTest, OneAloneTakesAll) {
  Replica& a = add("a");
  EXPECT_TRUE(pass(10s, [&] { return a.held.size() == 3; }));
  EXPECT_TRUE(a.keeper.holds(0));
  EXPECT_EQ(note(0, kShardsAnnotation), "3");
  EXPECT_EQ(field(2, "holderIdentity"), "a");
}

TEST_F(ShardKeeperTest, OneShardIsALeaderElectionAndNothingElseIsReadOrWritten) {
  Replica& a = add("a", 1);
  EXPECT_TRUE(pass(0s, [&] { return a.held.size() == 1; }));
  EXPECT_TRUE(a.keeper.holds(0));
  pass(60s);
  EXPECT_EQ(api.calls("get").size(), 1u);
  EXPECT_EQ(api.calls("create").size(), 1u);
  EXPECT_EQ(api.calls("patch").size(), 12u);
  EXPECT_EQ(api.stored("leases", kLease).at_path({"metadata", "annotations"}), nullptr);
}

TEST_F(ShardKeeperTest, ThreeThatStartTogetherHaveOneEach) {
  for (const char* name : {"a", "b", "c"}) add(name);
  EXPECT_TRUE(pass(3s, [&] {
    return std::all_of(all.begin(), all.end(), [](auto& each) { return each->held.size() == 1; });
  }));
}

TEST_F(ShardKeeperTest, OneThatComesLaterAsksAndGetsAShareWithoutAnyBeingLost) {
  Replica& a = add("a");
  ASSERT_TRUE(pass(10s, [&] { return a.held.size() == 3; }));
  Replica& b = add("b");
  a.may_leave = false;
  EXPECT_TRUE(pass(10s, [&] { return a.asked.size() == 1; }));
  pass(60s);
  EXPECT_EQ(b.held.size(), 0u) << "work is under way there";
  EXPECT_EQ(a.held.size(), 3u) << "and the lease is kept for as long";
  a.may_leave = true;
  EXPECT_TRUE(pass(5s, [&] { return b.held.size() == 1; }));
  pass(60s);
  EXPECT_EQ(a.held.size(), 2u);
  EXPECT_EQ(b.held.size(), 1u);
  EXPECT_EQ(note(*b.held.begin(), kWantedByAnnotation), "") << "the wish is fulfilled";
}

TEST_F(ShardKeeperTest, TheShardsOfADeadOneAreTakenWithinALeaseAndALook) {
  for (const char* name : {"a", "b", "c"}) add(name);
  pass(30s);
  Replica& dead = *all[1];
  ASSERT_EQ(dead.held.size(), 1u);
  dead.dead = true;
  const SteadyTime died = clock.steady();
  EXPECT_TRUE(pass(20s, [&] { return all[0]->held.size() + all[2]->held.size() == 3; }));
  EXPECT_LE(clock.steady() - died, 15s + 4s);
}

TEST_F(ShardKeeperTest, WhatIsReleasedIsTakenAtOnce) {
  for (const char* name : {"a", "b", "c"}) add(name);
  pass(30s);
  all[0]->keeper.take_no_more();
  all[0]->keeper.release();
  all[0]->dead = true;
  EXPECT_FALSE(all[0]->keeper.holds(0));
  EXPECT_TRUE(pass(4s, [&] { return all[1]->held.size() + all[2]->held.size() == 3; }));
}

TEST_F(ShardKeeperTest, AShardThatAnotherTookIsAnError) {
  Replica& a = add("a");
  ASSERT_TRUE(pass(10s, [&] { return a.held.size() == 3; }));
  codec::Value lease = api.stored("leases", shard_lease(kLease, 1));
  lease["spec"]["holderIdentity"] = "thief";
  api.store("leases", std::move(lease));
  pass(6s);
  EXPECT_TRUE(a.dead);
  EXPECT_FALSE(a.keeper.holds(1));
}

TEST_F(ShardKeeperTest, ThoseOfAnotherNumberWaitForEachOther) {
  Replica& a = add("a", 3);
  ASSERT_TRUE(pass(10s, [&] { return a.held.size() == 3; }));
  Replica& b = add("b", 2);
  Replica& c = add("c", 1);
  pass(60s);
  EXPECT_EQ(b.held.size() + c.held.size(), 0u);
  EXPECT_NE(b.keeper.blocked().find("3 shards and not with 2"), std::string::npos)
      << b.keeper.blocked();
  a.keeper.release();
  a.dead = true;
  EXPECT_TRUE(pass(20s, [&] { return b.held.size() == 2 || c.held.size() == 1; }));
  EXPECT_TRUE(b.held.empty() || c.held.empty());
}

TEST_F(ShardKeeperTest, AShardBeyondOursBlocksUntilItsHolderIsGone) {
  Replica& a = add("a", 3);
  ASSERT_TRUE(pass(10s, [&] { return a.held.size() == 3; }));
  a.dead = true;
  for (const int k : {0, 1}) {  // as if two of three had ended in order
    codec::Value lease = api.stored("leases", shard_lease(kLease, k));
    lease["spec"]["holderIdentity"] = "";
    api.store("leases", std::move(lease));
  }
  Replica& b = add("b", 2);
  const SteadyTime start = clock.steady();
  EXPECT_TRUE(pass(30s, [&] { return b.held.size() == 2; }));
  EXPECT_GE(clock.steady() - start, 15s);
}

TEST_F(ShardKeeperTest, ThreadsRenewAllThatIsDueAboutNowAtOnce) {
  Replica& a = add("a");
  a.keeper.renew_on_threads();
  ASSERT_TRUE(pass(10s, [&] { return a.held.size() == 3; }));
  pass(30s);
  const auto patches = api.calls("patch").size();
  clock.advance(a.due - clock.steady());
  ASSERT_TRUE(a.keeper.step({}).ok());
  EXPECT_EQ(api.calls("patch").size(), patches + 3);
  EXPECT_EQ(a.keeper.step({}).value(), 5s);
}

TEST_F(ShardKeeperTest, LooksThatTakeLongDoNotHoldUpRenewals) {
  Replica& a = add("a");
  ASSERT_TRUE(pass(10s, [&] { return a.held.size() == 3; }));
  Replica& b = add("b");
  ASSERT_TRUE(pass(10s, [&] { return b.held.size() == 1; }));
  for (int round = 0; round < 20; ++round) {
    api.during_next("get", [this] { clock.advance(4s); });
    pass(4s);
  }
  EXPECT_FALSE(a.dead || b.dead);
}

TEST_F(ShardKeeperTest, GoesOnWhenTheServerIsAwayForAMoment) {
  Replica& a = add("a");
  api.fail_next("get", error_of(Code::Unavailable), 5);
  api.fail_next("create", error_of(Code::Unavailable), 2);
  EXPECT_TRUE(pass(20s, [&] { return a.held.size() == 3; }));
}

}  // namespace
}  // namespace millrace::runtime
