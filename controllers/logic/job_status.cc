#include "controllers/logic/job_status.h"

#include <algorithm>

#include "controllers/logic/attempt.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/run.h"
#include "controllers/logic/run_status.h"
#include "controllers/logic/times.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using api::Job;
using codec::Value;
using std::chrono::seconds;

bool has_condition(const Job& job, std::string_view type) {
  const api::Condition* condition = api::find_condition(job.status.conditions, type);
  return condition != nullptr && condition->status == "True";
}

Value job_condition(std::string_view type, std::string_view status, std::string_view reason,
                    std::string_view message, Time now) {
  const std::string time = format_time(now);
  return Value::object({{"type", type},
                        {"status", status},
                        {"lastProbeTime", time},
                        {"lastTransitionTime", time},
                        {"reason", reason},
                        {"message", cut(message, kMessageLimit)}});
}

Action job_status_patch(const Job& job, Value status) {
  Action action;
  action.verb = Action::Verb::PatchStatus;
  action.resource = Job::kResource;
  action.key = api::key_of(job.metadata);
  action.body = Value::object(
      {{"metadata", Value::object({{"resourceVersion", job.metadata.resource_version}})}});
  action.body["status"] = std::move(status);
  return action;
}

Time job_start_time(const JobInput& input) {
  if (input.job->status.start_time) return *input.job->status.start_time;
  return truncate_to_second(input.job->metadata.creation_timestamp.value_or(input.now));
}

std::optional<JobStop> find_job_stop(const JobInput& input, std::optional<Duration>& recheck) {
  const Job& job = *input.job;
  const std::string& ordered = job.metadata.annotation(kStopAnnotation);
  if (!ordered.empty()) return JobStop{ordered, job.metadata.annotation(kStopMessageAnnotation)};
  if (!job.spec.active_deadline_seconds) return std::nullopt;
  const auto allowed = std::min(seconds(*job.spec.active_deadline_seconds), kCentury);
  const Time deadline = job_start_time(input) + allowed;
  if (input.now >= deadline) {
    return JobStop{"DeadlineExceeded", "the Job was active longer than spec.activeDeadlineSeconds",
                   true};
  }
  recheck = std::min(recheck.value_or(Duration::max()), time_until(deadline, input.now));
  return std::nullopt;
}

RunStand stand_of_run(const JobInput& input) {
  const api::OwnerReference* owner = run_of_job(*input.job);
  if (owner == nullptr) return RunStand::GoesOn;
  // Another run of that name may be the next one, or in a cache that lags the one before.
  if (input.run == nullptr || input.run->metadata.uid != owner->uid) {
    return input.live ? RunStand::Gone : RunStand::Unknown;
  }
  const bool over = is_terminal(*input.run) || input.run->metadata.deletion_timestamp;
  return over ? RunStand::Ended : RunStand::GoesOn;
}

Action stop_after_run(const JobInput& input) {
  const bool ended = is_terminal(*input.run);
  return stop_job(
      *input.job, "RunEnded",
      std::string("no pod was made, as the run ") + (ended ? "has ended" : "is being deleted"));
}

void look_again(JobPlan& plan, Duration delay) {
  plan.recheck = std::min(plan.recheck.value_or(Duration::max()), delay);
}

}  // namespace millrace::logic
