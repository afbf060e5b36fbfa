/// A client that sends bytes: for requests that no HTTP library would make.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace millrace::apiserver {

enum class Layer { Tls, Plain };

/// Connects in its constructor. Every wait ends after ten seconds, with a failed check.
class RawConnection {
 public:
  explicit RawConnection(const std::string& address, Layer layer = Layer::Tls);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  /// Send all of it; false if the peer is gone.
  bool send(std::string_view text);
  /// Read until `text` has come; what came so far with it. Less if the peer closes.
  std::string read_until(std::string_view text);
  /// Read until the peer closes.
  std::string read_all();
  /// Read one answer with its body by Content-Length.
  std::string read_answer();
  /// Half-close: we send no more.
  void finish_sending();

 private:
  std::string read_some();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::apiserver
