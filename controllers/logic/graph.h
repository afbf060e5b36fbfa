/// Planning for graphs: steps with dependencies, conditions, retries and outputs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controllers/logic/run.h"

namespace millrace::logic {

/// Plan a run whose frozen pipeline has `steps`, or `stages` with `jobs`. Called by plan_run, after
/// what all runs have in common. `revision.plan` is there.
///
/// What a plan may rest on after a crash is only what the API server holds: the run's status, Jobs
/// and pods, child runs, applied objects. So the status that says that a call is under way is
/// written before the call is sent (RunPlan::calls are made after the status); steps without
/// predecessors of a run that its gateway made are sent at once: the run's own creation says so.
RunPlan plan_graph(const RunInput& input, const Revision& revision);

}  // namespace millrace::logic
