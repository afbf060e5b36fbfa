/// One connection to the server: libcurl makes it, with TLS and proxies; HTTP/1.1 is spoken here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "kubeclient/http/answer.h"
#include "kubeclient/http/loop.h"

namespace millrace::http {

/// One request under way, and what came back so far. Touched by its caller's thread only.
struct Transfer {
  Transfer(Request&& what, SteadyTime until) : request(std::move(what)), deadline(until) {}
  virtual ~Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Take what the head says.
  void add_header(std::string_view name, std::string_view value);
  /// "GET https://host/path", without the query, for messages.
  std::string target() const;
  /// The error for giving up at the deadline.
  Error overdue() const;
  Error cancelled() const;

  virtual void on_head() {}
  /// Take a piece of the body. False: enough; `failure` says why.
  virtual bool on_body(std::string_view piece) = 0;
  /// Enough for now: the server shall wait.
  virtual bool full() const { return false; }

  const Request request;
  const SteadyTime deadline;
  const SteadyTime created = std::chrono::steady_clock::now();
  Head head;
  bool head_done = false;
  std::optional<std::size_t> content_length;
  int connections = 0;  ///< opened for it
  std::optional<Error> failure;
};

/// Runs one transfer at a time, on the thread that asks; `interrupt` from any. The connection is
/// kept for the next transfer.
class Line {
 public:
  Line();
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  /// Use `options` from now on, unless they are those of `generation` in use already.
  void apply(const LoopOptions& options, std::uint64_t generation);

  /// Take up `transfer`, which lives until `end`.
  void begin(Transfer& transfer);
  enum class Step { Ready, Done, Due, Interrupted };
  /// Go on until `ready` says so (asked after every piece of work), the transfer has ended
  /// (`take_error` says how), `until` is there or somebody has interrupted.
  Step drive(SteadyTime until, const std::function<bool()>& ready);
  /// How the transfer ended, once `drive` said Done: nothing when the answer is whole.
  std::optional<Error> take_error() { return std::move(error_); }
  /// Let go of the transfer; one that has not ended costs the connection.
  void end();

  /// Make `drive` return, this time or, when none is under way, the next, until `begin`.
  void interrupt();

 private:
  enum class Phase { Idle, Connecting, Sending, Receiving, Done };

  void connect();
  void hang_up();
  bool is_usable(const std::string& origin) const;
  void write_head();
  void wait(SteadyTime until);
  void work();
  void work_connecting();
  void work_sending();
  void work_receiving();
  bool has_more();
  /// The connection is no good, by libcurl's result `code`; once more on a new one if that is fair.
  void broken(int code);
  void done(std::optional<Error> error);

  void* easy_;                  // CURL*
  void* multi_;                 // CURLM*
  void* connect_to_ = nullptr;  // curl_slist*
  std::vector<char> error_text_;
  std::uint64_t generation_ = 0;
  std::size_t max_headers_ = 0;
  bool proxied_ = false;
  const int wake_;  ///< eventfd
  std::vector<char> buffer_;

  // The connection.
  bool connected_ = false;
  std::string origin_;  ///< "https://host:port" of it
  int socket_ = -1;     ///< libcurl's, not ours to close
  SteadyTime last_use_{};
  std::optional<void*> tls_;  ///< SSL* of it; null without TLS; empty: not asked for yet

  // The transfer.
  Transfer* transfer_ = nullptr;
  std::optional<Answer> answer_;
  Phase phase_ = Phase::Idle;
  std::string out_;       ///< head of the request, with the body where it is short
  std::size_t sent_ = 0;  ///< of `out_` and, where it is not in there, the body
  bool body_in_out_ = false;
  bool reused_ = false;   ///< the connection has carried others before
  bool drained_ = false;  ///< nothing is left to read but by waiting for the socket
  std::optional<Error> error_;
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> woken_{false};  ///< `wake_` may have been written to since it was read
};

}  // namespace millrace::http
