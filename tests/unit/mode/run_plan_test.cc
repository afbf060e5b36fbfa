#include "local/mode/run_plan.h"

#include <gtest/gtest.h>

namespace millrace::mode {
namespace {

constexpr const char* kPipeline =
    "apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec: {}\n";
constexpr const char* kOther =
    "apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: q, namespace: team}\nspec: {}\n";
constexpr const char* kRun =
    "apiVersion: millrace.dev/v1\nkind: PipelineRun\nmetadata: {name: r}\nspec: {refPipeline: p}\n";
constexpr const char* kNamespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n";
constexpr const char* kMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";

std::string joined(std::initializer_list<const char*> documents) {
  std::string text;
  for (const char* document : documents) text += std::string("---\n") + document;
  return text;
}

/// "Namespace/team ConfigMap/default/c | PipelineRun/default/r"
std::string summary(const Result<RunPlan>& plan) {
  if (!plan.ok()) return "error: " + plan.error().message;
  std::string text;
  for (const auto* list : {&plan->apply, &plan->runs}) {
    if (list == &plan->runs) text += "| ";
    for (const PlannedObject& object : *list) {
      text += std::string(object.kind->resource.kind) + "/" + object.ns + "/" + object.name + " ";
    }
  }
  return text;
}

TEST(PlanRun, OrdersAndChooses) {
  const struct {
    const char* name;
    std::string text;
    const char* pipeline;
    const char* want;
  } cases[] = {
      {"a pipeline alone gets a run", kPipeline, "", "Pipeline/default/p | PipelineRun/default/ "},
      {"the run of the file", joined({kRun, kPipeline}), "",
       "Pipeline/default/p | PipelineRun/default/r "},
      {"namespaces come first", joined({kMap, kOther, kNamespace}), "",
       "Namespace//team ConfigMap/default/c Pipeline/team/q | PipelineRun/team/ "},
      {"one of several", joined({kPipeline, kOther}), "q",
       "Pipeline/default/p Pipeline/team/q | PipelineRun/team/ "},
      {"one of several, with a run of another", joined({kPipeline, kOther, kRun}), "q",
       "Pipeline/default/p Pipeline/team/q | PipelineRun/team/ "},
      {"items of a list",
       "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c}},"
       "{apiVersion: millrace.dev/v1, kind: PipelineRun, metadata: {name: r}}]",
       "", "ConfigMap/default/c | PipelineRun/default/r "},
      {"a run for a pipeline that is there already", kRun, "", "| PipelineRun/default/r "},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(summary(plan_run({{"f.yaml", c.text}}, c.pipeline)), c.want) << c.name;
  }
}

TEST(PlanRun, TheMadeRunIsNamedByTheServer) {
  const auto plan = plan_run({{"f.yaml", kPipeline}}, "");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->runs.front().object.dump(),
            R"({"apiVersion":"millrace.dev/v1","kind":"PipelineRun","metadata":)"
            R"({"generateName":"p-","namespace":"default"},"spec":{"refPipeline":"p"}})");
}

TEST(PlanRun, ErrorsNameThePlaceAndTheCure) {
  const struct {
    const char* name;
    std::string text;
    const char* pipeline;
    const char* want;
  } cases[] = {
      {"an empty file", "", "", "f.yaml: nothing to run: neither a Pipeline nor a PipelineRun"},
      {"nothing to run", kMap, "", "neither a Pipeline nor a PipelineRun"},
      {"several", joined({kPipeline, kOther}), "", "say which one with --pipeline: p, q"},
      {"no such", kPipeline, "x", "there is no Pipeline \"x\"; there are: p"},
      {"no name", "\napiVersion: v1\nkind: ConfigMap\n", "", "f.yaml:2: metadata.name is missing"},
      {"no kind", "a: b\n", "", "f.yaml:1: no Kubernetes object"},
      {"an unknown kind", "apiVersion: example.org/v1\nkind: Thing\n", "",
       "local mode does not know the kind Thing of example.org/v1"},
      {"no YAML", "a: [", "", "f.yaml:"},
  };
  for (const auto& c : cases) {
    const std::string got = summary(plan_run({{"f.yaml", c.text}}, c.pipeline));
    EXPECT_TRUE(got.starts_with("error: ") && got.find(c.want) != std::string::npos)
        << c.name << ": " << got;
  }
}

}  // namespace
}  // namespace millrace::mode
