#include "controllers/logic/trial.h"

#include <gtest/gtest.h>

#include "controllers/logic/pipeline.h"
#include "kubeclient/api/deployment.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {
namespace {

using codec::Value;
using Kind = TrialFinding::Kind;

crds::Pipeline pipeline_of(const std::string& spec) {
  auto decoded = codec::decode<crds::Pipeline>(
      R"({"metadata":{"name":"p","namespace":"n","uid":"pu"},"spec":)" + spec + "}");
  EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message);
  return *std::move(decoded);
}

TrialPlan plan_of(const std::string& spec, const Config& config = {}) {
  const crds::Pipeline pipeline = pipeline_of(spec);
  return plan_trials(pipeline, freeze(pipeline), config);
}

const Value& container_of(const Trial& trial) {
  return trial.action.body.at_path({"spec", "template", "spec", "containers"})->items()[0];
}

std::string steps(const std::string& container, const std::string& more = "") {
  return R"({"steps":[{"name":"a","container":)" + container + "}]" + more + "}";
}

TEST(PlanTrials, TheJobIsThatOfAFirstAttempt) {
  const TrialPlan plan = plan_of(steps(R"({"image":"busybox:1","command":["true"]})"));
  ASSERT_EQ(plan.trials.size(), 1U);
  const Trial& trial = plan.trials[0];
  EXPECT_EQ(trial.what, "the Job of step a");
  EXPECT_EQ(trial.path, "spec.steps[0]");
  EXPECT_EQ(trial.action.verb, Action::Verb::Create);
  EXPECT_EQ(trial.action.key.ns, "n");
  EXPECT_TRUE(trial.samples.empty());
  const Value& body = trial.action.body;
  EXPECT_EQ(body.at_path({"spec", "managedBy"})->as_string(), "millrace.dev/job-controller");
  EXPECT_EQ(body.at_path({"metadata", "labels", "millrace.dev/attempt"})->as_string(), "1");
  EXPECT_EQ(container_of(trial).find("image")->as_string(), "busybox:1");
  // The same on every try: nothing of it is random or of the clock.
  EXPECT_EQ(plan_of(steps(R"({"image":"busybox:1","command":["true"]})")).trials[0], trial);
}

TEST(PlanTrials, ThePodIsMadeOfTheJobAsTheServerGaveItBack) {
  const TrialPlan plan = plan_of(steps(R"({"image":"busybox:1"})"));
  ASSERT_EQ(plan.trials.size(), 1U);
  Value answer = plan.trials[0].action.body;
  answer["metadata"]["uid"] = "server-uid";
  answer["spec"]["template"]["metadata"]["labels"]["added"] = "by-a-webhook";
  const auto pod = pod_trial(plan.trials[0], answer.dump());
  ASSERT_TRUE(pod.has_value());
  EXPECT_EQ(pod->what, "the pod of step a");
  EXPECT_EQ(pod->action.resource, api::Pod::kResource);
  const Value* labels = pod->action.body.at_path({"metadata", "labels"});
  ASSERT_NE(labels, nullptr);
  EXPECT_EQ(labels->find("added")->as_string(), "by-a-webhook");
  const Value& owner = pod->action.body.at_path({"metadata", "ownerReferences"})->items()[0];
  EXPECT_EQ(owner.find("uid")->as_string(), "server-uid");
  // A Job that was refused has a pod nevertheless: what is wrong with that is worth knowing too.
  const auto own = pod_trial(plan.trials[0], "");
  ASSERT_TRUE(own.has_value());
  EXPECT_FALSE(own->action.body.at_path({"metadata", "ownerReferences"})
                   ->items()[0]
                   .find("uid")
                   ->as_string()
                   .empty());
}

TEST(PlanTrials, ValuesOfTemplates) {
  const struct {
    const char* name;
    const char* container;
    const char* field;    ///< of the container, as JSON; empty: it is untried
    const char* want;     ///< its value, or words of the complaint
    const char* samples;  ///< the first
  } cases[] = {
      {"a default counts", R"({"image":"{{ params.image }}"})", "image", R"("busybox:2")", ""},
      {"an image that no default says", R"({"image":"{{ params.tag }}"})", "",
       "container.image depends on params.tag, which has no default", ""},
      {"a result of the run as image", R"({"image":"x:{{ run.name }}"})", "image",
       R"("x:p-dry-run")", ""},
      {"resources by a default", R"({"image":"i","resources":{"limits":{"cpu":"{{ params.n }}"}}})",
       "resources", R"({"limits":{"cpu":3}})", ""},
      {"resources by what is not known",
       R"({"image":"i","resources":{"limits":{"cpu":"{{ params.tag }}"}}})", "",
       "container.resources.limits.cpu depends on params.tag", ""},
      {"arguments take samples", R"({"image":"i","args":["-f","{{ params.tag }}.csv"]})", "args",
       R"(["-f","sample.csv"])", "params.tag"},
      {"with a choice its first", R"({"image":"i","args":["{{ params.env }}"]})", "args",
       R"(["test"])", "params.env"},
      {"a sample of the declared type shows a wrong type",
       R"({"image":"i","args":["{{ params.count }}"]})", "args", "[1]", "params.count"},
      {"a whole command", R"({"image":"i","command":"{{ params.tag }}"})", "command",
       R"(["sample"])", "params.tag"},
      {"env", R"({"image":"i","env":[{"name":"T","value":"{{ params.tag }}"}]})", "env",
       R"([{"name":"HOME","value":"/builder/home"},{"name":"T","value":"sample"},)"
       R"({"name":"MILLRACE_OUTPUTS","value":"/dev/termination-log"}])",
       "params.tag"},
      {"the name of an env decides",
       R"({"image":"i","env":[{"name":"{{ params.tag }}","value":"x"}]})", "",
       "container.env[0].name depends on params.tag", ""},
      {"what a sample cannot be computed with",
       R"({"image":"i","args":["{{ params.tag | int }}"]})", "args", R"(["sample"])", "params.tag"},
      {"an expression that is wrong with the default",
       R"({"image":"i","args":["{{ params.image | int }}"]})", "", "container.args[0]: ", ""},
  };
  const std::string params =
      R"(,"params":[{"name":"image","default":"busybox:2"},{"name":"tag"},
         {"name":"n","type":"integer","default":3},{"name":"count","type":"integer"},
         {"name":"env","enum":["test","prod"]}])";
  for (const auto& c : cases) {
    const TrialPlan plan = plan_of(steps(c.container, params));
    if (*c.field == '\0') {
      EXPECT_TRUE(plan.trials.empty()) << c.name;
      ASSERT_EQ(plan.untried.size(), 1U) << c.name;
      EXPECT_EQ(plan.untried[0].kind, Kind::Unknown) << c.name;
      EXPECT_EQ(plan.untried[0].path, "spec.steps[0]") << c.name;
      EXPECT_NE(plan.untried[0].message.find(c.want), std::string::npos)
          << c.name << ": " << plan.untried[0].message;
      continue;
    }
    ASSERT_EQ(plan.trials.size(), 1U)
        << c.name << (plan.untried.empty() ? "" : ": " + plan.untried[0].message);
    EXPECT_EQ(container_of(plan.trials[0]).find(c.field)->dump(), c.want) << c.name;
    const auto& samples = plan.trials[0].samples;
    EXPECT_EQ(samples.empty() ? "" : samples[0], c.samples) << c.name;
  }
}

TEST(PlanTrials, ResultsOfOtherStepsAreNotKnown) {
  const TrialPlan plan = plan_of(R"({"steps":[
    {"name":"a","container":{"image":"i","command":["a"]}},
    {"name":"b","dependsOn":["a"],"container":{"image":"{{ steps.a.outputs.image }}"}},
    {"name":"c","dependsOn":["a"],"container":{"image":"i","args":["{{ steps.a.outputs.x }}"]}}]})");
  EXPECT_EQ(plan.trials.size(), 2U);
  ASSERT_EQ(plan.untried.size(), 1U);
  EXPECT_EQ(plan.untried[0].message,
            "container.image depends on steps.a.outputs.image, which is known only in a run");
}

TEST(PlanTrials, EachCombinationThatDiffersIsTried) {
  const TrialPlan plan = plan_of(R"({"steps":[{"name":"a",
    "matrix":{"params":{"image":["x:1","y:1","x:1"],"n":"{{ params.list }}"}},
    "container":{"image":"{{ matrix.image }}","args":["{{ matrix.n }}"]}}],
    "params":[{"name":"list","type":"list"}]})");
  std::vector<std::string> images;
  for (const Trial& trial : plan.trials) {
    images.push_back(container_of(trial).find("image")->as_string());
  }
  EXPECT_EQ(images, (std::vector<std::string>{"x:1", "y:1"}));
}

TEST(PlanTrials, EqualTemplatesAreTriedOnceAndMostTrialsIsALimit) {
  std::string same;
  std::string different;
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i);
    const std::string comma = i == 0 ? "" : ",";
    same += comma + R"({"name":"s)" + n + R"(","container":{"image":"i"}})";
    different +=
        comma + R"({"name":"s)" + n + R"(","container":{"image":"i","args":[")" + n + R"("]}})";
  }
  EXPECT_EQ(plan_of(R"({"steps":[)" + same + "]}").trials.size(), 1U);
  // The one of another image comes among the first, wherever it stands.
  const TrialPlan plan =
      plan_of(R"({"steps":[)" + different + R"(,{"name":"last","container":{"image":"other"}}]})");
  EXPECT_EQ(plan.trials.size(), kMostTrials);
  EXPECT_EQ(plan.left_out, 101 - kMostTrials);
  EXPECT_EQ(plan.trials[1].what, "the Job of step last");
}

TEST(PlanTrials, OtherBodies) {
  Config config;
  config.adapter_images.input_api_server = "adapter";
  const TrialPlan batch = plan_of(
      R"({"batchJob":{"input":{"apiServer":{"a":"b"}},"processors":[{"name":"x","image":"{{ i"}]}})",
      config);
  ASSERT_EQ(batch.trials.size(), 1U);
  EXPECT_EQ(batch.trials[0].what, "the Job");
  EXPECT_EQ(batch.trials[0].path, "spec.batchJob");
  EXPECT_EQ(container_of(batch.trials[0]).find("image")->as_string(), "{{ i");  // no template there

  const TrialPlan stream = plan_of(
      R"({"streamJob":{"microServices":[{"name":"a","spec":{"containers":[{"name":"c","image":"i"}]}}]}})");
  ASSERT_EQ(stream.trials.size(), 2U);
  EXPECT_EQ(stream.trials[0].action.verb, Action::Verb::Create);
  const auto pod = pod_trial(stream.trials[0], "");
  ASSERT_TRUE(pod.has_value());
  EXPECT_EQ(pod->what, "the pod of a");
  EXPECT_EQ(pod->action.body.at_path({"metadata", "labels", "pipeline"})->as_string(), "p");
  EXPECT_EQ(stream.trials[1].what, "the Service of a");
  EXPECT_FALSE(pod_trial(stream.trials[1], "").has_value());

  const TrialPlan calls = plan_of(R"({"steps":[{"name":"a","http":{"url":"http://x"}},
    {"name":"b","wait":{"duration":"1s"}}]})");
  EXPECT_TRUE(calls.trials.empty() && calls.untried.empty());
  const crds::Pipeline pipeline =
      pipeline_of(R"({"steps":[{"name":"a","http":{"url":"http://x"}}]})");
  EXPECT_FALSE(has_trials(freeze(pipeline)));
  const TrialPlan adapter = plan_of(R"({"batchJob":{"input":{"apiServer":{"a":"b"}}}})");
  ASSERT_EQ(adapter.untried.size(), 1U);
  EXPECT_NE(adapter.untried[0].message.find("adapterImages"), std::string::npos);
}

TEST(PlanTrials, ManifestsAreAppliedAsTheServiceAccount) {
  const TrialPlan plan = plan_of(R"({"steps":[
    {"name":"a","manifest":{"object":{"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"c-{{ run.name }}"},"data":{"k":"v"}}}},
    {"name":"b","dependsOn":["a"],"manifest":{"object":{"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"d"},"data":{"k":"{{ steps.a.status }}"}}}}],
    "podTemplate":{"serviceAccountName":"robot"}})");
  ASSERT_EQ(plan.trials.size(), 1U);
  const Action& action = plan.trials[0].action;
  EXPECT_EQ(action.verb, Action::Verb::Apply);
  EXPECT_EQ(action.service_account, "robot");
  EXPECT_EQ(action.account_ns, "n");
  EXPECT_EQ(action.key, (ObjectKey{"n", "c-p-dry-run"}));
  ASSERT_EQ(plan.untried.size(), 1U);
  EXPECT_EQ(plan.untried[0].what, "the object of step b");
  EXPECT_NE(plan.untried[0].message.find("manifest.object.data.k depends on steps.a.status"),
            std::string::npos);
}

// ---- what refusals mean ----

Error error_of(Code code, int status, std::string message) {
  Error error;
  error.code = code;
  error.http_status = status;
  error.message = std::move(message);
  return error;
}

TEST(JudgeTrial, TheWordsOfTheRealServer) {
  const char* kPolicy =
      "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'x' "
      "denied request: no busybox here";
  const struct {
    const char* name;
    Error error;
    bool manifest;
    std::optional<Kind> want;
  } cases[] = {
      {"pod security",
       error_of(Code::Denied, 403, "pods \"p\" is forbidden: violates PodSecurity \"restricted\""),
       false, Kind::Refused},
      {"LimitRange",
       error_of(Code::Denied, 403, "pods \"p\" is forbidden: maximum cpu usage per Container is 1"),
       false, Kind::Refused},
      {"a policy", error_of(Code::Invalid, 422, kPolicy), false, Kind::Refused},
      {"a policy that says 401", error_of(Code::Denied, 401, kPolicy), false, Kind::Refused},
      {"an invalid field",
       error_of(Code::Invalid, 422, "Job \"j\" is invalid: spec.x: Required value"), false,
       Kind::Refused},
      {"a wrong type", error_of(Code::Invalid, 400, "Pod in version \"v1\" cannot be handled"),
       false, Kind::Refused},
      {"a webhook that says 500",
       error_of(Code::Unavailable, 500, "admission webhook \"w\" denied the request: no"), false,
       Kind::Refused},
      {"no such account",
       error_of(Code::Denied, 403, "pods \"p\" is forbidden: error looking up service account n/x"),
       false, Kind::Refused},
      {"a quota that is used up",
       error_of(Code::Throttled, 403, "pods \"p\" is forbidden: exceeded quota: q"), false,
       Kind::Quota},
      {"a quota that asks for requests",
       error_of(Code::Denied, 403, "pods \"p\" is forbidden: failed quota: q: must specify cpu"),
       false, Kind::Refused},
      {"we lack the right",
       error_of(Code::Denied, 403, "pods is forbidden: User \"u\" cannot create resource \"pods\""),
       false, Kind::Failed},
      {"the run's account lacks it",
       error_of(Code::Denied, 403,
                "configmaps \"c\" is forbidden: User \"system:serviceaccount:n:default\" cannot "
                "patch resource \"configmaps\""),
       true, Kind::Refused},
      {"we may not impersonate",
       error_of(Code::Denied, 403,
                "serviceaccounts \"default\" is forbidden: User \"u\" cannot impersonate resource"),
       true, Kind::Failed},
      {"no such kind yet", error_of(Code::Invalid, 0, "the API server has no X in x/v1"), true,
       Kind::Unknown},
      {"no such namespace yet", error_of(Code::NotFound, 404, "namespaces \"x\" not found"), true,
       Kind::Unknown},
      {"the namespace is going",
       error_of(Code::Denied, 403,
                "pods \"p\" is forbidden: unable to create new content in "
                "namespace n because it is being terminated"),
       false, Kind::Failed},
      {"a webhook that cannot be reached",
       error_of(Code::Unavailable, 500, "Internal error occurred: failed calling webhook \"w\""),
       false, Kind::Failed},
      {"a webhook with side effects",
       error_of(Code::Invalid, 400, "admission webhook \"w\" does not support dry run"), false,
       Kind::Unknown},
      {"no credentials", error_of(Code::Denied, 401, "Unauthorized"), false, Kind::Failed},
      {"429", error_of(Code::Throttled, 429, "too many requests"), false, Kind::Failed},
      {"no answer", error_of(Code::Timeout, 0, "no answer in 15s"), false, Kind::Failed},
      {"the name is taken", error_of(Code::AlreadyExists, 409, "exists"), false, std::nullopt},
  };
  for (const auto& c : cases) {
    Trial trial;
    trial.what = "the pod";
    if (c.manifest) trial.action.service_account = "default";
    const auto got = judge_trial(trial, c.error);
    ASSERT_EQ(got.has_value(), c.want.has_value()) << c.name;
    if (!got) continue;
    EXPECT_EQ(static_cast<int>(got->kind), static_cast<int>(*c.want)) << c.name;
  }
}

TEST(JudgeTrial, ARefusalOfASampleSaysSo) {
  Trial trial{"the pod of step a", "spec.steps[0]", {}, {"params.file"}};
  const auto got = judge_trial(trial, error_of(Code::Invalid, 422, "no"));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->message, "no (tried with a sample for params.file)");
}

TEST(AdmissionOf, TheWorstCounts) {
  const TrialFinding refused{Kind::Refused, "the pod of step a", "spec.steps[0]", "no root"};
  const TrialFinding quota{Kind::Quota, "the pod of step b", "spec.steps[1]", "exceeded quota"};
  const TrialFinding failed{Kind::Failed, "the Job of step c", "spec.steps[2]", "no answer"};
  const TrialFinding unknown{Kind::Unknown, "the Job of step d", "spec.steps[3]", "image"};
  const struct {
    std::vector<TrialFinding> findings;
    const char* status;
    const char* reason;
    const char* message;
    bool again;
  } cases[] = {
      {{unknown, failed, quota, refused},
       "False",
       "Refused",
       "spec.steps[0]: the pod of step a would be refused: no root",
       true},
      {{unknown, failed, quota},
       "False",
       "QuotaExceeded",
       "spec.steps[1]: the pod of step b would have to wait: exceeded quota",
       true},
      {{unknown, failed},
       "Unknown",
       "CheckFailed",
       "spec.steps[2]: the Job of step c could not be checked: no answer",
       true},
      {{unknown},
       "Unknown",
       "NotChecked",
       "spec.steps[3]: the Job of step d could not be checked: image",
       false},
      {{},
       "True",
       "Accepted",
       "the API server would take what its steps make; objects tried: 2",
       false},
  };
  for (const auto& c : cases) {
    const Admission got = admission_of({c.findings, {}, 2, 0}, "r");
    EXPECT_EQ(got.status, c.status);
    EXPECT_EQ(got.reason, c.reason);
    EXPECT_EQ(got.message, c.message);
    EXPECT_EQ(may_change(got), c.again) << c.reason;
  }
  EXPECT_EQ(admission_of({}, "r").reason, std::string("NothingToTry"));
  EXPECT_NE(admission_of({{}, {}, 2, 7}, "r").message.find("not tried: 7"), std::string::npos);
}

}  // namespace
}  // namespace millrace::logic
