/// HTTP/1.1 around libcurl, for the few threads that talk to one server.
///
/// Who calls does the work: there is no thread here. Each call under way and each open stream has a
/// connection of its own; those of ended calls are kept for the next ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::http {

enum class Method { Get, Post, Put, Patch, Delete };

/// Whether to check the server's certificate. Skip is for the user's explicit wish only.
enum class Verify { Yes, Skip };

/// TLS as PEM text. Empty `ca` means the system's certificates.
struct TlsSettings {
  std::string ca;
  std::string certificate;  ///< ours; with `key`, or both empty
  std::string key;
  Verify verify = Verify::Yes;
  bool operator==(const TlsSettings&) const = default;
};

/// Everything that is the same for all transfers of a loop. The environment is never read.
struct LoopOptions {
  TlsSettings tls = {};
  std::string proxy = {};     ///< http, https, socks5 or socks5h URL; empty: none
  std::string no_proxy = {};  ///< hosts reached without the proxy, comma-separated
  /// "host:port:to-host:to-port": connect elsewhere than the URL says, which still names the
  /// host for TLS.
  std::string connect_to = {};
  std::chrono::milliseconds connect_timeout{10'000};
  std::size_t max_body = std::size_t{256} << 20;       ///< of an answer to call() [bytes]
  std::size_t max_headers = std::size_t{256} << 10;    ///< of any answer [bytes]
  std::size_t stream_buffer = std::size_t{512} << 10;  ///< full: the stream pauses [bytes]
};

struct Request {
  Method method = Method::Get;
  std::string url;
  std::vector<std::string> headers;  ///< "Name: value", no line ends inside
  std::string body = {};
};

/// What came before the body.
struct Head {
  int status = 0;
  std::string content_type = {};
  std::string location = {};  ///< of a redirect; redirects are never followed
  std::optional<std::chrono::milliseconds> retry_after = {};
};

struct Response {
  Head head;
  std::string body;
  int connections = 0;  ///< opened for this transfer
};

/// A response that is read while it comes. One reader thread; `cancel` from any. The loop must
/// outlive it.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual const Head& head() const = 0;
  /// The next bytes, cut anywhere; "" is the clean end, again and again. Errors: Timeout (nothing
  /// until `deadline`; call again); Unavailable (cut, or silent beyond the idle limit), Malformed
  /// and Cancelled, which are final.
  virtual Result<std::string> read(SteadyTime deadline) = 0;
  virtual void cancel() = 0;
};

/// Limits of one stream.
struct StreamLimits {
  /// Ends the stream when the server sends nothing for so long; zero: never. Time in which we
  /// ourselves are slow to read does not count.
  std::chrono::milliseconds idle{0};
};

/// The connections to a server. All methods are safe from any thread. Streams must be gone, and
/// nobody inside call() or open(), when it is destroyed.
class Loop {
 public:
  explicit Loop(const LoopOptions& options);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Send `request` and wait for the whole answer, whatever its status. Never repeats a request
  /// that is not idempotent. Errors: Timeout (deadline), Cancelled (`stop`), Unavailable (no
  /// connection, or cut), Denied (TLS trust), Malformed (not HTTP, too large), Invalid (URL,
  /// header, own certificate).
  Result<Response> call(Request request, std::stop_token stop, SteadyTime deadline);

  /// Send `request` and wait for the head of the answer until `deadline`; the stream then lives
  /// until its end, `cancel`, its destruction or `stop`. Errors as of call().
  Result<std::unique_ptr<Stream>> open(Request request, const StreamLimits& limits,
                                       std::stop_token stop, SteadyTime deadline);

  /// Use another client certificate for transfers that start from now on.
  void set_client_certificate(std::string certificate, std::string key);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The name of `method` on the wire.
std::string_view to_string(Method method);

/// `text` with everything but unreserved characters as %XX, for one path segment or query value.
std::string escape(std::string_view text);

/// Retry-After: seconds or an HTTP date seen from `now`; nothing if it is neither.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value, Time now);

}  // namespace millrace::http
