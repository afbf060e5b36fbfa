/// Planning for stream pipelines: Deployments and headless Services that are kept as they should
/// be.
#pragma once

#include <string>
#include <vector>

#include "controllers/logic/run.h"

namespace millrace::logic {

/// Names of the children of a stream.
struct StreamChildren {
  std::vector<std::string> deployments;
  std::vector<std::string> services;
  bool operator==(const StreamChildren&) const = default;
};

/// The children that `frozen` of pipeline `pipeline` asks for; empty for other bodies.
StreamChildren stream_children(const std::string& pipeline, const FrozenPipeline& frozen);

/// Plan a run whose frozen pipeline has a streamJob. Called by plan_run, after what all runs have
/// in common.
RunPlan plan_stream(const RunInput& input, const Revision& revision);

}  // namespace millrace::logic
