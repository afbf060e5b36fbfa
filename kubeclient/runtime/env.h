/// What the parts of the runtime take from outside: time, pauses, metrics and the log.
#pragma once

#include <stop_token>
#include <string>

#include "kubeclient/base/clock.h"

namespace millrace {
class Logger;
class MetricsRegistry;
}  // namespace millrace

namespace millrace::runtime {

/// Where a thread lets time pass. Tests swap it for one that moves a manual clock.
class Pause {
 public:
  virtual ~Pause() = default;
  /// Wait for `length`; false when `stop` came first. Zero and less only look at `stop`.
  virtual bool wait(Duration length, const std::stop_token& stop) const = 0;
};

/// Waits in real time.
class SystemPause final : public Pause {
 public:
  bool wait(Duration length, const std::stop_token& stop) const override;
};

/// The surroundings of one part; everything outlives it.
struct Env {
  const Clock& clock;
  const Pause& pause;
  MetricsRegistry& metrics;
  const Logger& log;
};

/// Name the calling thread for debuggers and `top`; cut to the 15 bytes that Linux holds.
void name_this_thread(const std::string& name);

/// Give freed memory back to the system where the C library knows how, and unmap the pages of
/// program and libraries that may not be needed any more: what is, comes back from the page cache
/// at its next use. Takes milliseconds. For the end of large temporary work, such as a list.
void return_free_memory();

}  // namespace millrace::runtime
