// Random walks: whatever happens in whatever order, and whenever the operator dies, every run
// ends, nothing is made twice, and a plan on the resulting state is empty.

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;

bool ended(const World&, const api::Pod& pod) {
  return pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
}

/// Whether the operator wrote down that the pod exists. Before that, about a second after the pod
/// was made, a pod that somebody deletes while the operator is dead is made again: nothing tells
/// it from one that was never made.
bool is_recorded(World& w, const api::Pod& pod) {
  return w.get<api::Job>(pod.metadata.controller_ref()->name).status.active == 1;
}

/// One thing that may happen to a pod.
void disturb(World& w, std::mt19937& random, bool crashes) {
  for (const api::Pod& pod : w.all<api::Pod>()) {
    if (ended(w, pod)) continue;
    const std::string& name = pod.metadata.name;
    switch (random() % 12) {
      case 0:
      case 1:
      case 2:
        w.run_pod(name, random() % 2);
        break;
      case 3:
      case 4:
        w.fail_pod(name, random() % 2, 1 + static_cast<int>(random() % 100));
        break;
      case 5:
        w.succeed_pod(name);
        break;
      case 6:
        if (!crashes || is_recorded(w, pod)) w.erase("Pod", name);
        break;
      case 7:
        w.set_status("Pod", name, R"({"phase":"Failed","reason":"Evicted"})");
        break;
      default:
        break;
    }
  }
  w.finish_deletions();
}

void check_invariants(World& w, const std::string& hint) {
  for (const auto& [name, count] : w.made) EXPECT_LE(count, 1) << name << " " << hint;
  int active = 0;
  for (const api::Pod& pod : w.all<api::Pod>()) active += ended(w, pod) ? 0 : 1;
  EXPECT_LE(active, 1) << "two attempts at once " << hint;
}

void walk(unsigned seed, bool crashes) {
  std::mt19937 random(seed);
  const std::string hint = "seed " + std::to_string(seed);
  World w;
  w.put(kBatchPipeline);
  w.put(batch_run(R"(,"timeout":"60s","maxRetryCount":)" + std::to_string(random() % 4)));
  for (int i = 0; i < 400; ++i) {
    if (crashes && random() % 3 == 0) w.crash_at = w.writes + static_cast<int>(random() % 3);
    try {
      w.advance(std::chrono::milliseconds(random() % 4000));
    } catch (const Crash&) {
      w.restart();
    }
    check_invariants(w, hint);
    if (::testing::Test::HasFailure()) return;
    if (random() % 60 == 0) (*w.find("PipelineRun", "r"))["spec"]["cancel"] = true;
    if (is_terminal(w.get<crds::PipelineRun>("r"))) break;
    disturb(w, random, crashes);
  }
  w.crash_at.reset();
  w.advance(1s);
  ASSERT_TRUE(is_terminal(w.get<crds::PipelineRun>("r"))) << hint << " " << w.reason();
  const auto status = w.status();
  EXPECT_TRUE(status.completion_time.has_value()) << hint;
  const auto run = w.get<crds::PipelineRun>("r");
  const std::size_t history = status.retry_status ? status.retry_status->history_build.size() : 0;
  EXPECT_LE(history, static_cast<std::size_t>(run.spec.max_retry_count) + 1) << hint;
  EXPECT_LE(w.names("Job").size(), static_cast<std::size_t>(run.spec.max_retry_count) + 1) << hint;
  const RunPlan rest = w.plan("r");
  EXPECT_TRUE(rest.actions.empty() && !rest.status && !rest.recheck) << hint;
  for (const std::string& job : w.names("Job")) {
    const JobPlan plan = w.plan_for_job(job);
    EXPECT_TRUE(plan.actions.empty()) << hint << " " << job;
  }
}

TEST(Walk, RunsEnd) {
  for (unsigned seed = 1; seed <= 60; ++seed) walk(seed, false);
}

TEST(Walk, RunsEndThoughTheOperatorDies) {
  for (unsigned seed = 1; seed <= 60; ++seed) walk(seed, true);
}

/// The end of a scripted run: one failure, then success.
std::string script(World& w) {
  w.put(kBatchPipeline);
  w.put(batch_run(R"(,"maxRetryCount":1)"));
  bool failed = false;
  for (int i = 0; i < 40; ++i) {
    try {
      w.advance(300ms);
    } catch (const Crash&) {
      w.restart();
      continue;
    }
    for (const api::Pod& pod : w.all<api::Pod>()) {
      if (ended(w, pod)) continue;
      if (failed) {
        w.succeed_pod(pod.metadata.name);
      } else {
        w.fail_pod(pod.metadata.name, 1, 1);
      }
      failed = true;
    }
  }
  const auto status = w.status();
  return w.reason() + " " + status.steps + " " + status.cluster->build_name + " " +
         std::to_string(w.names("Job").size()) + " Jobs, " + std::to_string(w.names("Pod").size()) +
         " pods, " + std::to_string(status.retry_status->history_build.size()) + " failed";
}

TEST(Walk, DeathBeforeAnyOneWriteChangesNothing) {
  World undisturbed;
  const std::string want = script(undisturbed);
  EXPECT_EQ(want.substr(0, 13), "Succeeded 3/3");
  ASSERT_GT(undisturbed.writes, 8);
  for (int at = 0; at < undisturbed.writes; ++at) {
    World w;
    w.crash_at = at;
    EXPECT_EQ(script(w), want) << "died before write " << at << ": "
                               << undisturbed.log[static_cast<std::size_t>(at)];
    for (const auto& [name, count] : w.made) EXPECT_EQ(count, 1) << name;
  }
}

}  // namespace
}  // namespace millrace::logic
