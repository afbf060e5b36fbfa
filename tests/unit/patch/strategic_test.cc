#include <gtest/gtest.h>

#include <string>

#include "local/patch/patch.h"
#include "tests/unit/patch/documents.h"
#include "tests/unit/patch/owners.h"

namespace millrace::patch {
namespace {

using codec::Value;

constexpr const char* kDeployment = R"({"apiVersion":"apps/v1","kind":"Deployment",
    "metadata":{"name":"d","finalizers":["f1","f2","f3"],"labels":{"l":"1","m":"2"}},
    "spec":{"replicas":1,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}},
    "template":{"spec":{"containers":[
      {"name":"a","image":"x","args":["1"],"env":[{"name":"A","value":"1"},{"name":"B"},
       {"name":"C"}],"ports":[{"containerPort":80}]},
      {"name":"b","image":"y"},{"name":"c","image":"z"}],
    "volumes":[{"name":"v","emptyDir":{}}],"tolerations":[{"key":"a"}]}}}})";

/// The part of the deployment that `path` names ("metadata", "spec", "pod" or "a": the pod's spec
/// and its container a), after a patch of that part.
Value patched(const std::string& path, const char* patch) {
  Value whole = json(patch);
  if (path == "a") whole = Value::object({{"containers", Value::array({whole})}});
  if (path == "a") whole["containers"].items()[0]["name"] = "a";
  if (path == "a" || path == "pod") {
    whole = Value::object({{"template", Value::object({{"spec", whole}})}});
  }
  whole = Value::object({{path == "metadata" ? "metadata" : "spec", whole}});
  const Value target = json(kDeployment);
  const auto result = strategic_merge(target, whole, type_of(target));
  if (!result.ok()) return Value::object({{"error", result.error().message}});
  if (path == "metadata" || path == "spec") return *result->find(path);
  const Value pod = *result->at_path({"spec", "template", "spec"});
  if (path == "pod") return pod;
  for (const Value& item : pod.find("containers")->items()) {
    if (item.find("name")->as_string() == "a") return item;
  }
  return {};
}

// Each row was run against the API server 1.34, which gave the same.
TEST(StrategicMerge, MergesListsByTheirKeys) {
  const struct {
    const char* name;
    const char* path;
    const char* patch;
    const char* list;
    const char* want;  // the members that identify the items, in order
  } cases[] = {
      {"a changed item stays in place", "pod", R"({"containers":[{"name":"b","image":"n"}]})",
       "containers", "a b c"},
      {"a new item goes first", "pod", R"({"containers":[{"name":"d"}]})", "containers", "d a b c"},
      {"new and old in the patch's order", "pod",
       R"({"containers":[{"name":"d"},{"name":"a","image":"u"}]})", "containers", "d a b c"},
      {"delete", "pod", R"({"containers":[{"name":"b","$patch":"delete"}]})", "containers", "a c"},
      {"delete, add and change", "pod",
       R"({"containers":[{"name":"b","$patch":"delete"},{"name":"e"},{"name":"c","tty":true}]})",
       "containers", "e a c"},
      {"replace all", "pod", R"({"containers":[{"$patch":"replace"},{"name":"z"}]})", "containers",
       "z"},
      {"replacing one item leaves only the others of the patch", "pod",
       R"({"containers":[{"name":"a","$patch":"replace","image":"only"}]})", "containers", ""},
      {"order alone", "pod",
       R"({"$setElementOrder/containers":[{"name":"c"},{"name":"a"},{"name":"b"}]})", "containers",
       "c a b"},
      {"order with a deletion", "pod",
       R"({"$setElementOrder/containers":[{"name":"c"},{"name":"a"}],
           "containers":[{"name":"a","image":"k"},{"name":"b","$patch":"delete"}]})",
       "containers", "c a"},
      {"order of some, the server's others around them", "pod",
       R"({"$setElementOrder/containers":[{"name":"n"},{"name":"b"}],
           "containers":[{"name":"n"},{"name":"b"}]})",
       "containers", "n a b c"},
      {"a list that was not there", "pod",
       R"({"initContainers":[{"name":"i"},{"name":"j","$patch":"delete"}]})", "initContainers",
       "i"},
      {"order for a list that is nowhere", "pod",
       R"({"$setElementOrder/hostAliases":[{"ip":"1"}]})", "hostAliases", ""},
      {"items of items", "a", R"({"env":[{"name":"B","$patch":"delete"},{"name":"D"}]})", "env",
       "D A C"},
      {"items of items in order", "a",
       R"({"env":[{"name":"C","value":"9"},{"name":"A","value":"8"}],
           "$setElementOrder/env":[{"name":"C"},{"name":"B"},{"name":"A"}]})",
       "env", "C B A"},
      {"null takes the list away", "a", R"({"env":null})", "env", ""},
  };
  for (const auto& c : cases) {
    const Value result = patched(c.path, c.patch);
    std::string got;
    if (const Value* list = result.find(c.list)) {
      for (const Value& item : list->items()) {
        got += (got.empty() ? "" : " ") + item.find("name")->as_string();
      }
    }
    EXPECT_EQ(got, c.want) << c.name << ": " << result.dump();
  }
}

TEST(StrategicMerge, MergesTheRest) {
  const struct {
    const char* name;
    const char* path;
    const char* patch;
    const char* member;
    const char* want;
  } cases[] = {
      {"plain items are united, new ones first", "metadata", R"({"finalizers":["f2","f9"]})",
       "finalizers", R"(["f1","f2","f9","f3"])"},
      {"plain items go", "metadata", R"({"$deleteFromPrimitiveList/finalizers":["f2","zz"]})",
       "finalizers", R"(["f1","f3"])"},
      {"plain items go and move", "metadata",
       R"({"$deleteFromPrimitiveList/finalizers":["f2"],
           "$setElementOrder/finalizers":["f3","f1"]})",
       "finalizers", R"(["f3","f1"])"},
      {"a plain item in its place", "metadata",
       R"({"finalizers":["f0"],"$setElementOrder/finalizers":["f0","f1","f2","f3"]})", "finalizers",
       R"(["f0","f1","f2","f3"])"},
      {"lists without a key are replaced", "pod", R"({"tolerations":[{"key":"b"}]})", "tolerations",
       R"([{"key":"b"}])"},
      {"plain lists without merge are replaced", "a", R"({"args":["3"]})", "args", R"(["3"])"},
      {"an object replaced", "metadata", R"({"labels":{"$patch":"replace","z":"1"}})", "labels",
       R"({"z":"1"})"},
      {"an object emptied", "metadata", R"({"labels":{"$patch":"delete"}})", "labels", "{}"},
      {"members go and come", "metadata", R"({"labels":{"l":null,"q":"r"}})", "labels",
       R"({"m":"2","q":"r"})"},
      {"null in a new object is dropped", "metadata", R"({"annotations":{"a":null,"b":"c"}})",
       "annotations", R"({"b":"c"})"},
      {"retained keys", "spec", R"({"strategy":{"$retainKeys":["type"],"type":"Recreate"}})",
       "strategy", R"({"type":"Recreate"})"},
      {"retained keys of an item", "pod",
       R"({"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]})",
       "volumes", R"([{"name":"v","hostPath":{"path":"/x"}}])"},
      {"a changed item keeps its other members", "pod",
       R"({"volumes":[{"name":"v","emptyDir":null,"hostPath":{"path":"/x"}}]})", "volumes",
       R"([{"name":"v","hostPath":{"path":"/x"}}])"},
      {"nothing changes", "spec", "{}", "replicas", "1"},
  };
  for (const auto& c : cases) {
    const Value result = patched(c.path, c.patch);
    const Value* found = result.find(c.member);
    ASSERT_NE(found, nullptr) << c.name << ": " << result.dump();
    EXPECT_EQ(*found, json(c.want)) << c.name << ": " << result.dump();
  }
}

TEST(StrategicMerge, NamesWhatIsWrong) {
  const struct {
    const char* patch;
    int status;  // 0: that of the code
    Code code;
    const char* want;
  } cases[] = {
      {R"([1])", 0, Code::Malformed,
       "json: cannot unmarshal array into Go value of type map[string]interface {}"},
      {R"({"spec":{"strategy":{"$retainKeys":["type"],"rollingUpdate":{}}}})", 0, Code::Malformed,
       "invalid patch format of retainKeys"},
      {R"({"metadata":{"$setElementOrderx":["x"]}})", 0, Code::Malformed,
       "invalid patch format of setElementOrder list"},
      {R"({"metadata":{"$deleteFromPrimitiveListx":["x"]}})", 0, Code::Malformed,
       "invalid patch format of primitive list"},
      {R"({"metadata":{"$setElementOrder/finalizers":"x"}})", 500, Code::Invalid,
       "expected a []interface {}, but received a string"},
      {R"({"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}})", 500, Code::Invalid,
       "map: map[image:x] does not contain declared merge key: name"},
      {R"({"spec":{"template":{"spec":{"containers":[{"name":"a","$patch":"foo"}]}}}})", 500,
       Code::Invalid, "unknown patch type: foo in map: map[$patch:foo name:a]"},
      {R"({"spec":{"template":{"spec":{"containers":[{"name":"a","$patch":"merge"}]}}}})", 500,
       Code::Invalid, "merging lists cannot yet be specified in the patch"},
      {R"({"spec":{"$patch":"merge"}})", 500, Code::Invalid,
       "unknown patch type: merge in map: map[$patch:merge]"},
      {R"({"metadata":{"finalizers":["x",1]}})", 500, Code::Invalid,
       "list element types are not identical: [[f1 f2 f3] [x 1]]"},
      {R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"c"}],
          "containers":[{"name":"a"}]}}}})",
       500, Code::Invalid,
       "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:\n"
       "[map[name:c]]\n"},
  };
  for (const auto& c : cases) {
    const Value target = json(kDeployment);
    const auto result = strategic_merge(target, json(c.patch), type_of(target));
    ASSERT_FALSE(result.ok()) << c.patch;
    EXPECT_EQ(result.error().message, c.want);
    EXPECT_EQ(result.error().code, c.code) << c.patch;
    EXPECT_EQ(result.error().http_status, c.status) << c.patch;
  }
}

TEST(StrategicMerge, SurvivesAnyPatch) {
  Documents documents(41);
  // As kubectl sends them: edit, apply, set image, rollout restart.
  const std::string_view seeds[] = {
      R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["f2"],"$setElementOrder/finalizers":
          ["f3","f1"],"annotations":{"k":"v"}},"spec":{"replicas":2,"strategy":{"$retainKeys":
          ["type"],"type":"Recreate"}}})",
      R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],
          "containers":[{"$setElementOrder/env":[{"name":"B"},{"name":"A"}],"env":[{"name":"A",
          "value":"2"},{"$patch":"delete","name":"C"}],"name":"a"}]}}}})",
      R"({"spec":{"template":{"spec":{"$setElementOrder/volumes":[{"name":"n"}],"volumes":[
          {"$retainKeys":["name","secret"],"name":"n","secret":{"secretName":"s"}},
          {"$patch":"delete","name":"v"}]}}}})",
      kDeployment};
  int merged = 0;
  int refused = 0;
  Value target = json(kDeployment);
  for (int i = 0; i < 4000; ++i) {
    const auto patch = Value::parse(documents.mutated(seeds[documents.below(4)]));
    if (!patch.ok()) continue;
    auto result = strategic_merge(target, *patch, type_of(json(kDeployment)));
    ++(result.ok() ? merged : refused);
    if (result.ok()) {
      EXPECT_TRUE(Value::parse(result->dump()).ok());
      if (documents.below(8) == 0) target = *std::move(result);
    }
    if (documents.below(32) == 0) target = json(kDeployment);
  }
  EXPECT_GT(merged, 200);
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace millrace::patch
