/// Signals as stop requests.
#pragma once

#include <signal.h>

#include <functional>
#include <stop_token>
#include <thread>

namespace millrace::bin {

/// Block the signals that end a program (TERM, INT, HUP) in this thread and those it starts, so
/// that a SignalWaiter gets them.
sigset_t block_signals();

/// Turns them into stop requests, on a thread that does nothing else. Build it after
/// `block_signals`.
class SignalWaiter {
 public:
  /// `told(signal)` is called on that thread for each one, before the request.
  SignalWaiter(const sigset_t& signals, std::function<void(int signal)> told);
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  /// Requested by the first signal.
  std::stop_token token() const { return first_.get_token(); }
  /// Requested by the second one.
  std::stop_token second() const { return second_.get_token(); }

 private:
  void run(const sigset_t& signals);

  const std::function<void(int)> told_;
  std::stop_source first_;
  std::stop_source second_;
  std::thread thread_;
};

/// "SIGTERM", for logs.
const char* signal_name(int signal);

}  // namespace millrace::bin
