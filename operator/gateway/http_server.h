/// An HTTP/1.1 server, plain or TLS, that asks a handler for its answers.
///
/// One thread, `mr-gw-<name>`, serves all connections without blocking; answers may come later and
/// from other threads. It is built to stay up next to careless or hostile clients: each part of a
/// request has a deadline and a limit, bodies have a budget in common, and when all places are
/// taken the connection that has been silent longest is closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/log.h"
#include "kubeclient/base/result.h"

namespace millrace::gateway {

/// One request. The body is empty while only its head is known.
struct HttpRequest {
  std::string method;                                        ///< as sent: "POST"
  std::string target;                                        ///< as sent: "/a?b=c"
  std::vector<std::pair<std::string, std::string>> headers;  ///< in order, names as sent
  std::string body;
  std::string remote;  ///< IP address of the peer

  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  /// What follows the '?'; may be empty.
  std::string_view query() const;
};

/// One answer. Control characters in headers become blanks.
struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< besides those of the server
  std::string body = {};  ///< left out for HEAD; its length is told all the same
};

/// Gives the answers. All calls come on the server's thread: must not block.
class HttpHandler {
 public:
  /// Call once, from any thread, even after the server is gone; the second call does nothing.
  using Answer = std::function<void(HttpResponse)>;

  virtual ~HttpHandler() = default;
  /// The head of a request has come. With a response its body is not read, nor `handle` called.
  virtual std::optional<HttpResponse> refuse_head(const HttpRequest&) { return std::nullopt; }
  /// A whole request that was not refused.
  virtual void handle(HttpRequest request, Answer answer) = 0;
  /// What to say to 400, 413, 431, 503 (too busy) and 504 (the answer did not come in time). `head`
  /// is empty when it could not be read.
  virtual HttpResponse failure(int status, std::string_view message, const HttpRequest& head) = 0;
  /// So many connections are open now.
  virtual void count_connections(std::size_t) {}
};

struct HttpServerOptions {
  std::string name = "0";          ///< of the thread: "mr-gw-<name>"
  std::string host = {};           ///< IP address or name; empty: every interface, IPv6 and IPv4
  std::uint16_t port = 0;          ///< 0: any free one
  std::string certificate_file{};  ///< PEM, with its chain; empty: no TLS
  std::string key_file{};          ///< PEM
  std::size_t max_connections = 64;
  std::uint32_t max_header_bytes = 8 * 1024;            ///< request line and headers [bytes]
  std::uint64_t max_body_bytes = 4 * 1024;              ///< of one body [bytes]
  std::uint64_t body_budget = std::uint64_t{64} << 20;  ///< of all bodies at once [bytes]
  std::uint64_t max_drained_bytes = 16 * 1024;       ///< of a refused request, thrown away [bytes]
  std::chrono::milliseconds head_timeout{5'000};     ///< handshake; first byte to end of head [ms]
  std::chrono::milliseconds body_timeout{5'000};     ///< for the body [ms]
  std::chrono::milliseconds answer_timeout{10'000};  ///< of the handler [ms]
  std::chrono::milliseconds idle_timeout{75'000};    ///< between two requests [ms]
  std::chrono::milliseconds write_timeout{10'000};   ///< for one response [ms]
  std::chrono::milliseconds stop_grace{1'000};       ///< for answers under way at the stop [ms]
  /// How long a connection may at least wait for its request before it can be closed to make room
  /// for another one [ms]. In between, new ones stand in the kernel's queue.
  std::chrono::milliseconds evict_after{0};
  /// Certificate and key are looked at again with the first connection after this time, and used
  /// from then on if they changed; open connections stay.
  std::chrono::milliseconds reload_interval{1'000};
};

/// A running server. Stopped by the destructor. Thread-safe.
class HttpServer {
 public:
  /// `handler` outlives the server. Errors: Invalid (host is no address; certificate or key cannot
  /// be used), Denied (a port that needs rights), Unavailable (port taken, address not of this
  /// machine).
  static Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options,
                                                   HttpHandler& handler, const Logger& log);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The port it listens on, also when 0 was asked for.
  std::uint16_t port() const;

  /// Stop listening, finish requests that are being answered (within `stop_grace`), close the rest
  /// and join the thread. May be called again. Not from a handler.
  void stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::gateway
