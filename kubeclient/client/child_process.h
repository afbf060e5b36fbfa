/// Runs a program and collects what it prints.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::client {

/// What to run. A command without '/' is looked up on the PATH of `environment`.
struct Child {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  ///< NAME=value, nothing else is passed on
};

/// How it ended.
struct ChildEnd {
  int exit_code = 0;  ///< 128 + number if a signal killed it
  std::string out;
  std::string err;  ///< the first 64 KiB

  /// "exit code 3" or "killed by signal 9".
  std::string how() const;
};

/// Run `child` without standard input, in a process group of its own, which is killed at
/// `deadline`, on `stop`, and when it prints more than 1 MiB. Blocks; safe from any thread. Errors:
/// NotFound (no such program), Invalid (not executable, too much output), Timeout, Cancelled,
/// Unavailable (no process to be had).
Result<ChildEnd> run_child(const Child& child, std::stop_token stop, SteadyTime deadline);

}  // namespace millrace::client
