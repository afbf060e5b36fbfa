#include "operator/cli/graph.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using crds::StepPhase;

crds::StepState state(const char* name, StepPhase phase) {
  crds::StepState s;
  s.name = name;
  s.state = phase;
  return s;
}

std::string names(const std::vector<GraphStep>& graph) {
  std::string text;
  for (const GraphStep& step : graph) {
    text += step.name;
    for (const std::string& before : step.after) text += "<" + before;
    text += " ";
  }
  return text;
}

TEST(Graph, TheStepsOfABatchAreAChain) {
  crds::PipelineSpec spec;
  spec.batch_job.emplace();
  for (const char* name : {"a", "b"}) {
    spec.batch_job->processors.push_back(codec::Value::object({{"name", name}, {"image", "i"}}));
  }
  EXPECT_EQ(names(graph_of(spec)), "a b<a ");
}

TEST(Graph, StepsKeepWhatTheyComeAfterAndWhatTheyDo) {
  crds::PipelineSpec spec;
  crds::Step fetch;
  fetch.name = "fetch";
  fetch.http.emplace();
  fetch.http->url = "http://x/y";
  crds::Step ask;
  ask.name = "ask";
  ask.depends_on = {"fetch"};
  ask.approval.emplace();
  ask.approval->message = "sure?";
  ask.approval->approvers = {"ann"};
  spec.steps = {fetch, ask};
  const auto graph = graph_of(spec);
  EXPECT_EQ(names(graph), "fetch ask<fetch ");
  ASSERT_NE(find_step(graph, "ask"), nullptr);
  EXPECT_EQ(find_step(graph, "fetch")->detail, "GET http://x/y");
  EXPECT_EQ(find_step(graph, "ask")->action, ActionKind::Approval);
  EXPECT_EQ(find_step(graph, "ask")->approvers, std::vector<std::string>{"ann"});
  EXPECT_EQ(find_step(graph, "none"), nullptr);
}

TEST(Graph, StatesComeFromTheStatusTheArchiveOrAreNotThereYet) {
  std::vector<GraphStep> graph = {{.name = "a", .position = 0},
                                  {.name = "b", .position = 1},
                                  {.name = "c", .position = 2},
                                  {.name = "d", .position = 3}};
  crds::PipelineRunStatus status;
  status.step_states = {state("c", StepPhase::Failed), state("d-0", StepPhase::Running),
                        state("extra", StepPhase::Succeeded)};
  status.step_states[1].of = "d";
  status.archive.emplace();
  status.archive->succeeded = "0";
  status.archive->skipped = "1";
  const auto lines = step_lines(graph, status);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0].state.state, StepPhase::Succeeded);
  EXPECT_TRUE(lines[0].archived);
  EXPECT_EQ(lines[1].state.state, StepPhase::Skipped);
  EXPECT_EQ(lines[2].state.state, StepPhase::Failed);
  EXPECT_FALSE(lines[2].archived);
  EXPECT_EQ(lines[3].state.state, StepPhase::Pending);
  ASSERT_EQ(lines[3].combinations.size(), 1U);
  EXPECT_EQ(lines[4].state.name, "extra");
}

}  // namespace
}  // namespace millrace::cli
