/// Reads one answer of HTTP/1.1 out of bytes as they come.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "kubeclient/base/result.h"

namespace millrace::http {

struct Transfer;

/// Parses for one transfer, which gets head and body. Interim answers (1xx) are skipped.
class Answer {
 public:
  Answer(Transfer& transfer, std::size_t max_headers);
  ~Answer();

  /// Take the next bytes. False when the answer is of no use: broken, or the transfer has enough.
  bool feed(std::string_view bytes);
  /// The server has closed. False where that cuts the answer short.
  bool feed_end();
  bool complete() const;
  bool begun() const;  ///< at least a byte of it came
  /// May the connection carry another request? Once complete.
  bool keep_alive() const;
  /// What `feed` or `feed_end` found.
  Error error() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::http
