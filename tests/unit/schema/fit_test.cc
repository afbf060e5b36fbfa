#include "local/schema/fit.h"

#include <gtest/gtest.h>

#include "tests/unit/schema/world.h"

namespace millrace::schema {
namespace {

using codec::Value;

TEST(Fit, NamesUnknownFieldsAndDropsThem) {
  Value object = pod(R"({"foo": 1, "containers": [{"name": "a", "image": "x", "bar": null}]})");
  const auto fitted = fit(object, kind_of(object));
  ASSERT_TRUE(fitted.ok());
  EXPECT_EQ(fitted->unknown, (std::vector<std::string>{"unknown field \"spec.containers[0].bar\"",
                                                       "unknown field \"spec.foo\""}));
  EXPECT_EQ(object, pod(R"({"containers": [{"name": "a", "image": "x"}]})"));
}

TEST(Fit, SortsTheUnknownFieldsOfCustomKindsAfterThoseOfTheirMetadata) {
  Value object = json(R"({"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "zz": 1,
      "metadata": {"name": "a", "fo": 1}, "spec": {"refPipeline": "x", "foo": 1, "cancel": null}})");
  const auto fitted = fit(object, kind_of(object));
  ASSERT_TRUE(fitted.ok());
  EXPECT_EQ(fitted->unknown,
            (std::vector<std::string>{"unknown field \"metadata.fo\"", "unknown field \"spec.foo\"",
                                      "unknown field \"zz\""}));
  EXPECT_EQ(object, json(R"({"apiVersion": "millrace.dev/v1", "kind": "PipelineRun",
      "metadata": {"name": "a"}, "spec": {"refPipeline": "x"}})"));
}

TEST(Fit, KeepsWhatACustomKindPassesOn) {
  Value object = json(R"({"apiVersion": "millrace.dev/v1", "kind": "Pipeline",
      "spec": {"batchJob": {"processors": [{"name": "a", "image": "x", "env": [{"any": null}]}]}}})");
  const Value before = object;
  ASSERT_TRUE(fit(object, kind_of(object)).ok());
  EXPECT_EQ(object, before);
}

TEST(Fit, RefusesValuesOfAnotherTypeInTheServersWords) {
  const struct {
    const char* spec;
    const char* want;
  } cases[] = {
      {R"({"containers": 5})",
       "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type "
       "[]v1.Container"},
      {R"({"containers": [{"name": 5}]})",
       "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type "
       "string"},
      {R"({"activeDeadlineSeconds": 1.5})",
       "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.activeDeadlineSeconds "
       "of type int64"},
      {R"({"priority": 99999999999})",
       "json: cannot unmarshal number 99999999999 into Go struct field PodSpec.spec.priority of "
       "type int32"},
      {R"({"nodeSelector": {"a": 5}})",
       "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type "
       "string"},
      {R"({"containers": [{"livenessProbe": {"httpGet": {"port": true}}}]})",
       "json: cannot unmarshal bool into Go struct field "
       "HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32"},
      {R"({"containers": [{"resources": {"limits": {"cpu": "x"}}}]})",
       "quantities must match the regular expression "
       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {R"({"affinity": {"nodeAffinity": "x"}, "hostNetwork": "later"})",
       "json: cannot unmarshal string into Go struct field Affinity.spec.affinity.nodeAffinity of "
       "type v1.NodeAffinity"},
  };
  for (const auto& c : cases) {
    Value object = pod(c.spec);
    const auto fitted = fit(object, kind_of(object));
    ASSERT_FALSE(fitted.ok()) << c.spec;
    EXPECT_EQ(fitted.error().code, Code::Malformed) << c.spec;
    EXPECT_EQ(fitted.error().message, c.want);
  }
}

TEST(Fit, WritesTimesAndBytesInOneForm) {
  const struct {
    const char* time;
    const char* want;  // the time, or the error
  } cases[] = {
      {"2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123456Z"},
      {"2026-01-01T02:00:00.000000+02:00", "2026-01-01T00:00:00.000000Z"},
      {"2026-01-01T00:00:00Z",
       "parsing time \"2026-01-01T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
       "parse \"Z\" as \".000000\""},
      {"x",
       "parsing time \"x\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"x\" as "
       "\"2006\""},
      {"2026-13-01T00:00:00.000000Z",
       "parsing time \"2026-13-01T00:00:00.000000Z\": month out of range"},
  };
  for (const auto& c : cases) {
    Value lease = json(R"({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"})");
    lease["spec"]["renewTime"] = Value(c.time);
    const auto fitted = fit(lease, kind_of(lease));
    const std::string got =
        fitted.ok() ? lease.at_path({"spec", "renewTime"})->as_string() : fitted.error().message;
    EXPECT_EQ(got, c.want);
  }
  const struct {
    const char* data;
    const char* want;
  } bytes[] = {{"YQ==\n", "YQ=="},
               {"YQ", "illegal base64 data at input byte 0"},
               {"YQ=", "illegal base64 data at input byte 3"},
               {"YWFh%", "illegal base64 data at input byte 4"}};
  for (const auto& c : bytes) {
    Value secret = json(R"({"apiVersion": "v1", "kind": "Secret"})");
    secret["data"]["k"] = Value(c.data);
    const auto fitted = fit(secret, kind_of(secret));
    EXPECT_EQ(fitted.ok() ? secret.at_path({"data", "k"})->as_string() : fitted.error().message,
              c.want);
  }
}

TEST(Defaults, OfAPod) {
  const Value got = stored(pod(R"({"hostNetwork": false, "nodeName": "", "volumes": [{"name": "v"}],
      "containers": [{"name": "a", "image": "host:5000/x", "workingDir": "",
                      "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": ""}],
                      "livenessProbe": {"httpGet": {"port": 80}},
                      "resources": {"limits": {"cpu": 0.5}}}]})"));
  const Value want = json(R"({"containers": [{"name": "a", "image": "host:5000/x",
      "imagePullPolicy": "Always", "terminationMessagePath": "/dev/termination-log",
      "terminationMessagePolicy": "File", "ports": [{"containerPort": 80, "protocol": "TCP"}],
      "env": [{"name": "A"}], "resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}},
      "livenessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}}],
      "volumes": [{"name": "v", "emptyDir": {}}], "restartPolicy": "Always",
      "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "securityContext": {},
      "enableServiceLinks": true, "schedulerName": "default-scheduler"})");
  EXPECT_EQ(*got.find("spec"), want) << got.find("spec")->pretty();
}

TEST(Defaults, OfOtherKinds) {
  const struct {
    const char* name;
    Value object;
    std::vector<std::string_view> path;
    const char* want;
  } cases[] = {
      {"completions and parallelism", job(), {"spec", "completions"}, "1"},
      {"parallelism alone leaves completions open",
       job(R"({"parallelism": 2})"),
       {"spec", "completions"},
       "null"},
      {"retries", job(), {"spec", "backoffLimit"}, "6"},
      {"a whole deployment",
       deployment(),
       {"spec", "strategy"},
       R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}})"},
      {"no replicas wanted", deployment(R"({"replicas": 0})"), {"spec", "replicas"}, "0"},
      {"target port",
       service(),
       {"spec", "ports"},
       R"([{"port":80,"protocol":"TCP","targetPort":80}])"},
      {"affinity",
       service(R"({"sessionAffinity": "ClientIP"})"),
       {"spec", "sessionAffinityConfig"},
       R"({"clientIP":{"timeoutSeconds":10800}})"},
      {"text of a secret",
       json(R"({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}})"),
       {"data"},
       R"({"a":"Yg=="})"},
      {"label of a namespace",
       json(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})"),
       {"metadata", "labels"},
       R"({"kubernetes.io/metadata.name":"n"})"},
      {"of a custom kind",
       json(R"({"apiVersion": "millrace.dev/v1", "kind": "Pipeline",
                "spec": {"strategy": {"cronExpression": "* * * * *"}}})"),
       {"spec", "strategy", "concurrencyPolicy"},
       "\"Allow\""},
  };
  for (const auto& c : cases) {
    const Value got = stored(c.object);
    const Value* at = &got;
    for (const std::string_view name : c.path) at = at == nullptr ? nullptr : at->find(name);
    EXPECT_EQ(at == nullptr ? Value() : *at, json(c.want)) << c.name << "\n" << got.pretty();
  }
}

}  // namespace
}  // namespace millrace::schema
