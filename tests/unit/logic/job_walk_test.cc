// Random histories of the pods of Jobs of many pods, the operator dying anywhere: never too many
// pods, every status is one that a real API server accepts, and a plan on the result is empty.

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "controllers/logic/job_many.h"
#include "controllers/logic/job_tally.h"
#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;

/// Members of a random spec.
std::string random_spec(std::mt19937& random) {
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  std::string out = R"("backoffLimit":)" + std::to_string(below(6));
  out += R"(,"parallelism":)" + std::to_string(1 + below(4));
  const bool indexed = below(2) == 0;
  if (indexed || below(3) != 0) out += R"(,"completions":)" + std::to_string(1 + below(6));
  if (indexed) {
    out += R"(,"completionMode":"Indexed")";
    if (below(2) == 0) {
      out += R"(,"backoffLimitPerIndex":)" + std::to_string(below(3));
      if (below(2) == 0) out += R"(,"maxFailedIndexes":)" + std::to_string(below(3));
    }
    if (below(4) == 0) {
      out +=
          R"(,"successPolicy":{"rules":[{"succeededCount":)" + std::to_string(1 + below(2)) + "}]}";
    }
  }
  if (below(4) == 0) {
    out += R"(,"podFailurePolicy":{"rules":[{"action":"FailJob","onExitCodes":{"operator":"In",
        "values":[99]}},{"action":"Ignore","onExitCodes":{"operator":"In","values":[7]}}]})";
  } else if (below(3) == 0) {
    out += R"(,"podReplacementPolicy":"Failed")";
  }
  if (below(4) == 0) out += R"(,"activeDeadlineSeconds":)" + std::to_string(20 + below(200));
  return out;
}

bool ended(const api::Pod& pod) {
  return pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
}

/// Whether the operator wrote down that the pod exists. Before that, a pod that somebody deletes
/// while the operator is dead is made again: nothing tells it from one that was never made.
bool is_recorded(World& w, const api::Pod& pod) {
  const auto job = w.get<api::Job>("j");
  const auto* kept = api::find_condition(job.status.conditions, kPodsCondition);
  if (kept == nullptr) return false;
  const PodRecord record = PodRecord::parse(kept->message);
  const PodSlot slot = *slot_of(pod);
  const auto tries = record.tries.find(slot.slot);
  return record.live.contains(slot.slot) &&
         slot.attempt == (tries == record.tries.end() ? 0 : tries->second);
}

void disturb(World& w, std::mt19937& random, bool crashes) {
  for (const api::Pod& pod : w.all<api::Pod>()) {
    const std::string& name = pod.metadata.name;
    if (ended(pod)) continue;
    switch (random() % 16) {
      case 0:
      case 1:
      case 2:
        w.run_pod(name);
        break;
      case 3:
        w.fail_pod(name, 0, 1);
        break;
      case 4:
        w.fail_pod(name, 0, 7);
        break;
      case 5:
        if (random() % 4 == 0) w.fail_pod(name, 0, 99);
        break;
      case 6:
      case 7:
      case 8:
        w.succeed_pod(name);
        break;
      case 9:
        if (!crashes || is_recorded(w, pod)) w.erase("Pod", name);
        break;
      case 10:
        if (crashes && !is_recorded(w, pod)) break;
        (*w.find("Pod", name))["metadata"]["deletionTimestamp"] = format_time(w.now + 30s);
        break;
      default:
        break;
    }
  }
  if (random() % 2 == 0) w.finish_deletions();
}

void check(World& w, const std::string& hint) {
  for (const auto& [name, count] : w.made) EXPECT_LE(count, 1) << name << " " << hint;
  EXPECT_EQ(w.complaints, std::vector<std::string>{}) << hint;
  const auto job = w.get<api::Job>("j");
  const JobShape shape(job);
  int active = 0;
  std::map<int, int> of_slot;
  for (const api::Pod& pod : w.all<api::Pod>()) {
    if (ended(pod) || pod.metadata.deletion_timestamp) continue;
    ++active;
    if (slot_of(pod)) ++of_slot[slot_of(pod)->slot];
  }
  EXPECT_LE(active, shape.parallelism) << "too many at once " << hint;
  for (const auto& [slot, count] : of_slot) EXPECT_LE(count, 1) << "slot " << slot << " " << hint;
  if (shape.completions) {
    EXPECT_LE(job.status.succeeded, *shape.completions) << hint;
  }
}

void walk(unsigned seed, bool crashes) {
  std::mt19937 random(seed);
  const std::string hint = "seed " + std::to_string(seed);
  World w;
  w.alone = true;
  w.put(R"({"kind":"Job","metadata":{"name":"j"},"spec":{)" + random_spec(random) +
        R"(,"template":{"spec":{"containers":[{"name":"c"}]}}}})");
  for (int i = 0; i < 300; ++i) {
    if (crashes && random() % 3 == 0) w.crash_at = w.writes + static_cast<int>(random() % 4);
    try {
      w.advance(std::chrono::milliseconds(random() % 9000));
    } catch (const Crash&) {
      w.restart();
    }
    check(w, hint);
    if (::testing::Test::HasFailure()) return;
    if (is_finished(w.get<api::Job>("j"))) break;
    if (random() % 40 == 0) (*w.find("Job", "j"))["spec"]["suspend"] = true;
    if (random() % 3 == 0) (*w.find("Job", "j"))["spec"]["suspend"] = false;
    disturb(w, random, crashes);
  }
  w.crash_at.reset();
  (*w.find("Job", "j"))["spec"]["suspend"] = false;
  for (int i = 0; i < 60 && !is_finished(w.get<api::Job>("j")); ++i) {
    w.advance(11min);
    for (const api::Pod& pod : w.all<api::Pod>()) {
      if (!ended(pod)) w.succeed_pod(pod.metadata.name);
    }
    w.settle();
  }
  check(w, hint);
  const auto job = w.get<api::Job>("j");
  ASSERT_TRUE(is_finished(job)) << hint;
  EXPECT_EQ(api::find_condition(job.status.conditions, kPodsCondition), nullptr) << hint;
  const JobPlan rest = w.plan_for_job("j");
  EXPECT_TRUE(rest.actions.empty() && !rest.recheck) << hint;
  for (const api::Pod& pod : w.all<api::Pod>()) {
    EXPECT_TRUE(ended(pod)) << pod.metadata.name << " outlives its Job, " << hint;
  }
}

TEST(JobWalk, JobsEnd) {
  for (unsigned seed = 1; seed <= 300; ++seed) walk(seed, false);
}

TEST(JobWalk, JobsEndThoughTheOperatorDies) {
  for (unsigned seed = 1; seed <= 300; ++seed) walk(seed, true);
}

}  // namespace
}  // namespace millrace::logic
