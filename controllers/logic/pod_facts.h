/// What a pod's status tells: has it ended, how, and if not, what does it wait for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/api/pod.h"

namespace millrace::logic {

/// A pod that is being deleted counts as lost this long after it should have been gone: its node
/// does not answer. deletionTimestamp already contains the grace period.
inline constexpr Duration kLostAfter = std::chrono::seconds(60);

/// Why an attempt ended badly.
struct Failure {
  std::string reason;           ///< "Fail" for a program's exit code, else the specific cause
  std::string message;          ///< for people: the cause and what to do
  std::string step;             ///< the step to blame; empty when it was not a step's doing
  bool infrastructure = false;  ///< not the program's fault
  bool operator==(const Failure&) const = default;
};

/// What holds up a pod that has not started all its containers.
struct PodWait {
  std::string reason;      ///< e.g. "Unschedulable", "ImagePullBackOff"
  std::string message;     ///< as Kubernetes gives it
  bool permanent = false;  ///< waiting cannot help
  bool operator==(const PodWait&) const = default;
};

/// True for the phases Succeeded and Failed: facts that never change again.
bool has_ended(const api::Pod& pod);
bool has_succeeded(const api::Pod& pod);

/// When the deletion of a pod that has not ended is overdue; empty when it is not being deleted.
std::optional<Time> lost_at(const api::Pod& pod);

/// Why a pod of phase Failed failed. Causes outside of the program win over exit codes.
/// Source of the reasons: Kubernetes, pkg/kubelet/eviction, pkg/kubelet/lifecycle,
/// pkg/apis/core/v1 PodConditionType DisruptionTarget.
Failure classify(const api::Pod& pod);

/// What the first container that has not started waits for; empty when all run or ended, and for
/// the ordinary moments of a start.
std::optional<PodWait> find_wait(const api::Pod& pod);

/// The state of the container of `step`, or null before the kubelet reported it.
const api::ContainerState* find_state(const api::Pod& pod, std::string_view step);

/// When the last container ended, as far as known.
std::optional<Time> end_time(const api::Pod& pod);

/// True when some container has started, ended ones included.
bool has_started(const api::Pod& pod);

}  // namespace millrace::logic
