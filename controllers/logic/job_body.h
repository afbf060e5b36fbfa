/// The Job of one attempt, as it is sent.
#pragma once

#include <string>
#include <vector>

#include "controllers/logic/plan.h"
#include "controllers/logic/run.h"

namespace millrace::logic {

/// The Create of the Job of attempt `attempt` (from 1): of `node`, a PodStep, only `steps`, in
/// order; the last one is the pod's container, those before it are init containers. `input.now` is
/// recorded as the attempt's start. The caller checked that every one of `steps` is in `node`.
Action create_job(const RunInput& input, const Revision& revision, const Node& node, int attempt,
                  const std::vector<std::string>& steps);

/// Where a container's outputs are read from; $MILLRACE_OUTPUTS.
inline constexpr const char* kOutputsPath = "/dev/termination-log";

}  // namespace millrace::logic
