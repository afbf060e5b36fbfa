#include "controllers/expression/matcher.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::expression {
namespace {

TEST(Matcher, FindsWhatThePatternSays) {
  const struct {
    const char* pattern;
    const char* text;
    bool want;
  } cases[] = {
      {"", "", true},
      {"b", "abc", true},
      {"^b", "abc", false},
      {"c$", "abc", true},
      {"^abc$", "abc", true},
      {"a.c", "a\nc", false},
      {"^a.c$",
       "a\xc3\xa9"
       "c",
       true},
      {"a*", "", true},
      {"^a+$", "", false},
      {"^a?b$", "b", true},
      {"^(ab|cd)+$", "abcdab", true},
      {"^(?:ab|cd)$", "abcd", false},
      {"^[a-c]+$", "abcd", false},
      {"^[^a-c]$", "d", true},
      {"^[^a-c]$", "b", false},
      {"^[]a-]+$", "]-a", true},
      {"^[\\d.]+$", "1.2", true},
      {"^\\w+\\s\\w+$", "a_1 B", true},
      {"^\\D\\W\\S$", "a b", true},
      {"^a{2}$", "aa", true},
      {"^a{2}$", "aaa", false},
      {"^a{2,3}$", "aaa", true},
      {"^a{2,}$", "aaaaa", true},
      {"^a{0,1}$", "", true},
      {"^a{0}$", "", true},
      {"^(a*)*$", "aaaa", true},
      {"\\.", "a.b", true},
      {"\\\\", "a\\b", true},
      {"^\\t\\n\\r$", "\t\n\r", true},
      {"a||b", "x", true},
      {"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", true},
      {"x*?y", "y", true},
  };
  for (const auto& c : cases) {
    const auto matcher = Matcher::parse(c.pattern);
    ASSERT_TRUE(matcher.ok()) << c.pattern << ": " << matcher.error().message;
    EXPECT_EQ(matcher->found_in(c.text), c.want) << c.pattern << " in " << c.text;
  }
}

TEST(Matcher, BadPatternsAreNamed) {
  for (const char* pattern : {"(", ")", "a)", "[", "[a", "[b-a]", "*", "a**", "a{", "a{x}",
                              "a{3,2}", "a{201}", "\\", "\\q", "(?=a)", "a{1", "+", "{2}"}) {
    const auto matcher = Matcher::parse(pattern);
    ASSERT_FALSE(matcher.ok()) << pattern;
    EXPECT_TRUE(matcher.error().message.starts_with("pattern, at ")) << matcher.error().message;
  }
}

TEST(Matcher, PatternsThatExplodeAreRefused) {
  std::string nested = "()";
  std::string big = "a";
  for (int i = 0; i < 20; ++i) {
    nested = "(" + nested + "{200})";
    big = "(" + big + "{200})";
  }
  EXPECT_FALSE(Matcher::parse(nested).ok());
  EXPECT_FALSE(Matcher::parse(big).ok());
  EXPECT_FALSE(Matcher::parse(std::string(100'000, 'a')).ok());
  EXPECT_FALSE(Matcher::parse(std::string(100'000, '(')).ok());
}

TEST(Matcher, TimeGrowsWithTheTextOnly) {
  // A backtracking matcher would need 2^100'000 steps here.
  const auto matcher = Matcher::parse("^(a|a)*(a|aa)*$");
  ASSERT_TRUE(matcher.ok());
  EXPECT_FALSE(matcher->found_in(std::string(100'000, 'a') + "b"));
}

}  // namespace
}  // namespace millrace::expression
