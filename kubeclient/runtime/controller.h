/// Workers that reconcile the keys of a queue.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"
#include "kubeclient/runtime/env.h"

namespace millrace {
class Histogram;
}

namespace millrace::runtime {

class WorkQueue;

/// Nothing more to do until something changes.
struct Done {
  bool operator==(const Done&) const = default;
};
/// Look again after `delay` even if nothing changes.
struct RequeueAfter {
  Duration delay{};
  bool operator==(const RequeueAfter&) const = default;
};
/// How a reconcile ended well.
using Outcome = std::variant<Done, RequeueAfter>;

/// What a reconcile gets besides its key.
struct ReconcileContext {
  std::stop_token stop;  ///< requested when the drain deadline has passed; give it to calls
  const Logger& log;     ///< has `controller`, `object` and `reconcile_id`
  std::string id;        ///< unique in the process
};

/// Brings one object nearer to what it should be. Called from several threads, never for the same
/// key at once.
class Reconciler {
 public:
  virtual ~Reconciler() = default;
  virtual Result<Outcome> reconcile(const ObjectKey& key, const ReconcileContext& context) = 0;
};

/// What the worker does with a key after a reconcile.
struct Disposition {
  enum class Next {
    Forget,   ///< no failures, no due time
    Later,    ///< no failures; again after `delay`
    Wait,     ///< as told by the server: again after `delay`, not counted as a failure
    Backoff,  ///< count a failure
  } next = Next::Forget;
  Duration delay{};
  std::string_view result;  ///< label of the metric
  bool operator==(const Disposition&) const = default;
};

/// Decide by `advice_for`; pure.
Disposition dispose(const Result<Outcome>& result);

struct ControllerOptions {
  std::string name;
  int workers = 4;
};

/// Threads `mr-rec-<n>` that take keys from a queue and reconcile them. A failed or crashed
/// reconcile is logged and counted here, once, and harms no other key.
class Controller {
 public:
  /// `env.metrics` gets millrace_reconciles_total{controller,result} and
  /// millrace_reconcile_seconds{controller}.
  Controller(ControllerOptions options, WorkQueue& queue, Reconciler& reconciler, const Env& env);
  /// Stops at once if still running.
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  void start();
  /// Shut the queue down, let the ready keys be worked off until `deadline`, then ask running
  /// reconciles to stop, and join.
  void stop(SteadyTime deadline);
  /// Take no more keys and ask running reconciles to stop, now: a `stop` that waits has its
  /// deadline then. Any thread.
  void cut() { stop_.request_stop(); }

  /// Reconcile one key that is ready now, on this thread; false when there is none. For programs
  /// without worker threads.
  bool work_once();

 private:
  void work(const std::stop_token& stop);
  void handle(const ObjectKey& key, const std::stop_token& stop);
  Result<Outcome> call(const ObjectKey& key, const ReconcileContext& context);
  void log_failure(const Error& error, const ReconcileContext& context, std::string_view result);

  ControllerOptions options_;
  WorkQueue& queue_;
  Reconciler& reconciler_;
  Env env_;
  Histogram& seconds_;
  std::stop_source stop_;
  struct Running;
  std::unique_ptr<Running> running_;
  std::vector<std::thread> threads_;
};

}  // namespace millrace::runtime
