#include "kubeclient/runtime/backoff.h"

#include <gtest/gtest.h>

namespace millrace::runtime {

using namespace std::chrono_literals;

TEST(BackoffDelay, DoublesSpreadsAndStops) {
  const BackoffPolicy policy{10ms, 5min, 2, 0.25};
  const struct {
    const char* name;
    int failures;
    double random;
    Duration want;
  } cases[] = {
      {"first, middle of the spread", 1, 0.5, 10ms},
      {"first, low end", 1, 0, 7500us},
      {"no failure counts as one", 0, 0.5, 10ms},
      {"doubles", 2, 0.5, 20ms},
      {"fifth", 5, 0.5, 160ms},
      {"stops at the limit", 30, 0.5, 5min},
      {"the spread never passes the limit", 30, 0.99, 5min},
      {"huge counts do not overflow", 2'000'000'000, 0.5, 5min},
  };
  for (const auto& c : cases) {
    const Duration got = backoff_delay(policy, c.failures, c.random);
    EXPECT_LE(std::chrono::abs(got - c.want), 1us) << c.name << ": " << got.count();
  }
}

TEST(TokenBucket, LendsTokensAndFillsUp) {
  TokenBucket bucket(10, 2);
  const SteadyTime start{1h};
  EXPECT_EQ(bucket.reserve(start, 1h), 0ns);
  EXPECT_EQ(bucket.reserve(start, 1h), 0ns);
  EXPECT_EQ(bucket.reserve(start, 1h), 100ms);
  EXPECT_EQ(bucket.reserve(start, 1h), 200ms);
  EXPECT_FALSE(bucket.try_take(start + 200ms));
  EXPECT_TRUE(bucket.try_take(start + 400ms));
  EXPECT_FALSE(bucket.full(start + 400ms));
  EXPECT_TRUE(bucket.full(start + 1h));
}

TEST(TokenBucket, ItsDebtIsBounded) {
  TokenBucket bucket(10, 2);
  const SteadyTime start{1h};
  for (int i = 0; i < 1000; ++i) EXPECT_LE(bucket.reserve(start, 5s), 5s);
  EXPECT_EQ(bucket.reserve(start, 5s), 5s);
  EXPECT_EQ(bucket.reserve(start + 4s, 5s), 1s + 100ms) << "the debt is that of 5 s, not of 1000";
}

TEST(RestartPacer, OnlyQuietResetsIt) {
  RestartPacer pacer({200ms, 30s, 2, 0}, 60s, 1);
  SteadyTime now{1h};
  EXPECT_EQ(pacer.next(now), 0ns) << "the first is free";
  EXPECT_EQ(pacer.next(now), 200ms);
  now += 200ms;
  EXPECT_EQ(pacer.next(now), 400ms);
  now += 400ms + 59s;
  EXPECT_EQ(pacer.next(now), 800ms) << "59 s of peace are not quiet enough";
  now += 800ms + 60s;
  EXPECT_EQ(pacer.next(now), 0ns);
}

TEST(Jitter, SameSeedSameNumbers) {
  Jitter a(7), b(7);
  for (int i = 0; i < 100; ++i) {
    const double x = a.next();
    EXPECT_EQ(x, b.next());
    EXPECT_GE(x, 0);
    EXPECT_LT(x, 1);
  }
}

}  // namespace millrace::runtime
