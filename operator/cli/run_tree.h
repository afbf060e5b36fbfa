/// `millrace describe`: a run as a tree of steps, a pipeline as a graph. Pure: status → text.
#pragma once

#include <string>
#include <vector>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/event.h"
#include "operator/cli/graph.h"
#include "operator/cli/text.h"

namespace millrace::cli {

/// Why a step is as it is: "exit code 3, OOMKilled: ..."; "" when there is nothing to say.
std::string step_detail(const crds::StepState& step);
/// How long it ran, or has run at `now`; "" when it has not started.
std::string step_took(const crds::StepState& step, Time now);

/// The word for a run's state: the reason of its condition `Succeeded`, "New" before the operator
/// saw it.
std::string run_word(const crds::PipelineRun& run);
Tint run_tint(const crds::PipelineRun& run);
/// How long it took, or has taken at `now`; "" when it has not started.
std::string run_took(const crds::PipelineRun& run, Time now);

/// The table of steps alone: stages, `onError` and `finally` are headings, combinations of a matrix
/// stand below their step.
std::string step_tree(const std::vector<StepLine>& lines, Time now, Look look);

/// All there is to say about a run. `events` of the run, in any order.
std::string describe_run(const crds::PipelineRun& run, const std::vector<GraphStep>& graph,
                         const std::vector<api::Event>& events, Time now, Look look);

/// All there is to say about a pipeline. `runs` of it, in any order; the latest are shown.
std::string describe_pipeline(const crds::Pipeline& pipeline, const std::vector<GraphStep>& graph,
                              const std::vector<crds::PipelineRun>& runs,
                              const std::vector<api::Event>& events, Time now, Look look);

}  // namespace millrace::cli
