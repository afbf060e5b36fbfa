#include "controllers/delivery/rate.h"

#include <algorithm>
#include <cmath>

namespace millrace::delivery {

RateLimiter::RateLimiter(double per_second, double burst, std::size_t most_keys)
    : per_second_(per_second), burst_(std::max(burst, 1.0)), most_keys_(most_keys) {}

double RateLimiter::filled(const Bucket& bucket, SteadyTime now) const {
  const double seconds = std::chrono::duration<double>(now - bucket.at).count();
  return std::min(burst_, bucket.tokens + std::max(seconds, 0.0) * per_second_);
}

std::optional<std::chrono::seconds> RateLimiter::take(const std::string& key, SteadyTime now) {
  if (per_second_ <= 0) return std::nullopt;
  if (buckets_.size() >= most_keys_ && !buckets_.contains(key)) make_room(now);
  Bucket& bucket = buckets_.try_emplace(key, Bucket{burst_, now}).first->second;
  bucket.tokens = filled(bucket, now);
  bucket.at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  const double wait = std::clamp(std::ceil((1 - bucket.tokens) / per_second_), 1.0, 3600.0);
  return std::chrono::seconds(static_cast<std::int64_t>(wait));
}

void RateLimiter::make_room(SteadyTime now) {
  std::erase_if(buckets_, [&](const auto& entry) { return filled(entry.second, now) >= burst_; });
  if (buckets_.size() >= most_keys_) buckets_.erase(buckets_.begin());
}

}  // namespace millrace::delivery
