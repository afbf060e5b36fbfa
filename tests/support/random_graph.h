/// Random pipelines of steps, for walks and the simulation.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace millrace::support {

/// What graphs are drawn from. All off: containers, calls and pauses with conditions, retries,
/// tolerated failures, onError, finally and parallelism.
struct GraphChoices {
  bool people = false;                     ///< approval steps
  std::vector<std::string> children = {};  ///< Pipelines that `pipeline` steps may start
  bool manifests = false;                  ///< ConfigMaps
  bool matrices = false;
  bool stages = false;
  bool limits = false;  ///< timeouts of steps and of finally, short pauses of retries
  /// Steps that have results give an output `v`, and in most graphs others read it: containers in
  /// variables, calls in members of the body. `V_<step>` holds its output as JSON, "none" when
  /// there is none; `S_<step>` its status.
  bool data = false;
};

struct DrawnGraph {
  std::string spec;                       ///< of a Pipeline, JSON
  std::map<std::string, bool> tolerated;  ///< step → continueOnError
};

/// In [0, n).
using Dice = std::function<unsigned(unsigned n)>;

/// Steps are called s0, s1, ...; those of onError e0, ...; those of finally f0, ...
DrawnGraph draw_graph(const GraphChoices& choices, const Dice& dice);

/// Stages with jobs, as conveyor-belt has them; JSON.
std::string draw_belt(const Dice& dice);

}  // namespace millrace::support
