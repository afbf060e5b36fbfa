#include "operator/bin/signals.h"

#include <pthread.h>

#include "kubeclient/runtime/env.h"

namespace millrace::bin {
namespace {

constexpr int kWake = SIGUSR2;  ///< ends the waiter when no signal came

}  // namespace

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, kWake}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

SignalWaiter::SignalWaiter(const sigset_t& signals, std::function<void(int)> told)
    : told_(std::move(told)), thread_([this, signals] {
        runtime::name_this_thread("mr-signal");
        run(signals);
      }) {}

SignalWaiter::~SignalWaiter() {
  pthread_kill(thread_.native_handle(), kWake);
  thread_.join();
}

void SignalWaiter::run(const sigset_t& signals) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == kWake) return;
    if (told_) told_(signal);
    (first_.stop_requested() ? second_ : first_).request_stop();
  }
}

const char* signal_name(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGTERM";
  }
}

}  // namespace millrace::bin
