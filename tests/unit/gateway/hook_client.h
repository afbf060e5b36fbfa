/// A client that sends bytes to a server on loopback, plain or TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::gateway {

enum class Layer { Plain, Tls };

/// Every wait ends after 20 s, so that a broken server fails the test instead of hanging it.
class HookClient {
 public:
  explicit HookClient(std::uint16_t port, Layer layer = Layer::Plain);
  ~HookClient();
  HookClient(const HookClient&) = delete;
  HookClient& operator=(const HookClient&) = delete;

  bool connected() const;
  /// Common name of the server's certificate.
  std::string peer() const;
  /// False when the server has closed before all was sent.
  bool send(std::string_view text);
  /// One answer: head, and body by Content-Length. What came so far when the server closes.
  std::string read_answer();
  /// Everything until the server closes.
  std::string read_all();

 private:
  std::string read_some();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "POST /path HTTP/1.1" with Content-Length and further header lines.
std::string post(std::string_view path, std::string_view body = "", std::string_view headers = "");
/// The value of a header of an answer; "" when there is none.
std::string header_of(const std::string& answer, const std::string& name);
std::string body_of(const std::string& answer);
int status_of(const std::string& answer);

}  // namespace millrace::gateway
