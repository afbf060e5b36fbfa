#include "local/executor/shim.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "local/executor/process_tree.h"
#include "local/executor/sandbox.h"

namespace millrace::executor {
namespace {

/// What the child writes before it gives up: an errno, then text.
[[noreturn]] void give_up(int pipe, int code, const std::string& text) {
  [[maybe_unused]] ssize_t n = ::write(pipe, &code, sizeof code);
  n = ::write(pipe, text.data(), std::min<std::size_t>(text.size(), 900));
  ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

void make_folders(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    ::mkdir(path.substr(0, at).c_str(), 0755);
    if (at != std::string::npos) ++at;
  }
}

std::string search_path(const std::vector<std::string>& environment) {
  for (const std::string& entry : environment) {
    if (entry.starts_with("PATH=")) return entry.substr(5);
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

/// execve as a shell looks programs up. Comes back only when it fails, with errno.
void execute(const SpawnRequest& request) {
  const std::vector<char*> argv = pointers(request.argv);
  const std::vector<char*> environment = pointers(request.environment);
  const std::string& command = request.argv.front();
  if (command.find('/') != std::string::npos || command.empty()) {
    ::execve(command.c_str(), argv.data(), environment.data());
    return;
  }
  const std::string path = search_path(request.environment);
  int best = ENOENT;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string file = path.substr(at, end - at) + "/" + command;
    ::execve(file.c_str(), argv.data(), environment.data());
    if (errno != ENOENT && errno != ENOTDIR) best = errno;
    at = end + 1;
  }
  errno = best;
}

void reset_signals() {
  for (int signal = 1; signal < SIGRTMAX; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void run_child(const ShimTask& task, const SpawnRequest& request, pid_t shim,
                            int pipe) {
  ::setsid();
  if (!request.root.empty()) {
    const std::string error = enter_sandbox(request.root, request.mounts);
    if (!error.empty()) give_up(pipe, EPERM, error);
  }
  // After the sandbox: new credentials clear it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != shim) ::_exit(127);
  if (task.out >= 0) ::dup2(task.out, STDOUT_FILENO);
  if (task.err >= 0) ::dup2(task.err, STDERR_FILENO);
  const std::string folder = request.working_dir.empty() ? "/" : request.working_dir;
  if (::chdir(folder.c_str()) != 0) {
    make_folders(folder);
    if (::chdir(folder.c_str()) != 0) give_up(pipe, errno, "workingDir " + folder);
  }
  ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  reset_signals();
  execute(request);
  give_up(pipe, errno, request.argv.front());
}

/// Wait until the child's program runs; else what it wrote.
bool await_start(int pipe, int& code, std::string& text) {
  std::array<char, 1024> buffer{};
  std::string all;
  for (ssize_t n = 0; (n = ::read(pipe, buffer.data(), buffer.size())) != 0;) {
    if (n > 0) all.append(buffer.data(), static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) break;
  }
  if (all.size() < sizeof code) return all.empty();
  std::memcpy(&code, all.data(), sizeof code);
  text = all.substr(sizeof code);
  return false;
}

/// True once `pid` has ended; other children, orphans that came to us, are reaped.
bool has_ended(pid_t pid) {
  while (true) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
      return false;
    }
    if (info.si_pid == pid) return true;
    ::waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

/// Pass orders on until the program has ended; false when we ended it because the spawner is gone.
/// It is left a zombie, so that its number, and its group's, stay taken.
bool attend(pid_t pid) {
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, SIGTERM);
  sigaddset(&watched, shim_order_signal());
  while (!has_ended(pid)) {
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&watched, &info);
    if (signal == shim_order_signal()) ::kill(-pid, info.si_value.sival_int);
    if (signal == SIGTERM) return false;
  }
  return true;
}

}  // namespace

int shim_order_signal() { return SIGRTMIN; }

void send_report(int socket, const ReportHead& head, std::string_view text) {
  std::array<iovec, 2> parts{iovec{const_cast<ReportHead*>(&head), sizeof head},
                             iovec{const_cast<char*>(text.data()), text.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

std::string try_sandbox(const SpawnRequest& request) {
  return enter_sandbox(request.root, request.mounts);
}

void run_shim(const ShimTask& task, const SpawnRequest& request) {
  using Kind = ReportHead::Kind;
  ::prctl(PR_SET_NAME, "mr-shim");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != task.parent || request.argv.empty()) ::_exit(1);
  std::array<int, 2> pipe{};
  const pid_t self = ::getpid();
  const pid_t pid = ::pipe2(pipe.data(), O_CLOEXEC) == 0 ? ::fork() : -1;
  if (pid == 0) run_child(task, request, self, pipe[1]);
  if (pid < 0) {
    send_report(task.socket, {Kind::Failed, errno, task.id, 0, self, 0}, "fork");
    ::_exit(0);
  }
  for (const int fd : {task.out, task.err, pipe[1]}) {
    if (fd >= 0) ::close(fd);
  }
  int code = 0;
  std::string why;
  if (!await_start(pipe[0], code, why)) {
    ::waitpid(pid, nullptr, 0);
    kill_descendants({});
    send_report(task.socket, {Kind::Failed, code, task.id, 0, self, 0}, why);
    ::_exit(0);
  }
  send_report(task.socket, {Kind::Started, 0, task.id, pid, self, 0}, {});
  const bool by_itself = attend(pid);
  ::kill(-pid, SIGKILL);  // its group, while the number is still ours
  int status = 0;
  rusage usage{};
  ::wait4(pid, &status, 0, &usage);
  kill_descendants({});
  if (!by_itself) ::_exit(1);  // not its end, but ours: the guardian reports it as lost
  send_report(task.socket, {Kind::Exited, status, task.id, pid, self, usage.ru_maxrss}, {});
  ::_exit(0);
}

}  // namespace millrace::executor
