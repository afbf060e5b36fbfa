#include "controllers/shell/caches.h"

#include <gtest/gtest.h>

#include "controllers/logic/run.h"
#include "controllers/shell/trim.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::shell {
namespace {

runtime::Ref<api::Pod> pod(const std::string& ns, const std::string& run_uid,
                           const std::string& owner_uid) {
  api::Pod out;
  out.metadata.ns = ns;
  out.metadata.name = "p";
  out.metadata.resource_version = "1";
  if (!run_uid.empty()) out.metadata.labels[logic::kRunUidLabel] = run_uid;
  if (!owner_uid.empty()) {
    api::OwnerReference owner;
    owner.kind = "Job";
    owner.uid = owner_uid;
    owner.controller = true;
    out.metadata.owner_references.push_back(owner);
  }
  return std::make_shared<const api::Pod>(std::move(out));
}

TEST(Indexes, NeverReachIntoAnotherNamespace) {
  runtime::Store<api::Pod> pods;
  pods.add_index(kByRunUid, by_run_uid<api::Pod>);
  pods.add_index(kByOwnerUid, by_owner_uid<api::Pod>);
  pods.put(pod("a", "run", "job"));
  pods.put(pod("forger", "run", "job"));
  pods.put(pod("c", "", ""));
  const struct {
    const char* name;
    const char* index;
    std::string value;
    std::size_t want;
  } cases[] = {
      {"by run", kByRunUid, index_value("a", "run"), 1},
      {"by owner", kByOwnerUid, index_value("a", "job"), 1},
      {"the UID alone finds nothing", kByRunUid, "run", 0},
      {"without label and owner", kByRunUid, index_value("c", ""), 0},
  };
  for (const auto& c : cases) {
    const auto found = pods.by_index(c.index, c.value);
    EXPECT_EQ(found.size(), c.want) << c.name;
    for (const auto& p : found) EXPECT_EQ(p->metadata.ns, "a") << c.name;
  }
}

TEST(Trim, LeavesOfAnEndedRunWhatIsStillLookedAt) {
  const auto run_with = [](const std::string& completed) {
    auto run = codec::decode<crds::PipelineRun>(R"({
      "metadata": {"name": "r", "namespace": "ns", "uid": "u", "annotations": {"a": "b"},
        "labels": {"millrace.dev/tick": "5"}, "ownerReferences": [
          {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "name": "p", "uid": "1"},
          {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "name": "parent", "uid": "2",
           "controller": true}]},
      "spec": {"refPipeline": "p", "params": {"x": 1}, "trigger": {"body": {"long": "text"}}},
      "status": {"pipelineRevision": "rev", "completionTime": "2026-11-21T10:00:00Z",
        "params": {"x": 1}, "stepStates": [{"name": "a", "state": "Succeeded"}],
        "conditions": [{"type": "Cancelled", "status": "False"},
          {"type": "Completed", "status": ")" + completed +
                                                R"(", "message": "m"},
          {"type": "Succeeded", "status": ")" + completed +
                                                R"(", "reason": "Succeeded"}]}})");
    EXPECT_TRUE(run.ok()) << run.error().message;
    trim(*run);
    return *run;
  };
  const crds::PipelineRun ended = run_with("True");
  EXPECT_TRUE(logic::is_terminal(ended));
  EXPECT_EQ(ended.status.pipeline_revision, "rev");
  EXPECT_TRUE(ended.status.completion_time.has_value());
  EXPECT_EQ(ended.metadata.label("millrace.dev/tick"), "5");
  ASSERT_NE(ended.metadata.controller_ref(), nullptr) << "its parent waits for it";
  EXPECT_EQ(ended.metadata.owner_references.size(), 1u);
  EXPECT_EQ(ended.status.conditions.size(), 2u) << "not cancelled goes without saying";
  EXPECT_TRUE(ended.spec.params.empty() && ended.spec.trigger.is_null());
  EXPECT_TRUE(ended.status.step_states.empty() && ended.status.params.empty());

  const crds::PipelineRun runs = run_with("Unknown");
  EXPECT_EQ(runs.metadata.owner_references.size(), 2u);
  EXPECT_EQ(runs.status.conditions.size(), 3u);
  EXPECT_EQ(runs.spec.params.size(), 1u);
  EXPECT_EQ(runs.status.step_states.size(), 1u);
}

}  // namespace
}  // namespace millrace::shell
