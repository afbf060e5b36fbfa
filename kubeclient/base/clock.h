/// Time as an input: the types, and the clock that the I/O side reads. Logic gets times as data.
#pragma once

#include <chrono>

namespace millrace {

using Duration = std::chrono::nanoseconds;
/// Wall-clock time, UTC, microseconds: what Kubernetes MicroTime can hold.
using Time = std::chrono::sys_time<std::chrono::microseconds>;
/// Monotonic time, for delays and deadlines.
using SteadyTime = std::chrono::steady_clock::time_point;

/// Tell the time. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual SteadyTime steady() const = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  Time now() const override;
  SteadyTime steady() const override;
};

}  // namespace millrace
