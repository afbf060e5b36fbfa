/// Arithmetic on times that users may have written: no value overflows.
#pragma once

#include <algorithm>

#include "kubeclient/base/clock.h"

namespace millrace::logic {

/// Longer than anything waits here; from any sane date it still fits a Duration.
inline constexpr std::chrono::seconds kCentury = std::chrono::hours(24 * 365 * 100);

/// From `now` to `when`: zero when that has passed, a century when it is further away.
inline Duration time_until(Time when, Time now) {
  return std::clamp<Time::duration>(when - now, Time::duration::zero(), kCentury);
}

}  // namespace millrace::logic
