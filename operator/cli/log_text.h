/// What `millrace logs` prints besides the logs themselves. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "crds/pipeline_run.h"
#include "operator/cli/graph.h"

namespace millrace::cli {

/// Step → containers of its pod (as steps of containers), for steps of more or another container
/// than the one named after them.
std::map<std::string, std::vector<std::string>> containers_of(const std::vector<GraphStep>& graph);

/// What there is to say of a step without a log: request and answer of an HTTP step, the child run,
/// who decided. Lines without prefix; empty for steps of containers.
std::vector<std::string> step_summary(const GraphStep& step, const crds::StepState& state,
                                      const crds::PipelineRun& run);

/// Why a step has no log: it has not started, its pod is gone, ...
std::string no_log(const GraphStep& step, const crds::StepState& state);

}  // namespace millrace::cli
