/// Objects as an API server sends them, for benchmarks.
#pragma once

#include <string>

namespace millrace::bench {

/// A pod of three steps with what the API server adds to it; about 3.5 kB, most of it nothing we
/// read.
std::string pod_text();

/// The Job number `i` of many, of about 3.3 kB.
std::string job_text(int i);

/// A watch event that says that `object` has changed.
std::string event_of(const std::string& object);

}  // namespace millrace::bench
