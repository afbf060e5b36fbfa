#include "kubeclient/runtime/lease_plan.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using enum LeaseMove;

api::Lease lease(std::string holder, std::optional<int> duration = 15, Time renewed = Time(1s)) {
  api::Lease out;
  out.metadata.uid = "u";
  out.spec.holder_identity = std::move(holder);
  out.spec.lease_duration_seconds = duration;
  out.spec.renew_time = codec::MicroTime{renewed};
  return out;
}

TEST(PlanLease, Decides) {
  const SteadyTime seen{1h};
  const struct {
    const char* name;
    std::optional<api::Lease> lease;
    Duration later;
    LeaseMove want;
  } cases[] = {
      {"none exists", std::nullopt, 0s, Create},
      {"ours", lease("me"), 0s, Renew},
      {"ours, and long run out, as nobody took it", lease("me"), 1h, Renew},
      {"given up", lease(""), 0s, Take},
      {"somebody leads", lease("you"), 0s, Wait},
      {"silent, but not long enough", lease("you"), 14999ms, Wait},
      {"silent for its duration", lease("you"), 15s, Take},
      {"the holder's duration counts, longer", lease("you", 60), 59s, Wait},
      {"the holder's duration counts, shorter", lease("you", 5), 5s, Take},
      {"no duration: ours", lease("you", std::nullopt), 15s, Take},
      {"the remote clock is not looked at", lease("you", 15, Time(-100h)), 1s, Wait},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(int(plan_lease({c.lease, seen}, "me", seen + c.later, {})), int(c.want)) << c.name;
  }
}

TEST(ObserveLease, SeenMovesWithHolderAndRenewTime) {
  const SteadyTime first{1h}, later{2h};
  api::Lease other_holder = lease("me");
  api::Lease recreated = lease("you");
  recreated.metadata.uid = "v";
  const struct {
    const char* name;
    std::optional<api::Lease> read;
    SteadyTime want;
  } cases[] = {
      {"unchanged", lease("you"), first}, {"renewed", lease("you", 15, Time(2s)), later},
      {"taken", other_holder, later},     {"made anew", recreated, later},
      {"gone", std::nullopt, later},
  };
  for (const auto& c : cases) {
    const LeaseView view = observe_lease({lease("you"), first}, c.read, later);
    EXPECT_EQ(view.seen, c.want) << c.name;
    EXPECT_EQ(view.lease, c.read) << c.name;
  }
}

TEST(NextLeaseSpec, ChangesOfHolderAreCounted) {
  const Time now = parse_time("2026-11-21T04:00:00Z").value();
  const codec::MicroTime then{Time(5s)};
  api::Lease mine = lease("me");
  mine.spec.acquire_time = then;
  mine.spec.lease_transitions = 3;
  api::Lease yours = lease("you");
  yours.spec.lease_transitions = 3;
  yours.spec.acquire_time = then;
  const struct {
    const char* name;
    std::optional<api::Lease> lease;
    int transitions;
    codec::MicroTime acquired;
  } cases[] = {
      {"new", std::nullopt, 0, {now}},
      {"renewal", mine, 3, then},
      {"taking over", yours, 4, {now}},
  };
  for (const auto& c : cases) {
    const auto spec = next_lease_spec({c.lease, {}}, "me", now, {});
    EXPECT_EQ(spec.holder_identity, "me") << c.name;
    EXPECT_EQ(spec.lease_transitions, c.transitions) << c.name;
    EXPECT_EQ(spec.acquire_time, c.acquired) << c.name;
    EXPECT_EQ(spec.renew_time, codec::MicroTime{now}) << c.name;
    EXPECT_EQ(spec.lease_duration_seconds, 15) << c.name;
  }
  const auto released = released_lease_spec(mine.spec, now);
  EXPECT_EQ(released.holder_identity, "");
  EXPECT_EQ(released.lease_duration_seconds, 1);
  EXPECT_EQ(released.lease_transitions, 3);
}

TEST(StillLeads, UntilTheRenewDeadline) {
  const SteadyTime renewed{1h};
  EXPECT_TRUE(still_leads(renewed, renewed + 9999ms, {}));
  EXPECT_FALSE(still_leads(renewed, renewed + 10s, {}));
}

}  // namespace
}  // namespace millrace::runtime
