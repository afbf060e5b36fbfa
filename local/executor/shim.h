/// The process between the spawner and one container.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "local/executor/spawn_wire.h"

namespace millrace::executor {

/// What a shim is told besides the request.
struct ShimTask {
  int socket;  ///< to the main process
  std::uint64_t id;
  pid_t parent;  ///< the spawner
  int out;       ///< becomes standard output; -1: /dev/null
  int err;
};

/// The signal by which a shim gets orders: its value is the signal for the container's group.
int shim_order_signal();

/// Start the program, pass signals on, and once it has ended, end all that it left behind, also
/// what left its group and session; only then report. All signals must be blocked.
[[noreturn]] void run_shim(const ShimTask& task, const SpawnRequest& request);

/// Enter the request's root; empty or the error. For a process that ends afterwards.
std::string try_sandbox(const SpawnRequest& request);

/// Tell the main process; that it is gone is no error here.
void send_report(int socket, const ReportHead& head, std::string_view text);

}  // namespace millrace::executor
