/// Clients that cost little: what is measured beside them is the server.
///
/// Plain sockets and OpenSSL, no HTTP library: an answer is read as far as a count needs it. The
/// server is one of this process, its certificate is not checked.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace millrace::bench {

struct CloseContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct CloseSession {
  void operator()(SSL* session) const { SSL_free(session); }
};

/// End the program unless `fine`.
void need(bool fine, const char* what);

/// One connection, for one thread at a time. Failures end the program: a benchmark that lost a
/// client measures nothing.
class TlsClient {
 public:
  /// `address` is "127.0.0.1:1234".
  TlsClient(const std::string& address, std::string token);
  ~TlsClient();
  TlsClient(TlsClient&& other) noexcept;
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// Send a request and read the whole answer; its HTTP status.
  int post(const std::string& path, const std::string& body);
  /// Send the request for a watch; what comes is read by `Watchers`.
  void begin_watch(const std::string& target);

  int socket() const { return socket_; }
  SSL* session() const { return session_.get(); }

 private:
  void send(std::string_view text);

  int socket_ = -1;
  std::string token_;
  std::unique_ptr<SSL_CTX, CloseContext> context_;
  std::unique_ptr<SSL, CloseSession> session_;
  std::string answer_;
};

/// Reads watches on one thread of its own and counts their events.
class Watchers {
 public:
  /// A watch for each of `targets` ("/api/v1/configmaps?watch=1").
  Watchers(const std::string& address, const std::string& token,
           const std::vector<std::string>& targets);
  ~Watchers();
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  std::int64_t events() const { return events_; }
  std::int64_t bytes() const { return bytes_; }
  /// Of the reading thread, so far [s].
  double cpu_seconds() const { return cpu_ns_ / 1e9; }

 private:
  struct Watch {
    TlsClient client;
    char last = 0;  ///< byte before the next one read
  };
  void run();
  bool read(Watch& watch);

  std::vector<Watch> watches_;
  std::vector<char> buffer_;
  int poll_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> events_{0};
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<double> cpu_ns_{0};
  std::thread thread_;
};

}  // namespace millrace::bench
