/// What happened in a simulation, in order: to be compared by hash, and read when it went wrong.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "kubeclient/base/clock.h"

namespace millrace::sim {

/// Keeps the last lines, and a hash of all.
class Trace {
 public:
  explicit Trace(const Clock& clock) : clock_(clock), start_(clock.steady()) {}

  void add(const std::string& line);
  std::uint64_t hash() const { return hash_; }
  std::uint64_t size() const { return count_; }
  const std::deque<std::string>& tail() const { return lines_; }

 private:
  const Clock& clock_;
  SteadyTime start_;
  std::deque<std::string> lines_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::uint64_t count_ = 0;
};

}  // namespace millrace::sim
