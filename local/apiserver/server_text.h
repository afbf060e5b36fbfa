/// What the server reads and writes, without its sockets.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::apiserver {

/// The target of a request line, taken apart and percent-decoded.
struct RawTarget {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;  ///< in order
};
/// Read "/path?a=1&b=2". Errors: Invalid (no leading '/', a bad escape, a NUL
/// byte, not UTF-8).
Result<RawTarget> read_target(std::string_view text);

/// Where to listen.
struct Endpoint {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
};
/// Read "127.0.0.1:6443", "[::1]:0" or "localhost:0". Errors: Invalid, with what is expected.
Result<Endpoint> parse_endpoint(std::string_view text);
/// "127.0.0.1:6443" or "[::1]:6443".
std::string to_string(const Endpoint& endpoint);

/// Whether an Authorization header brings `token`; takes the same time however much of it is right.
bool brings_token(std::string_view authorization, std::string_view token);
/// Paths that tell nothing and need no token: health and version.
bool is_open_path(std::string_view path);

/// A metav1.Status as the API server writes it.
std::string failure_body(int status, std::string_view reason, std::string_view message);

/// How the length of a body is made known.
enum class Framing { Length, Chunked, UntilClose, None };

/// The head of an answer.
struct Head {
  int status = 200;
  std::string_view content_type = {};
  const std::vector<std::pair<std::string, std::string>>* headers = nullptr;
  Framing framing = Framing::Length;
  std::size_t length = 0;  ///< Framing::Length [bytes]
  bool keep_alive = true;
  bool http_1_0 = false;
  Time date{};
};
/// With the empty line at its end. Control characters in headers become blanks.
std::string head_text(const Head& head);

}  // namespace millrace::apiserver
