#include "kubeclient/base/duration.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace millrace {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, ReadsWhatGoReads) {
  const struct {
    const char* name;
    const char* text;
    Duration want;
  } cases[] = {
      {"zero without a unit", "0", 0s},
      {"negative zero", "-0", 0s},
      {"seconds", "30s", 30s},
      {"several parts", "1h15m30.5s", 1h + 15min + 30s + 500ms},
      {"any order, any number", "1s1h1s", 1h + 2s},
      {"plus sign", "+5m", 5min},
      {"minus sign", "-1.5h", -90min},
      {"milliseconds are not minutes", "5ms", 5ms},
      {"micro sign", "7\xC2\xB5s", 7us},
      {"Greek mu", "7\xCE\xBCs", 7us},
      {"us and ns", "1us1ns", 1us + 1ns},
      {"no digits before the point", ".5s", 500ms},
      {"no digits after the point", "5.s", 5s},
      {"fraction beyond a nanosecond is cut", "0.0000000019s", 1ns},
      {"the longest", "2562047h47m16.854775807s", Duration::max()},
  };
  for (const auto& c : cases) {
    const auto got = parse_duration(c.text);
    ASSERT_TRUE(got.ok()) << c.name << ": " << got.error().message;
    EXPECT_EQ(*got, c.want) << c.name;
  }
}

TEST(ParseDuration, RefusesTheRest) {
  for (const char* text : {"",
                           "+",
                           "-",
                           "5",
                           "1.5",
                           "s",
                           ".s",
                           ".",
                           "5x",
                           "5 s",
                           " 5s",
                           "5s ",
                           "1h-5m",
                           "--5s",
                           "1d",
                           "5S",
                           "9223372036854775808ns",
                           "2562047h47m16.854775808s",
                           "99999999999999999999h",
                           "1..5s",
                           "five seconds"}) {
    const auto got = parse_duration(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(got.error().code, Code::Invalid) << text;
    EXPECT_NE(got.error().message.find("is not a duration such as 1h15m30s"), std::string::npos);
  }
}

TEST(FormatDuration, WritesWhatGoWrites) {
  const struct {
    Duration value;
    const char* want;
  } cases[] = {
      {0s, "0s"},
      {1ns, "1ns"},
      {1500ns, "1.5\xC2\xB5s"},
      {1500us, "1.5ms"},
      {1500ms, "1.5s"},
      {90s, "1m30s"},
      {60s, "1m0s"},
      {1h, "1h0m0s"},
      {-90s, "-1m30s"},
      {24h + 1ns, "24h0m0.000000001s"},
      {Duration::max(), "2562047h47m16.854775807s"},
      {Duration::min(), "-2562047h47m16.854775808s"},
  };
  for (const auto& c : cases) EXPECT_EQ(format_duration(c.value), c.want);
}

TEST(FormatDuration, ReadsBack) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const Duration value{static_cast<std::int64_t>(random() >> (random() % 60 + 1)) *
                         (i % 2 == 0 ? 1 : -1)};
    ASSERT_EQ(*parse_duration(format_duration(value)), value) << value.count();
  }
}

TEST(HumanDuration, TwoUnitsAtMost) {
  const struct {
    Duration value;
    const char* want;
  } cases[] = {
      {-5s, "0s"},         {0s, "0s"},       {120ms, "120ms"},      {999ms, "999ms"},
      {1s, "1s"},          {59s, "59s"},     {200s, "3m20s"},       {180s, "3m"},
      {2h + 5min, "2h5m"}, {2h + 59s, "2h"}, {99h + 30min, "4d3h"},
  };
  for (const auto& c : cases) EXPECT_EQ(human_duration(c.value), c.want);
}

}  // namespace
}  // namespace millrace
