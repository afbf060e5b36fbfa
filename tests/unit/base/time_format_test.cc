#include "kubeclient/base/time_format.h"

#include <gtest/gtest.h>

#include <random>

namespace millrace {
namespace {

using namespace std::chrono_literals;

TEST(ParseTime, ReadsRfc3339) {
  const struct {
    const char* name;
    const char* text;
    const char* want;
  } cases[] = {
      {"UTC", "2026-11-21T03:04:05Z", "2026-11-21T03:04:05.000000Z"},
      {"lower case", "2026-11-21t03:04:05z", "2026-11-21T03:04:05.000000Z"},
      {"blank for T", "2026-11-21 03:04:05Z", "2026-11-21T03:04:05.000000Z"},
      {"fraction", "2026-11-21T03:04:05.5Z", "2026-11-21T03:04:05.500000Z"},
      {"nanoseconds are cut", "2026-11-21T03:04:05.123456789Z", "2026-11-21T03:04:05.123456Z"},
      {"east of Greenwich", "2026-11-21T03:04:05+05:45", "2026-11-20T21:19:05.000000Z"},
      {"west of Greenwich", "2026-11-21T23:04:05-08:00", "2026-11-22T07:04:05.000000Z"},
      {"leap second", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"},
      {"leap day", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000000Z"},
      {"before 1970", "1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250000Z"},
      {"far away", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"},
  };
  for (const auto& c : cases) {
    const auto got = parse_time(c.text);
    ASSERT_TRUE(got.ok()) << c.name << ": " << got.error().message;
    EXPECT_EQ(format_micro_time(*got), c.want) << c.name;
  }
}

TEST(ParseTime, RefusesTheRest) {
  for (const char* text :
       {"", "2026", "2026-11-21", "2026-11-21T03:04Z", "2026-11-21T03:04:05",
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-11-21T24:00:00Z", "2026-11-21T03:60:00Z", "2026-11-21T03:04:61Z",
        "2026-11-21T03:04:05.Z", "2026-11-21T03:04:05+5:45", "2026-11-21T03:04:05+24:00",
        "2026-11-21T03:04:05+05:60", "2026-11-21T03:04:05Z ", " 2026-11-21T03:04:05Z",
        "26-11-21T03:04:05Z", "+026-11-21T03:04:05Z"}) {
    const auto got = parse_time(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(got.error().code, Code::Invalid) << text;
  }
}

TEST(FormatTime, CutsFractions) {
  const Time t = *parse_time("2026-11-21T03:04:05.999999Z");
  EXPECT_EQ(format_time(t), "2026-11-21T03:04:05Z");
  EXPECT_EQ(format_time(*parse_time("1969-12-31T23:59:59.9Z")), "1969-12-31T23:59:59Z");
  EXPECT_EQ(format_time(Time{}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(truncate_to_second(t), *parse_time("2026-11-21T03:04:05Z"));
  EXPECT_EQ(truncate_to_second(Time{-1us}), Time{-1s});
}

TEST(FormatTime, ReadsBack) {
  std::mt19937_64 random(1);
  const std::int64_t span = (*parse_time("9999-01-01T00:00:00Z")).time_since_epoch().count();
  std::uniform_int_distribution<std::int64_t> pick(0, span);
  for (int i = 0; i < 20'000; ++i) {
    const Time t{std::chrono::microseconds{pick(random)}};
    ASSERT_EQ(*parse_time(format_micro_time(t)), t);
    ASSERT_EQ(*parse_time(format_time(t)), truncate_to_second(t));
  }
}

}  // namespace
}  // namespace millrace
