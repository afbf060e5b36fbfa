/// What a process has used so far, read from /proc.
#pragma once

#include <cstdint>

#include "kubeclient/base/result.h"

namespace millrace::bench {

/// A moment in the life of a process.
struct ProcessUsage {
  double cpu = 0;                  ///< processor time, user and system [s]
  std::int64_t resident = 0;       ///< [KiB]
  std::int64_t resident_anon = 0;  ///< the part of it that belongs to no file [KiB]
  std::int64_t resident_peak = 0;  ///< largest `resident` so far [KiB]
};

/// Read the usage of process `pid`. Errors: NotFound (no such process).
Result<ProcessUsage> process_usage(int pid);

}  // namespace millrace::bench
