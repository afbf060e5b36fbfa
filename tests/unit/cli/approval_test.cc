#include "operator/cli/approval.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using crds::StepPhase;

StepLine line(const char* name, StepPhase phase, bool waits = true) {
  StepLine l{.step = {.name = name, .action = ActionKind::Approval, .detail = "sure?"},
             .state = {},
             .combinations = {}};
  l.state.name = name;
  l.state.state = phase;
  if (waits) l.state.waiting = crds::StepWaiting{"Approval", "", {}};
  return l;
}

StepLine container(const char* name) {
  StepLine l = line(name, StepPhase::Running, false);
  l.step.action = ActionKind::Pod;
  return l;
}

crds::PipelineRun run() {
  crds::PipelineRun r;
  r.metadata.name = "r";
  r.metadata.resource_version = "5";
  return r;
}

TEST(Approval, TheOnlyOneThatWaitsIsMeant) {
  const auto chosen = choose_approval({container("x"), line("a", StepPhase::Running)}, run(), "");
  ASSERT_TRUE(chosen.ok()) << chosen.error().message;
  EXPECT_EQ(chosen->state.name, "a");
}

TEST(Approval, WhatCannotBeDecidedSaysWhy) {
  const std::vector<StepLine> lines = {
      container("x"), line("a", StepPhase::Running), line("b", StepPhase::Pending),
      line("late", StepPhase::Pending, false), line("done", StepPhase::Succeeded, false)};
  auto decided = run();
  decided.spec.approvals.resize(1);
  decided.spec.approvals[0].step = "a";
  decided.spec.approvals[0].by = "bob";
  auto ended = run();
  ended.status.conditions.resize(1);
  ended.status.conditions[0].type = "Completed";
  ended.status.conditions[0].status = "True";
  const struct {
    const char* name;
    crds::PipelineRun run;
    const char* wanted;
    const char* want;
  } cases[] = {
      {"several", run(), "", "say which STEP:\n  a: sure?\n  b: sure?"},
      {"ended", ended, "", "r has ended; there is nothing to decide"},
      {"unknown", run(), "zz", "there is no step \"zz\" in r; steps that wait: a, b"},
      {"no approval", run(), "x", "step x is no approval"},
      {"not yet", run(), "late", "does not wait for a decision now; it is Pending"},
      {"already", decided, "a", "has been decided already: Approve by bob"},
  };
  for (const auto& c : cases) {
    const auto chosen = choose_approval(lines, c.run, c.wanted);
    ASSERT_FALSE(chosen.ok()) << c.name;
    EXPECT_NE(chosen.error().message.find(c.want), std::string::npos)
        << c.name << ": " << chosen.error().message;
  }
}

TEST(Approval, OnlyApproversMayDecide) {
  const struct {
    const char* name;
    std::vector<std::string> approvers;
    bool want;
  } cases[] = {
      {"everybody", {}, true},
      {"by name", {"bob", "ann"}, true},
      {"by group", {"group:devs"}, true},
      {"a group of her name", {"group:ann"}, false},
      {"a user named as her group", {"devs"}, false},
      {"others", {"bob", "group:ops"}, false},
  };
  for (const auto& c : cases) {
    const GraphStep step{.name = "s", .approvers = c.approvers};
    EXPECT_EQ(check_approver(step, {"ann", {"devs"}}).ok(), c.want) << c.name;
  }
}

TEST(Approval, ThePatchKeepsEarlierDecisionsAndTheVersion) {
  auto before = run();
  before.spec.approvals.resize(1);
  before.spec.approvals[0].step = "first";
  before.spec.approvals[0].by = "bob";
  crds::Approval decision;
  decision.step = "a";
  decision.decision = crds::Decision::Reject;
  decision.by = "ann";
  decision.comment = "no";
  EXPECT_EQ(approval_patch(before, decision),
            codec::Value::parse(R"({"metadata":{"resourceVersion":"5"},"spec":{"approvals":[
                {"step":"first","decision":"Approve","by":"bob"},
                {"step":"a","decision":"Reject","by":"ann","comment":"no"}]}})")
                .value());
}

}  // namespace
}  // namespace millrace::cli
