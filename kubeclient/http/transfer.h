/// One request under way: what the I/O thread writes and its caller reads.
#pragma once

#include <semaphore.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/base/result.h"
#include "kubeclient/http/loop.h"

namespace millrace::http {

struct Slot;
class Transfer;

/// A wish to the I/O thread. Transfers are named by id, since one may be gone when it is read.
struct Command {
  enum class Kind { Start, Cancel, Resume } kind = Kind::Start;
  std::uint64_t id = 0;
  Transfer* transfer = nullptr;  ///< Start only; lives until its on_done
};

/// Where commands go. Safe from any thread.
class Mailbox {
 public:
  virtual ~Mailbox() = default;
  virtual void post(Command command) = 0;
};

/// What the write callback shall do with a piece of the body.
enum class Taken { Yes, Pause, No };

/// Base of calls and streams. Everything here is touched by the I/O thread only, once started.
class Transfer {
 public:
  Transfer(std::uint64_t transfer_id, Request&& what, SteadyTime until)
      : id(transfer_id), request(std::move(what)), deadline(until) {}
  virtual ~Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Feed one header line. False: too many bytes of headers.
  bool add_header(std::string_view line, std::size_t max_headers);
  /// "GET https://host/path", without the query, for messages.
  std::string target() const;

  virtual void on_head() = 0;
  virtual Taken on_body(std::string_view piece) = 0;
  /// The last touch by the I/O thread: the transfer may be destroyed as soon as this returns.
  virtual void on_done(std::optional<Error> error) = 0;
  /// When to give up next; time_point::max() for never.
  virtual SteadyTime due() const { return deadline; }
  /// When to ask for due() again, since data may bring it forward.
  virtual SteadyTime look_again(SteadyTime) const { return due(); }
  /// The error for giving up at due().
  virtual Error overdue() const;
  virtual void on_resume(SteadyTime) {}

  const std::uint64_t id;
  const Request request;
  const SteadyTime deadline;
  const SteadyTime created = std::chrono::steady_clock::now();
  Slot* slot = nullptr;
  Head head;
  bool head_done = false;
  std::size_t header_bytes = 0;
  std::optional<std::size_t> content_length;
  int sends = 0;  ///< how often libcurl set out to send the request
  int connections = 0;
  std::optional<Error> failure;  ///< our own reason for stopping libcurl
};

/// The whole answer at once.
class CallTransfer final : public Transfer {
 public:
  CallTransfer(std::uint64_t transfer_id, Request&& what, SteadyTime until, std::size_t max_body);
  ~CallTransfer() override;

  void on_head() override;
  Taken on_body(std::string_view piece) override;
  void on_done(std::optional<Error> error) override;

  /// Block the caller until on_done. The loop enforces deadline and cancellation.
  Result<Response> wait();

 private:
  std::size_t max_body_;
  std::string body_;
  std::optional<Error> error_;
  // Unlike a condition variable it wakes with one system call, and may be destroyed by the waiter
  // while the poster is still leaving.
  sem_t done_;
};

/// The answer in pieces, through a bounded buffer.
class StreamTransfer final : public Transfer, public Stream {
 public:
  StreamTransfer(std::uint64_t transfer_id, Request&& what, const StreamLimits& limits,
                 SteadyTime until, std::size_t capacity, Mailbox& mailbox)
      : Transfer(transfer_id, std::move(what), until),
        idle_(limits.idle),
        capacity_(capacity),
        mailbox_(mailbox) {}
  ~StreamTransfer() override;

  /// Post the start, and the cancellation once `stop` is requested. Once only.
  void start(std::stop_token stop);
  /// Block until the head is here or the transfer has failed.
  Result<void> wait_head();

  // Transfer, on the I/O thread.
  void on_head() override;
  Taken on_body(std::string_view piece) override;
  void on_done(std::optional<Error> error) override;
  SteadyTime due() const override;
  SteadyTime look_again(SteadyTime now) const override;
  Error overdue() const override;
  void on_resume(SteadyTime now) override;

  // Stream, on the reader's thread.
  const Head& head() const override { return Transfer::head; }
  Result<std::string> read(SteadyTime until) override;
  void cancel() override;

 private:
  struct State {
    std::string pending;
    bool has_head = false;
    bool paused = false;
    bool cancelled = false;
    bool done = false;
    std::optional<Error> error;
  };

  Error cancelled_error() const;

  const std::chrono::milliseconds idle_;
  const std::size_t capacity_;
  Mailbox& mailbox_;
  bool started_ = false;
  SteadyTime last_data_{};       ///< I/O thread only
  bool paused_in_curl_ = false;  ///< I/O thread only
  Guarded<State> state_;
  std::condition_variable wake_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace millrace::http
