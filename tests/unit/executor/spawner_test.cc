#include "local/executor/spawner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <sstream>

#include "kubeclient/base/guarded.h"
#include "local/executor/process_tree.h"
#include "tests/support/temporary_folder.h"

namespace millrace::executor {
namespace {

using namespace std::chrono_literals;
using Kind = SpawnEvent::Kind;

/// Wait for the process to be gone; false after ten seconds.
bool await_gone(pid_t pid) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return true;
  pollfd wait{fd, POLLIN, 0};
  const bool gone = ::poll(&wait, 1, 10'000) == 1;
  ::close(fd);
  return gone;
}

std::string read_all(int fd) {
  std::string out;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  return out;
}

/// Bytes up to the first newline: what a program says once it is ready.
std::string read_line(int fd) {
  std::string out;
  char c = 0;
  while (::read(fd, &c, 1) == 1 && c != '\n') out += c;
  return out;
}

/// A spawner with its events.
class Fixture {
 public:
  Fixture() : spawner_(std::move(Spawner::fork_off()).value()) {
    spawner_->start([this](const SpawnEvent& event) {
      events_.lock()->push_back(event);
      changed_.notify_all();
    });
  }
  /// Start `argv`; its standard output and error.
  int spawn(std::uint64_t id, SpawnRequest request) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    request.environment.push_back("PATH=/usr/bin:/bin");
    EXPECT_TRUE(spawner_->spawn(id, request, pipe[1], pipe[1]).ok());
    ::close(pipe[1]);
    return pipe[0];
  }
  int shell(std::uint64_t id, const std::string& script) {
    SpawnRequest request;
    request.argv = {"sh", "-c", script};
    return spawn(id, std::move(request));
  }
  SpawnEvent await(std::uint64_t id, Kind kind) {
    auto events = events_.lock();
    SpawnEvent found{.kind = Kind::SpawnerGone, .message = "not seen"};
    const bool seen = changed_.wait_for(events.lock(), 10s, [&] {
      for (const SpawnEvent& event : *events) {
        if (event.id == id && event.kind == kind) {
          found = event;
          return true;
        }
      }
      return false;
    });
    EXPECT_TRUE(seen) << "id " << id << " kind " << static_cast<int>(kind);
    return found;
  }
  Spawner& spawner() { return *spawner_; }
  void end() { spawner_.reset(); }

 private:
  Guarded<std::vector<SpawnEvent>> events_;
  std::condition_variable changed_;
  std::unique_ptr<Spawner> spawner_;
};

TEST(Spawner, ReportsExitCodes) {
  Fixture f;
  const int out = f.shell(1, "echo hello; exit 3");
  EXPECT_GT(f.await(1, Kind::Started).pid, 0);
  const SpawnEvent end = f.await(1, Kind::Exited);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(read_all(out), "hello\n");
}

TEST(Spawner, SaysWhyAProgramCannotBeStarted) {
  Fixture f;
  SpawnRequest request;
  request.argv = {"no-such-program-here"};
  const int out = f.spawn(1, request);
  const SpawnEvent event = f.await(1, Kind::Failed);
  EXPECT_EQ(event.error, ENOENT);
  EXPECT_NE(event.message.find("no-such-program-here"), std::string::npos) << event.message;
  EXPECT_EQ(read_all(out), "");
}

TEST(Spawner, PassesOnNothingButWhatWasAsked) {
  ::setenv("MILLRACE_TEST_SECRET", "leak", 1);
  const int open_file = ::open("/dev/null", O_RDONLY);  // not close-on-exec, on purpose
  Fixture f;
  const int out = f.shell(1, "env | grep -c SECRET; ls /proc/self/fd | wc -l; cat; umask");
  // 0, 1, 2 and the folder that ls reads.
  EXPECT_EQ(read_all(out), "0\n4\n0022\n");
  ::close(open_file);
  ::unsetenv("MILLRACE_TEST_SECRET");
}

TEST(Spawner, GivesEveryProcessASessionAndDefaultSignals) {
  Fixture f;
  const int out = f.shell(1,
                          "read -r pid comm state ppid group session rest < /proc/$$/stat;"
                          "[ $group = $$ ] && [ $session = $$ ] && echo own;"
                          "grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr -d '\\t'");
  EXPECT_EQ(read_all(out), "own\nSigBlk:0000000000000000\nSigIgn:0000000000000000\n");
}

TEST(Spawner, SignalsTheWholeGroup) {
  Fixture f;
  const int out =
      f.shell(1,
              "trap 'echo parent; wait; exit 5' TERM;"
              "(trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.05; done) &"
              "while :; do wait $!; done");
  EXPECT_EQ(read_line(out), "ready");
  f.spawner().signal(1, SIGTERM);
  const std::string said = read_all(out);
  EXPECT_NE(said.find("child"), std::string::npos) << said;
  EXPECT_NE(said.find("parent"), std::string::npos) << said;
  EXPECT_EQ(f.await(1, Kind::Exited).exit_code, 5);
}

TEST(Spawner, KillsWhatIgnoresSigterm) {
  Fixture f;
  const int out = f.shell(1, "trap '' TERM; echo ready; while :; do sleep 60; done");
  EXPECT_EQ(read_line(out), "ready");
  f.spawner().signal(1, SIGTERM);
  f.spawner().signal(1, SIGKILL);
  const SpawnEvent end = f.await(1, Kind::Exited);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.exit_code, 137);
  ::close(out);
}

TEST(Spawner, EndsEscapeesWithTheirProcess) {
  Fixture f;
  // Detached twice, in a session of its own, without our environment.
  const int out =
      f.shell(1, "(env -i setsid sh -c 'echo $$; exec sleep 600' &) ; sleep 0.05; exit 0");
  const pid_t escapee = std::stoi(read_line(out));
  EXPECT_EQ(f.await(1, Kind::Exited).exit_code, 0);
  EXPECT_EQ(::kill(escapee, 0), -1) << "still there once the end is reported";
  EXPECT_EQ(read_all(out), "");
}

TEST(Spawner, LeavesNothingWhenItIsDestroyed) {
  Fixture f;
  const int out = f.shell(1, "echo $$; (setsid sh -c 'echo $$; exec sleep 600' &); sleep 600");
  const pid_t first = std::stoi(read_line(out));
  const pid_t second = std::stoi(read_line(out));
  f.end();
  EXPECT_EQ(::kill(first, 0), -1);
  EXPECT_EQ(::kill(second, 0), -1);
  ::close(out);
}

/// A process that spawns and then waits to be killed; the pids of what it started.
struct Victim {
  pid_t pid = 0;
  pid_t child = 0;
  pid_t escapee = 0;
};

Victim start_victim() {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  Victim victim;
  victim.pid = ::fork();
  if (victim.pid == 0) {
    Fixture f;
    SpawnRequest request;
    request.argv = {"sh", "-c", "(setsid sh -c 'echo $$; exec sleep 600' &); echo $$; sleep 600"};
    request.environment = {"PATH=/usr/bin:/bin"};
    if (!f.spawner().spawn(1, request, pipe[1], -1).ok()) ::_exit(1);
    ::close(pipe[1]);
    while (true) ::pause();
  }
  ::close(pipe[1]);
  const pid_t a = std::stoi(read_line(pipe[0]));
  const pid_t b = std::stoi(read_line(pipe[0]));
  // Which of the two lines came first is a race; it does not matter here.
  victim.child = a;
  victim.escapee = b;
  ::close(pipe[0]);
  return victim;
}

/// The processes below `pid` by the name of their kind.
std::vector<ProcessInfo> below(pid_t pid, const std::string& name) {
  std::vector<ProcessInfo> out;
  for (const ProcessInfo& info : descendants(list_processes(), pid, {})) {
    std::ifstream file("/proc/" + std::to_string(info.pid) + "/comm");
    std::string comm;
    std::getline(file, comm);
    if (comm == name && info.state != 'Z') out.push_back(info);
  }
  return out;
}

TEST(Spawner, LeavesNothingWhenItsProgramIsKilled) {
  const Victim victim = start_victim();
  ::kill(victim.pid, SIGKILL);
  ::waitpid(victim.pid, nullptr, 0);
  EXPECT_TRUE(await_gone(victim.child));
  EXPECT_TRUE(await_gone(victim.escapee));
}

TEST(Spawner, LeavesNothingWhenProgramAndSpawnerAreKilledAtOnce) {
  const Victim victim = start_victim();
  std::vector<ProcessInfo> helpers = below(victim.pid, "mr-guardian");
  for (const ProcessInfo& info : below(victim.pid, "mr-spawner")) helpers.push_back(info);
  ASSERT_EQ(helpers.size(), 2U);
  ::kill(victim.pid, SIGSTOP);
  for (const ProcessInfo& info : helpers) ::kill(info.pid, SIGKILL);
  ::kill(victim.pid, SIGKILL);
  ::waitpid(victim.pid, nullptr, 0);
  EXPECT_TRUE(await_gone(victim.child));
  EXPECT_TRUE(await_gone(victim.escapee));
}

TEST(Spawner, TakesOverWhenItsProcessIsKilled) {
  Fixture f;
  const int out = f.shell(1, "(setsid sh -c 'echo $$; exec sleep 600' &); sleep 600");
  const pid_t escapee = std::stoi(read_line(out));
  const auto spawner = below(::getpid(), "mr-spawner");
  ASSERT_EQ(spawner.size(), 1U);
  ::kill(spawner.front().pid, SIGKILL);
  f.await(1, Kind::Lost);
  EXPECT_TRUE(await_gone(escapee));
  ::close(out);
  EXPECT_EQ(read_all(f.shell(2, "echo again")), "again\n");
  EXPECT_EQ(f.await(2, Kind::Exited).exit_code, 0);
}

TEST(Spawner, AProgramThatWasEndedBecauseTheSpawnerDiedIsLostAndDidNotExit) {
  Fixture f;
  const int out = f.shell(1, "echo up; sleep 600");
  EXPECT_EQ(read_line(out), "up");
  const pid_t program = f.await(1, Kind::Started).pid;
  const pid_t shim = read_process(program)->parent;
  const auto guardian = below(::getpid(), "mr-guardian");
  const auto spawner = below(::getpid(), "mr-spawner");
  ASSERT_EQ(guardian.size(), 1U);
  ASSERT_EQ(spawner.size(), 1U);
  // While the guardian stands still, the shim alone ends what it holds.
  ::kill(guardian.front().pid, SIGSTOP);
  ::kill(spawner.front().pid, SIGKILL);
  EXPECT_TRUE(await_gone(program));
  EXPECT_TRUE(await_gone(shim));
  ::kill(guardian.front().pid, SIGCONT);
  f.await(1, Kind::Lost);
  ::close(out);
}

TEST(Spawner, ReportsAndCleansUpWhatLostItsShim) {
  Fixture f;
  const int out = f.shell(1, "(setsid sh -c 'echo $$; exec sleep 600' &); sleep 600");
  const int other = f.shell(2, "echo ready; sleep 600");
  const pid_t escapee = std::stoi(read_line(out));
  EXPECT_EQ(read_line(other), "ready");
  const pid_t other_pid = f.await(2, Kind::Started).pid;
  const pid_t parent = read_process(f.await(1, Kind::Started).pid)->parent;
  ::kill(parent, SIGKILL);
  f.await(1, Kind::Lost);
  EXPECT_TRUE(await_gone(escapee));
  EXPECT_EQ(::kill(other_pid, 0), 0) << "a neighbour was hit";
  ::close(out);
  ::close(other);
}

TEST(Spawner, SaysWhenItIsGoneForGood) {
  Fixture f;
  const int out = f.shell(1, "echo up");  // then its helpers have their names
  EXPECT_EQ(read_line(out), "up");
  ::close(out);
  EXPECT_EQ(f.await(1, Kind::Exited).exit_code, 0);
  const auto guardian = below(::getpid(), "mr-guardian");
  const auto spawner = below(::getpid(), "mr-spawner");
  ASSERT_EQ(guardian.size(), 1U);
  ASSERT_EQ(spawner.size(), 1U);
  ::kill(guardian.front().pid, SIGKILL);
  f.await(0, Kind::SpawnerGone);
  EXPECT_TRUE(await_gone(spawner.front().pid));
  SpawnRequest request;
  request.argv = {"true"};
  EXPECT_FALSE(f.spawner().spawn(2, request, -1, -1).ok());
}

TEST(KillMarked, FindsProcessesByTheirEnvironmentOnly) {
  Fixture f;
  SpawnRequest request;
  request.argv = {"sh", "-c", "echo ready; exec sleep 600"};
  request.environment = {"MR_TEST_MARK=" + std::to_string(::getpid())};
  const int marked = f.spawn(1, request);
  request.environment = {"MR_TEST_MARK=" + std::to_string(::getpid()) + "0"};
  const int other = f.spawn(2, request);
  EXPECT_EQ(read_line(marked), "ready");
  EXPECT_EQ(read_line(other), "ready");
  const pid_t other_pid = f.await(2, Kind::Started).pid;
  EXPECT_EQ(kill_marked("MR_TEST_MARK=" + std::to_string(::getpid())), 1);
  EXPECT_EQ(f.await(1, Kind::Exited).signal, SIGKILL);
  EXPECT_EQ(::kill(other_pid, 0), 0);
  ::close(marked);
  ::close(other);
}

// ---- a root of its own ----

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    ::mkdir((folder_.path() + "/root").c_str(), 0755);
    const std::string why = f_.spawner().try_sandbox(folder_.path() + "/root");
    if (!why.empty()) GTEST_SKIP() << "no namespaces here: " << why;
  }
  std::string run(const std::string& script, std::vector<Mount> mounts,
                  const std::string& dir = {}) {
    SpawnRequest request;
    request.argv = {"sh", "-c", script};
    request.root = folder_.path() + "/root";
    request.mounts = std::move(mounts);
    request.working_dir = dir;
    return read_all(f_.spawn(++id_, std::move(request)));
  }

  support::TemporaryFolder folder_;
  Fixture f_;
  std::uint64_t id_ = 0;
};

TEST_F(Sandbox, ShowsVolumesAtTheirPaths) {
  folder_.write("v/file", "in the volume");
  folder_.write("log", "");
  const std::string v = folder_.path() + "/v";
  EXPECT_EQ(
      run("cat /mr-test/deep/file; echo done > /mr-test/deep/new; echo end > /dev/termination-log;"
          "pwd",
          {{v, "/mr-test/deep", false}, {folder_.path() + "/log", "/dev/termination-log", false}},
          "/mr-test/deep"),
      "in the volume/mr-test/deep\n");
  std::stringstream text;
  text << std::ifstream(v + "/new").rdbuf() << std::ifstream(folder_.path() + "/log").rdbuf();
  EXPECT_EQ(text.str(), "done\nend\n");
  EXPECT_NE(::access("/mr-test", F_OK), 0) << "a mount point was made on this machine";
}

TEST_F(Sandbox, AddsToFoldersThatExistWithoutTouchingThem) {
  folder_.write("v/key", "secret");
  EXPECT_EQ(
      run("cat /etc/mr-test/key; test -s /etc/passwd && echo; echo x > /dev/null && echo good",
          {{folder_.path() + "/v", "/etc/mr-test", true}}),
      "secret\ngood\n");
  EXPECT_NE(::access("/etc/mr-test", F_OK), 0);
}

TEST_F(Sandbox, KeepsReadOnlyVolumesReadOnly) {
  folder_.write("v/key", "secret");
  EXPECT_EQ(
      run("(echo x > /mr/key) 2>/dev/null || cat /mr/key", {{folder_.path() + "/v", "/mr", true}}),
      "secret");
}

TEST_F(Sandbox, MountsOneVolumeInsideAnother) {
  folder_.write("a/one", "1");
  folder_.write("b/two", "2");
  EXPECT_EQ(run("cat /mr/one /mr/in/two",
                {{folder_.path() + "/a", "/mr", false}, {folder_.path() + "/b", "/mr/in", false}}),
            "12");
}

TEST_F(Sandbox, ReplacesAFolderOfThisMachine) {
  folder_.write("v/only", "");
  EXPECT_EQ(run("ls /tmp", {{folder_.path() + "/v", "/tmp", false}}), "only\n");
}

TEST_F(Sandbox, SaysWhatCannotBeMounted) {
  SpawnRequest request;
  request.argv = {"true"};
  request.root = folder_.path() + "/root";
  request.mounts = {{folder_.path() + "/absent", "/mr", false}};
  ::close(f_.spawn(77, request));
  EXPECT_NE(f_.await(77, Kind::Failed).message.find("/mr"), std::string::npos);
}

TEST(SpawnWire, GivesBackWhatWasEncoded) {
  SpawnRequest request;
  request.argv = {"a", "", std::string("\0x", 2)};
  request.environment = {"A=b"};
  request.working_dir = "/w";
  request.root = "/r";
  request.mounts = {{"/s", "/t", true}, {"/s2", "/t2", false}};
  const std::string bytes = encode(request);
  EXPECT_EQ(decode_request(bytes).value(), request);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(decode_request(bytes.substr(0, n)).ok()) << n;
  }
}

}  // namespace
}  // namespace millrace::executor
