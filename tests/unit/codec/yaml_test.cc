#include "kubeclient/codec/yaml.h"

#include <gtest/gtest.h>

#include "tests/support/random_value.h"

namespace millrace::codec {
namespace {

/// All documents as JSON, or the error.
std::string read(std::string_view text) {
  const auto documents = parse_yaml_documents(text, "f");
  if (!documents.ok()) return documents.error().message;
  std::string out;
  for (const YamlDocument& document : *documents) {
    out += (out.empty() ? "" : " ") + document.value.dump();
  }
  return out;
}

TEST(Yaml, ScalarsHaveTheTypesOfKubectl) {
  const struct {
    const char* name;
    const char* text;
    const char* want;
  } cases[] = {
      {"words", "text", R"("text")"},
      {"quoted numbers are text", "['1', \"true\", '']", R"(["1","true",""])"},
      {"yes and no, YAML 1.1", "[yes, No, on, OFF, y, N]", "[true,false,true,false,true,false]"},
      {"booleans", "[true, False, TRUE]", "[true,false,true]"},
      {"nothing", "[~, null, Null, NULL]", "[null,null,null,null]"},
      {"an empty value", "a:", R"({"a":null})"},
      {"integers", "[0, 12, -7, +3, 1_000]", "[0,12,-7,3,1000]"},
      {"octal, hexadecimal, binary", "[010, 0o17, 0x1F, 0b101, -0x10]", "[8,15,31,5,-16]"},
      {"not octal, so a float", "[089]", "[89]"},
      {"the largest", "[9223372036854775807, -9223372036854775808]",
       "[9223372036854775807,-9223372036854775808]"},
      {"beyond 64 bits", "[18446744073709551616]", "[18446744073709551616]"},
      {"floats", "[1.5, .5, 1., -2e3, 1e+2, +1.25]", "[1.5,0.5,1,-2000,100,1.25]"},
      {"almost numbers", "[1.2.3, 1e, 0x, 1-2, 12ab, ., -, +]",
       R"(["1.2.3","1e","0x","1-2","12ab",".","-","+"])"},
      {"times are text", "[2031-12-30, 2031-12-30 23:59:59, 12:30]",
       R"(["2031-12-30","2031-12-30 23:59:59","12:30"])"},
      {"quantities are text", "[100m, 64Mi, 1h30m]", R"(["100m","64Mi","1h30m"])"},
      {"tags", "[!!str 12, !!int '7', !!float 3]", R"(["12",7,3])"},
      {"keys become text", "{1: a, true: b, 1.5: c, yes-x: d}",
       R"({"1":"a","true":"b","1.5":"c","yes-x":"d"})"},
      {"a block", "a: |\n  one\n  two\n", R"({"a":"one\ntwo\n"})"},
      {"a folded block", "a: >-\n  one\n  two\n", R"({"a":"one two"})"},
      {"unicode", "a: µ漢", "{\"a\":\"µ漢\"}"},
      {"JSON", R"({"a": [1, {"b": null}], "c": "\u00b5"})", "{\"a\":[1,{\"b\":null}],\"c\":\"µ\"}"},
      {"several documents", "a\n---\n- b\n---\n---\n# only a comment\n", R"("a" ["b"])"},
      {"nothing at all", "", ""},
      {"anchors", "a: &x {k: 1}\nb: *x", R"({"a":{"k":1},"b":{"k":1}})"},
      {"merge keys", "a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}",
       R"({"a":{"k":1,"l":2},"b":{"k":3,"l":2}})"},
      {"merge a list, first wins", "a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc:\n  l: 0\n  <<: [*x, *y]",
       R"({"a":{"k":1},"b":{"k":2,"l":2},"c":{"l":0,"k":1}})"},
  };
  for (const auto& c : cases) EXPECT_EQ(read(c.text), c.want) << c.name;
}

TEST(Yaml, RefusesWithThePlace) {
  const struct {
    const char* name;
    std::string text;
    const char* want;
  } cases[] = {
      {"a repeated key", "a: 1\nb:\n  c: 1\n  c: 2\n", "f:4:3: \"c\" is given twice"},
      {"the same key in another spelling", "true: 1\nyes: 2\n", "f:2:1: \"true\" is given twice"},
      {"a tab", "a:\n\tb: 1\n", "f:2:1: not valid YAML: a tab cannot indent; use spaces"},
      {"an open list", "a: [1, 2\n", "f:2:1: not valid YAML: end of sequence flow not found"},
      {"an unknown alias", "a: *x\n",
       "f:1:4: not valid YAML: the referenced anchor is not defined"},
      {"an alias of itself", "a: &x [*x]\n", "f:1:8: an alias inside its own anchor"},
      {"a map as key", "{a: 1}: 2\n", "f:1:1: a key must be a single word or text"},
      {"a list as key", "? [a]\n: 1\n", "f:1:3: a key must be a single word or text"},
      {"an empty key", "~: 1\n", "f:1:1: a key is empty"},
      {"a wrong tag", "a: !!int x\n", "f:1:4: \"x\" cannot be read as tag:yaml.org,2002:int"},
      {"Latin-1", "a: b\nc: \xe4\n", "f:2:4: not UTF-8 text; save the file as UTF-8"},
      {"deep", std::string(200, '[') + std::string(200, ']'), "f:1:101: nested more than 100 deep"},
      {"very deep and never closed", std::string(200000, '['),
       "f:1:1: a key must be a single word or text"},
      {"very deep blocks",
       [] {
         std::string text;
         for (int i = 0; i < 300; ++i)
           text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
         return text;
       }(),
       "f:101:101: nested more than 100 deep"},
      {"huge", std::string(9 * 1024 * 1024, ' '),
       "f: larger than 8 MiB; split it into several files"},
      {"an alias bomb",
       "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
       "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
       "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
       "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
       "f:6:14: more than 500000 values; split the file, or use fewer aliases"},
      {"merging a word", "a: {<<: b}\n", "f:1:9: only maps can be merged with <<"},
  };
  for (const auto& c : cases) EXPECT_EQ(read(c.text), c.want) << c.name;
}

TEST(Yaml, KnowsWhereFieldsStand) {
  const auto documents = parse_yaml_documents(R"(
metadata:
  name: a
spec:
  batchJob:
    outputs:
      - name: x
        ftp: {topic: t}
      - {name: y, api: {}}
---
kind: b
)");
  ASSERT_TRUE(documents.ok()) << documents.error().message;
  ASSERT_EQ(documents->size(), 2U);
  const struct {
    const char* path;
    YamlPosition want;
  } cases[] = {
      {"metadata.name", {3, 3}},
      {"spec.batchJob.outputs", {6, 5}},
      {"spec.batchJob.outputs[0]", {7, 9}},
      {"spec.batchJob.outputs[0].ftp.topic", {8, 15}},
      {"spec.batchJob.outputs[1].name", {9, 10}},
      {"spec.batchJob.outputs[1].missing.deeper", {9, 9}},
      {"spec.batchJob.outputs[7].name", {6, 5}},
      {"nowhere", {2, 1}},
      {"", {2, 1}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(documents->front().position_of(c.path).line, c.want.line) << c.path;
    EXPECT_EQ(documents->front().position_of(c.path).column, c.want.column) << c.path;
  }
  EXPECT_EQ(documents->back().line_of("kind"), 11);
}

TEST(Yaml, WritesBlocks) {
  const Value value = Value::object(
      {{"kind", "Pipeline"},
       {"yes", "true"},
       {"empty", Value::object()},
       {"list", Value::array({Value::object({{"a", 1}, {"b", Value::array({"x", "y"})}}), 2})},
       {"map", Value::object({{"text", "a: b # c"}, {"number", "12"}})}});
  EXPECT_EQ(to_yaml(value), R"(kind: Pipeline
"yes": "true"
empty: {}
list:
- a: 1
  b: [x, "y"]
- 2
map:
  text: "a: b # c"
  number: "12"
)");
}

TEST(Yaml, WhatIsWrittenReadsBackEqual) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Value value = Value::object();
    value["a"] = test::RandomValue(seed).make<Value>();
    const std::string text = to_yaml(value);
    const auto documents = parse_yaml_documents(text);
    ASSERT_TRUE(documents.ok()) << "seed " << seed << ": " << documents.error().message << "\n"
                                << text;
    ASSERT_EQ(documents->size(), 1U) << "seed " << seed;
    ASSERT_EQ(documents->front().value, value) << "seed " << seed << "\n" << text;
  }
}

TEST(Yaml, DamagedTextGivesAValueOrAnErrorAndNothingElse) {
  const std::string good =
      "a: &x {k: 'v', l: [1, 2]}\nb:\n  - *x\n  - |\n    text\n---\n? c\n: \"d\\n\"\n<<: {e: f}\n";
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    test::RandomValue random(seed);
    std::string text = good;
    for (auto n = 1 + random.below(5); n > 0; --n) {
      const auto at = static_cast<std::size_t>(random.below(text.size()));
      if (random.below(2) == 0) {
        text[at] = "{}[]\",:-?*&!|>%@`#\n\t 'x0~<"[random.below(26)];
      } else {
        text.insert(at, text.substr(text.size() - at, random.below(20)));
      }
    }
    const auto documents = parse_yaml_documents(text);
    if (!documents.ok()) {
      EXPECT_EQ(documents.error().code, Code::Invalid) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace millrace::codec
