// The whole program killed with pods under way, and what the next one makes of them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "tests/unit/executor/pod_world.h"

namespace millrace::executor {
namespace {

using codec::Value;

bool await_end(int pidfd) {
  pollfd wait{pidfd, POLLIN, 0};
  const bool gone = ::poll(&wait, 1, 20'000) == 1;
  ::close(pidfd);
  return gone;
}

/// What dies: a world with one pod, which says on `out` that it runs.
[[noreturn]] void be_killed(const std::string& folder, const std::string& spec, int out) {
  PodWorld world({}, folder);
  world.create_pod("p", spec);
  const Value pod = world.await_phase("p", "Running");
  const std::string pid =
      text_at(pod, "status.containerStatuses.0.containerID").substr(sizeof "process://" - 1) + "\n";
  if (::write(out, pid.data(), pid.size()) < 0) ::_exit(1);
  while (true) ::pause();
}

TEST(KilledProgram, LeavesNoProcessAndResumesItsPods) {
  const support::TemporaryFolder folder;
  const std::string at = folder.path();
  const std::string spec =
      "restartPolicy: Never\nvolumes: [{name: e, emptyDir: {}}]\ninitContainers:\n"
      "- {name: first, image: x, command: [sh, -c, 'echo once >> " +
      at +
      "/count; echo kept > /mr-e/f'], volumeMounts: [{name: e, mountPath: /mr-e}]}\n"
      "containers:\n- {name: main, image: x, command: [sh, -c, 'if [ -e " +
      at +
      "/go ]; then cat /mr-e/f; else sleep 600; fi'], volumeMounts: [{name: e, mountPath: "
      "/mr-e}]}\n";
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t program = ::fork();
  if (program == 0) be_killed(at, spec, pipe[1]);
  ::close(pipe[1]);
  std::string line;
  for (char c = 0; ::read(pipe[0], &c, 1) == 1 && c != '\n';) line += c;
  ::close(pipe[0]);
  ASSERT_FALSE(line.empty()) << "the program ended by itself";
  const int container = static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(line), 0));
  ASSERT_GE(container, 0);
  ::kill(program, SIGKILL);
  ::waitpid(program, nullptr, 0);
  EXPECT_TRUE(await_end(container)) << "an orphan was left";

  std::ofstream(at + "/go") << "x";
  PodWorld next({}, at);
  const Value pod = next.await_phase("p", "Succeeded");
  EXPECT_EQ(next.logs("p", "main"), "kept\n") << "its volume went";
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.restartCount"), 1);
  EXPECT_EQ(text_at(pod, "status.containerStatuses.0.lastState.terminated.reason"),
            "ContainerStatusUnknown");
  std::ifstream count(at + "/count");
  EXPECT_EQ(std::string((std::istreambuf_iterator<char>(count)), {}), "once\n")
      << "a finished init container ran again";
}

}  // namespace
}  // namespace millrace::executor
