#include "kubeclient/client/credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "kubeclient/base/time_format.h"
#include "tests/support/temporary_folder.h"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;
using support::TemporaryFolder;

SteadyTime in(Duration time) { return std::chrono::steady_clock::now() + time; }

class TestClock final : public Clock {
 public:
  Time now() const override { return Time(1'792'000'000s) + passed(); }
  SteadyTime steady() const override { return SteadyTime(1h) + passed(); }
  void advance(std::chrono::microseconds by) { passed_ += by.count(); }

 private:
  std::chrono::microseconds passed() const { return std::chrono::microseconds(passed_.load()); }
  std::atomic<std::int64_t> passed_{0};
};

std::string authorization(Credentials& credentials) {
  const auto got = credentials.get({}, in(20s));
  return got.ok() ? got->authorization : got.error().message;
}

TEST(Credentials, StayAsTheyAreWhenTheyAreFixed) {
  const TestClock clock;
  ClientConfig config;
  Credentials nobody(config, {}, clock);
  EXPECT_EQ(authorization(nobody), "");
  config.token = "abc";
  Credentials token(config, {}, clock);
  EXPECT_EQ(authorization(token), "Bearer abc");
  EXPECT_FALSE(token.refused(token.get({}, in(20s))->generation)) << "there is no other";
  config.token = "";
  config.username = "Aladdin";
  config.password = "open sesame";
  Credentials basic(config, {}, clock);
  EXPECT_EQ(authorization(basic), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST(Credentials, FollowATokenFile) {
  const TemporaryFolder folder;
  TestClock clock;
  ClientConfig config;
  config.token_file = folder.write("token", "one\n");
  Credentials credentials(config, {}, clock);
  EXPECT_EQ(authorization(credentials), "Bearer one");

  folder.write("token", "two");
  clock.advance(59s);
  EXPECT_EQ(authorization(credentials), "Bearer one") << "looked at once a minute";
  clock.advance(2s);
  EXPECT_EQ(authorization(credentials), "Bearer two");

  folder.write("token", "three");
  const std::uint64_t before = credentials.get({}, in(20s))->generation;
  EXPECT_TRUE(credentials.refused(before));
  EXPECT_EQ(authorization(credentials), "Bearer three") << "at once after a refusal";
  EXPECT_GT(credentials.get({}, in(20s))->generation, before);

  // The same token again is no new credential, and an absent file leaves the old one.
  const std::uint64_t same = credentials.get({}, in(20s))->generation;
  clock.advance(2min);
  EXPECT_EQ(credentials.get({}, in(20s))->generation, same);
  std::filesystem::remove(config.token_file);
  clock.advance(2min);
  EXPECT_EQ(authorization(credentials), "Bearer three");
}

TEST(Credentials, SayWhyThereIsNoToken) {
  const TemporaryFolder folder;
  const TestClock clock;
  ClientConfig config;
  config.token_file = folder.path() + "/none";
  Credentials missing(config, {}, clock);
  EXPECT_NE(authorization(missing).find("/none: no such file"), std::string::npos);
  config.token_file = folder.write("token", " \n");
  Credentials empty(config, {}, clock);
  EXPECT_NE(authorization(empty).find("is empty"), std::string::npos);
}

/// A plugin whose token counts how often it ran.
ClientConfig counting_plugin(const TemporaryFolder& folder, const std::string& expires) {
  ClientConfig config;
  config.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1",
                           .command = folder.write_script("plug", R"(
echo run >> )" + folder.path() + R"(/runs
count=$(wc -l < )" + folder.path() + R"(/runs)
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$count'")" +
                                                                      expires + R"(}}'
)"),
                           .args = {},
                           .env = {},
                           .install_hint = {},
                           .user = "jo"};
  return config;
}

Environment with_path() {
  Environment e;
  e.all = {"PATH=/usr/bin:/bin"};
  return e;
}

TEST(Credentials, RunThePluginWhenItsTokenExpires) {
  const TemporaryFolder folder;
  TestClock clock;
  const std::string expires =
      R"(,"expirationTimestamp":")" + format_time(clock.now() + 10min) + "\"";
  Credentials credentials(counting_plugin(folder, expires), with_path(), clock);
  EXPECT_EQ(authorization(credentials), "Bearer 1");
  clock.advance(9min);
  EXPECT_EQ(authorization(credentials), "Bearer 1");
  clock.advance(2min);
  EXPECT_EQ(authorization(credentials), "Bearer 2");
}

TEST(Credentials, RunThePluginAgainAfterARefusal) {
  const TemporaryFolder folder;
  TestClock clock;
  Credentials credentials(counting_plugin(folder, ""), with_path(), clock);
  EXPECT_EQ(authorization(credentials), "Bearer 1");
  clock.advance(24h);
  EXPECT_EQ(authorization(credentials), "Bearer 1") << "it never expires";
  const std::uint64_t first = credentials.get({}, in(20s))->generation;
  EXPECT_TRUE(credentials.refused(first));
  EXPECT_EQ(authorization(credentials), "Bearer 2");
  EXPECT_TRUE(credentials.refused(first)) << "late news; the second one stays";
  EXPECT_EQ(authorization(credentials), "Bearer 2");
  EXPECT_FALSE(credentials.refused(credentials.get({}, in(20s))->generation))
      << "just made; running the plugin in a circle helps nobody";
}

TEST(Credentials, RunThePluginOnceForManyThreads) {
  const TemporaryFolder folder;
  const TestClock clock;
  Credentials credentials(counting_plugin(folder, ""), with_path(), clock);
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] { good += authorization(credentials) == "Bearer 1" ? 1 : 0; });
    }
  }
  EXPECT_EQ(good, 8);
}

TEST(Credentials, PassOnWhatThePluginSays) {
  const TemporaryFolder folder;
  const TestClock clock;
  ClientConfig config = counting_plugin(folder, "");
  config.exec->command = folder.write_script("plug", "echo 'no session' >&2; exit 1");
  Credentials credentials(config, with_path(), clock);
  const auto got = credentials.get({}, in(20s));
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::Denied);
  EXPECT_NE(got.error().message.find("no session"), std::string::npos);
}

}  // namespace
}  // namespace millrace::client
