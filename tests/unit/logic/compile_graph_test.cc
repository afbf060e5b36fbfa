#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "controllers/logic/check.h"
#include "controllers/logic/compile.h"
#include "controllers/logic/compile_graph.h"
#include "crds/validate.h"

namespace millrace::logic {
namespace {

using codec::Value;
using std::chrono::seconds;
using Names = std::vector<std::string>;

crds::PipelineSpec spec_of(const std::string& json) {
  auto spec = codec::decode<crds::PipelineSpec>(json);
  EXPECT_TRUE(spec.ok()) << json << (spec.ok() ? "" : spec.error().message);
  return spec.ok() ? *spec : crds::PipelineSpec{};
}

/// The plan of `spec`; a test that gets none has failed.
Plan plan_of(const crds::PipelineSpec& spec) {
  auto plan = compile_graph(spec);
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message);
  return plan.ok() ? *std::move(plan) : Plan{};
}
Plan plan_of(const std::string& json) { return plan_of(spec_of(json)); }

const Node& node(const Plan& plan, const std::string& name) {
  static const Node none;
  for (const Node& found : plan.nodes) {
    if (found.name == name) return found;
  }
  ADD_FAILURE() << "no node " << name;
  return none;
}

Names names(const Plan& plan) {
  Names out;
  for (const Node& found : plan.nodes) out.push_back(found.name);
  return out;
}

std::string wait(const std::string& name, const std::string& more = "") {
  return R"({"name":")" + name + R"(","wait":{"duration":"1s"})" + more + "}";
}

TEST(CompileGraph, OrderIsThatOfDependenciesElseAsWritten) {
  const Plan plan = plan_of(R"({"steps":[)" + wait("d", R"(,"dependsOn":["b","c"])") + "," +
                            wait("c", R"(,"dependsOn":["a"])") + "," +
                            wait("b", R"(,"dependsOn":["a"])") + "," + wait("a") + "," + wait("e") +
                            R"(],"finally":[)" + wait("z", R"(,"dependsOn":["y"])") + "," +
                            wait("y") + R"(],"onError":[)" + wait("x") + "]}");
  EXPECT_EQ(names(plan), (Names{"a", "c", "b", "d", "e", "x", "y", "z"}));
  EXPECT_EQ(node(plan, "d").after, (Names{"b", "c"}));
  EXPECT_EQ(node(plan, "d").path, "spec.steps[0]");
  EXPECT_EQ(node(plan, "a").after, Names{});
  EXPECT_EQ(node(plan, "x").group, Group::OnError);
  EXPECT_EQ(node(plan, "y").group, Group::Finally);
  EXPECT_EQ(node(plan, "z").after, Names{"y"});
  EXPECT_EQ(node(plan, "z").path, "spec.finally[0]");
}

TEST(CompileGraph, AStageWaitsForTheNearestOneWithSteps) {
  const Plan plan =
      plan_of(R"({"stages":["one","empty","two"],"steps":[)" +
              wait("c", R"(,"stage":"two","dependsOn":["free","a"])") + "," +
              wait("a", R"(,"stage":"one")") + "," +
              wait("b", R"(,"stage":"one","dependsOn":["a"])") + "," + wait("free") + "]}");
  EXPECT_EQ(names(plan), (Names{"a", "b", "free", "c"}));
  EXPECT_EQ(node(plan, "c").after, (Names{"free", "a", "b"})) << "own first, each once";
  EXPECT_EQ(node(plan, "a").after, Names{});
  EXPECT_EQ(node(plan, "c").stage, "two");
  EXPECT_EQ(plan.stages, (Names{"one", "empty", "two"}));
}

TEST(CompileGraph, PodStepsTakeWhatThePodTemplateSays) {
  const Plan plan = plan_of(R"({
    "podTemplate":{"serviceAccountName":"sa","nodeSelector":{"k":"v"},"affinity":{"a":1},
      "tolerations":[{"key":"t"}],"volumes":[{"name":"data","emptyDir":{}}],
      "resources":{"limits":{"cpu":"1"}},"securityContext":{"runAsUser":1},
      "imagePullSecrets":[{"name":"pull"}],"priorityClassName":"high","runtimeClassName":"gvisor"},
    "steps":[
      {"name":"one","container":{"image":"i","volumeMounts":[{"name":"data","mountPath":"/d"}]}},
      {"name":"many","containers":[{"name":"x","image":"i","resources":{"limits":{"cpu":"2"}}},
                                   {"name":"y","image":"j","resources":{}}]},
      {"name":"object","manifest":{"object":{"apiVersion":"v1","kind":"K","metadata":{"name":"n"}}}}
    ]})");
  const auto& one = std::get<PodStep>(node(plan, "one").action);
  ASSERT_EQ(one.containers.size(), 1U);
  EXPECT_EQ(one.containers[0].name, "one") << "named after the step";
  EXPECT_EQ(one.containers[0].container.at_path({"resources", "limits", "cpu"})->as_string(), "1");
  EXPECT_TRUE(one.outputs);
  EXPECT_EQ(one.service_account_name, "sa");
  EXPECT_EQ(one.node_selector.at("k"), "v");
  EXPECT_EQ(one.volumes.size(), 1U);
  EXPECT_EQ(one.affinity, *Value::parse(R"({"a":1})"));
  EXPECT_EQ(one.pod, *Value::parse(R"({"tolerations":[{"key":"t"}],
      "imagePullSecrets":[{"name":"pull"}],"securityContext":{"runAsUser":1},
      "priorityClassName":"high","runtimeClassName":"gvisor"})"));
  const auto& many = std::get<PodStep>(node(plan, "many").action);
  ASSERT_EQ(many.containers.size(), 2U);
  EXPECT_EQ(many.containers[0].name, "x");
  EXPECT_EQ(many.containers[0].container.find("name"), nullptr);
  EXPECT_EQ(many.containers[0].container.at_path({"resources", "limits", "cpu"})->as_string(), "2");
  EXPECT_EQ(many.containers[1].container.at_path({"resources", "limits", "cpu"})->as_string(), "1");
  EXPECT_TRUE(many.outputs);
  EXPECT_EQ(std::get<ManifestStep>(node(plan, "object").action).service_account_name, "sa");
}

TEST(CompileGraph, HttpStepsHaveAMethodAndATimeout) {
  const struct {
    const char* http;
    const char* more;
    const char* method;
    std::optional<Duration> timeout;
  } cases[] = {
      {R"({"url":"http://a"})", "", "GET", seconds(30)},
      {R"({"url":"http://a","body":{}})", "", "POST", seconds(30)},
      {R"({"url":"http://a","body":"x","method":"put"})", "", "PUT", seconds(30)},
      {R"({"url":"http://a"})", R"(,"timeout":"0s")", "GET", std::nullopt},
      {R"({"url":"http://a"})", R"(,"timeout":"5s")", "GET", seconds(5)},
  };
  for (const auto& c : cases) {
    const Plan plan =
        plan_of(std::string(R"({"steps":[{"name":"a","http":)") + c.http + c.more + "}]}");
    const Node& a = node(plan, "a");
    const auto& step = std::get<HttpStep>(a.action);
    EXPECT_EQ(step.call.method, c.method) << c.http << c.more;
    EXPECT_EQ(a.timeout, c.timeout) << c.http << c.more;
    EXPECT_FALSE(step.belt);
  }
}

TEST(CompileGraph, ThePoliciesOfStepAndPipelineAreKept) {
  const Plan plan = plan_of(R"({"parallelism":3,"finallyTimeout":"1m","concurrency":{"group":"g"},
      "params":[{"name":"p"}],"steps":[
      {"name":"a","pipeline":{"name":"other","params":{"x":"{{ params.p }}"}},"when":"run.attempt == 1",
       "timeout":"2m","retry":{"limit":2},"continueOnError":true,"matrix":{"params":{"k":[1,2]}}},
      {"name":"b","approval":{"message":"ok?"}},
      {"name":"c","http":{"url":"http://a"},"outputs":{"n":"response.body.n"}}]})");
  const Node& a = node(plan, "a");
  EXPECT_EQ(std::get<ChildStep>(a.action).child.name, "other");
  EXPECT_EQ(a.when, "run.attempt == 1");
  EXPECT_EQ(a.timeout, std::chrono::minutes(2));
  EXPECT_EQ(a.retry->limit, 2);
  EXPECT_TRUE(a.continue_on_error);
  EXPECT_TRUE(a.matrix.has_value());
  EXPECT_EQ(std::get<ApprovalStep>(node(plan, "b").action).approval.message, "ok?");
  EXPECT_EQ(node(plan, "b").timeout, std::nullopt);
  EXPECT_EQ(node(plan, "c").outputs.at("n"), "response.body.n");
  EXPECT_EQ(plan.parallelism, 3);
  EXPECT_EQ(plan.finally_timeout, std::chrono::minutes(1));
  EXPECT_EQ(plan.params.size(), 1U);
  EXPECT_EQ(plan.concurrency->group, "g");
}

TEST(CompileGraph, ReadsAreTheStepsThatTemplatesName) {
  const Plan plan = plan_of(R"({"steps":[
      {"name":"a","http":{"url":"http://a"},"outputs":{"n":"response.body.n"}},
      {"name":"b","wait":{"duration":"1s"},"dependsOn":["a"]},
      {"name":"c","dependsOn":["b"],"when":"{{ steps.b.status == 'Succeeded' }}",
       "container":{"image":"i","args":["{{ steps.a.outputs.n }}","{{ steps.a.response.body }}"]}}],
      "onError":[{"name":"e","approval":{"message":"{{ steps.c.message }}"}}],
      "finally":[{"name":"f","wait":{"duration":"{{ steps.e.attempt }}s"}}]})");
  EXPECT_EQ(node(plan, "c").reads, (Names{"b", "a"}));
  EXPECT_EQ(node(plan, "e").reads, Names{"c"});
  EXPECT_EQ(node(plan, "f").reads, Names{"e"});
  EXPECT_EQ(node(plan, "a").reads, Names{});
}

std::string belt(const std::string& jobs, const std::string& more = "") {
  return R"({"stages":["s1","void","s2"],"triggers":[{"type":"webhook"}],"jobs":[)" + jobs + "]" +
         more + "}";
}
std::string job(const std::string& stage, const std::string& name, const std::string& more = "",
                const std::string& http = R"({"url":"http://h/p"})") {
  return R"({"name":")" + name + R"(","stage":")" + stage + "\"" + more + R"(,"action":{"http":)" +
         http + "}}";
}

TEST(CompileGraph, CB_5_JobsOfAStageWaitForAllOfTheStageBefore) {
  const Plan plan =
      plan_of(belt(job("s2", "c") + "," + job("s1", "a") + "," + job("s1", "b"),
                   R"(,"error":{"timeout":"5s","action":{"http":{"url":"http://e"}}})"));
  EXPECT_EQ(names(plan), (Names{"s1-a", "s1-b", "s2-c", "error"}));
  EXPECT_EQ(node(plan, "s2-c").after, (Names{"s1-a", "s1-b"}));
  EXPECT_EQ(node(plan, "s2-c").path, "spec.jobs[0]");
  EXPECT_EQ(node(plan, "s2-c").stage, "s2");
  const auto& call = std::get<HttpStep>(node(plan, "s1-a").action);
  EXPECT_TRUE(call.belt);
  EXPECT_EQ(call.job, "a");
  const Node& error = node(plan, "error");
  EXPECT_EQ(error.group, Group::OnError);
  EXPECT_EQ(error.path, "spec.error");
  EXPECT_EQ(error.timeout, seconds(5));
  EXPECT_EQ(error.after, Names{});
  EXPECT_EQ(plan.stages, (Names{"s1", "void", "s2"}));
}

TEST(CompileGraph, CB_11_ZeroIsNoLimitAndAbsentIsThirtySeconds) {
  const struct {
    const char* given;
    std::optional<Duration> want;
  } cases[] = {{"", seconds(30)},
               {R"(,"timeout":null)", seconds(30)},
               {R"(,"timeout":0)", std::nullopt},
               {R"(,"timeout":"0")", std::nullopt},
               {R"(,"timeout":"0s")", std::nullopt},
               {R"(,"timeout":"200ms")", std::chrono::milliseconds(200)}};
  for (const auto& c : cases) {
    EXPECT_EQ(node(plan_of(belt(job("s1", "a", c.given))), "s1-a").timeout, c.want) << c.given;
  }
}

TEST(CompileGraph, BeltMethodsAreUpperCaseAndGetWhenEmpty) {
  const struct {
    const char* http;
    const char* want;
  } cases[] = {{R"({"url":"http://h","data":{"a":1}})", "GET"},
               {R"({"url":"http://h","method":"post"})", "POST"},
               {R"({"url":"http://h","method":"Put"})", "PUT"}};
  for (const auto& c : cases) {
    const Plan plan = plan_of(belt(job("s1", "a", "", c.http)));
    EXPECT_EQ(std::get<HttpStep>(node(plan, "s1-a").action).call.method, c.want) << c.http;
  }
}

TEST(CompileGraph, BeltNodesHaveNamesOfTheirOwnWhateverTheJobsAreCalled) {
  auto spec = spec_of(belt(job("s1", "a-b") + "," + job("s1", "A_b") + "," + job("s1", "") + "," +
                               job("s1", std::string(80, 'x')) + "," +
                               job("s1", std::string(80, 'x') + "y"),
                           R"(,"error":{"action":{"http":{"url":"http://e"}}})"));
  spec.stages.push_back("error");
  spec.stages.push_back("s1-a");
  for (const auto& [stage, name] : {std::pair("error", ""), std::pair("s1-a", "b")}) {
    crds::BeltJob more = spec.jobs.front();
    more.stage = stage;
    more.name = name;
    spec.jobs.push_back(more);
  }
  const Plan plan = plan_of(spec);
  std::set<std::string> seen;
  for (const Node& found : plan.nodes) {
    EXPECT_TRUE(seen.insert(found.name).second) << found.name;
    EXPECT_LE(found.name.size(), 52U);
    EXPECT_TRUE(codec::is_dns_label(Value(found.name))) << found.name;
  }
  EXPECT_EQ(node(plan, "s1-a-b").path, "spec.jobs[0]") << "the first keeps the plain name";
  EXPECT_EQ(node(plan, "error").group, Group::OnError);
  EXPECT_EQ(plan_of(spec), plan) << "the same each time";
}

TEST(CompileGraph, ReadsOfBeltsAreTheResponsesThatTheirDataNames) {
  const Plan plan = plan_of(
      belt(job("s1", "a") + "," + job("s1", "b") + "," +
               job("s2", "c", "", R"({"url":"http://h","data":{"x":"{{ .Response.s1.b.Body.k }}",
              "y":"{{ .Response.nowhere.at.Body.all }}"}})"),
           R"(,"error":{"action":{"http":{"url":"http://e","data":{"r":"{{ .Response.s1 }}"}}}})"));
  EXPECT_EQ(node(plan, "s2-c").reads, Names{"s1-b"});
  EXPECT_EQ(node(plan, "error").reads, (Names{"s1-a", "s1-b"}));
}

TEST(CompileGraph, FinallyStepsMayStandAroundJobs) {
  const Plan plan = plan_of(belt(
      job("s1", "a"),
      R"(,"finally":[{"name":"say","approval":{"message":"{{ steps.s1-a.response.status }}"}}])"));
  EXPECT_EQ(names(plan), (Names{"s1-a", "say"}));
  EXPECT_EQ(node(plan, "say").reads, Names{"s1-a"});
}

TEST(CompileGraph, TheFirstErrorIsLedByItsPath) {
  const auto plan = compile_graph(spec_of(R"({"steps":[)" + wait("a") + "," + wait("a") + "]}"));
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, Code::Invalid);
  EXPECT_EQ(plan.error().reason, "PipelineInvalid");
  EXPECT_EQ(plan.error().message,
            "spec.steps[1].name: another step is named a already (spec.steps[0])");
}

TEST(CompileGraph, RandomGraphsStandInOrderAndKnowWhoWaitsForWhom) {
  std::mt19937 random(7);
  const auto below = [&](int limit) {
    return static_cast<int>(random() % static_cast<unsigned>(limit));
  };
  int cycles = 0;
  for (int round = 0; round < 300; ++round) {
    crds::PipelineSpec spec;
    spec.stages = {"x", "y", "z"};
    const int count = 1 + below(12);
    for (int i = 0; i < count; ++i) {
      crds::Step step;
      step.name = "s" + std::to_string(i);
      step.wait = crds::WaitAction{"1s"};
      if (below(3) == 0) step.stage = spec.stages[static_cast<std::size_t>(below(3))];
      for (int k = below(3); k > 0; --k) {
        const int other = below(count);
        if (other != i) step.depends_on.push_back("s" + std::to_string(other));
      }
      spec.steps.push_back(step);
    }
    const auto steps = graph_steps(spec);
    const GraphShape shape(steps, spec.stages);
    const auto plan = compile_graph(spec);
    const auto cycle = shape.cycle();
    ASSERT_EQ(plan.ok(), cycle.empty());
    if (!plan.ok()) {
      ++cycles;
      for (std::size_t k = 0; k < cycle.size(); ++k) {
        const auto after = shape.after(cycle[k]);
        EXPECT_NE(std::find(after.begin(), after.end(), cycle[(k + 1) % cycle.size()]),
                  after.end());
      }
      continue;
    }
    ASSERT_EQ(plan->nodes.size(), steps.size());
    std::map<std::string, std::set<std::string>> before;  // all that a node waits for
    for (const Node& found : plan->nodes) {
      for (const std::string& name : found.after) {
        ASSERT_TRUE(before.contains(name)) << found.name << " stands before " << name;
        before[found.name].insert(name);
        before[found.name].insert(before[name].begin(), before[name].end());
      }
      before[found.name];
      for (std::size_t i = 0; i < steps.size(); ++i) {
        EXPECT_EQ(shape.waits_for(shape.find(found.name), i),
                  before[found.name].contains(steps[i].name));
      }
    }
  }
  EXPECT_GT(cycles, 20);
  EXPECT_LT(cycles, 280);
}

TEST(CompileGraph, ThousandsOfStepsInAChainAndWideStagesCompile) {
  crds::PipelineSpec chain;
  for (int i = 0; i < 2000; ++i) {
    crds::Step step;
    step.name = "s" + std::to_string(i);
    step.wait = crds::WaitAction{"1s"};
    if (i > 0) {
      step.depends_on = {"s" + std::to_string(i - 1)};
      step.when = "steps.s0.status == 'Succeeded'";
    }
    chain.steps.push_back(step);
  }
  std::reverse(chain.steps.begin(), chain.steps.end());
  const Plan plan = plan_of(chain);
  ASSERT_EQ(plan.nodes.size(), 2000U);
  EXPECT_EQ(plan.nodes.back().name, "s1999");
  EXPECT_EQ(plan.nodes.back().reads, Names{"s0"});

  crds::PipelineSpec wide;
  wide.stages = {"a", "b"};
  for (int i = 0; i < 1002; ++i) {
    crds::Step step;
    step.name = "s" + std::to_string(i);
    step.wait = crds::WaitAction{"1s"};
    step.stage = i < 500 ? "a" : "b";
    if (i < 1000) wide.steps.push_back(step);
  }
  EXPECT_EQ(plan_of(wide).nodes.back().after.size(), 500U);
  wide.steps.push_back(wide.steps.back());
  wide.steps.back().name = "more";
  const auto refused = compile_graph(wide);
  ASSERT_FALSE(refused.ok()) << "250,500 edges";
  EXPECT_TRUE(refused.error().message.starts_with("spec.stages: more than 250000 dependencies"))
      << refused.error().message;
}

TEST(CompileGraph, ConveyorBeltsOwnExampleCompilesWithoutComplaint) {
  std::ifstream file("tests/e2e/examples/conveyor-belt.yaml");
  ASSERT_TRUE(file.good()) << "tests run in the repository's root";
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto report = crds::check_manifest(
      text, "conveyor-belt.yaml",
      {[](const crds::Pipeline& pipeline) { return check_pipeline(pipeline, {}); }, check_run});
  for (const auto& finding : report.findings) ADD_FAILURE() << to_string(finding);
  ASSERT_EQ(report.pipelines.size(), 1U);
  const Plan plan = plan_of(report.pipelines[0].spec);
  EXPECT_EQ(names(plan), (Names{"fetch-picture", "fetch-owner", "convert-small",
                                "publish-mail-owner", "error"}));
  EXPECT_EQ(node(plan, "publish-mail-owner").after, Names{"convert-small"}) << "audit has no jobs";
  EXPECT_EQ(node(plan, "publish-mail-owner").reads, (Names{"fetch-owner", "convert-small"}))
      << "in order of the text";
  EXPECT_EQ(node(plan, "convert-small").timeout, std::nullopt);
}

}  // namespace
}  // namespace millrace::logic
