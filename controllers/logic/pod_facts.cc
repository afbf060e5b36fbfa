#include "controllers/logic/pod_facts.h"

#include <algorithm>

#include "controllers/logic/names.h"

namespace millrace::logic {
namespace {

using api::ContainerState;
using api::ContainerStatus;
using api::Pod;

/// All containers in the order in which they run.
std::vector<const ContainerStatus*> containers(const Pod& pod) {
  std::vector<const ContainerStatus*> out;
  for (const auto& status : pod.status.init_container_statuses) out.push_back(&status);
  for (const auto& status : pod.status.container_statuses) out.push_back(&status);
  return out;
}

std::string step_of(const ContainerStatus& status) {
  static const std::string prefix = container_name("");
  if (!status.name.starts_with(prefix)) return status.name;
  return status.name.substr(prefix.size());
}

std::string on_node(const Pod& pod) {
  return pod.spec.node_name.empty() ? std::string() : " (node " + pod.spec.node_name + ")";
}

std::string with_detail(std::string text, std::string_view detail) {
  while (!detail.empty() && (detail.back() == '\n' || detail.back() == ' ')) {
    detail.remove_suffix(1);
  }
  if (!detail.empty()) text.append(": ").append(detail);
  return text;
}

struct Cause {
  std::string_view from;  ///< a prefix of pod.status.reason, or a DisruptionTarget reason
  const char* reason;
  const char* text;
};

constexpr Cause kDisruptions[] = {
    {"PreemptionByScheduler", "Preempted", "the pod was preempted by one of higher priority"},
    {"DeletionByTaintManager", "NodeLost", "the pod's node became unusable"},
    {"DeletionByPodGC", "NodeLost", "the pod's node is gone"},
    {"EvictionByEvictionAPI", "Evicted", "the pod was evicted"},
};
constexpr Cause kPodReasons[] = {
    {"Evicted", "Evicted", "the node evicted the pod"},
    {"NodeLost", "NodeLost", "the pod's node is gone"},
    {"Preempting", "Preempted", "the node preempted the pod for a critical one"},
    {"Terminated", "NodeShutdown", "the node was shut down"},
    {"NodeShutdown", "NodeShutdown", "the node was shut down"},
    {"Shutdown", "NodeShutdown", "the node was shut down"},
    {"UnexpectedAdmissionError", "NodeRejected", "the node refused the pod"},
    {"NodeAffinity", "NodeRejected", "the node refused the pod"},
    {"OutOf", "NodeRejected", "the node had no room for the pod"},
    {"DeadlineExceeded", "DeadlineExceeded", "the pod was active longer than it may"},
};

std::optional<Failure> infrastructure_cause(const Pod& pod) {
  const auto failure = [&](const Cause& cause, std::string_view detail) {
    return Failure{cause.reason, with_detail(cause.text + on_node(pod), detail), "", true};
  };
  const api::Condition* disruption = api::find_condition(pod.status.conditions, "DisruptionTarget");
  if (disruption != nullptr && disruption->status == "True") {
    for (const Cause& cause : kDisruptions) {
      if (disruption->reason == cause.from) return failure(cause, disruption->message);
    }
  }
  for (const Cause& cause : kPodReasons) {
    if (pod.status.reason.starts_with(cause.from)) return failure(cause, pod.status.message);
  }
  return std::nullopt;
}

/// The first container that exited with another code than 0.
const ContainerStatus* failed_container(const Pod& pod) {
  for (const ContainerStatus* status : containers(pod)) {
    if (status->state.terminated && status->state.terminated->exit_code != 0) return status;
  }
  return nullptr;
}

bool is_kill_code(int exit_code) { return exit_code == 137 || exit_code == 143; }

Failure program_failure(const ContainerStatus& status) {
  const ContainerState::Terminated& end = *status.state.terminated;
  const std::string step = step_of(status);
  std::string text = "step " + step + " exited with code " + std::to_string(end.exit_code);
  if (!end.reason.empty() && end.reason != "Error" && end.reason != "Completed") {
    text += " (" + end.reason + ")";
  }
  text = with_detail(std::move(text), end.message);
  if (end.reason == "OOMKilled") text += "; raise its resources.limits.memory";
  return {"Fail", std::move(text), step, false};
}

struct WaitKind {
  std::string_view from;
  const char* reason;
  bool permanent;
};
// ErrImagePull and ImagePullBackOff take turns; one name for both saves status writes.
constexpr WaitKind kWaits[] = {
    {"ErrImagePull", "ImagePullBackOff", false},
    {"ImagePullBackOff", "ImagePullBackOff", false},
    {"RegistryUnavailable", "ImagePullBackOff", false},
    {"ImageInspectError", "ImagePullBackOff", false},
    {"ErrImageNeverPull", "ErrImageNeverPull", false},
    {"InvalidImageName", "InvalidImageName", true},
    {"CreateContainerConfigError", "CreateContainerConfigError", false},
    {"CreateContainerError", "CreateContainerError", false},
    {"RunContainerError", "RunContainerError", false},
};

}  // namespace

bool has_succeeded(const Pod& pod) { return pod.status.phase == "Succeeded"; }

bool has_ended(const Pod& pod) { return has_succeeded(pod) || pod.status.phase == "Failed"; }

std::optional<Time> lost_at(const Pod& pod) {
  if (has_ended(pod) || !pod.metadata.deletion_timestamp) return std::nullopt;
  return *pod.metadata.deletion_timestamp +
         std::chrono::duration_cast<std::chrono::microseconds>(kLostAfter);
}

Failure classify(const Pod& pod) {
  if (auto cause = infrastructure_cause(pod)) return *std::move(cause);
  const ContainerStatus* failed = failed_container(pod);
  const bool killed = failed == nullptr || is_kill_code(failed->state.terminated->exit_code);
  if (pod.metadata.deletion_timestamp && killed) {
    return {"PodDeleted", "somebody deleted the pod " + pod.metadata.name + " while it ran", "",
            true};
  }
  if (failed != nullptr) return program_failure(*failed);
  std::string text = "the pod " + pod.metadata.name + " failed";
  if (!pod.status.reason.empty()) text += " (" + pod.status.reason + ")";
  return {"PodFailed", with_detail(std::move(text), pod.status.message), "", true};
}

std::optional<PodWait> find_wait(const Pod& pod) {
  if (has_ended(pod)) return std::nullopt;
  const api::Condition* scheduled = api::find_condition(pod.status.conditions, "PodScheduled");
  if (scheduled != nullptr && scheduled->status == "False") {
    return PodWait{scheduled->reason.empty() ? "Unschedulable" : scheduled->reason,
                   scheduled->message, false};
  }
  for (const ContainerStatus* status : containers(pod)) {
    if (!status->state.waiting) continue;
    for (const WaitKind& kind : kWaits) {
      if (status->state.waiting->reason == kind.from) {
        return PodWait{kind.reason, status->state.waiting->message, kind.permanent};
      }
    }
  }
  return std::nullopt;
}

const ContainerState* find_state(const Pod& pod, std::string_view step) {
  const std::string name = container_name(step);
  for (const ContainerStatus* status : containers(pod)) {
    if (status->name == name) return &status->state;
  }
  return nullptr;
}

std::optional<Time> end_time(const Pod& pod) {
  std::optional<Time> latest;
  for (const ContainerStatus* status : containers(pod)) {
    if (!status->state.terminated || !status->state.terminated->finished_at) continue;
    latest = std::max(latest.value_or(Time::min()), *status->state.terminated->finished_at);
  }
  return latest;
}

bool has_started(const Pod& pod) {
  const auto all = containers(pod);
  return std::any_of(all.begin(), all.end(), [](const ContainerStatus* status) {
    return status->state.running || status->state.terminated;
  });
}

}  // namespace millrace::logic
