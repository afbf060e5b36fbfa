/// Planning for batch pipelines: one Job per attempt, until one succeeds or none is left.
#pragma once

#include "controllers/logic/run.h"

namespace millrace::logic {

/// Plan a run whose frozen pipeline has a batchJob. Called by plan_run, after what all runs have in
/// common.
RunPlan plan_batch(const RunInput& input, const Revision& revision);

}  // namespace millrace::logic
