#include "kubeclient/runtime/watch_text.h"

#include <gtest/gtest.h>

#include "kubeclient/codec/value.h"

namespace millrace::runtime {
namespace {

TEST(EventType, IsSeenWhereverItStands) {
  using enum WatchEventType;
  const struct {
    const char* name;
    const char* line;
    int want;  // -1: Malformed
  } cases[] = {
      {"added", R"({"type":"ADDED","object":{}})", int(Added)},
      {"modified", R"({"type":"MODIFIED","object":{}})", int(Modified)},
      {"deleted", R"({"type":"DELETED","object":{}})", int(Deleted)},
      {"bookmark", R"({"type":"BOOKMARK","object":{}})", int(Bookmark)},
      {"error", R"({"type":"ERROR","object":{}})", int(Error)},
      {"behind the object", R"({"object":{"type":"ERROR"},"type":"ADDED"})", int(Added)},
      {"spaces", R"( { "type" : "ADDED" } )", int(Added)},
      {"new type", R"({"type":"ADDEDLATER","object":{}})", int(Unknown)},
      {"no type", R"({"object":{}})", -1},
      {"no JSON", "upstream connect error", -1},
      {"list", R"([1,2])", -1},
      {"empty", "", -1},
  };
  for (const auto& c : cases) {
    const auto got = event_type(c.line);
    EXPECT_EQ(got.ok() ? int(*got) : -1, c.want) << c.name;
    EXPECT_TRUE(got.ok() || got.error().code == Code::Malformed) << c.name;
  }
}

TEST(ReadErrorEvent, MapsTheStatus) {
  const struct {
    const char* name;
    const char* line;
    Code want;
  } cases[] = {
      {"410", R"({"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410}})",
       Code::Expired},
      {"reason alone", R"({"type":"ERROR","object":{"reason":"Expired"}})", Code::Expired},
      {"too many", R"({"type":"ERROR","object":{"code":429,"details":{"retryAfterSeconds":7}}})",
       Code::Throttled},
      {"refused", R"({"type":"ERROR","object":{"code":422}})", Code::Invalid},
      {"internal", R"({"type":"ERROR","object":{"code":500}})", Code::Unavailable},
      {"no status", R"({"type":"ERROR","object":"oops"})", Code::Malformed},
  };
  for (const auto& c : cases) EXPECT_EQ(read_error_event(c.line).code, c.want) << c.name;
  EXPECT_EQ(read_error_event(cases[2].line).delay, std::chrono::seconds(7));
}

TEST(ReadBookmark, TellsTheEndOfInitialEvents) {
  auto plain = read_bookmark(
      R"({"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"12"}}})");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->version, "12");
  EXPECT_FALSE(plain->initial_end);
  auto end = read_bookmark(
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"13","annotations":{"k8s.io/initial-events-end":"true"}}}})");
  ASSERT_TRUE(end.ok());
  EXPECT_TRUE(end->initial_end);
  EXPECT_FALSE(read_bookmark(R"({"type":"BOOKMARK","object":3})").ok());
}

TEST(SplitItems, KeepsTheOthersWhole) {
  const struct {
    const char* name;
    std::string page;
    std::vector<std::string_view> want;
    bool ok = true;
  } cases[] = {
      {"two",
       R"({"kind":"L","items":[{"a":1},{"b":[2,{"c":"]"}]}]})",
       {R"({"a":1})", R"({"b":[2,{"c":"]"}]})"}},
      {"none", R"({"items":[],"metadata":{}})", {}},
      {"behind nested items", R"({"metadata":{"items":[1]},"items":[2]})", {"2"}},
      {"brackets and quotes in strings", R"({"items":["}\"]","x\\"]})", {R"("}\"]")", R"("x\\")"}},
      {"wrong kinds of elements", R"({"items":[null,3,"x",{}]})", {"null", "3", R"("x")", "{}"}},
      {"bytes that are no UTF-8", "{\"items\":[\"\xff\",1]}", {"\"\xff\"", "1"}},
      {"no items", R"({"metadata":{}})", {}, false},
      {"items is no list", R"({"items":{}})", {}, false},
      {"ends inside", R"({"items":[{"a":1},{"b")", {}, false},
      {"ends in an escape", R"({"items":["\)", {}, false},
      {"no JSON", "<html>", {}, false},
      {"empty", "", {}, false},
  };
  for (const auto& c : cases) {
    const auto got = split_items(c.page);
    EXPECT_EQ(got.ok(), c.ok) << c.name;
    EXPECT_EQ(got.value_or(std::vector<std::string_view>{}), c.want) << c.name;
  }
}

TEST(SplitItems, SurvivesEveryTruncationAndFlip) {
  const std::string page = R"({"metadata":{"x":"\u0041"},"items":[{"a":[{}]},"s\\",[[1]]]})";
  for (std::size_t n = 0; n < page.size(); ++n) {
    EXPECT_EQ(split_items(page.substr(0, n)).ok(), n == page.size() - 1) << n;
    for (const char c : {'"', '\\', '{', '}', '[', ']', ',', ':', '\0', '\xff'}) {
      std::string broken = page;
      broken[n] = c;
      static_cast<void>(split_items(broken).ok());
      static_cast<void>(event_type(broken).ok());
      static_cast<void>(read_head(broken).ok());
    }
  }
}

TEST(ReadHead, NestingBombIsAnErrorOnly) {
  const std::string deep =
      R"({"type":"ADDED","object":{"metadata":{"name":"x"},"spec":)" + std::string(100000, '[');
  EXPECT_FALSE(codec::Value::parse(deep).ok());
  static_cast<void>(read_head(deep).ok());
  EXPECT_FALSE(split_items(R"({"items":[)" + std::string(100000, '[')).ok());
}

}  // namespace
}  // namespace millrace::runtime
