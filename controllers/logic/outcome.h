/// The ways a run can stand, as conditions, and handing a status to the plan.
#pragma once

#include <string_view>

#include "controllers/logic/run.h"
#include "controllers/logic/run_status.h"

namespace millrace::logic {

/// The run goes on: Completed=False, Succeeded=Unknown with `reason`.
void set_going(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
               std::string_view message);

/// The run goes on for ever, and all is well: Completed=False, Succeeded=True.
void set_up(crds::PipelineRunStatus& status, const RunInput& input, std::string_view message);

/// The run cannot go on as things are, but it has not ended: Completed=False, Succeeded=False.
void set_blocked(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
                 std::string_view message);

/// The run goes on only to stop: set_going with reason Stopping; with `cancel` also
/// Cancelled=Unknown.
void set_stopping(crds::PipelineRunStatus& status, const RunInput& input, std::string_view message);

/// The run ended well.
void set_succeeded(crds::PipelineRunStatus& status, const RunInput& input,
                   std::string_view message);

/// The run ended badly.
void set_failed(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
                std::string_view message);

/// The run was ended from outside: Cancelled=True and Succeeded=False, both with `reason`.
void set_cancelled(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
                   std::string_view message);

/// Set completionTime (not before startTime) and duration.
void set_end(crds::PipelineRunStatus& status, Time end);

/// The parts of a new status that do not depend on the run's body: what carries over from the last
/// one, and the generation.
crds::PipelineRunStatus carried_status(const RunInput& input, const std::string& revision);

/// Put `status` into the plan if it is to be written now, else a recheck for when it is. `bytes`:
/// as for fit_budget.
void propose(RunPlan& plan, const RunInput& input, crds::PipelineRunStatus status,
             std::optional<std::size_t> bytes = {});

/// Plan again after `delay` at the latest.
void look_again(RunPlan& plan, Duration delay);

/// A plan that only asks for live parts.
RunPlan ask_live(LiveParts parts);

}  // namespace millrace::logic
