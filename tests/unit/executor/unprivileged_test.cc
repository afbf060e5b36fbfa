// A root of its own for a process of a user who may not mount: the way by user namespaces.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <functional>

#include "kubeclient/base/guarded.h"
#include "local/executor/spawner.h"
#include "tests/support/temporary_folder.h"

namespace millrace::executor {
namespace {

constexpr uid_t kNobody = 65534;

/// Run `work` in a process of an ordinary user (the present one unless that is root); what it said.
std::string as_ordinary_user(const std::function<std::string()>& work) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string said;
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) {
      said = "cannot become nobody";
    } else {
      ::prctl(PR_SET_DUMPABLE, 1);  // or /proc/self belongs to root still
      said = work();
    }
    const bool good = ::write(pipe[1], said.data(), said.size()) >= 0;
    ::_exit(good ? 0 : 1);
  }
  ::close(pipe[1]);
  std::string said;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
    said.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << said;
  return said;
}

/// What a shell says in a root of its own with `mounts`.
std::string say_in_sandbox(const std::string& root, const std::string& script,
                           std::vector<Mount> mounts) {
  auto made = Spawner::fork_off();
  if (!made.ok()) return made.error().message;
  Guarded<std::optional<SpawnEvent>> end;
  std::condition_variable changed;
  (*made)->start([&](const SpawnEvent& event) {
    if (event.kind == SpawnEvent::Kind::Started) return;
    *end.lock() = event;
    changed.notify_all();
  });
  if (const std::string why = (*made)->try_sandbox(root); !why.empty()) return "refused: " + why;
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return "no pipe";
  SpawnRequest request;
  request.argv = {"sh", "-c", script};
  request.environment = {"PATH=/usr/bin:/bin"};
  request.root = root;
  request.mounts = std::move(mounts);
  const auto spawned = (*made)->spawn(1, request, pipe[1], pipe[1]);
  ::close(pipe[1]);
  std::string out = spawned.ok() ? "" : spawned.error().message;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  {
    auto state = end.lock();
    changed.wait_for(state.lock(), std::chrono::seconds(10), [&] { return state->has_value(); });
    out += !state->has_value() ? "(no end)"
                               : "exit " + std::to_string((*state)->exit_code) + (*state)->message;
  }
  return out;
}

class UserNamespaces : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string refused = as_ordinary_user(
        [] { return std::string(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? "" : "no"); });
    if (!refused.empty()) {
      GTEST_SKIP() << "NOT TESTED: this kernel gives ordinary users no user namespaces";
    }
    ::mkdir((folder_.path() + "/root").c_str(), 0755);
    folder_.write("v/key", "secret");
    for (const char* part : {"", "/root", "/v", "/v/key"}) {
      const std::string path = folder_.path() + part;
      if (::geteuid() == 0) {
        ASSERT_EQ(::chown(path.c_str(), kNobody, kNobody), 0) << path;
      }
    }
  }
  std::string say(const std::string& script, std::vector<Mount> mounts) {
    return as_ordinary_user(
        [&] { return say_in_sandbox(folder_.path() + "/root", script, std::move(mounts)); });
  }
  support::TemporaryFolder folder_;
};

TEST_F(UserNamespaces, ShowVolumesAtTheirPaths) {
  EXPECT_EQ(say("cat /mr-test/deep/key; echo; echo new > /mr-test/deep/file",
                {{folder_.path() + "/v", "/mr-test/deep", false}}),
            "secret\nexit 0");
  EXPECT_EQ(::access((folder_.path() + "/v/file").c_str(), F_OK), 0) << "not written through";
  EXPECT_NE(::access("/mr-test", F_OK), 0) << "a mount point was made on this machine";
}

TEST_F(UserNamespaces, KeepTheUserWhoHeIs) {
  const uid_t user = ::geteuid() == 0 ? kNobody : ::geteuid();
  EXPECT_EQ(say("id -u; stat -c %u /mr-test", {{folder_.path() + "/v", "/mr-test", false}}),
            std::to_string(user) + "\n" + std::to_string(user) + "\nexit 0");
}

TEST_F(UserNamespaces, KeepReadOnlyVolumesReadOnly) {
  EXPECT_EQ(say("(echo x > /mr-test/key) 2> /dev/null || cat /mr-test/key",
                {{folder_.path() + "/v", "/mr-test", true}}),
            "secretexit 0");
}

TEST_F(UserNamespaces, GiveNoRightsOverThisMachine) {
  EXPECT_EQ(say("(echo x > /etc/mr-test) 2> /dev/null || echo refused; "
                "mount -t tmpfs none /mnt 2> /dev/null || echo refused",
                {}),
            "refused\nrefused\nexit 0");
}

}  // namespace
}  // namespace millrace::executor
