#include "controllers/logic/retry_of.h"

#include <gtest/gtest.h>

#include "controllers/logic/attempt.h"
#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using crds::StepPhase;
using Texts = std::vector<std::string>;

crds::AttemptRecord record(int attempt, const std::string& reason, Texts succeeded) {
  crds::AttemptRecord out;
  out.attempt = attempt;
  out.reason = reason;
  out.steps_succeeded = std::move(succeeded);
  return out;
}

crds::StepState state(const std::string& name, StepPhase phase, int attempt) {
  crds::StepState out;
  out.name = name;
  out.state = phase;
  out.attempt = attempt;
  return out;
}

TEST(RetryOf, ABatchRunGoesOnAtTheFirstStepThatHasNotSucceeded) {
  const struct {
    const char* name;
    std::vector<crds::AttemptRecord> history;
    std::vector<crds::StepState> states;
    Texts want;
  } rows[] = {
      {"nothing known", {}, {}, {}},
      {"one attempt", {record(1, "Fail", {"a"})}, {}, {"a"}},
      {"two attempts", {record(1, "Fail", {"a"}), record(2, "Fail", {"b"})}, {}, {"a", "b"}},
      {"a gap", {record(1, "Fail", {"b"})}, {}, {}},
      {"a timeout", {record(1, "Fail", {"a"}), record(2, "BuildTimeout", {"b"})}, {}, {}},
      {"cancelled in the first", {}, {state("a", StepPhase::Succeeded, 1)}, {"a"}},
      {"cancelled in the second",
       {record(1, "Fail", {"a"})},
       {state("b", StepPhase::Succeeded, 2), state("c", StepPhase::Failed, 2)},
       {"a", "b"}},
      {"the last attempt timed out, its states are still there",
       {record(1, "BuildTimeout", {"a"})},
       {state("a", StepPhase::Succeeded, 1)},
       {}},
      {"all succeeded", {record(1, "JobLost", {"a", "b", "c"})}, {}, {}},
  };
  for (const auto& row : rows) {
    crds::PipelineRun run;
    if (!row.history.empty()) run.status.retry_status.emplace().history_build = row.history;
    run.status.step_states = row.states;
    EXPECT_EQ(reused_steps(run, {"a", "b", "c"}), row.want) << row.name;
  }
}

/// The containers of a Job's pod, in order.
Texts containers(World& w, const std::string& job) {
  Texts out;
  const codec::Value* spec = w.find("Job", job)->at_path({"spec", "template", "spec"});
  for (const char* list : {"initContainers", "containers"}) {
    const codec::Value* items = spec->find(list);
    if (items == nullptr) continue;
    for (const codec::Value& item : items->items()) out.push_back(item.find("name")->as_string());
  }
  return out;
}

TEST(RetryOf, ABatchRunTakesOverWhatSucceededAlsoWhenTheOperatorDies) {
  for (int crash = 0; crash < 7; ++crash) {
    World w;
    w.put(kBatchPipeline);
    w.put(batch_run());
    w.settle();
    w.fail_pod(w.only_pod(), 1, 1);
    w.advance(5s);
    ASSERT_EQ(w.reason(), "Fail");
    const Texts before = w.names("Job");
    w.put(batch_run(R"(,"retryOf":"r","maxRetryCount":1)", "again"));
    w.crash_at = w.writes + crash;
    try {
      w.settle();
    } catch (const Crash&) {
      w.restart();
    }
    w.crash_at.reset();
    w.settle();
    Texts made = w.names("Job");
    ASSERT_EQ(made.size(), before.size() + 1);
    std::erase_if(made, [&](const auto& name) { return name == before.front(); });
    EXPECT_EQ(containers(w, made.front()), (Texts{"build-step-clean", "build-step-output--out"}));
    w.advance(1s);
    EXPECT_EQ(w.status("again").steps, "1/3");
    EXPECT_EQ(w.status("again").retry_status->retry_count, 0);
    for (const Note& note : w.notes) EXPECT_NE(note.reason, "BuildRetry") << note.message;
    // A retry of its own goes on from there.
    std::string pod;
    for (const std::string& name : w.names("Pod")) {
      if (name.starts_with(made.front())) pod = name;
    }
    ASSERT_FALSE(pod.empty());
    w.fail_pod(pod, 1, 1);
    w.settle();
    made = w.names("Job");
    ASSERT_EQ(made.size(), 3u) << "crash " << crash;
    bool seen = false;
    for (const auto& name : made) {
      seen = seen || containers(w, name) == Texts{"build-step-output--out"};
    }
    EXPECT_TRUE(seen);
  }
}

}  // namespace
}  // namespace millrace::logic
