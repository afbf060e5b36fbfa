// What became of the processes of containers, and their probes.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kubeclient/base/log.h"
#include "kubeclient/runtime/event_recorder.h"
#include "local/executor/engine.h"
#include "local/executor/kubelet.h"
#include "local/executor/prober.h"

namespace millrace::executor {
namespace {

using std::chrono::seconds;

// Limits of messages. Source: Kubernetes, core/v1 Container terminationMessagePath.
constexpr std::size_t kMostMessage = 4096;
constexpr std::size_t kMostLogLines = 80;
constexpr std::size_t kMostLogMessage = 2048;

enum Which { kStartup, kReadiness, kLiveness };

std::string read_start(const std::string& path, std::size_t most) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return {};
  std::string out(most, '\0');
  const ssize_t n = ::read(fd, out.data(), most);
  ::close(fd);
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return out;
}

}  // namespace

void Kubelet::signal(PodRun& run, std::size_t i, int number) {
  const auto it = run.processes.find(i);
  if (it == run.processes.end()) return;
  const ContainerProcess& process = it->second;
  if (!process.engine_name.empty()) {
    SpawnRequest request;
    request.argv = kill_arguments(mode_.engine, process.engine_name, number);
    request.environment = process.request.environment;
    // Nobody waits for its end: the container's own end is what counts.
    if (spawner_.spawn(++last_id_, request, -1, -1).ok() && number != SIGKILL) return;
  }
  spawner_.signal(process.id, number);
}

void Kubelet::note_process(const SpawnEvent& event) {
  if (event.kind == SpawnEvent::Kind::SpawnerGone) {
    env_.log.error("the helper processes were killed; restart millrace local");
    return;
  }
  const auto owner = owners_.find(event.id);
  if (owner == owners_.end()) return;
  const ProcessOwner of = owner->second;
  PodRun* run = find(of.uid);
  if (run == nullptr) return;
  if (of.probe >= 0) {
    if (event.kind == SpawnEvent::Kind::Started) return;
    const bool good = event.kind == SpawnEvent::Kind::Exited && event.exit_code == 0;
    note_answer(event.id, good ? ""
                          : event.kind == SpawnEvent::Kind::Exited
                              ? "exit code " + std::to_string(event.exit_code)
                              : event.message);
    return;
  }
  ContainerProcess& process = run->processes[of.container];
  if (process.id != event.id) return;
  if (event.kind == SpawnEvent::Kind::Started) {
    const ContainerSpec& spec = run->spec.containers[of.container];
    const std::string id =
        process.engine_name.empty()
            ? "process://" + std::to_string(event.pid)
            : mode_.engine.substr(mode_.engine.rfind('/') + 1) + "://" + process.engine_name;
    note_started(run->state, of.container, id, env_.clock.now(), env_.clock.steady(),
                 spec.startup.has_value(), spec.readiness.has_value());
    begin_probes(*run, of.container);
  } else {
    process.end = event;
    if (process.logs_ended) conclude(*run, of.container);
  }
  if (!stopping_) progress(*run);
}

void Kubelet::note_logs_ended(std::uint64_t id) {
  const auto owner = owners_.find(id);
  if (owner == owners_.end()) return;
  const ProcessOwner of = owner->second;
  PodRun* run = find(of.uid);
  if (run == nullptr) return;
  ContainerProcess& process = run->processes[of.container];
  if (process.id != id) return;
  process.logs_ended = true;
  if (!process.end) return;
  conclude(*run, of.container);
  if (!stopping_) progress(*run);
}

std::string Kubelet::termination_message(const PodRun& run, std::size_t i,
                                         const ContainerProcess& process, int exit_code) const {
  std::string text = read_start(process.termination_file, kMostMessage);
  const ContainerSpec& container = run.spec.containers[i];
  if (!text.empty() || exit_code == 0 || !container.logs_as_message) return text;
  return logs_.tail(run.key, run.object->metadata.uid, container.name,
                    run.state.containers[i].restarts, kMostLogLines, kMostLogMessage);
}

/// What the engine said last. It is no log of the container, and is not kept as one.
std::string Kubelet::engine_message(const PodRun& run, std::size_t i) {
  const std::string& uid = run.object->metadata.uid;
  const std::string& name = run.spec.containers[i].name;
  const int n = run.state.containers[i].restarts;
  std::string text = logs_.tail(run.key, uid, name, n, 1, kMostLogMessage);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  logs_.discard(run.key, uid, name, n);
  return text.empty() ? "the container engine could not start it, and did not say why" : text;
}

/// The process is gone and its log complete.
void Kubelet::conclude(PodRun& run, std::size_t i) {
  ContainerProcess& process = run.processes[i];
  const SpawnEvent& event = *process.end;
  ContainerEnd end;
  end.finished_at = env_.clock.now();
  end.container_id = run.state.containers[i].container_id;
  const SteadyTime now = env_.clock.steady();
  for (auto& asking : process.probes) {
    if (asking.id != 0) owners_.erase(asking.id);
    asking = {};
  }
  owners_.erase(process.id);
  constexpr int kEngineFailed = 125;  // by podman and docker, for errors of their own
  if (!process.engine_name.empty() && event.kind == SpawnEvent::Kind::Exited &&
      event.exit_code == kEngineFailed) {
    note_no_image(run.state, i, engine_message(run, i), now);
    return;
  }
  switch (event.kind) {
    case SpawnEvent::Kind::Exited:
      end.exit_code = event.exit_code;
      end.signal = event.signal;
      end.reason = event.exit_code == 0 ? "Completed" : "Error";
      end.message = termination_message(run, i, process, event.exit_code);
      note_ended(run.state, i, std::move(end), now);
      break;
    case SpawnEvent::Kind::Failed:
      // As a shell says it: not found, or not to be executed.
      end.exit_code = event.error == ENOENT ? 127 : event.error == EACCES ? 126 : 128;
      end.reason = "ContainerCannotRun";
      end.message = event.message;
      end.container_id.clear();
      note_ended(run.state, i, std::move(end), now);
      break;
    default:
      end.exit_code = 137;
      end.reason = "ContainerStatusUnknown";
      end.message = event.message;
      note_interrupted(run.state, i, std::move(end), now);
      break;
  }
}

void Kubelet::begin_probes(PodRun& run, std::size_t i) {
  const ContainerSpec& spec = run.spec.containers[i];
  ContainerProcess& process = run.processes[i];
  const SteadyTime now = env_.clock.steady();
  const std::optional<Probe>* probes[] = {&spec.startup, &spec.readiness, &spec.liveness};
  for (std::size_t which = 0; which < 3; ++which) {
    if (!*probes[which]) continue;
    process.probes[which].probe = &**probes[which];
    process.probes[which].state = begin_probe(**probes[which], now);
  }
}

void Kubelet::run_probes(PodRun& run, std::size_t i) {
  const auto it = run.processes.find(i);
  const ContainerState& container = run.state.containers[i];
  if (it == run.processes.end() || container.phase != ContainerState::Phase::Running) return;
  const SteadyTime now = env_.clock.steady();
  for (int which = kStartup; which <= kLiveness; ++which) {
    auto& asking = it->second.probes[which];
    if (asking.probe == nullptr || container.kill_at) continue;
    // The startup probe goes before the others, and is done once it succeeded.
    if ((which == kStartup) == container.started) continue;
    if (asking.id != 0 && asking.give_up && now >= *asking.give_up) {
      spawner_.signal(asking.id, SIGKILL);
      asking.give_up.reset();
    }
    if (asking.id == 0 && asking.state.due && now >= *asking.state.due) ask_probe(run, i, which);
    for (const auto& due : {asking.state.due, asking.give_up}) {
      if (due && *due > now) run.due = std::min(run.due.value_or(*due), *due);
    }
  }
}

void Kubelet::ask_probe(PodRun& run, std::size_t i, int which) {
  ContainerProcess& process = run.processes[i];
  auto& asking = process.probes[which];
  asking.id = ++last_id_;
  asking.state.due.reset();
  owners_[asking.id] = {run.object->metadata.uid, i, which};
  const Probe& probe = *asking.probe;
  if (probe.kind != Probe::Kind::Exec) {
    prober_->put({asking.id, probe, port_of(probe, run.spec.containers[i])});
    return;
  }
  SpawnRequest request = process.request;
  request.argv = probe.command;
  if (!process.engine_name.empty()) {
    request.argv = {mode_.engine, "exec", process.engine_name};
    request.argv.insert(request.argv.end(), probe.command.begin(), probe.command.end());
  }
  asking.give_up = env_.clock.steady() + probe.timeout;
  const Result<void> spawned = probe.command.empty()
                                   ? Result<void>(fail(Code::Invalid, "no command"))
                                   : spawner_.spawn(asking.id, request, -1, -1);
  if (!spawned.ok())
    post({.kind = KubeletEvent::Kind::Probed, .id = asking.id, .message = spawned.error().message});
}

void Kubelet::note_answer(std::uint64_t id, const std::string& message) {
  const auto owner = owners_.find(id);
  if (owner == owners_.end()) return;
  const ProcessOwner of = owner->second;
  owners_.erase(owner);
  PodRun* run = find(of.uid);
  if (run == nullptr || of.probe < 0) return;
  auto& asking = run->processes[of.container].probes[of.probe];
  if (asking.id != id || asking.probe == nullptr) return;
  asking.id = 0;
  asking.give_up.reset();
  ContainerState& container = run->state.containers[of.container];
  const ContainerSpec& spec = run->spec.containers[of.container];
  const SteadyTime now = env_.clock.steady();
  const ProbeVerdict verdict =
      executor::note_answer(*asking.probe, asking.state, message.empty(), now);
  static constexpr const char* kNames[] = {"Startup", "Readiness", "Liveness"};
  if (verdict == ProbeVerdict::Bad) {
    tell(*run, "Warning", "Unhealthy",
         std::string(kNames[of.probe]) + " probe of " + spec.name + " failed: " + message);
  }
  if (of.probe == kReadiness && verdict != ProbeVerdict::Unchanged) {
    container.ready = verdict == ProbeVerdict::Good;
  }
  if (of.probe == kStartup && verdict == ProbeVerdict::Good) {
    container.started = true;
    container.ready = !spec.readiness;
  }
  if (of.probe != kReadiness && verdict == ProbeVerdict::Bad && !container.kill_at) {
    container.kill_at = now + run->spec.grace;
  }
  if (!stopping_) progress(*run);
}

}  // namespace millrace::executor
