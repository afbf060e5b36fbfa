#include "kubeclient/runtime/backoff.h"

#include <algorithm>
#include <cmath>

namespace millrace::runtime {

Jitter::Jitter(std::uint32_t seed) : engine_(seed != 0 ? seed : std::random_device{}()) {}

double Jitter::next() { return std::uniform_real_distribution<double>(0, 1)(engine_); }

Duration Jitter::between(Duration low, Duration high) {
  return low +
         Duration(static_cast<Duration::rep>(static_cast<double>((high - low).count()) * next()));
}

Duration backoff_delay(const BackoffPolicy& policy, int failures, double random) {
  const double steps = std::min(std::max(failures, 1) - 1, 64);
  const double max = static_cast<double>(policy.max.count());
  const double plain =
      std::min(max, static_cast<double>(policy.initial.count()) * std::pow(policy.factor, steps));
  const double spread = plain * (1 + policy.spread * (2 * random - 1));
  return Duration(static_cast<Duration::rep>(std::min(max, spread)));
}

TokenBucket::TokenBucket(double per_second, double burst)
    : per_second_(per_second), burst_(burst), tokens_(burst) {}

double TokenBucket::filled(SteadyTime now) const {
  if (!at_ || now <= *at_) return tokens_;
  return std::min(burst_,
                  tokens_ + per_second_ * std::chrono::duration<double>(now - *at_).count());
}

void TokenBucket::refill(SteadyTime now) {
  tokens_ = filled(now);
  at_ = at_ ? std::max(*at_, now) : now;
}

Duration TokenBucket::reserve(SteadyTime now, Duration longest) {
  refill(now);
  tokens_ = std::max(tokens_ - 1, -per_second_ * std::chrono::duration<double>(longest).count());
  if (tokens_ >= 0) return Duration::zero();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(-tokens_ / per_second_));
}

bool TokenBucket::try_take(SteadyTime now) {
  refill(now);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

bool TokenBucket::has_token(SteadyTime now) const { return filled(now) >= 1; }

bool TokenBucket::full(SteadyTime now) const { return filled(now) >= burst_; }

RestartPacer::RestartPacer(BackoffPolicy policy, Duration quiet, std::uint32_t seed)
    : policy_(policy), quiet_(quiet), jitter_(seed) {}

Duration RestartPacer::next(SteadyTime now) {
  if (!last_start_ || now - *last_start_ >= quiet_) {
    soon_ = 0;
    last_start_ = now;
    return Duration::zero();
  }
  const Duration delay = backoff_delay(policy_, ++soon_, jitter_.next());
  last_start_ = now + delay;
  return delay;
}

}  // namespace millrace::runtime
