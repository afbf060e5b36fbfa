#include "kubeclient/client/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace millrace::client {
namespace {

constexpr std::size_t kMostOut = std::size_t{1} << 20;
constexpr std::size_t kMostErr = std::size_t{64} << 10;

/// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return fail(Code::Unavailable, std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

std::string variable(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=') {
      return entry.substr(name.size() + 1);
    }
  }
  return "";
}

/// The program's file, looked up as a shell does.
Result<std::string> find_program(const Child& child) {
  namespace fs = std::filesystem;
  const std::string& command = child.argv.front();
  std::error_code ignored;
  if (command.find('/') != std::string::npos) {
    if (!fs::exists(command, ignored)) return fail(Code::NotFound, "there is no such file");
    if (::access(command.c_str(), X_OK) != 0 || fs::is_directory(command, ignored)) {
      return fail(Code::Invalid, "is not executable; chmod +x it");
    }
    return command;
  }
  const std::string path = variable(child.environment, "PATH");
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string file = std::string(rest.substr(0, end)) + "/" + command;
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (::access(file.c_str(), X_OK) == 0 && !fs::is_directory(file, ignored)) return file;
  }
  return fail(Code::NotFound, "there is no such program on PATH (" + path + ")");
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

Result<pid_t> spawn(const std::string& file, const Child& child, const Pipe& out, const Pipe& err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int code = ::posix_spawn(&pid, file.c_str(), &actions, &attributes,
                                 pointers(child.argv).data(), pointers(child.environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    return fail(code == EAGAIN || code == ENOMEM ? Code::Unavailable : Code::Invalid,
                std::string("cannot be run: ") + std::strerror(code));
  }
  return pid;
}

/// Read what is there. False at the end of the pipe.
bool drain(const Fd& pipe, std::string& to, std::size_t most) {
  std::array<char, 8192> data{};
  while (true) {
    const ssize_t got = ::read(pipe.get(), data.data(), data.size());
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    const std::size_t room = most - std::min(most, to.size());
    to.append(data.data(), std::min(room, static_cast<std::size_t>(got)));
  }
}

int remaining_ms(SteadyTime deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 24 * 3600 * 1000));
}

/// Collect output until the child is gone, or the pipes are closed where the kernel cannot tell.
Result<void> collect(pid_t pid, Pipe& out, Pipe& err, const Fd& stopped,
                     const std::stop_token& stop, SteadyTime deadline, ChildEnd& end) {
  const Fd gone(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  std::array<pollfd, 4> fds = {pollfd{out.read.get(), POLLIN, 0}, pollfd{err.read.get(), POLLIN, 0},
                               pollfd{gone.get(), POLLIN, 0}, pollfd{stopped.get(), POLLIN, 0}};
  while (true) {
    if (::poll(fds.data(), fds.size(), remaining_ms(deadline)) < 0 && errno != EINTR) {
      return fail(Code::Unavailable, std::string("poll: ") + std::strerror(errno));
    }
    const bool is_gone = (fds[2].revents & POLLIN) != 0;
    if (!drain(out.read, end.out, kMostOut)) fds[0].fd = -1;
    if (!drain(err.read, end.err, kMostErr)) fds[1].fd = -1;
    if (end.out.size() >= kMostOut) return fail(Code::Invalid, "printed more than 1 MiB");
    // Its own children may keep the pipes open for longer; they are not waited for.
    if (is_gone) return {};
    if (gone.get() < 0 && fds[0].fd < 0 && fds[1].fd < 0) return {};
    if (stop.stop_requested()) return fail(Code::Cancelled, "cancelled");
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(Code::Timeout, "did not finish in time and was killed");
    }
  }
}

}  // namespace

std::string ChildEnd::how() const {
  return exit_code > 128 ? "killed by signal " + std::to_string(exit_code - 128)
                         : "exit code " + std::to_string(exit_code);
}

Result<ChildEnd> run_child(const Child& child, std::stop_token stop, SteadyTime deadline) {
  MR_ASSIGN(const std::string file, find_program(child));
  MR_ASSIGN(Pipe out, make_pipe());
  MR_ASSIGN(Pipe err, make_pipe());
  const Fd stopped(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_stop(stop, [&] { ::eventfd_write(stopped.get(), 1); });
  MR_ASSIGN(const pid_t pid, spawn(file, child, out, err));
  out.write.close();
  err.write.close();
  ChildEnd end;
  const auto collected = collect(pid, out, err, stopped, stop, deadline, end);
  if (!collected.ok()) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  MR_TRY(collected);
  end.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return end;
}

}  // namespace millrace::client
