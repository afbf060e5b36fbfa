#include "controllers/logic/batch.h"

#include <algorithm>
#include <utility>

#include "controllers/logic/attempt.h"
#include "controllers/logic/compile.h"
#include "controllers/logic/job.h"
#include "controllers/logic/job_body.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "controllers/logic/retry_of.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using crds::PipelineRunStatus;
using crds::StepPhase;
using crds::StepState;

constexpr Duration kDefaultTimeout = std::chrono::minutes(10);
/// How often to look again at something whose end should be an event.
constexpr Duration kSafetyRecheck = std::chrono::seconds(30);
constexpr LiveParts kWorkload{false, false, true};

/// What the functions below work on.
struct Batch {
  const RunInput& input;
  const Revision& revision;
  const Attempt& attempt;

  const crds::PipelineRun& run() const { return *input.run; }
  const PipelineRunStatus& before() const { return input.run->status; }
};

bool is_lost(const Batch& b) {
  if (b.attempt.active == nullptr) return false;
  const std::optional<Time> loss = lost_at(*b.attempt.active);
  return loss && b.input.now >= *loss;
}

/// A pod of the attempt may still be running.
bool is_alive(const Batch& b) { return b.attempt.active != nullptr && !is_lost(b); }

std::size_t count_succeeded(const std::vector<StepState>& states) {
  return static_cast<std::size_t>(
      std::count_if(states.begin(), states.end(),
                    [](const StepState& s) { return s.state == StepPhase::Succeeded; }));
}

/// Put the steps into the status, with what follows from them.
void set_steps(PipelineRunStatus& status, const Attempt& attempt, std::vector<StepState> states) {
  const std::size_t total = attempt.all_steps.size();
  const std::size_t earlier = total - attempt.steps.size();
  status.steps = std::to_string(earlier + count_succeeded(states)) + "/" + std::to_string(total);
  for (const StepState& state : states) {
    if (state.state == StepPhase::Succeeded || state.exit_code) {
      status.steps_completed.push_back(container_name(state.name));
    }
  }
  status.step_states = std::move(states);
}

/// Everything but the conditions, with the steps as `states`.
PipelineRunStatus make_status(const Batch& b, std::vector<StepState> states) {
  PipelineRunStatus status = carried_status(b.input, b.revision.name);
  const std::string& job = b.attempt.job_key.name;
  const bool recorded = b.before().cluster && b.before().cluster->build_name == job;
  if (b.attempt.exists() && !status.start_time) {
    status.start_time = truncate_to_second(b.attempt.started);
  }
  if (b.attempt.exists() || recorded) {
    status.cluster = crds::RunCluster{b.attempt.job_key.ns, job, {}, {}};
    if (status.retry_status) status.retry_status->retry_count = b.attempt.number - 1;
  }
  set_steps(status, b.attempt, std::move(states));
  return status;
}

PipelineRunStatus make_status(const Batch& b, const std::optional<PodWait>& wait = {}) {
  return make_status(b, step_states(b.attempt, b.before(), wait));
}

Time attempt_end(const Batch& b) {
  std::optional<Time> end;
  if (b.attempt.pod() != nullptr && has_ended(*b.attempt.pod())) end = end_time(*b.attempt.pod());
  return std::max(end.value_or(b.input.now), truncate_to_second(b.attempt.started));
}

RunPlan succeed(const Batch& b) {
  std::vector<StepState> states = step_states(b.attempt, b.before(), {});
  for (StepState& state : states) {  // the Job is complete, whatever is known of its pod
    state.state = StepPhase::Succeeded;
    state.waiting.reset();
  }
  PipelineRunStatus status = make_status(b, std::move(states));
  set_succeeded(status, b.input, b.attempt.label() + " succeeded");
  set_end(status, attempt_end(b));
  RunPlan plan;
  propose(plan, b.input, std::move(status));
  return plan;
}

RunPlan cancel_now(const Batch& b) {
  std::vector<StepState> states = step_states(b.attempt, b.before(), {});
  close_states(states, "Cancelled");
  PipelineRunStatus status = make_status(b, std::move(states));
  set_cancelled(status, b.input, "Cancelled",
                "cancelled on request, with " + status.steps + " steps succeeded");
  set_end(status, b.attempt.exists() ? attempt_end(b) : b.input.now);
  RunPlan plan;
  propose(plan, b.input, std::move(status));
  return plan;
}

std::vector<std::string> names_of(const std::vector<StepState>& states, StepPhase phase) {
  std::vector<std::string> names;
  for (const StepState& state : states) {
    if (state.state == phase) names.push_back(state.name);
  }
  return names;
}

std::string join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// The next attempt: written down before its Job is made, so that a crash cannot confuse the two.
RunPlan retry(const Batch& b, PipelineRunStatus status, const Failure& failure) {
  Attempt next;
  next.number = b.attempt.number + 1;
  next.limit = b.attempt.limit;
  next.all_steps = b.attempt.all_steps;
  next.steps = remaining_steps(next.all_steps, status.retry_status->history_build);
  next.job_key = b.attempt.job_key;
  next.job_key.name.clear();
  status.cluster.reset();
  status.steps_completed.clear();
  set_steps(status, next, step_states(next, PipelineRunStatus{}, {}));
  set_going(status, b.input, "BuildRetry",
            b.attempt.label() + " failed (" + failure.reason + "): " + failure.message +
                "; trying again with " + join(next.steps));
  RunPlan plan;
  propose(plan, b.input, std::move(status));
  if (plan.status) look_again(plan, Duration::zero());
  return plan;
}

/// The attempt is over and has failed: into the history with it, then retry or end.
RunPlan end_attempt(const Batch& b, const Failure& failure) {
  std::vector<StepState> states = step_states(b.attempt, b.before(), {});
  close_states(states, failure.reason);
  crds::AttemptRecord record;
  record.ns = b.attempt.job_key.ns;
  record.build_name = b.attempt.job_key.name;
  record.attempt = b.attempt.number;
  if (b.attempt.exists()) record.start_time = truncate_to_second(b.attempt.started);
  record.completion_time = truncate_to_second(attempt_end(b));
  record.reason = failure.reason;
  record.message = cut(failure.message, kMessageLimit);
  record.steps_succeeded = names_of(states, StepPhase::Succeeded);

  PipelineRunStatus status = make_status(b, std::move(states));
  crds::RetryStatus& retries =
      status.retry_status ? *status.retry_status : status.retry_status.emplace();
  const bool all_done =
      record.steps_succeeded.size() == b.attempt.steps.size() && failure.reason != "BuildTimeout";
  if (all_done) return succeed(b);
  retries.history_build.push_back(std::move(record));
  retries.retry_count = b.attempt.number - 1;
  if (b.attempt.number < b.attempt.limit) return retry(b, std::move(status), failure);
  set_failed(status, b.input, failure.reason, b.attempt.label() + " failed: " + failure.message);
  set_end(status, attempt_end(b));
  RunPlan plan;
  propose(plan, b.input, std::move(status));
  return plan;
}

/// The run ends before its next attempt began.
RunPlan end_unstarted(const Batch& b, const char* reason, std::string_view message,
                      bool cancelled) {
  std::vector<StepState> states = step_states(b.attempt, b.before(), {});
  close_states(states, reason);
  PipelineRunStatus status = make_status(b, std::move(states));
  if (cancelled) {
    set_cancelled(status, b.input, reason, message);
  } else {
    set_failed(status, b.input, reason, message);
  }
  set_end(status, b.input.now);
  RunPlan plan;
  propose(plan, b.input, std::move(status));
  return plan;
}

// ---- stopping ----

/// Wait for the attempt's pod to go; push what nobody else would push.
RunPlan wait_for_stop(const Batch& b, const std::string& message, std::optional<Action> order) {
  RunPlan plan;
  if (order) plan.actions.push_back(*std::move(order));
  const bool nobody_stops_it = b.attempt.job == nullptr || is_finished(*b.attempt.job);
  if (is_alive(b)) {
    const api::ObjectMeta& pod = b.attempt.active->metadata;
    if (nobody_stops_it && !pod.deletion_timestamp) {
      plan.actions.push_back(delete_object(api::Pod::kResource, pod));
    }
    if (const auto loss = lost_at(*b.attempt.active)) look_again(plan, *loss - b.input.now);
  }
  look_again(plan, kSafetyRecheck);
  PipelineRunStatus status = make_status(b);
  set_stopping(status, b.input, message);
  propose(plan, b.input, std::move(status));
  return plan;
}

/// Begin to stop the attempt with `reason`.
RunPlan stop_attempt(const Batch& b, const std::string& reason, const std::string& message) {
  const bool can_order = b.attempt.job != nullptr && !is_finished(*b.attempt.job);
  return wait_for_stop(
      b, message,
      can_order ? std::optional(stop_job(*b.attempt.job, reason, message)) : std::nullopt);
}

/// The Job was told to stop.
RunPlan plan_ordered_stop(const Batch& b) {
  const std::string& reason = b.attempt.job->metadata.annotation(kStopAnnotation);
  const std::string& message = b.attempt.job->metadata.annotation(kStopMessageAnnotation);
  const bool over = is_finished(*b.attempt.job) || b.attempt.failed != nullptr || is_lost(b);
  if (is_alive(b) || !over) return wait_for_stop(b, message, std::nullopt);
  if (is_lost(b) && !b.input.live.workload) return ask_live(kWorkload);
  if (b.run().spec.cancel) return cancel_now(b);
  return end_attempt(b, {reason, message, "", reason != "BuildTimeout"});
}

/// The run is to be cancelled and no Job was told so yet.
RunPlan plan_cancel(const Batch& b) {
  const std::string message = "cancelled on request; waiting for the pod to end";
  const bool stoppable = b.attempt.job != nullptr && !is_finished(*b.attempt.job);
  if (is_alive(b) || (stoppable && b.attempt.failed == nullptr)) {
    return stop_attempt(b, "Cancelled", message);
  }
  // Nothing runs. Where that is only an absence, make sure of it.
  if (b.attempt.failed == nullptr && !b.input.live.workload) return ask_live(kWorkload);
  return cancel_now(b);
}

// ---- running ----

/// What holds up the attempt, as far as known.
std::optional<PodWait> attempt_wait(const Batch& b) {
  if (b.attempt.active != nullptr) return find_wait(*b.attempt.active);
  const auto& failure = b.input.pod_failure;
  if (b.attempt.job == nullptr || !failure) return std::nullopt;
  if (!failure->key.name.starts_with(b.attempt.job_key.name)) return std::nullopt;
  return PodWait{judge(*failure).reason, "the pod cannot be created yet: " + failure->error.message,
                 false};
}

std::string running_step(const std::vector<StepState>& states) {
  for (const StepState& state : states) {
    if (state.state == StepPhase::Running) return state.name;
  }
  return {};
}

Failure timeout_failure(const Batch& b, Duration timeout, const std::optional<PodWait>& wait) {
  const std::string after = " after " + format_duration(timeout);
  if (wait) {
    return {failure_reason(*wait),
            "not started" + after + " (" + wait->reason + "): " + wait->message, "", true};
  }
  if (b.attempt.active == nullptr) {
    return {"PodNotCreated",
            "no pod was made" + after + "; see the events of Job " + b.attempt.job_key.name, "",
            true};
  }
  const std::string step = running_step(step_states(b.attempt, b.before(), wait));
  std::string text = "the attempt did not end within " + format_duration(timeout);
  if (!step.empty()) text += "; step " + step + " was running";
  return {"BuildTimeout", text + "; make it faster, or give more time in spec.timeout of the run",
          step, false};
}

RunPlan plan_running(const Batch& b) {
  const std::optional<PodWait> wait = attempt_wait(b);
  if (wait && wait->permanent) {
    return stop_attempt(b, failure_reason(*wait), wait->reason + ": " + wait->message);
  }
  const Duration timeout = b.run().spec.timeout.value_or(kDefaultTimeout);
  RunPlan plan;
  if (timeout > Duration::zero()) {
    const Duration left = b.attempt.started + timeout - b.input.now;
    if (left <= Duration::zero()) {
      if (!b.input.live.workload) return ask_live(kWorkload);
      const Failure failure = timeout_failure(b, timeout, wait);
      return stop_attempt(b, failure.reason, failure.message);
    }
    look_again(plan, left);
  }
  if (b.attempt.active != nullptr) {
    if (const auto loss = lost_at(*b.attempt.active)) look_again(plan, *loss - b.input.now);
  }
  std::vector<StepState> states = step_states(b.attempt, b.before(), wait);
  const std::string step = running_step(states);
  std::string reason = "Pending";
  std::string message = b.attempt.label();
  if (wait) {
    reason = wait->reason;
    // The words that were recorded first, see step_states.
    const auto pending = std::find_if(states.begin(), states.end(), [&](const StepState& s) {
      return s.waiting && s.waiting->reason == wait->reason;
    });
    message += " waits: " + (pending == states.end() ? wait->message : pending->waiting->message);
  } else if (!step.empty() || count_succeeded(states) > 0) {
    reason = "Running";
    message += step.empty() ? ": between two steps" : ": step " + step + " is running";
  } else {
    message += b.attempt.active == nullptr ? ": waiting for the pod" : ": the pod is starting";
  }
  PipelineRunStatus status = make_status(b, std::move(states));
  set_going(status, b.input, reason, message);
  propose(plan, b.input, std::move(status));
  return plan;
}

// ---- starting ----

/// A Create that the server refused for now.
RunPlan wait_for_create(const Batch& b, const CreateFailure& failure,
                        const CreateVerdict& verdict) {
  const std::string message =
      failure.kind + " " + failure.key.name + " cannot be created yet: " + failure.error.message;
  PipelineRunStatus status = make_status(b, PodWait{verdict.reason, message, false});
  set_going(status, b.input, verdict.reason, b.attempt.label() + " waits: " + message);
  RunPlan plan;
  look_again(plan, verdict.pause);
  propose(plan, b.input, std::move(status));
  return plan;
}

/// No Job and no pod of the attempt: make it, or say why not.
RunPlan plan_start(const Batch& b) {
  const std::string& name = b.attempt.job_key.name;
  if (b.before().cluster && b.before().cluster->build_name == name) {
    if (!b.input.live.workload) return ask_live(kWorkload);
    return end_attempt(
        b, {"JobLost", "the Job " + name + " is gone; somebody deleted it while it ran", "", true});
  }
  if (b.input.expired) {
    if (!b.input.live.workload) return ask_live(kWorkload);
    return end_unstarted(b, "PipelineExpired",
                         "Pipeline is expired; change spec.strategy.expire of the pipeline and "
                         "create a new run",
                         true);
  }
  if (b.attempt.earlier_active) {
    PipelineRunStatus status = make_status(b);
    set_going(status, b.input, "PreviousAttempt",
              b.attempt.label() + " waits: a pod of an earlier attempt has not ended");
    RunPlan plan;
    look_again(plan, kSafetyRecheck);
    propose(plan, b.input, std::move(status));
    return plan;
  }
  if (b.input.create_failure) {
    const CreateFailure& failure = *b.input.create_failure;
    const CreateVerdict verdict = judge(failure);
    if (!verdict.permanent) return wait_for_create(b, failure, verdict);
    std::string text = failure.kind + " " + failure.key.name + " ";
    text += verdict.reason == "NameConflict" ? "exists already and belongs to somebody else"
                                             : "was refused: " + failure.error.message;
    return end_attempt(b, {verdict.reason, std::move(text), "", false});
  }
  const Result<Plan> compiled = compile(b.revision.frozen.spec, b.input.config);
  if (!compiled.ok()) {
    return end_unstarted(b, compiled.error().reason.c_str(), compiled.error().message, false);
  }
  RunPlan plan;
  plan.actions.push_back(
      create_job(b.input, b.revision, compiled->nodes.front(), b.attempt.number, b.attempt.steps));
  look_again(plan, kFirstWriteDelay);
  return plan;
}

/// A retry of an ended run: what succeeded there goes into the history before anything begins.
std::optional<RunPlan> take_over(const Batch& b) {
  const bool begun = b.attempt.exists() || b.before().retry_status || b.before().cluster;
  if (b.input.retried == nullptr || begun || b.run().spec.cancel) return std::nullopt;
  std::vector<std::string> reused = reused_steps(*b.input.retried, b.attempt.all_steps);
  if (reused.empty()) return std::nullopt;
  const std::string& name = b.input.retried->metadata.name;
  crds::AttemptRecord record;
  record.ns = b.attempt.job_key.ns;
  record.completion_time = truncate_to_second(b.input.now);
  record.reason = kTakenOver;
  record.message = "taken over from run " + name + ": " + join(reused);
  record.steps_succeeded = std::move(reused);
  PipelineRunStatus status = make_status(b);
  set_going(status, b.input, "Pending", record.message);
  crds::RetryStatus& retries = status.retry_status.emplace();
  retries.history_build.push_back(std::move(record));
  Attempt first = b.attempt;
  first.steps = remaining_steps(first.all_steps, retries.history_build);
  set_steps(status, first, step_states(first, b.before(), {}));
  RunPlan plan;
  propose(plan, b.input, std::move(status));
  if (plan.status) look_again(plan, Duration::zero());
  return plan;
}

}  // namespace

RunPlan plan_batch(const RunInput& input, const Revision& revision) {
  const Attempt attempt = observe_attempt(input, step_names(revision.frozen.spec));
  const Batch b{input, revision, attempt};
  if (auto plan = take_over(b)) return *std::move(plan);
  const api::Job* job = attempt.job;
  const bool complete = job != nullptr && is_complete(*job);
  // A cache that lags may not have the pod yet, which says where the steps ran and how they ended.
  if (complete && attempt.succeeded == nullptr && !input.live.workload) return ask_live(kWorkload);
  if (complete || attempt.succeeded != nullptr) return succeed(b);
  if (job != nullptr && !job->metadata.annotation(kStopAnnotation).empty()) {
    return plan_ordered_stop(b);
  }
  if (input.run->spec.cancel) return plan_cancel(b);
  if (attempt.active == nullptr && attempt.failed != nullptr) {
    return end_attempt(b, classify(*attempt.failed));
  }
  if (is_lost(b)) {
    if (!input.live.workload) return ask_live(kWorkload);
    return end_attempt(b, {"NodeLost",
                           "the pod " + attempt.active->metadata.name +
                               " was to end, but its node did not confirm it in time",
                           "", true});
  }
  if (attempt.active == nullptr && job != nullptr && is_finished(*job)) {
    if (!input.live.workload) return ask_live(kWorkload);
    return end_attempt(b, job_failure(*job, input.pod_failure));
  }
  if (attempt.active == nullptr && job == nullptr) return plan_start(b);
  return plan_running(b);
}

}  // namespace millrace::logic
