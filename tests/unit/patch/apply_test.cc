#include <gtest/gtest.h>

#include <string>

#include "local/patch/managed_fields.h"
#include "tests/unit/patch/documents.h"
#include "tests/unit/patch/owners.h"

namespace millrace::patch {
namespace {

using codec::Value;
using Lines = std::vector<std::string>;

Value config_map(const char* data) {
  Value object = json(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}})");
  object["data"] = json(data);
  return object;
}

Value deployment(const char* containers) {
  Value object = json(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},
      "spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{}}}})");
  object["spec"]["template"]["spec"]["containers"] = json(containers);
  return object;
}

std::string names(const Value& object) {
  std::string text;
  const Value* list = object.at_path({"spec", "template", "spec", "containers"});
  if (list == nullptr) return text;
  for (const Value& item : list->items()) text += item.find("name")->as_string();
  return text;
}

TEST(Apply, TheApplierOwnsWhatItApplies) {
  const Value live = applied(nullptr, config_map(R"({"a":"1","b":"2"})"), "m").object;
  EXPECT_EQ(owners(live), Lines{R"(m Apply v1 @0: {"f:data":{"f:a":{},"f:b":{}}})"});
  const Value pod = json(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p",
      "annotations":null,"finalizers":["a.b/c"]},"spec":{"volumes":[],"nodeSelector":{},
      "activeDeadlineSeconds":null,"containers":[{"name":"a","resources":{},"command":[],
      "ports":[{"containerPort":80},{"containerPort":80,"protocol":"UDP"}]}]}})");
  // As the API server 1.34 was seen to write it.
  EXPECT_EQ(
      owners(applied(nullptr, pod, "m").object),
      Lines{R"(m Apply v1 @0: {"f:metadata":{"f:annotations":{},"f:finalizers":)"
            R"({"v:\"a.b/c\"":{}}},"f:spec":{"f:activeDeadlineSeconds":{},"f:containers":)"
            R"({"k:{\"name\":\"a\"}":{".":{},"f:command":{},"f:name":{},"f:ports":)"
            R"({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},)"
            R"("f:containerPort":{}},"k:{\"containerPort\":80,\"protocol\":\"UDP\"}":{".":{},)"
            R"("f:containerPort":{},"f:protocol":{}}},"f:resources":{}}},)"
            R"("f:nodeSelector":{}}})"});
}

TEST(Apply, AgainIsNoChange) {
  const Value live = applied(nullptr, config_map(R"({"a":"1"})"), "m").object;
  EXPECT_EQ(applied(&live, config_map(R"({"a":"1"})"), "m", false, 9).object, live);
}

TEST(Apply, EqualValuesAreSharedWithoutATime) {
  const Value live = applied(nullptr, config_map(R"({"a":"1","b":"2"})"), "m").object;
  const Value shared = applied(&live, config_map(R"({"a":"1"})"), "n", false, 9).object;
  EXPECT_EQ(owners(shared), (Lines{R"(n Apply v1: {"f:data":{"f:a":{}}})",
                                   R"(m Apply v1 @0: {"f:data":{"f:a":{},"f:b":{}}})"}));
}

TEST(Apply, RemovesWhatOnlyTheApplierOwned) {
  Value live = applied(nullptr, config_map(R"({"a":"1","b":"2"})"), "m").object;
  live = applied(&live, config_map(R"({"a":"1"})"), "n").object;
  live = applied(&live, config_map(R"({"c":"3"})"), "m", false, 4).object;
  EXPECT_EQ(*live.find("data"), json(R"({"a":"1","c":"3"})"));
  EXPECT_EQ(owners(live), (Lines{R"(n Apply v1: {"f:data":{"f:a":{}}})",
                                 R"(m Apply v1 @4: {"f:data":{"f:c":{}}})"}));
  live =
      applied(&live, json(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}})"), "n")
          .object;
  EXPECT_EQ(*live.find("data"), json(R"({"c":"3"})"));
}

TEST(Apply, TellsEveryConflict) {
  Value live = applied(nullptr, config_map(R"({"a":"1"})"), "m").object;
  Value next = live;
  next["data"]["b"] = "2";
  next["metadata"]["labels"] = json(R"({"x":"y"})");
  live = updated(&live, next, "kubectl-edit");
  const Applied one = applied(&live, config_map(R"({"a":"9"})"), "z");
  EXPECT_EQ(one.conflicts, (std::vector<ApplyConflict>{{R"("m")", ".data.a"}}));
  EXPECT_EQ(conflict_message(one.conflicts),
            R"(Apply failed with 1 conflict: conflict with "m": .data.a)");
  Value body = config_map(R"({"a":"9","b":"9"})");
  body["metadata"]["labels"] = json(R"({"x":"z"})");
  EXPECT_EQ(conflict_message(applied(&live, body, "z").conflicts),
            "Apply failed with 3 conflicts: conflicts with \"kubectl-edit\" using v1:\n"
            "- .data.b\n- .metadata.labels.x\nconflicts with \"m\":\n- .data.a");
}

TEST(Apply, ConflictsNameItemsAndSubresources) {
  Value live = applied(nullptr, deployment(R"([{"name":"a","image":"x","ports":
      [{"containerPort":80,"name":"w"}]}])"),
                       "m")
                   .object;
  const Applied image = applied(&live, deployment(R"([{"name":"a","image":"y","ports":
      [{"containerPort":80,"name":"v"}]}])"),
                                "z");
  EXPECT_EQ(image.conflicts, (std::vector<ApplyConflict>{
                                 {R"("m")", R"(.spec.template.spec.containers[name="a"].image)"},
                                 {R"("m")", R"(.spec.template.spec.containers[name="a"])"
                                            R"(.ports[containerPort=80,protocol="TCP"].name)"}}));
  Value next = live;
  next["status"] = json(R"({"replicas":1})");
  live = updated(&live, next, "dc", 1, "status");
  Value body = deployment("[]");
  body["status"] = json(R"({"replicas":2})");
  const Applied status = applied(&live, body, "z", false, 1, "status");
  ASSERT_FALSE(status.conflicts.empty());
  EXPECT_EQ(status.conflicts[0].manager, R"("dc" with subresource "status" using apps/v1)");
}

TEST(Apply, ForceTakesOver) {
  const Value live = applied(nullptr, config_map(R"({"a":"1","b":"2"})"), "m").object;
  const Applied forced = applied(&live, config_map(R"({"a":"9"})"), "z", true, 3);
  EXPECT_TRUE(forced.conflicts.empty());
  EXPECT_EQ(*forced.object.find("data"), json(R"({"a":"9","b":"2"})"));
  EXPECT_EQ(owners(forced.object), (Lines{R"(m Apply v1 @0: {"f:data":{"f:b":{}}})",
                                          R"(z Apply v1 @3: {"f:data":{"f:a":{}}})"}));
}

TEST(Apply, MergesListsByTheirKeys) {
  Value live =
      applied(nullptr, deployment(R"([{"name":"a","image":"x"},{"name":"b"}])"), "m").object;
  live = applied(&live, deployment(R"([{"name":"c"},{"name":"a","tty":true}])"), "n").object;
  EXPECT_EQ(names(live), "cab");
  live = applied(&live, deployment(R"([{"name":"b"},{"name":"a"}])"), "o").object;
  EXPECT_EQ(names(live), "cba");
  live = applied(&live, deployment(R"([{"name":"a","image":"x"}])"), "m").object;
  EXPECT_EQ(names(live), "cba") << "b is also o's";
  live = applied(&live, deployment(R"([{"name":"a"}])"), "o").object;
  EXPECT_EQ(names(live), "ca");
}

TEST(Apply, RefusesBodiesThatDoNotFit) {
  const struct {
    const char* name;
    const char* part;
    const char* value;
    const char* want;  // behind "failed to create typed patch object (/a; /v1, Kind=ConfigMap): "
  } cases[] = {
      {"unknown field", "foo", "1", ".foo: field not declared in schema"},
      {"a list for a map", "data", "[1]", ".data: expected map, got &{[1]}"},
      {"a number for a text", "data", R"({"a":1})",
       ".data.a: expected string, got &value.valueUnstructured{Value:1}"},
      {"a text for a bool", "immutable", R"("x")", ".immutable: expected boolean, got &{x}"},
      {"a map for a list", "metadata", R"({"name":"a","finalizers":{"a":1}})",
       ".metadata.finalizers: expected list, got &{map[a:1]}"},
      {"an item twice", "metadata", R"({"name":"a","finalizers":["b","b"]})",
       ".metadata.finalizers: duplicate entries for key [=\"b\"]"},
      {"null in a set", "metadata", R"({"name":"a","finalizers":["b",null]})",
       ".metadata.finalizers: element 1: associative list without keys has an element that's an "
       "explicit null"},
      {"two problems", "metadata", R"({"name":1,"finalizers":5})",
       "errors:\n  .metadata.name: expected string, got &value.valueUnstructured{Value:1}\n"
       "  .metadata.finalizers: expected list, got &{5}"},
  };
  for (const auto& c : cases) {
    Value body = config_map("{}");
    body[c.part] = json(c.value);
    const auto result = apply(nullptr, body, type_of(body), {"m", "v1", ""}, false, at_second(0));
    ASSERT_FALSE(result.ok()) << c.name;
    EXPECT_EQ(result.error().http_status, 500) << c.name;
    const std::string& message = result.error().message;
    EXPECT_EQ(message.substr(message.find("): ") + 3), c.want) << c.name;
  }
  Value body = config_map("{}");
  body["metadata"]["managedFields"] = Value::array();
  const auto result = apply(nullptr, body, type_of(body), {"m", "v1", ""}, false, at_second(0));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "metadata.managedFields must be nil");
  EXPECT_EQ(result.error().code, Code::Malformed);
}

TEST(Apply, ObjectsFromBeforeAnyApplyHaveAnOwnerToo) {
  const Value bare = config_map(R"({"a":"1"})");
  const Value live = applied(&bare, config_map(R"({"b":"2"})"), "m", false, 2).object;
  EXPECT_EQ(owners(live),
            (Lines{R"(m Apply v1 @2: {"f:data":{"f:b":{}}})",
                   R"(before-first-apply Update v1 @2: {"f:data":{".":{},"f:a":{}}})"}));
}

TEST(Apply, KubectlTakesOverWhatItAppliedFromTheClient) {
  const char* const annotation = "kubectl.kubernetes.io/last-applied-configuration";
  Value object = config_map(R"({"a":"1","b":"2"})");
  object["metadata"]["annotations"][annotation] =
      R"({"apiVersion":"v1","data":{"a":"1","b":"other"},"kind":"ConfigMap","metadata":{"name":"a"}})";
  const Value live = updated(nullptr, object, "kubectl-client-side-apply");
  const Value took = applied(&live, config_map(R"({"a":"9"})"), "kubectl").object;
  EXPECT_EQ(*took.find("data"), json(R"({"a":"9","b":"2"})"));
  EXPECT_EQ(took.at_path({"metadata", "annotations", annotation})->as_string(),
            "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"9\"},\"kind\":\"ConfigMap\",\"metadata\":"
            "{\"name\":\"a\"}}\n");
  EXPECT_EQ(applied(&live, config_map(R"({"b":"9"})"), "kubectl").conflicts.size(), 1u)
      << "b was changed since";
  EXPECT_EQ(applied(&live, config_map(R"({"a":"9"})"), "else").conflicts.size(), 1u);
}

TEST(Apply, KeepsWhatClientsCannotSet) {
  Value live = applied(nullptr, config_map(R"({"a":"1"})"), "m").object;
  live["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z";
  live["metadata"]["uid"] = "u";
  Value body = config_map(R"({"a":"1"})");
  body["metadata"]["creationTimestamp"] = Value();
  body["metadata"]["uid"] = Value();
  EXPECT_EQ(applied(&live, body, "m", false, 5).object, live);
}

TEST(Apply, HoldsItsPromisesOverRandomBodies) {
  Documents documents(31);
  const char* const managers[] = {"m", "n", "o"};
  const auto random_body = [&] {
    Value body = deployment("[]");
    Value containers = Value::array();
    for (const char* name : {"a", "b", "c"}) {
      if (*name != 'a' && documents.below(2) == 0) continue;
      Value item = Value::object({{"name", name}});
      if (documents.below(2) == 0) item["image"] = std::to_string(documents.below(3));
      if (documents.below(3) == 0)
        item["ports"] = json(R"([{"containerPort":80},{"containerPort":81}])");
      if (documents.below(3) == 0) item["env"] = json(R"([{"name":"A","value":"1"}])");
      containers.items().insert(containers.items().begin() +
                                    static_cast<std::ptrdiff_t>(documents.below(
                                        static_cast<std::uint32_t>(containers.items().size() + 1))),
                                std::move(item));
    }
    body["spec"]["template"]["spec"]["containers"] = containers;
    if (documents.below(2) == 0)
      body["metadata"]["labels"][documents.below(2) == 0 ? "x" : "y"] = "1";
    if (documents.below(3) == 0) body["metadata"]["finalizers"] = json(R"(["a/b"])");
    return body;
  };
  Value live = applied(nullptr, random_body(), "m").object;
  int conflicts = 0;
  for (int round = 1; round < 400; ++round) {
    const Value body = random_body();
    const char* const manager = managers[documents.below(3)];
    const Applied gentle = applied(&live, body, manager, false, round);
    const Applied forced = applied(&live, body, manager, true, round);
    ASSERT_TRUE(forced.conflicts.empty()) << "round " << round;
    conflicts += gentle.conflicts.empty() ? 0 : 1;
    if (gentle.conflicts.empty()) {
      ASSERT_EQ(gentle.object, forced.object) << "round " << round;
    }
    ASSERT_EQ(applied(&forced.object, body, manager, false, round + 1).object, forced.object)
        << "a second time changes nothing, round " << round << ": " << body.dump() << " onto "
        << forced.object.dump();
    // The applier's entry is what it would be on a new object.
    const auto fields = [&](const Value& object) {
      for (const std::string& line : owners(object)) {
        if (line.starts_with(std::string(manager) + " ")) return line.substr(line.find(": "));
      }
      return std::string("none");
    };
    ASSERT_EQ(fields(forced.object), fields(applied(nullptr, body, manager).object))
        << "round " << round;
    live = forced.object;
  }
  EXPECT_GT(conflicts, 20);
}

}  // namespace
}  // namespace millrace::patch
