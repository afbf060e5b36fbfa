#include "operator/cli/cluster_commands.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"
#include "operator/cli/log_text.h"
#include "tests/unit/cli/command_line.h"

namespace millrace::cli {
namespace {

constexpr const char* kPipeline =
    R"({"apiVersion":"millrace.dev/v1","kind":"Pipeline","metadata":{"name":"nightly","namespace":"default","uid":"u1"},
        "spec":{"params":[{"name":"day","type":"string"},{"name":"tries","type":"integer","default":1}],
                "batchJob":{"processors":[{"name":"fetch","image":"i"},{"name":"load","image":"i"}]}}})";

std::string run_json(const std::string& name, const std::string& more_spec,
                     const std::string& status) {
  return R"({"apiVersion":"millrace.dev/v1","kind":"PipelineRun","metadata":{"name":")" + name +
         R"(","namespace":"default","uid":"u2","resourceVersion":"9"},"spec":{"refPipeline":"nightly")" +
         more_spec + R"(},"status":)" + status + "}";
}

constexpr const char* kFailed =
    R"({"conditions":[{"type":"Completed","status":"True"},{"type":"Succeeded","status":"False","reason":"Fail"}],
        "cluster":{"buildName":"job-2"},
        "retryStatus":{"retryCount":1,"historyBuild":[{"attempt":1,"buildName":"job-1"}]},
        "stepStates":[{"name":"fetch","state":"Succeeded","attempt":2,"podName":"pod"},
                      {"name":"load","state":"Failed","attempt":2,"podName":"pod","exitCode":3}]})";

class Commands : public testing::Test {
 protected:
  Commands() {
    server_.add(kPipeline);
    server_.add(run_json("bad", "", kFailed));
    server_.add(
        run_json("going", "",
                 R"({"conditions":[{"type":"Succeeded","status":"Unknown","reason":"Running"}],
                             "stepStates":[{"name":"fetch","state":"Running","podName":"p2"}]})"));
    server_.logs["pod/build-step-fetch"] = "one\ntwo\n";
    server_.logs["pod/build-step-load"] = "three";
  }

  Outcome line(const std::vector<std::string>& words) {
    World world{.files = files_};
    world.now = parse_time("2026-11-21T12:00:00Z").value();
    world.cluster = &server_;
    return run_line(words, world);
  }

  FakeServer server_;
  std::map<std::string, std::string> files_;
};

TEST_F(Commands, WrongLinesAreRefusedBeforeAnyConnection) {
  const struct {
    const char* name;
    std::vector<std::string> words;
    const char* want;
  } cases[] = {
      {"no pipeline", {"start"}, "give one PIPELINE"},
      {"two pipelines", {"start", "a", "b"}, "give one PIPELINE"},
      {"two ways to print", {"start", "a", "--follow", "-o", "name"}, "cannot be had together"},
      {"a format that is none", {"get", "-o", "xml"}, "--output"},
      {"a kind that is none", {"get", "pods", "x"}, "neither runs nor pipelines"},
      {"watch of yaml", {"get", "-w", "-o", "yaml"}, "--watch shows a table only"},
      {"one of all", {"get", "runs", "x", "-A"}, "leave --all-namespaces out"},
      {"no run", {"describe"}, "give one RUN or PIPELINE"},
      {"a kind to describe that is none", {"describe", "pod/x"}, "neither run nor pipeline"},
      {"logs of nothing", {"logs"}, "give one RUN"},
      {"a since that is none", {"logs", "r", "--since", "soon"}, "such as 5m"},
      {"an attempt of none", {"logs", "r", "--attempt", "0"}, "--attempt"},
      {"why of nothing", {"why"}, "give one RUN"},
      {"cancel of nothing", {"cancel"}, "give at least one RUN"},
      {"retry of two", {"retry", "a", "b"}, "give one RUN"},
      {"approve of nothing", {"approve"}, "give one RUN"},
      {"import of nothing", {"import"}, "give one FILE"},
      {"an empty name", {"describe", ""}, "an argument is empty"},
  };
  for (const auto& c : cases) {
    const Outcome got = line(c.words);
    EXPECT_EQ(got.code, kUsage) << c.name << got.err;
    EXPECT_NE(got.err.find(c.want), std::string::npos) << c.name << ": " << got.err;
    EXPECT_FALSE(server_.connected) << c.name;
  }
}

TEST_F(Commands, WithoutAKubeconfigTheyFail) {
  const Outcome got = run_line({"get"});
  EXPECT_EQ(got.code, kFailure);
  EXPECT_EQ(got.err, "millrace get: no kubeconfig\n");
}

TEST_F(Commands, FlagsChooseTheCluster) {
  line({"get", "-n", "team", "--context", "c", "--kubeconfig", "k"});
  EXPECT_EQ(server_.choice, (ClusterChoice{"k", "c", "team"}));
}

TEST_F(Commands, StartCreatesARunWithTypedParams) {
  files_["p.yaml"] = "day: file\ntries: 2\n";
  const Outcome got =
      line({"start", "nightly", "--params-file", "p.yaml", "-p", "tries=3", "--retries", "1"});
  EXPECT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.out,
            "nightly-abcde started; see how it goes with: millrace logs -f nightly-abcde\n");
  ASSERT_EQ(server_.changes.size(), 1U);
  EXPECT_EQ(codec::Value::parse(server_.changes[0].body).value(),
            codec::Value::parse(R"({"apiVersion":"millrace.dev/v1","kind":"PipelineRun",
                "metadata":{"namespace":"default","generateName":"nightly-"},
                "spec":{"refPipeline":"nightly","params":{"day":"file","tries":3},"maxRetryCount":1}})")
                .value());
}

TEST_F(Commands, StartNamesTheRunAndPrintsIt) {
  EXPECT_EQ(line({"start", "nightly", "-p", "day=x", "--name", "mine", "-o", "name"}).out,
            "pipelinerun.millrace.dev/mine\n");
  const Outcome yaml = line({"start", "nightly", "-p", "day=x", "-o", "yaml"});
  EXPECT_NE(yaml.out.find("\n  refPipeline: nightly\n"), std::string::npos) << yaml.out;
}

TEST_F(Commands, StartRefusesWrongParamsAndCreatesNothing) {
  const Outcome got = line({"start", "nightly", "-p", "m=1"});
  EXPECT_EQ(got.code, kFailure);
  EXPECT_NE(got.err.find("param m: the pipeline has no such param"), std::string::npos) << got.err;
  EXPECT_NE(got.err.find("param day: is required"), std::string::npos) << got.err;
  EXPECT_TRUE(server_.changes.empty());
}

TEST_F(Commands, StartOfAnUnknownPipelineSaysWhatThereIs) {
  EXPECT_NE(line({"start", "nightyl"}).err.find("did you mean nightly?"), std::string::npos);
  EXPECT_NE(line({"start", "x"}).err.find("there are: nightly"), std::string::npos);
}

TEST_F(Commands, NamesOfCommandsMayBeNamesOfPipelines) {
  for (const char* name : {"import", "get", "local", "start"}) {
    EXPECT_NE(line({"start", name}).err.find("there are: nightly"), std::string::npos) << name;
  }
}

TEST_F(Commands, StartFollows) {
  EXPECT_EQ(line({"start", "nightly", "-p", "day=x", "-f"}).code, 0);
  EXPECT_EQ(server_.followed, std::vector<std::string>{"nightly-abcde"});
  EXPECT_FALSE(server_.follow_options.logs_only);
}

TEST_F(Commands, GetListsRunsAndPipelines) {
  const Outcome runs = line({"get"});
  EXPECT_EQ(runs.out,
            "NAME    PIPELINE   STATUS    STEPS   RETRIES   STARTED   DURATION\n"
            "bad     nightly    Fail      -       1         -         -\n"
            "going   nightly    Running   -       0         -         -\n");
  EXPECT_NE(line({"get", "pl"}).out.find("nightly"), std::string::npos);
  EXPECT_EQ(line({"get", "runs", "-o", "name"}).out,
            "pipelinerun.millrace.dev/bad\npipelinerun.millrace.dev/going\n");
  const Outcome one = line({"get", "runs", "bad", "-o", "json"});
  EXPECT_NE(one.out.find("\"name\": \"bad\""), std::string::npos) << one.out;
  EXPECT_NE(line({"get", "-o", "yaml"}).out.find("kind: List"), std::string::npos);
  const Outcome none = line({"get", "-n", "empty"});
  EXPECT_EQ(none.err, "no runs found in namespace empty\n");
  EXPECT_EQ(line({"get", "runs", "bda"}).code, kFailure);
}

TEST_F(Commands, DescribeFindsRunAndPipelineByName) {
  EXPECT_NE(line({"describe", "bad"}).out.find("load    Failed"), std::string::npos);
  EXPECT_NE(line({"describe", "nightly"}).out.find("Last runs:"), std::string::npos);
  EXPECT_EQ(line({"describe", "pipeline/bad"}).code, kFailure);
  EXPECT_EQ(line({"describe", "run", "bad"}).code, 0);
  const Outcome none = line({"describe", "zzz"});
  EXPECT_EQ(none.code, kFailure);
  EXPECT_NE(none.err.find("and no such pipeline"), std::string::npos) << none.err;
}

TEST_F(Commands, LogsOfAllStepsStandBehindTheirNames) {
  const Outcome got = line({"logs", "bad"});
  EXPECT_EQ(got.out, "[fetch] one\n[fetch] two\n[load] three\n");
  EXPECT_EQ(got.err, "");
}

TEST_F(Commands, LogsOfOneStepStandAlone) {
  const Outcome got = line({"logs", "bad", "load", "--tail", "5", "--since", "1m", "--timestamps"});
  EXPECT_EQ(got.out, "three\n");
  ASSERT_EQ(server_.log_options.size(), 1U);
  EXPECT_EQ(server_.log_options[0].tail_lines, 5);
  EXPECT_EQ(server_.log_options[0].since_seconds, 60);
  EXPECT_TRUE(server_.log_options[0].timestamps);
}

TEST_F(Commands, MissingLogsSayWhy) {
  const Outcome gone = line({"logs", "going"});
  EXPECT_NE(gone.err.find("step fetch: its pod p2 is gone"), std::string::npos) << gone.err;
  EXPECT_NE(gone.err.find("step load: has not started"), std::string::npos) << gone.err;
  EXPECT_EQ(line({"logs", "going", "fetch"}).code, kFailure);
  EXPECT_NE(line({"logs", "bad", "laod"}).err.find("did you mean load?"), std::string::npos);
  EXPECT_NE(line({"logs", "bad", "load", "--attempt", "1"}).err.find("(Job job-1) is gone"),
            std::string::npos);
  EXPECT_NE(line({"logs", "bad", "load", "--attempt", "7"}).err.find("there was no attempt 7"),
            std::string::npos);
}

TEST_F(Commands, LogsOfAnEarlierAttemptComeFromItsJob) {
  server_.add(R"({"kind":"Pod","metadata":{"name":"old","namespace":"default"}})");
  server_.logs["old/build-step-load"] = "first try\n";
  EXPECT_EQ(line({"logs", "bad", "load", "--attempt", "1"}).out, "first try\n");
}

TEST_F(Commands, LogsFollow) {
  EXPECT_EQ(line({"logs", "-f", "bad", "load"}).code, 0);
  EXPECT_TRUE(server_.follow_options.logs_only);
  EXPECT_EQ(server_.follow_options.step, "load");
}

TEST_F(Commands, WhyKnowsItsSteps) {
  EXPECT_NE(line({"why", "going"}).out.find("load"), std::string::npos);
  EXPECT_EQ(line({"why", "going", "nope"}).code, kFailure);
}

TEST_F(Commands, CancelPatchesWhatGoesOn) {
  const Outcome got = line({"cancel", "bad", "going", "zz"});
  EXPECT_EQ(got.code, kFailure);
  EXPECT_EQ(got.out, "bad has ended already\ngoing is being cancelled\n");
  ASSERT_EQ(server_.changes.size(), 1U);
  EXPECT_EQ(server_.changes[0].what, "pipelineruns/going");
  EXPECT_EQ(server_.changes[0].body, R"({"spec":{"cancel":true}})");
}

TEST_F(Commands, RetryPrintsThePlanThenDoesIt) {
  const Outcome dry = line({"retry", "bad", "--dry-run"});
  EXPECT_NE(dry.out.find("fetch   reused"), std::string::npos) << dry.out << dry.err;
  EXPECT_NE(dry.out.find("load    runs again"), std::string::npos) << dry.out;
  EXPECT_TRUE(server_.changes.empty());
  const Outcome real = line({"retry", "bad"});
  EXPECT_NE(real.out.find("nightly-retry-abcde started"), std::string::npos) << real.out;
  ASSERT_EQ(server_.changes.size(), 1U);
  EXPECT_EQ(line({"retry", "going"}).code, kFailure);
}

TEST_F(Commands, UsageShowsHowManyNamesAreTaken) {
  const struct {
    const char* command;
    const char* want;
  } rows[] = {
      {"start", "millrace start PIPELINE [FLAGS]"},
      {"describe", "millrace describe RUN|PIPELINE [FLAGS]"},
      {"approve", "millrace approve RUN [STEP] [FLAGS]"},
      {"deliveries", "millrace deliveries [PIPELINE] [FLAGS]"},
      {"cancel", "millrace cancel RUN... [FLAGS]"},
      {"validate", "millrace validate FILE... [FLAGS]"},
  };
  for (const auto& row : rows) {
    const std::string help = line({row.command, "--help"}).out;
    EXPECT_NE(help.find(row.want), std::string::npos) << help.substr(0, 400);
  }
}

TEST(StepSummary, AnApprovalIsShownAsItWasAsked) {
  const GraphStep step{
      .name = "ask", .action = ActionKind::Approval, .detail = "Deploy {{ params.v }}?"};
  crds::StepState state;
  state.name = "ask";
  state.state = crds::StepPhase::Running;
  state.waiting = crds::StepWaiting{"Approval", "Deploy 1.2?", {}};
  EXPECT_EQ(step_summary(step, state, {}), std::vector<std::string>{"Deploy 1.2?"});
  state.waiting.reset();
  EXPECT_TRUE(step_summary(step, state, {}).empty()) << "never the template";
  state.state = crds::StepPhase::Succeeded;
  state.message = "Deploy 1.2?";
  EXPECT_EQ(step_summary(step, state, {}), std::vector<std::string>{"Deploy 1.2?"});
}

TEST_F(Commands, ApproveWritesWhoDecided) {
  server_.add(
      R"({"apiVersion":"millrace.dev/v1","kind":"Pipeline","metadata":{"name":"asks","namespace":"default"},
      "spec":{"steps":[{"name":"ask","approval":{"message":"sure?","approvers":["group:devs"]}}]}})");
  const std::string run = run_json(
      "r", "",
      R"({"stepStates":[{"name":"ask","state":"Running","waiting":{"reason":"Approval"}}]})");
  server_.add(std::string(run).replace(run.find("\"nightly\""), 9, "\"asks\""));
  const Outcome got = line({"approve", "r", "--comment", "fine"});
  EXPECT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.out, "r: step ask approved as ann\n");
  ASSERT_EQ(server_.changes.size(), 1U);
  EXPECT_EQ(codec::Value::parse(server_.changes[0].body).value(),
            codec::Value::parse(R"({"metadata":{"resourceVersion":"9"},"spec":{"approvals":[
                {"step":"ask","decision":"Approve","by":"ann",
                 "groups":["devs","system:authenticated"],"comment":"fine"}]}})")
                .value());
  EXPECT_EQ(line({"approve", "bad"}).code, kFailure);
}

TEST_F(Commands, DeliveriesComeThroughTheProxyOrAnAddress) {
  const std::string answer =
      R"({"deliveries":[
        {"time":"2026-11-21T11:59:00Z","namespace":"default","pipeline":"nightly","id":"d1",
         "verdict":"Accepted","reason":"","run":"nightly-1","remote":"10.0.0.1"},
        {"time":"2026-11-21T11:58:00Z","namespace":"other","pipeline":"nightly","id":"d2",
         "verdict":"Refused","reason":"wrong signature","run":"","remote":"10.0.0.2"}]})";
  server_.raw
      ["/api/v1/namespaces/millrace-system/services/millrace-metrics:metrics/proxy/deliveries"] =
      answer;
  EXPECT_EQ(line({"deliveries"}).out,
            "AGO     NAMESPACE   PIPELINE   VERDICT    RUN         ID   REMOTE\n"
            "1m00s   default     nightly    Accepted   nightly-1   d1   10.0.0.1\n");
  EXPECT_NE(line({"deliveries", "-A"}).out.find("wrong signature"), std::string::npos);
  EXPECT_EQ(line({"deliveries", "other"}).err, "no deliveries\n");
  files_["http://127.0.0.1:8080/deliveries"] = answer;
  const Outcome direct = line({"deliveries", "--address", ":8080", "-o", "json"});
  EXPECT_NE(direct.out.find("\"id\": \"d2\""), std::string::npos) << direct.out << direct.err;
  server_.raw.clear();
  EXPECT_NE(line({"deliveries"}).err.find("--address HOST:PORT"), std::string::npos);
}

TEST_F(Commands, ImportPrintsOrApplies) {
  files_["old.yaml"] =
      "apiVersion: controller.ljchen.net/v1\nkind: PipelineRun\nmetadata: {name: now}\n"
      "spec: {refPipeline: nightly}\n";
  const Outcome printed = line({"import", "old.yaml"});
  EXPECT_EQ(printed.code, 0) << printed.err;
  EXPECT_EQ(printed.out.substr(0, 28), "apiVersion: millrace.dev/v1\n");
  EXPECT_FALSE(server_.connected);
  EXPECT_EQ(line({"import", "old.yaml", "--apply"}).out, "pipelinerun.millrace.dev/now\n");
  files_["bad.yaml"] = "apiVersion: conveyor-belt.simonemms.com/v1alpha1\nkind: Pipe\n";
  EXPECT_EQ(line({"import", "bad.yaml"}).code, kFailure);
}

TEST_F(Commands, ValidateAsksTheServerToo) {
  files_["p.yaml"] =
      "apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: p}\n"
      "spec: {batchJob: {processors: [{name: a, image: i}]}}\n";
  EXPECT_EQ(line({"validate", "--server", "p.yaml"}).code, 0);
  ASSERT_EQ(server_.changes.size(), 1U);
  EXPECT_EQ(server_.changes[0].verb, "dry-run");
  Error refusal;
  refusal.code = Code::Denied;
  refusal.http_status = 403;
  refusal.message = "pipelines \"p\" is forbidden: exceeded quota";
  server_.refusals["pipelines/p"] = refusal;
  const Outcome refused = line({"validate", "--server", "p.yaml"});
  EXPECT_EQ(refused.code, kFailure);
  EXPECT_NE(refused.err.find("p.yaml:3:12: error: Pipeline p: the server refuses it"),
            std::string::npos)
      << refused.err;
  server_.refusals["pipelines/p"].message = "pipelines is forbidden: User \"ann\" cannot patch";
  const Outcome unknown = line({"validate", "--server", "p.yaml"});
  EXPECT_EQ(unknown.code, 0) << unknown.err;
  EXPECT_NE(unknown.err.find("warning: Pipeline p: could not be checked"), std::string::npos);
}

TEST_F(Commands, ValidateTellsWhatTheServerWouldSayToTheObjectsOfARun) {
  using Kind = logic::TrialFinding::Kind;
  World world{.files = {{"p.yaml",
                         "apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: p}\n"
                         "spec:\n  steps:\n    - {name: a, container: {image: i}}\n"}}};
  world.cluster = &server_;
  logic::TrialReport report;
  report.accepted = {"the Job of step a"};
  world.try_pipeline = [&](Cluster&, const crds::Pipeline& pipeline, const logic::Config&) {
    EXPECT_EQ(pipeline.metadata.name, "p");
    return Result<logic::TrialReport>(report);
  };
  const Outcome good = run_line({"validate", "--server", "p.yaml"}, world);
  EXPECT_EQ(good.code, kSuccess) << good.err;
  EXPECT_NE(good.out.find("p.yaml: p: the Job of step a: ok\n"), std::string::npos) << good.out;
  report.findings = {{Kind::Failed, "the pod of step a", "spec.steps[0]", "you may not ask"}};
  const Outcome unknown = run_line({"validate", "--server", "p.yaml"}, world);
  EXPECT_EQ(unknown.code, kSuccess);
  EXPECT_NE(unknown.err.find("p.yaml:6:7: warning: spec.steps[0]: the pod of step a: could not be "
                             "checked: you may not ask\n"),
            std::string::npos)
      << unknown.err;
  for (const Kind kind : {Kind::Refused, Kind::Quota}) {
    report.findings = {{kind, "the pod of step a", "spec.steps[0]", "no\x1b[31m root"}};
    const Outcome refused = run_line({"validate", "--server", "p.yaml"}, world);
    EXPECT_EQ(refused.code, kFailure);
    EXPECT_NE(refused.err.find("p.yaml:6:7: error: spec.steps[0]: the pod of step a: refused: no"),
              std::string::npos)
        << refused.err;
    EXPECT_EQ(refused.err.find('\x1b'), std::string::npos);
  }
}

TEST(Program, AsKubectlPluginItsNameIsThatInAllTexts) {
  World world;
  world.program = "/usr/bin/kubectl-millrace";
  const Outcome help = run_line({"start", "--help"}, world);
  EXPECT_NE(help.out.find("Usage:\n  kubectl millrace start PIPELINE"), std::string::npos);
  EXPECT_NE(help.out.find("\n  kubectl millrace start nightly"), std::string::npos) << help.out;
  EXPECT_EQ(help.out.find("\n  millrace"), std::string::npos);
  EXPECT_NE(run_line({"strat"}, world).err.find("kubectl millrace: unknown command"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::cli
