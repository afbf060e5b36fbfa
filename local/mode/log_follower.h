/// Follows the logs of containers, each on a thread of its own.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <thread>

#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "local/mode/run_files.h"

namespace millrace::mode {

/// Which log: of one step in one pod.
struct LogId {
  std::size_t run = 0;  ///< index of the run
  std::string pod;
  std::string step;
  auto operator<=>(const LogId&) const = default;
};

enum class Container { Running, Ended };

/// Threads `mr-log`. The sinks are called on them, in the order of the log, `done` last.
class LogFollower {
 public:
  struct Sinks {
    std::function<void(const LogId&, std::string line)> line;
    std::function<void(const LogId&)> done;
  };

  LogFollower(OpenLog open, const runtime::Env& env, Sinks sinks);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  /// Follow it from its beginning, once; repeats do nothing. The log of a container that
  /// has ended is there by now or never.
  void follow(const LogId& id, const std::string& ns, Container container);
  bool follows(const LogId& id) const { return threads_.contains(id); }

 private:
  void run(const LogId& id, const std::string& ns, int retries);
  /// The log, once it is there; null when it does not come.
  std::unique_ptr<client::ByteStream> open(const LogId& id, const std::string& ns, int retries);

  const OpenLog open_;
  const runtime::Env env_;
  const Sinks sinks_;
  std::stop_source stop_;
  std::map<LogId, std::thread> threads_;
};

}  // namespace millrace::mode
