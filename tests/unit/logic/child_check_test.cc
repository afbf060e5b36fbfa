#include "controllers/logic/child_check.h"

#include <gtest/gtest.h>

#include <map>

#include "controllers/logic/check.h"
#include "controllers/logic/pipeline.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {
namespace {

using Texts = std::vector<std::string>;

class Namespace {
 public:
  void put(const std::string& name, const std::string& spec) {
    auto decoded = codec::decode<crds::Pipeline>(
        R"({"metadata":{"name":")" + name + R"(","namespace":"n","uid":"u"},"spec":)" + spec + "}");
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    pipelines_[name] = *std::move(decoded);
  }
  const crds::Pipeline* find(const std::string& name) const {
    const auto found = pipelines_.find(name);
    return found == pipelines_.end() ? nullptr : &found->second;
  }
  std::string check(const std::string& name) const {
    std::string out;
    const auto lookup = [this](const std::string& other) { return find(other); };
    for (const auto& error : check_children(*find(name), lookup)) {
      out += (out.empty() ? "" : "\n") + codec::to_string(error);
    }
    return out;
  }

 private:
  std::map<std::string, crds::Pipeline> pipelines_;
};

/// One step that starts `name`.
std::string starts(const std::string& name, const std::string& more = "",
                   const std::string& params = "{}") {
  return R"({"steps":[{"name":"s","pipeline":{"name":")" + name + R"(","params":)" + params + "}" +
         more + "}]}";
}
const std::string kLeaf = R"({"steps":[{"name":"s","wait":{"duration":"1s"}}]})";

TEST(ChildCheck, APipelineThatIsNotThereIsNamed) {
  Namespace n;
  n.put("a", starts("b"));
  EXPECT_EQ(n.check("a"), "spec.steps[0].pipeline.name: there is no Pipeline b in this namespace");
  n.put("b", kLeaf);
  EXPECT_EQ(n.check("a"), "");
}

TEST(ChildCheck, ParamsHaveToFit) {
  Namespace n;
  n.put("b", R"({"params":[{"name":"n","type":"integer"},{"name":"env","enum":["x","y"],
      "default":"x"}],"steps":[{"name":"s","wait":{"duration":"1s"}}]})");
  const struct {
    const char* params;
    const char* want;
  } rows[] = {
      {R"({"n":1})", ""},
      {R"({"n":"3","env":"y"})", ""},
      {R"({"n":"{{ params.any }}"})", ""},
      {R"({"n":["{{ params.any }}"]})", ""},
      {R"({})", "spec.steps[0].pipeline.params: Pipeline b needs a value for n"},
      {R"({"n":"x"})", "spec.steps[0].pipeline.params.n: must be an integer, not this text"},
      {R"({"n":1,"env":"z"})", "spec.steps[0].pipeline.params.env: must be one of x, y"},
      {R"({"n":1,"m":1})", "spec.steps[0].pipeline.params.m: Pipeline b has no such param"},
  };
  for (const auto& row : rows) {
    n.put("a", starts("b", "", row.params));
    EXPECT_EQ(n.check("a"), row.want) << row.params;
  }
}

TEST(ChildCheck, AStreamNeverEnds) {
  Namespace n;
  n.put("a", starts("b"));
  n.put("b", R"({"streamJob":{"microServices":[{"name":"s","spec":{"containers":[{"name":"c",
      "image":"i"}]}}]}})");
  EXPECT_NE(n.check("a").find("is a stream, which never ends"), std::string::npos);
}

TEST(ChildCheck, CirclesNeedACondition) {
  const char* const kWhen = R"(,"when":"1 == 2")";
  const struct {
    std::string a, b, c;
    const char* circle;
  } rows[] = {
      {starts("b"), starts("c"), kLeaf, ""},
      {starts("a"), kLeaf, kLeaf, "a → a"},
      {starts("a", kWhen), kLeaf, kLeaf, ""},
      {starts("b"), starts("c"), starts("a"), "a → b → c → a"},
      {starts("b"), starts("c", kWhen), starts("a"), ""},
      {starts("b"), starts("c"), starts("b"), ""},  // b and c say it
      {R"({"steps":[{"name":"s","wait":{"duration":"1s"}}],"finally":[{"name":"f","pipeline":
          {"name":"a"}}]})",
       kLeaf, kLeaf, "a → a"},
      {R"({"steps":[{"name":"s","wait":{"duration":"1s"}}],"onError":[{"name":"f","pipeline":
          {"name":"a"}}]})",
       kLeaf, kLeaf, ""},
  };
  for (const auto& row : rows) {
    Namespace n;
    n.put("a", row.a);
    n.put("b", row.b);
    n.put("c", row.c);
    const std::string said = n.check("a");
    if (row.circle[0] == '\0') {
      EXPECT_EQ(said, "") << row.a << row.b << row.c;
    } else {
      EXPECT_NE(said.find(row.circle), std::string::npos) << said;
    }
  }
}

TEST(ChildCheck, ReadyFollowsTheChild) {
  Namespace n;
  n.put("a", starts("b"));
  const auto ready = [&] {
    const Revision current = freeze(*n.find("a"));
    PipelineInput input;
    input.pipeline = n.find("a");
    input.current = &current;
    input.zone = TimeZone();
    if (n.find("b") != nullptr) input.children.emplace("b", n.find("b"));
    const PipelinePlan plan = plan_pipeline(input);
    EXPECT_TRUE(plan.status.has_value());
    const api::Condition* said = api::find_condition(plan.status->conditions, "Ready");
    return said == nullptr ? "none" : said->status + " " + said->reason;
  };
  EXPECT_EQ(ready(), "False PipelineNotFound");
  n.put("b", kLeaf);
  EXPECT_EQ(ready(), "True Valid");
  n.put("a", starts("b", "", R"({"x":1})"));
  EXPECT_EQ(ready(), "False Invalid");
}

}  // namespace
}  // namespace millrace::logic
