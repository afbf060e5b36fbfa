#include "crds/validate.h"

#include <gtest/gtest.h>

namespace millrace::crds {
namespace {

constexpr const char* kGood = R"(apiVersion: millrace.dev/v1
kind: PipelineRun
metadata: {name: one}
spec: {refPipeline: p}
)";

std::string print(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) text += to_string(finding) + "\n";
  return text;
}

TEST(ValidateManifest, SaysWhereAndWhat) {
  const struct {
    const char* name;
    std::string text;
    std::string want;  // all findings, one a line
  } cases[] = {
      {"nothing to say", kGood, ""},
      {"two documents, the second wrong", std::string(kGood) + "---\n" + R"(
apiVersion: millrace.dev/v1
kind: PipelineRun
metadata: {name: two}
spec:
  refPipeline: p
  timeout: 25h
)",
       "f.yaml:12:3: error: spec.timeout: must be a duration such as 90s or 1h30m, at most 24h; 0s "
       "means no limit\n"},
      {"a missing field points at the object",
       "apiVersion: millrace.dev/v1\nkind: PipelineRun\nmetadata: {name: a}\nspec:\n  cancel: "
       "true\n",
       "f.yaml:4:1: error: spec.refPipeline: required\n"},
      {"the group of the pipeline-operator",
       "apiVersion: controller.ljchen.net/v1\nkind: Pipeline\nmetadata: {name: a}\nspec: {}\n",
       "f.yaml:1:1: error: apiVersion: \"controller.ljchen.net/v1\" is the pipeline-operator's: "
       "change this line to apiVersion: millrace.dev/v1, the rest can stay\n"},
      {"a version that does not exist",
       "kind: Pipeline\napiVersion: millrace.dev/v2\nmetadata: {name: a}\n",
       "f.yaml:2:1: error: apiVersion: \"millrace.dev/v2\" is not served; write millrace.dev/v1\n"},
      {"the group is missing", "apiVersion: v1\nkind: Pipeline\n",
       "f.yaml:1:1: error: apiVersion: \"v1\" has no Pipeline; write millrace.dev/v1\n"},
      {"a group misspelt", "apiVersion: milrace.dev/v1\nkind: Pipeline\n",
       "f.yaml:1:1: error: apiVersion: \"milrace.dev/v1\" has no Pipeline; write "
       "millrace.dev/v1\n"},
      {"the Pipeline of another system", "apiVersion: tekton.dev/v1\nkind: Pipeline\n",
       "f.yaml:1:1: note: not checked: a Pipeline of tekton.dev/v1\n"},
      {"a list, as kubectl prints it", R"(apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
- apiVersion: millrace.dev/v1
  kind: PipelineRun
  metadata: {name: a, managedFields: [{manager: x}], creationTimestamp: "2026-01-01T00:00:00Z"}
  spec: {refPipeline: p, timeout: 1d}
  status: {conditions: [{type: Succeeded, status: "True"}]}
)",
       "f.yaml:4:3: note: items[0]: not checked: a Pod of v1\n"
       "f.yaml:9:26: error: items[1].spec.timeout: must be a duration such as 90s or 1h30m, at "
       "most "
       "24h; 0s means no limit\n"},
      {"a kind that does not exist", "apiVersion: millrace.dev/v1\nkind: PipeLineRuns\n",
       "f.yaml:2:1: error: kind: \"PipeLineRuns\" is not a kind of millrace.dev/v1; did you mean "
       "PipelineRun?\n"},
      {"other kinds are passed over",
       "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n" + std::string(kGood),
       "f.yaml:1:1: note: not checked: a ConfigMap of v1\n"},
      {"no kind", "metadata: {name: a}\napiVersion: v1\n",
       "f.yaml:1:1: error: kind: required; for a pipeline write apiVersion: millrace.dev/v1 and "
       "kind: Pipeline\n"},
      {"a list at the top", "- a\n",
       "f.yaml:1:1: error: must be a map with apiVersion, kind and "
       "spec\n"},
      {"an empty file", "# nothing\n",
       "f.yaml: error: holds no object; write apiVersion, kind, metadata and spec\n"},
      {"not YAML", "a: [1\nb: 2\n",
       "f.yaml:2:2: error: not valid YAML: end of sequence flow not found\n"},
      {"a repeated key", "apiVersion: v1\nkind: a\nkind: b\n",
       "f.yaml:3:1: error: \"kind\" is given twice\n"},
      {"the same run twice", std::string(kGood) + "---\n" + kGood,
       "f.yaml:8:12: warning: metadata.name: the PipelineRun one stands in line 3 already; the "
       "later "
       "one overwrites it\n"},
      {"all mistakes at once, in order",
       "apiVersion: millrace.dev/v1\nkind: PipelineRun\nmetadata: {}\nspec:\n  maxRetryCount: -1\n"
       "  timeout: 1\n  more: 1\n",
       "f.yaml:3:1: error: metadata.name: required\nf.yaml:4:1: error: spec.refPipeline: required\n"
       "f.yaml:5:3: error: spec.maxRetryCount: must be at least 0\n"
       "f.yaml:6:3: error: spec.timeout: must be a string, not 1; write it in quotes\n"
       "f.yaml:7:3: error: spec.more: unknown field; known here: refPipeline, params, "
       "trigger, maxRetryCount, timeout, cancel, approvals, retryOf or serviceAccountName\n"},
      {"a schedule on a stream", R"(apiVersion: millrace.dev/v1
kind: Pipeline
metadata: {name: a}
spec:
  streamJob: {microServices: [{name: a, spec: {containers: [{name: a, image: b}]}}]}
  strategy: {cronExpression: "@daily"}
)",
       "f.yaml:6:14: warning: spec.strategy.cronExpression: has no effect on a streamJob: create a "
       "PipelineRun to start it\n"},
      {"JSON is read as well",
       R"({"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "a"},
 "spec": {"refPipeline": "p", "cancel": 1}})",
       "f.yaml:2:31: error: spec.cancel: must be true or false, not 1\n"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(print(validate_manifest(c.text, "f.yaml")), c.want) << c.name;
  }
}

TEST(ValidateManifest, DeeperChecksSeeWholeObjectsOnly) {
  const std::string text = std::string(kGood) + "---\n" + R"(apiVersion: millrace.dev/v1
kind: PipelineRun
metadata: {name: wrong}
spec: {}
---
apiVersion: millrace.dev/v1
kind: Pipeline
metadata: {name: p}
spec:
  batchJob:
    input: {apiServer: {}}
    outputs: [{name: a, ftp: {}}]
  strategy:
    cronExpression: 99 0 * * *
)";
  std::vector<std::string> seen;
  DeeperChecks deeper;
  deeper.run = [&](const PipelineRun& run) {
    seen.push_back(run.metadata.name);
    return std::vector<codec::FieldError>();
  };
  deeper.pipeline = [&](const Pipeline& pipeline) {
    seen.push_back(pipeline.metadata.name);
    return std::vector<codec::FieldError>{{"spec.strategy.cronExpression", "minute 99 above 59"}};
  };
  const Report report = check_manifest(text, "f.yaml", deeper);
  EXPECT_EQ(seen, (std::vector<std::string>{"one", "p"}));
  EXPECT_EQ(print(report.findings),
            "f.yaml:9:1: error: spec.refPipeline: required\n"
            "f.yaml:19:5: error: spec.strategy.cronExpression: minute 99 above 59\n");
  EXPECT_FALSE(report.ok());
  ASSERT_EQ(report.runs.size(), 1U);
  EXPECT_EQ(report.runs.front().spec.ref_pipeline, "p");
  EXPECT_TRUE(report.pipelines.empty());
}

}  // namespace
}  // namespace millrace::crds
