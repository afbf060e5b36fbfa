#include "local/executor/spawner_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "local/executor/process_tree.h"
#include "local/executor/shim.h"
#include "local/executor/spawn_wire.h"

namespace millrace::executor {
namespace {

/// All signals wait until somebody looks.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

/// A message with the descriptors that came along.
struct Order {
  OrderHead head{};
  std::array<int, 3> fds{-1, -1, -1};  ///< payload, standard output, standard error
  bool end = false;

  void close_all() {
    for (int& fd : fds) {
      if (fd >= 0) ::close(fd);
      fd = -1;
    }
  }
};

Order receive(int socket) {
  Order order;
  iovec part{&order.head, sizeof order.head};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 3)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = 0;
  do {
    n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) {
    order.end = true;
    return order;
  }
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(order.fds.data(), CMSG_DATA(head), sizeof(int) * std::min<std::size_t>(count, 3));
  }
  return order;
}

Result<SpawnRequest> read_payload(int fd) {
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0) return fail(Code::Malformed, "no payload");
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  if (::pread(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail(Code::Malformed, "payload cut short");
  }
  return decode_request(bytes);
}

/// The spawner: shims by their pid, and the orders.
class SpawnerProcess {
 public:
  explicit SpawnerProcess(int socket) : socket_(socket) {}

  [[noreturn]] void run() {
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    const int signals = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    while (true) {
      std::array<pollfd, 2> wait{pollfd{socket_, POLLIN, 0}, pollfd{signals, POLLIN, 0}};
      if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) end();
      signalfd_siginfo info{};
      while (::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        if (info.ssi_signo == SIGTERM) end();
      }
      reap();
      if ((wait[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) obey();
    }
  }

 private:
  /// Everything that was ever started goes.
  [[noreturn]] void end() {
    kill_descendants({});
    ::_exit(0);
  }

  void obey() {
    Order order = receive(socket_);
    if (order.end) end();
    switch (order.head.verb) {
      case OrderHead::Verb::Spawn:
        spawn(order);
        break;
      case OrderHead::Verb::Signal:
        for (const auto& [pid, id] : shims_) {
          if (id != order.head.id) continue;
          sigval value{};
          value.sival_int = static_cast<int>(order.head.signal);
          ::sigqueue(pid, shim_order_signal(), value);
        }
        break;
      case OrderHead::Verb::Probe:
        probe(order);
        break;
    }
    order.close_all();
  }

  void spawn(Order& order) {
    const Result<SpawnRequest> request = read_payload(order.fds[0]);
    const pid_t self = ::getpid();
    const pid_t pid = request.ok() ? ::fork() : -1;
    if (pid == 0) {
      run_shim({.socket = socket_,
                .id = order.head.id,
                .parent = self,
                .out = order.fds[1],
                .err = order.fds[2]},
               *request);
    }
    if (pid > 0) {
      shims_.emplace(pid, order.head.id);
      return;
    }
    const std::string why =
        request.ok() ? std::string("fork: ") + std::strerror(errno) : request.error().message;
    send_report(socket_, {ReportHead::Kind::Failed, errno, order.head.id, 0, 0, 0}, why);
  }

  /// Try the sandbox in a process that is thrown away.
  void probe(Order& order) {
    const Result<SpawnRequest> request = read_payload(order.fds[0]);
    std::string why = "no request";
    std::array<int, 2> pipe{};
    if (request.ok() && ::pipe2(pipe.data(), O_CLOEXEC) == 0) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        const std::string error = try_sandbox(*request);
        [[maybe_unused]] const ssize_t n = ::write(pipe[1], error.data(), error.size());
        ::_exit(0);
      }
      ::close(pipe[1]);
      std::array<char, 512> text{};
      const ssize_t n = pid > 0 ? ::read(pipe[0], text.data(), text.size()) : 0;
      why = pid > 0 ? std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)))
                    : "fork";
      ::close(pipe[0]);
      if (pid > 0) ::waitpid(pid, nullptr, 0);
    }
    send_report(socket_, {ReportHead::Kind::Sandboxed, why.empty() ? 1 : 0, order.head.id, 0, 0, 0},
                why);
  }

  void reap() {
    bool orphans = false;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      orphans = ended(pid, status) || orphans;
    }
    if (!orphans) return;
    // Somebody killed a shim; what it held is ours now.
    std::set<pid_t> keep;
    for (const auto& [pid, id] : shims_) keep.insert(pid);
    kill_descendants(keep, [this](pid_t pid, int gone) { ended(pid, gone); });
    for (const std::uint64_t id : lost_) {
      send_report(socket_, {ReportHead::Kind::Lost, 0, id, 0, 0, 0}, {});
    }
    lost_.clear();
  }

  /// A child is reaped; true when it was a shim that did not end by itself.
  bool ended(pid_t pid, int status) {
    const auto it = shims_.find(pid);
    if (it == shims_.end()) return true;
    const bool reported = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!reported) lost_.push_back(it->second);
    shims_.erase(it);
    return !reported;
  }

  int socket_;
  std::map<pid_t, std::uint64_t> shims_;
  std::vector<std::uint64_t> lost_;
};

void clean_descriptors(int& socket) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  constexpr int kSocket = 3;
  if (socket != kSocket) ::dup3(socket, kSocket, O_CLOEXEC);
  socket = kSocket;
  ::syscall(SYS_close_range, kSocket + 1, ~0U, 0);
}

}  // namespace

void run_guardian(int socket) {
  block_signals();
  ::setsid();  // Ctrl-C is for the main process, which then ends us in good order
  ::prctl(PR_SET_NAME, "mr-guardian");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  clean_descriptors(socket);
  ::umask(022);
  if (::chdir("/") != 0) ::_exit(1);
  const pid_t self = ::getpid();
  while (true) {
    const pid_t spawner = ::fork();
    if (spawner == 0) {
      ::prctl(PR_SET_NAME, "mr-spawner");
      ::prctl(PR_SET_CHILD_SUBREAPER, 1);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != self) ::_exit(1);
      SpawnerProcess(socket).run();
    }
    if (spawner < 0) ::_exit(1);
    int status = 0;
    for (pid_t pid = 0; pid != spawner;) {
      pid = ::waitpid(-1, &status, 0);
      if (pid < 0 && errno != EINTR) ::_exit(1);
    }
    kill_descendants({});
    if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
    send_report(socket, {ReportHead::Kind::AllLost, 0, 0, 0, 0, 0}, {});
  }
}

}  // namespace millrace::executor
