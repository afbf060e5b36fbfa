#include "local/executor/log_pump.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <thread>
#include <vector>

#include "kubeclient/runtime/env.h"

namespace millrace::executor {
namespace {

constexpr std::size_t kChunk = std::size_t{64} << 10;

/// One process: its outputs, as far as open, and its log.
struct Outputs {
  std::uint64_t id = 0;
  std::unique_ptr<LogWriter> log;
  int open = 2;
};

struct Pipe {
  std::shared_ptr<Outputs> of;  // shared by the two pipes of a process; the pump's thread only
  LineSplitter lines;
};

}  // namespace

struct LogPump::Impl {
  const Clock& clock;
  std::function<void(std::uint64_t)> ended;
  int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  Guarded<std::map<int, Pipe>> pipes;  ///< by descriptor
  std::jthread thread;

  Impl(const Clock& c, std::function<void(std::uint64_t)> e) : clock(c), ended(std::move(e)) {}
  void run(const std::stop_token& stop);
  void read(int fd);
  void close_pipe(int fd, Pipe& pipe);
  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
};

LogPump::LogPump(const Clock& clock, std::function<void(std::uint64_t)> ended)
    : impl_(std::make_unique<Impl>(clock, std::move(ended))) {
  impl_->watch(impl_->wake);
  impl_->thread = std::jthread([raw = impl_.get()](const std::stop_token& stop) {
    runtime::name_this_thread("mr-logs");
    raw->run(stop);
  });
}

LogPump::~LogPump() {
  impl_->thread.request_stop();
  ::eventfd_write(impl_->wake, 1);
  impl_->thread.join();
  for (auto& [fd, pipe] : *impl_->pipes.lock()) ::close(fd);
  impl_->pipes.lock()->clear();
  ::close(impl_->wake);
  ::close(impl_->epoll);
}

void LogPump::add(std::uint64_t id, int out, int err, std::unique_ptr<LogWriter> log) {
  auto outputs = std::make_shared<Outputs>();
  outputs->id = id;
  outputs->log = std::move(log);
  {
    auto pipes = impl_->pipes.lock();
    pipes->insert_or_assign(out, Pipe{outputs, LineSplitter("stdout")});
    pipes->insert_or_assign(err, Pipe{outputs, LineSplitter("stderr")});
  }
  for (const int fd : {out, err}) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    impl_->watch(fd);
  }
}

void LogPump::Impl::close_pipe(int fd, Pipe& pipe) {
  std::string lines;
  pipe.lines.finish(clock.now(), lines);
  pipe.of->log->append(lines);
  const bool last = --pipe.of->open == 0;
  const std::uint64_t id = pipe.of->id;
  if (last) pipe.of->log.reset();
  ::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
  pipes.lock()->erase(fd);
  ::close(fd);
  if (last) ended(id);
}

/// One chunk at a time: a chatty process does not keep others waiting.
void LogPump::Impl::read(int fd) {
  Pipe* pipe = nullptr;
  {
    auto all = pipes.lock();
    const auto it = all->find(fd);
    if (it == all->end()) return;
    pipe = &it->second;  // stays: only this thread erases, and a map does not move its nodes
  }
  std::array<char, kChunk> buffer;
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return close_pipe(fd, *pipe);
  std::string lines;
  pipe->lines.add({buffer.data(), static_cast<std::size_t>(n)}, clock.now(), lines);
  pipe->of->log->append(lines);
}

void LogPump::Impl::run(const std::stop_token& stop) {
  std::array<epoll_event, 64> events{};
  while (!stop.stop_requested()) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != wake) read(fd);
    }
  }
}

}  // namespace millrace::executor
