#include "local/apiserver/garbage.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/ownership.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using storage::Key;

const Time kStart = *parse_time("2026-11-21T08:30:00Z");

storage::Build build_of(Value object) {
  return [object = std::move(object)](std::uint64_t version) -> Result<storage::Draft> {
    Value now = object;
    now["metadata"]["resourceVersion"] = std::to_string(version);
    return storage::Draft{now.find("metadata")->find("uid")->as_string(), now.dump(), {}};
  };
}

const schema::Kind& kind_of(const std::string& resource) {
  for (const schema::Kind& kind : schema::kinds()) {
    if (kind.storage_name() == resource) return kind;
  }
  ADD_FAILURE() << resource;
  return schema::kinds().front();
}

/// Writes as the API server does, and refuses when told to.
class Writer final : public GarbageWriter {
 public:
  Writer(storage::Storage& storage, const Time& now) : storage_(storage), now_(now) {}

  Result<void> remove(const Key& key, const std::string& uid, Propagation propagation) override {
    if (refusals > 0) {
      --refusals;
      return fail(Code::Unavailable, "disk full");
    }
    ++writes;
    const auto record = *storage_.get(key);
    if (record == nullptr) return fail(Code::NotFound, "");
    if (record->uid != uid) return fail(Code::Conflict, "");
    Value object = *Value::parse(record->json);
    const DeleteStep step =
        prepare_delete(object, kind_of(key.resource), {.propagation = propagation}, now_);
    return store(*record, std::move(object), step);
  }
  Result<void> edit(const Key& key, const std::string& uid,
                    const std::function<bool(Value&)>& edit) override {
    if (refusals > 0) {
      --refusals;
      return fail(Code::Unavailable, "disk full");
    }
    ++writes;
    const auto record = *storage_.get(key);
    if (record == nullptr) return fail(Code::NotFound, "");
    if (record->uid != uid) return fail(Code::Conflict, "");
    Value object = *Value::parse(record->json);
    if (!edit(object)) return {};
    const bool gone = ends_deletion(object, kind_of(key.resource));
    return store(*record, std::move(object), gone ? DeleteStep::Remove : DeleteStep::Update);
  }

  int writes = 0;
  int refusals = 0;

 private:
  Result<void> store(const storage::Record& record, Value object, DeleteStep step) {
    if (step == DeleteStep::Nothing) return {};
    const auto done = step == DeleteStep::Remove
                          ? storage_.remove(record.key, record.version, build_of(object))
                          : storage_.update(record.key, record.version, build_of(object));
    if (!done.ok()) return fail(done.error());
    return {};
  }

  storage::Storage& storage_;
  const Time& now_;
};

class GarbageTest : public testing::Test {
 protected:
  /// An object with owners given as "resource/name" of what was made before, "!" in front of those
  /// whose deletion it blocks.
  std::string make(const std::string& resource, const std::string& ns, const std::string& name,
                   std::vector<std::string> owners = {}, std::vector<std::string> finalizers = {}) {
    const std::string uid = "uid-" + std::to_string(++uids_);
    Value metadata = Value::object({{"name", name}, {"uid", uid}});
    if (!ns.empty()) metadata["namespace"] = ns;
    for (std::string owner : owners) {
      const bool blocks = owner.front() == '!';
      if (blocks) owner.erase(0, 1);
      const std::size_t slash = owner.find('/');
      const schema::Kind& kind = kind_of(owner.substr(0, slash));
      metadata["ownerReferences"].push_back(
          Value::object({{"apiVersion", kind.resource.api_version()},
                         {"kind", kind.resource.kind},
                         {"name", owner.substr(slash + 1)},
                         {"uid", uid_of_[owner]},
                         {"blockOwnerDeletion", blocks}}));
    }
    for (const std::string& one : finalizers) metadata["finalizers"].push_back(one);
    Value object =
        Value::object({{"kind", "X"}, {"metadata", metadata}, {"spec", Value::object()}});
    if (resource == "namespaces") object["spec"]["finalizers"] = Value::array({"kubernetes"});
    uid_of_[resource + "/" + name] = uid;
    EXPECT_TRUE(storage_->create({resource, ns, name}, build_of(object)).ok());
    return uid;
  }
  void remove(const std::string& resource, const std::string& ns, const std::string& name,
              Propagation propagation) {
    const Key key{resource, ns, name};
    EXPECT_TRUE(client_.remove(key, (*storage_->get(key))->uid, propagation).ok());
  }
  void release(const std::string& resource, const std::string& ns, const std::string& name,
               const std::string& finalizer) {
    const Key key{resource, ns, name};
    EXPECT_TRUE(client_
                    .edit(key, (*storage_->get(key))->uid,
                          [&](Value& object) {
                            std::erase(object["metadata"]["finalizers"].items(), Value(finalizer));
                            return true;
                          })
                    .ok());
  }
  /// Work until there is none; gives the number of steps.
  int settle() {
    int steps = 0;
    while (garbage().work_once(now_)) {
      EXPECT_LT(++steps, 100000) << "does not come to rest";
      if (steps >= 100000) break;
    }
    return steps;
  }
  Garbage& garbage() {
    if (garbage_ == nullptr) {
      garbage_ =
          std::make_unique<Garbage>(*storage_, writer_, GarbageOptions{}, [this] { ++woken_; });
    }
    return *garbage_;
  }
  bool there(const std::string& resource, const std::string& ns, const std::string& name) {
    return *storage_->get({resource, ns, name}) != nullptr;
  }
  std::string metadata(const std::string& resource, const std::string& ns, const std::string& name,
                       const std::string& member) {
    const auto record = *storage_->get({resource, ns, name});
    if (record == nullptr) return "(gone)";
    const Value object = *Value::parse(record->json);
    const Value* value = object.at_path({"metadata", member});
    return value == nullptr ? "(none)" : value->dump();
  }
  std::vector<std::string> names(const std::string& resource) {
    std::vector<std::string> out;
    const auto listing = storage_->list(resource, "", nullptr, 0, 0);
    for (const auto& record : listing->records) {
      out.push_back(record->key.name);
    }
    return out;
  }

  Time now_ = kStart;
  int woken_ = 0;
  std::unique_ptr<storage::Storage> storage_ = *storage::open_storage({});
  Writer writer_{*storage_, now_};  // of housekeeping
  Writer client_{*storage_, now_};  // of the test
  std::map<std::string, std::string> uid_of_;
  int uids_ = 0;
  std::unique_ptr<Garbage> garbage_;
};

TEST_F(GarbageTest, DependentsFollowTheirOwner) {
  make("jobs.batch", "n", "j");
  make("pods", "n", "p", {"jobs.batch/j"});
  make("configmaps", "n", "c", {"pods/p"});
  make("configmaps", "n", "free");
  settle();
  EXPECT_EQ(writer_.writes, 0);
  remove("jobs.batch", "n", "j", Propagation::Background);
  EXPECT_GT(woken_, 0);
  settle();
  EXPECT_FALSE(there("pods", "n", "p"));
  EXPECT_EQ(names("configmaps"), (std::vector<std::string>{"free"}));
  EXPECT_EQ(writer_.writes, 2);
  EXPECT_FALSE(garbage().work_once(now_)) << "idle";
  EXPECT_EQ(garbage().next_due(), std::nullopt);
}

TEST_F(GarbageTest, FindsAtTheStartWhatWasMissed) {
  make("jobs.batch", "n", "j");
  make("pods", "n", "p", {"jobs.batch/j"});
  make("pods", "n", "kept", {});
  remove("jobs.batch", "n", "j", Propagation::Background);
  settle();
  EXPECT_EQ(names("pods"), (std::vector<std::string>{"kept"}));
}

TEST_F(GarbageTest, OneLivingOwnerIsEnough) {
  make("jobs.batch", "n", "a");
  make("jobs.batch", "n", "b");
  make("pods", "n", "p", {"jobs.batch/a", "jobs.batch/b"});
  settle();
  remove("jobs.batch", "n", "a", Propagation::Background);
  settle();
  ASSERT_TRUE(there("pods", "n", "p"));
  EXPECT_EQ(metadata("pods", "n", "p", "ownerReferences").find("\"name\":\"a\""), std::string::npos)
      << "the reference to the dead one is dropped";
  remove("jobs.batch", "n", "b", Propagation::Background);
  settle();
  EXPECT_FALSE(there("pods", "n", "p"));
}

TEST_F(GarbageTest, AnOwnerIsItsUidAndInTheSameNamespace) {
  make("jobs.batch", "other", "j");
  make("pods", "n", "elsewhere", {"jobs.batch/j"});
  make("jobs.batch", "n", "k");
  uid_of_["jobs.batch/k"] = "another-uid";
  make("pods", "n", "mistaken", {"jobs.batch/k"});
  make("nodes", "", "cluster-wide", {"jobs.batch/j"});
  settle();
  // The first one's owner was met, elsewhere; it is looked at when it is written.
  EXPECT_EQ(names("pods"), (std::vector<std::string>{"elsewhere"}));
  make("pods", "n", "late", {"jobs.batch/j"});
  settle();
  EXPECT_EQ(names("pods"), (std::vector<std::string>{"elsewhere"}));
  EXPECT_TRUE(there("nodes", "", "cluster-wide")) << "its owner cannot be resolved";
}

TEST_F(GarbageTest, ForegroundWaitsForThoseThatBlock) {
  make("jobs.batch", "n", "j");
  make("pods", "n", "blocks", {"!jobs.batch/j"}, {"a/b"});
  make("pods", "n", "does-not", {"jobs.batch/j"}, {"a/b"});
  settle();
  remove("jobs.batch", "n", "j", Propagation::Foreground);
  settle();
  EXPECT_TRUE(there("jobs.batch", "n", "j"));
  EXPECT_NE(metadata("pods", "n", "blocks", "deletionTimestamp"), "(none)");
  EXPECT_NE(metadata("pods", "n", "does-not", "deletionTimestamp"), "(none)");
  release("pods", "n", "blocks", "a/b");
  settle();
  EXPECT_FALSE(there("jobs.batch", "n", "j")) << "the other one is not waited for";
  EXPECT_TRUE(there("pods", "n", "does-not"));
}

TEST_F(GarbageTest, ForegroundGoesDownTheTree) {
  make("jobs.batch", "n", "top");
  make("jobs.batch", "n", "middle", {"!jobs.batch/top"});
  make("pods", "n", "leaf", {"!jobs.batch/middle"}, {"a/b"});
  settle();
  remove("jobs.batch", "n", "top", Propagation::Foreground);
  settle();
  EXPECT_EQ(metadata("jobs.batch", "n", "middle", "finalizers"), R"(["foregroundDeletion"])");
  EXPECT_TRUE(there("jobs.batch", "n", "top"));
  release("pods", "n", "leaf", "a/b");
  settle();
  EXPECT_EQ(names("jobs.batch"), std::vector<std::string>{});
}

TEST_F(GarbageTest, ForegroundWithoutDependentsEndsAtOnce) {
  make("jobs.batch", "n", "j");
  settle();
  remove("jobs.batch", "n", "j", Propagation::Foreground);
  settle();
  EXPECT_FALSE(there("jobs.batch", "n", "j"));
}

TEST_F(GarbageTest, ACircleOfOwnersIsBroken) {
  make("jobs.batch", "n", "a");
  uid_of_["jobs.batch/b"] = "uid-2";
  make("jobs.batch", "n", "b", {"!jobs.batch/a"});
  const Key key{"jobs.batch", "n", "a"};
  ASSERT_TRUE(client_
                  .edit(key, "uid-1",
                        [](Value& object) {
                          object["metadata"]["ownerReferences"] =
                              Value::array({Value::object({{"apiVersion", "batch/v1"},
                                                           {"kind", "Job"},
                                                           {"name", "b"},
                                                           {"uid", "uid-2"},
                                                           {"blockOwnerDeletion", true}})});
                          return true;
                        })
                  .ok());
  settle();
  remove("jobs.batch", "n", "a", Propagation::Foreground);
  settle();
  EXPECT_EQ(names("jobs.batch"), std::vector<std::string>{});
}

TEST_F(GarbageTest, OrphansStayWithoutTheReference) {
  make("jobs.batch", "n", "j");
  make("pods", "n", "p", {"!jobs.batch/j"});
  make("pods", "n", "q", {"jobs.batch/j"});
  settle();
  remove("jobs.batch", "n", "j", Propagation::Orphan);
  settle();
  EXPECT_FALSE(there("jobs.batch", "n", "j"));
  EXPECT_EQ(names("pods"), (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(metadata("pods", "n", "p", "ownerReferences"), "(none)");
  EXPECT_EQ(metadata("pods", "n", "q", "ownerReferences"), "(none)");
}

TEST_F(GarbageTest, NamespacesGoWhenTheyAreEmpty) {
  make("namespaces", "", "n");
  make("namespaces", "", "other");
  for (int i = 0; i < 120; ++i) make("configmaps", "n", "c" + std::to_string(1000 + i));
  make("pods", "n", "held", {}, {"a/b"});
  make("configmaps", "other", "kept");
  settle();
  remove("namespaces", "", "n", Propagation::Background);
  settle();
  EXPECT_TRUE(there("namespaces", "", "n"));
  EXPECT_EQ(names("configmaps"), (std::vector<std::string>{"kept"}));
  make("configmaps", "n", "late");  // a create that was under way
  settle();
  EXPECT_FALSE(there("configmaps", "n", "late"));
  release("pods", "n", "held", "a/b");
  settle();
  EXPECT_EQ(names("namespaces"), (std::vector<std::string>{"other"}));
}

TEST_F(GarbageTest, ANamespaceOnItsWayOutIsTakenUpAgainAfterARestart) {
  make("namespaces", "", "n");
  make("configmaps", "n", "c");
  remove("namespaces", "", "n", Propagation::Background);
  settle();
  EXPECT_FALSE(there("configmaps", "n", "c"));
  EXPECT_FALSE(there("namespaces", "", "n"));
}

TEST_F(GarbageTest, EventsExpireAfterTheirLastWrite) {
  settle();
  make("events", "n", "first");
  settle();
  now_ += std::chrono::minutes(30);
  make("events", "n", "second");
  release("events", "n", "first", "x");  // any write
  settle();
  EXPECT_EQ(garbage().next_due(), kStart + std::chrono::hours(1));
  now_ = kStart + std::chrono::hours(1);
  settle();
  EXPECT_EQ(names("events").size(), 2U) << "the first one was written again";
  now_ += std::chrono::minutes(30);
  settle();
  EXPECT_EQ(names("events").size(), 0U);
  EXPECT_EQ(garbage().next_due(), std::nullopt);
}

TEST_F(GarbageTest, OldEventsExpireAfterARestart) {
  Value event = *Value::parse(
      R"({"metadata":{"name":"old","uid":"u","creationTimestamp":"2026-11-21T07:40:00Z"},
          "lastTimestamp":"2026-11-21T07:45:00Z"})");
  ASSERT_TRUE(storage_->create({"events", "n", "old"}, build_of(event)).ok());
  settle();
  EXPECT_EQ(garbage().next_due(), *parse_time("2026-11-21T08:45:00Z"));
  now_ += std::chrono::minutes(15);
  settle();
  EXPECT_EQ(names("events").size(), 0U);
}

TEST_F(GarbageTest, TriesAgainLaterWhatTheDiskRefused) {
  make("jobs.batch", "n", "j");
  make("pods", "n", "p", {"jobs.batch/j"});
  settle();
  writer_.refusals = 2;
  remove("jobs.batch", "n", "j", Propagation::Background);
  settle();
  EXPECT_TRUE(there("pods", "n", "p"));
  ASSERT_TRUE(garbage().next_due().has_value());
  for (int i = 0; i < 2; ++i) {
    now_ = *garbage().next_due();
    settle();
  }
  EXPECT_FALSE(there("pods", "n", "p"));
}

TEST_F(GarbageTest, ReadsAllAgainWhenItFellBehind) {
  make("jobs.batch", "n", "j");
  make("pods", "n", "p", {"jobs.batch/j"});
  settle();
  make("events", "n", "e");
  remove("jobs.batch", "n", "j", Propagation::Background);
  storage_->compact();  // its subscriptions lag behind this
  settle();
  EXPECT_FALSE(there("pods", "n", "p"));
}

// Whatever the order of writes, deletions and steps: in the end nothing stays whose owners are
// gone, and nothing goes that had an owner left or none at all.
TEST_F(GarbageTest, RandomTreesEndUpClean) {
  std::mt19937 random(7);
  std::set<std::string> kept;  // roots that were not deleted
  std::map<std::string, std::string> root_of;
  int made = 0;
  settle();
  for (int step = 0; step < 600; ++step) {
    switch (random() % 4) {
      case 0: {
        const std::string name = "root" + std::to_string(made++);
        make("jobs.batch", "n", name);
        kept.insert(name);
        root_of[name] = name;
        break;
      }
      case 1: {
        if (kept.empty()) break;
        auto it = std::next(kept.begin(), static_cast<std::ptrdiff_t>(random() % kept.size()));
        remove("jobs.batch", "n", *it,
               random() % 2 == 0 ? Propagation::Background : Propagation::Foreground);
        kept.erase(it);
        break;
      }
      default: {
        const auto all = names("jobs.batch");
        if (all.empty()) break;
        const std::string owner = all[random() % all.size()];
        const std::string name = "child" + std::to_string(made++);
        make("jobs.batch", "n", name,
             {(random() % 2 == 0 ? "!jobs.batch/" : "jobs.batch/") + owner});
        root_of[name] = root_of[owner];
      }
    }
    for (std::uint32_t i = random() % 4; i > 0; --i) garbage().work_once(now_);
  }
  settle();
  std::set<std::string> want;
  for (const auto& [name, root] : root_of) {
    if (kept.contains(root)) want.insert(name);
  }
  const auto got = names("jobs.batch");
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()), want);
}

TEST(Ownership, IsReadFromTextWithoutDecodingIt) {
  const struct {
    const char* json;
    std::size_t owners;
    std::size_t finalizers;
    bool deleting;
  } cases[] = {
      {R"({"spec":{"metadata":{"finalizers":["x"]}},"metadata":{"name":"a\"}{"}})", 0, 0, false},
      {R"({"metadata":{"labels":{"finalizers":"[\"x\"]"},"finalizers":["a","b"]}})", 0, 2, false},
      {R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","ownerReferences":[{"uid":"u"}]}})",
       1, 0, true},
      {R"({"metadata":{"deletionTimestamp":null}})", 0, 0, false},
      {R"({"metadata":{"finalizers":["a"])", 0, 1, false},
      {"", 0, 0, false},
      {"[]", 0, 0, false},
      {R"({"metadata":)", 0, 0, false},
      {R"({"metadata)", 0, 0, false},
  };
  for (const auto& c : cases) {
    const Ownership got = read_ownership(c.json);
    EXPECT_EQ(got.owners.size(), c.owners) << c.json;
    EXPECT_EQ(got.finalizers.size(), c.finalizers) << c.json;
    EXPECT_EQ(got.deleting, c.deleting) << c.json;
  }
}

}  // namespace
}  // namespace millrace::apiserver
