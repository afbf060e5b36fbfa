#include <algorithm>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/duration.h"

namespace millrace::logic {

using codec::Value;
using crds::RetryCause;
using crds::StepPhase;
using crds::StepState;

namespace {

/// How long to wait after a look at an object, as a part of the time that it has been waited for;
/// and at least, and at most.
constexpr int kLookPart = 4;
constexpr std::chrono::milliseconds kFirstLook{100};
constexpr std::chrono::seconds kLastLook{5};

Duration pause_after_look(const StepState& state, Time looked) {
  if (state.waiting && state.waiting->reason == "ObjectUnknown") return kLastLook;
  const Duration waited = looked - state.started_at.value_or(looked);
  return std::clamp<Duration>(waited / kLookPart, kFirstLook, kLastLook);
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

std::string not_ready(const ManifestStep& step) {
  return "waits for " + cut(step.manifest.success, 200);
}

}  // namespace

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
  Value own;  // a copy of the answer: only where an expression looks at it
  const bool judged = !step.belt && !step.call.success.empty();
  if (judged || !node_of(unit).outputs.empty()) {
    own = Value::object({{"response", unit.state.response}});
  }
  bool good = step.belt || result.status < 400;
  if (judged) {
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
    Value response = std::move(unit.state.response);
    fail_attempt(unit,
                 {"HttpStatus", "the service answered " + std::to_string(result.status),
                  result.status >= 500 || result.status == 429 ? RetryCause::Infrastructure
                                                               : RetryCause::Failed,
                  false, result.retry_after},
                 result.ended);
    if (unit.state.state == StepPhase::Failed) unit.state.response = std::move(response);
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
  const Time started = unit.state.started_at.value_or(input_.now);
  const auto seen = input_.objects.find(unit.name);
  if (seen == input_.objects.end()) {
    const auto looked = input_.looked.find(unit.name);
    if (looked != input_.looked.end() && looked->second <= input_.now &&
        !over_time(unit, started)) {
      const Time due = looked->second + std::chrono::ceil<Time::duration>(
                                            pause_after_look(unit.state, looked->second));
      if (input_.now < due) {
        if (!unit.state.waiting) wait_for(unit, "ObjectNotReady", not_ready(step));
        look_again(plan_, due - input_.now);
        return;
      }
    }
    plan_.needs_objects.push_back({unit.name,
                                   wanted->find("apiVersion")->as_string(),
                                   wanted->find("kind")->as_string(),
                                   {wanted->at_path({"metadata", "namespace"})->as_string(),
                                    wanted->at_path({"metadata", "name"})->as_string()},
                                   run_.metadata.ns,
                                   service_account(step)});
    return;
  }
  const ObjectState& state = seen->second;
  if (state.error) {
    wait_for(unit, "ObjectUnknown", "its object cannot be read: " + state.error->message);
    look_again(plan_, kLastLook);
    return;
  }
  if (over_time(unit, started)) {
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
  judge_object(unit, step, *state.object);
}

void Graph::judge_object(Unit& unit, const ManifestStep& step, const Value& object) {
  const Value own = Value::object({{"object", object}});
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
      if (unit.state.waiting && unit.state.waiting->reason == "ObjectUnknown") stop_waiting(unit);
      wait_for(unit, "ObjectNotReady", not_ready(step));
      look_again(plan_, pause_after_look(unit.state, input_.now));
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

}  // namespace millrace::logic
