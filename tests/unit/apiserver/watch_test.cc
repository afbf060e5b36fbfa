#include "local/apiserver/watch.h"

#include <atomic>

#include "tests/unit/apiserver/api_fixture.h"

namespace millrace::apiserver {
namespace {

class WatchFixture : public ApiFixture {
 protected:
  std::unique_ptr<Stream> watch(const std::string& query) {
    Reply reply = call("GET", std::string(kMaps) + "?watch=1" + query);
    EXPECT_EQ(reply.status, 200) << reply.response.body;
    return std::move(reply.response.stream);
  }
  /// "ADDED a, MODIFIED a": types and names of what is there.
  static std::string taken(Stream& stream) {
    std::string out;
    std::string text = stream.take(1 << 20);
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      const auto event = codec::Value::parse(text.substr(0, end));
      EXPECT_TRUE(event.ok());
      const codec::Value* name = event->at_path({"object", "metadata", "name"});
      out += (out.empty() ? "" : ", ") + event->find("type")->as_string();
      if (name != nullptr) out += " " + name->as_string();
      text.erase(0, end + 1);
    }
    return out;
  }
};

TEST_F(WatchFixture, BeginsWithWhatIsThereUnlessAVersionIsGiven) {
  const Reply first = create_map("a");
  ASSERT_EQ(create_map("b").status, 201);
  auto all = watch("");
  auto since = watch("&resourceVersion=" + first.text({"metadata", "resourceVersion"}));
  EXPECT_EQ(taken(*all), "ADDED a, ADDED b");
  EXPECT_EQ(taken(*since), "ADDED b");
  ASSERT_EQ(call("DELETE", std::string(kMaps) + "/a").status, 200);
  EXPECT_EQ(taken(*all), "DELETED a");
  EXPECT_EQ(taken(*since), "DELETED a");
  EXPECT_EQ(taken(*all), "");
  EXPECT_FALSE(all->ended());
}

TEST_F(WatchFixture, TranslatesChangesThroughSelectors) {
  const std::string one = std::string(kMaps) + "/a";
  auto stream = watch("&labelSelector=x=1");
  ASSERT_EQ(create_map("a").status, 201);
  EXPECT_EQ(taken(*stream), "");
  const auto label = [&](const char* value) {
    return call("PATCH", one,
                std::string(R"({"metadata":{"labels":{"x":)") + value + R"(,"y":"z"}}})", kMerge)
        .status;
  };
  ASSERT_EQ(label("\"1\""), 200);
  EXPECT_EQ(taken(*stream), "ADDED a");
  ASSERT_EQ(call("PATCH", one, R"({"data":{"k":"v"}})", kMerge).status, 200);
  EXPECT_EQ(taken(*stream), "MODIFIED a");
  ASSERT_EQ(label("\"2\""), 200);
  EXPECT_EQ(taken(*stream), "DELETED a");
}

TEST_F(WatchFixture, EndsTheInitialObjectsWithABookmark) {
  ASSERT_EQ(create_map("a").status, 201);
  auto stream =
      watch("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  EXPECT_EQ(taken(*stream), "ADDED a, BOOKMARK");
}

TEST_F(WatchFixture, ShowsManyInitialObjectsAsTheyWereAtItsBeginning) {
  const auto name = [](int n) { return "m-" + std::to_string(1000 + n); };
  std::string want;
  for (int n = 0; n < 350; ++n) {
    const std::string label = n % 2 == 0 ? "1" : "2";
    ASSERT_EQ(
        call("POST", kMaps,
             R"({"metadata":{"name":")" + name(n) + R"(","labels":{"x":")" + label + R"("}}})")
            .status,
        201);
    if (n % 2 == 0) want += (want.empty() ? "ADDED " : ", ADDED ") + name(n);
  }
  auto stream = watch(
      "&labelSelector=x=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
      "&allowWatchBookmarks=true");
  // Written before the last of them are read: shown as they were, and then the changes.
  ASSERT_EQ(call("DELETE", std::string(kMaps) + "/" + name(348)).status, 200);
  ASSERT_EQ(
      call("PATCH", std::string(kMaps) + "/" + name(346), R"({"data":{"k":"v"}})", kMerge).status,
      200);
  ASSERT_EQ(create_map("zz").status, 201);
  EXPECT_EQ(taken(*stream), want + ", BOOKMARK, DELETED " + name(348) + ", MODIFIED " + name(346));
}

TEST_F(WatchFixture, ExpiresWhenTheHistoryEndsAmongTheInitialObjects) {
  for (int n = 0; n < 350; ++n) ASSERT_EQ(create_map("m-" + std::to_string(n)).status, 201);
  auto stream = watch("");
  ASSERT_EQ(create_map("later").status, 201);
  storage_->compact();
  const std::string text = stream->take(1 << 20);
  EXPECT_NE(text.find("\"type\":\"ADDED\""), std::string::npos);
  EXPECT_NE(text.find("\"reason\":\"Expired\""), std::string::npos);
  EXPECT_TRUE(stream->ended());
}

TEST_F(WatchFixture, BookmarksAndEndsByTheClock) {
  auto stream = watch("&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=90");
  std::atomic<int> woken = 0;
  stream->on_ready([&] { ++woken; });
  EXPECT_EQ(taken(*stream), "");
  clock_.advance(std::chrono::seconds(60));
  api_->work_once();
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(taken(*stream), "BOOKMARK");
  clock_.advance(std::chrono::seconds(30));
  api_->work_once();
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(taken(*stream), "BOOKMARK");
  EXPECT_TRUE(stream->ended());
}

TEST_F(WatchFixture, SaysExpiredWhenTheHistoryIsGone) {
  ASSERT_EQ(create_map("a").status, 201);
  ASSERT_EQ(create_map("b").status, 201);
  storage_->compact();
  auto stream = watch("&resourceVersion=1");
  const std::string text = stream->take(1 << 20);
  EXPECT_NE(text.find("\"type\":\"ERROR\""), std::string::npos);
  EXPECT_NE(text.find("\"reason\":\"Expired\""), std::string::npos);
  EXPECT_TRUE(stream->ended());
}

TEST_F(WatchFixture, WakesItsReaderAfterAWrite) {
  auto stream = watch("&resourceVersion=1");
  std::atomic<int> woken = 0;
  stream->on_ready([&] { ++woken; });
  taken(*stream);
  taken(*stream);
  ASSERT_EQ(create_map("a").status, 201);
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(taken(*stream), "ADDED a");
}

TEST_F(WatchFixture, MayOutliveTheApi) {
  auto stream = watch("");
  api_.reset();
  clock_.advance(std::chrono::hours(2));
  stream->take(1 << 20);
  EXPECT_TRUE(stream->ended());
}

}  // namespace
}  // namespace millrace::apiserver
