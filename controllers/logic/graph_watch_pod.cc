#include <algorithm>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/job.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using codec::Value;
using crds::RetryCause;
using crds::StepState;

namespace {

/// What a program said in its termination message: a JSON object, or lines `key=value`.
Value read_outputs(const std::string& message) {
  Value out = Value::object();
  if (message.empty()) return out;
  if (auto parsed = Value::parse(message); parsed.ok()) {
    return parsed->is_object() ? *std::move(parsed) : out;
  }
  std::size_t at = 0;
  while (at < message.size()) {
    const std::size_t end = std::min(message.find('\n', at), message.size());
    const std::string line = message.substr(at, end - at);
    at = end + 1;
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    const std::string key = line.substr(0, equals);
    const bool name = std::all_of(key.begin(), key.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
    });
    if (name) out[key] = line.substr(equals + 1);
  }
  return out;
}

/// How much of a message of one of `containers` Kubernetes keeps; what is that long may have been
/// cut. Source: kubelet, container.MaxContainerTerminationMessageLength,
/// MaxPodTerminationMessage...
std::size_t longest_message(std::size_t containers) {
  constexpr std::size_t kEach = 4096;
  constexpr std::size_t kTogether = 12 * 1024;
  return std::min(kEach, kTogether / std::max<std::size_t>(1, containers));
}

/// What the containers wrote. Invalid: one of them wrote so much that the rest was cut.
Result<Value> outputs_of(const api::Pod& pod) {
  Value out = Value::object();
  const std::size_t limit = longest_message(pod.status.init_container_statuses.size() +
                                            pod.status.container_statuses.size());
  for (const auto* list : {&pod.status.init_container_statuses, &pod.status.container_statuses}) {
    for (const api::ContainerStatus& status : *list) {
      if (!status.state.terminated) continue;
      const std::string& message = status.state.terminated->message;
      if (message.size() >= limit && !Value::parse(message).ok()) {
        return fail(Code::Invalid, "container " + status.name + " wrote " + std::to_string(limit) +
                                       " bytes or more to $MILLRACE_OUTPUTS, and the rest was cut");
      }
      Value said = read_outputs(message);
      for (auto& [key, value] : said.members()) out[key] = std::move(value);
    }
  }
  return out;
}

void set_exit_code(StepState& state, const api::Pod& pod, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const api::ContainerState* container = find_state(pod, name);
    if (container == nullptr || !container->terminated) continue;
    state.exit_code = container->terminated->exit_code;
    if (container->terminated->exit_code != 0) return;
  }
}

}  // namespace

void Graph::succeed_pod(Unit& unit, const PodStep& step, const Attempt& attempt, Time end) {
  StepState& state = unit.state;
  if (attempt.succeeded != nullptr) {
    set_exit_code(state, *attempt.succeeded, attempt.steps);
    if (step.outputs) {
      Result<Value> outputs = outputs_of(*attempt.succeeded);
      if (!outputs.ok()) {
        fail_attempt(unit, {"OutputsTooLong", outputs.error().message, RetryCause::Failed, true},
                     end);
        return;
      }
      state.outputs = *std::move(outputs);
    }
  } else if (!ask_workload() && step.outputs) {  // a cache that lags may not have the pod yet
    state.outputs = Value::object();
  }
  if (state.outputs.is_object() && state.outputs.empty()) state.outputs = Value();
  if (!node_of(unit).outputs.empty()) {
    const Value own =
        Value::object({{"outputs", state.outputs.is_null() ? Value::object() : state.outputs}});
    if (const auto set = set_outputs(unit, own); !set.ok()) {
      fail_attempt(unit, {"ExpressionError", set.error().message, RetryCause::Failed, true}, end);
      return;
    }
  }
  succeed(unit, end);
}

void Graph::watch_pod(Unit& unit, const PodStep& step) {
  const Attempt attempt = observe(unit);
  StepState& state = unit.state;
  const api::Job* job = attempt.job;
  const bool lost = attempt.active != nullptr && lost_at(*attempt.active) &&
                    input_.now >= *lost_at(*attempt.active);
  const bool alive = attempt.active != nullptr && !lost;
  if (attempt.exists()) {
    state.job_name = attempt.job_key.name;
    state.started_at = truncate_to_second(attempt.started);
  }
  if (attempt.pod() != nullptr) state.pod_name = attempt.pod()->metadata.name;
  const auto end = [&] {
    std::optional<Time> when;
    if (attempt.pod() != nullptr && has_ended(*attempt.pod())) when = end_time(*attempt.pod());
    return when.value_or(input_.now);
  };
  if (attempt.succeeded != nullptr || (job != nullptr && is_complete(*job))) {
    succeed_pod(unit, step, attempt, end());
    return;
  }
  const auto fail_with = [&](const Failure& failure) {
    if (attempt.failed != nullptr) set_exit_code(state, *attempt.failed, attempt.steps);
    const bool late = failure.reason == "StepTimeout";
    fail_attempt(unit,
                 {failure.reason, failure.message,
                  late                     ? RetryCause::TimedOut
                  : failure.infrastructure ? RetryCause::Infrastructure
                                           : RetryCause::Failed,
                  false},
                 end());
  };
  if (job != nullptr && !job->metadata.annotation(kStopAnnotation).empty()) {
    const std::string& reason = job->metadata.annotation(kStopAnnotation);
    const std::string& message = job->metadata.annotation(kStopMessageAnnotation);
    const bool over = is_finished(*job) || attempt.failed != nullptr || lost;
    if (!alive && over) {
      if (attempt.failed == nullptr && ask_workload()) return;
      fail_with({reason, message, "", false});
      return;
    }
    if (alive && is_finished(*job) && !attempt.active->metadata.deletion_timestamp) {
      plan_.actions.push_back(delete_object(api::Pod::kResource, attempt.active->metadata));
    }
    wait_for(unit, "Stopping", message);
    look_again(plan_, kSafetyRecheck);
    return;
  }
  if (attempt.active == nullptr && attempt.failed != nullptr) {
    fail_with(classify(*attempt.failed));
    return;
  }
  if (lost) {
    if (ask_workload()) return;
    fail_with({"NodeLost",
               "the pod " + attempt.active->metadata.name +
                   " was to end, but its node did not confirm it in time",
               "", true});
    return;
  }
  if (attempt.active == nullptr && job != nullptr && is_finished(*job)) {
    if (ask_workload()) return;
    fail_with(job_failure(*job, input_.pod_failure));
    return;
  }
  if (!attempt.exists()) {
    if (!unit.recorded) return;  // just ordered
    if (ask_workload()) return;
    fail_with({"JobLost",
               "the Job " + attempt.job_key.name + " is gone; somebody deleted it while it ran", "",
               true});
    return;
  }
  std::optional<PodWait> wait;
  if (attempt.active != nullptr) {
    wait = find_wait(*attempt.active);
  } else if (input_.pod_failure && input_.pod_failure->key.name.starts_with(attempt.job_key.name)) {
    wait = PodWait{judge(*input_.pod_failure).reason,
                   "the pod cannot be created yet: " + input_.pod_failure->error.message, false};
  }
  const auto order_stop = [&](const std::string& reason, const std::string& message) {
    if (job != nullptr && !is_finished(*job) && !stopping_) {
      plan_.actions.push_back(stop_job(*job, reason, message));
    }
    wait_for(unit, "Stopping", message);
    look_again(plan_, kSafetyRecheck);
  };
  if (wait && wait->permanent) {
    order_stop(failure_reason(*wait), wait->reason + ": " + wait->message);
    return;
  }
  if (over_time(unit, attempt.started)) {
    if (ask_workload()) return;
    const std::string limit = format_duration(*node_of(unit).timeout);
    if (wait) {
      order_stop(failure_reason(*wait),
                 "not started after " + limit + " (" + wait->reason + "): " + wait->message);
    } else {
      order_stop("StepTimeout", "the attempt did not end within " + limit +
                                    "; make it faster, or give more time in " + node_of(unit).path +
                                    ".timeout");
    }
    return;
  }
  if (attempt.active != nullptr) {
    if (const auto loss = lost_at(*attempt.active)) look_again(plan_, *loss - input_.now);
  }
  if (wait) {
    wait_for(unit, wait->reason, wait->message);
  } else if (attempt.active == nullptr) {
    wait_for(unit, "PodPending", "");
  } else if (!has_started(*attempt.active)) {
    wait_for(unit, "ContainerCreating", "");
  } else {
    stop_waiting(unit);
  }
}

}  // namespace millrace::logic
