#include "controllers/logic/params.h"

#include <gtest/gtest.h>

#include "controllers/logic/check.h"

namespace millrace::logic {
namespace {

using codec::Value;

crds::Param param(const std::string& json) {
  auto decoded = codec::decode<crds::Param>(json);
  EXPECT_TRUE(decoded.ok()) << json;
  return decoded.ok() ? *decoded : crds::Param{};
}

TEST(Params, TextIsReadAsTheTypeOfTheParam) {
  const struct {
    const char* type;
    const char* given;
    const char* want;  ///< JSON, or the error
  } cases[] = {
      {"string", R"("3")", R"("3")"},
      {"string", "3", "must be a string, not a value of type integer"},
      {"integer", "3", "3"},
      {"integer", R"("-3")", "-3"},
      {"integer", R"("3x")", "must be an integer, not this text"},
      {"integer", R"("")", "must be an integer, not this text"},
      {"integer", "3.5", "must be an integer, not a value of type number"},
      {"number", "3", "3"},
      {"number", R"("3.5")", "3.5"},
      {"number", R"("nan")", "must be a number, not this text"},
      {"boolean", R"("true")", "true"},
      {"boolean", R"("yes")", "must be a boolean, not this text"},
      {"list", R"("[1,\"a\"]")", R"([1,"a"])"},
      {"list", R"("{}")", "must be a list, not this text"},
      {"object", R"("{\"k\":1}")", R"({"k":1})"},
      {"object", "[1]", "must be an object, not a value of type array"},
  };
  for (const auto& c : cases) {
    const auto got = param_value(param(R"({"name":"p","type":")" + std::string(c.type) + "\"}"),
                                 *Value::parse(c.given));
    EXPECT_EQ(got.ok() ? got->dump() : got.error().message, c.want) << c.type << " " << c.given;
  }
}

TEST(Params, LimitsAreHeld) {
  const struct {
    const char* more;
    const char* given;
    const char* want;  ///< empty: fine
  } cases[] = {
      {R"("enum":["a","b"])", R"("a")", ""},
      {R"("enum":["a","b"])", R"("c")", "must be one of a, b"},
      {R"("type":"integer","enum":[1,2])", R"("2")", ""},
      {R"("type":"integer","enum":[1,2])", "3", "must be one of 1, 2"},
      {R"("pattern":"v\\d+|latest")", R"("v12")", ""},
      {R"("pattern":"v\\d+|latest")", R"("latest")", ""},
      {R"("pattern":"v\\d+|latest")", R"("xlatest")", "must match the pattern v\\d+|latest"},
      {R"("pattern":"(")", R"("x")", "pattern: "},
  };
  for (const auto& c : cases) {
    const auto got =
        param_value(param(R"({"name":"p",)" + std::string(c.more) + "}"), *Value::parse(c.given));
    const std::string want = c.want;
    ASSERT_EQ(got.ok(), want.empty()) << c.more << c.given;
    if (got.ok()) continue;
    EXPECT_TRUE(got.error().message.starts_with(want)) << got.error().message;
  }
}

TEST(Params, ValuesOfARunStandOverTheDefaults) {
  const std::vector<crds::Param> params = {
      param(R"({"name":"a","default":"x"})"), param(R"({"name":"n","type":"integer"})"),
      param(R"({"name":"b","type":"boolean","default":false})")};
  const auto got = resolve_params(params, {{"n", "7"}, {"b", true}});
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(*got, (ParamValues{{"a", "x"}, {"b", true}, {"n", 7}}));

  const struct {
    ParamValues given;
    const char* want;
  } cases[] = {
      {{}, "spec.params: give a value for n"},
      {{{"n", nullptr}}, "spec.params: give a value for n"},
      {{{"n", 1}, {"c", 1}}, "spec.params.c: the pipeline has no such param; it has a, n, b"},
      {{{"n", "x"}}, "spec.params.n: must be an integer, not this text"},
  };
  for (const auto& c : cases) {
    const auto refused = resolve_params(params, c.given);
    ASSERT_FALSE(refused.ok()) << c.want;
    EXPECT_EQ(refused.error().code, Code::Invalid);
    EXPECT_EQ(refused.error().message, c.want);
  }
  EXPECT_EQ(resolve_params({}, {{"x", 1}}).error().message,
            "spec.params.x: the pipeline has no such param; it has none");
}

TEST(Params, ValuesHaveABudgetTogether) {
  const std::vector<crds::Param> params = {param(R"({"name":"a"})"), param(R"({"name":"b"})")};
  const auto resolved = [&](std::size_t bytes) {
    return resolve_params(params, {{"a", std::string(bytes, 'x')}, {"b", "y"}});
  };
  EXPECT_TRUE(resolved(kParamsBudget - 7).ok());  // two names, and the quotes of two texts
  const auto refused = resolved(kParamsBudget - 6);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message,
            "spec.params: the values have 65537 bytes together, and may have 65536");
}

TEST(Params, DeclarationsAreChecked) {
  const struct {
    const char* params;
    const char* want;
  } cases[] = {
      {R"({"name":"a","default":"x","enum":["x","y"],"pattern":"[xy]"})", ""},
      {R"({"name":"a","type":"number","default":1})", ""},
      {R"({"name":"a"},{"name":"a"})", "spec.params[1].name: another param is named a already"},
      {R"({"name":"9"})",
       "spec.params[0].name: a name has letters, digits, '_' and '-', and begins with a letter"},
      {R"({"name":"a","type":"integer","default":"3"})",
       "spec.params[0].default: must be an integer, not string"},
      {R"({"name":"a","default":"z","enum":["x","y"]})",
       "spec.params[0].default: must be one of x, y"},
      {R"({"name":"a","default":"z","pattern":"x+"})",
       "spec.params[0].default: must match the pattern x+"},
      {R"({"name":"a","type":"integer","enum":[1,"2"]})",
       "spec.params[0].enum[1]: must be an integer, not string"},
      {R"({"name":"a","enum":["x","zz"],"pattern":"x+"})",
       "spec.params[0].enum[1]: must match the pattern x+"},
      {R"({"name":"a","type":"list","pattern":"x"})",
       "spec.params[0].pattern: only the value of a string param can match a pattern"},
  };
  for (const auto& c : cases) {
    crds::Pipeline pipeline;
    auto spec = codec::decode<crds::PipelineSpec>(
        R"({"steps":[{"name":"s","wait":{"duration":"1s"}}],"params":[)" + std::string(c.params) +
        "]}");
    ASSERT_TRUE(spec.ok()) << c.params;
    pipeline.spec = *spec;
    std::string got;
    for (const auto& error : check_pipeline(pipeline, {})) got += codec::to_string(error);
    EXPECT_EQ(got, c.want) << c.params;
  }
  crds::Pipeline bad;
  bad.spec.steps.resize(1);
  bad.spec.steps[0].name = "s";
  bad.spec.steps[0].wait = crds::WaitAction{"1s"};
  bad.spec.params = {param(R"({"name":"a","pattern":"("})")};
  const auto errors = check_pipeline(bad, {});
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].path, "spec.params[0].pattern");
}

}  // namespace
}  // namespace millrace::logic
