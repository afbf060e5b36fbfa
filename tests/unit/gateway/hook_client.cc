#include "tests/unit/gateway/hook_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace millrace::gateway {

struct HookClient::Impl {
  int fd = -1;
  bool connected = false;
  SSL_CTX* context = nullptr;
  SSL* tls = nullptr;
  std::string rest;  ///< read and not asked for yet
};

HookClient::HookClient(std::uint16_t port, Layer layer) : impl_(std::make_unique<Impl>()) {
  Impl& i = *impl_;
  i.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(i.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(i.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  i.connected = ::connect(i.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  if (layer == Layer::Plain || !i.connected) return;
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  i.context = SSL_CTX_new(TLS_client_method());
  i.tls = SSL_new(i.context);
  SSL_set_fd(i.tls, i.fd);
  i.connected = SSL_connect(i.tls) == 1;
}

HookClient::~HookClient() {
  SSL_free(impl_->tls);
  SSL_CTX_free(impl_->context);
  ::close(impl_->fd);
}

bool HookClient::connected() const { return impl_->connected; }

std::string HookClient::peer() const {
  char name[256] = "";
  X509* certificate = impl_->tls != nullptr ? SSL_get1_peer_certificate(impl_->tls) : nullptr;
  if (certificate == nullptr) return {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

bool HookClient::send(std::string_view text) {
  while (!text.empty()) {
    const auto n = impl_->tls != nullptr
                       ? SSL_write(impl_->tls, text.data(), static_cast<int>(text.size()))
                       : ::send(impl_->fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string HookClient::read_some() {
  char buffer[16384];
  const auto n = impl_->tls != nullptr ? SSL_read(impl_->tls, buffer, sizeof buffer)
                                       : ::recv(impl_->fd, buffer, sizeof buffer, 0);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : "";
}

std::string HookClient::read_answer() {
  std::string& rest = impl_->rest;
  std::size_t wanted = std::string::npos;
  while (rest.size() < wanted) {
    const std::size_t end = rest.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::string length = header_of(rest.substr(0, end + 4), "Content-Length");
      wanted = end + 4 + std::strtoul(length.c_str(), nullptr, 10);
      if (rest.size() >= wanted) break;
    }
    const std::string more = read_some();
    if (more.empty()) return std::exchange(rest, {});
    rest += more;
  }
  std::string out = rest.substr(0, wanted);
  rest.erase(0, wanted);
  return out;
}

std::string HookClient::read_all() {
  for (std::string more = read_some(); !more.empty(); more = read_some()) impl_->rest += more;
  return std::exchange(impl_->rest, {});
}

std::string post(std::string_view path, std::string_view body, std::string_view headers) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string header_of(const std::string& answer, const std::string& name) {
  const std::string head = answer.substr(0, answer.find("\r\n\r\n") + 2);
  const std::size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::atoi(answer.c_str() + 9) : 0;
}

}  // namespace millrace::gateway
