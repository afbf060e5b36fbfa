#include "operator/cli/validate.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/command_line.h"

namespace millrace::cli {
namespace {

constexpr const char* kGood = R"(apiVersion: millrace.dev/v1
kind: Pipeline
metadata: {name: a}
spec:
  batchJob:
    input: {apiServer: {server: x}}
    outputs:
      - {name: out, custom: {image: busybox}}
---
apiVersion: millrace.dev/v1
kind: PipelineRun
metadata: {name: a-1}
spec: {refPipeline: a}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(Validate, SaysWhatAFileHolds) {
  const Outcome got = run_line({"validate", "a.yaml"}, {.files = {{"a.yaml", kGood}}});
  EXPECT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.err, "");
  EXPECT_EQ(got.out, "a.yaml: 1 pipeline and 1 run without errors\n");
}

TEST(Validate, ReadsStandardInput) {
  const Outcome good = run_line({"validate", "-"}, {.input = kGood});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(good.out, "<stdin>: 1 pipeline and 1 run without errors\n");
  const Outcome bad =
      run_line({"validate", "-"}, {.input = replaced(kGood, "name: out", "name: O")});
  EXPECT_EQ(bad.code, 1);
  EXPECT_EQ(bad.err.rfind("<stdin>:8:", 0), 0u) << bad.err;
}

TEST(Validate, ErrorsNameFileLineAndField) {
  const struct {
    const char* name;
    std::string from;
    std::string to;
    std::vector<const char*> contains;
  } cases[] = {
      {"shape",
       "name: out",
       "name: Out_1",
       {"a.yaml:8:", ": error: spec.batchJob.outputs[0].name: "}},
      {"unknown field", "outputs:", "output:", {"a.yaml:7:", "spec.batchJob.output", "unknown"}},
      {"two inputs",
       "{apiServer: {server: x}}",
       "{apiServer: {}, elasticSearch: {}}",
       {"a.yaml:6:", "spec.batchJob.input", "exactly one"}},
      {"a rule of the operator",
       "  batchJob:",
       "  strategy: {cronExpression: \"61 * * * *\"}\n  batchJob:",
       {"a.yaml:5:", "error: spec.strategy.cronExpression: ", "minute"}},
      {"a zone that is not there",
       "  batchJob:",
       "  strategy: {cronExpression: \"@daily\", timeZone: Mars/Base}\n  batchJob:",
       {"a.yaml:5:", "error: spec.strategy.timeZone: ", "Mars/Base"}},
      {"a run's field",
       "refPipeline: a",
       "refPipeline: a, timeout: soon",
       {"a.yaml:13:", "error: spec.timeout: "}},
      {"not YAML", "kind: Pipeline\n", "kind: [\n", {"a.yaml:", ": error: "}},
  };
  for (const auto& c : cases) {
    const Outcome got =
        run_line({"validate", "a.yaml"}, {.files = {{"a.yaml", replaced(kGood, c.from, c.to)}}});
    EXPECT_EQ(got.code, 1) << c.name;
    EXPECT_EQ(got.out, "") << c.name;
    for (const char* part : c.contains) {
      EXPECT_NE(got.err.find(part), std::string::npos) << c.name << ": " << got.err;
    }
  }
}

TEST(Validate, OneBadFileDoesNotStopTheOthers) {
  const Outcome got = run_line({"validate", "gone.yaml", "bad.yaml", "good.yaml"},
                               {.files = {{"bad.yaml", "{"}, {"good.yaml", kGood}}});
  EXPECT_EQ(got.code, 1);
  EXPECT_NE(got.err.find("millrace validate: gone.yaml: no such file\n"), std::string::npos)
      << got.err;
  EXPECT_NE(got.err.find("bad.yaml:"), std::string::npos) << got.err;
  EXPECT_EQ(got.out, "good.yaml: 1 pipeline and 1 run without errors\n");
}

TEST(Validate, AdapterImagesAreCheckedWhenAConfigurationIsGiven) {
  const World world{.files = {{"a.yaml", kGood},
                              {"empty.yaml", ""},
                              {"full.yaml", "adapterImages: {inputApiServer: x:1}"},
                              {"bad.yaml", "adapterImages: 3"}}};
  EXPECT_EQ(run_line({"validate", "a.yaml", "--config", "full.yaml"}, world).code, 0);
  const Outcome missing = run_line({"validate", "a.yaml", "--config", "empty.yaml"}, world);
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.err.find("inputApiServer"), std::string::npos) << missing.err;
  const Outcome bad = run_line({"validate", "a.yaml", "--config", "bad.yaml"}, world);
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.err.find("bad.yaml:1:1: adapterImages: "), std::string::npos) << bad.err;
}

TEST(Validate, NeedsAFile) {
  const Outcome got = run_line({"validate"});
  EXPECT_EQ(got.code, 2);
  EXPECT_NE(got.err.find("standard input"), std::string::npos) << got.err;
}

TEST(Validate, TheSamplesAreValid) {
  std::vector<std::string> line{"validate", "--config", "config/demo.yaml"};
  World world;
  for (const char* name :
       {"config/demo.yaml", "manifests/samples/hello.yaml", "manifests/samples/adapter/hello.yaml",
        "manifests/samples/scheduled.yaml", "manifests/samples/stream.yaml",
        "manifests/samples/retry.yaml", "manifests/samples/timeout.yaml"}) {
    const auto text = read_file(name);  // tests run in the root of the repository
    ASSERT_TRUE(text.ok()) << text.error().message;
    world.files[name] = *text;
    if (std::string(name) != "config/demo.yaml") line.emplace_back(name);
  }
  const Outcome got = run_line(line, world);
  EXPECT_EQ(got.code, 0) << got.err;
}

}  // namespace
}  // namespace millrace::cli
