#include <algorithm>
#include <cmath>
#include <utility>

#include "controllers/expression/evaluate.h"
#include "controllers/logic/graph_parts.h"
#include "controllers/logic/job.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using codec::Value;
using crds::RetryCause;
using crds::StepPhase;
using crds::StepState;

namespace {

constexpr std::chrono::seconds kLookAtObjects{2};
constexpr std::chrono::seconds kSafetyRecheck{30};

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

Value outputs_of(const api::Pod& pod) {
  Value out = Value::object();
  for (const auto* list : {&pod.status.init_container_statuses, &pod.status.container_statuses}) {
    for (const api::ContainerStatus& status : *list) {
      if (!status.state.terminated) continue;
      Value said = read_outputs(status.state.terminated->message);
      for (auto& [key, value] : said.members()) out[key] = std::move(value);
    }
  }
  return out;
}

/// An answer as expressions see it. Header names are lower case for steps, as they came for belts.
Value response_value(const CallResult& result, bool belt) {
  Value headers = Value::object();
  for (const auto& [name, values] : result.headers) {
    if (belt) {
      Value list = Value::array();
      for (const std::string& value : values) list.push_back(value);
      headers[name] = std::move(list);
      continue;
    }
    std::string key = name;
    std::transform(key.begin(), key.end(), key.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    std::string joined;
    for (const std::string& value : values) joined += (joined.empty() ? "" : ", ") + value;
    headers[key] = std::move(joined);
  }
  Value body;
  if (auto parsed = Value::parse(result.body); parsed.ok()) {
    if (!belt || parsed->is_object()) body = *std::move(parsed);
  } else if (!belt && !result.body.empty()) {
    body = result.body;
  }
  return Value::object(
      {{"status", result.status}, {"headers", std::move(headers)}, {"body", std::move(body)}});
}

StepFailure call_failure(const Error& error) {
  switch (error.code) {
    case Code::Timeout:
      return {"TimedOut", error.message, RetryCause::TimedOut, false};
    case Code::Unavailable:
    case Code::Throttled:
      return {"Unreachable", error.message, RetryCause::Infrastructure, false};
    case Code::Denied:
      return {"TargetDenied", error.message, RetryCause::Failed, true};
    case Code::NotFound:
      return {"SecretNotFound", error.message, RetryCause::Infrastructure, false};
    case Code::Invalid:
      return {"RequestInvalid", error.message, RetryCause::Failed, true};
    default:
      return {"CallFailed", error.message, RetryCause::Failed, false};
  }
}

bool may_approve(const crds::ApprovalAction& approval, const crds::Approval& given) {
  if (approval.approvers.empty()) return true;
  return std::any_of(
      approval.approvers.begin(), approval.approvers.end(), [&](const std::string& who) {
        if (!who.starts_with("group:")) return who == given.by;
        const std::string group = who.substr(6);
        return std::find(given.groups.begin(), given.groups.end(), group) != given.groups.end();
      });
}

}  // namespace

// ---- how a step changes ----

Duration pause_before(const crds::Retry& retry, int next) {
  const crds::Backoff none;
  const crds::Backoff& backoff = retry.backoff ? *retry.backoff : none;
  const Duration initial = backoff.initial.value_or(std::chrono::seconds(1));
  const Duration most = backoff.max.value_or(std::chrono::minutes(5));
  const double factor = std::clamp(backoff.factor.value_or(2.0), 1.0, 10.0);
  double pause = std::chrono::duration<double>(initial).count() * std::pow(factor, next - 2);
  pause = std::min(pause, std::chrono::duration<double>(most).count());
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::max(0.0, pause)));
}

void Graph::wait_for(Unit& unit, std::string reason, std::string message) {
  auto& waiting = unit.state.waiting;
  if (waiting && waiting->reason == reason) {
    if (waiting->message.empty()) waiting->message = cut(message, kMessageLimit);
    return;
  }
  stop_waiting(unit);
  waiting = crds::StepWaiting{std::move(reason), cut(message, kMessageLimit),
                              truncate_to_second(input_.now)};
}

/// What it waited for goes on record, where it took a while.
void Graph::stop_waiting(Unit& unit) {
  auto& waiting = unit.state.waiting;
  if (!waiting) return;
  if (waiting->since && input_.now - *waiting->since >= std::chrono::seconds(1)) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        truncate_to_second(input_.now) - *waiting->since);
    auto& waited = unit.state.waited;
    const auto same = std::find_if(waited.begin(), waited.end(), [&](const crds::StepWaited& w) {
      return w.reason == waiting->reason;
    });
    if (same != waited.end()) {
      same->milliseconds += took.count();
    } else if (waited.size() < 8) {
      waited.push_back({waiting->reason, took.count()});
    }
  }
  waiting.reset();
}

void Graph::succeed(Unit& unit, Time when) {
  stop_waiting(unit);
  fresh_ = fresh_ || !std::holds_alternative<PodStep>(node_of(unit).action);
  unit.state.state = StepPhase::Succeeded;
  unit.state.reason.clear();
  unit.state.message.clear();
  when = truncate_to_second(when);
  unit.state.finished_at = unit.state.started_at ? std::max(when, *unit.state.started_at) : when;
}

void Graph::skip(Unit& unit, const char* reason, std::string message) {
  stop_waiting(unit);
  unit.state.state = StepPhase::Skipped;
  unit.state.reason = reason;
  unit.state.message = cut(message, kMessageLimit);
}

/// The attempt failed: another one after a pause, or the end of the step.
void Graph::fail_attempt(Unit& unit, const StepFailure& failure, Time when) {
  const Node& node = node_of(unit);
  StepState& state = unit.state;
  stop_waiting(unit);
  fresh_ = fresh_ || !std::holds_alternative<PodStep>(node.action);
  state.attempt = std::max(1, state.attempt);
  const Time next_second = std::chrono::ceil<std::chrono::seconds>(when);
  when = truncate_to_second(when);
  if (state.started_at) when = std::max(when, *state.started_at);
  const auto& retry = node.retry;
  const bool meant = retry && (retry->on.empty() || std::find(retry->on.begin(), retry->on.end(),
                                                              failure.cause) != retry->on.end());
  const int tries = 1 + tries_[unit.name];
  const bool again =
      meant && !failure.permanent && tries <= retry->limit && !run_.spec.cancel && !stopping_;
  if (!again) {
    state.state = StepPhase::Failed;
    state.reason = failure.reason;
    state.message = cut(failure.message, kMessageLimit);
    state.finished_at = when;
    return;
  }
  crds::AttemptRecord record;
  record.step = unit.name;
  record.build_name = state.job_name;
  record.attempt = state.attempt;
  record.start_time = state.started_at;
  record.completion_time = when;
  record.reason = failure.reason;
  record.message = cut(failure.message, kMessageLimit);
  auto& history = status_.retry_status ? *status_.retry_status : status_.retry_status.emplace();
  history.history_build.push_back(std::move(record));
  ++tries_[unit.name];
  StepState next;
  next.name = state.name;
  next.of = state.of;
  next.matrix = state.matrix;
  next.waited = state.waited;
  next.attempt = state.attempt + 1;
  state = std::move(next);
  const Duration pause = pause_before(*retry, tries + 1);
  wait_for(unit, kBackoff,
           "attempt " + std::to_string(state.attempt - 1) + " failed (" + failure.reason +
               "): " + failure.message);
  // Whole seconds are kept: rounded up, so that the pause is never too short.
  state.waiting->since = std::max<Time>(next_second, when);
  look_again(plan_, std::max<Duration>(*state.waiting->since + pause - input_.now, {}));
}

bool Graph::ask_workload() {
  if (input_.live.workload) return false;
  wants_.workload = true;
  return true;
}

bool Graph::over_time(const Unit& unit, Time started) {
  const auto& timeout = node_of(unit).timeout;
  if (!timeout || *timeout <= Duration::zero()) return false;
  const Duration left = started + *timeout - input_.now;
  if (left <= Duration::zero()) return true;
  look_again(plan_, left);
  return false;
}

// ---- how each kind is seen ----

void Graph::watch(Unit& unit) {
  if (is_matrix(unit)) return;  // after its combinations
  ++running_;
  const auto look = [&](const auto& step) {
    using Step = std::decay_t<decltype(step)>;
    if constexpr (std::is_same_v<Step, PodStep>) watch_pod(unit, step);
    if constexpr (std::is_same_v<Step, HttpStep>) watch_http(unit, step);
    if constexpr (std::is_same_v<Step, ManifestStep>) watch_manifest(unit, step);
    if constexpr (std::is_same_v<Step, ApprovalStep>) watch_approval(unit, step);
    if constexpr (std::is_same_v<Step, ChildStep>) watch_child(unit);
    if constexpr (std::is_same_v<Step, WaitStep>) watch_wait(unit, step);
  };
  std::visit(look, node_of(unit).action);
  if (unit.state.state != StepPhase::Running) --running_;
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
  const auto exit_code_of = [&](const api::Pod& pod) {
    for (const std::string& name : attempt.steps) {
      const api::ContainerState* container = find_state(pod, name);
      if (container != nullptr && container->terminated) {
        state.exit_code = container->terminated->exit_code;
        if (container->terminated->exit_code != 0) return;
      }
    }
  };
  if (attempt.succeeded != nullptr || (job != nullptr && is_complete(*job))) {
    if (attempt.succeeded != nullptr) {
      exit_code_of(*attempt.succeeded);
      if (step.outputs) state.outputs = outputs_of(*attempt.succeeded);
    } else if (step.outputs && !ask_workload()) {
      state.outputs = Value::object();
    }
    if (state.outputs.is_object() && state.outputs.empty()) state.outputs = Value();
    if (!node_of(unit).outputs.empty()) {
      const Value own =
          Value::object({{"outputs", state.outputs.is_null() ? Value::object() : state.outputs}});
      if (const auto set = set_outputs(unit, own); !set.ok()) {
        fail_attempt(unit, {"ExpressionError", set.error().message, RetryCause::Failed, true},
                     end());
        return;
      }
    }
    succeed(unit, end());
    return;
  }
  const auto fail_with = [&](const Failure& failure) {
    if (attempt.failed != nullptr) exit_code_of(*attempt.failed);
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

void Graph::watch_http(Unit& unit, const HttpStep& step) {
  const std::string key = unit.name + "/" + std::to_string(std::max(1, unit.state.attempt));
  const auto known = input_.calls.find(key);
  if (known == input_.calls.end()) {
    // This process has not begun it: it was another's, or ours before a restart. The same
    // Idempotency-Key tells the service that it is the same call.
    Result<CallOrder> order = call_of(unit, step);
    if (!order.ok()) {
      fail_attempt(unit, {"ExpressionError", order.error().message, RetryCause::Failed, true},
                   input_.now);
      return;
    }
    const bool said = unit.recorded != nullptr && unit.recorded->state == StepPhase::Running;
    order_call(*std::move(order), !said);
    return;
  }
  if (!known->second.result) {
    stop_waiting(unit);
    return;
  }
  const CallResult& result = *known->second.result;
  if (result.error) {
    fail_attempt(unit, call_failure(*result.error), result.ended);
    return;
  }
  unit.state.response = response_value(result, step.belt);
  belt_root_.reset();
  const Value own = Value::object({{"response", unit.state.response}});
  bool good = step.belt || result.status < 400;
  if (!step.belt && !step.call.success.empty()) {
    const Result<bool> said = holds(unit, step.call.success, &own);
    if (!said.ok()) {
      fail_attempt(
          unit,
          {"ExpressionError", node_of(unit).path + ".http.success: " + said.error().message,
           RetryCause::Failed, true},
          result.ended);
      return;
    }
    good = *said;
  }
  if (!good) {
    const Value response = unit.state.response;
    fail_attempt(unit,
                 {"HttpStatus", "the service answered " + std::to_string(result.status),
                  result.status >= 500 || result.status == 429 ? RetryCause::Infrastructure
                                                               : RetryCause::Failed,
                  false},
                 result.ended);
    if (unit.state.state == StepPhase::Failed) unit.state.response = response;
    return;
  }
  if (const auto set = set_outputs(unit, own); !set.ok()) {
    fail_attempt(unit, {"ExpressionError", set.error().message, RetryCause::Failed, true},
                 result.ended);
    return;
  }
  succeed(unit, result.ended);
}

void Graph::watch_manifest(Unit& unit, const ManifestStep& step) {
  const Result<Value> wanted = object_of(unit, step);
  if (!wanted.ok()) {
    fail_attempt(unit, {"ExpressionError", wanted.error().message, RetryCause::Failed, true},
                 input_.now);
    return;
  }
  const auto seen = input_.objects.find(unit.name);
  if (seen == input_.objects.end()) {
    const std::string& own = run_.spec.service_account_name;
    plan_.needs_objects.push_back({unit.name,
                                   wanted->find("apiVersion")->as_string(),
                                   wanted->find("kind")->as_string(),
                                   {wanted->at_path({"metadata", "namespace"})->as_string(),
                                    wanted->at_path({"metadata", "name"})->as_string()},
                                   run_.metadata.ns,
                                   !own.empty()                         ? own
                                   : !step.service_account_name.empty() ? step.service_account_name
                                                                        : "default"});
    return;
  }
  const ObjectState& state = seen->second;
  if (state.error) {
    wait_for(unit, "ObjectUnknown", "its object cannot be read: " + state.error->message);
    look_again(plan_, kLookAtObjects * 5);
    return;
  }
  if (over_time(unit, unit.state.started_at.value_or(input_.now))) {
    fail_attempt(unit,
                 {"StepTimeout",
                  "its object did not come to the wanted state within " +
                      format_duration(*node_of(unit).timeout),
                  RetryCause::TimedOut, false},
                 input_.now);
    return;
  }
  if (!state.object) {
    if (const auto begun = start_manifest(unit, step); !begun.ok()) {
      fail_attempt(unit, {"ExpressionError", begun.error().message, RetryCause::Failed, true},
                   input_.now);
    }
    return;
  }
  const Value own = Value::object({{"object", *state.object}});
  // A field that is not there yet is a "no": most objects get their status after a while.
  const auto said = [&](const std::string& expression, const char* field) -> std::optional<bool> {
    const Result<bool> value = holds(unit, expression, &own);
    if (value.ok()) return *value;
    if (value.error().code == Code::NotFound) return false;
    fail_attempt(unit,
                 {"ExpressionError",
                  node_of(unit).path + ".manifest." + field + ": " + value.error().message,
                  RetryCause::Failed, true},
                 input_.now);
    return std::nullopt;
  };
  if (!step.manifest.failure.empty()) {
    const auto bad = said(step.manifest.failure, "failure");
    if (!bad) return;
    if (*bad) {
      fail_attempt(
          unit,
          {"ObjectFailed",
           "its object came to a state that means failure: " + cut(step.manifest.failure, 200),
           RetryCause::Failed, false},
          input_.now);
      return;
    }
  }
  if (!step.manifest.success.empty()) {
    const auto good = said(step.manifest.success, "success");
    if (!good) return;
    if (!*good) {
      wait_for(unit, "ObjectNotReady", "waits for " + cut(step.manifest.success, 200));
      look_again(plan_, kLookAtObjects);
      return;
    }
  }
  if (const auto set = set_outputs(unit, own); !set.ok()) {
    fail_attempt(unit, {"ExpressionError", set.error().message, RetryCause::Failed, true},
                 input_.now);
    return;
  }
  succeed(unit, input_.now);
}

void Graph::watch_approval(Unit& unit, const ApprovalStep& step) {
  const crds::ApprovalAction& approval = step.approval;
  std::string refused;
  for (const crds::Approval& given : run_.spec.approvals) {
    if (given.step != unit.name) continue;
    if (!may_approve(approval, given)) {
      refused = "; the decision of " + (given.by.empty() ? "nobody" : given.by) +
                " does not count, as only those in " + node_of(unit).path +
                ".approval.approvers may decide";
      continue;
    }
    unit.state.outputs = Value::object({{"by", given.by}, {"comment", given.comment}});
    if (given.decision == crds::Decision::Approve) {
      succeed(unit, input_.now);
    } else {
      fail_attempt(unit,
                   {"Rejected",
                    "rejected by " + given.by +
                        (given.comment.empty() ? std::string() : ": " + given.comment),
                    RetryCause::Failed, true},
                   input_.now);
    }
    return;
  }
  const Time started = unit.state.started_at.value_or(input_.now);
  if (approval.expires && *approval.expires > Duration::zero()) {
    const Duration left = started + *approval.expires - input_.now;
    if (left <= Duration::zero()) {
      fail_attempt(
          unit,
          {"ApprovalExpired", "nobody decided within " + format_duration(*approval.expires),
           RetryCause::TimedOut, true},
          input_.now);
      return;
    }
    look_again(plan_, left);
  }
  Result<std::string> message = text(unit, approval.message);
  if (!message.ok()) {
    fail_attempt(
        unit,
        {"ExpressionError", node_of(unit).path + ".approval.message: " + message.error().message,
         RetryCause::Failed, true},
        input_.now);
    return;
  }
  std::string asked = message->empty() ? "waits for an approval" : *message;
  if (!refused.empty() && unit.state.waiting && unit.state.waiting->message != asked + refused) {
    stop_waiting(unit);
  }
  wait_for(unit, "Approval", asked + refused);
}

void Graph::watch_child(Unit& unit) {
  const std::string name = step_object_name(run_.metadata.name, run_.metadata.uid, unit.name,
                                            std::max(1, unit.state.attempt));
  const crds::PipelineRun* child = child_of(unit);
  if (child == nullptr) {
    if (!unit.recorded || ask_workload()) return;
    fail_attempt(unit,
                 {"RunLost", "the run " + name + " is gone; somebody deleted it while it ran",
                  RetryCause::Infrastructure, false},
                 input_.now);
    return;
  }
  unit.state.run_name = name;
  if (!is_terminal(*child)) {
    if (over_time(unit, child->metadata.creation_timestamp.value_or(input_.now))) {
      stop_child(unit, *child);
      return;
    }
    const api::Condition* how = api::find_condition(child->status.conditions, "Succeeded");
    wait_for(unit, "ChildRun", how == nullptr ? "" : "run " + name + ": " + how->reason);
    return;
  }
  const api::Condition* how = api::find_condition(child->status.conditions, "Succeeded");
  const Time end = child->status.completion_time.value_or(input_.now);
  if (how != nullptr && how->status == "True") {
    unit.state.outputs = Value::object({{"run", name}});
    succeed(unit, end);
    return;
  }
  const auto& timeout = node_of(unit).timeout;
  if (child->spec.cancel && !stopping_ && timeout && *timeout > Duration::zero() &&
      end - child->metadata.creation_timestamp.value_or(end) >= *timeout) {
    fail_attempt(
        unit,
        {"StepTimeout",
         "run " + name + " did not end within " + format_duration(*timeout) + " and was cancelled",
         RetryCause::TimedOut, false},
        end);
    return;
  }
  fail_attempt(
      unit,
      {"RunFailed", "run " + name + " failed: " + (how == nullptr ? std::string() : how->message),
       RetryCause::Failed, false},
      end);
}

void Graph::watch_wait(Unit& unit, const WaitStep&) {
  const Value* given = unit.state.outputs.find("duration");
  const auto length = parse_duration(given == nullptr ? "0s" : given->as_string());
  // Only whole seconds of the start are kept: one more, so that it is never too short.
  Duration whole = length.ok() ? *length : Duration::zero();
  if (whole > Duration::zero() && unit.recorded) whole += std::chrono::seconds(1);
  const Time end = unit.state.started_at.value_or(input_.now) +
                   std::chrono::ceil<std::chrono::microseconds>(whole);
  if (input_.now >= end) {
    unit.state.outputs = Value();
    succeed(unit, input_.now);
    return;
  }
  wait_for(unit, "Wait", "until " + format_time(end));
  look_again(plan_, end - input_.now);
}

/// A step with a matrix is as its combinations are.
void Graph::watch_matrix(Unit& unit) {
  const Node& node = node_of(unit);
  const std::vector<std::size_t> all = combinations(unit.node);
  const bool fail_fast = node.matrix->fail_fast.value_or(true);
  std::size_t going = 0;
  std::size_t good = 0;
  const Unit* bad = nullptr;
  for (const std::size_t i : all) {
    const Unit& one = *units_[i];
    if (one.state.state == StepPhase::Failed && bad == nullptr) bad = &one;
    if (one.state.state == StepPhase::Succeeded) ++good;
    if (!ended(one)) ++going;
  }
  if (bad != nullptr && fail_fast) {
    for (const std::size_t i : all) {
      if (units_[i]->state.state != StepPhase::Pending) continue;
      skip(*units_[i], kMatrixStopped, bad->name + " failed");
      --going;
    }
  }
  if (going > 0) {
    unit.state.message = std::to_string(good) + " of " + std::to_string(all.size()) + " succeeded";
    return;
  }
  if (bad != nullptr) {
    unit.state.state = StepPhase::Failed;
    unit.state.reason = bad->state.reason;
    unit.state.message = cut(bad->name + ": " + bad->state.message, kMessageLimit);
    unit.state.finished_at = truncate_to_second(input_.now);
    return;
  }
  Value outputs = Value::object();
  for (const std::size_t i : all) {
    // Const: else one without outputs would get empty ones, after its end.
    for (const auto& [key, value] : std::as_const(units_[i]->state.outputs).members()) {
      outputs[key].push_back(value);
    }
  }
  if (!outputs.empty()) unit.state.outputs = std::move(outputs);
  succeed(unit, input_.now);
}

// ---- stopping ----

void Graph::stop_child(Unit& unit, const crds::PipelineRun& child) {
  if (!child.spec.cancel) {
    Action cancel;
    cancel.verb = Action::Verb::MergePatch;
    cancel.resource = crds::PipelineRun::kResource;
    cancel.key = api::key_of(child.metadata);
    cancel.body = Value::object({{"spec", Value::object({{"cancel", true}})}});
    plan_.actions.push_back(std::move(cancel));
  }
  wait_for(unit, "Stopping", "its run is being cancelled");
  look_again(plan_, kSafetyRecheck);
}

bool Graph::stop(Unit& unit, const char* reason, const std::string& message) {
  StepState& state = unit.state;
  if (state.state == StepPhase::Pending) {
    if (!stands(unit)) {
      skip(unit, reason, message);
      return true;
    }
    state.state = StepPhase::Running;  // a crash came before the status that says so
    state.attempt = std::max(1, state.attempt);
    if (!state.started_at) state.started_at = truncate_to_second(input_.now);
  }
  if (state.state != StepPhase::Running) return true;
  if (is_matrix(unit)) return true;
  const auto end = [&] {
    stop_waiting(unit);
    state.state = StepPhase::Failed;
    state.reason = reason;
    state.message = cut(message, kMessageLimit);
    state.finished_at = truncate_to_second(input_.now);
  };
  const NodeAction& action = node_of(unit).action;
  if (std::holds_alternative<PodStep>(action)) {
    const Attempt attempt = observe(unit);
    if (!attempt.exists()) {
      if (ask_workload()) return false;
      end();
      return true;
    }
    if (attempt.job != nullptr && !is_finished(*attempt.job) &&
        attempt.job->metadata.annotation(kStopAnnotation).empty() && attempt.succeeded == nullptr &&
        attempt.failed == nullptr) {
      plan_.actions.push_back(stop_job(*attempt.job, reason, message));
    }
    watch_pod(unit, std::get<PodStep>(action));
    return state.state != StepPhase::Running;
  }
  if (std::holds_alternative<ChildStep>(action)) {
    const crds::PipelineRun* child = child_of(unit);
    if (child != nullptr && !is_terminal(*child)) {
      stop_child(unit, *child);
      return false;
    }
    end();
    return true;
  }
  end();  // calls are forgotten with the record of their end
  return true;
}

}  // namespace millrace::logic
