#include "kubeclient/runtime/shard_plan.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kNow{1h};

ShardSeen base(const std::string& holder, Duration silent, const std::string& shards) {
  ShardSeen out;
  out.known = true;
  api::Lease lease;
  lease.metadata.name = "op";
  lease.metadata.uid = "u";
  lease.metadata.annotations[kShardsAnnotation] = shards;
  lease.spec.holder_identity = holder;
  lease.spec.lease_duration_seconds = 15;
  out.view = {lease, kNow - silent};
  return out;
}
ShardSeen by(const std::string& holder, const std::string& shards = "3") {
  return base(holder, 1s, shards);
}
/// `since`: how long ago it was first seen to be free.
ShardSeen released(Duration since) {
  ShardSeen out = base("", since, "3");
  out.free_since = kNow - since;
  return out;
}
ShardSeen expired(Duration since) {
  ShardSeen out = base("dead", since + 15s, "3");
  out.free_since = kNow - since;
  return out;
}
ShardSeen none(Duration since = 0s) {
  ShardSeen out;
  out.known = true;
  out.view.seen = kNow;
  out.free_since = kNow - since;
  return out;
}
ShardSeen mine() {
  ShardSeen out = by("me");
  out.held = true;
  return out;
}
ShardSeen leaving() {
  ShardSeen out = mine();
  out.leaving = true;
  return out;
}
ShardSeen wanted(ShardSeen shard, const std::string& by_whom) {
  shard.view.lease->metadata.annotations[kWantedByAnnotation] = by_whom;
  return shard;
}
ShardSeen unread() { return {}; }

struct Want {
  int take = -1;
  int ask = -1;
  std::vector<int> leave = {};
};

TEST(PlanShards, Decides) {
  const struct {
    const char* name;
    std::vector<ShardSeen> shards;
    Want want;
  } cases[] = {
      {"one shard: there is none", {none()}, {.take = 0}},
      {"one shard: given up", {released(0s)}, {.take = 0}},
      {"one shard: its holder is silent", {expired(0s)}, {.take = 0}},
      {"one shard: somebody has it", {by("a", "1")}, {}},
      {"one shard: ours", {mine()}, {}},
      {"one shard: not read yet", {unread()}, {}},

      {"the anchor comes first", {none(), none(), none()}, {.take = 0}},
      {"who has one leaves the rest to others for a while", {mine(), none(), none()}, {}},
      {"and takes it if they do not come", {mine(), none(1s), none(1s)}, {.take = 1}},
      {"who has two waits longer", {mine(), mine(), none(1s)}, {}},
      {"but not for ever", {mine(), mine(), none(2s)}, {.take = 2}},
      {"who has none takes at once", {by("a"), none(), by("a")}, {.take = 1}},
      {"who has none takes a dead one's", {by("a"), by("b"), expired(0s)}, {.take = 2}},
      {"who has one takes over too", {by("a"), mine(), expired(1s)}, {.take = 2}},
      {"a free anchor is the only one to take", {expired(0s), none(1h), mine()}, {}},
      {"by one who has some, after its wait", {expired(1s), none(1h), mine()}, {.take = 0}},
      {"what was not read is not taken", {unread(), none(1h), none(1h)}, {.take = 1}},
      {"ours by a write whose answer was lost", {by("a"), by("me"), by("b")}, {.take = 1}},

      {"who has none asks the richest", {by("a"), by("a"), by("a")}, {.ask = 2}},
      {"not one that has but one", {by("a"), by("b"), by("c")}, {}},
      {"the richest of several", {by("a"), by("b"), by("b"), by("b")}, {.ask = 3}},
      {"once is enough", {by("a"), wanted(by("a"), "me"), by("a")}, {}},
      {"not for one that another has asked for",
       {by("a"), by("a"), by("a"), wanted(by("a"), "you")},
       {.ask = 2}},
      {"not while one is free", {by("a"), by("a"), by("a"), expired(0s)}, {.take = 3}},
      {"more replicas than shards: one waits", {by("a"), by("b"), wanted(by("b"), "c")}, {}},
      {"who has its share does not ask", {by("a"), by("a"), mine()}, {}},
      {"a second one, where the share is two", {by("a"), by("a"), by("a"), mine()}, {.ask = 2}},

      {"what is asked for is given up", {mine(), mine(), wanted(mine(), "you")}, {.leave = {2}}},
      {"not the last one", {by("a"), by("b"), wanted(mine(), "you")}, {}},
      {"not below the even share", {mine(), wanted(mine(), "you"), by("you"), by("you")}, {}},
      {"two, asked for by two",
       {mine(), wanted(mine(), "x"), wanted(mine(), "y")},
       {.leave = {2, 1}}},
      {"what is being given up counts no more", {leaving(), wanted(mine(), "you"), by("a")}, {}},
      {"what is asked for and free waits for the asker",
       {mine(), by("a"), wanted(released(5s), "you")},
       {}},
      {"for a while", {mine(), by("a"), wanted(released(7s), "you")}, {.take = 2}},
      {"the asker takes it at once", {by("a"), by("b"), wanted(released(0s), "me")}, {.take = 2}},
      {"and before others that are free",
       {by("a"), released(0s), wanted(released(0s), "me"), released(0s)},
       {.take = 2}},
  };
  for (const auto& c : cases) {
    ShardsInput input{"me", kNow, {}, c.shards, {}};
    // One shard only: its leases say nothing of shards.
    if (c.shards.size() != 3) {
      for (ShardSeen& shard : input.shards) {
        if (!shard.view.lease) continue;
        shard.view.lease->metadata.annotations[kShardsAnnotation] = std::to_string(c.shards.size());
      }
    }
    const ShardsPlan plan = plan_shards(input);
    EXPECT_EQ(plan.take.value_or(-1), c.want.take) << c.name;
    EXPECT_EQ(plan.ask.value_or(-1), c.want.ask) << c.name;
    EXPECT_EQ(plan.leave, c.want.leave) << c.name;
    EXPECT_EQ(plan.blocked, "") << c.name;
  }
}

TEST(PlanShards, TakesNothingWhileOthersCutTheWorkDifferently) {
  const struct {
    const char* name;
    std::vector<ShardSeen> shards;
    std::vector<LeaseView> beyond;
    bool blocked;
  } cases[] = {
      {"the anchor is theirs", {by("a", "2"), none(1h), none(1h)}, {}, true},
      {"another is", {released(0s), by("a", "2"), none(1h)}, {}, true},
      {"one beyond ours is", {released(0s), none(1h), none(1h)}, {by("a", "4").view}, true},
      {"a release before shards has it", {by("a", ""), none(1h), none(1h)}, {}, true},
      {"theirs have run out",
       {expired(0s), none(1h), none(1h)},
       {base("dead", 15s, "4").view},
       false},
  };
  for (const auto& c : cases) {
    const ShardsPlan plan = plan_shards({"me", kNow, {}, c.shards, c.beyond});
    EXPECT_EQ(!plan.blocked.empty(), c.blocked) << c.name;
    EXPECT_EQ(plan.take.has_value(), !c.blocked) << c.name;
    EXPECT_FALSE(plan.ask) << c.name;
  }
}

TEST(PlanShards, SaysWhenTimeAloneChangesThePlan) {
  EXPECT_EQ(plan_shards({"me", kNow, {}, {by("a"), by("a"), by("a")}, {}}).again, 14s)
      << "the holder may have died";
  EXPECT_EQ(plan_shards({"me", kNow, {}, {mine(), mine(), none()}, {}}).again, 2s)
      << "nobody else may come";
  EXPECT_FALSE(plan_shards({"me", kNow, {}, {mine(), mine(), mine()}, {}}).again);
}

/// Any number of processes that come, die and leave, and act at once on what they saw: whatever
/// state they are in, they end with even shares.
TEST(PlanShards, ReplicasEndWithEvenShares) {
  for (int shards = 1; shards <= 7; ++shards) {
    for (int replicas = 1; replicas <= 5; ++replicas) {
      std::vector<std::string> holders(static_cast<std::size_t>(shards), "r0");
      std::vector<std::string> askers(holders.size());
      for (int round = 0; round < 60; ++round) {
        const std::string self = "r" + std::to_string(round % replicas);
        ShardsInput input{self, kNow, {}, {}, {}};
        for (std::size_t k = 0; k < holders.size(); ++k) {
          ShardSeen shard = holders[k].empty() ? released(1h) : by(holders[k]);
          shard.view.lease->metadata.annotations = {{kShardsAnnotation, std::to_string(shards)},
                                                    {kWantedByAnnotation, askers[k]}};
          shard.held = holders[k] == self;
          input.shards.push_back(std::move(shard));
        }
        const ShardsPlan plan = plan_shards(input);
        EXPECT_EQ(plan.blocked, "");
        if (plan.take) {
          holders[static_cast<std::size_t>(*plan.take)] = self;
          askers[static_cast<std::size_t>(*plan.take)].clear();
        }
        if (plan.ask) askers[static_cast<std::size_t>(*plan.ask)] = self;
        for (const int k : plan.leave) holders[static_cast<std::size_t>(k)].clear();
      }
      for (int r = 0; r < replicas; ++r) {
        const auto has = std::count(holders.begin(), holders.end(), "r" + std::to_string(r));
        EXPECT_GE(has, shards / replicas)
            << shards << " shards, " << replicas << " replicas, r" << r;
      }
    }
  }
}

}  // namespace
}  // namespace millrace::runtime
