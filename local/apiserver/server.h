/// The embedded API server on a socket: HTTP/1.1 over TLS, one token.
///
/// Threads `mr-api-<n>` serve the connections, each its own share, and run the requests themselves.
/// No client can make another one wait: every step of a request has a deadline and a limit, and a
/// stream is taken from only as fast as its client reads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kubeclient/base/result.h"

namespace millrace {
class Clock;
class Logger;
}  // namespace millrace

namespace millrace::apiserver {

class Api;
struct Request;
struct Response;

struct ServerOptions {
  std::string address = "127.0.0.1:0";  ///< port 0: any free one
  std::string token;                    ///< the only bearer token that is let in
  std::string certificate;              ///< PEM
  std::string private_key;              ///< PEM
  int threads = 2;
  std::size_t body_limit = 3 * 1024 * 1024;  ///< [bytes] as the real server's
  /// Limits of what clients may take; the defaults are for people.
  std::uint32_t header_limit = 128 * 1024;         ///< request line and headers [bytes]
  std::size_t most_connections = 1024;             ///< the longest idle one gives way
  std::chrono::milliseconds head_timeout{10'000};  ///< handshake; first byte to end of headers [ms]
  std::chrono::milliseconds body_timeout{60'000};  ///< for the request's body [ms]
  std::chrono::milliseconds write_timeout{60'000};  ///< for a whole answer, streams excepted [ms]
  std::chrono::milliseconds idle_timeout{120'000};  ///< between two requests [ms]
};

/// Answers requests; called from all threads of the server, must not block.
using Handler = std::function<Response(const Request&)>;

/// Listens while it lives.
class Server {
 public:
  /// Errors: Invalid (address, certificate), Unavailable (in use, no permission; the message says
  /// what to do).
  static Result<std::unique_ptr<Server>> start(Api& api, const ServerOptions& options,
                                               const Clock& clock, const Logger& log);
  /// The same for any handler.
  static Result<std::unique_ptr<Server>> start(Handler handler, const ServerOptions& options,
                                               const Clock& clock, const Logger& log);
  virtual ~Server() = default;
  /// "127.0.0.1:41234"
  virtual std::string address() const = 0;
  /// End open streams and connections and join; within about half a second. May be repeated.
  virtual void stop() = 0;
};

}  // namespace millrace::apiserver
