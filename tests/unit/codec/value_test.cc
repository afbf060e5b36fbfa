#include "kubeclient/codec/value.h"

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

TEST(Value, ParsesAndDumpsInOrder) {
  const char* cases[] = {"null",
                         "true",
                         "-12",
                         "1.5",
                         "\"a\\\"b\\\\c\\n\"",
                         "[]",
                         "{}",
                         R"({"z":1,"a":[true,null,{"k":"v"}],"m":{"x":-0.25}})"};
  for (const char* text : cases) {
    auto value = Value::parse(text);
    ASSERT_TRUE(value.ok()) << text;
    EXPECT_EQ(value->dump(), text);
  }
}

TEST(Value, RefusesWhatIsNotJson) {
  const std::string cases[] = {"",    "{",  "[1,]",     "{\"a\":}", "tru",
                               "1 2", "\"", "\"\xff\"", "01",       std::string(200, '['),
                               "NaN"};
  for (const std::string& text : cases) {
    auto value = Value::parse(text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.error().code, Code::Malformed);
  }
}

TEST(Value, ComparesObjectsWithoutTheirOrder) {
  EXPECT_EQ(*Value::parse(R"({"a":1,"b":[2]})"), *Value::parse(R"({"b":[2.0],"a":1})"));
  EXPECT_FALSE(*Value::parse(R"({"a":1})") == *Value::parse(R"({"a":2})"));
  EXPECT_FALSE(*Value::parse(R"({"a":1})") == *Value::parse(R"({"a":1,"b":1})"));
}

TEST(Value, BuildsByAssignment) {
  Value v;
  v["metadata"]["name"] = "x";
  v["items"].push_back(1);
  EXPECT_EQ(v.dump(), R"({"metadata":{"name":"x"},"items":[1]})");
  EXPECT_EQ(v.at_path({"metadata", "name"})->as_string(), "x");
  EXPECT_EQ(v.at_path({"metadata", "nope", "deeper"}), nullptr);
  EXPECT_TRUE(v.erase("items"));
  EXPECT_FALSE(v.erase("items"));
  EXPECT_THROW(Value("s")["k"] = 1, BugError);
}

TEST(Value, LargeNumbersKeepTheirValue) {
  EXPECT_EQ(Value::parse("9223372036854775807")->as_int(), 9223372036854775807LL);
  EXPECT_TRUE(Value::parse("18446744073709551615")->is_number());
  EXPECT_FALSE(Value::parse("18446744073709551615")->is_int());
}

}  // namespace
}  // namespace millrace::codec
