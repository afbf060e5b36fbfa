#include "kubeclient/http/outbound_lookups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using Ids = OutboundLookups::Ids;

TEST(OutboundLookups, LetsOneCallPerNameLead) {
  OutboundLookups lookups(8);
  const SteadyTime now{};
  EXPECT_TRUE(lookups.enter("a:80", 1, now));
  EXPECT_FALSE(lookups.enter("a:80", 2, now));
  EXPECT_FALSE(lookups.enter("a:80", 3, now));
  EXPECT_TRUE(lookups.enter("b:80", 4, now));
  EXPECT_EQ(lookups.known("a:80", 2, now), Ids()) << "it does not lead";
  EXPECT_EQ(lookups.known("a:80", 1, now), (Ids{2, 3}));
  EXPECT_TRUE(lookups.enter("a:80", 5, now + 29s)) << "still known";
  EXPECT_TRUE(lookups.enter("a:80", 6, now + 30s)) << "leads again";
  EXPECT_FALSE(lookups.enter("a:80", 7, now + 30s));
}

TEST(OutboundLookups, FindsAnotherLeaderWhenOneLeaves) {
  OutboundLookups lookups(8);
  lookups.enter("a:80", 1, {});
  lookups.enter("a:80", 2, {});
  lookups.enter("a:80", 3, {});
  EXPECT_EQ(lookups.left("a:80", 2), Ids()) << "it only waited";
  EXPECT_EQ(lookups.left("a:80", 1), Ids{3});
  EXPECT_EQ(lookups.left("a:80", 3), Ids());
  EXPECT_TRUE(lookups.enter("a:80", 4, {}));
}

TEST(OutboundLookups, FailsAllWhoWaitForTheName) {
  OutboundLookups lookups(1);
  lookups.enter("a:80", 1, {});
  lookups.enter("a:80", 2, {});
  EXPECT_FALSE(lookups.enter("b:80", 3, {})) << "one at a time";
  EXPECT_FALSE(lookups.enter("b:80", 4, {}));
  const auto [failed, next] = lookups.failed("a:80", 1);
  EXPECT_EQ(failed, Ids{2});
  EXPECT_EQ(next, Ids{3});
  EXPECT_EQ(lookups.known("b:80", 3, {}), Ids{4});
}

TEST(OutboundLookups, NeverForgetsACall) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    const std::size_t places = 1 + random() % 3;
    OutboundLookups lookups(places);
    SteadyTime now{};
    std::set<std::uint64_t> running;
    std::set<std::uint64_t> waiting;
    const auto key = [](std::uint64_t id) { return std::to_string(id % 5); };
    const auto go = [&](const Ids& ids) {
      for (const std::uint64_t id : ids) {
        EXPECT_EQ(waiting.erase(id), 1U) << "seed " << seed;
        running.insert(id);
      }
    };
    for (std::uint64_t id = 1; id <= 300; ++id) {
      now += std::chrono::seconds(random() % 20);
      (lookups.enter(key(id), id, now) ? running : waiting).insert(id);
      while (!running.empty() && random() % 3 != 0) {
        auto at = running.begin();
        std::advance(at, static_cast<long>(random() % running.size()));
        const std::uint64_t one = *at;
        running.erase(at);
        switch (random() % 3) {
          case 0:
            go(lookups.known(key(one), one, now));
            go(lookups.left(key(one), one));
            break;
          case 1: {
            const auto [failed, next] = lookups.failed(key(one), one);
            for (const std::uint64_t other : failed) EXPECT_EQ(waiting.erase(other), 1U);
            go(next);
            break;
          }
          default:
            go(lookups.left(key(one), one));
        }
      }
      if (!waiting.empty() && random() % 10 == 0) {  // cancelled while it waits
        const std::uint64_t one = *waiting.begin();
        waiting.erase(waiting.begin());
        go(lookups.left(key(one), one));
      }
      EXPECT_TRUE(waiting.empty() || !running.empty()) << "all wait for nobody, seed " << seed;
    }
    while (!running.empty()) {
      const std::uint64_t one = *running.begin();
      running.erase(one);
      go(lookups.left(key(one), one));
    }
    EXPECT_TRUE(waiting.empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace millrace::http
