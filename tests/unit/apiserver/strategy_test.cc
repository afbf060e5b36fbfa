#include "local/apiserver/strategy.h"

#include <gtest/gtest.h>

#include "kubeclient/base/time_format.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using schema::Kind;

// All facts below were measured on kube-apiserver 1.34.

Value parse(std::string_view json) {
  auto value = Value::parse(json);
  EXPECT_TRUE(value.ok()) << json;
  return value.ok() ? *value : Value();
}

const Kind& kind(std::string_view group, std::string_view plural) {
  const Kind* found = schema::find_kind(group, "v1", plural);
  EXPECT_NE(found, nullptr) << plural;
  return *found;
}
const Kind& pods() { return kind("", "pods"); }
const Kind& jobs() { return kind("batch", "jobs"); }
const Kind& configs() { return kind("", "configmaps"); }
const Kind& pipelines() { return kind("millrace.dev", "pipelines"); }

Time at(std::string_view text) { return *parse_time(text); }
const Time kNow = at("2026-11-21T08:30:00Z");

std::string text(const Value& object, std::initializer_list<std::string_view> path) {
  const Value* value = object.at_path(path);
  return value == nullptr ? "(none)" : value->is_string() ? value->as_string() : value->dump();
}

Value created(std::string_view json, const Kind& of) {
  Value object = parse(json);
  prepare_create(object, of, {kNow, "uid-1"});
  return object;
}

std::string told(const Problems& problems) {
  std::string out;
  for (const auto& p : problems) out += p.field + ": " + p.message + "\n";
  return out;
}

/// The update `change` (a JSON merge of one level into `member`) of `json`, prepared.
struct Update {
  Value old;
  Value object;
};
Update update(std::string_view old_json, std::string_view new_json, const Kind& of,
              Part part = Part::Main) {
  Update u{parse(old_json), parse(new_json)};
  prepare_update(u.object, u.old, of, part, kNow);
  return u;
}
std::string complaints(std::string_view old_json, std::string_view new_json, const Kind& of,
                       Part part = Part::Main) {
  const Update u = update(old_json, new_json, of, part);
  return told(validate_update(u.object, u.old, of, part));
}

TEST(PrepareCreate, SetsWhatOnlyTheServerSets) {
  const Value pod = created(
      R"({"metadata":{"name":"p","uid":"mine","generation":7,"selfLink":"x","deletionTimestamp":
          "2020-01-01T00:00:00Z","deletionGracePeriodSeconds":3},"spec":{"containers":[{"name":"a"}]},
          "status":{"phase":"Failed"}})",
      pods());
  EXPECT_EQ(pod.find("metadata")->dump(), R"({"name":"p","uid":"uid-1","generation":1,)"
                                          R"("creationTimestamp":"2026-11-21T08:30:00Z"})");
  EXPECT_EQ(pod.find("status")->dump(), R"({"phase":"Pending","qosClass":"BestEffort"})");
}

TEST(PrepareCreate, TellsTheQualityOfServiceOfAPod) {
  const struct {
    const char* resources;
    const char* want;
  } cases[] = {
      {R"({})", "BestEffort"},
      {R"({"requests":{"cpu":"1"}})", "Burstable"},
      {R"({"limits":{"cpu":"1"}})", "Burstable"},
      {R"({"limits":{"cpu":"1","memory":"1Gi"}})", "Guaranteed"},
      {R"({"requests":{"cpu":"1000m","memory":"1Gi"},"limits":{"cpu":"1","memory":"1Gi"}})",
       "Guaranteed"},
      {R"({"requests":{"cpu":"1","memory":"1Mi"},"limits":{"cpu":"1","memory":"1Gi"}})",
       "Burstable"},
  };
  for (const auto& c : cases) {
    const Value pod = created(std::string(R"({"metadata":{"name":"p"},"spec":{"containers":[)") +
                                  R"({"name":"a","resources":)" + c.resources + "}]}}",
                              pods());
    EXPECT_EQ(text(pod, {"status", "qosClass"}), c.want) << c.resources;
  }
}

TEST(PrepareCreate, GivesAJobItsSelectorAndLabels) {
  const Value job = created(R"({"metadata":{"name":"j"},"spec":{"template":{"spec":{}}}})", jobs());
  EXPECT_EQ(text(job, {"spec", "selector"}),
            R"({"matchLabels":{"batch.kubernetes.io/controller-uid":"uid-1"}})");
  EXPECT_EQ(text(job, {"spec", "template", "metadata", "labels"}),
            R"({"batch.kubernetes.io/controller-uid":"uid-1","batch.kubernetes.io/job-name":"j",)"
            R"("controller-uid":"uid-1","job-name":"j"})");
  EXPECT_EQ(text(job, {"status"}), "{}");
  EXPECT_EQ(told(validate_create(job, jobs())), "");
  const Value manual = created(
      R"({"metadata":{"name":"j"},"spec":{"manualSelector":true,"selector":{"matchLabels":
          {"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}}}}})",
      jobs());
  EXPECT_EQ(text(manual, {"spec", "template", "metadata", "labels"}), R"({"a":"b"})");
  EXPECT_EQ(told(validate_create(manual, jobs())), "");
}

TEST(PrepareCreate, GivesAServiceAnAddressThatIsFree) {
  Value service = parse(R"({"metadata":{"name":"s"},"spec":{"type":"ClusterIP"}})");
  Value other = service;
  prepare_create(service, kind("", "services"), {kNow, "uid-1"});
  const std::string first = text(service, {"spec", "clusterIP"});
  EXPECT_EQ(first.substr(0, 3), "10.");
  EXPECT_EQ(text(service, {"spec", "clusterIPs"}), "[\"" + first + "\"]");
  EXPECT_EQ(text(service, {"spec", "ipFamilies"}), R"(["IPv4"])");
  EXPECT_EQ(text(service, {"spec", "ipFamilyPolicy"}), "SingleStack");
  prepare_create(other, kind("", "services"),
                 {kNow, "uid-1", [&](std::string_view address) { return address == first; }});
  EXPECT_NE(text(other, {"spec", "clusterIP"}), first);
  EXPECT_EQ(told(validate_create(other, kind("", "services"))), "");
  const Value headless =
      created(R"({"metadata":{"name":"s"},"spec":{"type":"ClusterIP","clusterIP":"None"}})",
              kind("", "services"));
  EXPECT_EQ(text(headless, {"spec", "clusterIPs"}), R"(["None"])");
  const Value named =
      created(R"({"metadata":{"name":"s"},"spec":{"type":"ExternalName","externalName":"a.b"}})",
              kind("", "services"));
  EXPECT_EQ(text(named, {"spec", "clusterIP"}), "(none)");
}

TEST(PrepareCreate, NamespacesHaveFinalizerPhaseAndLabel) {
  const Value made = created(
      R"({"metadata":{"name":"n","labels":{"kubernetes.io/metadata.name":"zz"}},
          "spec":{"finalizers":["a/b"]},"status":{"phase":"Terminating"}})",
      kind("", "namespaces"));
  EXPECT_EQ(text(made, {"spec", "finalizers"}), R"(["a/b","kubernetes"])");
  EXPECT_EQ(text(made, {"status"}), R"({"phase":"Active"})");
  EXPECT_EQ(text(made, {"metadata", "labels"}), R"({"kubernetes.io/metadata.name":"n"})");
}

TEST(PrepareCreate, SecretsTakePlainTextIntoTheirData) {
  const Value secret = created(
      R"({"metadata":{"name":"s"},"data":{"a":"eA==","z":"eA=="},
          "stringData":{"a":"b","long":"ab","three":"abc"}})",
      kind("", "secrets"));
  EXPECT_EQ(text(secret, {"data"}), R"({"a":"Yg==","z":"eA==","long":"YWI=","three":"YWJj"})");
  EXPECT_EQ(text(secret, {"stringData"}), "(none)");
}

TEST(ValidateCreate, SpeaksAboutNames) {
  const std::string long_name(254, 'a');
  const std::string subdomain =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
      "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
      "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n";
  const struct {
    const Kind& of;
    std::string metadata;
    std::string want;
  } cases[] = {
      {configs(), R"({"name":"a.b-c.1"})", ""},
      {configs(), R"({"name":"P_1"})", "metadata.name: Invalid value: \"P_1\": " + subdomain},
      {configs(), R"({"name":")" + long_name + "\"}",
       "metadata.name: Invalid value: \"" + long_name +
           "\": must be no more than 253 characters\n"},
      {configs(), "{}", "metadata.name: Required value: name or generateName is required\n"},
      {configs(), R"({"generateName":"ok-","name":"ok-12345"})", ""},
      {configs(), R"({"generateName":"Bad_","name":"ok"})",
       "metadata.generateName: Invalid value: \"Bad_\": " + subdomain},
      {kind("", "namespaces"), R"({"name":"a.b"})",
       "metadata.name: Invalid value: \"a.b\": must not contain dots\n"},
      {kind("", "services"), R"({"name":"1s"})",
       "metadata.name: Invalid value: \"1s\": a DNS-1035 label must consist of lower case "
       "alphanumeric characters or '-', start with an alphabetic character, and end with an "
       "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
       "'[a-z]([-a-z0-9]*[a-z0-9])?')\n"},
  };
  for (const auto& c : cases) {
    const Value object = parse("{\"metadata\":" + c.metadata + "}");
    EXPECT_EQ(told(validate_create(object, c.of)), c.want) << c.metadata;
  }
}

TEST(ValidateCreate, SpeaksAboutTheRestOfMetadata) {
  const std::string part =
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
      "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
      "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
  const struct {
    std::string metadata;
    std::string want;
  } cases[] = {
      {R"("labels":{"a b":"x"})",
       "metadata.labels: Invalid value: \"a b\": name part " + part + "\n"},
      {R"("labels":{"ok":"-bad-"})",
       "metadata.labels: Invalid value: \"-bad-\": a valid label must be an empty string or "
       "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
       "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
       "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')\n"},
      {R"("labels":{"a/b/c":""})",
       "metadata.labels: Invalid value: \"a/b/c\": a qualified name " + part +
           " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')\n"},
      {R"("labels":{"/x":""})",
       "metadata.labels: Invalid value: \"/x\": prefix part must be non-empty\n"},
      {R"("annotations":{"UPPER.example/Case":"x"})", ""},
      {R"("annotations":{"big":")" + std::string(262144, 'x') + "\"}",
       "metadata.annotations: Too long: may not be more than 262144 bytes\n"},
      {R"("ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"","uid":""}])",
       "metadata.ownerReferences.name: Invalid value: \"\": must not be empty\n"
       "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty\n"},
      {R"("ownerReferences":[{"apiVersion":"v1","kind":"Event","name":"x","uid":"u"}])",
       R"(metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"x",)"
       R"("uid":"u"}: /v1, Kind=Event is disallowed from being an owner)"
       "\n"},
      {R"("ownerReferences":[{"apiVersion":"b","kind":"Job","name":"x","uid":"u","controller":true},
          {"apiVersion":"b","kind":"Job","name":"y","uid":"v","controller":true}])",
       R"(metadata.ownerReferences: Invalid value: [{"apiVersion":"b","kind":"Job","name":"x",)"
       R"("uid":"u","controller":true},{"apiVersion":"b","kind":"Job","name":"y","uid":"v",)"
       R"("controller":true}]: Only one reference can have Controller set to true. Found "true" )"
       "in references for Job/x and Job/y\n"},
      {R"("finalizers":["foregroundDeletion","a.b/c"])", ""},
      {R"("finalizers":["foo"])",
       "metadata.finalizers[0]: Invalid value: \"foo\": name is neither a standard finalizer name "
       "nor is it fully qualified\n"},
  };
  for (const auto& c : cases) {
    const Value object = parse(R"({"metadata":{"name":"x",)" + c.metadata + "}}");
    EXPECT_EQ(told(validate_create(object, configs())), c.want) << c.metadata.substr(0, 200);
  }
  const Value custom = parse(R"({"metadata":{"name":"x","finalizers":["foo"]}})");
  EXPECT_EQ(told(validate_create(custom, pipelines())), "") << "custom kinds only get a warning";
}

TEST(ValidateCreate, JobsMayNotBringAForeignSelector) {
  const Value job = created(
      R"({"metadata":{"name":"j"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{}}})",
      jobs());
  EXPECT_NE(told(validate_create(job, jobs())).find("`selector` not auto-generated"),
            std::string::npos);
  const Value label = created(
      R"({"metadata":{"name":"j"},"spec":{"template":{"metadata":{"labels":{"job-name":"z"}}}}})",
      jobs());
  EXPECT_EQ(told(validate_create(label, jobs())),
            R"(spec.template.metadata.labels[job-name]: Invalid value: )"
            R"({"batch.kubernetes.io/controller-uid":"uid-1","batch.kubernetes.io/job-name":"j",)"
            R"("controller-uid":"uid-1","job-name":"z"}: must be 'j')"
            "\n");
}

constexpr const char* kPipeline =
    R"({"metadata":{"name":"p","namespace":"n","uid":"u","generation":2,"labels":{"a":"b"}},
        "spec":{"x":1},"status":{"y":1}})";

TEST(PrepareUpdate, SpecAndStatusAreWrittenApart) {
  const char* wish =
      R"({"metadata":{"name":"p","namespace":"n","generation":9,"labels":{"c":"d"}},
          "spec":{"x":2},"status":{"y":2}})";
  const Value spec = update(kPipeline, wish, pipelines()).object;
  EXPECT_EQ(text(spec, {"spec", "x"}) + text(spec, {"status", "y"}), "21");
  EXPECT_EQ(text(spec, {"metadata", "generation"}), "3");
  EXPECT_EQ(text(spec, {"metadata", "uid"}), "u");
  EXPECT_EQ(text(spec, {"metadata", "labels", "c"}), "d");
  const Value status = update(kPipeline, wish, pipelines(), Part::Status).object;
  EXPECT_EQ(text(status, {"spec", "x"}) + text(status, {"status", "y"}), "12");
  EXPECT_EQ(text(status, {"metadata", "generation"}), "2");
  EXPECT_EQ(text(status, {"metadata", "labels"}), R"({"a":"b"})");
}

TEST(PrepareUpdate, TheGenerationRisesOnlyWithTheSpec) {
  const struct {
    const char* name;
    const Kind& of;
    const char* old_json;
    const char* new_json;
    const char* want;
  } cases[] = {
      {"labels of a custom object", pipelines(), R"({"metadata":{"name":"p","generation":1}})",
       R"({"metadata":{"name":"p","labels":{"a":"b"}}})", "1"},
      {"annotations of a Deployment", kind("apps", "deployments"),
       R"({"metadata":{"name":"d","generation":1},"spec":{}})",
       R"({"metadata":{"name":"d","annotations":{"a":"b"}},"spec":{}})", "2"},
      {"an empty list is as good as none", jobs(),
       R"({"metadata":{"name":"j","generation":1},"spec":{"a":1}})",
       R"({"metadata":{"name":"j"},"spec":{"a":1,"b":[],"c":{}}})", "1"},
      {"a Job's parallelism", jobs(),
       R"({"metadata":{"name":"j","generation":1},"spec":{"parallelism":1}})",
       R"({"metadata":{"name":"j"},"spec":{"parallelism":2}})", "2"},
      {"ConfigMaps have none", configs(), R"({"metadata":{"name":"c"},"data":{"a":"b"}})",
       R"({"metadata":{"name":"c"},"data":{"a":"c"}})", "(none)"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(text(update(c.old_json, c.new_json, c.of).object, {"metadata", "generation"}), c.want)
        << c.name;
  }
}

TEST(ValidateUpdate, ADeletionIsNeitherTakenBackNorBegun) {
  const char* going =
      R"({"metadata":{"name":"c","deletionTimestamp":"2026-01-01T00:00:00Z",
          "deletionGracePeriodSeconds":0,"finalizers":["a/b"]}})";
  const Update kept = update(going, R"({"metadata":{"name":"c","finalizers":["a/b"]}})", configs());
  EXPECT_EQ(text(kept.object, {"metadata", "deletionTimestamp"}), "2026-01-01T00:00:00Z");
  const std::string more =
      complaints(going, R"({"metadata":{"name":"c","finalizers":["a/b","c/d"]}})", configs());
  const std::string once =
      "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
      "deleted, found new finalizers []string{\"c/d\"}\n";
  EXPECT_EQ(more, once + once) << "the real server finds it twice";
  EXPECT_NE(complaints(R"({"metadata":{"name":"c"}})", going, configs())
                .find("metadata.deletionTimestamp: Invalid value: \"2026-01-01T00:00:00Z\": field "
                      "is immutable"),
            std::string::npos);
}

TEST(ValidateUpdate, PodsMayChangeVeryLittle) {
  const std::string old_json =
      R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"x"}],
          "activeDeadlineSeconds":5,"tolerations":[{"key":"k","tolerationSeconds":3}]}})";
  const auto with = [](std::string_view spec) {
    return R"({"metadata":{"name":"p"},"spec":)" + std::string(spec) + "}";
  };
  const struct {
    const char* name;
    const char* spec;
    const char* want;
  } cases[] = {
      {"another image, a toleration more, less time",
       R"({"containers":[{"name":"a","image":"y"}],"activeDeadlineSeconds":4,
           "tolerations":[{"key":"k","tolerationSeconds":9},{"key":"l"}]})",
       ""},
      {"more time",
       R"({"containers":[{"name":"a","image":"x"}],"activeDeadlineSeconds":10,
           "tolerations":[{"key":"k"}]})",
       "spec.activeDeadlineSeconds: Invalid value: 10: must be less than or equal to previous "
       "value\n"},
      {"no limit any more",
       R"({"containers":[{"name":"a","image":"x"}],"tolerations":[{"key":"k"}]})",
       "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer "
       "to nil value\n"},
      {"a toleration less",
       R"({"containers":[{"name":"a","image":"x"}],"activeDeadlineSeconds":5})",
       "spec.tolerations: Forbidden: existing toleration can not be modified except its "
       "tolerationSeconds\n"},
      {"a container more", R"({"containers":[{"name":"a","image":"x"},{"name":"b","image":"x"}]})",
       "spec.containers: Forbidden: pod updates may not add or remove containers\n"},
      {"another command",
       R"({"containers":[{"name":"a","image":"x","command":["z"]}],"activeDeadlineSeconds":5,
           "tolerations":[{"key":"k","tolerationSeconds":3}]})",
       "spec: Forbidden: pod updates may not change fields other than "
       "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
       "`spec.tolerations` (only additions to existing tolerations),"
       "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
       "negative)\n"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(complaints(old_json, with(c.spec), pods()), c.want) << c.name;
}

TEST(ValidateUpdate, PodStatusKeepsItsClassAndItsEnds) {
  const char* old_json =
      R"({"metadata":{"name":"p"},"spec":{"restartPolicy":"Never"},"status":{"qosClass":"BestEffort",
          "containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":1}}}]}})";
  EXPECT_EQ(complaints(old_json, R"({"metadata":{"name":"p"},"status":{"qosClass":"Guaranteed"}})",
                       pods(), Part::Status),
            "status.qosClass: Invalid value: \"Guaranteed\": field is immutable\n");
  EXPECT_EQ(complaints(old_json,
                       R"({"metadata":{"name":"p"},"status":{"containerStatuses":[{"name":"a",
                           "state":{"running":{}}}]}})",
                       pods(), Part::Status),
            "status.containerStatuses[0].state: Forbidden: may not be transitioned to "
            "non-terminated state\n");
  const Value kept = update(old_json, R"({"metadata":{"name":"p"},"status":{"phase":"Failed"}})",
                            pods(), Part::Status)
                         .object;
  EXPECT_EQ(text(kept, {"status", "qosClass"}), "BestEffort");
  EXPECT_EQ(text(kept, {"spec", "restartPolicy"}), "Never");
}

const std::string kJobSpec =
    R"({"completions":1,"selector":{"matchLabels":{"controller-uid":"u"}},"managedBy":"m",
        "suspend":false,"template":{"metadata":{"labels":{"controller-uid":"u"}},"spec":{}}})";

std::string job_json(const std::string& spec, const std::string& status) {
  return R"({"metadata":{"name":"j","uid":"u"},"spec":)" + spec + R"(,"status":)" + status + "}";
}

TEST(ValidateUpdate, JobsKeepWhatTheyWereMadeWith) {
  const auto replaced = [](std::string spec, const std::string& from, const std::string& to) {
    const std::size_t place = spec.find(from);
    return spec.replace(place, from.size(), to);
  };
  const struct {
    std::string from;
    std::string to;
    std::string want;
  } cases[] = {
      {R"("completions":1)", R"("completions":1,"parallelism":3)", ""},
      {R"("completions":1)", R"("completions":3)",
       "spec.completions: Invalid value: 3: field is immutable\n"},
      {R"("managedBy":"m",)", "", "spec.managedBy: Invalid value: null: field is immutable\n"},
      {R"("spec":{})", R"("spec":{"nodeName":"x"})",
       R"(spec.template: Invalid value: {"metadata":{"labels":{"controller-uid":"u"}},)"
       R"("spec":{"nodeName":"x"}}: field is immutable)"
       "\n"},
      {R"("spec":{})", R"("spec":{"nodeSelector":{"a":"b"}})",
       R"(spec.template: Invalid value: {"metadata":{"labels":{"controller-uid":"u"}},)"
       R"("spec":{"nodeSelector":{"a":"b"}}}: field is immutable)"
       "\n"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(complaints(job_json(kJobSpec, "{}"), job_json(replaced(kJobSpec, c.from, c.to), "{}"),
                         jobs()),
              c.want)
        << c.to;
  }
  const std::string suspended = replaced(kJobSpec, "false", "true");
  EXPECT_EQ(complaints(job_json(suspended, "{}"),
                       job_json(replaced(suspended, R"("spec":{})",
                                         R"("spec":{"nodeSelector":{"a":"b"}})"),
                                "{}"),
                       jobs()),
            "")
      << "a suspended Job may be placed elsewhere";
}

std::string conditions(std::initializer_list<const char*> types) {
  std::string out;
  for (const char* type : types) {
    out += (out.empty() ? "" : ",") + std::string(R"({"type":")") + type + R"(","status":"True"})";
  }
  return R"("conditions":[)" + out + "]";
}

TEST(ValidateUpdate, TheStatusOfAJobTellsARightStory) {
  const std::string start = R"("startTime":"2026-01-01T00:00:00Z",)";
  const std::string end = R"("completionTime":"2026-01-01T00:00:00Z",)";
  const std::string done = start + end + conditions({"SuccessCriteriaMet", "Complete"});
  const std::string failed = start + conditions({"FailureTarget", "Failed"});
  const struct {
    const char* name;
    std::string old_status;
    std::string new_status;
    std::string want;
  } cases[] = {
      {"started", "", start + R"("active":1)", ""},
      {"done", start + R"("active":1)", done + R"(,"succeeded":1)", ""},
      {"failed", start + R"("active":1)", failed + R"(,"failed":1)", ""},
      {"complete without the rest", "", conditions({"Complete"}),
       "status.completionTime: Required value: completionTime is required for Complete jobs\n"
       "status.conditions: Invalid value: cannot set Complete=True condition without the "
       "SuccessCriteriaMet=true condition\n"
       "status.startTime: Required value: startTime is required for finished job\n"},
      {"failed without target", "", conditions({"Failed"}),
       "status.conditions: Invalid value: cannot set Failed=True condition without the "
       "FailureTarget=true condition\n"
       "status.startTime: Required value: startTime is required for finished job\n"},
      {"everything at once", "",
       start + end + conditions({"FailureTarget", "Failed", "SuccessCriteriaMet", "Complete"}),
       "status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions\n"
       "status.conditions: Invalid value: cannot set Complete=True and FailureTarget=true "
       "conditions\n"
       "status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and Failed=true "
       "conditions\n"
       "status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and "
       "FailureTarget=true conditions\n"},
      {"pods left", "", done + R"(,"active":1,"terminating":1,"ready":2)",
       "status.active: Invalid value: 1: active>0 is invalid for finished job\n"
       "status.terminating: Invalid value: 1: terminating>0 is invalid for finished job\n"
       "status.ready: Invalid value: 2: cannot set more ready pods than active\n"},
      {"completion time of a failure", "", failed + "," + end.substr(0, end.size() - 1),
       "status.completionTime: Invalid value: \"2026-01-01T00:00:00Z\": cannot set completionTime "
       "when there is no Complete=True condition\n"},
      {"end before start", "",
       R"("startTime":"2026-01-02T00:00:00Z",)" + end +
           conditions({"SuccessCriteriaMet", "Complete"}),
       "status.completionTime: Invalid value: \"2026-01-01T00:00:00Z\": must be equal to or after "
       "`startTime`\n"},
      {"start moved", start + R"("active":1)", R"("startTime":"2026-01-02T00:00:00Z","active":1)",
       "status.startTime: Required value: startTime cannot be removed for unsuspended job\n"},
      {"success taken back", done, start + R"("succeeded":1)",
       "status.conditions: Invalid value: cannot disable the terminal Complete=True condition\n"
       "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition\n"},
      {"failure taken back", failed, start + R"("failed":1)",
       "status.conditions: Invalid value: cannot disable the terminal Failed=True condition\n"
       "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True "
       "condition\n"},
      {"counters", R"("failed":2,"succeeded":2)", R"("failed":1,"succeeded":-1)",
       "status.succeeded: Invalid value: -1: must be greater than or equal to 0\n"
       "status.failed: Invalid value: 1: cannot decrease the failed counter\n"
       "status.succeeded: Invalid value: -1: cannot decrease the succeeded counter\n"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(complaints(job_json(kJobSpec, "{" + c.old_status + "}"),
                         job_json(kJobSpec, "{" + c.new_status + "}"), jobs(), Part::Status),
              c.want)
        << c.name;
  }
}

TEST(ValidateUpdate, SmallKindsKeepWhatIsFixed) {
  const struct {
    const char* name;
    const Kind& of;
    const char* old_json;
    const char* new_json;
    const char* want;
  } cases[] = {
      {"sealed ConfigMap", configs(),
       R"({"metadata":{"name":"c"},"immutable":true,"data":{"a":"b"}})",
       R"({"metadata":{"name":"c"},"data":{"a":"c"}})",
       "immutable: Forbidden: field is immutable when `immutable` is set\n"
       "data: Forbidden: field is immutable when `immutable` is set\n"},
      {"type of a Secret", kind("", "secrets"), R"({"metadata":{"name":"s"},"type":"Opaque"})",
       R"({"metadata":{"name":"s"},"type":"x"})",
       "type: Invalid value: \"x\": field is immutable\n"},
      {"selector of a Deployment", kind("apps", "deployments"),
       R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}}}})",
       R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"c":"d"}}}})",
       R"(spec.selector: Invalid value: {"matchLabels":{"c":"d"}}: field is immutable)"
       "\n"},
      {"data of a revision", kind("apps", "controllerrevisions"),
       R"({"metadata":{"name":"r"},"data":{"a":1},"revision":1})",
       R"({"metadata":{"name":"r"},"data":{"a":2},"revision":3})",
       "data: Invalid value: {\"a\":2}: field is immutable\n"},
      {"numbers of a Lease", kind("coordination.k8s.io", "leases"), R"({"metadata":{"name":"l"}})",
       R"({"metadata":{"name":"l"},"spec":{"leaseDurationSeconds":0,"leaseTransitions":-1}})",
       "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0\n"
       "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0\n"},
      {"address of a Service", kind("", "services"),
       R"({"metadata":{"name":"s"},"spec":{"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9"]}})",
       R"({"metadata":{"name":"s"},"spec":{"clusterIP":"10.96.0.7","clusterIPs":["10.96.0.7"]}})",
       R"(spec.clusterIPs[0]: Invalid value: ["10.96.0.7"]: may not change once set)"
       "\n"},
      {"address of a Service left out", kind("", "services"),
       R"({"metadata":{"name":"s"},"spec":{"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9"]}})",
       R"({"metadata":{"name":"s"},"spec":{}})", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(complaints(c.old_json, c.new_json, c.of), c.want) << c.name;
}

TEST(ValidateEvents, TheNewGroupIsStricter) {
  const Kind& core = kind("", "events");
  const Kind& group = kind("events.k8s.io", "events");
  const auto event = [](const std::string& rest) {
    return parse(R"({"metadata":{"name":"e","namespace":"n"},)" + rest + "}");
  };
  const std::string good =
      R"("eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"m.dev/c",
         "reportingInstance":"i","action":"A","reason":"R","type":"Normal",
         "regarding":{"kind":"Pod","namespace":"n","name":"p"})";
  const struct {
    const char* name;
    const Kind& of;
    Value object;
    const char* want;
  } cases[] = {
      {"good", group, event(good), ""},
      {"old style", core, event(R"("involvedObject":{"namespace":"n"},"type":"Weird")"), ""},
      {"elsewhere", core, event(R"("involvedObject":{"namespace":"z"})"),
       "involvedObject.namespace: Invalid value: \"z\": does not match event.namespace\n"},
      {"bare", group, event(R"("regarding":{"namespace":"n"})"),
       "eventTime: Required value\ntype: Invalid value: \"\": has invalid value: \n"},
      {"deprecated", group, event(good + R"(,"deprecatedCount":2)"),
       "count: Invalid value: \"\": needs to be unset\n"},
      {"series", group, event(good + R"(,"series":{"count":1})"),
       "series.count: Invalid value: \"\": should be at least 2\n"
       "series.lastObservedTime: Required value\n"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(told(validate_create(c.object, c.of)), c.want) << c.name;
  }
  const Value old = event(good);
  Value now = old;
  now["note"] = "z";
  EXPECT_EQ(told(validate_update(now, old, group, Part::Main)),
            "message: Invalid value: \"z\": field is immutable\n");
  EXPECT_EQ(told(validate_update(now, old, core, Part::Main)), "");
}

struct Outcome {
  DeleteStep step;
  std::string metadata;
};
Outcome deleted(const std::string& json, const Kind& of, const Deletion& deletion) {
  Value object = parse(json);
  const DeleteStep step = prepare_delete(object, of, deletion, kNow);
  return {step, object.find("metadata")->dump()};
}

TEST(PrepareDelete, PodsWaitForTheirKubelet) {
  const std::string running =
      R"({"metadata":{"generation":1},"spec":{"nodeName":"x","terminationGracePeriodSeconds":30}})";
  const Outcome first = deleted(running, pods(), {});
  EXPECT_EQ(first.step, DeleteStep::Update);
  EXPECT_EQ(first.metadata, R"({"generation":2,"deletionTimestamp":"2026-11-21T08:30:30Z",)"
                            R"("deletionGracePeriodSeconds":30})");
  const struct {
    const char* name;
    std::string json;
    Deletion deletion;
    DeleteStep want;
    const char* grace;
  } cases[] = {
      {"at once", running, {.grace_seconds = 0}, DeleteStep::Remove, ":0"},
      {"negative is a second", running, {.grace_seconds = -5}, DeleteStep::Update, ":1}"},
      {"not scheduled",
       R"({"metadata":{},"spec":{}})",
       {.grace_seconds = 9},
       DeleteStep::Remove,
       ":0"},
      {"finished",
       R"({"metadata":{},"spec":{"nodeName":"x"},"status":{"phase":"Succeeded"}})",
       {},
       DeleteStep::Remove,
       ":0"},
      {"finished, with a finalizer",
       R"({"metadata":{"finalizers":["a/b"]},"spec":{"nodeName":"x"},"status":{"phase":"Failed"}})",
       {},
       DeleteStep::Update,
       ":0"},
      {"once more",
       "{\"metadata\":" + first.metadata + ",\"spec\":{\"nodeName\":\"x\"}}",
       {},
       DeleteStep::Nothing,
       ":30"},
      {"shorter",
       "{\"metadata\":" + first.metadata + ",\"spec\":{\"nodeName\":\"x\"}}",
       {.grace_seconds = 10},
       DeleteStep::Update,
       ":10"},
      {"not longer",
       "{\"metadata\":" + first.metadata + ",\"spec\":{\"nodeName\":\"x\"}}",
       {.grace_seconds = 50},
       DeleteStep::Nothing,
       ":30"},
      {"now after all",
       "{\"metadata\":" + first.metadata + ",\"spec\":{\"nodeName\":\"x\"}}",
       {.grace_seconds = 0},
       DeleteStep::Remove,
       ":0"},
  };
  for (const auto& c : cases) {
    const Outcome got = deleted(c.json, pods(), c.deletion);
    EXPECT_EQ(got.step, c.want) << c.name;
    EXPECT_NE(got.metadata.find("deletionGracePeriodSeconds\"" + std::string(c.grace)),
              std::string::npos)
        << c.name << got.metadata;
  }
}

TEST(PrepareDelete, FinalizersFollowThePropagation) {
  const std::string plain = R"({"metadata":{"name":"x","generation":3}})";
  const std::string held =
      R"({"metadata":{"name":"x","deletionTimestamp":"2026-01-01T00:00:00Z",
          "deletionGracePeriodSeconds":0,"finalizers":["a/b","foregroundDeletion"]}})";
  const struct {
    const char* name;
    std::string json;
    const Kind& of;
    Deletion deletion;
    DeleteStep want;
    const char* finalizers;
  } cases[] = {
      {"nobody waits", plain, pipelines(), {}, DeleteStep::Remove, "(none)"},
      {"Jobs leave their pods", plain, jobs(), {}, DeleteStep::Update, R"(["orphan"])"},
      {"Jobs told otherwise",
       plain,
       jobs(),
       {.propagation = Propagation::Background},
       DeleteStep::Remove,
       "(none)"},
      {"foreground",
       plain,
       pipelines(),
       {.propagation = Propagation::Foreground},
       DeleteStep::Update,
       R"(["foregroundDeletion"])"},
      {"again", held, pipelines(), {}, DeleteStep::Nothing, R"(["a/b","foregroundDeletion"])"},
      {"another way",
       held,
       pipelines(),
       {.propagation = Propagation::Background},
       DeleteStep::Update,
       R"(["a/b"])"},
  };
  for (const auto& c : cases) {
    Value object = parse(c.json);
    EXPECT_EQ(prepare_delete(object, c.of, c.deletion, kNow), c.want) << c.name;
    EXPECT_EQ(text(object, {"metadata", "finalizers"}), c.finalizers) << c.name;
  }
  Value marked = parse(plain);
  prepare_delete(marked, pipelines(), {.propagation = Propagation::Foreground}, kNow);
  EXPECT_EQ(text(marked, {"metadata", "generation"}), "4");
  EXPECT_EQ(text(marked, {"metadata", "deletionGracePeriodSeconds"}), "0");
  EXPECT_FALSE(ends_deletion(marked, pipelines()));
  marked["metadata"].erase("finalizers");
  EXPECT_TRUE(ends_deletion(marked, pipelines()));
}

TEST(PrepareDelete, NamespacesTerminateFirst) {
  Value object = parse(R"({"metadata":{"name":"n"},"spec":{"finalizers":["kubernetes"]},
                           "status":{"phase":"Active"}})");
  EXPECT_EQ(prepare_delete(object, kind("", "namespaces"), {}, kNow), DeleteStep::Update);
  EXPECT_EQ(text(object, {"status", "phase"}), "Terminating");
  EXPECT_EQ(prepare_delete(object, kind("", "namespaces"), {}, kNow), DeleteStep::Nothing);
  EXPECT_FALSE(ends_deletion(object, kind("", "namespaces")));
  object["spec"].erase("finalizers");
  EXPECT_TRUE(ends_deletion(object, kind("", "namespaces")));
  EXPECT_EQ(prepare_delete(object, kind("", "namespaces"), {}, kNow), DeleteStep::Remove);
}

TEST(Strategy, TellsKindsApart) {
  EXPECT_EQ(generated_name(std::string(70, 'a'), "12345"), std::string(58, 'a') + "12345");
  EXPECT_TRUE(allows_unconditional_update(pods()));
  EXPECT_FALSE(allows_unconditional_update(pipelines()));
  EXPECT_FALSE(allows_unconditional_update(kind("coordination.k8s.io", "leases")));
  EXPECT_TRUE(allows_create_on_update(kind("", "services")));
  EXPECT_FALSE(allows_create_on_update(configs()));
  EXPECT_FALSE(delete_warning(jobs(), {}).empty());
  EXPECT_TRUE(delete_warning(jobs(), {.propagation = Propagation::Orphan}).empty());
  EXPECT_TRUE(delete_warning(pods(), {}).empty());
}

}  // namespace
}  // namespace millrace::apiserver
