#include "kubeclient/runtime/store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kubeclient/api/pod.h"

namespace millrace::runtime {
namespace {

Ref<api::Pod> pod(std::string name, std::string version, std::string phase = "",
                  std::string ns = "ns") {
  api::Pod out;
  out.metadata.ns = std::move(ns);
  out.metadata.name = std::move(name);
  out.metadata.resource_version = std::move(version);
  out.status.phase = std::move(phase);
  return std::make_shared<const api::Pod>(std::move(out));
}

ObjectKey key(std::string name) { return {"ns", std::move(name)}; }

std::string names(const std::vector<Ref<api::Pod>>& pods) {
  std::vector<std::string> all;
  for (const auto& p : pods) all.push_back(p->metadata.name);
  std::sort(all.begin(), all.end());
  std::string out;
  for (const auto& name : all) out += name + " ";
  return out;
}

/// "name:old>now " of each change, sorted; versions, "-" for none.
std::string text(const std::vector<Change<api::Pod>>& changes) {
  std::vector<std::string> all;
  for (const auto& c : changes) {
    const auto version = [](const Ref<api::Pod>& p) {
      return p ? p->metadata.resource_version : "-";
    };
    all.push_back((c.now ? c.now : c.old)->metadata.name + ":" + version(c.old) + ">" +
                  version(c.now) + " ");
  }
  std::sort(all.begin(), all.end());
  std::string out;
  for (const auto& line : all) out += line;
  return out;
}

TEST(Store, NewestVersionWins) {
  const struct {
    const char* name;
    const char* first;
    const char* second;
    const char* want;
  } cases[] = {
      {"newer replaces", "9", "10", "10"},
      {"older is ignored, by number", "10", "9", "10"},
      {"equal is ignored", "10", "10", "10"},
      {"no number: the last word", "abc", "abd", "abd"},
      {"beyond 32 bits", "99999999999", "100000000000", "100000000000"},
  };
  for (const auto& c : cases) {
    Store<api::Pod> store;
    EXPECT_TRUE(store.put(pod("a", c.first))) << c.name;
    store.put(pod("a", c.second));
    EXPECT_EQ(store.get(key("a"))->metadata.resource_version, c.want) << c.name;
    EXPECT_EQ(store.size(), 1u) << c.name;
  }
}

TEST(Store, LateWriteThroughNeverResurrects) {
  const struct {
    const char* name;
    std::uint64_t deleted_at;
    const char* late;
    bool want;
  } cases[] = {
      {"answer of a write before the deletion", 20, "15", false},
      {"of the deletion itself", 20, "20", false},
      {"created again", 20, "21", true},
      {"deletion of unknown version, older answer", 0, "9", false},
  };
  for (const auto& c : cases) {
    Store<api::Pod> store;
    store.put(pod("a", "10"));
    EXPECT_TRUE(store.remove(key("a"), c.deleted_at)) << c.name;
    EXPECT_EQ(store.put(pod("a", c.late)).has_value(), c.want) << c.name;
    EXPECT_EQ(store.get(key("a")) != nullptr, c.want) << c.name;
  }
}

TEST(Store, LateWriteThroughDoesNotBringBackWhatALaterListDidNotHave) {
  const struct {
    const char* name;
    const char* listed;  // namespace of the list
    const char* ns;      // of the late object
    const char* late;
    bool want;
  } cases[] = {
      {"written and deleted before the list", "", "ns", "15", false},
      {"at the list's own version", "", "ns", "20", false},
      {"written after the list", "", "ns", "21", true},
      {"a list of its namespace", "ns", "ns", "15", false},
      {"a list of another namespace", "other", "ns", "15", true},
      {"a version that is no number", "", "ns", "abc", true},
  };
  for (const auto& c : cases) {
    Store<api::Pod> store;
    (void)store.replace(c.listed, {pod("b", "12", "", c.listed)}, 20, ReplaceMode::KeepNewer);
    EXPECT_EQ(store.put(pod("a", c.late, "", c.ns)).has_value(), c.want) << c.name;
  }
  Store<api::Pod> store;
  (void)store.replace("", {}, 20, ReplaceMode::KeepNewer);
  (void)store.replace("", {pod("a", "5")}, 10, ReplaceMode::Reset);
  EXPECT_EQ(names(store.list()), "a ") << "what a list has is there, whatever an older one said";
  EXPECT_TRUE(store.put(pod("b", "11")));
}

TEST(Store, DeletionSeenBeforeTheObjectStillCounts) {
  Store<api::Pod> store;
  EXPECT_FALSE(store.remove(key("a"), 20));
  EXPECT_FALSE(store.put(pod("a", "19")));
  EXPECT_TRUE(store.put(pod("a", "21")));
}

TEST(Store, OldDeletionDoesNotRemoveANewerObject) {
  Store<api::Pod> store;
  store.put(pod("a", "30"));
  EXPECT_FALSE(store.remove(key("a"), 20));
  EXPECT_TRUE(store.get(key("a")));
}

TEST(Store, TombstonesAreBounded) {
  Store<api::Pod> store(2);
  for (const char* name : {"a", "b", "c"}) {
    store.put(pod(name, "10"));
    store.remove(key(name), 20);
  }
  EXPECT_TRUE(store.put(pod("a", "15"))) << "the oldest was forgotten";
  EXPECT_FALSE(store.put(pod("c", "15")));
}

TEST(Store, ReplaceGivesTheUnionOfOldAndNewKeys) {
  Store<api::Pod> store;
  for (const char* name : {"same", "gone", "changed", "written"}) store.put(pod(name, "10"));
  store.put(pod("written", "55"));  // write-through after the list was taken
  const auto changes = store.replace(
      "", {pod("same", "10"), pod("changed", "40"), pod("written", "12"), pod("fresh", "41")}, 50,
      ReplaceMode::KeepNewer);
  EXPECT_EQ(text(changes), "changed:10>40 fresh:->41 gone:10>- same:10>10 written:55>55 ");
  EXPECT_EQ(names(store.list()), "changed fresh same written ");
  EXPECT_FALSE(store.put(pod("gone", "45"))) << "buried as of the list";
}

TEST(Store, ReplaceKeepsWhatWasCreatedAfterTheList) {
  Store<api::Pod> store;
  store.put(pod("new", "60"));
  EXPECT_EQ(text(store.replace("", {}, 50, ReplaceMode::KeepNewer)), "");
  EXPECT_TRUE(store.get(key("new")));
}

TEST(Store, ReplaceDoesNotBringBackWhatWasDeletedSince) {
  Store<api::Pod> store;
  store.put(pod("a", "10"));
  store.remove(key("a"), 60);
  EXPECT_EQ(text(store.replace("", {pod("a", "10")}, 50, ReplaceMode::KeepNewer)), "");
  EXPECT_FALSE(store.get(key("a")));
}

TEST(Store, ReplaceOfOneNamespaceLeavesOthers) {
  Store<api::Pod> store;
  store.put(pod("a", "10", "", "one"));
  store.put(pod("b", "10", "", "two"));
  EXPECT_EQ(text(store.replace("one", {}, 50, ReplaceMode::KeepNewer)), "a:10>- ");
  EXPECT_EQ(names(store.list("two")), "b ");
}

TEST(Store, ResetTrustsTheListAlone) {
  Store<api::Pod> store;
  store.put(pod("a", "900"));
  store.put(pod("b", "900"));
  store.put(pod("c", "900"));
  store.remove(key("c"), 950);
  EXPECT_EQ(text(store.replace("", {pod("a", "5"), pod("c", "6")}, 50, ReplaceMode::Reset)),
            "a:900>5 b:900>- c:->6 ");
}

TEST(Store, IndexesFollowEveryChange) {
  Store<api::Pod> store;
  store.add_index("phase", [](const api::Pod& p) -> std::vector<std::string> {
    if (p.status.phase.empty()) return {};
    return {p.status.phase};
  });
  for (const char* name : {"a", "b", "c"}) store.put(pod(name, "1", "Pending"));
  store.put(pod("d", "1"));
  EXPECT_EQ(names(store.by_index("phase", "Pending")), "a b c ");
  store.put(pod("a", "2", "Running"));
  store.put(pod("b", "2", "Pending"));
  EXPECT_EQ(names(store.by_index("phase", "Pending")), "b c ");
  EXPECT_EQ(names(store.by_index("phase", "Running")), "a ");
  EXPECT_EQ(store.by_index("phase", "Pending")[0]->metadata.resource_version == "2" ||
                store.by_index("phase", "Pending")[1]->metadata.resource_version == "2",
            true)
      << "gives the present object";
  store.remove(key("b"), 3);
  store.replace("", {pod("c", "9", "Failed")}, 10, ReplaceMode::KeepNewer);
  EXPECT_EQ(names(store.by_index("phase", "Pending")), "");
  EXPECT_EQ(names(store.by_index("phase", "Failed")), "c ");
  EXPECT_THROW(static_cast<void>(store.by_index("none", "x")), BugError);
}

TEST(Store, IndexesAgreeWithAScanAfterRandomChanges) {
  Store<api::Pod> store;
  store.add_index("phase", [](const api::Pod& p) -> std::vector<std::string> {
    return {p.status.phase, "all", "all"};
  });
  std::uint32_t random = 12345;
  const auto next = [&](std::uint32_t below) {
    random = random * 1664525u + 1013904223u;
    return (random >> 8) % below;
  };
  const char* phases[] = {"Pending", "Running", "Succeeded"};
  for (int i = 1; i < 3000; ++i) {
    const std::string name = "p" + std::to_string(next(40));
    if (next(4) == 0) {
      store.remove(key(name), static_cast<std::uint64_t>(i));
    } else {
      store.put(pod(name, std::to_string(i), phases[next(3)]));
    }
  }
  std::size_t total = 0;
  for (const char* phase : phases) {
    std::vector<Ref<api::Pod>> want;
    for (const auto& p : store.list()) {
      if (p->status.phase == phase) want.push_back(p);
    }
    total += want.size();
    EXPECT_EQ(names(store.by_index("phase", phase)), names(want)) << phase;
  }
  EXPECT_EQ(store.by_index("phase", "all").size(), total);
}

TEST(Store, WhatIsDroppedComesBackWhenItChanges) {
  Store<api::Pod> store;
  store.add_index("phase", [](const api::Pod& p) { return std::vector{p.status.phase}; });
  store.put(pod("a", "1", "Failed"));
  store.put(pod("b", "2", "Failed"));
  store.drop(key("a"));
  store.drop(key("unknown"));
  EXPECT_EQ(store.get(key("a")), nullptr);
  EXPECT_EQ(names(store.by_index("phase", "Failed")), "b ");
  EXPECT_EQ(store.size(), 1u);
  EXPECT_FALSE(store.remove(key("a"), 3)) << "its deletion is news to nobody";
  EXPECT_TRUE(store.put(pod("a", "4", "Failed"))) << "a change brings it back";
  EXPECT_EQ(names(store.by_index("phase", "Failed")), "a b ");
  store.drop(key("a"));
  EXPECT_FALSE(store.put(pod("a", "3", "Running"))) << "an older state does not";
  EXPECT_EQ(
      text(store.replace("", {pod("a", "4"), pod("b", "2", "Failed")}, 5, ReplaceMode::KeepNewer)),
      "a:->4 b:2>2 ")
      << "and so does a list";
  store.drop(key("a"));
  store.drop(key("b"));
  EXPECT_EQ(store.bytes(), 0u);
}

TEST(Store, BytesGrowAndReturnToZero) {
  Store<api::Pod> store;
  store.put(pod("a", "1", std::string(1000, 'x')));
  EXPECT_GT(store.bytes(), 1000u + sizeof(api::Pod));
  store.put(pod("a", "2", ""));
  EXPECT_LT(store.bytes(), 1000u + sizeof(api::Pod));
  store.remove(key("a"), 3);
  EXPECT_EQ(store.bytes(), 0u);
}

}  // namespace
}  // namespace millrace::runtime
