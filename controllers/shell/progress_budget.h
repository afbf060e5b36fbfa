/// How many statuses may be written that only show progress.
#pragma once

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/runtime/backoff.h"

namespace millrace::shell {

/// Shared by all runs and Jobs: 10 a second, 20 at once. A few runs show each of their steps at
/// once; of five hundred that start together most end before it is their turn, and what the API
/// server need not write for them it has for their Jobs and pods. Ends, retries and whatever has to
/// be on record never ask. Safe from any thread.
class ProgressBudget {
 public:
  explicit ProgressBudget(const Clock& clock) : clock_(clock) {}

  /// May a status be written now that only shows progress?
  bool has_token() const { return bucket_.lock()->has_token(clock_.steady()); }
  /// How long news may wait that nobody waits for, such as a pod's start: what shows it has no turn
  /// before that, and its end is often next.
  Duration calm_delay() const { return has_token() ? kCalm : kCalmInHaste; }
  /// One was written. Several workers may have seen the same token: the next ones wait for it.
  void spend() { bucket_.lock()->reserve(clock_.steady(), std::chrono::seconds(1)); }

 private:
  static constexpr double kPerSecond = 10;
  static constexpr double kAtOnce = 20;
  static constexpr Duration kCalm = std::chrono::milliseconds(200);
  static constexpr Duration kCalmInHaste = std::chrono::seconds(2);

  const Clock& clock_;
  Guarded<runtime::TokenBucket> bucket_{kPerSecond, kAtOnce};
};

}  // namespace millrace::shell
