#include "controllers/logic/pipeline.h"

#include <gtest/gtest.h>

#include "controllers/logic/outcome.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;

constexpr const char* kBatch = R"({"metadata":{"name":"p","namespace":"n","uid":"pu",
  "resourceVersion":"7","generation":3},"spec":{"batchJob":{"input":{"apiServer":{"a":"b"}},
  "outputs":[{"name":"o","custom":{"image":"i"}}]}}})";

/// One Pipeline and all that a plan of it sees; `plan` looks, `apply` does what the plan says.
struct Scene {
  explicit Scene(const char* json = kBatch) {
    auto decoded = codec::decode<crds::Pipeline>(json);
    EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message);
    pipeline = *std::move(decoded);
    config.adapter_images.input_api_server = "adapter";
  }

  PipelinePlan plan() {
    current = freeze(pipeline);
    PipelineInput input;
    input.now = now;
    input.pipeline = &pipeline;
    input.current = &current;
    for (const auto& run : runs) input.runs.push_back(&run);
    for (const auto& revision : revisions) input.revisions.push_back(&revision);
    input.zone_error = zone_error;
    if (zone_error.empty()) input.zone = TimeZone();
    input.config = config;
    input.usage_changed = usage_changed;
    input.admission = admission;
    return plan_pipeline(input);
  }

  /// Plan and do it, as the shell would, until nothing is left to do at this moment.
  void settle() {
    for (int round = 0; round < 10; ++round) {
      const PipelinePlan next = plan();
      if (next.usage_differs && !next.status) usage_changed = usage_changed.value_or(now);
      if (!next.usage_differs || next.status) usage_changed.reset();
      if (next.before.empty() && !next.status && next.after.empty()) return;
      for (const Action& action : next.before) apply(action);
      if (next.status) pipeline.status = *next.status;
      for (const auto& step : next.after) apply(step.action);
    }
    ADD_FAILURE() << "the plan never comes to rest";
  }

  void apply(const Action& action) {
    if (action.verb == Action::Verb::Create && action.resource.kind == "ControllerRevision") {
      api::ControllerRevision revision;
      revision.metadata.name = action.key.name;
      revisions.push_back(revision);
    }
    if (action.verb == Action::Verb::Create && action.resource.kind == "PipelineRun") {
      auto run = codec::decode<crds::PipelineRun>(action.body.dump());
      ASSERT_TRUE(run.ok());
      run->metadata.uid = "uid-of-" + action.key.name;
      run->metadata.creation_timestamp = now;
      runs.push_back(*run);
    }
    if (action.verb == Action::Verb::Delete) {
      std::erase_if(runs, [&](const auto& run) { return run.metadata.uid == action.uid; });
      std::erase_if(revisions, [&](const auto& r) { return r.metadata.name == action.key.name; });
    }
  }

  crds::PipelineRun& add_run(const std::string& name) {
    crds::PipelineRun run;
    run.metadata.name = name;
    run.metadata.ns = "n";
    run.metadata.uid = name + "-uid";
    run.metadata.creation_timestamp = now;
    run.spec.ref_pipeline = "p";
    runs.push_back(run);
    return runs.back();
  }

  void end_run(crds::PipelineRun& run) const {
    run.status.conditions = {{"Completed", "True", "Succeeded", "", now, 1},
                             {"Succeeded", "True", "Succeeded", "", now, 1}};
  }

  crds::Pipeline pipeline;
  Revision current;
  std::vector<crds::PipelineRun> runs;
  std::vector<api::ControllerRevision> revisions;
  Config config;
  std::string zone_error;
  std::optional<Time> usage_changed;
  std::optional<Admission> admission;
  Time now{1'800'000'000s};
};

const api::Condition& ready(const Scene& scene) {
  return *api::find_condition(scene.pipeline.status.conditions, "Ready");
}

TEST(PlanPipeline, ANewPipelineGetsItsRevisionAndIsReady) {
  Scene scene;
  const PipelinePlan first = scene.plan();
  ASSERT_EQ(first.before.size(), 1u);
  EXPECT_EQ(first.before[0].resource.kind, "ControllerRevision");
  EXPECT_EQ(first.before[0].owner_uid, "pu");
  ASSERT_TRUE(first.status.has_value());
  EXPECT_EQ(first.status->revision, scene.current.name);
  EXPECT_EQ(first.status->observed_generation, 3);
  EXPECT_EQ(first.notes.size(), 1u);
  scene.settle();
  EXPECT_EQ(ready(scene).status, "True");
  EXPECT_EQ(scene.pipeline.status.idle, true);
  // At rest there is nothing to write and nothing to wait for.
  const PipelinePlan rest = scene.plan();
  EXPECT_TRUE(rest.before.empty() && rest.after.empty() && !rest.status && !rest.recheck);
}

const api::Condition* admitted(const Scene& scene) {
  return api::find_condition(scene.pipeline.status.conditions, "Admitted");
}

TEST(PlanPipeline, ReadyComesFirstAndTheTrialAfterwards) {
  Scene scene;
  EXPECT_EQ(scene.plan().trial, Duration::zero());
  scene.settle();
  EXPECT_EQ(ready(scene).status, "True");
  EXPECT_EQ(admitted(scene)->reason, "Checking");
  EXPECT_EQ(scene.plan().trial, Duration::zero());  // until there is an answer
  scene.admission = Admission{scene.current.name, "False", "Refused", "no root"};
  const PipelinePlan refused = scene.plan();
  ASSERT_EQ(refused.notes.size(), 1U);
  EXPECT_EQ(refused.notes[0].type, Note::Type::Warning);
  EXPECT_EQ(refused.notes[0].reason, "Refused");
  scene.settle();
  EXPECT_EQ(ready(scene).status, "False");
  EXPECT_EQ(ready(scene).reason, "Refused");
  EXPECT_EQ(ready(scene).message, "no root");
  EXPECT_EQ(scene.pipeline.status.revision, scene.current.name);  // runs start all the same
  EXPECT_EQ(scene.plan().trial, kFirstRetrial);
  scene.admission = Admission{scene.current.name, "True", "Accepted", "fine"};
  scene.settle();
  EXPECT_EQ(ready(scene).status, "True");
  EXPECT_FALSE(scene.plan().trial.has_value());
}

TEST(PlanPipeline, WhatWasTriedIsNotTriedAgainAfterARestart) {
  const struct {
    const char* status;
    const char* reason;
    std::optional<Duration> trial;
  } cases[] = {{"True", "Accepted", std::nullopt},
               {"Unknown", "NotChecked", std::nullopt},
               {"Unknown", "CheckFailed", kFirstRetrial},
               {"False", "Refused", kFirstRetrial},
               {"Unknown", "Checking", Duration::zero()}};
  for (const auto& c : cases) {
    Scene scene;
    scene.plan();
    scene.admission = Admission{scene.current.name, c.status, c.reason, "words"};
    scene.settle();
    scene.admission.reset();
    const PipelinePlan plan = scene.plan();
    EXPECT_EQ(plan.trial, c.trial) << c.reason;
    if (std::string(c.reason) == "Checking") continue;
    EXPECT_FALSE(plan.status.has_value()) << c.reason;
  }
}

TEST(PlanPipeline, AChangeOfWhatRunsIsTriedAndAChangeOfTheScheduleIsNot) {
  Scene scene;
  scene.plan();
  scene.admission = Admission{scene.current.name, "True", "Accepted", "fine"};
  scene.settle();
  scene.pipeline.metadata.generation = 4;
  scene.pipeline.spec.strategy = *codec::decode<crds::Strategy>(R"({"cronExpression":"@daily"})");
  scene.settle();
  EXPECT_FALSE(scene.plan().trial.has_value());
  EXPECT_EQ(admitted(scene)->reason, "Accepted");
  EXPECT_EQ(admitted(scene)->observed_generation, 4);
  // Labels reach the pods, and change no generation.
  scene.pipeline.metadata.labels["team"] = "blue";
  EXPECT_EQ(scene.plan().trial, Duration::zero());
  scene.settle();
  EXPECT_EQ(admitted(scene)->reason, "Checking");
}

TEST(PlanPipeline, AWrongSpecIsNotTried) {
  Scene scene;
  scene.plan();
  scene.admission = Admission{scene.current.name, "True", "Accepted", "fine"};
  scene.settle();
  scene.config = {};
  scene.settle();
  EXPECT_EQ(ready(scene).reason, "AdapterImageMissing");
  EXPECT_EQ(admitted(scene), nullptr);
  EXPECT_FALSE(scene.plan().trial.has_value());
}

TEST(PlanPipeline, MistakesAreNamedWithTheirField) {
  const struct {
    const char* name;
    const char* strategy;
    bool image;
    bool zone;
    const char* reason;
    const char* text;
  } cases[] = {
      {"image", "", false, true, "AdapterImageMissing", "adapterImages.inputApiServer"},
      {"cron", R"({"cronExpression":"61 * * * *"})", true, true, "Invalid",
       "spec.strategy.cronExpression"},
      {"zone", R"({"cronExpression":"@daily","timeZone":"Mars/Olympus"})", true, false, "Invalid",
       "spec.strategy.timeZone"},
      {"expire", R"({"expire":"2026-02-30 00:00:00"})", true, true, "Invalid",
       "spec.strategy.expire"},
  };
  for (const auto& c : cases) {
    Scene scene;
    if (!c.image) scene.config = {};
    if (!c.zone) scene.zone_error = "there is no such zone";
    if (*c.strategy != '\0') {
      scene.pipeline.spec.strategy = *codec::decode<crds::Strategy>(c.strategy);
    }
    scene.settle();
    EXPECT_EQ(ready(scene).status, "False") << c.name;
    EXPECT_EQ(ready(scene).reason, c.reason) << c.name << ": " << ready(scene).message;
    EXPECT_NE(ready(scene).message.find(c.text), std::string::npos)
        << c.name << ": " << ready(scene).message;
    EXPECT_TRUE(scene.runs.empty()) << c.name;
  }
}

TEST(PlanPipeline, ShortRunsCauseNoWrite) {
  Scene scene;
  scene.settle();
  scene.add_run("r");
  PipelinePlan plan = scene.plan();
  EXPECT_FALSE(plan.status.has_value());
  EXPECT_TRUE(plan.usage_differs);
  EXPECT_EQ(plan.recheck, kUsageDelay);
  {
    Scene back = scene;  // the clock is set back before the time is up
    back.usage_changed = back.now;
    back.now -= 36min;
    EXPECT_TRUE(back.plan().status.has_value()) << "not 36 minutes later";
  }
  scene.settle();
  scene.now += 5s;
  scene.end_run(scene.runs[0]);
  plan = scene.plan();
  EXPECT_FALSE(plan.status.has_value());
  EXPECT_FALSE(plan.usage_differs);
}

TEST(PlanPipeline, LongRunsAreListed) {
  Scene scene;
  scene.settle();
  scene.add_run("r");
  scene.settle();
  scene.now += 10s;
  scene.settle();
  EXPECT_EQ(scene.pipeline.status.idle, false);
  ASSERT_EQ(scene.pipeline.status.used_pipeline_run.size(), 1u);
  EXPECT_EQ(scene.pipeline.status.used_pipeline_run[0].pipeline_run, "r");
}

TEST(PlanPipeline, ATickIsClaimedThenCreatedThenRecorded) {
  Scene scene;
  scene.pipeline.spec.strategy =
      *codec::decode<crds::Strategy>(R"({"cronExpression":"@every 60s"})");
  scene.settle();
  EXPECT_EQ(scene.plan().recheck, Duration(60s));
  scene.now += 60s;
  const PipelinePlan plan = scene.plan();
  ASSERT_TRUE(plan.status && plan.status->schedule);
  EXPECT_EQ(plan.status->schedule->ticks.back().outcome, crds::TickOutcome::Claimed);
  ASSERT_EQ(plan.after.size(), 1u);
  const Action& create = plan.after[0].action;
  EXPECT_EQ(plan.after[0].tick, scene.now);
  EXPECT_EQ(create.key.name, scheduled_run_name("p", scene.now));
  EXPECT_EQ(create.owner_uid, "pu");
  EXPECT_EQ(create.body.at_path({"spec", "refPipeline"})->as_string(), "p");
  scene.settle();
  const crds::TickRecord& record = scene.pipeline.status.schedule->ticks.back();
  EXPECT_EQ(record.outcome, crds::TickOutcome::Created);
  EXPECT_EQ(record.uid, "uid-of-" + create.key.name);
  EXPECT_EQ(scene.runs.size(), 1u);
}

TEST(PlanPipeline, AScheduleSurvivesAZoneThatIsMissingForAWhile) {
  Scene scene;
  scene.pipeline.spec.strategy = *codec::decode<crds::Strategy>(
      R"({"cronExpression":"@every 60s","timeZone":"Europe/Berlin","catchUp":"All"})");
  scene.settle();
  const auto anchor = scene.pipeline.status.schedule->anchor;
  scene.zone_error = "no such time zone";
  scene.now += 90s;
  scene.settle();
  EXPECT_TRUE(scene.runs.empty());
  EXPECT_EQ(ready(scene).status, "False");
  scene.zone_error.clear();
  scene.now += 40s;
  scene.settle();
  EXPECT_EQ(scene.pipeline.status.schedule->anchor, anchor);
  EXPECT_EQ(scene.runs.size(), 2u) << "the tick of that time is made up for";
}

TEST(PlanPipeline, AGraphHasASchedule) {
  Scene scene(R"({"metadata":{"name":"p","namespace":"n","uid":"pu","resourceVersion":"7"},
    "spec":{"steps":[{"name":"a","http":{"url":"https://a.example"}}],
    "strategy":{"cronExpression":"@every 60s"}}})");
  scene.settle();
  scene.now += 60s;
  scene.settle();
  EXPECT_EQ(scene.runs.size(), 1u);
}

TEST(PlanPipeline, ARefusedTickIsRecorded) {
  Scene scene;
  scene.pipeline.spec.strategy =
      *codec::decode<crds::Strategy>(R"({"cronExpression":"@every 60s"})");
  scene.settle();
  scene.now += 60s;
  const PipelinePlan plan = scene.plan();
  ASSERT_TRUE(plan.status.has_value());
  scene.pipeline.status = *plan.status;
  scene.pipeline.status = refuse_tick(scene.pipeline, scene.now);
  EXPECT_EQ(scene.pipeline.status.schedule->ticks.back().reason, skip::kRefused);
  EXPECT_TRUE(scene.plan().after.empty());
}

TEST(PlanPipeline, PO_13_AStreamHasNoSchedule) {
  Scene scene(R"({"metadata":{"name":"p","namespace":"n","uid":"pu","resourceVersion":"7"},
    "spec":{"streamJob":{"microServices":[{"name":"a","spec":{"containers":[{"name":"c","image":"i"}]}}]},
    "strategy":{"cronExpression":"@every 5m"}}})");
  scene.settle();
  scene.now += 1h;
  scene.settle();
  EXPECT_TRUE(scene.runs.empty());
  EXPECT_FALSE(scene.pipeline.status.schedule.has_value());
}

TEST(PlanPipeline, OldRevisionsGoWhenNoRunNeedsThem) {
  Scene scene;
  scene.settle();
  for (int i = 0; i < 14; ++i) {
    api::ControllerRevision revision;
    revision.metadata.name = "old-" + std::to_string(100 + i);
    revision.revision = i;
    scene.revisions.push_back(revision);
  }
  crds::PipelineRun& user = scene.add_run("user");
  user.status.pipeline_revision = "old-100";
  crds::PipelineRun& undecided = scene.add_run("undecided");
  EXPECT_TRUE(scene.plan().before.empty());  // it may be about to use any of them
  scene.end_run(undecided);
  std::vector<std::string> deleted;
  for (const Action& action : scene.plan().before) deleted.push_back(action.key.name);
  EXPECT_EQ(deleted, (std::vector<std::string>{"old-101", "old-102", "old-103"}));
}

TEST(PlanPipeline, DeletionTakesForeignFinalizersOffAndNothingElse) {
  Scene scene;
  scene.pipeline.metadata.deletion_timestamp = scene.now;
  scene.pipeline.metadata.finalizers = {"finalizer.ljchen.net", "foregroundDeletion"};
  const PipelinePlan plan = scene.plan();
  ASSERT_EQ(plan.before.size(), 1u);
  EXPECT_EQ(plan.before[0].body.at_path({"metadata", "finalizers"})->dump(),
            R"(["foregroundDeletion"])");
  EXPECT_FALSE(plan.status || !plan.after.empty());
  scene.pipeline.metadata.finalizers = {"foregroundDeletion"};
  EXPECT_TRUE(scene.plan().before.empty());
}

TEST(SetEnd, DurationsBelowASecondAreSaidAsSuch) {
  const Time start{1'800'000'000s};
  const struct {
    Duration took;
    const char* want;
  } cases[] = {{40ms, "<1s"}, {999ms, "<1s"}, {1s, "1s"}, {200s, "3m20s"}, {-5s, "<1s"}};
  for (const auto& c : cases) {
    crds::PipelineRunStatus status;
    status.start_time = start;
    set_end(status, start + std::chrono::duration_cast<Time::duration>(c.took));
    EXPECT_EQ(status.duration, c.want);
    EXPECT_GE(status.completion_time, status.start_time);
  }
}

}  // namespace
}  // namespace millrace::logic
