#include "controllers/logic/outcome.h"

#include <algorithm>
#include <utility>

#include "kubeclient/api/job.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

void set(crds::PipelineRunStatus& status, const RunInput& input, std::string_view type,
         std::string_view value, std::string_view reason, std::string_view message) {
  set_condition(status, type, value, reason, message, input.now, input.run->metadata.generation);
}

/// A cancel request that came too late is answered too.
void answer_cancel(crds::PipelineRunStatus& status, const RunInput& input) {
  if (!input.run->spec.cancel) return;
  set(status, input, "Cancelled", "False", "AlreadyEnded", "the run ended before it was stopped");
}

}  // namespace

void set_going(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
               std::string_view message) {
  set(status, input, "Completed", "False", "InProgress", "");
  set(status, input, "Succeeded", "Unknown", reason, message);
}

void set_up(crds::PipelineRunStatus& status, const RunInput& input, std::string_view message) {
  set(status, input, "Completed", "False", "InProgress", "");
  set(status, input, "Succeeded", "True", "Available", message);
}

void set_blocked(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
                 std::string_view message) {
  set(status, input, "Completed", "False", "InProgress", "");
  set(status, input, "Succeeded", "False", reason, message);
}

void set_stopping(crds::PipelineRunStatus& status, const RunInput& input,
                  std::string_view message) {
  set_going(status, input, "Stopping", message);
  if (input.run->spec.cancel) set(status, input, "Cancelled", "Unknown", "Stopping", message);
}

void set_succeeded(crds::PipelineRunStatus& status, const RunInput& input,
                   std::string_view message) {
  answer_cancel(status, input);
  set(status, input, "Completed", "True", "Succeeded", "");
  set(status, input, "Succeeded", "True", "Succeeded", message);
}

void set_failed(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
                std::string_view message) {
  answer_cancel(status, input);
  set(status, input, "Completed", "True", reason, "");
  set(status, input, "Succeeded", "False", reason, message);
}

void set_cancelled(crds::PipelineRunStatus& status, const RunInput& input, std::string_view reason,
                   std::string_view message) {
  set(status, input, "Cancelled", "True", reason, message);
  set(status, input, "Completed", "True", reason, "");
  set(status, input, "Succeeded", "False", reason, message);
}

void set_end(crds::PipelineRunStatus& status, Time end) {
  end = truncate_to_second(end);
  if (status.start_time) {
    end = std::max(end, *status.start_time);
    const Duration took = end - *status.start_time;
    status.duration = took < std::chrono::seconds(1) ? "<1s" : human_duration(took);
  }
  status.completion_time = end;
}

crds::PipelineRunStatus carried_status(const RunInput& input, const std::string& revision) {
  const crds::PipelineRunStatus& before = input.run->status;
  crds::PipelineRunStatus status;
  status.observed_generation = input.run->metadata.generation;
  status.conditions = before.conditions;
  status.pipeline_revision = revision;
  status.start_time = before.start_time;
  status.retry_status = before.retry_status;
  return status;
}

void propose(RunPlan& plan, const RunInput& input, crds::PipelineRunStatus status,
             std::optional<std::size_t> bytes) {
  fit_budget(status, bytes);
  const crds::PipelineRunStatus& before = input.run->status;
  // A Job that is made now, and a call that may be sent without a record of its own, may come to
  // its end before this status would be old.
  const bool makes =
      !plan.calls.empty() || std::any_of(plan.actions.begin(), plan.actions.end(), makes_job);
  const std::optional<Time> begun = makes ? input.now : input.last_create;
  const WriteDecision decision =
      decide_write(before, status, begun, input.last_status_write, input.now);
  const bool progress = decision.progress || decision.wait;
  if (progress && !input.may_report) return look_again(plan, kReportAgain);
  if (decision.wait) look_again(plan, *decision.wait);
  if (!decision.now) return;
  plan.reports = decision.progress;
  plan.notes = transition_notes(before, status);
  plan.status = std::move(status);
}

void look_again(RunPlan& plan, Duration delay) {
  delay = std::max(delay, Duration::zero());
  plan.recheck = std::min(plan.recheck.value_or(Duration::max()), delay);
}

RunPlan ask_live(LiveParts parts) {
  RunPlan plan;
  plan.needs_live = parts;
  return plan;
}

}  // namespace millrace::logic
