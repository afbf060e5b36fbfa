#include "local/executor/pod_machine.h"

#include <algorithm>

#include "kubeclient/base/time_format.h"

namespace millrace::executor {
namespace {

using codec::Value;
using std::chrono::minutes;
using std::chrono::seconds;
using Phase = ContainerState::Phase;
using Verb = PodAction::Verb;

constexpr Duration kBackoffStart = seconds(10);
constexpr Duration kBackoffMost = minutes(5);
/// A container that ran this long starts afresh with its backoff.
constexpr Duration kBackoffReset = minutes(10);
constexpr Duration kRefusalStart = seconds(1);
constexpr Duration kRefusalMost = seconds(10);
constexpr const char* kCrashLoop = "CrashLoopBackOff";

Duration doubled(Duration first, Duration most, int times) {
  Duration out = first;
  for (int i = 0; i < times && out < most; ++i) out *= 2;
  return std::min(out, most);
}

void look_again(PodStep& step, SteadyTime at) {
  step.next = std::min(step.next.value_or(SteadyTime::max()), at);
}

bool failed(const ContainerState& state) {
  return state.phase == Phase::Ended && state.end && state.end->exit_code != 0;
}

bool succeeded(const ContainerState& state) {
  return state.phase == Phase::Ended && state.end && state.end->exit_code == 0;
}

bool wants_restart(const PodSpec& spec, const ContainerSpec& container,
                   const ContainerState& state) {
  if (state.phase != Phase::Ended) return false;
  if (container.role == Role::Sidecar) return true;
  if (container.role == Role::Init) {
    return failed(state) && spec.restart_policy != RestartPolicy::Never;
  }
  if (spec.restart_policy == RestartPolicy::Always) return true;
  return spec.restart_policy == RestartPolicy::OnFailure && failed(state);
}

/// From Ended to Waiting; the first restart is at once.
void begin_wait(ContainerState& state, SteadyTime steady) {
  state.phase = Phase::Waiting;
  state.before = std::move(state.end);
  state.end.reset();
  ++state.restarts;
  state.wait_reason = state.crashes > 1 ? kCrashLoop : "";
  state.wait_message.clear();
  if (state.crashes > 1) {
    const Duration delay = doubled(kBackoffStart, kBackoffMost, state.crashes - 2);
    state.retry_at = steady + delay;
    state.wait_message = "back-off " +
                         std::to_string(std::chrono::duration_cast<seconds>(delay).count()) +
                         "s restarting failed container";
  }
}

/// Restart what is to restart, start what is due.
void maintain(const PodSpec& spec, PodState& state, std::size_t i, SteadyTime steady,
              PodStep& step) {
  ContainerState& container = state.containers[i];
  if (wants_restart(spec, spec.containers[i], container)) begin_wait(container, steady);
  if (container.phase != Phase::Waiting) return;
  if (container.retry_at && steady < *container.retry_at) {
    look_again(step, *container.retry_at);
    return;
  }
  container.retry_at.reset();
  container.phase = Phase::Starting;
  container.term_sent = container.kill_sent = false;
  container.kill_at.reset();
  step.actions.push_back({Verb::Start, i});
}

/// TERM once, KILL when its time is over.
void end_container(ContainerState& container, std::size_t i, SteadyTime steady, PodStep& step) {
  if (container.phase != Phase::Running || !container.kill_at) return;
  if (!container.term_sent) {
    container.term_sent = true;
    step.actions.push_back({Verb::Terminate, i});
  }
  if (steady >= *container.kill_at) {
    if (!container.kill_sent) step.actions.push_back({Verb::Kill, i});
    container.kill_sent = true;
  } else {
    look_again(step, *container.kill_at);
  }
}

void advance_stop(const PodSpec& spec, PodState& state, SteadyTime steady, PodStep& step) {
  const auto is_active = [&](bool sidecars) {
    for (std::size_t i = 0; i < state.containers.size(); ++i) {
      const bool sidecar = spec.containers[i].role == Role::Sidecar;
      if (sidecar == sidecars && state.containers[i].active()) return true;
    }
    return false;
  };
  const bool others = is_active(false);
  for (std::size_t i = 0; i < state.containers.size(); ++i) {
    ContainerState& container = state.containers[i];
    // Sidecars serve the others to their end, within the same time.
    const bool waits = spec.containers[i].role == Role::Sidecar && others;
    if (waits && steady < *state.stop_kill_at) continue;
    container.kill_at =
        std::min(container.kill_at.value_or(SteadyTime::max()), *state.stop_kill_at);
    end_container(container, i, steady, step);
  }
  if (others || is_active(true)) {
    if (steady < *state.stop_kill_at) look_again(step, *state.stop_kill_at);
    return;
  }
  state.finished = true;
}

/// True when all init containers have done their part.
bool advance_init(const PodSpec& spec, PodState& state, SteadyTime steady, PodStep& step) {
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    const Role role = spec.containers[i].role;
    ContainerState& container = state.containers[i];
    if (role == Role::Main) continue;
    if (role == Role::Init && succeeded(container)) continue;
    if (role == Role::Init && failed(container) &&
        !wants_restart(spec, spec.containers[i], container)) {
      order_stop(state, {.reason = {}, .message = {}, .failed = true}, steady + spec.grace);
      return false;
    }
    maintain(spec, state, i, steady, step);
    if (role == Role::Init || !container.started) return false;
  }
  return true;
}

const Value* status_of(const Value& status, const ContainerSpec& container) {
  const char* list = container.role == Role::Main ? "containerStatuses" : "initContainerStatuses";
  const Value* all = status.find(list);
  if (all == nullptr) return nullptr;
  for (const Value& item : all->items()) {
    const Value* name = item.find("name");
    if (name != nullptr && name->as_string() == container.name) return &item;
  }
  return nullptr;
}

std::optional<Time> time_at(const Value& object, std::string_view key) {
  const Value* text = object.find(key);
  if (text == nullptr) return std::nullopt;
  const Result<Time> time = parse_time(text->as_string());
  return time.ok() ? std::optional<Time>(*time) : std::nullopt;
}

std::string string_at(const Value& object, std::string_view key) {
  const Value* text = object.find(key);
  return text == nullptr ? std::string() : text->as_string();
}

ContainerEnd read_end(const Value& terminated, Time now) {
  ContainerEnd end;
  if (const Value* code = terminated.find("exitCode"))
    end.exit_code = static_cast<int>(code->as_int());
  if (const Value* signal = terminated.find("signal"))
    end.signal = static_cast<int>(signal->as_int());
  end.reason = string_at(terminated, "reason");
  end.message = string_at(terminated, "message");
  end.container_id = string_at(terminated, "containerID");
  end.started_at = time_at(terminated, "startedAt");
  end.finished_at = time_at(terminated, "finishedAt").value_or(now);
  return end;
}

}  // namespace

bool PodState::active() const {
  return std::any_of(containers.begin(), containers.end(),
                     [](const ContainerState& c) { return c.active(); });
}

PodState new_pod(const PodSpec& spec, Time now) {
  PodState state;
  state.containers.resize(spec.containers.size());
  state.start_time = now;
  return state;
}

PodState resumed_pod(const PodSpec& spec, const Value& status, Time now) {
  PodState state = new_pod(spec, time_at(status, "startTime").value_or(now));
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    const Value* item = status_of(status, spec.containers[i]);
    if (item == nullptr) continue;
    ContainerState& container = state.containers[i];
    if (const Value* count = item->find("restartCount")) {
      container.restarts = static_cast<int>(count->as_int());
    }
    if (const Value* before = item->at_path({"lastState", "terminated"})) {
      container.before = read_end(*before, now);
    }
    if (const Value* ended = item->at_path({"state", "terminated"})) {
      container.phase = Phase::Ended;
      container.end = read_end(*ended, now);
    } else if (const Value* running = item->at_path({"state", "running"})) {
      ContainerEnd end;
      end.exit_code = 137;
      end.reason = "ContainerStatusUnknown";
      end.message = "it was interrupted by the end of millrace local, and is run again";
      end.started_at = time_at(*running, "startedAt");
      end.finished_at = now;
      end.container_id = string_at(*item, "containerID");
      container.before = std::move(end);
      ++container.restarts;
    }
  }
  return state;
}

void order_stop(PodState& state, PodStop stop, SteadyTime kill_at) {
  if (!state.stop) state.stop = std::move(stop);
  state.stop_kill_at = std::min(state.stop_kill_at.value_or(SteadyTime::max()), kill_at);
}

PodStep advance(const PodSpec& spec, PodState& state, Time now, SteadyTime steady) {
  PodStep step;
  if (state.finished) return step;
  if (!state.stop && spec.active_deadline) {
    const Time deadline = state.start_time + *spec.active_deadline;
    if (now >= deadline) {
      order_stop(state,
                 {"DeadlineExceeded",
                  "Pod was active on the node longer than the specified deadline", true},
                 steady + spec.grace);
    } else {
      look_again(step, steady + (deadline - now));
    }
  }
  if (!state.stop && advance_init(spec, state, steady, step)) {
    bool all_ended = true;
    for (std::size_t i = 0; i < spec.containers.size(); ++i) {
      if (spec.containers[i].role != Role::Main) continue;
      maintain(spec, state, i, steady, step);
      all_ended = all_ended && state.containers[i].phase == Phase::Ended;
    }
    if (all_ended) order_stop(state, {}, steady + spec.grace);
  }
  if (state.stop) {
    advance_stop(spec, state, steady, step);
    return step;
  }
  for (std::size_t i = 0; i < state.containers.size(); ++i) {  // those a probe condemned
    end_container(state.containers[i], i, steady, step);
  }
  return step;
}

void note_started(PodState& state, std::size_t i, const std::string& id, Time now,
                  SteadyTime steady, bool has_startup_probe, bool has_readiness_probe) {
  ContainerState& container = state.containers[i];
  container.phase = Phase::Running;
  container.container_id = id;
  container.started_at = now;
  container.started_steady = steady;
  container.wait_reason.clear();
  container.wait_message.clear();
  container.started = !has_startup_probe;
  container.ready = container.started && !has_readiness_probe;
}

void note_ended(PodState& state, std::size_t i, ContainerEnd end, SteadyTime steady) {
  ContainerState& container = state.containers[i];
  const bool long_lived =
      container.phase == Phase::Running && steady - container.started_steady >= kBackoffReset;
  container.crashes = long_lived ? 1 : container.crashes + 1;
  end.started_at = container.phase == Phase::Running ? container.started_at : end.finished_at;
  container.refusals = 0;
  container.phase = Phase::Ended;
  container.end = std::move(end);
  container.ready = container.started = false;
  container.kill_at.reset();
}

void note_interrupted(PodState& state, std::size_t i, ContainerEnd end, SteadyTime steady) {
  note_ended(state, i, std::move(end), steady);
  if (!state.stop) begin_wait(state.containers[i], steady);
}

void note_refused(PodState& state, std::size_t i, std::string reason, std::string message,
                  SteadyTime steady) {
  ContainerState& container = state.containers[i];
  container.phase = Phase::Waiting;
  container.wait_reason = std::move(reason);
  container.wait_message = std::move(message);
  container.retry_at = steady + doubled(kRefusalStart, kRefusalMost, container.refusals++);
}

void note_no_image(PodState& state, std::size_t i, std::string message, SteadyTime steady) {
  ContainerState& container = state.containers[i];
  const bool first = container.refusals == 0;
  note_refused(state, i, first ? "ErrImagePull" : "ImagePullBackOff", std::move(message), steady);
  container.retry_at = steady + doubled(kBackoffStart, kBackoffMost, container.refusals - 1);
  container.started_at.reset();
  container.container_id.clear();
  container.ready = container.started = false;
}

std::string phase_of(const PodSpec& spec, const PodState& state) {
  bool any_failed = state.stop && state.stop->failed;
  bool any_begun = false;
  bool initialized = true;
  for (std::size_t i = 0; i < spec.containers.size(); ++i) {
    const ContainerState& container = state.containers[i];
    const bool begun =
        container.phase == Phase::Running || container.phase == Phase::Ended || container.before;
    if (spec.containers[i].role == Role::Main) {
      // One that never got to run before the stop is no success.
      any_failed = any_failed || !succeeded(container);
      any_begun = any_begun || begun;
    } else if (spec.containers[i].role == Role::Init) {
      initialized = initialized && succeeded(container);
    }
  }
  if (state.finished) return any_failed ? "Failed" : "Succeeded";
  return initialized && any_begun ? "Running" : "Pending";
}

}  // namespace millrace::executor
