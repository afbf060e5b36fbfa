// Thousands of outbound calls at once on one thread.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>
#include <thread>

#include "tests/unit/http/outbound_world.h"

namespace millrace::http {
namespace {

constexpr std::size_t kCrowd = 2000;

/// Answers nobody until `crowd` requests are under way at once, then everybody, and from then on at
/// once. One thread.
class CrowdServer {
 public:
  explicit CrowdServer(std::size_t crowd) : crowd_(crowd) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 4096), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    stop_ = eventfd(0, EFD_CLOEXEC);
    watch(listener_);
    watch(stop_);
    thread_ = std::thread([this] { run(); });
  }
  ~CrowdServer() {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(stop_, &one, sizeof one), 8);
    thread_.join();
    for (const auto& [fd, text] : open_) ::close(fd);
    ::close(listener_);
    ::close(epoll_);
    ::close(stop_);
  }
  CrowdServer(const CrowdServer&) = delete;
  CrowdServer& operator=(const CrowdServer&) = delete;

  std::string url() const { return "http://localhost:" + std::to_string(port_) + "/"; }
  std::size_t connections() const { return connections_; }

 private:
  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    EXPECT_EQ(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), 0);
  }

  static void answer(int fd) {
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    (void)::send(fd, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
  }

  void run() {
    std::vector<int> held;
    while (true) {
      std::array<epoll_event, 256> events;
      const int count = epoll_wait(epoll_, events.data(), 256, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == stop_) return;
        if (fd == listener_) {
          const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
          if (peer < 0) continue;
          ++connections_;
          open_[peer];
          watch(peer);
          continue;
        }
        std::array<char, 4096> data{};
        const ssize_t got = ::recv(fd, data.data(), data.size(), 0);
        if (got <= 0) {
          ::close(fd);
          open_.erase(fd);
          continue;
        }
        std::string& text = open_[fd].append(data.data(), static_cast<std::size_t>(got));
        if (!text.ends_with("\r\n\r\n")) continue;
        text.clear();
        held.push_back(fd);
        if (held.size() < crowd_ && !released_) continue;
        released_ = true;
        for (const int waiting : held) answer(waiting);
        held.clear();
      }
    }
  }

  const std::size_t crowd_;
  bool released_ = false;
  std::map<int, std::string> open_;
  std::atomic<std::size_t> connections_{0};
  int listener_ = -1;
  int epoll_ = -1;
  int stop_ = -1;
  int port_ = 0;
  std::thread thread_;
};

std::size_t threads_of_this_process() {
  std::size_t count = 0;
  FILE* status = std::fopen("/proc/self/status", "re");
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), status) != nullptr) {
    if (std::sscanf(line.data(), "Threads: %zu", &count) == 1) break;
  }
  std::fclose(status);
  return count;
}

TEST(OutboundCrowd, HoldsTwoThousandCallsOnOneThread) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 2 * kCrowd + 100) {
    GTEST_SKIP() << "NEEDS " << 2 * kCrowd + 100 << " file descriptors (ulimit -Hn)";
  }
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, 2 * kCrowd + 100);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);

  CrowdServer server(kCrowd);
  Outbound outbound({.policy = loopback_allowed()});
  std::vector<Pending> pending;
  for (std::size_t i = 0; i < kCrowd; ++i) {
    pending.push_back(begin(outbound, {.url = server.url(), .timeout = std::chrono::seconds(50)}));
  }
  std::size_t most_threads = 0;
  for (Pending& one : pending) {
    most_threads = std::max(most_threads, threads_of_this_process());
    const auto answer = one.wait();
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->body, "ok");
  }
  EXPECT_EQ(server.connections(), kCrowd) << "all at once, each on its own";
  EXPECT_LE(most_threads, 8U);

  // What came of them is used again.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(call(outbound, {.url = server.url()}).ok());
  EXPECT_EQ(server.connections(), kCrowd);
}

}  // namespace
}  // namespace millrace::http
