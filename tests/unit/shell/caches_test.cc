#include "controllers/shell/caches.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace millrace::shell
