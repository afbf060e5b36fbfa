#include "local/executor/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>

namespace millrace::executor {
namespace {

constexpr std::size_t kMostEnvironment = std::size_t{4} << 20;
constexpr int kGoneWait = 10'000;  // [ms] for a killed process to vanish; longer only in the kernel

std::string read_small(const std::string& path, std::size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string out;
  if (fd < 0) return out;
  char buffer[4096];
  ssize_t n = 0;
  while (out.size() < limit && (n = ::read(fd, buffer, sizeof buffer)) > 0) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return out;
}

template <class N>
std::optional<N> number(std::string_view text) {
  N value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

/// This process and those above it.
std::set<pid_t> own_line() {
  std::set<pid_t> line;
  for (pid_t pid = ::getpid(); pid > 0;) {
    if (!line.insert(pid).second) break;
    const auto info = read_process(pid);
    pid = info ? info->parent : 0;
  }
  return line;
}

/// The environment as the kernel has it: NAME=value strings that end with zero bytes.
bool has_marker(std::string_view environment, std::string_view marker) {
  std::size_t at = 0;
  while (at < environment.size()) {
    const std::size_t end = std::min(environment.find('\0', at), environment.size());
    if (environment.substr(at, end - at) == marker) return true;
    at = end + 1;
  }
  return false;
}

void wait_gone(pid_t pid, int pidfd) {
  pollfd wait{pidfd, POLLIN, 0};
  ::poll(&wait, 1, kGoneWait);
  ::waitpid(pid, nullptr, WNOHANG);  // only if it is our child by now
}

}  // namespace

std::optional<ProcessInfo> parse_stat(std::string_view text) {
  // The name stands in parentheses and may hold anything, parentheses included.
  const std::size_t close = text.rfind(')');
  const std::size_t space = text.find(' ');
  if (close == std::string_view::npos || space == std::string_view::npos) return std::nullopt;
  ProcessInfo info;
  const auto pid = number<pid_t>(text.substr(0, space));
  if (!pid) return std::nullopt;
  info.pid = *pid;
  std::string_view rest = text.substr(close + 1);
  for (int field = 3; !rest.empty(); ++field) {
    rest.remove_prefix(1);  // a space
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(end);
    if (field == 3) info.state = word.empty() ? '?' : word.front();
    if (field == 4) info.parent = number<pid_t>(word).value_or(0);
    if (field == 22) {
      info.start = number<std::uint64_t>(word).value_or(0);
      return info;
    }
  }
  return std::nullopt;
}

std::vector<ProcessInfo> descendants(const std::vector<ProcessInfo>& all, pid_t root,
                                     const std::set<pid_t>& except) {
  std::multimap<pid_t, const ProcessInfo*> children;
  for (const ProcessInfo& info : all) children.emplace(info.parent, &info);
  std::vector<ProcessInfo> out;
  const auto add = [&](pid_t parent) {
    const auto [begin, end] = children.equal_range(parent);
    for (auto it = begin; it != end; ++it) {
      if (!except.contains(it->second->pid)) out.push_back(*it->second);
    }
  };
  add(root);
  for (std::size_t i = 0; i < out.size(); ++i) add(out[i].pid);
  return out;
}

std::optional<ProcessInfo> read_process(pid_t pid) {
  return parse_stat(read_small("/proc/" + std::to_string(pid) + "/stat", 4096));
}

std::vector<ProcessInfo> list_processes() {
  std::vector<ProcessInfo> out;
  DIR* dir = ::opendir("/proc");
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    const auto pid = number<pid_t>(entry->d_name);
    if (!pid) continue;
    if (const auto info = read_process(*pid)) out.push_back(*info);
  }
  ::closedir(dir);
  return out;
}

bool signal_process(const ProcessInfo& process, int signal) {
  const int pidfd = open_pidfd(process.pid);
  if (pidfd < 0) return false;
  const auto now = read_process(process.pid);
  const bool same = now && now->start == process.start;
  const bool sent = same && ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
  ::close(pidfd);
  return sent;
}

void kill_descendants(const std::set<pid_t>& except,
                      const std::function<void(pid_t, int)>& reaped) {
  while (true) {
    bool strangers = false;  // children that are to go
    for (int status = 0;;) {
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid < 0) return;  // no child at all, hence, as a subreaper, no descendant
      if (pid == 0) break;
      if (reaped) reaped(pid, status);
    }
    for (const ProcessInfo& info : descendants(list_processes(), ::getpid(), except)) {
      strangers = true;
      signal_process(info, SIGKILL);
    }
    if (!strangers) return;
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, 0);
    if (pid > 0 && reaped) reaped(pid, status);
  }
}

int kill_marked(std::string_view marker) {
  const std::set<pid_t> own = own_line();
  int killed = 0;
  // A process may have forked while we looked: look until a round finds none.
  for (bool found = true; found;) {
    found = false;
    for (const ProcessInfo& info : list_processes()) {
      if (own.contains(info.pid) || info.state == 'Z') continue;
      const std::string path = "/proc/" + std::to_string(info.pid) + "/environ";
      if (!has_marker(read_small(path, kMostEnvironment), marker)) continue;
      const int pidfd = open_pidfd(info.pid);
      if (pidfd < 0) continue;
      if (signal_process(info, SIGKILL)) {
        found = true;
        ++killed;
        wait_gone(info.pid, pidfd);
      }
      ::close(pidfd);
    }
  }
  return killed;
}

}  // namespace millrace::executor
