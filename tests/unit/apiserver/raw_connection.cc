#include "tests/unit/apiserver/raw_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "kubeclient/base/result.h"

namespace millrace::apiserver {

struct RawConnection::Impl {
  int fd = -1;
  SSL_CTX* context = nullptr;
  SSL* tls = nullptr;
  std::string rest;  ///< read but not asked for yet
};

RawConnection::RawConnection(const std::string& address, Layer layer)
    : impl_(std::make_unique<Impl>()) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to a closed connection without MSG_NOSIGNAL
  Impl& i = *impl_;
  i.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  MR_CHECK(i.fd >= 0);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(i.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(i.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port =
      htons(static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  MR_CHECK(::connect(i.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  if (layer == Layer::Plain) return;
  i.context = SSL_CTX_new(TLS_client_method());
  i.tls = SSL_new(i.context);
  SSL_set_fd(i.tls, i.fd);
  MR_CHECK(SSL_connect(i.tls) == 1);
}

RawConnection::~RawConnection() {
  SSL_free(impl_->tls);
  SSL_CTX_free(impl_->context);
  ::close(impl_->fd);
}

bool RawConnection::send(std::string_view text) {
  while (!text.empty()) {
    const auto n = impl_->tls != nullptr
                       ? SSL_write(impl_->tls, text.data(), static_cast<int>(text.size()))
                       : ::send(impl_->fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string RawConnection::read_some() {
  char buffer[16384];
  const auto n = impl_->tls != nullptr ? SSL_read(impl_->tls, buffer, sizeof buffer)
                                       : ::recv(impl_->fd, buffer, sizeof buffer, 0);
  if (n <= 0) {
    MR_CHECK(errno != EAGAIN && errno != EWOULDBLOCK);  // ten seconds are over
    return {};
  }
  return std::string(buffer, static_cast<std::size_t>(n));
}

std::string RawConnection::read_until(std::string_view text) {
  std::string& rest = impl_->rest;
  for (;;) {
    const std::size_t found = rest.find(text);
    if (found != std::string::npos) {
      std::string out = rest.substr(0, found + text.size());
      rest.erase(0, out.size());
      return out;
    }
    errno = 0;
    const std::string more = read_some();
    if (more.empty()) return std::exchange(rest, {});
    rest += more;
  }
}

std::string RawConnection::read_all() {
  for (;;) {
    errno = 0;
    const std::string more = read_some();
    if (more.empty()) return std::exchange(impl_->rest, {});
    impl_->rest += more;
  }
}

std::string RawConnection::read_answer() {
  std::string head = read_until("\r\n\r\n");
  const std::size_t field = head.find("Content-Length: ");
  const std::size_t length =
      field == std::string::npos ? 0 : std::strtoul(head.c_str() + field + 16, nullptr, 10);
  while (impl_->rest.size() < length) {
    errno = 0;
    const std::string more = read_some();
    if (more.empty()) break;
    impl_->rest += more;
  }
  head += impl_->rest.substr(0, length);
  impl_->rest.erase(0, length);
  return head;
}

void RawConnection::finish_sending() {
  if (impl_->tls != nullptr) SSL_shutdown(impl_->tls);
  ::shutdown(impl_->fd, SHUT_WR);
}

}  // namespace millrace::apiserver
