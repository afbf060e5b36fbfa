/// How many things of a kind may happen, for each of many keys. Pure: time comes in.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

#include "kubeclient/base/clock.h"

namespace millrace::delivery {

/// A token bucket for each key. Not thread-safe.
class RateLimiter {
 public:
  /// `per_second` zero: no limit. `most_keys`: beyond it, full buckets are forgotten first, then
  /// any, so that many keys cost neither memory nor others their tokens.
  RateLimiter(double per_second, double burst, std::size_t most_keys = 4096);

  /// Take a token of `key`: nothing when there was one, else after how long there is [s], at
  /// least 1.
  std::optional<std::chrono::seconds> take(const std::string& key, SteadyTime now);

 private:
  struct Bucket {
    double tokens;
    SteadyTime at;
  };
  void make_room(SteadyTime now);
  double filled(const Bucket& bucket, SteadyTime now) const;

  double per_second_;
  double burst_;
  std::size_t most_keys_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace millrace::delivery
