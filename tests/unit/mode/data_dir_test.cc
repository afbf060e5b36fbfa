#include "local/mode/data_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "kubeclient/base/time_format.h"
#include "kubeclient/client/kubeconfig.h"
#include "tests/support/temporary_folder.h"

namespace millrace::mode {
namespace {

unsigned mode_of(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

TEST(DefaultDataDir, TakesTheNearestVariable) {
  using Variables = std::map<std::string, std::string>;
  const struct {
    const char* name;
    Variables variables;
    std::string want;  // empty: an error
  } cases[] = {
      {"ours", {{"MILLRACE_DATA", "/a"}, {"XDG_STATE_HOME", "/b"}, {"HOME", "/c"}}, "/a"},
      {"the state folder", {{"XDG_STATE_HOME", "/b"}, {"HOME", "/c"}}, "/b/millrace"},
      {"the home", {{"HOME", "/c"}}, "/c/.local/state/millrace"},
      {"empty is unset", {{"MILLRACE_DATA", ""}, {"HOME", "/c"}}, "/c/.local/state/millrace"},
      {"nothing", {}, ""},
  };
  for (const auto& c : cases) {
    const auto got = default_data_dir([&](const char* name) -> std::optional<std::string> {
      const auto found = c.variables.find(name);
      if (found == c.variables.end()) return std::nullopt;
      return found->second;
    });
    EXPECT_EQ(got.ok() ? *got : "", c.want) << c.name;
  }
}

TEST(DataDir, IsMadeForItsOwnerOnly) {
  const support::TemporaryFolder folder;
  const DataDir dir(folder.path() + "/a/b");
  ASSERT_TRUE(dir.create().ok());
  EXPECT_EQ(mode_of(dir.path()), 0700U);
  ::chmod(dir.path().c_str(), 0755);
  ASSERT_TRUE(dir.create().ok());
  EXPECT_EQ(mode_of(dir.path()), 0700U);
}

TEST(DataDir, NamesWhatIsInTheWay) {
  const support::TemporaryFolder folder;
  const std::string file = folder.write("file", "");
  for (const std::string& path : {file, file + "/data"}) {
    const auto made = DataDir(path).create();
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, Code::Unavailable);
    EXPECT_NE(made.error().message.find(path), std::string::npos);
  }
}

TEST(DataDir, CountsItsFiles) {
  const support::TemporaryFolder folder;
  folder.write("x", "1234");
  folder.write("sub/y", "12345");
  EXPECT_EQ(DataDir(folder.path()).size(), 9U);
}

TEST(DataLock, SaysWhoHoldsIt) {
  const support::TemporaryFolder folder;
  const DataDir dir(folder.path());
  EXPECT_FALSE(current_owner(dir).has_value());
  const Owner owner{.pid = 42,
                    .address = "127.0.0.1:1",
                    .webhooks = "http://127.0.0.1:2",
                    .command = "up",
                    .ready = true,
                    .since = parse_time("2026-11-21T01:02:03Z").value()};
  {
    const auto lock = DataLock::take(dir);
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(current_owner(dir), Owner{});  // held, but by nobody who said so
    ASSERT_TRUE(lock->publish(owner).ok());
    EXPECT_EQ(current_owner(dir), owner);
    EXPECT_EQ(DataLock::take(dir).error().code, Code::AlreadyExists);
    Owner shorter = owner;
    shorter.address = "";
    ASSERT_TRUE(lock->publish(shorter).ok());
    EXPECT_EQ(current_owner(dir), shorter);
    ASSERT_TRUE(lock->publish(owner).ok());
  }
  EXPECT_FALSE(current_owner(dir).has_value());
  EXPECT_EQ(last_owner(dir), owner);
  EXPECT_TRUE(DataLock::take(dir).ok());
}

TEST(DataLock, IsGoneWithItsProcess) {
  const support::TemporaryFolder folder;
  const DataDir dir(folder.path());
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = DataLock::take(dir);
    (void)!::write(ends[1], lock.ok() ? "y" : "n", 1);
    for (;;) ::pause();
  }
  char taken = 0;
  ASSERT_EQ(::read(ends[0], &taken, 1), 1);
  EXPECT_EQ(taken, 'y');
  EXPECT_TRUE(current_owner(dir).has_value());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(current_owner(dir).has_value());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Token, IsMadeOnceAndPrivate) {
  const support::TemporaryFolder folder;
  const DataDir dir(folder.path());
  const std::string token = token_of(dir).value();
  EXPECT_EQ(token.size(), 64U);
  EXPECT_EQ(token.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(token_of(dir).value(), token);
  EXPECT_EQ(mode_of(dir.token()), 0600U);
  folder.write("token", "short\n");
  EXPECT_EQ(token_of(dir).value().size(), 64U);
}

TEST(Kubeconfig, IsReadByOurClient) {
  const support::TemporaryFolder folder;
  const std::string path =
      folder.write("kubeconfig", kubeconfig_text("127.0.0.1:6443", "", "secret"));
  const auto config = client::load_kubeconfig({path}, "", {});
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->server, "https://127.0.0.1:6443");
  EXPECT_EQ(config->token, "secret");
  EXPECT_EQ(config->context, "millrace-local");
  EXPECT_EQ(config->ns, "default");
}

}  // namespace
}  // namespace millrace::mode
