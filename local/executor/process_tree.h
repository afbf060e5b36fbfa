/// The processes of this machine, as /proc shows them, and ending those that are ours.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::executor {

/// One process.
struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  std::uint64_t start = 0;  ///< clock ticks since boot; with `pid` it names a process for good
};

/// What /proc/PID/stat says; empty when it does not look like one. Pure.
std::optional<ProcessInfo> parse_stat(std::string_view text);

/// The processes below `root` in `all`, `root` excluded, parents before children. Branches that
/// begin at one of `except` are left out. Pure.
std::vector<ProcessInfo> descendants(const std::vector<ProcessInfo>& all, pid_t root,
                                     const std::set<pid_t>& except);

/// All processes now.
std::vector<ProcessInfo> list_processes();
/// The process now, or nothing when it is gone.
std::optional<ProcessInfo> read_process(pid_t pid);

/// Send `signal` if `process` is still the one that was seen: a pid that was given to somebody else
/// meanwhile is not hit. False when it is gone.
bool signal_process(const ProcessInfo& process, int signal);

/// Kill the descendants of this process, branches of `except` excluded, and reap those that became
/// its children, until none is left. Blocks until they are gone. `reaped` sees every child that is
/// reaped on the way; children in `except` are reaped too when they end meanwhile.
void kill_descendants(const std::set<pid_t>& except,
                      const std::function<void(pid_t, int status)>& reaped = {});

/// Kill every process with `marker` ("NAME=value") in its environment, but for this one and its
/// ancestors, until none is left; how many. Processes of other users cannot be read, and are none
/// of ours.
int kill_marked(std::string_view marker);

}  // namespace millrace::executor
