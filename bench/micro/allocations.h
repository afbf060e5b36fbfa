/// How often this program has asked for memory.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

namespace millrace::bench {

/// Calls of operator new on this thread so far. Linked into a program, it replaces that operator.
std::uint64_t allocations();

/// Counts what a benchmark's loop allocates; call `report` after it.
class AllocationCount {
 public:
  AllocationCount() : before_(allocations()) {}
  /// As the counter allocations_per_object, for `objects` an iteration.
  void report(benchmark::State& state, double objects = 1) const {
    state.counters["allocations_per_object"] = static_cast<double>(allocations() - before_) /
                                               (static_cast<double>(state.iterations()) * objects);
  }

 private:
  std::uint64_t before_;
};

}  // namespace millrace::bench
