/// Cuts the byte stream of a watch into lines.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

/// Lines of at most `limit` bytes from pieces that are cut anywhere. Longer ones are thrown away as
/// they come and reported once, so memory stays bounded. Knows nothing of JSON, accepts any bytes.
/// Not thread-safe.
class WatchFramer {
 public:
  struct Frame {
    std::string_view line;  ///< without its end; valid until the next call; never empty
    bool too_long = false;  ///< the line was dropped and `line` is empty
  };

  /// `limit` [bytes]; etcd holds objects of up to about 1.5 MiB, JSON escapes may double that.
  explicit WatchFramer(std::size_t limit = 16 * 1024 * 1024) : limit_(limit) {}

  /// Add the next piece. Frames still inside are lost unless next() said there are none.
  void push(std::string piece);
  /// The next whole line; nothing until more comes. Empty lines are skipped.
  std::optional<Frame> next();
  /// Bytes of an unfinished line are held, as when a stream breaks in its middle.
  bool has_rest() const { return dropping_ || start_ < buffer_.size(); }

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t start_ = 0;    ///< of the line being looked for
  std::size_t scanned_ = 0;  ///< no line end before this
  bool dropping_ = false;    ///< inside a line that is too long
};

}  // namespace millrace::runtime
