/// The steps of a run as its commands show them: the pipeline's graph joined with the status. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controllers/logic/plan.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"

namespace millrace::cli {

enum class ActionKind { Pod, Stream, Http, Manifest, Approval, Child, Wait };
/// "container", "http", ... for people.
std::string_view to_string(ActionKind kind);

/// A step of the pipeline.
struct GraphStep {
  std::string name;
  std::vector<std::string> after{};  ///< what it comes after, stages included
  ActionKind action = ActionKind::Pod;
  logic::Group group = logic::Group::Main;
  std::string stage{};
  std::string when{};
  int position = -1;                      ///< in the plan, by which the archive counts; -1: unknown
  std::vector<std::string> containers{};  ///< steps of containers in its pod; empty: not a pod step
  std::string detail{};                   ///< method and URL, message of an approval, ...
  std::vector<std::string> approvers{};   ///< of an approval
};

/// The steps of `spec` in an order in which each stands after what it comes after. A
/// graph that does not compile is given as it is written.
std::vector<GraphStep> graph_of(const crds::PipelineSpec& spec);
/// The step of that name, or null.
const GraphStep* find_step(const std::vector<GraphStep>& graph, std::string_view name);

/// A step and how it fares.
struct StepLine {
  GraphStep step;
  crds::StepState state;                      ///< its name is the step's
  std::vector<crds::StepState> combinations;  ///< of its matrix
  bool archived = false;                      ///< the details are not in the status
};

/// All steps of the graph with their states, then those of the status that the graph has not.
std::vector<StepLine> step_lines(const std::vector<GraphStep>& graph,
                                 const crds::PipelineRunStatus& status);

}  // namespace millrace::cli
