#include "local/patch/managed_fields.h"

#include <gtest/gtest.h>

#include <string>

#include "local/patch/patch.h"
#include "tests/unit/patch/documents.h"
#include "tests/unit/patch/owners.h"

namespace millrace::patch {
namespace {

using codec::Value;
using Lines = std::vector<std::string>;

Value config_map(const char* data) {
  Value object = json(R"({"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"1"}})");
  object["data"] = json(data);
  return object;
}

// What the API server 1.34 was seen to write for these objects.
TEST(TrackUpdate, ACreatorOwnsWhatItWrote) {
  const struct {
    const char* name;
    const char* object;
    const char* want;
  } cases[] = {
      {"a map of its own and its members", R"({"apiVersion":"v1","kind":"ConfigMap",
          "metadata":{"name":"a","namespace":"n","labels":{"x":"y"},"uid":"u"},"data":{"a":"1"}})",
       R"({"f:data":{".":{},"f:a":{}},"f:metadata":{"f:labels":{".":{},"f:x":{}}}})"},
      {"keyed items with defaulted keys, spec without a dot", R"({"apiVersion":"v1","kind":"Pod",
          "metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"x","command":["a"],
          "resources":{},"ports":[{"containerPort":80}]}],"imagePullSecrets":[{"name":"q"}]},
          "status":{}})",
       R"({"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:command":{},"f:image":{},)"
       R"("f:name":{},"f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},)"
       R"("f:containerPort":{}}},"f:resources":{}}},"f:imagePullSecrets":{".":{},)"
       R"("k:{\"name\":\"q\"}":{}}}})"},
      {"numbers in keys are ordered as numbers", R"({"apiVersion":"v1","kind":"Service",
          "metadata":{"name":"a"},"spec":{"ports":[{"port":8080,"protocol":"TCP"},
          {"port":80,"protocol":"UDP"},{"port":443,"protocol":"TCP"}],"selector":{"a":"b"}}})",
       R"({"f:spec":{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"UDP\"}":{".":{},"f:port":{},)"
       R"("f:protocol":{}},"k:{\"port\":443,\"protocol\":\"TCP\"}":{".":{},"f:port":{},)"
       R"("f:protocol":{}},"k:{\"port\":8080,\"protocol\":\"TCP\"}":{".":{},"f:port":{},)"
       R"("f:protocol":{}}},"f:selector":{}}})"},
      {"sets, and references as a whole", R"({"apiVersion":"v1","kind":"ConfigMap",
          "metadata":{"name":"a","finalizers":["b/c","a/b"],"ownerReferences":[{"apiVersion":"v1",
          "kind":"Pod","name":"p","uid":"u1"}]}})",
       R"({"f:metadata":{"f:finalizers":{".":{},"v:\"a/b\"":{},"v:\"b/c\"":{}},)"
       R"("f:ownerReferences":{".":{},"k:{\"uid\":\"u1\"}":{}}}})"},
      {"custom kinds own spec itself, not status", R"({"apiVersion":"millrace.dev/v1",
          "kind":"PipelineRun","metadata":{"name":"a"},"spec":{"refPipeline":"x"},
          "status":{"phase":"Running"}})",
       R"({"f:spec":{".":{},"f:refPipeline":{}}})"},
      {"free-form content as a whole", R"({"apiVersion":"apps/v1","kind":"ControllerRevision",
          "metadata":{"name":"a"},"data":{"a":{"b":[1]}},"revision":1})",
       R"({"f:data":{},"f:revision":{}})"},
  };
  for (const auto& c : cases) {
    const Value object = updated(nullptr, json(c.object), "m");
    const std::string version = object.find("apiVersion")->as_string();
    EXPECT_EQ(owners(object), Lines{"m Update " + version + " @0: " + c.want}) << c.name;
  }
}

TEST(TrackUpdate, AnObjectWithoutContentHasNoOwner) {
  const Value object = updated(nullptr, json(R"({"apiVersion":"v1","kind":"ServiceAccount",
      "metadata":{"name":"a","namespace":"n"}})"),
                               "m");
  EXPECT_EQ(object.at_path({"metadata", "managedFields"}), nullptr);
}

TEST(TrackUpdate, ChangesMoveFieldsToWhoMadeThem) {
  const Value first = updated(nullptr, config_map(R"({"a":"1","b":"2"})"), "one");
  Value next = first;
  next["data"] = json(R"({"a":"9","b":"2","c":"3"})");
  const Value second = updated(&first, next, "two", 5);
  EXPECT_EQ(owners(second), (Lines{R"(one Update v1 @0: {"f:data":{".":{},"f:b":{}}})",
                                   R"(two Update v1 @5: {"f:data":{"f:a":{},"f:c":{}}})"}));
  next = second;
  next["data"] = json(R"({"b":"2"})");
  const Value third = updated(&second, next, "three", 6);
  EXPECT_EQ(owners(third), Lines{R"(one Update v1 @0: {"f:data":{".":{},"f:b":{}}})"});
}

TEST(TrackUpdate, AnUpdateWithoutAChangeLeavesAllAsItIs) {
  const Value first = updated(nullptr, config_map(R"({"a":"1"})"), "one");
  EXPECT_EQ(updated(&first, first, "two", 5), first);
  EXPECT_TRUE(same_but_times(updated(&first, first, "one", 5), first));
}

TEST(TrackUpdate, StatusHasOwnersOfItsOwn) {
  const Value pod = json(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},
      "spec":{"containers":[{"name":"c","image":"x"}]},"status":{}})");
  const Value first = updated(nullptr, pod, "one");
  Value next = first;
  next["status"] = json(R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}],
      "containerStatuses":[{"name":"c","ready":true}]})");
  next["spec"]["nodeName"] = "not for this subresource";
  const Value second = updated(&first, next, "kubelet", 1, "status");
  EXPECT_EQ(owners(second)[1],
            R"(kubelet/status Update v1 @1: {"f:status":{"f:conditions":{".":{},)"
            R"("k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}},)"
            R"("f:containerStatuses":{},"f:phase":{}}})");
  next = second;
  next["status"]["phase"] = "Failed";
  EXPECT_EQ(updated(&second, next, "one", 2), next) << "status does not count in other writes";
}

TEST(TrackUpdate, ClientsMayEditOrEmptyTheOwners) {
  const Value first = updated(nullptr, config_map(R"({"a":"1"})"), "one");
  const auto with = [&](const char* fields) {
    Value sent = first;
    sent["metadata"]["managedFields"] = json(fields);
    return owners(updated(&first, sent, "two", 5));
  };
  const Lines kept = owners(first);
  EXPECT_EQ(with("[{}]"), Lines{});
  EXPECT_EQ(with("[]"), kept);
  EXPECT_EQ(with("null"), kept);
  EXPECT_EQ(with(R"("text")"), kept);
  EXPECT_EQ(with(R"([{"manager":"x","operation":"Turn","apiVersion":"v1"}])"), kept);
  EXPECT_EQ(with(R"([{"manager":"x","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1",
                      "fieldsV1":{"z:a":{}}}])"),
            kept);
  EXPECT_EQ(with(R"([{"manager":"x","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1",
                      "fieldsV1":{"f:b":{"k:{\"y\": 1,\"x\":\"\"}":{}},"f:a":{}}}])"),
            Lines{R"(x Apply v1: {"f:a":{},"f:b":{"k:{\"x\":\"\",\"y\":1}":{}}})"});
}

TEST(TrackUpdate, AnObjectWithoutOwnersStaysSo) {
  const Value bare = config_map(R"({"a":"1"})");
  Value next = bare;
  next["data"]["a"] = "2";
  EXPECT_EQ(owners(updated(&bare, next, "two")), Lines{});
}

TEST(TrackUpdate, TheOldestUpdatersBecomeOne) {
  Value object = updated(nullptr, config_map(R"({"x":"1"})"), "m0", 0);
  for (int i = 1; i <= 12; ++i) {
    Value next = object;
    next["data"]["k" + std::to_string(i)] = "v";
    object = updated(&object, next, "m" + std::to_string(i), i);
  }
  const Lines lines = owners(object);
  ASSERT_EQ(lines.size(), 10u);
  EXPECT_EQ(lines[0],
            R"(ancient-changes Update v1 @3: {"f:data":{".":{},"f:k1":{},"f:k2":{},"f:k3":{},)"
            R"("f:x":{}}})");
  EXPECT_EQ(lines[1], R"(m4 Update v1 @4: {"f:data":{"f:k4":{}}})");
}

TEST(TrackUpdate, ItemsOfTheSameKeyAreOwnedAsOne) {
  Value pod = json(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[
      {"name":"c","image":"x","env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}]}})");
  const std::string line = owners(updated(nullptr, pod, "m"))[0];
  EXPECT_NE(line.find(R"("f:env":{".":{},"k:{\"name\":\"A\"}":{}})"), std::string::npos) << line;
}

TEST(TrackUpdate, SurvivesAnyShape) {
  Documents documents(21);
  const std::string_view seed =
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","finalizers":["x"],"managedFields":
      [{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":
      {"f:spec":{"k:{\"name\":\"a\"}":{".":{}}}}}]},"spec":{"containers":[{"name":"c","image":"x",
      "ports":[{"containerPort":80}]}],"volumes":[{"name":"v"}]},"status":{"conditions":[]}})";
  const schema::Type& type = type_of(json(seed));
  const Manager manager{"m", "v1", ""};
  int parsed = 0;
  Value before = json(seed);
  for (int i = 0; i < 3000; ++i) {
    auto now = Value::parse(documents.mutated(seed));
    if (!now.ok()) continue;
    ++parsed;
    track_update(*now, documents.below(3) == 0 ? nullptr : &before, type, manager, at_second(i));
    auto result = apply(&before, *now, type, manager, documents.below(2) == 0, at_second(i));
    if (result.ok() && result->conflicts.empty()) {
      EXPECT_TRUE(Value::parse(result->object.dump()).ok());
    }
    if (documents.below(4) == 0) before = *std::move(now);
    if (documents.below(16) == 0) before = json(seed);
  }
  EXPECT_GT(parsed, 300);
}

}  // namespace
}  // namespace millrace::patch
