/// Carries what containers print into their logs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "kubeclient/base/clock.h"
#include "local/executor/log_store.h"

namespace millrace::executor {

/// One thread `mr-logs` for all containers. A pipe that is not read in time holds up its writer
/// only; nothing is buffered beyond a line.
class LogPump {
 public:
  /// `ended` is called, on the thread, once both outputs of a process are closed and written.
  LogPump(const Clock& clock, std::function<void(std::uint64_t id)> ended);
  ~LogPump();
  LogPump(const LogPump&) = delete;
  LogPump& operator=(const LogPump&) = delete;

  /// Follow the outputs of process `id`; takes the descriptors. Any thread.
  void add(std::uint64_t id, int out, int err, std::unique_ptr<LogWriter> log);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::executor
