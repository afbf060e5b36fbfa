#include "local/schema/protobuf.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/unit/schema/world.h"

namespace millrace::schema {
namespace {

using codec::Value;

std::string varint(std::uint64_t number) {
  std::string out;
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  return out + static_cast<char>(number);
}

/// A field that is a number.
std::string n(unsigned field, std::int64_t number) {
  return varint(field << 3) + varint(static_cast<std::uint64_t>(number));
}

/// A field that is text, bytes or a message.
std::string b(unsigned field, std::string_view bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

std::string entry(std::string_view key, std::string_view value) { return b(1, key) + b(2, value); }

std::string body(std::string_view api_version, std::string_view kind, std::string_view raw) {
  return std::string("k8s\0", 4) + b(1, b(1, api_version) + b(2, kind)) + b(2, raw) + b(3, "") +
         b(4, "");
}

/// A pod with most of the shapes that a field can have.
std::string sample_pod() {
  const std::string metadata = b(1, "p") + b(2, "") + b(3, "default") + n(7, 0) + b(8, "") +
                               b(9, n(1, 86400) + n(2, 7)) + n(10, 0) + b(11, entry("b", "2")) +
                               b(11, entry("a", "1")) + b(11, entry("b", "3")) +
                               b(17, b(1, "me") + b(7, b(1, R"({"f:data":{}})")));
  const std::string probe =
      b(1, b(2, b(1, "/up") + b(2, n(1, 1) + n(2, 0) + b(3, "web")))) + n(2, 5);
  const std::string container =
      b(1, "c") + b(2, "busybox") + b(3, "sh") + b(3, "-c") +
      b(6, b(1, "web") + n(2, 0) + n(3, 80)) +
      b(7, b(1, "K") + b(2, "") + b(3, b(3, b(1, b(1, "cm")) + b(2, "k") + n(3, 0)))) +
      b(8, b(1, entry("cpu", b(1, "500m")))) + b(10, probe) + n(16, 1);
  const std::string volume = b(1, "v") + b(2, b(19, b(1, b(1, "cm")) + n(3, 420)));
  const std::string security = n(4, 1) + n(4, 2) + b(4, varint(3) + varint(4));
  return b(1, metadata) +
         b(2, b(1, volume) + b(2, container) + b(3, "Never") + n(4, -1) + b(14, security)) +
         b(3, "");
}

TEST(Protobuf, ReadsAPodAsJsonWouldHaveIt) {
  const auto document = decode_protobuf(body("v1", "Pod", sample_pod()));
  ASSERT_TRUE(document.ok()) << document.error().message;
  EXPECT_EQ(*document, json(R"({"kind": "Pod", "apiVersion": "v1",
    "metadata": {"name": "p", "namespace": "default", "deletionTimestamp": "1970-01-02T00:00:00Z",
      "deletionGracePeriodSeconds": 0, "labels": {"a": "1", "b": "3"},
      "managedFields": [{"manager": "me", "fieldsV1": {"f:data": {}}}]},
    "spec": {"volumes": [{"name": "v", "configMap": {"name": "cm", "defaultMode": 420}}],
      "containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c"],
        "ports": [{"name": "web", "containerPort": 80}],
        "env": [{"name": "K", "valueFrom":
          {"configMapKeyRef": {"name": "cm", "key": "k", "optional": false}}}],
        "resources": {"limits": {"cpu": "500m"}},
        "livenessProbe": {"httpGet": {"path": "/up", "port": "web"}, "initialDelaySeconds": 5},
        "stdin": true}],
      "restartPolicy": "Never", "terminationGracePeriodSeconds": -1,
      "securityContext": {"supplementalGroups": [1, 2, 3, 4]}},
    "status": {}})"));
}

struct Row {
  const char* what;
  const char* api_version;
  const char* kind;
  std::string raw;
  const char* json;  ///< without kind and apiVersion
};

TEST(Protobuf, ReadsEachFormOfAValue) {
  const std::string unknown = n(1000, 3) + b(1001, "x") + varint(1002U << 3 | 1) + "12345678" +
                              varint(1003U << 3 | 5) + "1234" + varint(1004U << 3 | 3) +
                              b(1, "in a group") + varint(1004U << 3 | 4);
  const Row rows[] = {
      {"nothing", "v1", "ConfigMap", "", "{}"},
      {"map", "v1", "ConfigMap", b(2, entry("k", "v")), R"({"data": {"k": "v"}})"},
      {"entry without a value", "v1", "ConfigMap", b(2, b(1, "k")), R"({"data": {"k": ""}})"},
      {"bytes", "v1", "Secret", b(2, entry("k", "\x01\x02\xff")), R"({"data": {"k": "AQL/"}})"},
      {"bad UTF-8", "v1", "ConfigMap", b(2, entry("k", "\xff")), R"({"data": {"k": "\ufffd"}})"},
      {"pointer to false", "v1", "Secret", n(5, 0), R"({"immutable": false})"},
      {"micro time", "coordination.k8s.io/v1", "Lease", b(2, b(4, n(1, 1) + n(2, 1234999))),
       R"({"spec": {"renewTime": "1970-01-01T00:00:01.001234Z"}})"},
      {"far time", "v1", "ConfigMap", b(1, b(8, n(1, 253402300799))),
       R"({"metadata": {"creationTimestamp": "9999-12-31T23:59:59Z"}})"},
      {"before 1970", "v1", "ConfigMap", b(1, b(8, n(1, -1))),
       R"({"metadata": {"creationTimestamp": "1969-12-31T23:59:59Z"}})"},
      {"message in two parts", "v1", "ConfigMap", b(1, b(1, "a")) + b(1, b(3, "n")),
       R"({"metadata": {"name": "a", "namespace": "n"}})"},
      {"last scalar", "v1", "ConfigMap", b(1, b(1, "a") + b(1, "b")),
       R"({"metadata": {"name": "b"}})"},
      {"unknown fields", "v1", "ConfigMap", unknown + b(2, entry("k", "v")) + unknown,
       R"({"data": {"k": "v"}})"},
      {"negative int32", "apps/v1", "Deployment",
       b(2, n(1, -5) + b(4, b(2, b(1, n(1, 0) + n(2, 1))))),
       R"({"spec": {"replicas": -5, "strategy": {"rollingUpdate": {"maxUnavailable": 1}}}})"},
      {"any JSON", "apps/v1", "ControllerRevision", b(2, b(1, R"({"a":[1]})")) + n(3, 2),
       R"({"data": {"a": [1]}, "revision": 2})"},
      {"empty amount", "v1", "Pod", b(2, b(2, b(8, b(2, entry("cpu", ""))))),
       R"({"spec": {"containers": [{"resources": {"requests": {"cpu": "0"}}}]}})"},
      {"delete options of any group", "batch/v1", "DeleteOptions",
       n(1, 0) + b(2, b(1, "u")) + b(4, "Foreground") + b(5, "All"),
       R"({"gracePeriodSeconds": 0, "preconditions": {"uid": "u"},
           "propagationPolicy": "Foreground", "dryRun": ["All"]})"},
      {"review", "authorization.k8s.io/v1", "SelfSubjectAccessReview",
       b(1, "") + b(2, b(1, b(1, "ns") + b(2, "get") + b(5, "pods"))) + b(3, n(1, 0)),
       R"({"metadata": {}, "spec": {"resourceAttributes":
           {"namespace": "ns", "verb": "get", "resource": "pods"}}})"},
      {"scale", "autoscaling/v1", "Scale", b(2, n(1, 3)), R"({"spec": {"replicas": 3}})"},
      {"unknown kind", "nope/v1", "Nope", "anything", "{}"},
      {"custom kind", "millrace.dev/v1", "Pipeline", "anything", "{}"},
  };
  for (const Row& row : rows) {
    Value wanted = json(row.json);
    wanted["kind"] = row.kind;
    wanted["apiVersion"] = row.api_version;
    const auto document = decode_protobuf(body(row.api_version, row.kind, row.raw));
    ASSERT_TRUE(document.ok()) << row.what << ": " << document.error().message;
    EXPECT_EQ(*document, wanted) << row.what << ": " << document->dump();
  }
}

TEST(Protobuf, TakesTheTypeThatIsExpectedWhenTheEnvelopeNamesNone) {
  const auto document = decode_protobuf(body("", "", b(2, entry("k", "v"))), "v1", "ConfigMap");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(*document, json(R"({"kind": "ConfigMap", "apiVersion": "v1", "data": {"k": "v"}})"));
}

TEST(Protobuf, RefusesWhatIsNotOneInTheWordsOfTheServer) {
  struct Bad {
    std::string body;
    const char* message;
  };
  const std::string magic("k8s\0", 4);
  const auto map = [](std::string_view raw) { return body("v1", "ConfigMap", raw); };
  const std::string overlong(11, '\xff');
  const Bad rows[] = {
      {"", "empty data"},
      {"{}",
       "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"},
      {magic, "empty body"},
      {magic + "\x0a", "unexpected EOF"},
      {map("\x0a\x05"), "unexpected EOF"},
      {map(overlong), "proto: integer overflow"},
      {map("\x0a" + varint(0xffffffffffffffff)),
       "proto: negative length found during unmarshaling"},
      {map(n(1, 1)), "proto: wrong wireType = 0 for field Metadata"},
      {map(b(1, n(1, 1))), "proto: wrong wireType = 0 for field Name"},
      {map(std::string(1, '\0')), "proto: ConfigMap: illegal tag 0 (wire type 0)"},
      {map("\x0c"), "proto: ConfigMap: wiretype end group for non-group"},
      {map("\x7e"), "proto: illegal wireType 6"},
      {map(b(1, b(8, n(1, 253402300800)))), "Time.MarshalJSON: year outside of range [0,9999]"},
      {body("apps/v1", "ControllerRevision",
            b(2, b(1, std::string(127, '[') + std::string(127, ']')))),
       "proto: nested too deep"},
  };
  for (const Bad& row : rows) {
    const auto document = decode_protobuf(row.body);
    ASSERT_FALSE(document.ok()) << row.message << ": " << document->dump();
    EXPECT_EQ(document.error().code, Code::Malformed);
    EXPECT_EQ(document.error().message, row.message);
  }
}

TEST(Protobuf, SurvivesTruncationAtEachByte) {
  const std::string whole = body("v1", "Pod", sample_pod());
  const std::size_t end = whole.size() - 4;  // after the object only empty fields follow
  for (std::size_t length = 0; length < end; ++length) {
    const std::string cut = whole.substr(0, length);
    const auto document = decode_protobuf(cut);
    if (!document.ok()) continue;
    EXPECT_LE(document->members().size(), 2U) << "an object from " << length << " bytes";
  }
  // The object alone: whatever is left is an error or fits JSON.
  const std::string pod = sample_pod();
  const Type& type = *wire_type("v1", "Pod");
  for (std::size_t length = 0; length < pod.size(); ++length) {
    const auto document = read_message(std::string_view(pod).substr(0, length), type);
    if (!document.ok()) continue;
    EXPECT_TRUE(Value::parse(document->dump()).ok());
  }
}

TEST(Protobuf, SurvivesDamage) {
  const std::string whole = body("v1", "Pod", sample_pod());
  std::mt19937 random(20251121);
  const Kind& pods = *find_kind("", "v1", "pods");
  std::size_t read = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = whole;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = 4 + random() % (damaged.size() - 4);
      if (random() % 3 == 0) {
        damaged.erase(at, 1 + random() % 3);
      } else {
        damaged[at] = static_cast<char>(random());
      }
    }
    auto document = decode_protobuf(damaged);
    if (!document.ok()) {
      EXPECT_EQ(document.error().code, Code::Malformed);
      continue;
    }
    ++read;
    const auto again = Value::parse(document->dump());
    ASSERT_TRUE(again.ok()) << "seed 20251121, round " << round;
    ASSERT_EQ(*again, *document);
    if (*document->find("kind") == Value("Pod")) (void)fit(*document, pods);
  }
  EXPECT_GT(read, 100U);
}

TEST(Protobuf, KnowsTheNumberOfEachField) {
  std::set<const Type*> seen;
  std::vector<const Type*> left = {&scale_type()};
  for (const Kind& kind : kinds()) {
    if (!kind.custom) left.push_back(kind.type);
  }
  while (!left.empty()) {
    const Type* type = left.back();
    left.pop_back();
    if (type == nullptr || !seen.insert(type).second) continue;
    left.push_back(type->element);
    std::set<std::pair<unsigned, unsigned>> numbers;
    for (const Field& field : type->fields) {
      left.push_back(field.type);
      const bool meta = field.name == "kind" || field.name == "apiVersion";
      if (meta && type->find("metadata") != nullptr) continue;  // in the envelope
      EXPECT_GT(field.number, 0U) << type->name << "." << field.name;
      EXPECT_TRUE(numbers.insert({field.outer_number, field.number}).second)
          << type->name << "." << field.name;
    }
    for (const auto& [outer, number] : numbers) EXPECT_FALSE(numbers.contains({0U, outer}));
  }
  EXPECT_GT(seen.size(), 150U);
}

}  // namespace
}  // namespace millrace::schema
