/// What the main process and its spawner tell each other, as bytes. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"

namespace millrace::executor {

/// A folder or file that a process sees at another path.
struct Mount {
  std::string source;  ///< absolute; exists
  std::string target;  ///< absolute, without "." and ".." parts
  bool read_only = false;
  bool operator==(const Mount&) const = default;
};

/// One process to start.
struct SpawnRequest {
  std::vector<std::string> argv;         ///< without '/': looked up on the PATH of `environment`
  std::vector<std::string> environment;  ///< NAME=value; nothing else is passed on
  std::string working_dir;               ///< empty: "/"; made when it is missing
  /// An empty folder that a root file system of its own may be put on; empty: none, then `mounts`
  /// must be empty too.
  std::string root;
  std::vector<Mount> mounts;
  bool operator==(const SpawnRequest&) const = default;
};

std::string encode(const SpawnRequest& request);
/// Errors: Malformed.
Result<SpawnRequest> decode_request(std::string_view bytes);

/// Head of a message to the spawner.
struct OrderHead {
  enum class Verb : std::uint32_t { Spawn, Signal, Probe } verb;
  std::uint32_t signal;
  std::uint64_t id;
};

/// Head of a message from the spawner; text may follow.
struct ReportHead {
  enum class Kind : std::uint32_t {
    Started,   ///< `pid` runs the program
    Failed,    ///< it could not be started; text says why, `value` is the errno
    Exited,    ///< `value` is the wait status; nothing of it is left
    Lost,      ///< its end was not seen; nothing of it is left
    AllLost,   ///< the spawner was killed; a new one has taken over, nothing is left
    Sandboxed  ///< answer to Probe: `value` 1 or 0, text why not
  } kind;
  std::int32_t value;
  std::uint64_t id;
  std::int32_t pid;
  std::int32_t shim;
  std::int64_t max_rss_kib;
};

}  // namespace millrace::executor
