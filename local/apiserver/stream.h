/// An answer that comes in pieces: a watch, or a log that is followed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::apiserver {

/// A part of a stream's text. Copies share it: watches that say the same send the same one.
class Piece {
 public:
  Piece() = default;
  explicit Piece(std::string text);
  bool empty() const { return framed_ == nullptr; }
  std::string_view text() const;
  /// The same as a chunk of HTTP/1.1.
  std::string_view chunk() const { return empty() ? std::string_view() : *framed_; }

 private:
  std::shared_ptr<const std::string> framed_;
  std::size_t head_ = 0;  ///< of the chunk [bytes]
};

/// Pulled by one reader; never blocks.
class Stream {
 public:
  virtual ~Stream() = default;
  /// What is there by now, up to about `limit` bytes; empty when nothing is.
  virtual std::string take(std::size_t limit) = 0;
  /// The same for a reader that sends it. A reader calls this one or the other.
  virtual Piece take_piece(std::size_t limit) { return Piece(take(limit)); }
  /// All has been taken, and nothing more will come.
  virtual bool ended() const = 0;
  /// `ready` is called from any thread when there may be something to take, or the end; at least
  /// once after each time `take` gave nothing. It only wakes somebody. Set once, before the first
  /// take; not called any more once the stream is destroyed.
  virtual void on_ready(std::function<void()> ready) = 0;
};

}  // namespace millrace::apiserver
