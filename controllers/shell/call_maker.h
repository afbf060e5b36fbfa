/// Who makes the calls of HTTP steps.
#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>

#include "controllers/logic/run.h"
#include "kubeclient/base/result.h"

namespace millrace::shell {

/// Each key of a run is called once in the life of this process. Safe from any thread.
class CallMaker {
 public:
  virtual ~CallMaker() = default;
  /// Begin `order` for the run in namespace `ns`; no-op when its key is known. `on_done` is called
  /// once when the result is there, on any thread; it must not block. Errors: what hinders for a
  /// while; the key is unknown then.
  virtual Result<void> begin(const std::string& run_uid, const std::string& ns,
                             const logic::CallOrder& order, std::function<void()> on_done,
                             const std::stop_token& stop) = 0;
  /// What is known of the run's calls, by CallOrder::key.
  virtual std::map<std::string, logic::CallState> states(const std::string& run_uid) const = 0;
  /// Drop a call; one that is under way is cancelled.
  virtual void forget(const std::string& run_uid, const std::string& key) = 0;
  /// Drop all of a run.
  virtual void forget_run(const std::string& run_uid) = 0;
  /// Drop those of a run that wait their turn: they have not been sent.
  virtual void forget_waiting(const std::string& run_uid) = 0;
};

}  // namespace millrace::shell
