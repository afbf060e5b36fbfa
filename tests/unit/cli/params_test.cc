#include "operator/cli/params.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using codec::Value;
using crds::Param;
using crds::ParamType;

Param param(const char* name, ParamType type, Value fallback = {}) {
  Param p;
  p.name = name;
  p.type = type;
  p.default_value = std::move(fallback);
  return p;
}

std::vector<Param> optional_ones() {
  std::vector<Param> known = {
      param("s", ParamType::string, "x"),
      param("i", ParamType::integer, 1),
      param("n", ParamType::number, 1),
      param("b", ParamType::boolean, false),
      param("l", ParamType::list, Value::array()),
      param("o", ParamType::object, Value::object()),
      param("e", ParamType::string, "red"),
      param("p", ParamType::string, "a1"),
  };
  known[6].choices = {"red", "blue"};
  known[7].pattern = "[a-z][0-9]+";
  return known;
}

TEST(Params, TextBecomesAValueOfTheDeclaredType) {
  const struct {
    const char* given;
    const char* want;  ///< JSON of all values
  } cases[] = {
      {"s=", R"({"s":""})"},
      {"s=a=b", R"({"s":"a=b"})"},
      {"s=5", R"({"s":"5"})"},
      {"i=-7", R"({"i":-7})"},
      {"n=3", R"({"n":3})"},
      {"n=0.5", R"({"n":0.5})"},
      {"b=true", R"({"b":true})"},
      {R"(l=["a", 1])", R"({"l":["a",1]})"},
      {R"(o={"k": null})", R"({"o":{"k":null}})"},
      {"e=blue", R"({"e":"blue"})"},
      {"p=b22", R"({"p":"b22"})"},
  };
  for (const auto& c : cases) {
    const ParamValues got = read_params(optional_ones(), {c.given}, {});
    EXPECT_EQ(got.values.dump(), c.want) << c.given;
    EXPECT_TRUE(got.problems.empty()) << c.given << ": " << got.problems.front();
  }
}

TEST(Params, WrongOnesAreRefusedWithTheCure) {
  const struct {
    const char* given;
    const char* want;
  } cases[] = {
      {"s", "expected NAME=VALUE"},
      {"=s", "expected NAME=VALUE"},
      {"i=1.5", "param i: \"1.5\" is not of type integer; give a whole number"},
      {"i=", "not of type integer"},
      {"i=99999999999999999999", "not of type integer"},
      {"n=inf", "not of type number"},
      {"b=yes", "give true or false"},
      {"l=a,b", "give a JSON list"},
      {"l={}", "not of type list"},
      {"o=[", "not of type object ("},
      {"e=green", "param e: must be one of: red, blue"},
      {"p=b2x", "does not match the pattern [a-z][0-9]+"},
      {"x=1", "param x: the pipeline has no such param"},
  };
  for (const auto& c : cases) {
    const ParamValues got = read_params(optional_ones(), {c.given}, {});
    ASSERT_FALSE(got.problems.empty()) << c.given;
    EXPECT_NE(got.problems.front().find(c.want), std::string::npos)
        << c.given << ": " << got.problems.front();
  }
}

TEST(Params, UnknownAndMissingOnesListWhatThereIs) {
  const std::vector<Param> known = {param("day", ParamType::string),
                                    param("tries", ParamType::integer, 3)};
  const ParamValues missing = read_params(known, {}, {});
  ASSERT_EQ(missing.problems.size(), 2U);
  EXPECT_EQ(missing.problems[0], "param day: is required; give it with -p day=VALUE (string)");
  EXPECT_EQ(missing.problems[1],
            "params of this pipeline: day (string, required), tries (integer, default 3)");
  const ParamValues unknown = read_params(known, {"day=x", "tris=1"}, {});
  ASSERT_EQ(unknown.problems.size(), 2U);
  EXPECT_NE(unknown.problems[0].find("did you mean tries?"), std::string::npos);
  EXPECT_EQ(read_params({}, {"a=b"}, {}).problems.back(), "params of this pipeline: none");
}

TEST(Params, AWrongValueIsNotMissingAsWell) {
  const ParamValues got = read_params({param("n", ParamType::integer)}, {"n=x"}, {});
  EXPECT_EQ(got.problems.size(), 1U);
}

TEST(Params, TheCommandLineWinsOverTheFileWhoseTypesCount) {
  const Value file = Value::parse(R"({"s":"file","i":2})").value();
  EXPECT_EQ(read_params(optional_ones(), {"i=3"}, file).values.dump(), R"({"s":"file","i":3})");
  const Value wrong = Value::parse(R"({"s":1.1})").value();
  const ParamValues got = read_params(optional_ones(), {}, wrong);
  ASSERT_EQ(got.problems.size(), 1U);
  EXPECT_EQ(got.problems[0], "param s: is of type number, not string; put it in quotes");
}

}  // namespace
}  // namespace millrace::cli
