#include "local/apiserver/json_body.h"

#include <gtest/gtest.h>

namespace millrace::apiserver {

TEST(ReadJson, ReadsEveryKindOfValue) {
  const JsonBody body = read_json(
      " {\"a\": [1, -2.5e3, true, false, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"b\": {}} ");
  EXPECT_EQ(body.error, "");
  EXPECT_EQ(body.value.dump(), R"({"a":[1,-2500,true,false,null,"xé😀\n"],"b":{}})");
}

TEST(ReadJson, SaysWhatIsWrongInTheWordsOfGo) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"", "unexpected end of JSON input"},
      {"garbage", "invalid character 'g' looking for beginning of value"},
      {"{", "unexpected end of JSON input"},
      {"{a", "invalid character 'a' looking for beginning of object key string"},
      {"{\"a\" 1}", "invalid character '1' after object key"},
      {"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"{} x", "invalid character 'x' after top-level value"},
      {"trux", "invalid character 'x' in literal true (expecting 'e')"},
      {"-x", "invalid character 'x' in numeric literal"},
      {"\"a\nb\"", "invalid character '\\n' in string literal"},
      {"\"\\q\"", "invalid character 'q' in string escape code"},
  };
  for (const auto& c : cases) EXPECT_EQ(read_json(c.text).error, c.error) << c.text;
}

TEST(ReadJson, NamesFieldsGivenTwiceAndKeepsTheLast) {
  const JsonBody body = read_json(R"({"data":{"a":"1","a":"2"},"l":[{"k":1,"k":2}]})");
  EXPECT_EQ(body.repeated, (std::vector<std::string>{"data.a", "l[0].k"}));
  EXPECT_EQ(body.value.dump(), R"({"data":{"a":"2"},"l":[{"k":2}]})");
}

TEST(ReadJson, KeepsUnpairedSurrogatesHarmless) {
  EXPECT_EQ(read_json(R"("\ud800x")").value.as_string(), "\xEF\xBF\xBDx");
  EXPECT_EQ(read_json(R"("\ud800\u0041")").value.as_string(),
            "\xEF\xBF\xBD"
            "A");
}

TEST(ReadJson, MakesEveryTextUtf8) {
  EXPECT_EQ(read_json("{\"k\xff\":\"v\xff\"}").value,
            *codec::Value::parse("{\"k\\ufffd\":\"v\\ufffd\"}"));
}

TEST(ReadJson, RefusesWhatWouldTakeLong) {
  EXPECT_NE(read_json(std::string(200, '[')).error, "");
  std::string wide = "{";
  for (int i = 0; i < 200'000; ++i) wide += "\"k" + std::to_string(i) + "\":1,";
  wide += "\"z\":1}";
  EXPECT_EQ(read_json(wide).error, "json: too many fields in one object");
}

}  // namespace millrace::apiserver
