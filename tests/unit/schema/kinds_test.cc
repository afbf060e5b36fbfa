#include "local/schema/kinds.h"

#include <gtest/gtest.h>

#include <set>

#include "local/schema/event_shapes.h"
#include "tests/unit/schema/world.h"

namespace millrace::schema {
namespace {

using codec::Value;

const Field& field(std::string_view group, std::string_view kind,
                   std::initializer_list<std::string_view> path) {
  const Type* type = find_kind_by_name(group, "v1", kind)->type;
  const Field* found = nullptr;
  for (const std::string_view name : path) {
    found = type->find(name);
    MR_CHECK(found != nullptr);
    type = found->type->element == nullptr ? found->type : found->type->element;
  }
  return *found;
}

TEST(Kinds, AreFoundByPluralAndByKind) {
  const struct {
    const char* group;
    const char* plural;
    const char* kind;
    const char* storage;
  } cases[] = {
      {"", "pods", "Pod", "pods"},
      {"", "nodes", "Node", "nodes"},
      {"batch", "jobs", "Job", "jobs.batch"},
      {"apps", "deployments", "Deployment", "deployments.apps"},
      {"coordination.k8s.io", "leases", "Lease", "leases.coordination.k8s.io"},
      {"", "events", "Event", "events"},
      {"events.k8s.io", "events", "Event", "events"},
      {"millrace.dev", "pipelineruns", "PipelineRun", "pipelineruns.millrace.dev"},
  };
  for (const auto& c : cases) {
    const Kind* kind = find_kind(c.group, "v1", c.plural);
    ASSERT_NE(kind, nullptr) << c.plural;
    EXPECT_EQ(kind, find_kind_by_name(c.group, "v1", c.kind)) << c.plural;
    EXPECT_EQ(kind->storage_name(), c.storage) << c.plural;
  }
  EXPECT_EQ(find_kind("", "v1", "replicationcontrollers"), nullptr);
  EXPECT_EQ(find_kind("batch", "v2", "jobs"), nullptr);
}

TEST(Kinds, ComeByGroupAndOnlyOwnOnesAreCustom) {
  std::vector<std::string> groups;
  for (const Kind& kind : kinds()) {
    const std::string group(kind.resource.group);
    if (groups.empty() || groups.back() != group) groups.push_back(group);
    EXPECT_EQ(kind.custom, group == "millrace.dev") << kind.resource.plural;
    EXPECT_EQ(kind.custom, kind.type->custom != nullptr) << kind.resource.plural;
    ASSERT_FALSE(kind.columns.empty()) << kind.resource.plural;
  }
  EXPECT_EQ(groups, (std::vector<std::string>{"", "apps", "events.k8s.io", "batch",
                                              "coordination.k8s.io", "millrace.dev"}));
}

TEST(Types, KnowHowListsAreMerged) {
  const Field& containers = field("", "Pod", {"spec", "containers"});
  EXPECT_TRUE(containers.required);
  EXPECT_TRUE(containers.patch_merge);
  EXPECT_EQ(containers.patch_key, "name");
  EXPECT_EQ(containers.list_keys, (std::vector<std::string>{"name"}));
  const Field& ports = field("batch", "Job", {"spec", "template", "spec", "containers", "ports"});
  EXPECT_EQ(ports.patch_key, "containerPort");
  EXPECT_EQ(ports.list_keys, (std::vector<std::string>{"containerPort", "protocol"}));
  EXPECT_EQ(ports.type->element->find("protocol")->default_value, Value("TCP"));
  EXPECT_TRUE(field("", "Pod", {"spec", "volumes"}).retain_keys);
  EXPECT_EQ(field("", "Pod", {"metadata", "finalizers"}).list_kind, ListKind::Set);
  EXPECT_EQ(field("", "Pod", {"spec", "tolerations"}).list_kind, ListKind::Atomic);
  EXPECT_TRUE(field("", "Service", {"spec", "selector"}).atomic);
  EXPECT_TRUE(field("apps", "Deployment", {"spec", "selector"}).atomic);
  const Field& outputs = field("millrace.dev", "Pipeline", {"spec", "batchJob", "outputs"});
  EXPECT_EQ(outputs.list_kind, ListKind::Map);
  EXPECT_EQ(outputs.list_keys, (std::vector<std::string>{"name"}));
}

TEST(Types, AllFieldsAreDescribed) {
  std::set<const Type*> seen;
  std::vector<const Type*> todo;
  for (const Kind& kind : kinds()) {
    if (!kind.custom) todo.push_back(kind.type);
  }
  while (!todo.empty()) {
    const Type* type = todo.back();
    todo.pop_back();
    if (!seen.insert(type).second) continue;
    if (type->element != nullptr) todo.push_back(type->element);
    if (!type->name.empty()) {
      EXPECT_FALSE(type->doc.empty()) << type->name;
    }
    for (const Field& member : type->fields) {
      EXPECT_FALSE(member.doc.empty()) << type->name << " " << member.name;
      todo.push_back(member.type);
    }
  }
  EXPECT_GT(seen.size(), 200u);
}

TEST(EventShapes, AreInversesOfEachOther) {
  const Value group = json(R"({"apiVersion": "events.k8s.io/v1", "kind": "Event",
      "note": "n", "regarding": {"name": "p"}, "reportingController": "c", "deprecatedCount": 2,
      "deprecatedSource": {"component": "s"}, "reason": "R", "type": "Normal"})");
  const Value core = json(R"({"apiVersion": "v1", "kind": "Event",
      "message": "n", "involvedObject": {"name": "p"}, "reportingComponent": "c", "count": 2,
      "source": {"component": "s"}, "reason": "R", "type": "Normal"})");
  EXPECT_EQ(core_event(group), core);
  EXPECT_EQ(group_event(core), group);
}

}  // namespace
}  // namespace millrace::schema
