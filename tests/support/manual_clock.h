/// A clock that only tests move, and a pause that moves it.
#pragma once

#include <functional>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/runtime/env.h"

namespace millrace::support {

/// Starts at 2026-11-21T00:00:00Z. Safe from any thread.
class ManualClock final : public Clock {
 public:
  ManualClock();
  Time now() const override;
  SteadyTime steady() const override;

  /// Move both clocks on, then call the listeners on this thread.
  void advance(Duration length);
  /// Move the wall clock alone, in either direction, as an administrator may.
  void shift_wall(Duration length);
  /// Have `listener` called after each advance, e.g. to wake a queue. Add them before use.
  void on_advance(std::function<void()> listener);

 private:
  struct State {
    Time now;
    SteadyTime steady;
    std::vector<std::function<void()>> listeners;
  };
  Guarded<State> state_;
};

/// A pause that takes no time: it moves the clock by what was asked for, and remembers that.
class SteppingPause final : public runtime::Pause {
 public:
  explicit SteppingPause(ManualClock& clock) : clock_(clock) {}
  bool wait(Duration length, const std::stop_token& stop) const override;
  /// All lengths asked for so far, in order.
  std::vector<Duration> lengths() const;

 private:
  ManualClock& clock_;
  Guarded<std::vector<Duration>> lengths_;
};

}  // namespace millrace::support
