/// Processor time of this process.
#pragma once

#include <string_view>

namespace millrace::bench {

/// User and system time of all threads so far, those that ended included [s].
double process_cpu_seconds();
/// The same of the running threads whose names begin with `name`.
double thread_cpu_seconds(std::string_view name);

}  // namespace millrace::bench
