#include "local/executor/probes.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int left_ms(steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

/// A connected socket, or -1 with errno.
int connect_to(const std::string& host, int port, steady_clock::time_point deadline) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    errno = EHOSTUNREACH;
    return -1;
  }
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int code = 0;
  if (::connect(fd, found->ai_addr, found->ai_addrlen) != 0) code = errno;
  ::freeaddrinfo(found);
  if (code == EINPROGRESS) {
    pollfd wait{fd, POLLOUT, 0};
    socklen_t size = sizeof code;
    if (::poll(&wait, 1, left_ms(deadline)) != 1) {
      code = ETIMEDOUT;
    } else {
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    }
  }
  if (code == 0) return fd;
  ::close(fd);
  errno = code;
  return -1;
}

/// The status of an HTTP answer, 0 when none came.
int http_status(int fd, const Probe& probe, int port, steady_clock::time_point deadline) {
  std::string request = "GET " + (probe.path.empty() ? "/" : probe.path) + " HTTP/1.1\r\n";
  bool has_host = false;
  for (const auto& [name, value] : probe.headers) {
    request += name + ": " + value + "\r\n";
    has_host = has_host || name == "Host";
  }
  if (!has_host) request += "Host: localhost:" + std::to_string(port) + "\r\n";
  request += "Connection: close\r\n\r\n";
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return 0;
  }
  std::string answer;
  std::array<char, 256> buffer{};
  while (answer.find("\r\n") == std::string::npos && answer.size() < 4096) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, left_ms(deadline)) != 1) return 0;
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
  int status = 0;
  const std::size_t space = answer.find(' ');
  if (!answer.starts_with("HTTP/") || space == std::string::npos) return 0;
  std::from_chars(answer.data() + space + 1, answer.data() + answer.size(), status);
  return status;
}

}  // namespace

ProbeState begin_probe(const Probe& probe, SteadyTime started) {
  return {started + probe.initial_delay, 0, 0};
}

ProbeVerdict note_answer(const Probe& probe, ProbeState& state, bool success, SteadyTime now) {
  state.due = now + probe.period;
  state.successes = success ? state.successes + 1 : 0;
  state.failures = success ? 0 : state.failures + 1;
  if (success && state.successes == probe.success_threshold) return ProbeVerdict::Good;
  if (!success && state.failures == probe.failure_threshold) return ProbeVerdict::Bad;
  return ProbeVerdict::Unchanged;
}

int port_of(const Probe& probe, const ContainerSpec& container) {
  int port = 0;
  const char* end = probe.port.data() + probe.port.size();
  if (std::from_chars(probe.port.data(), end, port).ptr == end) return port;
  const codec::Value* ports = container.body.find("ports");
  if (ports == nullptr) return 0;
  for (const codec::Value& item : ports->items()) {
    const codec::Value* name = item.find("name");
    const codec::Value* number = item.find("containerPort");
    if (name != nullptr && number != nullptr && name->as_string() == probe.port) {
      return static_cast<int>(number->as_int());
    }
  }
  return 0;
}

std::string ask(const Probe& probe, int port) {
  const auto deadline = steady_clock::now() + probe.timeout;
  const std::string host = probe.host.empty() ? "127.0.0.1" : probe.host;
  const int fd = connect_to(host, port, deadline);
  if (fd < 0)
    return "connect to " + host + ":" + std::to_string(port) + ": " + std::strerror(errno);
  const int status = probe.kind == Probe::Kind::Http ? http_status(fd, probe, port, deadline) : 200;
  ::close(fd);
  if (status >= 200 && status < 400) return {};
  return status == 0 ? "no HTTP answer in time" : "HTTP status " + std::to_string(status);
}

}  // namespace millrace::executor
