/// Starts processes for a program that has threads, and leaves none behind.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kubeclient/base/result.h"
#include "local/executor/spawn_wire.h"

namespace millrace::executor {

/// What became of a process that was to be started.
struct SpawnEvent {
  enum class Kind {
    Started,
    Failed,      ///< could not be started: `message` says why, `error` is the errno
    Exited,      ///< it and everything that came from it is gone
    Lost,        ///< gone too, but how it ended was not seen
    SpawnerGone  ///< of no process: nothing can be started any more
  } kind = Kind::Lost;
  std::uint64_t id = 0;
  int pid = 0;
  int exit_code = 0;  ///< Exited: 128 + signal if a signal ended it
  int signal = 0;     ///< Exited: that signal, or 0
  int error = 0;
  std::string message = {};
  bool operator==(const SpawnEvent&) const = default;
};

/// The main process's side. The helper processes (spawner_process.h) cost about a millisecond, and
/// end everything they started when this object, or this process, is gone, in whatever way.
class Spawner {
 public:
  using Sink = std::function<void(const SpawnEvent&)>;

  /// Fork the helpers. Call first thing in main: the process must have one thread and should be
  /// small. Errors: Unavailable.
  static Result<std::unique_ptr<Spawner>> fork_off();
  /// Kills what still runs, and waits for that.
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  /// Begin to listen: `sink` gets every event, on the thread `mr-spawn`. Once.
  void start(Sink sink);
  /// No event reaches the sink once this has returned.
  void stop_listening();
  /// Start a process in a session and group of its own, with `out` and `err` (may be -1) as its
  /// outputs; they stay the caller's to close. Never blocks for long; Started or Failed follows,
  /// then Exited or Lost. Errors: Unavailable (nothing follows then). Any thread.
  Result<void> spawn(std::uint64_t id, const SpawnRequest& request, int out, int err);
  /// Send `number` to its group. Once the process itself ends, all that came from it is killed.
  void signal(std::uint64_t id, int number);
  /// Whether processes can have a root of their own, tried on the empty folder `root`; empty: they
  /// can, else why not. Waits for the answer, some milliseconds. After start.
  std::string try_sandbox(const std::string& root);

 private:
  Spawner();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::executor
