#include "operator/cli/run_tree.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"
#include "operator/cli/get_text.h"

namespace millrace::cli {
namespace {

using crds::StepPhase;
using crds::StepState;

const Time kNow = parse_time("2026-11-21T12:00:00Z").value();

Time at(const char* clock) { return parse_time("2026-11-21T" + std::string(clock) + "Z").value(); }

StepState state(const char* name, StepPhase phase) {
  StepState s;
  s.name = name;
  s.state = phase;
  s.attempt = 1;
  return s;
}

crds::PipelineRun example_run() {
  crds::PipelineRun run;
  run.metadata.name = "nightly-x1";
  run.metadata.ns = "team";
  run.spec.ref_pipeline = "nightly";
  run.spec.params["day"] = "today";
  run.status.start_time = at("11:50:00");
  run.status.completion_time = at("11:53:04");
  run.status.pipeline_revision = "nightly-01";
  StepState fetch = state("fetch", StepPhase::Succeeded);
  fetch.started_at = at("11:50:00");
  fetch.finished_at = at("11:50:12");
  fetch.outputs = codec::Value::object({{"rows", 3}});
  StepState load = state("load", StepPhase::Failed);
  load.attempt = 2;
  load.exit_code = 137;
  load.reason = "OOMKilled";
  load.message = "too much";
  load.started_at = at("11:51:00");
  load.finished_at = at("11:53:04");
  StepState tell = state("tell", StepPhase::Succeeded);
  tell.response = codec::Value::object({{"status", 204}});
  run.status.step_states = {fetch, load, state("mail", StepPhase::Skipped), tell};
  api::Condition failed;
  failed.type = "Succeeded";
  failed.status = "False";
  failed.reason = "Fail";
  failed.message = "step load failed";
  run.status.conditions = {failed};
  return run;
}

std::vector<GraphStep> example_graph() {
  return {{.name = "fetch", .stage = "one"},
          {.name = "load", .after = {"fetch"}, .stage = "two"},
          {.name = "mail", .after = {"load"}, .stage = "two"},
          {.name = "tell", .action = ActionKind::Http, .group = logic::Group::Finally}};
}

TEST(RunTree, StepsStandBelowTheirStageWithTimesAndReasons) {
  const auto run = example_run();
  EXPECT_EQ(step_tree(step_lines(example_graph(), run.status), kNow, Look::Plain),
            "  STEP        STATE       TOOK    ATTEMPT   AFTER   DETAIL\n"
            "  stage one\n"
            "    fetch     Succeeded   12s\n"
            "  stage two\n"
            "    load      Failed      2m04s   2         fetch   exit code 137, OOMKilled: too "
            "much\n"
            "    mail      Skipped                       load\n"
            "  finally\n"
            "    tell      Succeeded                             HTTP 204\n");
}

TEST(RunTree, ATerminalGetsSymbolsAndColours) {
  const auto run = example_run();
  const std::string text = step_tree(step_lines(example_graph(), run.status), kNow, Look::Fancy);
  EXPECT_NE(text.find("\x1b[32m  ✔ fetch\x1b[0m"), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[31m  ✘ load\x1b[0m"), std::string::npos) << text;
}

TEST(RunTree, CombinationsStandBelowTheirStep) {
  crds::PipelineRunStatus status;
  StepState part = state("build-0", StepPhase::Running);
  part.of = "build";
  part.matrix = codec::Value::object({{"size", 1}});
  part.started_at = at("11:59:00");
  status.step_states = {state("build", StepPhase::Running), part};
  EXPECT_EQ(step_tree(step_lines({{.name = "build"}}, status), kNow, Look::Plain),
            "  STEP          STATE     TOOK    DETAIL\n"
            "  build         Running\n"
            "      build-0   Running   1m00s   {\"size\":1}\n");
}

TEST(RunTree, ARunIsDescribedWhole) {
  auto run = example_run();
  run.status.retry_status.emplace();
  run.status.retry_status->retry_count = 1;
  crds::AttemptRecord record;
  record.step = "load";
  record.attempt = 1;
  record.reason = "Fail";
  record.message = "exit code 1";
  record.start_time = at("11:50:12");
  record.completion_time = at("11:51:00");
  run.status.retry_status->history_build = {record};
  run.spec.max_retry_count = 2;
  api::Event event;
  event.type = "Warning";
  event.reason = "Fail";
  event.note = "step load failed";
  event.event_time.time = at("11:53:04");
  const std::string text = describe_run(run, example_graph(), {event}, kNow, Look::Plain);
  for (const char* want :
       {"Name:         nightly-x1\nNamespace:    team\nPipeline:     nightly (revision "
        "nightly-01)\n",
        "Status:       Fail: step load failed\n",
        "Started:      2026-11-21T11:50:00Z (10m00s ago)\nTook:         3m04s\n",
        "Attempt:      2 of 3\n", "Params:       day=today\n", "Outputs:\n  fetch.rows   =   3\n",
        "Failed attempts:\n  ATTEMPT   STEP   AGO     TOOK   REASON   MESSAGE\n"
        "  1         load   9m00s   48s    Fail     exit code 1\n",
        "Conditions:\n  TYPE        STATUS   REASON   MESSAGE\n"
        "  Succeeded   False    Fail     step load failed\n",
        "Events:\n  AGO     TYPE      REASON   MESSAGE\n"
        "  6m56s   Warning   Fail     step load failed\n"}) {
    EXPECT_NE(text.find(want), std::string::npos) << want << "\nin:\n" << text;
  }
}

TEST(RunTree, APipelineIsDescribedWhole) {
  crds::Pipeline pipeline;
  pipeline.metadata.name = "nightly";
  pipeline.metadata.ns = "team";
  pipeline.spec.params.resize(1);
  pipeline.spec.params[0].name = "day";
  pipeline.spec.strategy.emplace();
  pipeline.spec.strategy->cron_expression = "@daily";
  pipeline.spec.triggers.resize(1);
  pipeline.spec.triggers[0].type = "webhook";
  pipeline.status.schedule.emplace();
  pipeline.status.schedule->next_tick = kNow + std::chrono::hours(12);
  const std::string text =
      describe_pipeline(pipeline, example_graph(), {example_run()}, {}, kNow, Look::Plain);
  for (const char* want : {"Status:       not looked at by the operator yet\n",
                           "Schedule:     @daily (UTC), next 2026-11-22T00:00:00Z (in 12h00m)\n",
                           "Triggers:     webhook POST /webhook/team/nightly\n",
                           "Params:\n  NAME   TYPE     DEFAULT\n  day    string   (required)\n",
                           "    load      container   fetch\n",
                           "Last runs:\n  NAME         STATUS   TOOK\n"
                           "  nightly-x1   Fail     3m04s\n"}) {
    EXPECT_NE(text.find(want), std::string::npos) << want << "\nin:\n" << text;
  }
}

TEST(GetText, ColumnsAreThoseOfKubectl) {
  EXPECT_EQ(table_of(std::vector<crds::PipelineRun>{example_run()}, kNow, {}),
            "NAME         PIPELINE   STATUS   STEPS   RETRIES   STARTED   DURATION\n"
            "nightly-x1   nightly    Fail     -       0         10m00s    3m04s\n");
  EXPECT_EQ(table_of(std::vector<crds::PipelineRun>{}, kNow, {}), "");
  const std::string wide = table_of(std::vector<crds::PipelineRun>{example_run()}, kNow,
                                    {.wide = true, .namespaces = true, .header = false});
  EXPECT_EQ(wide,
            "team   nightly-x1   nightly   Fail   -   0   10m00s   3m04s   nightly-01   step load "
            "failed\n");
}

}  // namespace
}  // namespace millrace::cli
