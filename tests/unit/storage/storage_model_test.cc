#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "local/storage/storage.h"
#include "tests/support/temporary_folder.h"

namespace millrace::storage {
namespace {

using Moment = std::map<std::pair<std::string, std::string>, std::string>;  // key → JSON

Build draft(std::string text) {
  return [text = std::move(text)](std::uint64_t version) -> Result<Draft> {
    return Draft{text, text + "@" + std::to_string(version), {{{"text", text}}, {}}};
  };
}

/// The simplest storage that could be: every moment is kept whole.
class Model {
 public:
  explicit Model(std::uint32_t seed) : random_(seed) {}

  std::size_t pick(std::size_t below) { return random_() % below; }
  const Moment& now() const { return moments_.back(); }
  const Moment& at(std::uint64_t version) const { return moments_[version - 1]; }
  std::uint64_t version() const { return moments_.size(); }

  /// One random write on both; also ones that must fail.
  void write(Storage& storage) {
    const Key key{"pods", "ns" + std::to_string(pick(3)), "n" + std::to_string(pick(12))};
    const std::string text(1 + pick(3000), static_cast<char>('a' + pick(26)));
    const auto place = std::make_pair(key.ns, key.name);
    const bool there = now().contains(place);
    const std::uint64_t known = there ? versions_[place] : 7;
    const std::uint64_t next = version() + 1;
    const std::string json = text + "@" + std::to_string(next);
    Moment after = now();
    bool want = true;
    Result<RecordRef> got = RecordRef();
    switch (pick(4)) {
      case 0:
        got = storage.create(key, draft(text));
        want = !there;
        after[place] = json;
        break;
      case 1:
        got = storage.remove(key, known, draft(text));
        want = there;
        after.erase(place);
        break;
      case 2:
        got = storage.update(key, known + 1, draft(text));
        want = false;
        break;
      default:
        got = storage.update(key, known, draft(text));
        want = there;
        after[place] = json;
    }
    ASSERT_EQ(got.ok(), want);
    if (!want) return;
    EXPECT_EQ((*got)->json, json);
    versions_[place] = next;
    moments_.push_back(std::move(after));
  }

  void compare(const Storage& storage, std::uint64_t version) {
    const auto listing = storage.list("pods", "", nullptr, 0, version);
    if (!listing.ok()) {
      EXPECT_EQ(listing.error().code, Code::Expired);
      EXPECT_NE(version, this->version());
      return;
    }
    Moment got;
    for (const auto& record : listing->records) {
      got[{record->key.ns, record->key.name}] = record->json;
      EXPECT_EQ(record->uid + "@" + std::to_string(record->version), record->json);
      EXPECT_EQ(record->attributes.labels[0].second, record->uid);
    }
    EXPECT_EQ(got, at(version));
  }

 private:
  std::mt19937 random_;
  std::vector<Moment> moments_ = {{}};  // by version, from 1
  std::map<std::pair<std::string, std::string>, std::uint64_t> versions_;
};

class StorageModelTest : public testing::TestWithParam<bool> {};

TEST_P(StorageModelTest, RandomWritesAndRestartsLeaveWhatTheModelHas) {
  for (std::uint32_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    support::TemporaryFolder folder;
    Options options;
    options.history_events = 40;
    options.cache_bytes = 10000;
    if (GetParam()) options.path = folder.path() + "/data.db";
    Model model(seed);
    auto storage = *open_storage(options);
    auto subscription = *storage->subscribe("pods", 1, nullptr);
    Moment followed;
    for (int step = 0; step < 600; ++step) {
      model.write(*storage);
      if (testing::Test::HasFatalFailure()) return;
      const Key key{"pods", "ns" + std::to_string(model.pick(3)),
                    "n" + std::to_string(model.pick(12))};
      const auto read = storage->get(key);
      ASSERT_TRUE(read.ok());
      const auto want = model.now().find({key.ns, key.name});
      ASSERT_EQ(*read == nullptr ? "" : (*read)->json,
                want == model.now().end() ? "" : want->second);
      if (model.pick(5) == 0) {
        const auto events = subscription->take(1000);
        ASSERT_TRUE(events.ok());
        for (const auto& e : *events) {
          const auto place = std::make_pair(e.now->key.ns, e.now->key.name);
          ASSERT_EQ(e.before == nullptr ? "" : e.before->json,
                    followed.contains(place) ? followed[place] : "");
          if (e.type == EventType::Deleted) {
            followed.erase(place);
          } else {
            followed[place] = e.now->json;
          }
        }
        ASSERT_EQ(followed, model.now());
        model.compare(*storage, model.version());
        model.compare(*storage, 1 + model.pick(model.version()));
      }
      if (GetParam() && model.pick(100) == 0) {
        subscription.reset();
        storage.reset();
        storage = *open_storage(options);
        ASSERT_EQ(storage->version(), model.version());
        subscription = *storage->subscribe("pods", model.version(), nullptr);
        followed = model.now();
      }
    }
    model.compare(*storage, model.version());
    subscription.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(All, StorageModelTest, testing::Bool(),
                         [](const auto& test) { return test.param ? "WithFile" : "InMemory"; });

// Readers must see each object whole and never go back in time, while rows change under them.
TEST(StorageThreads, ReadersSeeWholeObjectsWhileWritersWrite) {
  support::TemporaryFolder folder;
  Options options;
  options.path = folder.path() + "/data.db";
  options.cache_bytes = 1;
  const auto storage = *open_storage(options);
  constexpr int kObjects = 8;
  const auto key = [](int i) { return Key{"pods", "a", "n" + std::to_string(i)}; };
  for (int i = 0; i < kObjects; ++i) {
    ASSERT_TRUE(storage->create(key(i), draft(std::string(500, 'x'))).ok());
  }
  std::atomic<bool> done = false;
  std::atomic<int> bad = 0;
  const auto check = [&](const RecordRef& record) {
    if (record == nullptr || !record->json.ends_with("@" + std::to_string(record->version))) ++bad;
  };
  std::vector<std::jthread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      std::uint64_t last = 0;
      while (!done) {
        const auto read = storage->get(key(t));
        if (!read.ok() || *read == nullptr || (*read)->version < last) {
          ++bad;
          continue;
        }
        check(*read);
        last = (*read)->version;
        const auto listing = storage->list("pods", "", nullptr, 0, 0);
        if (!listing.ok() || listing->records.size() != kObjects) {
          ++bad;
          continue;
        }
        for (const auto& record : listing->records) check(record);
      }
    });
  }
  for (int i = 0; i < 1500; ++i) {
    const Key target = key(i % kObjects);
    const auto now = storage->get(target);
    ASSERT_TRUE(now.ok());
    ASSERT_TRUE(storage->update(target, (*now)->version, draft(std::string(500, 'y'))).ok());
  }
  done = true;
  readers.clear();
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace millrace::storage
