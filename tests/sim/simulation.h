/// The whole operator over the embedded API server, in one thread, on a manual clock: one seed, one
/// history.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/faulty_client.h"

namespace millrace::sim {

struct SimOptions {
  std::uint64_t seed = 1;
  Mutation mutation = Mutation::None;
};

struct SimResult {
  std::vector<std::string> problems;  ///< empty: all promises were kept
  std::vector<std::string> trace;     ///< its end
  std::uint64_t hash = 0;             ///< of the whole trace
  std::uint64_t steps = 0;            ///< lines of it
  int runs = 0;
  int writes = 0;  ///< of the operators
  int crashes = 0;
};

SimResult simulate(const SimOptions& options);

}  // namespace millrace::sim
