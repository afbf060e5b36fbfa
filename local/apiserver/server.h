/// The embedded API server on a socket: HTTP/1.1 over TLS, one token.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kubeclient/base/result.h"

namespace millrace {
class Clock;
class Logger;
}  // namespace millrace

namespace millrace::apiserver {

class Api;

struct ServerOptions {
  std::string address = "127.0.0.1:0";  ///< port 0: any free one
  std::string token;                    ///< the only bearer token that is let in
  std::string certificate;              ///< PEM
  std::string private_key;              ///< PEM
  int threads = 2;
  std::size_t body_limit = 3 * 1024 * 1024;  ///< [bytes] as the real server's
};

/// Listens while it lives.
class Server {
 public:
  /// Errors: Invalid (address), Unavailable (in use, no permission; the message says what to do).
  static Result<std::unique_ptr<Server>> start(Api& api, const ServerOptions& options,
                                               const Clock& clock, const Logger& log);
  virtual ~Server() = default;
  /// "127.0.0.1:41234"
  virtual std::string address() const = 0;
  /// End open streams and connections and join.
  virtual void stop() = 0;
};

}  // namespace millrace::apiserver
