#include "local/executor/pod_status.h"

#include "kubeclient/base/time_format.h"

namespace millrace::executor {
namespace {

using codec::Value;
using Phase = ContainerState::Phase;

constexpr const char* kAddress = "127.0.0.1";

Value terminated(const ContainerEnd& end) {
  Value out = Value::object({{"exitCode", end.exit_code}});
  if (end.signal != 0) out["signal"] = end.signal;
  out["reason"] = end.reason;
  if (!end.message.empty()) out["message"] = end.message;
  out["startedAt"] = format_time(end.started_at.value_or(end.finished_at));
  out["finishedAt"] = format_time(end.finished_at);
  if (!end.container_id.empty()) out["containerID"] = end.container_id;
  return out;
}

/// What a container without a reason of its own waits for.
const char* default_wait(const PodSpec& spec, const PodState& state, std::size_t i) {
  if (spec.containers[i].role != Role::Main) {
    return i == 0 || state.containers[i - 1].phase != Phase::Waiting ? "ContainerCreating"
                                                                     : "PodInitializing";
  }
  for (std::size_t k = 0; k < i; ++k) {
    if (spec.containers[k].role == Role::Init && state.containers[k].phase != Phase::Ended) {
      return "PodInitializing";
    }
  }
  return "ContainerCreating";
}

Value state_value(const PodSpec& spec, const PodState& pod, std::size_t i) {
  const ContainerState& state = pod.containers[i];
  if (state.phase == Phase::Running) {
    return Value::object(
        {{"running", Value::object({{"startedAt", format_time(*state.started_at)}})}});
  }
  if (state.phase == Phase::Ended) return Value::object({{"terminated", terminated(*state.end)}});
  Value waiting =
      Value::object({{"reason", state.wait_reason.empty() ? std::string(default_wait(spec, pod, i))
                                                          : state.wait_reason}});
  if (!state.wait_message.empty()) waiting["message"] = state.wait_message;
  return Value::object({{"waiting", std::move(waiting)}});
}

Value container_status(const PodSpec& spec, const PodState& pod, std::size_t i) {
  const ContainerSpec& container = spec.containers[i];
  const ContainerState& state = pod.containers[i];
  Value out = Value::object({{"name", container.name}});
  out["state"] = state_value(spec, pod, i);
  out["lastState"] =
      state.before ? Value::object({{"terminated", terminated(*state.before)}}) : Value::object();
  const bool done =
      container.role == Role::Init && state.phase == Phase::Ended && state.end->exit_code == 0;
  out["ready"] = done || state.ready;
  out["restartCount"] = state.restarts;
  out["image"] = container.image;
  out["imageID"] = "";
  if (!state.container_id.empty()) out["containerID"] = state.container_id;
  out["started"] = state.phase == Phase::Running && state.started;
  return out;
}

void add_condition(Value& list, ConditionTimes& times, const std::string& type, bool holds,
                   const std::string& reason, const std::string& message, Time now) {
  const std::string status = holds ? "True" : "False";
  auto& [known, since] = times.since[type];
  if (known != status) {
    known = status;
    since = now;
  }
  Value out = Value::object({{"type", type},
                             {"status", status},
                             {"lastProbeTime", nullptr},
                             {"lastTransitionTime", format_time(since)}});
  if (!reason.empty()) out["reason"] = reason;
  if (!message.empty()) out["message"] = message;
  list.push_back(std::move(out));
}

std::string names_text(const std::string& what, const std::vector<std::string>& names) {
  std::string out = "containers with " + what + ": [";
  for (std::size_t i = 0; i < names.size(); ++i) out += (i == 0 ? "" : " ") + names[i];
  return out + "]";
}

Value conditions_of(const PodSpec& spec, const PodState& state, const std::string& phase,
                    ConditionTimes& times, Time now) {
  std::vector<std::string> incomplete;
  std::vector<std::string> unready;
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    const ContainerState& container = state.containers[i];
    const Role role = spec.containers[i].role;
    const bool done = role == Role::Init ? container.end && container.end->exit_code == 0
                                         : container.started || phase == "Succeeded";
    if (role != Role::Main && !done) incomplete.push_back(spec.containers[i].name);
    if (role != Role::Init && !container.ready) unready.push_back(spec.containers[i].name);
  }
  const bool ended = phase == "Succeeded" || phase == "Failed";
  const std::string ended_reason = phase == "Failed" ? "PodFailed" : "PodCompleted";
  Value list = Value::array();
  add_condition(list, times, "PodReadyToStartContainers", !ended, {}, {}, now);
  add_condition(
      list, times, "Initialized", incomplete.empty(),
      incomplete.empty() ? (phase == "Succeeded" ? ended_reason : "") : "ContainersNotInitialized",
      incomplete.empty() ? "" : names_text("incomplete status", incomplete), now);
  for (const char* type : {"Ready", "ContainersReady"}) {
    const bool ready = unready.empty() && incomplete.empty() && !ended;
    add_condition(list, times, type, ready,
                  ready   ? ""
                  : ended ? ended_reason
                          : "ContainersNotReady",
                  ready || ended ? "" : names_text("unready status", unready), now);
  }
  add_condition(list, times, "PodScheduled", true, {}, {}, now);
  return list;
}

}  // namespace

Value status_of(const PodSpec& spec, const PodState& state, ConditionTimes& conditions, Time now) {
  const std::string phase = phase_of(spec, state);
  Value out = Value::object({{"phase", phase}});
  out["conditions"] = conditions_of(spec, state, phase, conditions, now);
  const bool told = state.stop && (state.finished || state.stop->failed);
  out["reason"] = told && !state.stop->reason.empty() ? Value(state.stop->reason) : Value();
  out["message"] = told && !state.stop->message.empty() ? Value(state.stop->message) : Value();
  out["hostIP"] = kAddress;
  out["hostIPs"] = Value::array({Value::object({{"ip", kAddress}})});
  out["podIP"] = kAddress;
  out["podIPs"] = Value::array({Value::object({{"ip", kAddress}})});
  out["startTime"] = format_time(state.start_time);
  Value init = Value::array();
  Value main = Value::array();
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    const bool is_main = spec.containers[i].role == Role::Main;
    (is_main ? main : init).push_back(container_status(spec, state, i));
  }
  if (!init.empty()) out["initContainerStatuses"] = std::move(init);
  out["containerStatuses"] = std::move(main);
  return out;
}

Value waiting_status(ConditionTimes& conditions, const std::string& message, Time now) {
  Value list = Value::array();
  add_condition(list, conditions, "PodScheduled", false, "Unschedulable", message, now);
  return Value::object({{"phase", "Pending"}, {"conditions", std::move(list)}});
}

Value refused_status(const std::string& reason, const std::string& message, Time now) {
  return Value::object({{"phase", "Failed"},
                        {"reason", reason},
                        {"message", message},
                        {"startTime", format_time(now)}});
}

}  // namespace millrace::executor
