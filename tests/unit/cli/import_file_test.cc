#include "operator/cli/import_file.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

constexpr const char* kBelt =
    "# thumbnails of pictures\n"
    "apiVersion: conveyor-belt.simonemms.com/v1alpha1   # theirs\n"
    "kind: Pipeline\n"
    "metadata:\n"
    "  name: thumbnails\n"
    "spec:\n"
    "  port: 3100\n"
    "  stages: [fetch, audit]   # audit has no jobs\n"
    "  jobs:\n"
    "    - name: picture\n"
    "      stage: fetch\n"
    "      action: {http: {method: get, url: http://localhost/x}}\n"
    "    - name: owner\n"
    "      stage: fetch\n"
    "      action:\n"
    "        http:\n"
    "          url: http://users/lookup\n"
    "          data: {name: \"{{ .Name }}\"}\n"
    "  triggers:\n"
    "    - type: webhook\n";

Imported import_ok(const std::string& text) {
  auto imported = import_text(text, "f.yaml", {});
  EXPECT_TRUE(imported.ok()) << (imported.ok() ? "" : imported.error().message);
  return imported.ok() ? *imported : Imported{};
}

std::string said(const Imported& imported) {
  std::string text;
  for (const crds::Finding& finding : imported.findings) text += to_string(finding) + "\n";
  return text;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Import, ABeltChangesInOneLineOnly) {
  const Imported imported = import_ok(kBelt);
  EXPECT_TRUE(imported.ok()) << said(imported);
  EXPECT_EQ(imported.text,
            replaced(kBelt, "conveyor-belt.simonemms.com/v1alpha1", "millrace.dev/v1"));
}

TEST(Import, WhatChangesInMeaningIsSaidAtItsLine) {
  const std::string text = said(import_ok(kBelt));
  for (const char* want :
       {"f.yaml:7:", "spec.port: kept, but not used", "f.yaml:12:", "no data: no body is sent",
        "refuses loopback", "f.yaml:18:", "rendered by itself", "f.yaml:20:", "answers 202"}) {
    EXPECT_NE(text.find(want), std::string::npos) << want << " in:\n" << text;
  }
}

// CB-1: what the old program refused at its start.
TEST(Import, Cb1ErrorsOfTheOldProgramAreErrors) {
  const struct {
    const char* name;
    const char* from;
    const char* to;
    const char* want;
  } cases[] = {
      {"version", "simonemms.com/v1alpha1", "simonemms.com/v2", "unknown api version: conveyor"},
      {"foreign version", "conveyor-belt.simonemms.com/v1alpha1", "x/v1",
       "unknown api version: x/v1"},
      {"kind", "kind: Pipeline", "kind: Pipe", "unknown kind: Pipe"},
      {"stage", "stage: fetch\n      action:\n", "stage: fech\n      action:\n",
       "spec.jobs[1].stage: unknown stage: fech"},
      {"trigger", "type: webhook", "type: cron", "unknown trigger: cron"},
      {"no stages", "[fetch, audit]", "[]", "no jobs configured"},
      {"no triggers", "triggers:\n    - type: webhook\n", "triggers: []\n",
       "no triggers configured"},
  };
  for (const auto& c : cases) {
    const Imported imported = import_ok(replaced(kBelt, c.from, c.to));
    EXPECT_FALSE(imported.ok()) << c.name;
    EXPECT_NE(said(imported).find(c.want), std::string::npos) << c.name << ":\n" << said(imported);
  }
}

TEST(Import, TheOldOperatorsKindsBecomeOurs) {
  const std::string text =
      "apiVersion: \"controller.ljchen.net/v1\"\n"
      "kind: Pipeline\n"
      "metadata: {name: feed, finalizers: [finalizer.ljchen.net]}\n"
      "spec:\n"
      "  batchJob:\n"
      "    input:\n"
      "      elasticSearch: {index: stock}\n"
      "    outputs:\n"
      "      - name: files\n"
      "        ftp: {topic: raw}\n"
      "    resources: {limits: {memory: 1Gi}}\n"
      "  strategy: {cronExpression: \"@daily\", expire: \"2031-12-30 23:59:59\"}\n"
      "---\n"
      "apiVersion: controller.ljchen.net/v1\n"
      "kind: PipelineRun\n"
      "metadata: {name: now}\n"
      "spec: {refPipeline: feed, maxRetryCount: 2, timeout: 0s}\n";
  const Imported imported = import_ok(text);
  EXPECT_TRUE(imported.ok()) << said(imported);
  EXPECT_EQ(imported.text.find("ljchen.net/v1"), std::string::npos);
  EXPECT_EQ(imported.text.substr(0, 30), "apiVersion: \"millrace.dev/v1\"\n");
  for (const char* want :
       {"f.yaml:3:", "metadata.finalizers: not needed", "adapterImages.inputElasticSearch",
        "adapterImages.outputFtp", "f.yaml:11:", "read in UTC", "Cancelled=True",
        "f.yaml:17:", "timed out at once", "resumes at the first step"}) {
    EXPECT_NE(said(imported).find(want), std::string::npos) << want << " in:\n" << said(imported);
  }
}

TEST(Import, OurOwnRulesHaveTheLastWordAtTheSameLines) {
  const Imported typo = import_ok(replaced(kBelt, "method: get", "methd: get"));
  EXPECT_FALSE(typo.ok());
  EXPECT_NE(said(typo).find("f.yaml:12:"), std::string::npos) << said(typo);
}

TEST(Import, OtherDocumentsStay) {
  const std::string map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
  const Imported imported = import_ok(kBelt + map);
  EXPECT_TRUE(imported.ok()) << said(imported);
  EXPECT_NE(imported.text.find(map), std::string::npos);
  EXPECT_NE(said(imported).find("ConfigMap of v1 is kept"), std::string::npos);
}

TEST(Import, WhatIsNoYamlIsAnError) {
  EXPECT_FALSE(import_text("a: [", "f.yaml", {}).ok());
  EXPECT_FALSE(import_text("", "f.yaml", {}).ok());
}

}  // namespace
}  // namespace millrace::cli
