/// How long to wait after failures: exponential per key, a bucket for all, a pacer for restarts.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "kubeclient/base/clock.h"

namespace millrace::runtime {

/// Random numbers for spreading load; not for secrets. Not thread-safe.
class Jitter {
 public:
  /// Seed 0 takes one from the machine.
  explicit Jitter(std::uint32_t seed = 0);
  /// A number in [0, 1).
  double next();
  /// A length in [low, high).
  Duration between(Duration low, Duration high);

 private:
  std::minstd_rand engine_;
};

/// Delays that double up to a limit, each spread by +-`spread` of itself.
struct BackoffPolicy {
  Duration initial = std::chrono::milliseconds(10);
  Duration max = std::chrono::minutes(5);
  double factor = 2;
  double spread = 0.25;
};

/// The delay after `failures` >= 1 failures in a row; `random` in [0, 1). Never above `max`.
Duration backoff_delay(const BackoffPolicy& policy, int failures, double random);

/// Tokens that come at a steady rate. Not thread-safe.
class TokenBucket {
 public:
  TokenBucket(double per_second, double burst);
  /// Take a token, on credit if need be; how long until it is really there, at most `longest`. Nor
  /// does the debt grow beyond that: those who come after a storm do not pay for all of it.
  Duration reserve(SteadyTime now, Duration longest);
  /// Take a token only if one is there.
  bool try_take(SteadyTime now);
  bool has_token(SteadyTime now) const;
  /// All tokens are back: nothing is lost by forgetting this bucket.
  bool full(SteadyTime now) const;

 private:
  double filled(SteadyTime now) const;
  void refill(SteadyTime now);

  double per_second_;
  double burst_;
  double tokens_;
  std::optional<SteadyTime> at_;
};

/// Spaces the restarts of a loop. The first after a quiet time is free; those that follow sooner
/// back off. Only quiet resets it: a success in between proves little. Not thread-safe.
class RestartPacer {
 public:
  RestartPacer(BackoffPolicy policy, Duration quiet, std::uint32_t seed = 0);
  /// How long to wait before the restart that is due now.
  Duration next(SteadyTime now);

 private:
  BackoffPolicy policy_;
  Duration quiet_;
  Jitter jitter_;
  int soon_ = 0;                          ///< restarts in a row without quiet
  std::optional<SteadyTime> last_start_;  ///< when the latest restart was allowed to go
};

}  // namespace millrace::runtime
