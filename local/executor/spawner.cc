#include "local/executor/spawner.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>

#include "kubeclient/base/guarded.h"
#include "kubeclient/runtime/env.h"
#include "local/executor/spawner_process.h"

namespace millrace::executor {
namespace {

std::string error_text(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

/// An anonymous file that holds `bytes`.
int memory_file(const std::string& bytes) {
  const int fd = ::memfd_create("mr-spawn", MFD_CLOEXEC);
  if (fd < 0) return -1;
  if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

struct Spawner::Impl {
  /// Processes that have not ended, and the answer to a probe.
  struct State {
    std::set<std::uint64_t> alive;
    std::optional<std::string> probed;
    bool gone = false;
    bool closing = false;
  };

  int socket = -1;
  pid_t guardian = 0;
  Guarded<Sink> sink;
  std::thread thread;
  Guarded<State> state;
  std::condition_variable changed;

  Result<void> send(const OrderHead& head, const std::array<int, 3>& fds, std::size_t count);
  void tell(const SpawnEvent& event) {
    auto to = sink.lock();
    if (*to) (*to)(event);
  }
  void listen();
  void handle(const ReportHead& report, std::string text);
  void finish(std::uint64_t id, const SpawnEvent& event);
  void lose_all(SpawnEvent::Kind last);
};

Result<void> Spawner::Impl::send(const OrderHead& head, const std::array<int, 3>& fds,
                                 std::size_t count) {
  iovec part{const_cast<OrderHead*>(&head), sizeof head};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 3)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * count);
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    return fail(Code::Unavailable, error_text("the spawner does not answer"));
  }
  return {};
}

void Spawner::Impl::finish(std::uint64_t id, const SpawnEvent& event) {
  if (state.lock()->alive.erase(id) > 0) tell(event);
}

void Spawner::Impl::lose_all(SpawnEvent::Kind last) {
  std::set<std::uint64_t> ids;
  std::swap(ids, state.lock()->alive);
  for (const std::uint64_t id : ids) {
    tell({.kind = SpawnEvent::Kind::Lost, .id = id, .message = "its supervisor was killed"});
  }
  if (last == SpawnEvent::Kind::SpawnerGone && !state.lock()->closing) tell({.kind = last});
}

void Spawner::Impl::handle(const ReportHead& report, std::string text) {
  using Kind = ReportHead::Kind;
  SpawnEvent event{.id = report.id, .pid = report.pid};
  switch (report.kind) {
    case Kind::Started:
      event.kind = SpawnEvent::Kind::Started;
      if (state.lock()->alive.contains(report.id)) {
        tell(event);
      } else {  // an order that the new spawner found although it counts as lost
        (void)send({OrderHead::Verb::Signal, SIGKILL, report.id}, {}, 0);
      }
      break;
    case Kind::Failed:
      event.kind = SpawnEvent::Kind::Failed;
      event.error = report.value;
      event.message = text + ": " + std::strerror(report.value);
      if (text.find(": ") != std::string::npos) event.message = std::move(text);
      finish(report.id, event);
      break;
    case Kind::Exited:
      event.kind = SpawnEvent::Kind::Exited;
      event.signal = WIFSIGNALED(report.value) ? WTERMSIG(report.value) : 0;
      event.exit_code = event.signal != 0 ? 128 + event.signal : WEXITSTATUS(report.value);
      finish(report.id, event);
      break;
    case Kind::Lost:
      event.message = "its supervisor was killed";
      finish(report.id, event);
      break;
    case Kind::AllLost:
      lose_all(SpawnEvent::Kind::Lost);
      break;
    case Kind::Sandboxed:
      state.lock()->probed = std::move(text);
      changed.notify_all();
      break;
  }
}

void Spawner::Impl::listen() {
  runtime::name_this_thread("mr-spawn");
  std::array<char, 2048> buffer{};
  while (true) {
    const ssize_t n = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < static_cast<ssize_t>(sizeof(ReportHead))) break;
    ReportHead report{};
    std::memcpy(&report, buffer.data(), sizeof report);
    handle(report,
           std::string(buffer.data() + sizeof report, static_cast<std::size_t>(n) - sizeof report));
  }
  state.lock()->gone = true;
  changed.notify_all();
  lose_all(SpawnEvent::Kind::SpawnerGone);
}

Spawner::Spawner() : impl_(std::make_unique<Impl>()) {}

Result<std::unique_ptr<Spawner>> Spawner::fork_off() {
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return fail(Code::Unavailable, error_text("socketpair"));
  }
  std::unique_ptr<Spawner> spawner(new Spawner);
  // Should guardian, spawner and shims all be killed at once, their orphans come to us.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(sockets[0]);
    run_guardian(sockets[1]);
  }
  ::close(sockets[1]);
  spawner->impl_->socket = sockets[0];
  if (pid < 0) return fail(Code::Unavailable, error_text("fork"));
  spawner->impl_->guardian = pid;
  return spawner;
}

Spawner::~Spawner() {
  impl_->state.lock()->closing = true;
  ::shutdown(impl_->socket, SHUT_WR);  // the spawner takes it for our end and kills everything
  if (impl_->thread.joinable()) impl_->thread.join();
  ::close(impl_->socket);
  if (impl_->guardian > 0) {
    while (::waitpid(impl_->guardian, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void Spawner::start(Sink sink) {
  *impl_->sink.lock() = std::move(sink);
  impl_->thread = std::thread([this] { impl_->listen(); });
}

void Spawner::stop_listening() { *impl_->sink.lock() = nullptr; }

Result<void> Spawner::spawn(std::uint64_t id, const SpawnRequest& request, int out, int err) {
  const int payload = memory_file(encode(request));
  if (payload < 0) return fail(Code::Unavailable, error_text("memfd_create"));
  const int null = out < 0 || err < 0 ? ::memfd_create("mr-none", MFD_CLOEXEC) : -1;
  impl_->state.lock()->alive.insert(id);
  const Result<void> sent = impl_->send({OrderHead::Verb::Spawn, 0, id},
                                        {payload, out < 0 ? null : out, err < 0 ? null : err}, 3);
  ::close(payload);
  if (null >= 0) ::close(null);
  if (!sent.ok()) impl_->state.lock()->alive.erase(id);
  return sent;
}

void Spawner::signal(std::uint64_t id, int number) {
  (void)impl_->send({OrderHead::Verb::Signal, static_cast<std::uint32_t>(number), id}, {}, 0);
}

std::string Spawner::try_sandbox(const std::string& root) {
  SpawnRequest request;
  request.root = root;
  const int payload = memory_file(encode(request));
  if (payload < 0) return "memfd_create";
  impl_->state.lock()->probed.reset();
  const Result<void> sent = impl_->send({OrderHead::Verb::Probe, 0, 0}, {payload, -1, -1}, 1);
  ::close(payload);
  if (!sent.ok()) return sent.error().message;
  auto state = impl_->state.lock();
  impl_->changed.wait(state.lock(), [&] { return state->probed || state->gone; });
  return state->probed.value_or("the spawner is gone");
}

}  // namespace millrace::executor
