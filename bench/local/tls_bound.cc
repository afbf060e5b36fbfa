#include "bench/local/tls_bound.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "bench/local/process_time.h"
#include "bench/local/tls_client.h"

namespace millrace::bench {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

struct CloseBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Memory = std::unique_ptr<BIO, CloseBio>;

Memory memory(const std::string& text) {
  return Memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::unique_ptr<SSL_CTX, CloseContext> server_context(const BoundOptions& options) {
  std::unique_ptr<SSL_CTX, CloseContext> context(SSL_CTX_new(TLS_server_method()));
  X509* certificate =
      PEM_read_bio_X509(memory(options.certificate).get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key =
      PEM_read_bio_PrivateKey(memory(options.private_key).get(), nullptr, nullptr, nullptr);
  need(certificate != nullptr && key != nullptr, "certificate");
  need(SSL_CTX_use_certificate(context.get(), certificate) == 1 &&
           SSL_CTX_use_PrivateKey(context.get(), key) == 1,
       "certificate and key");
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

/// The other ends of the reader's connections.
class Senders {
 public:
  explicit Senders(const BoundOptions& options)
      : context_(server_context(options)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof any;
    need(::bind(listener_, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0 &&
             ::listen(listener_, options.connections) == 0 &&
             ::getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &length) == 0,
         "listen");
    address_ = "127.0.0.1:" + std::to_string(ntohs(any.sin_port));
    accepting_ = std::thread([this, count = options.connections] {
      for (int n = 0; n < count; ++n) accept_one();
    });
  }
  ~Senders() {
    for (const auto& session : sessions_) ::close(SSL_get_fd(session.get()));
    ::close(listener_);
  }
  const std::string& address() const { return address_; }
  /// Wait until all are connected.
  void ready() { accepting_.join(); }
  SSL* session(std::size_t n) const { return sessions_[n].get(); }

 private:
  void accept_one() {
    const int fd = ::accept(listener_, nullptr, nullptr);
    need(fd >= 0, "accept");
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sessions_.emplace_back(SSL_new(context_.get()));
    SSL_set_fd(sessions_.back().get(), fd);
    std::array<char, 4096> request;
    need(SSL_accept(sessions_.back().get()) == 1, "the sender's TLS handshake");
    need(SSL_read(sessions_.back().get(), request.data(), request.size()) > 0, "request");
  }

  std::unique_ptr<SSL_CTX, CloseContext> context_;
  int listener_;
  std::string address_;
  std::vector<std::unique_ptr<SSL, CloseSession>> sessions_;
  std::thread accepting_;
};

}  // namespace

Bound measure_bound(const BoundOptions& options) {
  const std::size_t lines = std::max<std::size_t>(1, options.piece_bytes / options.event_bytes);
  std::string piece;
  for (std::size_t n = 0; n < lines; ++n) {
    piece += std::string(options.event_bytes - 1, 'x') + '\n';
  }
  const auto connections = static_cast<std::size_t>(options.connections);
  const auto per_round = static_cast<std::int64_t>(lines * connections);
  const std::int64_t rounds = std::max<std::int64_t>(1, options.events / per_round);

  Senders senders(options);
  const Watchers watchers(senders.address(), "", std::vector<std::string>(connections, "/"));
  senders.ready();
  Bound bound;
  bound.cipher = SSL_get_cipher_name(senders.session(0));
  const double cpu = process_cpu_seconds();
  const double reader_cpu = watchers.cpu_seconds();
  const auto begin = steady_clock::now();
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < static_cast<std::size_t>(options.threads); ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t round = 0; round < rounds; ++round) {
        for (std::size_t n = t; n < connections; n += static_cast<std::size_t>(options.threads)) {
          std::size_t sent = 0;
          need(SSL_write_ex(senders.session(n), piece.data(), piece.size(), &sent) == 1, "send");
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (watchers.events() < rounds * per_round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  bound.events = watchers.events();
  bound.seconds = duration<double>(steady_clock::now() - begin).count();
  bound.cpu_seconds = process_cpu_seconds() - cpu;
  bound.reader_cpu_seconds = watchers.cpu_seconds() - reader_cpu;
  return bound;
}

}  // namespace millrace::bench
