#include "operator/cli/why.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"

namespace millrace::cli {
namespace {

using crds::StepPhase;
using crds::StepState;

const Time kNow = parse_time("2026-11-21T12:00:00Z").value();

Time at(const char* clock) { return parse_time("2026-11-21T" + std::string(clock) + "Z").value(); }

StepState pending(const char* name, const char* reason, const char* message = "") {
  StepState s;
  s.name = name;
  s.waiting = crds::StepWaiting{reason, message, at("11:59:26")};
  return s;
}

crds::PipelineRun run_with(std::vector<StepState> states) {
  crds::PipelineRun run;
  run.metadata.name = "r";
  run.status.start_time = at("11:55:00");
  run.status.step_states = std::move(states);
  api::Condition going;
  going.type = "Succeeded";
  going.status = "Unknown";
  going.reason = "Running";
  run.status.conditions = {going};
  return run;
}

TEST(Why, EveryReasonHasItsKind) {
  const struct {
    const char* reason;
    const char* want;
  } cases[] = {
      {"PreviousStep", "dependency"},
      {"Dependencies", "dependency"},
      {"ConcurrencyGroup", "concurrency"},
      {"QuotaExceeded", "quota"},
      {"Unschedulable", "node"},
      {"ImagePullBackOff", "image"},
      {"ErrImageNeverPull", "image"},
      {"InvalidImageName", "image"},
      {"Approval", "approval"},
      {"Backoff", "backoff"},
      {"RetryBackoff", "backoff"},
      {"Parallelism", "queue"},
      {"Queued", "queue"},
      {"ContainerCreating", "start"},
      {"PodInitializing", "start"},
      {"CreateContainerConfigError", "start"},
      {"Strange", "Strange"},
  };
  for (const auto& c : cases) EXPECT_EQ(wait_kind(c.reason), c.want) << c.reason;
}

TEST(Why, WhatAStepWaitsForIsSaidWithSinceWhen) {
  const struct {
    const char* name;
    StepState state;
    const char* want;
  } cases[] = {
      {"quota", pending("s", "QuotaExceeded", "exceeded quota: pods=3"),
       "waits for quota since 34s, QuotaExceeded: exceeded quota: pods=3"},
      {"node", pending("s", "Unschedulable", "0/3 nodes are available"),
       "waits for node since 34s, Unschedulable: 0/3 nodes are available"},
      {"image", pending("s", "ImagePullBackOff", "no such image"),
       "waits for image since 34s, ImagePullBackOff: no such image"},
      {"backoff", pending("s", "Backoff"), "waits for backoff since 34s, Backoff"},
      {"concurrency", pending("s", "ConcurrencyGroup", "r-0 holds it"),
       "waits for concurrency since 34s, ConcurrencyGroup: r-0 holds it"},
  };
  for (const auto& c : cases) {
    const std::string text =
        why_text(run_with({c.state}), {{.name = "s"}}, {}, "", kNow, Look::Plain);
    EXPECT_NE(text.find(c.want), std::string::npos) << c.name << ":\n" << text;
  }
}

TEST(Why, ADependencyIsNamedWithItsState) {
  StepState fetch;
  fetch.name = "fetch";
  fetch.state = StepPhase::Running;
  fetch.started_at = at("11:59:00");
  StepState load;
  load.name = "load";
  const std::string text =
      why_text(run_with({fetch, load}), {{.name = "fetch"}, {.name = "load", .after = {"fetch"}}},
               {}, "load", kNow, Look::Plain);
  EXPECT_EQ(text,
            "r  Running for 5m00s\n\nSTEP   STATE     WAITED FOR   NOW\n"
            "load   Pending   -            waits for dependency since 5m00s: fetch (Running for "
            "1m00s)\n");
}

TEST(Why, AnApprovalSaysWhatIsToBeAgreedTo) {
  const auto text = why_text(run_with({pending("ask", "Approval")}),
                             {{.name = "ask", .action = ActionKind::Approval, .detail = "deploy?"}},
                             {}, "", kNow, Look::Plain);
  EXPECT_NE(text.find("waits for approval since 34s, Approval: deploy?"), std::string::npos)
      << text;
}

TEST(Why, RecordedWaitsAreListedInTheirOrder) {
  StepState done;
  done.name = "s";
  done.state = StepPhase::Succeeded;
  done.started_at = at("11:57:00");
  done.finished_at = at("11:57:09");
  done.waited = {{"Dependencies", 12000}, {"Unschedulable", 800}, {"ImagePull", 3100}};
  const std::string text = why_text(run_with({done}), {{.name = "s"}}, {}, "", kNow, Look::Plain);
  EXPECT_NE(text.find("s      Succeeded   dependency 12s, node 800ms, image 3s   took 9s\n"),
            std::string::npos)
      << text;
}

TEST(Why, WithoutARecordTheTimesOfThePodTell) {
  StepState first;
  first.name = "a";
  first.state = StepPhase::Succeeded;
  first.pod_name = "p";
  first.started_at = at("11:55:10");
  first.finished_at = at("11:55:20");
  StepState second = first;
  second.name = "b";
  second.state = StepPhase::Running;
  second.started_at = at("11:55:22");
  second.finished_at.reset();
  WhyFacts facts;
  api::Pod pod;
  pod.metadata.name = "p";
  pod.metadata.creation_timestamp = at("11:55:00");
  api::Condition scheduled;
  scheduled.type = "PodScheduled";
  scheduled.status = "True";
  scheduled.last_transition_time = at("11:55:04");
  pod.status.conditions = {scheduled};
  facts.pods = {pod};
  const auto run = run_with({first, second});
  const auto lines = step_lines({{.name = "a"}, {.name = "b", .after = {"a"}}}, run.status);
  const auto waits = waits_of(lines[0], lines, run, facts, kNow);
  ASSERT_EQ(waits.size(), 2U);
  EXPECT_EQ(waits[0].kind, "node");
  EXPECT_EQ(waits[0].length, std::chrono::seconds(4));
  EXPECT_EQ(waits[1].kind, "image");
  EXPECT_EQ(waits[1].length, std::chrono::seconds(6));
  const auto after = waits_of(lines[1], lines, run, facts, kNow);
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].kind, "dependency");
  EXPECT_EQ(after[0].length, std::chrono::seconds(20));
  EXPECT_EQ(after[1].length, std::chrono::seconds(2));
}

TEST(Why, AWarningAboutTheJobExplainsAMissingPod) {
  StepState state;
  state.name = "s";
  state.job_name = "j";
  WhyFacts facts;
  facts.jobs.resize(1);
  facts.jobs[0].metadata.name = "j";
  api::Event event;
  event.type = "Warning";
  event.regarding.kind = "Job";
  event.regarding.name = "j";
  event.note = "pods \"j\" is forbidden: exceeded quota";
  facts.events = {event};
  const std::string text =
      why_text(run_with({state}), {{.name = "s"}}, facts, "", kNow, Look::Plain);
  EXPECT_NE(text.find("waits for start since 5m00s: pods \"j\" is forbidden: exceeded quota"),
            std::string::npos)
      << text;
}

TEST(Why, ARunThatNobodyLookedAtSaysSo) {
  crds::PipelineRun run;
  run.metadata.name = "r";
  const std::string text = why_text(run, {}, {}, "", kNow, Look::Plain);
  EXPECT_NE(text.find("the operator has not looked at it yet"), std::string::npos) << text;
}

}  // namespace
}  // namespace millrace::cli
