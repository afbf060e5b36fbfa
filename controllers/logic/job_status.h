/// Pieces that the planners of all Jobs share: conditions, the status write, reasons to stop.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controllers/logic/job.h"

namespace millrace::logic {

/// How often to look again at something whose end should be an event.
inline constexpr Duration kJobSafetyRecheck = std::chrono::seconds(30);
/// "Active" and other progress is written only when it has lasted this long, so that short Jobs
/// need no such write.
inline constexpr Duration kJobProgressDelay = std::chrono::seconds(1);
/// When too much of it is to be written (JobInput::may_report), it is asked for again after this.
inline constexpr Duration kJobReportAgain = std::chrono::seconds(5);

/// The condition `type` is True.
bool has_condition(const api::Job& job, std::string_view type);

/// batch/v1 JobCondition.
codec::Value job_condition(std::string_view type, std::string_view status, std::string_view reason,
                           std::string_view message, Time now);

/// The write of `status` with the Job's version as precondition.
Action job_status_patch(const api::Job& job, codec::Value status);

/// When the Job began: as recorded, else when it was created.
Time job_start_time(const JobInput& input);

/// Why the Job has to stop now: reason and message of the condition it ends with.
struct JobStop {
  std::string reason;
  std::string message;
  bool by_time = false;  ///< decided from the clock, not from something written
};

/// An order to stop on the Job, or its deadline. `recheck` becomes the time until the deadline if
/// that is earlier.
std::optional<JobStop> find_job_stop(const JobInput& input, std::optional<Duration>& recheck);

/// How the run stands that a Job is of.
enum class RunStand {
  GoesOn,  ///< also that of a Job without a run
  Ended,   ///< or is being deleted
  Gone,    ///< there is none any more
  Unknown  ///< the cache has none; only without a live look
};
RunStand stand_of_run(const JobInput& input);

/// The order that stops a Job without pods whose run has ended, which then ends as RunEnded.
Action stop_after_run(const JobInput& input);

void look_again(JobPlan& plan, Duration delay);

}  // namespace millrace::logic
