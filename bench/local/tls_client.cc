#include "bench/local/tls_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace millrace::bench {
namespace {

/// Taken from a socket at once; several records of TLS [bytes].
constexpr std::size_t kRead = std::size_t{128} << 10;
constexpr int kLookAgain = 100;  ///< whether to stop [ms]

int connect_to(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  need(inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr) == 1, "address");
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  need(fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&peer), sizeof peer) == 0, "connect");
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

double thread_cpu_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

}  // namespace

void need(bool fine, const char* what) {
  if (fine) return;
  std::fprintf(stderr, "the benchmark's client failed: %s\n", what);
  std::exit(1);
}

TlsClient::TlsClient(const std::string& address, std::string token)
    : socket_(connect_to(address)),
      token_(std::move(token)),
      context_(SSL_CTX_new(TLS_client_method())),
      session_(SSL_new(context_.get())) {
  SSL_set_fd(session_.get(), socket_);
  SSL_set_read_ahead(session_.get(), 1);
  SSL_set_default_read_buffer_len(session_.get(), kRead);
  need(SSL_connect(session_.get()) == 1, "TLS handshake");
}

TlsClient::TlsClient(TlsClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      token_(std::move(other.token_)),
      context_(std::move(other.context_)),
      session_(std::move(other.session_)),
      answer_(std::move(other.answer_)) {}

TlsClient::~TlsClient() {
  session_.reset();
  if (socket_ >= 0) ::close(socket_);
}

void TlsClient::send(std::string_view text) {
  std::size_t sent = 0;
  need(SSL_write_ex(session_.get(), text.data(), text.size(), &sent) == 1 && sent == text.size(),
       "send");
}

int TlsClient::post(const std::string& path, const std::string& body) {
  send("POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token_ +
       "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
       "\r\n\r\n" + body);
  answer_.clear();
  std::size_t whole = std::string::npos;
  std::array<char, 16'384> piece;
  while (answer_.size() < whole) {
    std::size_t n = 0;
    need(SSL_read_ex(session_.get(), piece.data(), piece.size(), &n) == 1, "answer");
    answer_.append(piece.data(), n);
    const std::size_t head = answer_.find("\r\n\r\n");
    if (whole != std::string::npos || head == std::string::npos) continue;
    constexpr std::string_view kLength = "Content-Length: ";
    const std::size_t field = answer_.find(kLength);
    need(field < head, "answer without a length");
    std::size_t length = 0;
    std::from_chars(answer_.data() + field + kLength.size(), answer_.data() + head, length);
    whole = head + 4 + length;
  }
  return std::atoi(answer_.c_str() + std::strlen("HTTP/1.1 "));
}

void TlsClient::begin_watch(const std::string& target) {
  send("GET " + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token_ + "\r\n\r\n");
  ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
}

Watchers::Watchers(const std::string& address, const std::string& token,
                   const std::vector<std::string>& targets)
    : buffer_(kRead), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
  watches_.reserve(targets.size());
  for (const std::string& target : targets) {
    watches_.push_back({TlsClient(address, token)});
    watches_.back().client.begin_watch(target);
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = &watches_.back();
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, watches_.back().client.socket(), &interest);
  }
  thread_ = std::thread([this] { run(); });
}

Watchers::~Watchers() {
  stop_ = true;
  thread_.join();
  ::close(poll_);
}

void Watchers::run() {
  std::array<epoll_event, 64> ready;
  while (!stop_) {
    const int n = ::epoll_wait(poll_, ready.data(), static_cast<int>(ready.size()), kLookAgain);
    for (int i = 0; i < n; ++i) {
      need(read(*static_cast<Watch*>(ready[static_cast<std::size_t>(i)].data.ptr)), "watch ended");
    }
    cpu_ns_ = thread_cpu_ns();
  }
}

/// Everything that is there. An event is a line; the lines of chunked framing end in CR LF.
bool Watchers::read(Watch& watch) {
  for (;;) {
    std::size_t n = 0;
    SSL* session = watch.client.session();
    if (SSL_read_ex(session, buffer_.data(), buffer_.size(), &n) != 1) {
      return SSL_get_error(session, 0) == SSL_ERROR_WANT_READ;
    }
    bytes_ += static_cast<std::int64_t>(n);
    const char* const begin = buffer_.data();
    const char* const end = begin + n;
    for (const char* at = begin; at < end; ++at) {
      at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      if (at == nullptr) break;
      if ((at == begin ? watch.last : at[-1]) != '\r') ++events_;
    }
    watch.last = end[-1];
  }
}

}  // namespace millrace::bench
