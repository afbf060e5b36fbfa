#include "controllers/logic/attempt.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "controllers/logic/compile.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/run_status.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using api::Job;
using api::Pod;
using crds::StepPhase;
using crds::StepState;

/// True when the pod was made for a Job of the run's attempt that its label names, be it one that
/// was deleted and made again since. The labels alone prove nothing: anybody may write them, on a
/// Job too.
bool names_run(const RunInput& input, const Pod& pod) {
  const api::ObjectMeta& run = input.run->metadata;
  const api::OwnerReference* owner = pod.metadata.controller_ref();
  if (owner == nullptr || owner->kind != Job::kResource.kind) return false;
  if (pod.metadata.label(kRunUidLabel) != run.uid) return false;
  for (const Job* job : input.jobs) {
    if (job->metadata.uid == owner->uid && !is_controlled_by(job->metadata, run.uid)) return false;
  }
  const int attempt = std::atoi(pod.metadata.label(kAttemptLabel).c_str());
  return owner->name == job_name(run.name, run.uid, kBatchNode, attempt);
}

/// The same, and the Job is the one there is now, if there is any.
bool is_pod_of_run(const RunInput& input, const Pod& pod) {
  if (!names_run(input, pod)) return false;
  const api::ObjectMeta& run = input.run->metadata;
  const api::OwnerReference* owner = pod.metadata.controller_ref();
  return std::all_of(input.jobs.begin(), input.jobs.end(), [&](const Job* job) {
    const bool same = job->metadata.name == owner->name && is_controlled_by(job->metadata, run.uid);
    return !same || job->metadata.uid == owner->uid;
  });
}

/// Without a pod: what was recorded when there was one.
StepState recorded_state(const std::string& step, const Attempt& attempt,
                         const crds::PipelineRunStatus& before) {
  for (const StepState& state : before.step_states) {
    if (state.name == step && state.job_name == attempt.job_key.name && !state.pod_name.empty()) {
      return state;
    }
  }
  return {};
}

void apply_termination(StepState& state, const api::ContainerState::Terminated& end) {
  state.state = end.exit_code == 0 ? StepPhase::Succeeded : StepPhase::Failed;
  state.exit_code = end.exit_code;
  state.started_at = end.started_at;
  state.finished_at = end.finished_at;
  if (end.exit_code == 0) return;
  state.reason = end.reason;
  state.message = cut(end.message, kMessageLimit);
}

StepState state_in_pod(const std::string& step, const Pod& pod) {
  StepState state;
  state.pod_name = pod.metadata.name;
  const api::ContainerState* container = find_state(pod, step);
  if (container != nullptr && container->terminated) {
    apply_termination(state, *container->terminated);
  } else if (container != nullptr && container->running) {
    state.state = StepPhase::Running;
    state.started_at = container->running->started_at;
  }
  if (has_succeeded(pod)) {  // a fact about all containers, whatever was reported of each
    state.state = StepPhase::Succeeded;
    if (!state.exit_code) state.exit_code = 0;
  }
  return state;
}

/// Fill `waiting` of the pending steps: the first waits for `wait`, those after it for it.
void set_waits(std::vector<StepState>& states, const crds::PipelineRunStatus& before,
               const std::optional<PodWait>& wait) {
  const StepState* previous = nullptr;
  for (StepState& state : states) {
    if (state.state == StepPhase::Pending) {
      crds::StepWaiting waiting;
      if (previous != nullptr && previous->state != StepPhase::Succeeded) {
        waiting.reason = "PreviousStep";
      } else if (wait) {
        waiting = {wait->reason, cut(wait->message, kMessageLimit)};
      } else {
        waiting.reason = state.pod_name.empty() ? "PodPending" : "ContainerCreating";
      }
      // Back-off messages change all the time; the first one of a kind says it all.
      for (const StepState& old : before.step_states) {
        if (old.name == state.name && old.job_name == state.job_name && old.waiting &&
            old.waiting->reason == waiting.reason) {
          waiting.message = old.waiting->message;
        }
      }
      state.waiting = std::move(waiting);
    }
    previous = &state;
  }
}

/// The pod ended because its Job was told to stop. Many programs end with 0 then, and yet have not
/// done what they were to do.
bool was_stopped(const Attempt& attempt, const Pod& pod) {
  return pod.metadata.deletion_timestamp && attempt.job != nullptr &&
         !attempt.job->metadata.annotation(kStopAnnotation).empty();
}

}  // namespace

Time start_of(const Job& job) {
  const Result<Time> exact = parse_time(job.metadata.annotation(kStartedAnnotation));
  if (exact.ok()) return *exact;
  return job.metadata.creation_timestamp.value_or(Time{});
}

void add_pod(Attempt& attempt, const Pod& pod, Time now) {
  const std::optional<Time> loss = lost_at(pod);
  if (has_succeeded(pod) && !was_stopped(attempt, pod)) {
    attempt.succeeded = &pod;
  } else if (has_ended(pod)) {
    attempt.failed = &pod;
  } else if (attempt.active == nullptr || (loss && now < *loss)) {
    attempt.active = &pod;
  }
}

Action stop_job(const api::Job& job, const std::string& reason, const std::string& message) {
  using codec::Value;
  Action action;
  action.verb = Action::Verb::MergePatch;
  action.resource = api::Job::kResource;
  action.key = api::key_of(job.metadata);
  Value annotations = Value::object(
      {{kStopAnnotation, reason}, {kStopMessageAnnotation, cut(message, kMessageLimit)}});
  action.body =
      Value::object({{"metadata", Value::object({{"annotations", std::move(annotations)}})},
                     {"spec", Value::object({{"activeDeadlineSeconds", 1}})}});
  return action;
}

std::string failure_reason(const PodWait& wait) {
  if (wait.reason == "SchedulingGated") return "Unschedulable";
  const bool image = wait.reason == "ImagePullBackOff" || wait.reason == "ErrImageNeverPull" ||
                     wait.reason == "InvalidImageName";
  return image ? "ImagePullFailed" : wait.reason;
}

Failure job_failure(const api::Job& job, const std::optional<CreateFailure>& pod_failure) {
  const api::Condition* failed = api::find_condition(job.status.conditions, "Failed");
  if (failed == nullptr || failed->reason == "BackoffLimitExceeded") {
    return {"PodLost", "the pod is gone and its end was not seen", "", true};
  }
  std::string message = failed->message;
  if (message.empty() && pod_failure && pod_failure->key.name.starts_with(job.metadata.name)) {
    message = "pod " + pod_failure->key.name + ": " + pod_failure->error.message;
  }
  return {failed->reason, std::move(message), "", true};
}

bool is_complete(const api::Job& job) {
  // A Job that was told to stop may count a pod that ended with 0 because of it.
  if (!job.metadata.annotation(kStopAnnotation).empty()) return false;
  const api::Condition* complete = api::find_condition(job.status.conditions, "Complete");
  return complete != nullptr && complete->status == "True";
}

std::string Attempt::label() const {
  return "attempt " + std::to_string(number) + " of " + std::to_string(limit);
}

std::vector<std::string> remaining_steps(const std::vector<std::string>& all_steps,
                                         const std::vector<crds::AttemptRecord>& history) {
  std::set<std::string> done;
  for (const crds::AttemptRecord& record : history) {
    if (record.reason == "BuildTimeout") {
      done.clear();
    } else {
      done.insert(record.steps_succeeded.begin(), record.steps_succeeded.end());
    }
  }
  const auto first = std::find_if(all_steps.begin(), all_steps.end(),
                                  [&](const std::string& step) { return !done.contains(step); });
  return {first, all_steps.end()};
}

Attempt observe_attempt(const RunInput& input, const std::vector<std::string>& all_steps) {
  static const std::vector<crds::AttemptRecord> no_history;
  const crds::PipelineRun& run = *input.run;
  const auto& history =
      run.status.retry_status ? run.status.retry_status->history_build : no_history;
  Attempt attempt;
  attempt.number = history.empty() ? 1 : history.back().attempt + 1;
  attempt.limit = 1 + std::max(0, run.spec.max_retry_count);
  attempt.all_steps = all_steps;
  attempt.steps = remaining_steps(all_steps, history);
  attempt.job_key = {run.metadata.ns,
                     job_name(run.metadata.name, run.metadata.uid, kBatchNode, attempt.number)};
  for (const Job* job : input.jobs) {
    if (job->metadata.name == attempt.job_key.name &&
        is_controlled_by(job->metadata, run.metadata.uid)) {
      attempt.job = job;
    }
  }
  const std::string number = std::to_string(attempt.number);
  for (const Pod* pod : input.pods) {
    if (!names_run(input, *pod)) continue;
    if (pod->metadata.label(kAttemptLabel) == number) {
      if (is_pod_of_run(input, *pod)) add_pod(attempt, *pod, input.now);
    } else if (!has_ended(*pod) && !(lost_at(*pod) && input.now >= *lost_at(*pod))) {
      attempt.earlier_active = true;
    }
  }
  if (attempt.job != nullptr) {
    attempt.started = start_of(*attempt.job);
  } else if (attempt.pod() != nullptr) {
    attempt.started = attempt.pod()->metadata.creation_timestamp.value_or(input.now);
  }
  return attempt;
}

std::vector<StepState> step_states(const Attempt& attempt, const crds::PipelineRunStatus& before,
                                   const std::optional<PodWait>& wait) {
  std::vector<StepState> states;
  states.reserve(attempt.steps.size());
  const Pod* pod = attempt.pod();
  for (const std::string& step : attempt.steps) {
    StepState state =
        pod != nullptr ? state_in_pod(step, *pod) : recorded_state(step, attempt, before);
    state.name = step;
    state.attempt = attempt.number;
    if (attempt.exists()) state.job_name = attempt.job_key.name;
    state.waiting.reset();
    states.push_back(std::move(state));
  }
  set_waits(states, before, wait);
  return states;
}

void close_states(std::vector<StepState>& states, const std::string& reason) {
  for (StepState& state : states) {
    state.waiting.reset();
    if (state.state == StepPhase::Pending) state.state = StepPhase::Skipped;
    if (state.state != StepPhase::Running) continue;
    state.state = StepPhase::Failed;
    state.reason = reason;
  }
}

}  // namespace millrace::logic
