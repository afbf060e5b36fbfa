#include "operator/cli/text.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using namespace std::chrono_literals;

TEST(Text, LengthsOfTimeHaveTwoUnitsAtMost) {
  const struct {
    Duration length;
    const char* want;
  } cases[] = {
      {0ms, "0ms"},     {41ms, "41ms"},          {999ms, "999ms"}, {1s, "1s"},
      {12900ms, "12s"}, {60s, "1m00s"},          {184s, "3m04s"},  {2h + 5min + 9s, "2h05m"},
      {24h, "1d00h"},   {100h + 59min, "4d04h"}, {-5s, "0ms"},
  };
  for (const auto& c : cases) EXPECT_EQ(span(c.length), c.want);
  const Time noon{12h};
  EXPECT_EQ(span(noon, noon), "<1s");  // times of objects are whole seconds
  EXPECT_EQ(span(noon, noon + 2s), "2s");
}

TEST(Text, ColumnsAreAlignedAndEmptyOnesLeftOut) {
  Table table({"NAME", "EMPTY", "STATE"});
  table.add({{"ä"}, {}, {"Running"}});
  table.add({{"longer"}, {}, {}});
  EXPECT_EQ(table.text(Look::Plain, 1), " NAME     STATE\n ä        Running\n longer\n");
}

TEST(Text, ColoursCountNotForTheWidth) {
  Table table({"", ""});
  table.add({{"a", Tint::Red}, {"x"}});
  table.add({{"bb"}, {"y"}});
  EXPECT_EQ(table.text(Look::Fancy), "\x1b[31ma\x1b[0m    x\nbb   y\n");
  EXPECT_EQ(table.text(Look::Plain), "a    x\nbb   y\n");
}

TEST(Text, WordsOfOthersDoNotSteerTheTerminal) {
  EXPECT_EQ(one_line("a\x1b[31m\nb\r\tc\n"), "a?[31m b c");
  EXPECT_EQ(one_line("aäa", 2), "a...");
}

}  // namespace
}  // namespace millrace::cli
