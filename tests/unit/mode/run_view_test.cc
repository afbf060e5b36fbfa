#include "local/mode/run_view.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"

namespace millrace::mode {
namespace {

using crds::PipelineRun;
using crds::StepPhase;
using crds::StepState;
using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kStart{std::chrono::hours(1)};

StepState step(const char* name, StepPhase state, int attempt = 1) {
  StepState s;
  s.name = name;
  s.state = state;
  s.attempt = attempt;
  s.pod_name = "pod";
  return s;
}

PipelineRun run_with(std::vector<StepState> steps) {
  PipelineRun run;
  run.metadata.name = "r-1";
  run.spec.ref_pipeline = "p";
  run.status.step_states = std::move(steps);
  return run;
}

api::Condition condition(const char* type, const char* status, const char* reason = "",
                         const char* message = "") {
  api::Condition c;
  c.type = type;
  c.status = status;
  c.reason = reason;
  c.message = message;
  return c;
}

const auto kLogDone = [](const StepState&) { return LogPart{}; };

TEST(RunView, TellsARunFromItsBeginToItsEnd) {
  RunView view(Colour::No, false);
  PipelineRun run = run_with({step("a", StepPhase::Running), step("long", StepPhase::Pending)});
  std::string text = view.begun(run);
  text += view.progress(run, kStart, kLogDone);
  text += view.output("a", "hello\tworld\r");
  run.status.step_states = {step("a", StepPhase::Succeeded), step("long", StepPhase::Running)};
  text += view.progress(run, kStart + milliseconds(40), kLogDone);
  text += view.progress(run, kStart + milliseconds(50), kLogDone);  // nothing new
  run.status.step_states[1] = step("long", StepPhase::Failed);
  run.status.step_states[1].exit_code = 7;
  run.status.step_states[1].reason = "Error";
  run.status.step_states[1].started_at = parse_time("2026-11-21T00:00:00Z").value();
  run.status.step_states[1].finished_at = parse_time("2026-11-21T00:00:03Z").value();
  text += view.progress(run, kStart + seconds(3), kLogDone);
  run.status.conditions = {condition("Completed", "True"),
                           condition("Succeeded", "False", "StepFailed", "long failed")};
  text += view.finished(run, seconds(3));
  EXPECT_EQ(text,
            "▸ r-1, a run of p\n"
            "  a    | hello\tworld\n"
            "✔ a  40ms\n"
            "✘ long  3s  exit code 7\n"
            "✘ r-1 StepFailed after 3s: long failed\n");
}

TEST(RunView, HoldsTheEndOfAStepAndAllAfterItUntilItsLogIsComplete) {
  RunView view(Colour::No, false);
  const PipelineRun run =
      run_with({step("a", StepPhase::Succeeded), step("b", StepPhase::Succeeded)});
  bool complete = false;
  const auto log = [&](const StepState& s) {
    return LogPart{.text = s.name + "'s log\n", .complete = complete};
  };
  EXPECT_EQ(view.progress(run, kStart, log), "a's log\n");
  complete = true;
  EXPECT_EQ(view.progress(run, kStart, log), "a's log\n✔ a\nb's log\n✔ b\n");
}

TEST(RunView, TellsAttemptsAndWaitingOnce) {
  RunView view(Colour::No, true);
  PipelineRun run = run_with({step("a", StepPhase::Pending, 2)});
  run.status.cluster.emplace();
  run.status.cluster->build_name = "job";  // a batch: all its steps are tried again together
  run.status.step_states[0].waiting = crds::StepWaiting{"ImagePullBackOff", "no such image"};
  view.begun(run);
  EXPECT_EQ(view.progress(run, kStart, kLogDone),
            "↻ r-1 attempt 2\n… r-1 a waits: ImagePullBackOff: no such image\n");
  EXPECT_EQ(view.progress(run, kStart, kLogDone), "");
}

TEST(RunView, StepsOfAGraphAreTriedAndWaitEachForItself) {
  RunView view(Colour::No, false);
  PipelineRun run = run_with({step("a", StepPhase::Pending, 2), step("b", StepPhase::Pending),
                              step("c", StepPhase::Skipped)});
  run.status.step_states[0].waiting = crds::StepWaiting{"Backoff", "until later"};
  run.status.step_states[1].waiting = crds::StepWaiting{"Approval", "sure?"};
  EXPECT_EQ(view.progress(run, kStart, kLogDone),
            "↻ a: attempt 2\n… a waits: Backoff: until later\n… b waits: Approval: sure?\n"
            "- c  skipped\n");
  EXPECT_EQ(view.progress(run, kStart, kLogDone), "");
}

TEST(RunView, OfLogsOnlyTheirLinesAreTold) {
  RunView view(Colour::No, false, Telling::Logs);
  const PipelineRun run = run_with({step("a", StepPhase::Failed, 2)});
  EXPECT_EQ(view.begun(run) + view.progress(run, kStart, kLogDone) + view.finished(run, {}), "");
  EXPECT_EQ(view.output("a", "hello"), "[a] hello\n");
}

TEST(RunView, DoesNotLetOutputMoveTheCursor) {
  const RunView view(Colour::No, false);
  EXPECT_EQ(view.output("a", "x\by\x07"), "  a | x?y?\n");
  EXPECT_EQ(view.output("a", "\x1b[31mred\x1b[0m"), "  a | \x1b[31mred\x1b[0m\n");
}

TEST(RunView, ColoursOnlyWhenAsked) {
  RunView plain(Colour::No, false);
  RunView bright(Colour::Yes, false);
  const PipelineRun run = run_with({step("a", StepPhase::Succeeded)});
  EXPECT_EQ(plain.progress(run, kStart, kLogDone).find('\x1b'), std::string::npos);
  EXPECT_NE(bright.progress(run, kStart, kLogDone).find("\x1b[32m✔\x1b[0m a"), std::string::npos);
}

TEST(EndOf, ReadsTheConditions) {
  const struct {
    const char* name;
    std::vector<api::Condition> conditions;
    RunEnd want;
  } cases[] = {
      {"nothing yet", {}, RunEnd::None},
      {"under way",
       {condition("Completed", "False"), condition("Succeeded", "Unknown")},
       RunEnd::None},
      {"a stream that is up",
       {condition("Completed", "False"), condition("Succeeded", "True")},
       RunEnd::None},
      {"good", {condition("Completed", "True"), condition("Succeeded", "True")}, RunEnd::Succeeded},
      {"bad",
       {condition("Completed", "True"), condition("Succeeded", "False", "StepFailed")},
       RunEnd::Failed},
      {"late",
       {condition("Completed", "True"), condition("Succeeded", "False", "BuildTimeout")},
       RunEnd::TimedOut},
      {"cancelled",
       {condition("Completed", "True"), condition("Succeeded", "False", "Cancelled"),
        condition("Cancelled", "True")},
       RunEnd::Cancelled},
  };
  for (const auto& c : cases) {
    PipelineRun run;
    run.status.conditions = c.conditions;
    EXPECT_EQ(end_of(run), c.want) << c.name;
  }
}

}  // namespace
}  // namespace millrace::mode
