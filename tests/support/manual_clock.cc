#include "tests/support/manual_clock.h"

#include "kubeclient/base/time_format.h"

namespace millrace::support {

ManualClock::ManualClock() {
  auto state = state_.lock();
  state->now = parse_time("2026-11-21T00:00:00Z").value();
  state->steady = SteadyTime(std::chrono::hours(1));
}

Time ManualClock::now() const { return state_.lock()->now; }

SteadyTime ManualClock::steady() const { return state_.lock()->steady; }

void ManualClock::advance(Duration length) {
  std::vector<std::function<void()>> listeners;
  {
    auto state = state_.lock();
    state->now += std::chrono::duration_cast<std::chrono::microseconds>(length);
    state->steady += length;
    listeners = state->listeners;
  }
  for (const auto& listener : listeners) listener();
}

void ManualClock::shift_wall(Duration length) {
  state_.lock()->now += std::chrono::duration_cast<std::chrono::microseconds>(length);
}

void ManualClock::on_advance(std::function<void()> listener) {
  state_.lock()->listeners.push_back(std::move(listener));
}

bool SteppingPause::wait(Duration length, const std::stop_token& stop) const {
  if (stop.stop_requested()) return false;
  lengths_.lock()->push_back(length);
  if (length > Duration::zero()) clock_.advance(length);
  return !stop.stop_requested();
}

std::vector<Duration> SteppingPause::lengths() const { return *lengths_.lock(); }

}  // namespace millrace::support
