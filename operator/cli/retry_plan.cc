#include "operator/cli/retry_plan.h"

#include <algorithm>

#include "controllers/logic/retry_of.h"
#include "controllers/logic/run.h"
#include "kubeclient/codec/describe.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::cli {
namespace {

using crds::StepPhase;

/// Of metadata.generateName [bytes]: five random ones follow.
constexpr std::size_t kMostPrefix = 57;

/// Reason of a step whose `when` was false.
constexpr const char* kWhenFalse = "WhenFalse";

bool is_batch(const crds::PipelineRun& run, const std::vector<GraphStep>& graph) {
  if (run.status.cluster && !run.status.cluster->build_name.empty()) return true;
  const auto& history = run.status.retry_status;
  return history && !history->history_build.empty() &&
         history->history_build.front().step.empty() && !graph.empty();
}

codec::Value body_of(const crds::PipelineRun& run) {
  codec::Value spec = codec::to_value(run.spec);
  for (const char* key : {"cancel", "approvals", "retryOf"}) spec.erase(key);
  spec["retryOf"] = run.metadata.name;
  const std::string prefix = run.spec.ref_pipeline.substr(0, kMostPrefix - 6) + "-retry-";
  return codec::Value::object(
      {{"apiVersion", crds::PipelineRun::kResource.api_version()},
       {"kind", crds::PipelineRun::kResource.kind},
       {"metadata", codec::Value::object({{"generateName", prefix.substr(0, kMostPrefix)},
                                          {"namespace", run.metadata.ns}})},
       {"spec", std::move(spec)}});
}

RetryPlan::Step judge(const StepLine& line) {
  const crds::StepState& state = line.state;
  if (line.step.group == logic::Group::OnError) {
    return {state.name, false, "runs only when a step fails again"};
  }
  if (line.step.group == logic::Group::Finally) return {state.name, false, "runs at every end"};
  switch (state.state) {
    case StepPhase::Succeeded:
      if (line.archived)
        return {state.name, false, "it succeeded, but its archived details are gone"};
      return {state.name, true, "it succeeded"};
    case StepPhase::Failed:
      return {state.name, false, "it failed" + (state.reason.empty() ? "" : ": " + state.reason)};
    case StepPhase::Skipped:
      if (state.reason == kWhenFalse) return {state.name, true, "its condition was false"};
      return {state.name, false, "it was skipped"};
    case StepPhase::Pending:
    case StepPhase::Running:
      break;
  }
  return {state.name, false, "it did not end"};
}

/// Batch: a new pod goes on at the first step that has not succeeded.
std::vector<RetryPlan::Step> judge_batch(const crds::PipelineRun& run,
                                         const std::vector<GraphStep>& graph) {
  std::vector<std::string> names;
  for (const GraphStep& step : graph) names.push_back(step.name);
  const std::size_t reused = logic::reused_steps(run, names).size();
  const auto& history = run.status.retry_status;
  const bool late = history && !history->history_build.empty() &&
                    history->history_build.back().reason == "BuildTimeout";
  std::vector<RetryPlan::Step> steps;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const char* why = i < reused    ? "it succeeded"
                      : late        ? "after a timeout all steps run again"
                      : i == reused ? "it did not succeed"
                                    : "it comes after one that did not succeed";
    steps.push_back({names[i], i < reused, why});
  }
  return steps;
}

}  // namespace

Result<RetryPlan> plan_retry(const crds::PipelineRun& run, const std::vector<GraphStep>& graph) {
  const std::string& name = run.metadata.name;
  if (!logic::is_terminal(run)) {
    return fail(Code::Invalid,
                name + " has not ended; wait for its end, or stop it: cancel " + name);
  }
  const api::Condition* succeeded = api::find_condition(run.status.conditions, "Succeeded");
  if (succeeded != nullptr && succeeded->status == "True") {
    return fail(Code::Invalid, name + " succeeded, there is nothing to retry; for another run: " +
                                   "start " + run.spec.ref_pipeline);
  }
  const bool stream = std::any_of(graph.begin(), graph.end(), [](const GraphStep& step) {
    return step.action == ActionKind::Stream;
  });
  if (stream) {
    return fail(Code::Invalid, name + " is the run of a stream, which has no steps to take over; " +
                                   "for another run: start " + run.spec.ref_pipeline);
  }
  RetryPlan plan;
  plan.body = body_of(run);
  if (is_batch(run, graph)) {
    plan.steps = judge_batch(run, graph);
  } else {
    for (const StepLine& line : step_lines(graph, run.status)) plan.steps.push_back(judge(line));
  }
  return plan;
}

std::string to_text(const RetryPlan& plan, Look look) {
  Table table({"STEP", "PLAN", "WHY"});
  for (const RetryPlan::Step& step : plan.steps) {
    table.add({{step.name},
               {step.reused ? "reused" : "runs again", step.reused ? Tint::Green : Tint::Yellow},
               {step.why}});
  }
  return table.text(look);
}

}  // namespace millrace::cli
