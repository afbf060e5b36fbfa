/// An answer that comes in pieces: a watch, or a log that is followed.
#pragma once

#include <functional>
#include <string>

namespace millrace::apiserver {

/// Pulled by one reader; never blocks.
class Stream {
 public:
  virtual ~Stream() = default;
  /// What is there by now, up to about `limit` bytes; empty when nothing is.
  virtual std::string take(std::size_t limit) = 0;
  /// All has been taken, and nothing more will come.
  virtual bool ended() const = 0;
  /// `ready` is called from any thread when there may be something to take, or the end; at least
  /// once after each time `take` gave nothing. It only wakes somebody. Set once, before the first
  /// take; not called any more once the stream is destroyed.
  virtual void on_ready(std::function<void()> ready) = 0;
};

}  // namespace millrace::apiserver
