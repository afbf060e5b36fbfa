/// `millrace retry`: which steps of an ended run are taken over, which run again. Pure.
#pragma once

#include <string>
#include <vector>

#include "crds/pipeline_run.h"
#include "kubeclient/base/result.h"
#include "operator/cli/graph.h"
#include "operator/cli/text.h"

namespace millrace::cli {

struct RetryPlan {
  struct Step {
    std::string name;
    bool reused = false;
    std::string why;
  };
  std::vector<Step> steps;
  codec::Value body;  ///< the PipelineRun to create
};

/// The plan for another run like `run`, whose steps are `graph`. Errors: Invalid, with the cure: it
/// has not ended, it succeeded, or it is a stream.
Result<RetryPlan> plan_retry(const crds::PipelineRun& run, const std::vector<GraphStep>& graph);

/// The plan as a table.
std::string to_text(const RetryPlan& plan, Look look);

}  // namespace millrace::cli
