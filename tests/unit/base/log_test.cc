#include "kubeclient/base/log.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace millrace {
namespace {

class MemorySink final : public LogSink {
 public:
  void write(const std::string& line) override { lines.push_back(line); }
  std::vector<std::string> lines;
};

/// The line without its time, which is the only part that changes.
std::string after_time(const std::string& line) {
  const std::string start = "{\"time\":\"";
  EXPECT_EQ(line.substr(0, start.size()), start);
  const std::size_t end = line.find('"', start.size());
  EXPECT_EQ(end - start.size(), std::string("2026-11-21T03:04:05.123456Z").size());
  return line.substr(end + 2);
}

TEST(RepairUtf8, ReplacesWhatIsNoUtf8AndNothingElse) {
  const struct {
    std::string text, want;
  } cases[] = {{"", ""},
               {"plain", "plain"},
               {"é漢😀", "é漢😀"},
               {"a\xff"
                "b",
                "a\xEF\xBF\xBD"
                "b"},
               {"\xe6\xbc", "\xEF\xBF\xBD\xEF\xBF\xBD"},
               {"\xc0\xaf.", "\xEF\xBF\xBD\xEF\xBF\xBD."}};
  for (const auto& c : cases) {
    std::string text = c.text;
    repair_utf8(text);
    EXPECT_EQ(text, c.want);
  }
}

TEST(JsonQuote, Escapes) {
  const struct {
    const char* name;
    std::string text;
    const char* want;
  } cases[] = {
      {"plain", "abc", "\"abc\""},
      {"empty", "", "\"\""},
      {"quotes and backslashes", "a\"b\\c", R"("a\"b\\c")"},
      {"line breaks and tabs", "a\nb\rc\td", R"("a\nb\rc\td")"},
      {"control characters", std::string("a\0b\x1f\x7f", 5), "\"a\\u0000b\\u001f\x7f\""},
      {"UTF-8 passes", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8E\x89",
       "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8E\x89\""},
      {"stray continuation", "a\x80z", "\"a\xEF\xBF\xBDz\""},
      {"cut sequence", "\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"over-long form", "\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"surrogate", "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {"beyond Unicode", "\xF5\x80\x80\x80",
       "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
  };
  for (const auto& c : cases) EXPECT_EQ(json_quote(c.text), c.want) << c.name;
}

TEST(Logger, WritesOneObjectALine) {
  MemorySink sink;
  const Logger log(sink);
  Error error;
  error.message = "no \"route\"";
  log.info("run finished", {kv("run", ObjectKey{"ns", "a"}), kv("tasks", 3), kv("ok", true),
                            kv("ratio", 0.5), kv("big", std::numeric_limits<std::uint64_t>::max()),
                            kv("nan", std::numeric_limits<double>::quiet_NaN()), kv("error", error),
                            kv("text", "line\nbreak")});
  ASSERT_EQ(sink.lines.size(), 1U);
  EXPECT_EQ(after_time(sink.lines[0]),
            "\"level\":\"info\",\"message\":\"run finished\",\"run\":\"ns/a\",\"tasks\":3,"
            "\"ok\":true,\"ratio\":0.5,\"big\":18446744073709551615,\"nan\":null,"
            "\"error\":\"no \\\"route\\\"\",\"text\":\"line\\nbreak\"}");
}

TEST(Logger, LevelsFilter) {
  MemorySink sink;
  const Logger log(sink, LogLevel::Warn);
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  ASSERT_EQ(sink.lines.size(), 2U);
  EXPECT_EQ(after_time(sink.lines[0]), "\"level\":\"warn\",\"message\":\"c\"}");
  EXPECT_EQ(after_time(sink.lines[1]), "\"level\":\"error\",\"message\":\"d\"}");
  EXPECT_FALSE(log.enabled(LogLevel::Info));
  Logger(sink, LogLevel::Off).error("nothing");
  EXPECT_EQ(sink.lines.size(), 2U);
}

TEST(Logger, WithAddsToEveryLine) {
  MemorySink sink;
  const Logger log(sink);
  const Logger inner = log.with(kv("controller", "run")).with(kv("n", 1));
  inner.info("x", {kv("y", "z")});
  log.info("x");
  EXPECT_EQ(after_time(sink.lines[0]),
            "\"level\":\"info\",\"message\":\"x\",\"controller\":\"run\",\"n\":1,\"y\":\"z\"}");
  EXPECT_EQ(after_time(sink.lines[1]), "\"level\":\"info\",\"message\":\"x\"}");
}

TEST(ParseLogLevel, NamesTheChoices) {
  EXPECT_EQ(*parse_log_level("debug"), LogLevel::Debug);
  EXPECT_EQ(*parse_log_level("off"), LogLevel::Off);
  const auto bad = parse_log_level("INFO");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, Code::Invalid);
  EXPECT_EQ(bad.error().message, "unknown log level \"INFO\"; use debug, info, warn, error or off");
}

}  // namespace
}  // namespace millrace
