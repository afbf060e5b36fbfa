/// The life of a pod, as a kubelet leads it: which container starts, ends or waits next. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kubeclient/base/clock.h"
#include "local/executor/pod_spec.h"

namespace millrace::executor {

/// How a container ended.
struct ContainerEnd {
  int exit_code = 0;
  int signal = 0;
  std::string reason;  ///< Completed, Error, ContainerCannotRun, ContainerStatusUnknown
  std::string message;
  std::optional<Time> started_at;
  Time finished_at{};
  std::string container_id;
  bool operator==(const ContainerEnd&) const = default;
};

/// One container now.
struct ContainerState {
  enum class Phase { Waiting, Starting, Running, Ended } phase = Phase::Waiting;
  int restarts = 0;
  std::string container_id;
  std::optional<Time> started_at;
  SteadyTime started_steady{};
  std::optional<ContainerEnd> end;     ///< with Ended
  std::optional<ContainerEnd> before;  ///< the end before this start
  std::string wait_reason;             ///< with Waiting; empty: its turn has not come
  std::string wait_message;
  std::optional<SteadyTime> retry_at;  ///< with Waiting: not before
  int crashes = 0;                     ///< ends in a row that were soon after the start
  int refusals = 0;                    ///< starts in a row that the configuration did not allow
  bool ready = false;
  bool started = false;  ///< its startup probe succeeded, or it has none
  bool term_sent = false;
  bool kill_sent = false;
  std::optional<SteadyTime> kill_at;  ///< it is to end: killed from then on

  bool active() const { return phase == Phase::Starting || phase == Phase::Running; }
};

/// Why all containers are to end.
struct PodStop {
  std::string reason;   ///< of the pod's status; may be empty
  std::string message;  ///< likewise
  bool failed = false;  ///< the pod's phase is Failed, whatever its containers say
};

struct PodState {
  std::vector<ContainerState> containers;  ///< as PodSpec has them
  Time start_time{};
  std::optional<PodStop> stop;
  std::optional<SteadyTime> stop_kill_at;
  bool finished = false;  ///< nothing runs, nothing will

  bool active() const;
};

/// What to do now, in order.
struct PodAction {
  enum class Verb { Start, Terminate, Kill } verb;
  std::size_t container;
  bool operator==(const PodAction&) const = default;
};
struct PodStep {
  std::vector<PodAction> actions;
  std::optional<SteadyTime> next;  ///< look again then, though nothing happened
};

/// A pod before its first container.
PodState new_pod(const PodSpec& spec, Time now);
/// A pod of a kubelet that is gone, with everything it ran: what ended stays ended, what ran is
/// interrupted and runs again, also with restartPolicy Never, where nothing could be more useful.
PodState resumed_pod(const PodSpec& spec, const codec::Value& status, Time now);

/// Advance `state` and say what to do. Start sets the container to Starting, so that the same call
/// asks for nothing twice.
PodStep advance(const PodSpec& spec, PodState& state, Time now, SteadyTime steady);

/// All containers are to end within `grace`. A second order can only shorten it.
void order_stop(PodState& state, PodStop stop, SteadyTime kill_at);

// What happened to a container.
void note_started(PodState& state, std::size_t i, const std::string& id, Time now,
                  SteadyTime steady, bool has_startup_probe, bool has_readiness_probe);
void note_ended(PodState& state, std::size_t i, ContainerEnd end, SteadyTime steady);
/// Its end was not seen, and not its doing: it is run again, whatever the restart policy.
void note_interrupted(PodState& state, std::size_t i, ContainerEnd end, SteadyTime steady);
/// It could not be started for what its spec says: it waits with `reason` and is tried again.
void note_refused(PodState& state, std::size_t i, std::string reason, std::string message,
                  SteadyTime steady);
/// Its image could not be had, says the container engine: likewise, with a kubelet's words and
/// pauses.
void note_no_image(PodState& state, std::size_t i, std::string message, SteadyTime steady);

/// The pod's phase. Source: Kubernetes, pkg/kubelet getPhase.
std::string phase_of(const PodSpec& spec, const PodState& state);

}  // namespace millrace::executor
