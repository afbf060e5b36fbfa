#include <gtest/gtest.h>

#include "local/schema/fit.h"
#include "tests/unit/schema/world.h"

namespace millrace::schema {
namespace {

using codec::Value;
using Lines = std::vector<std::string>;

TEST(Validate, AcceptsThePlainObjects) {
  EXPECT_EQ(problems(pod()), Lines{});
  EXPECT_EQ(problems(job()), Lines{});
  EXPECT_EQ(problems(deployment()), Lines{});
  EXPECT_EQ(problems(service()), Lines{});
}

// Measured against a real server of version 1.34.
TEST(Validate, ComplainsOfBuiltInKindsInTheServersWords) {
  const std::string required = " FieldValueRequired Required value";
  const struct {
    const char* name;
    Value object;
    Lines want;
  } cases[] = {
      {"no containers", pod(R"({"containers": []})"), {"spec.containers" + required}},
      {"no image",
       pod(R"({"containers": [{"name": "a"}]})"),
       {"spec.containers[0].image" + required}},
      {"name twice",
       pod(R"({"initContainers": [{"name": "a", "image": "x"}]})"),
       {"spec.initContainers[0].name FieldValueDuplicate Duplicate value: \"a\""}},
      {"no such volume",
       pod(R"({"containers": [{"name": "a", "image": "x",
                               "volumeMounts": [{"name": "v", "mountPath": "/a"}]}]})"),
       {"spec.containers[0].volumeMounts[0].name FieldValueNotFound Not found: \"v\""}},
      {"more asked than allowed",
       pod(R"({"containers": [{"name": "a", "image": "x",
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}]})"),
       {"spec.containers[0].resources.requests FieldValueInvalid Invalid value: \"2\": must be "
        "less "
        "than or equal to cpu limit of 1"}},
      {"no handler",
       pod(R"({"containers": [{"name": "a", "image": "x", "livenessProbe": {}}]})"),
       {"spec.containers[0].livenessProbe FieldValueRequired Required value: must specify a "
        "handler "
        "type"}},
      {"two sources",
       pod(R"({"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "a"}}]})"),
       {"spec.volumes[0].configMap FieldValueForbidden Forbidden: may not specify more than 1 "
        "volume "
        "type"}},
      {"path out of the volume",
       pod(R"({"volumes": [{"name": "v", "secret": {"secretName": "s",
                            "items": [{"key": "a", "path": "../b"}]}}]})"),
       {"spec.volumes[0].secret.items[0].path FieldValueInvalid Invalid value: \"../b\": must not "
        "contain '..'"}},
      {"policy of a Job",
       job(R"({"template": {"spec": {"containers": [{"name": "a",
                                  "image": "x"}]}}})"),
       {"spec.template.spec.restartPolicy FieldValueRequired Required value: valid values: "
        "\"OnFailure\", \"Never\""}},
      {"negative numbers of a Job",
       job(R"({"parallelism": -1, "backoffLimit": -1})"),
       {"spec.parallelism FieldValueInvalid Invalid value: -1: must be greater than or equal to 0",
        "spec.backoffLimit FieldValueInvalid Invalid value: -1: must be greater than or equal to "
        "0"}},
      {"manager of a Job",
       job(R"({"managedBy": "x"})"),
       {"spec.managedBy FieldValueInvalid Invalid value: \"x\": must be a domain-prefixed path "
        "(such "
        "as \"acme.io/foo\")"}},
      {"selector beside the labels",
       deployment(R"({"selector": {"matchLabels": {"x": "y"}}})"),
       {"spec.template.metadata.labels FieldValueInvalid Invalid value: {\"a\":\"b\"}: `selector` "
        "does not match template `labels`"}},
      {"port names",
       service(R"({"ports": [{"port": 80}, {"port": 81}]})"),
       {"spec.ports[0].name" + required, "spec.ports[1].name" + required}},
      {"port range",
       service(R"({"ports": [{"port": 70000, "targetPort": 1}]})"),
       {"spec.ports[0].port FieldValueInvalid Invalid value: 70000: must be between 1 and 65535, "
        "inclusive"}},
      {"key of a ConfigMap",
       json(R"({"apiVersion": "v1", "kind": "ConfigMap", "data": {"..": "x"}})"),
       {"data[..] FieldValueInvalid Invalid value: \"..\": must not be '..'"}},
      {"lease",
       json(R"({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "spec": {"leaseDurationSeconds": 0}})"),
       {"spec.leaseDurationSeconds FieldValueInvalid Invalid value: 0: must be greater than 0"}},
      {"event without time",
       json(R"({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"namespace": "d"},
                "reportingController": "a.b/c", "reportingInstance": "i", "action": "A",
                "reason": "R", "type": "Normal"})"),
       {"eventTime" + required}},
  };
  for (const auto& c : cases) EXPECT_EQ(problems(c.object), c.want) << c.name;
}

Value run(std::string_view spec) {
  Value object = json(R"({"apiVersion": "millrace.dev/v1", "kind": "PipelineRun",
                          "metadata": {"name": "r"}})");
  object["spec"] = json(spec);
  return object;
}

TEST(Validate, ComplainsOfCustomKindsInTheServersWords) {
  const std::string unchecked =
      "<nil> FieldValueInvalid Invalid value: null: some validation rules were not checked because "
      "the object was invalid; correct the existing errors to complete validation";
  const struct {
    const char* spec;
    Lines want;
  } cases[] = {
      {R"({"refPipeline": "x"})", {}},
      {R"({"refPipeline": 5})",
       {"spec.refPipeline FieldValueTypeInvalid Invalid value: \"integer\": spec.refPipeline in "
        "body "
        "must be of type string: \"integer\"",
        unchecked}},
      {"{}", {"spec.refPipeline FieldValueRequired Required value", unchecked}},
      {R"({"refPipeline": "", "maxRetryCount": 1001})",
       {"spec.refPipeline FieldValueInvalid Invalid value: \"\": spec.refPipeline in body should "
        "be "
        "at least 1 chars long",
        "spec.maxRetryCount FieldValueInvalid Invalid value: 1001: spec.maxRetryCount in body "
        "should "
        "be less than or equal to 1000"}},
      {R"({"refPipeline": "x", "timeout": "x"})",
       {"spec.timeout FieldValueInvalid Invalid value: \"string\": must be a duration such as 90s "
        "or "
        "1h30m, at most 24h; 0s means no limit"}},
  };
  for (const auto& c : cases) EXPECT_EQ(problems(run(c.spec)), c.want) << c.spec;
}

TEST(Validate, AsksRulesOnUpdatesAndForgivesWhatDidNotChange) {
  const Value before = run(R"({"refPipeline": "x"})");
  const Value after = run(R"({"refPipeline": "y"})");
  const Kind& kind = kind_of(before);
  EXPECT_TRUE(validate(after, nullptr, kind).empty());
  ASSERT_EQ(validate(after, &before, kind).size(), 1u);
  EXPECT_EQ(validate(after, &before, kind)[0].field, "spec");
  // It was stored before the limit came; a change of its labels must not fail of it.
  const Value broken = run(R"({"refPipeline": "x", "maxRetryCount": 9999})");
  Value labelled = broken;
  labelled["metadata"]["labels"]["a"] = Value("b");
  EXPECT_FALSE(validate(broken, nullptr, kind).empty());
  EXPECT_TRUE(validate(labelled, &broken, kind).empty());
}

}  // namespace
}  // namespace millrace::schema
