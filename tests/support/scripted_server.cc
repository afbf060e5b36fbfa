#include "tests/support/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "kubeclient/base/result.h"

namespace millrace::support {
namespace {

constexpr std::chrono::seconds kPatience{10};

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* t) const { Free(t); }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;

CertPtr read_certificate(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertPtr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

std::shared_ptr<void> make_context(const ServerTls& tls) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  const CertPtr certificate = read_certificate(tls.certificate);
  const BioPtr bio(BIO_new_mem_buf(tls.key.data(), static_cast<int>(tls.key.size())));
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  MR_CHECK(SSL_CTX_use_certificate(context.get(), certificate.get()) == 1);
  MR_CHECK(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
  if (!tls.client_ca.empty()) {
    const CertPtr ca = read_certificate(tls.client_ca);
    MR_CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get()) == 1);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

int connect_local(int port) {
  const int socket_fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket_fd);
    return -1;
  }
  return socket_fd;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string Received::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

// ---- Peer

namespace {
std::string head_of(int status, const std::vector<std::string>& headers) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
  for (const std::string& header : headers) head += header + "\r\n";
  return head;
}
}  // namespace

bool Peer::reply(int status, std::string_view body, const std::vector<std::string>& headers) {
  return send(head_of(status, headers) + "Content-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + std::string(body));
}

bool Peer::begin_chunked(int status, const std::vector<std::string>& headers) {
  return send(head_of(status, headers) + "Transfer-Encoding: chunked\r\n\r\n");
}

bool Peer::chunk(std::string_view bytes) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return send(std::string(size.data()) + std::string(bytes) + "\r\n");
}

bool Peer::end_chunked() { return send("0\r\n\r\n"); }

// ---- Connection

class ScriptedServer::Connection final : public Peer {
 public:
  Connection(int socket_fd, SSL_CTX* context) : socket_(socket_fd) {
    if (context == nullptr) return;
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, socket_);
    if (SSL_accept(ssl_) != 1) closed_ = true;
  }
  ~Connection() override {
    if (ssl_ != nullptr) {
      if (!closed_) SSL_shutdown(ssl_);
      SSL_free(ssl_);
    }
    ERR_clear_error();
  }

  bool send(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent =
          ssl_ != nullptr
              ? SSL_write(ssl_, bytes.data(),
                          static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)))
              : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        closed_ = true;
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void gather(bool on) override {
    const int value = on ? 1 : 0;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
  }
  void close() override { close_wanted_ = true; }
  void wait_for_client_to_leave() override {
    while (fill()) {
    }
  }
  void tunnel(int port) override {
    const int other = connect_local(port);
    if (other < 0) return;
    std::array<char, 16384> data{};
    std::array<pollfd, 2> fds = {pollfd{socket_, POLLIN, 0}, pollfd{other, POLLIN, 0}};
    for (bool alive = true; alive && ::poll(fds.data(), fds.size(), -1) > 0;) {
      for (std::size_t i = 0; i < fds.size() && alive; ++i) {
        if (fds[i].revents == 0) continue;
        const ssize_t got = ::recv(fds[i].fd, data.data(), data.size(), 0);
        alive = got > 0 && ::send(fds[1 - i].fd, data.data(), static_cast<std::size_t>(got),
                                  MSG_NOSIGNAL) == got;
      }
    }
    ::close(other);
    close_wanted_ = true;
  }

  bool open() const { return !closed_ && !close_wanted_; }

  /// The next request, or nothing when the client is done.
  std::optional<Received> next() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return std::nullopt;
    }
    Received request;
    parse_head(std::string_view(buffer_).substr(0, end), request);
    const std::size_t length = std::strtoul(request.header("content-length").c_str(), nullptr, 10);
    while (buffer_.size() < end + 4 + length) {
      if (!fill()) return std::nullopt;
    }
    request.body = buffer_.substr(end + 4, length);
    buffer_.erase(0, end + 4 + length);
    return request;
  }

 private:
  static void parse_head(std::string_view head, Received& request) {
    const auto take_line = [&] {
      const std::size_t end = std::min(head.find("\r\n"), head.size());
      const std::string line(head.substr(0, end));
      head.remove_prefix(std::min(end + 2, head.size()));
      return line;
    };
    const std::string first = take_line();
    const std::size_t a = first.find(' ');
    const std::size_t b = first.rfind(' ');
    request.method = first.substr(0, a);
    request.target = first.substr(a + 1, b - a - 1);
    while (!head.empty()) {
      const std::string line = take_line();
      const std::size_t colon = line.find(':');
      const std::size_t value = line.find_first_not_of(' ', colon + 1);
      request.headers[lower(line.substr(0, colon))] =
          value == std::string::npos ? "" : line.substr(value);
    }
  }

  bool fill() {
    std::array<char, 65536> data{};
    const ssize_t got = ssl_ != nullptr ? SSL_read(ssl_, data.data(), data.size())
                                        : ::recv(socket_, data.data(), data.size(), 0);
    if (got <= 0) {
      closed_ = true;
      return false;
    }
    buffer_.append(data.data(), static_cast<std::size_t>(got));
    return true;
  }

  int socket_;
  SSL* ssl_ = nullptr;
  std::string buffer_;
  bool closed_ = false;
  bool close_wanted_ = false;
};

// ---- ScriptedServer

ScriptedServer::ScriptedServer(Script script, std::optional<ServerTls> tls)
    : script_(std::move(script)) {
  if (tls) tls_context_ = make_context(*tls);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  MR_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  MR_CHECK(::listen(listener_, 128) == 0);
  MR_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

ScriptedServer::~ScriptedServer() {
  {
    const auto state = state_.lock();
    state->stopping = true;
    for (const int socket_fd : state->sockets) ::shutdown(socket_fd, SHUT_RDWR);
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  std::vector<std::thread> threads;
  std::swap(threads, state_.lock()->threads);
  for (std::thread& thread : threads) thread.join();
  for (const int socket_fd : state_.lock()->sockets) ::close(socket_fd);
}

std::string ScriptedServer::url() const {
  return (tls_context_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

std::vector<Received> ScriptedServer::received() const { return state_.lock()->received; }

bool ScriptedServer::wait_for_requests(std::size_t count) const {
  auto state = state_.lock();
  return arrived_.wait_for(state.lock(), kPatience,
                           [&] { return state->received.size() >= count; });
}

void ScriptedServer::accept_loop() {
  while (true) {
    const int socket_fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket_fd < 0) return;
    const int on = 1;
    ::setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto state = state_.lock();
    // Sockets are closed at the end only, so that no number is used twice under our feet.
    state->sockets.push_back(socket_fd);
    if (state->stopping) return;
    const int number = ++state->connections;
    state->threads.emplace_back([this, socket_fd, number] { serve(socket_fd, number); });
  }
}

void ScriptedServer::serve(int socket_fd, int number) {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  {
    Connection connection(socket_fd, static_cast<SSL_CTX*>(tls_context_.get()));
    while (connection.open()) {
      std::optional<Received> request = connection.next();
      if (!request) break;
      request->connection = number;
      {
        const auto state = state_.lock();
        state->received.push_back(*request);
        arrived_.notify_all();
      }
      script_(*request, connection);
    }
  }
  ::shutdown(socket_fd, SHUT_RDWR);
}

// ---- Gate

void Gate::open() {
  const auto is_open = open_.lock();
  *is_open = true;
  wake_.notify_all();
}

bool Gate::wait() const {
  auto is_open = open_.lock();
  return wake_.wait_for(is_open.lock(), kPatience, [&] { return *is_open; });
}

}  // namespace millrace::support
