#include <gtest/gtest.h>

#include "kubeclient/http/loop.h"

namespace millrace::http {

TEST(Escape, KeepsOnlyUnreservedCharacters) {
  const struct {
    const char* name;
    const char* text;
    const char* want;
  } cases[] = {
      {"nothing to do", "AZaz09-._~", "AZaz09-._~"},
      {"selector", "app in (a,b),x!=y", "app%20in%20%28a%2Cb%29%2Cx%21%3Dy"},
      {"separators", "a/b?c&d=e#f%", "a%2Fb%3Fc%26d%3De%23f%25"},
      {"bytes beyond ASCII", "\xc3\xa9", "%C3%A9"},
      {"empty", "", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(escape(c.text), c.want) << c.name;
}

TEST(ParseRetryAfter, TakesSecondsAndDates) {
  using namespace std::chrono_literals;
  const Time now{1'792'000'000s};  // Wed, 14 Oct 2026 17:46:40 GMT
  const struct {
    const char* name;
    const char* value;
    std::optional<std::chrono::milliseconds> want;
  } cases[] = {
      {"seconds", "7", 7000ms},
      {"zero", "0", 0ms},
      {"negative", "-1", std::nullopt},
      {"absurd is cut to a day", "99999999999", 86'400'000ms},
      {"date", "Wed, 14 Oct 2026 17:46:50 GMT", 10'000ms},
      {"date gone by", "Wed, 14 Oct 2026 17:00:00 GMT", 0ms},
      {"neither", "soon", std::nullopt},
      {"empty", "", std::nullopt},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_retry_after(c.value, now), c.want) << c.name;
}

}  // namespace millrace::http
