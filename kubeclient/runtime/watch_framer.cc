#include "kubeclient/runtime/watch_framer.h"

#include <utility>

namespace millrace::runtime {
namespace {
/// An empty buffer larger than this is given back.
constexpr std::size_t kKeptBuffer = 256 * 1024;
}  // namespace

void WatchFramer::push(std::string piece) {
  if (start_ >= buffer_.size()) {  // the common case: no copy
    buffer_ = std::move(piece);
    start_ = scanned_ = 0;
    return;
  }
  if (start_ > 0) {
    buffer_.erase(0, start_);
    scanned_ -= start_;
    start_ = 0;
  }
  buffer_ += piece;
}

std::optional<WatchFramer::Frame> WatchFramer::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      if (dropping_ || buffer_.size() - start_ > limit_) {
        dropping_ = true;
        start_ = buffer_.size();
      }
      if (start_ >= buffer_.size() && buffer_.capacity() > kKeptBuffer) {
        buffer_ = std::string();
        start_ = scanned_ = 0;
      }
      return std::nullopt;
    }
    std::string_view line = std::string_view(buffer_).substr(start_, end - start_);
    start_ = scanned_ = end + 1;
    if (std::exchange(dropping_, false) || line.size() > limit_) return Frame{{}, true};
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) return Frame{line, false};
  }
}

}  // namespace millrace::runtime
