#include "local/storage/storage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

namespace millrace::storage {
namespace {

Build draft(const std::string& text, Pairs labels = {}) {
  return [=](std::uint64_t version) -> Result<Draft> {
    return Draft{"uid-" + text, text + "@" + std::to_string(version), {labels, {}}};
  };
}

/// Each test runs in memory, with a file, and with a file and next to no cache.
enum class Kind { Memory, File, FileWithoutCache };

class StorageTest : public testing::TestWithParam<Kind> {
 protected:
  StorageTest() {
    if (GetParam() != Kind::Memory) options.path = folder.path() + "/data.db";
    if (GetParam() == Kind::FileWithoutCache) options.cache_bytes = 1;
  }
  void open() {
    storage.reset();
    auto opened = open_storage(options);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    storage = *std::move(opened);
  }
  RecordRef create(const std::string& name, const std::string& ns = "a",
                   const std::string& resource = "pods") {
    auto made = storage->create({resource, ns, name}, draft(name));
    EXPECT_TRUE(made.ok());
    return *made;
  }
  std::vector<std::string> names(const std::string& ns, std::uint64_t version = 0) {
    auto listing = storage->list("pods", ns, nullptr, 0, version);
    EXPECT_TRUE(listing.ok()) << listing.error().message;
    std::vector<std::string> out;
    for (const auto& record : listing->records) {
      out.push_back(record->key.ns + "/" + record->key.name + "=" + record->json);
    }
    return out;
  }

  support::TemporaryFolder folder;
  Options options;
  std::unique_ptr<Storage> storage;
};

TEST_P(StorageTest, EachWriteHasTheNextVersionAndIsReadBack) {
  open();
  EXPECT_EQ(storage->version(), 1U);
  const Key key{"pods", "a", "x"};
  EXPECT_EQ(*storage->get(key), nullptr);
  const auto made = storage->create(key, draft("one", {{"app", "web"}}));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->version, 2U);
  EXPECT_EQ((*made)->json, "one@2");
  const RecordRef read = *storage->get(key);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(read->key, key);
  EXPECT_EQ(read->uid, "uid-one");
  EXPECT_EQ(read->json, "one@2");
  EXPECT_EQ(read->attributes.labels, (Pairs{{"app", "web"}}));
  const auto changed = storage->update(key, 2, draft("two"));
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ((*storage->get(key))->json, "two@3");
  const auto gone = storage->remove(key, 3, draft("last"));
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ((*gone)->json, "last@4");
  EXPECT_EQ(*storage->get(key), nullptr);
  EXPECT_EQ(storage->version(), 4U);
}

TEST_P(StorageTest, RefusesWritesThatDoNotFit) {
  open();
  create("x");
  const Key key{"pods", "a", "x"};
  const Key other{"pods", "a", "y"};
  const Build bad = [](std::uint64_t) -> Result<Draft> { return fail(Code::Denied, "no"); };
  EXPECT_EQ(storage->create(key, draft("n")).error().code, Code::AlreadyExists);
  EXPECT_EQ(storage->update(key, 1, draft("n")).error().code, Code::Conflict);
  EXPECT_EQ(storage->remove(key, 3, draft("n")).error().code, Code::Conflict);
  EXPECT_EQ(storage->update(other, 1, draft("n")).error().code, Code::NotFound);
  EXPECT_EQ(storage->remove(other, 1, draft("n")).error().code, Code::NotFound);
  EXPECT_EQ(storage->create(other, bad).error().code, Code::Denied);
  EXPECT_EQ(storage->update(key, 2, bad).error().code, Code::Denied);
  EXPECT_EQ(storage->remove(key, 2, bad).error().code, Code::Denied);
  EXPECT_EQ(storage->version(), 2U);
  EXPECT_EQ(names(""), (std::vector<std::string>{"a/x=x@2"}));
}

TEST_P(StorageTest, ListsInOrderByNamespaceAndPage) {
  open();
  for (const char* name : {"c", "a", "b"}) create(name, "two");
  create("z", "on");
  create("m", "one");
  create("a", "one", "jobs.batch");
  EXPECT_EQ(names(""), (std::vector<std::string>{"on/z=z@5", "one/m=m@6", "two/a=a@3", "two/b=b@4",
                                                 "two/c=c@2"}));
  EXPECT_EQ(names("on"), (std::vector<std::string>{"on/z=z@5"}));
  EXPECT_EQ(names("none"), std::vector<std::string>{});
  const auto page = storage->list("pods", "two", nullptr, 2, 0);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->records.size(), 2U);
  EXPECT_TRUE(page->more);
  EXPECT_EQ(page->remaining, 1U);
  EXPECT_EQ(page->version, 7U);
  const auto rest = storage->list("pods", "two", &page->records.back()->key, 2, page->version);
  ASSERT_TRUE(rest.ok());
  ASSERT_EQ(rest->records.size(), 1U);
  EXPECT_EQ(rest->records[0]->key.name, "c");
  EXPECT_FALSE(rest->more);
  const Key outside{"pods", "aaa", "x"};
  EXPECT_EQ(storage->list("pods", "two", &outside, 0, 0)->records.size(), 3U);
  const Key beyond{"pods", "zzz", "x"};
  EXPECT_EQ(storage->list("pods", "two", &beyond, 0, 0)->records.size(), 0U);
}

TEST_P(StorageTest, ListsThePast) {
  open();
  create("x");                                                              // 2
  create("y");                                                              // 3
  ASSERT_TRUE(storage->update({"pods", "a", "x"}, 2, draft("new")).ok());   // 4
  ASSERT_TRUE(storage->remove({"pods", "a", "y"}, 3, draft("last")).ok());  // 5
  ASSERT_TRUE(storage->create({"pods", "a", "y"}, draft("again")).ok());    // 6
  EXPECT_EQ(names("a", 1), (std::vector<std::string>{}));
  EXPECT_EQ(names("a", 3), (std::vector<std::string>{"a/x=x@2", "a/y=y@3"}));
  EXPECT_EQ(names("a", 4), (std::vector<std::string>{"a/x=new@4", "a/y=y@3"}));
  EXPECT_EQ(names("a", 5), (std::vector<std::string>{"a/x=new@4"}));
  EXPECT_EQ(names("a", 6), (std::vector<std::string>{"a/x=new@4", "a/y=again@6"}));
  EXPECT_EQ(storage->list("pods", "a", nullptr, 0, 7).error().code, Code::Invalid);
  storage->compact();
  EXPECT_EQ(storage->list("pods", "a", nullptr, 0, 5).error().code, Code::Expired);
  EXPECT_EQ(storage->list("jobs", "a", nullptr, 0, 5).error().code, Code::Expired);
  EXPECT_EQ(names("a", 6).size(), 2U);
}

TEST_P(StorageTest, SubscriptionsTellEveryWriteOfTheirResourceOnce) {
  open();
  create("x");
  int rung = 0;
  auto followed = storage->subscribe("pods", 1, [&] { ++rung; });
  ASSERT_TRUE(followed.ok());
  auto& subscription = **followed;
  create("other", "a", "jobs.batch");
  ASSERT_TRUE(storage->update({"pods", "a", "x"}, 2, draft("new")).ok());
  ASSERT_TRUE(storage->remove({"pods", "a", "x"}, 4, draft("last")).ok());
  EXPECT_EQ(rung, 2);
  auto first = subscription.take(2);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->size(), 2U);
  EXPECT_EQ((*first)[0].type, EventType::Added);
  EXPECT_EQ((*first)[0].before, nullptr);
  EXPECT_EQ((*first)[1].type, EventType::Modified);
  EXPECT_EQ((*first)[1].now->json, "new@4");
  EXPECT_EQ((*first)[1].before->json, "x@2");
  EXPECT_EQ(subscription.position(), 4U);
  auto second = subscription.take(10);
  ASSERT_EQ(second->size(), 1U);
  EXPECT_EQ((*second)[0].type, EventType::Deleted);
  EXPECT_EQ((*second)[0].now->json, "last@5");
  EXPECT_EQ((*second)[0].before->json, "new@4");
  create("more", "a", "jobs.batch");
  EXPECT_TRUE(subscription.take(10)->empty());
  EXPECT_EQ(subscription.position(), 6U) << "moves on with writes of other resources";
  followed->reset();
  create("late");
  EXPECT_EQ(rung, 2);
}

TEST_P(StorageTest, ASubscriptionThatLagsExpires) {
  options.history_events = 3;
  open();
  auto followed = storage->subscribe("pods", 1, nullptr);
  auto quiet = storage->subscribe("jobs.batch", 1, nullptr);
  for (int i = 0; i < 4; ++i) create("x" + std::to_string(i));
  EXPECT_EQ((*followed)->take(10).error().code, Code::Expired);
  EXPECT_TRUE((*quiet)->take(10).ok());
  EXPECT_EQ(storage->subscribe("pods", 1, nullptr).error().code, Code::Expired);
  EXPECT_TRUE(storage->subscribe("pods", 2, nullptr).ok());
  EXPECT_EQ(storage->subscribe("pods", 6, nullptr).error().code, Code::Invalid);
  auto at_end = storage->subscribe("pods", 5, nullptr);
  storage->compact();
  EXPECT_TRUE((*at_end)->take(10).ok());
  EXPECT_EQ(storage->subscribe("pods", 4, nullptr).error().code, Code::Expired);
}

INSTANTIATE_TEST_SUITE_P(All, StorageTest,
                         testing::Values(Kind::Memory, Kind::File, Kind::FileWithoutCache),
                         [](const auto& test) {
                           return test.param == Kind::Memory ? "Memory"
                                  : test.param == Kind::File ? "File"
                                                             : "FileWithoutCache";
                         });

class StorageFileTest : public StorageTest {};

TEST_P(StorageFileTest, ARestartKeepsObjectsAndVersionsButNoHistory) {
  open();
  create("x");
  create("y");
  ASSERT_TRUE(storage->remove({"pods", "a", "y"}, 3, draft("last")).ok());
  open();
  EXPECT_EQ(storage->version(), 4U) << "deletions count";
  EXPECT_EQ(names(""), (std::vector<std::string>{"a/x=x@2"}));
  EXPECT_EQ(storage->subscribe("pods", 3, nullptr).error().code, Code::Expired);
  EXPECT_EQ(storage->list("pods", "", nullptr, 0, 3).error().code, Code::Expired);
  EXPECT_TRUE(storage->subscribe("pods", 4, nullptr).ok());
  ASSERT_TRUE(storage->update({"pods", "a", "x"}, 2, draft("new")).ok());
  create("z");
  open();
  EXPECT_EQ(names(""), (std::vector<std::string>{"a/x=new@5", "a/z=z@6"}));
}

TEST_P(StorageFileTest, ASecondUserIsRefused) {
  open();
  const auto second = open_storage(options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::Unavailable);
  EXPECT_NE(second.error().message.find(options.path + ": in use by another process (pid "),
            std::string::npos)
      << second.error().message;
  create("still works");
}

TEST_P(StorageFileTest, FilesAreForThisUserOnly) {
  open();
  create("x");
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat info {};
    ASSERT_EQ(::stat((options.path + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600U) << suffix;
  }
}

TEST_P(StorageFileTest, SaysWhatIsWrongWithThePath) {
  const struct {
    const char* name;
    std::string path;
    Code code;
    const char* message;
  } cases[] = {
      {"folder missing", folder.path() + "/none/data.db", Code::Unavailable, "make its folder"},
      {"empty file", folder.write("empty.db", ""), Code::Malformed, "the file is empty"},
      {"garbage", folder.write("text.db", std::string(5000, 'x')), Code::Malformed, "no database"},
      {"a folder", folder.path(), Code::Malformed, "not a regular file"},
  };
  for (const auto& c : cases) {
    options.path = c.path;
    const auto opened = open_storage(options);
    ASSERT_FALSE(opened.ok()) << c.name;
    EXPECT_EQ(opened.error().code, c.code) << c.name;
    EXPECT_NE(opened.error().message.find(c.message), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find(c.path), std::string::npos) << opened.error().message;
  }
}

TEST_P(StorageFileTest, ALogWithoutItsFileIsNotTakenForANewStore) {
  open();
  create("x");
  std::filesystem::copy(options.path + "-wal", folder.path() + "/other.db-wal");
  options.path = folder.path() + "/other.db";
  const auto opened = open_storage(options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::Malformed);
  EXPECT_FALSE(std::filesystem::exists(options.path));
}

INSTANTIATE_TEST_SUITE_P(All, StorageFileTest, testing::Values(Kind::File, Kind::FileWithoutCache),
                         [](const auto& test) {
                           return test.param == Kind::File ? "Cached" : "WithoutCache";
                         });

}  // namespace
}  // namespace millrace::storage
