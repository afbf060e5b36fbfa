#include "kubeclient/base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace millrace {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::Invalid, "odd: " + std::to_string(n));
  return n / 2;
}

Result<int> quarter(int n) {
  MR_ASSIGN(const int first, half(n));
  MR_ASSIGN(int second, half(first));
  return second;
}

Result<> only_even(int n) {
  MR_TRY(half(n));
  return {};
}

TEST(Result, MacrosPassValuesAndErrorsOn) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().message, "odd: 3");
  EXPECT_TRUE(only_even(2).ok());
  EXPECT_EQ(only_even(3).error().code, Code::Invalid);
}

TEST(Result, AssignsToAnExistingTarget) {
  const auto sum = [](int n) -> Result<int> {
    int total = 0, part = 0;
    for (int i = 0; i < 2; ++i) {
      MR_ASSIGN(part, half(n));
      total += part;
    }
    return total;
  };
  EXPECT_EQ(*sum(10), 10);
  EXPECT_FALSE(sum(5).ok());
}

TEST(Result, MovesWhatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> Result<int> {
    MR_ASSIGN(const std::unique_ptr<int> p, make());
    return *p;
  };
  EXPECT_EQ(*use(), 7);
}

TEST(Result, TryStandsWhereAStatementStands) {
  const auto f = [](bool yes) -> Result<int> {
    if (yes)
      MR_TRY(half(3));
    else
      MR_TRY(half(2));
    return 1;
  };
  EXPECT_FALSE(f(true).ok());
  EXPECT_TRUE(f(false).ok());
}

TEST(Result, WithPutsContextInFront) {
  EXPECT_EQ(half(3).with("splitting").error().message, "splitting: odd: 3");
  EXPECT_EQ(*half(4).with("splitting"), 2);
}

TEST(Result, KeepsAllOfAnError) {
  Error error;
  error.code = Code::Throttled;
  error.message = "slow down";
  error.http_status = 429;
  error.delay = std::chrono::milliseconds(1500);
  error.reason = "TooManyRequests";
  const auto pass = [&]() -> Result<int> {
    MR_TRY(Result<int>(fail(error)));
    return 0;
  };
  EXPECT_EQ(pass().error(), error);
}

TEST(Check, ThrowsWithTheCondition) {
  EXPECT_NO_THROW(MR_CHECK(1 + 1 == 2));
  try {
    MR_CHECK(1 + 1 == 3);
    FAIL();
  } catch (const BugError& bug) {
    EXPECT_NE(std::string(bug.what()).find("1 + 1 == 3"), std::string::npos);
  }
}

TEST(Advice, ForEachCode) {
  const struct {
    Code code;
    const char* name;
    Advice want;
  } cases[] = {
      {Code::Invalid, "Invalid", Advice::Never},
      {Code::NotFound, "NotFound", Advice::Reread},
      {Code::AlreadyExists, "AlreadyExists", Advice::Reread},
      {Code::Conflict, "Conflict", Advice::Reread},
      {Code::Expired, "Expired", Advice::Reread},
      {Code::Throttled, "Throttled", Advice::WaitAsTold},
      {Code::Denied, "Denied", Advice::Backoff},
      {Code::Timeout, "Timeout", Advice::Backoff},
      {Code::Unavailable, "Unavailable", Advice::Backoff},
      {Code::Cancelled, "Cancelled", Advice::Never},
      {Code::Malformed, "Malformed", Advice::Backoff},
      {Code::Bug, "Bug", Advice::Backoff},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(advice_for(c.code), c.want) << c.name;
    EXPECT_EQ(to_string(c.code), c.name);
  }
}

}  // namespace
}  // namespace millrace
