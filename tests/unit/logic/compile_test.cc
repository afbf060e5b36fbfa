#include "controllers/logic/compile.h"

#include <gtest/gtest.h>

#include "controllers/logic/check.h"
#include "controllers/logic/job_body.h"
#include "controllers/logic/labels.h"
#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using codec::Value;

crds::PipelineSpec spec_of(const std::string& json) {
  auto spec = codec::decode<crds::PipelineSpec>(json);
  EXPECT_TRUE(spec.ok()) << json;
  return *spec;
}

/// A batch spec with the members `more` of batchJob besides input and one output.
std::string batch(const std::string& more = "", const std::string& output = "") {
  return R"({"batchJob":{"input":{"apiServer":{"url":"u"}},"outputs":[)" +
         (output.empty() ? std::string(R"({"name":"o","api":{}})") : output) + "]" + more + "}}";
}

TEST(Compile, PO_2_ArgumentsAndImages) {
  const struct {
    const char* name;
    std::string output;
    std::string want;  // container of the output
  } cases[] = {
      {"sorted by key", R"({"name":"o","ftp":{"topic":"t","bootstrap":"b"}})",
       R"({"image":"img/ftp","imagePullPolicy":"Always","args":["--bootstrap=b","--topic=t"]})"},
      {"custom without its image key", R"({"name":"o","custom":{"image":"me/x:1","a":"1"}})",
       R"({"image":"me/x:1","imagePullPolicy":"Always","args":["--a=1"]})"},
      {"no settings, no args", R"({"name":"o","kafka":{}})",
       R"({"image":"img/kafka","imagePullPolicy":"Always"})"},
      {"as2", R"({"name":"o","as2":{"partner":"ACME"}})",
       R"({"image":"img/as2","imagePullPolicy":"Always","args":["--partner=ACME"]})"},
      {"email", R"({"name":"o","email":{"x":""}})",
       R"({"image":"img/mail","imagePullPolicy":"Always","args":["--x="]})"},
  };
  for (const auto& c : cases) {
    const auto plan = compile(spec_of(batch("", c.output)), full_config());
    ASSERT_TRUE(plan.ok()) << c.name << plan.error().message;
    const auto& step = std::get<PodStep>(plan->nodes.at(0).action);
    EXPECT_EQ(step.containers.back().name, "output--o") << c.name;
    EXPECT_EQ(step.containers.back().container, *Value::parse(c.want)) << c.name;
  }
}

TEST(Compile, PO_1_OrderOfSteps) {
  const auto spec = spec_of(R"({"batchJob":{"input":{"elasticSearch":{}},
      "processors":[{"name":"z","image":"z"},{"name":"a","image":"a"}],
      "outputs":[{"name":"y","api":{}},{"name":"b","ftp":{}}]}})");
  const auto plan = compile(spec, full_config());
  ASSERT_TRUE(plan.ok());
  std::vector<std::string> names;
  for (const auto& c : std::get<PodStep>(plan->nodes.at(0).action).containers) {
    names.push_back(c.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"input", "z", "a", "output--y", "output--b"}));
  EXPECT_EQ(step_names(spec), names);
}

TEST(Compile, OneStepIsEnoughAndOnlyWhatIsWrittenIsAStep) {
  const struct {
    const char* body;
    const char* step;
  } cases[] = {
      {R"({"batchJob":{"input":{"elasticSearch":{}}}})", "input"},
      {R"({"batchJob":{"processors":[{"name":"only","image":"x"}]}})", "only"},
      {R"({"batchJob":{"outputs":[{"name":"o","ftp":{}}]}})", "output--o"},
  };
  for (const auto& c : cases) {
    const auto spec = spec_of(c.body);
    const auto plan = compile(spec, full_config());
    ASSERT_TRUE(plan.ok()) << c.body;
    const auto& step = std::get<PodStep>(plan->nodes.at(0).action);
    ASSERT_EQ(step.containers.size(), 1U) << c.body;
    EXPECT_EQ(step.containers.front().name, c.step);
    EXPECT_EQ(step_names(spec), std::vector<std::string>{c.step});
  }
  const auto none = compile(spec_of(R"({"batchJob":{}})"), full_config());
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("give at least one step"), std::string::npos);
}

TEST(Compile, ResourcesGoToStepsWithoutTheirOwn) {
  const auto plan = compile(spec_of(batch(R"(,"resources":{"limits":{"memory":"1Gi"}},
        "processors":[{"name":"own","image":"x","resources":{"limits":{"memory":"9Gi"}}},
                      {"name":"none","image":"x","resources":{}}])")),
                            full_config());
  ASSERT_TRUE(plan.ok());
  const auto& containers = std::get<PodStep>(plan->nodes.at(0).action).containers;
  const auto memory = [&](std::size_t i) {
    return containers[i].container.at_path({"resources", "limits", "memory"})->as_string();
  };
  EXPECT_EQ(memory(0), "1Gi");
  EXPECT_EQ(memory(1), "9Gi");
  EXPECT_EQ(memory(2), "1Gi");
  EXPECT_EQ(memory(3), "1Gi");
}

TEST(Compile, RefusalsNameTheField) {
  Config no_ftp = full_config();
  no_ftp.adapter_images.output_ftp.clear();
  const struct {
    const char* name;
    std::string spec;
    Config config;
    const char* reason;
    const char* message;  // how it begins
  } cases[] = {
      {"no body", "{}", full_config(), "PipelineInvalid", "spec: give exactly one body"},
      {"two bodies",
       R"({"batchJob":{"input":{"apiServer":{}},"outputs":[]},"streamJob":{"microServices":[]}})",
       full_config(), "PipelineInvalid", "spec: give exactly one body"},
      {"two inputs",
       R"({"batchJob":{"input":{"apiServer":{},"elasticSearch":{}},"outputs":[{"name":"o","api":{}}]}})",
       full_config(), "PipelineInvalid", "spec.batchJob.input: give exactly one of"},
      {"no output kind", batch("", R"({"name":"o"})"), full_config(), "PipelineInvalid",
       "spec.batchJob.outputs[0]: give exactly one of"},
      {"custom without image", batch("", R"({"name":"o","custom":{"a":"b"}})"), full_config(),
       "PipelineInvalid", "spec.batchJob.outputs[0].custom: needs the key image"},
      {"equal names", batch("", R"({"name":"o","api":{}},{"name":"o","ftp":{}})"), full_config(),
       "PipelineInvalid", "spec.batchJob: two steps are named output--o"},
      {"processor without image", batch(R"(,"processors":[{"name":"x"}])"), full_config(),
       "PipelineInvalid", "spec.batchJob.processors[0].image: required"},
      {"image not configured", batch("", R"({"name":"o","api":{}},{"name":"f","ftp":{}})"), no_ftp,
       "AdapterImageMissing",
       "spec.batchJob.outputs[1].ftp: the operator has no image for it; set "
       "adapterImages.outputFtp"},
      {"stream without containers", R"({"streamJob":{"microServices":[{"name":"a","spec":{}}]}})",
       full_config(), "PipelineInvalid", "spec.streamJob.microServices[0].spec.containers"},
  };
  for (const auto& c : cases) {
    const auto plan = compile(spec_of(c.spec), c.config);
    ASSERT_FALSE(plan.ok()) << c.name;
    EXPECT_EQ(plan.error().reason, c.reason) << c.name;
    EXPECT_EQ(plan.error().message.find(c.message), 0u) << c.name << ": " << plan.error().message;
    crds::Pipeline pipeline;
    pipeline.spec = spec_of(c.spec);
    EXPECT_FALSE(check_pipeline(pipeline, {&c.config, {}}).empty())
        << c.name << ": what does not compile is not Ready";
  }
}

TEST(CheckPipeline, NamesEachWrongField) {
  const struct {
    const char* name;
    std::string spec;
    std::vector<std::string> want;  // paths
  } cases[] = {
      {"fine", batch(), {}},
      {"processor named input",
       batch(R"(,"processors":[{"name":"input","image":"x"}])"),
       {"spec.batchJob.processors[0].name"}},
      {"processor named like an output",
       batch(R"(,"processors":[{"name":"output--o","image":"x"}])"),
       {"spec.batchJob.outputs[0].name"}},
      {"upper case",
       batch(R"(,"processors":[{"name":"A","image":"x"}])"),
       {"spec.batchJob.processors[0].name"}},
      {"name too long for a container",
       batch(R"(,"processors":[{"name":")" + std::string(53, 'a') + R"(","image":"x"}])"),
       {"spec.batchJob.processors[0].name"}},
      {"longest output name",
       batch("", R"({"name":")" + std::string(44, 'a') + R"(","api":{}})"),
       {}},
      {"output name too long",
       batch("", R"({"name":")" + std::string(45, 'a') + R"(","api":{}})"),
       {"spec.batchJob.outputs[0].name"}},
      {"probes",
       batch(R"(,"processors":[{"name":"a","image":"x","livenessProbe":{}}])"),
       {"spec.batchJob.processors[0].livenessProbe"}},
      {"unknown volume",
       batch(R"(,"processors":[{"name":"a","image":"x","volumeMounts":[{"name":"v"}]}])"),
       {"spec.batchJob.processors[0].volumeMounts[0].name"}},
      {"workspace needs no declaration",
       batch(R"(,"processors":[{"name":"a","image":"x","volumeMounts":[{"name":"workspace"}]}])"),
       {}},
      {"volume twice",
       batch(R"(,"volumes":[{"name":"v"},{"name":"v"}])"),
       {"spec.batchJob.volumes[1].name"}},
      {"key with =",
       batch("", R"({"name":"o","api":{"a=b":"c"}})"),
       {"spec.batchJob.outputs[0].api"}},
      {"several at once",
       batch(R"(,"processors":[{"name":"a"},{"image":"x"}])"),
       {"spec.batchJob.processors[0].image", "spec.batchJob.processors[1].name"}},
      {"service names",
       R"({"streamJob":{"microServices":[
          {"name":"9a","spec":{"containers":[{"name":"c","image":"i"}]}},
          {"name":"b","spec":{"containers":[{"name":"c","image":"i"},{"name":"c"}],
           "restartPolicy":"Never"}},
          {"name":"b","spec":{"containers":[{"name":"c","image":"i"}]}}]}})",
       {"spec.streamJob.microServices[0].name",
        "spec.streamJob.microServices[1].spec.containers[1].name",
        "spec.streamJob.microServices[1].spec.containers[1].image",
        "spec.streamJob.microServices[1].spec.restartPolicy",
        "spec.streamJob.microServices[2].name"}},
      {"schedule",
       R"({"batchJob":{"input":{"apiServer":{}},"outputs":[{"name":"o","api":{}}]},
           "strategy":{"cronExpression":"0 * * * * *","expire":"2031-02-30 00:00:00",
                       "timeZone":"Mars/Base"}})",
       {"spec.strategy.cronExpression", "spec.strategy.expire", "spec.strategy.timeZone"}},
      {"a schedule gives no params",
       R"({"params":[{"name":"a","default":"x"},{"name":"b"},{"name":"c","type":"integer"}],
           "steps":[{"name":"s","container":{"image":"i"}}],"strategy":{"cronExpression":"0 * * * *"}})",
       {"spec.params[1].default", "spec.params[2].default"}},
      {"a schedule that is suspended may come later",
       R"({"params":[{"name":"a"}],"steps":[{"name":"s","container":{"image":"i"}}],
           "strategy":{"cronExpression":"0 * * * *","suspend":true}})",
       {}},
  };
  const Config config = full_config();
  for (const auto& c : cases) {
    crds::Pipeline pipeline;
    pipeline.spec = spec_of(c.spec);
    const auto errors = check_pipeline(pipeline, {&config, [](const std::string& z) -> std::string {
                                                    return z == "UTC" ? "" : "unknown";
                                                  }});
    std::vector<std::string> got;
    for (const auto& error : errors) got.push_back(error.path);
    EXPECT_EQ(got, c.want) << c.name;
  }
}

TEST(CheckPipeline, ReadyCondition) {
  const Time t = *parse_time("2026-11-21T03:00:00Z");
  const auto good = ready_condition({}, nullptr, 3, nullptr, t);
  EXPECT_EQ(good.status, "True");
  EXPECT_EQ(good.observed_generation, 3);
  const auto bad = ready_condition({{"spec.x", "wrong"}, {"spec.y", "bad"}}, nullptr, 4, &good,
                                   t + std::chrono::seconds(9));
  EXPECT_EQ(bad.status, "False");
  EXPECT_EQ(bad.message, "spec.x: wrong; spec.y: bad");
  EXPECT_EQ(bad.last_transition_time, t + std::chrono::seconds(9));
  const auto still =
      ready_condition({{"spec.x", "wrong"}}, nullptr, 5, &bad, t + std::chrono::seconds(20));
  EXPECT_EQ(still.last_transition_time, bad.last_transition_time);
}

TEST(CheckPipeline, ReadyByWhatTheServerWouldSay) {
  const struct {
    Admission admission;
    const char* status;
    const char* reason;
    const char* message;
    bool bars;
  } cases[] = {
      {{"r", "True", "Accepted", "fine"}, "True", "Valid", "runs can start", false},
      {{"r", "Unknown", "Checking", "asked"}, "True", "Valid", "runs can start", false},
      {{"r", "Unknown", "CheckFailed", "why"}, "True", "Valid", "runs can start; why", false},
      {{"r", "False", "QuotaExceeded", "full"}, "True", "QuotaExceeded", "full", false},
      {{"r", "False", "Refused", "no root"}, "False", "Refused", "no root", false},
  };
  for (const auto& c : cases) {
    const auto got = ready_condition({}, &c.admission, 3, nullptr, Time{});
    EXPECT_EQ(got.status, c.status) << c.admission.reason;
    EXPECT_EQ(got.reason, c.reason) << c.admission.reason;
    EXPECT_EQ(got.message, c.message) << c.admission.reason;
    EXPECT_EQ(bars_runs(got), c.bars) << c.admission.reason;
  }
  // What is wrong with the spec itself comes first, and bars runs.
  const auto wrong = ready_condition({{"spec.x", "wrong"}}, nullptr, 3, nullptr, Time{});
  EXPECT_TRUE(bars_runs(wrong));
}

TEST(CheckRun, Limits) {
  const struct {
    const char* name;
    const char* spec;
    std::size_t errors;
  } cases[] = {{"fine", R"({"refPipeline":"p","timeout":"24h"})", 0},
               {"no pipeline", R"({})", 1},
               {"PO_9 above 24h", R"({"refPipeline":"p","timeout":"24h1s"})", 1},
               {"negative", R"({"refPipeline":"p","timeout":"-1s","maxRetryCount":-1})", 2}};
  for (const auto& c : cases) {
    crds::PipelineRun run;
    run.spec = *codec::decode<crds::PipelineRunSpec>(c.spec);
    EXPECT_EQ(check_run(run).size(), c.errors) << c.name;
  }
}

/// The Job that a run of the batch spec `spec` gets.
Value job_of(const std::string& spec, const std::string& run_spec = "",
             const std::string& run_name = "r") {
  World w;
  w.put(R"({"kind":"Pipeline","metadata":{"name":"p","labels":{"team":"retail"},
      "annotations":{"note":"copied","kubectl.kubernetes.io/last-applied-configuration":"{}"}},
      "spec":)" +
        spec + "}");
  w.put(batch_run(run_spec, run_name));
  w.settle();
  return *w.find("Job", w.names("Job").at(0));
}

TEST(JobBody, PO_3_LabelsAndOwner) {
  const Value job = job_of(batch());
  const std::string name = job.at_path({"metadata", "name"})->as_string();
  for (const Value* labels : {job.at_path({"metadata", "labels"}),
                              job.at_path({"spec", "template", "metadata", "labels"})}) {
    EXPECT_EQ(labels->find("pipeline")->as_string(), "p");
    EXPECT_EQ(labels->find("pipeline-run")->as_string(), "r");
    EXPECT_EQ(labels->find("k8s-app")->as_string(), name);
    EXPECT_EQ(labels->find("team")->as_string(), "retail");
    EXPECT_EQ(labels->find(kRunLabel)->as_string(), "r");
    EXPECT_EQ(labels->find(kStepLabel)->as_string(), "batch");
    EXPECT_EQ(labels->find(kAttemptLabel)->as_string(), "1");
  }
  const Value& owner = job.at_path({"metadata", "ownerReferences"})->items().at(0);
  EXPECT_EQ(owner.find("kind")->as_string(), "PipelineRun");
  EXPECT_EQ(owner.find("controller")->as_bool(), true);
  const Value* annotations = job.at_path({"metadata", "annotations"});
  EXPECT_EQ(annotations->find("note")->as_string(), "copied");
  EXPECT_EQ(annotations->find("kubectl.kubernetes.io/last-applied-configuration"), nullptr);
  EXPECT_NE(annotations->find(kRevisionAnnotation), nullptr);
  EXPECT_EQ(job.at_path({"spec", "managedBy"})->as_string(), kJobController);
  EXPECT_EQ(job.at_path({"spec", "backoffLimit"})->as_int(9), 0);
  EXPECT_EQ(job.at_path({"spec", "template", "spec", "restartPolicy"})->as_string(), "Never");
  EXPECT_EQ(job.at_path({"spec", "activeDeadlineSeconds"}), nullptr);
}

TEST(JobBody, LongRunNamesAreKeptInAnAnnotation) {
  const std::string name(100, 'n');
  const Value job = job_of(batch(), "", name);
  EXPECT_LE(job.at_path({"metadata", "labels", kRunLabel})->as_string().size(), 63u);
  EXPECT_EQ(job.at_path({"metadata", "annotations", kRunAnnotation})->as_string(), name);
}

TEST(JobBody, PO_16_EverythingReachesThePod) {
  const Value job = job_of(
      batch(R"(,"volumes":[{"name":"rules","configMap":{"name":"c"}}],"serviceAccountName":"sa",
      "nodeSelector":{"disk":"ssd"},"affinity":{"nodeAffinity":{}},
      "resources":{"requests":{"cpu":"1"}},
      "processors":[{"name":"x","image":"i","command":["/x"],"env":[{"name":"A","value":"b"}],
                     "volumeMounts":[{"name":"rules","mountPath":"/rules"}]}])"));
  const Value& pod = *job.at_path({"spec", "template", "spec"});
  EXPECT_EQ(pod.find("serviceAccountName")->as_string(), "sa");
  EXPECT_EQ(pod.at_path({"nodeSelector", "disk"})->as_string(), "ssd");
  EXPECT_NE(pod.at_path({"affinity", "nodeAffinity"}), nullptr);
  EXPECT_EQ(*pod.find("volumes"), *Value::parse(R"([{"name":"rules","configMap":{"name":"c"}},
      {"name":"home","emptyDir":{}},{"name":"workspace","emptyDir":{}}])"));
  ASSERT_EQ(pod.find("initContainers")->items().size(), 2u);
  ASSERT_EQ(pod.find("containers")->items().size(), 1u);
  EXPECT_EQ(pod.find("initContainers")->items()[1], *Value::parse(R"({"name":"build-step-x",
      "image":"i","command":["/x"],"workingDir":"/workspace",
      "env":[{"name":"HOME","value":"/builder/home"},{"name":"A","value":"b"}],
      "resources":{"requests":{"cpu":"1"}},
      "volumeMounts":[{"name":"rules","mountPath":"/rules"},
                      {"name":"home","mountPath":"/builder/home"},
                      {"name":"workspace","mountPath":"/workspace"}]})"));
}

TEST(JobBody, ThePipelinesOwnSettingsWin) {
  const Value job =
      job_of(batch(R"(,"volumes":[{"name":"workspace","persistentVolumeClaim":{"claimName":"c"}}],
      "serviceAccountName":"sa",
      "processors":[{"name":"x","image":"i","workingDir":"/w","env":[{"name":"HOME","value":"/h"}],
                     "volumeMounts":[{"name":"other","mountPath":"/workspace"}]}])"),
             R"(,"serviceAccountName":"mine")");
  const Value& pod = *job.at_path({"spec", "template", "spec"});
  EXPECT_EQ(pod.find("serviceAccountName")->as_string(), "mine") << "the run's overrides";
  EXPECT_EQ(pod.find("volumes")->items().size(), 2u) << "their workspace takes the place of ours";
  const Value& x = pod.find("initContainers")->items().at(1);
  EXPECT_EQ(x.find("workingDir")->as_string(), "/w");
  EXPECT_EQ(x.find("env")->items().size(), 1u);
  EXPECT_EQ(x.find("volumeMounts")->items().size(), 2u);
}

TEST(Revision, ChangesWithWhatRunsDependOn) {
  World w;
  w.put(kBatchPipeline);
  const auto pipeline = w.get<crds::Pipeline>("p");
  const std::string before = freeze(pipeline).name;
  auto schedule = pipeline;
  schedule.spec.strategy.emplace().cron_expression = "@daily";
  EXPECT_EQ(freeze(schedule).name, before) << "a schedule is not part of it";
  auto label = pipeline;
  label.metadata.labels["team"] = "other";
  EXPECT_NE(freeze(label).name, before);
  auto spec = pipeline;
  spec.spec.batch_job->outputs[0].name = "other";
  EXPECT_NE(freeze(spec).name, before);
  auto reborn = pipeline;
  reborn.metadata.uid = "another";
  EXPECT_NE(freeze(reborn).name, before);
  const Action create = create_revision(pipeline, freeze(pipeline));
  const auto object = codec::decode<api::ControllerRevision>(create.body.dump());
  EXPECT_EQ(*read_revision(*object), freeze(pipeline));
  EXPECT_EQ(create.owner_uid, pipeline.metadata.uid);
}

}  // namespace
}  // namespace millrace::logic
