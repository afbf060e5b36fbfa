/// Probes of containers: when to ask (pure), and asking over the network.
#pragma once

#include <optional>
#include <string>

#include "kubeclient/base/clock.h"
#include "local/executor/pod_spec.h"

namespace millrace::executor {

/// How one probe of a running container stands.
struct ProbeState {
  std::optional<SteadyTime> due;  ///< the next question; none while one is under way
  int successes = 0;              ///< in a row
  int failures = 0;               ///< in a row
};

/// The container started at `started`: when to ask first.
ProbeState begin_probe(const Probe& probe, SteadyTime started);
enum class ProbeVerdict { Unchanged, Good, Bad };
/// Take an answer. Good and Bad: a threshold was reached.
ProbeVerdict note_answer(const Probe& probe, ProbeState& state, bool success, SteadyTime now);

/// The port of a probe as a number; 0 when the container has no such port.
int port_of(const Probe& probe, const ContainerSpec& container);

/// Ask a server; blocks for the probe's timeout at most. Empty when it is well, else why not.
std::string ask(const Probe& probe, int port);

}  // namespace millrace::executor
