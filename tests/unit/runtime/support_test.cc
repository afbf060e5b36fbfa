// The test tools themselves: a fake that lies makes every test built on it worthless.
#include <gtest/gtest.h>

#include "kubeclient/api/pod.h"
#include "tests/support/fake_api.h"
#include "tests/support/manual_clock.h"

namespace millrace::support {
namespace {

using namespace std::chrono_literals;

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock;
  int calls = 0;
  clock.on_advance([&] { ++calls; });
  const Time wall = clock.now();
  const SteadyTime steady = clock.steady();
  clock.advance(3s);
  EXPECT_EQ(clock.now() - wall, 3s);
  EXPECT_EQ(clock.steady() - steady, 3s);
  clock.shift_wall(-1h);
  EXPECT_EQ(clock.now() - wall, 3s - 1h);
  EXPECT_EQ(clock.steady() - steady, 3s);
  EXPECT_EQ(calls, 1);
}

TEST(SteppingPause, TakesTheTimeFromTheClock) {
  ManualClock clock;
  const SteppingPause pause(clock);
  const SteadyTime start = clock.steady();
  std::stop_source stop;
  EXPECT_TRUE(pause.wait(5s, stop.get_token()));
  EXPECT_EQ(clock.steady() - start, 5s);
  stop.request_stop();
  EXPECT_FALSE(pause.wait(5s, stop.get_token()));
  EXPECT_EQ(pause.lengths(), std::vector<Duration>{5s});
}

class FakeApiTest : public testing::Test {
 protected:
  Result<std::string> create(const char* name) {
    return api.create_text(kPods, "ns", R"({"metadata":{"name":")" + std::string(name) + "\"}}",
                           {});
  }
  Result<std::string> patch(const char* body) {
    return api.patch_text(kPods, {"ns", "a"}, client::PatchType::Merge, body, {}, {});
  }
  const api::ApiResource kPods = api::Pod::kResource;
  ManualClock clock;
  FakeApi api{clock};
};

TEST_F(FakeApiTest, RefusesWhatAServerRefuses) {
  EXPECT_EQ(patch("{}").error().code, Code::NotFound);
  EXPECT_TRUE(create("a").ok());
  EXPECT_EQ(create("a").error().code, Code::AlreadyExists);
  EXPECT_EQ(patch(R"({"metadata":{"resourceVersion":"7"}})").error().code, Code::Conflict);
  EXPECT_TRUE(patch(R"({"metadata":{"resourceVersion":"101"},"x":1,"y":2})").ok());
  EXPECT_EQ(patch(R"({"y":null})").value_or(""),
            R"({"metadata":{"name":"a","namespace":"ns","resourceVersion":"103"},"x":1})");
  EXPECT_TRUE(api.delete_text(kPods, {"ns", "a"}, {}, {}).ok());
  EXPECT_EQ(api.get_text(kPods, {"ns", "a"}, {}).error().code, Code::NotFound);
}

TEST_F(FakeApiTest, AFaultComesBeforeTheEffectOrAfterIt) {
  api.fail_next("create", error_of(Code::Unavailable));
  EXPECT_EQ(create("a").error().code, Code::Unavailable);
  EXPECT_TRUE(api.stored("pods", {"ns", "a"}).is_null());
  api.lose_answer("create", error_of(Code::Timeout));
  EXPECT_EQ(create("a").error().code, Code::Timeout);
  EXPECT_FALSE(api.stored("pods", {"ns", "a"}).is_null());
  EXPECT_EQ(api.calls("create").size(), 2u);
}

TEST_F(FakeApiTest, StreamsPlayTheirScript) {
  api.script_watch({{}, {"abc", Silence{}, error_of(Code::Unavailable), ""}});
  auto stream = api.watch(kPods, "", {}, {});
  ASSERT_TRUE(stream.ok());
  const SteadyTime deadline = clock.steady() + 9s;
  EXPECT_EQ((*stream)->read(deadline).value_or("?"), "abc");
  EXPECT_EQ((*stream)->read(deadline).error().code, Code::Timeout);
  EXPECT_EQ(clock.steady(), deadline);
  EXPECT_EQ((*stream)->read(deadline).error().code, Code::Unavailable);
  EXPECT_EQ((*stream)->read(deadline).value_or("?"), "");
  (*stream)->cancel();
  EXPECT_EQ((*stream)->read(deadline).error().code, Code::Cancelled);
}

}  // namespace
}  // namespace millrace::support
