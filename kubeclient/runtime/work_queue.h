/// The queue between events and workers: keys, never events.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <utility>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/runtime/backoff.h"

namespace millrace {
class Counter;
class Gauge;
class Histogram;
class MetricsRegistry;
}  // namespace millrace

namespace millrace::runtime {

struct QueueOptions {
  std::string name;                 ///< label of the metrics
  BackoffPolicy backoff = {};       ///< per key
  double failures_per_second = 20;  ///< of all keys together
  double failure_burst = 100;
  std::uint32_t seed = 0;  ///< of the jitter; 0 is random
};

/// Keyed queue. A key is ready once however often it was added; it is never in work twice; one
/// added while in work is dirty and becomes ready again when done. Namespaces with ready keys take
/// turns. A key has one due time, the earliest asked for; becoming ready clears it, because
/// whoever works on the key says anew when to look again. Safe from any thread.
/// Source of the sets: client-go util/workqueue; of the due times: kube-rs runtime/scheduler.
class WorkQueue {
 public:
  /// `metrics` gets millrace_queue_{depth,adds_total,retries_total,latency_seconds,work_seconds}.
  WorkQueue(QueueOptions options, const Clock& clock, MetricsRegistry& metrics);
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// Make `key` ready at once, also when it waits for a later time.
  void add(const ObjectKey& key);
  /// Make `key` ready after `delay`, unless it becomes so earlier.
  void add_after(const ObjectKey& key, Duration delay);
  /// Count a failure of `key` and make it ready after the longer of its own backoff and what the
  /// bucket of all failures demands, at most the longest backoff. Gives that delay.
  Duration add_failed(const ObjectKey& key);
  /// Forget the failures of `key`; its due time stays.
  void forget(const ObjectKey& key);

  /// Wait for a ready key and take it into work. Nothing when `stop` is requested, or after
  /// shutdown when no ready key is left or the drain deadline has passed.
  std::optional<ObjectKey> get(const std::stop_token& stop);
  /// `get` without waiting.
  std::optional<ObjectKey> try_get();
  /// End the work on a key that get gave.
  void done(const ObjectKey& key);

  /// Take no more keys, drop those that wait for a time, and hand out the ready ones until
  /// `drain_deadline`. Does not wait.
  void shutdown(SteadyTime drain_deadline);
  /// Look at the clock again; for clocks that jump.
  void wake();

  /// When the next key becomes ready: now while one is, nothing when none waits.
  std::optional<SteadyTime> next_due() const;
  /// Ready keys.
  std::size_t depth() const;

 private:
  struct Entry {
    bool ready = false;
    bool in_work = false;
    bool dirty = false;  ///< added while in work
    int failures = 0;
    std::optional<SteadyTime> due;
    SteadyTime since;  ///< ready since, or in work since
  };
  using Keys = std::unordered_map<ObjectKey, Entry>;
  using Due = std::pair<SteadyTime, const ObjectKey*>;
  /// By time, then by name: the order must not depend on where keys lie in memory.
  struct DueOrder {
    bool operator()(const Due& a, const Due& b) const {
      return a.first != b.first ? a.first < b.first : *a.second < *b.second;
    }
  };
  /// Pointers go to the keys of `entries`, which stay where they are.
  struct State {
    State(const BackoffPolicy& policy, double rate, double burst, std::uint32_t seed)
        : backoff(policy), bucket(rate, burst), jitter(seed) {}
    Keys entries;
    std::map<std::string, std::deque<const ObjectKey*>> ready;  ///< by namespace, never empty
    std::deque<const std::string*> turns;                       ///< each namespace of `ready` once
    std::size_t depth = 0;
    std::set<Due, DueOrder> waiting;
    BackoffPolicy backoff;
    TokenBucket bucket;
    Jitter jitter;
    std::optional<SteadyTime> closed;  ///< the drain deadline, after shutdown
    std::uint64_t changes = 0;         ///< grows with each reason to look again
  };

  bool make_ready(State& state, Keys::iterator it, SteadyTime now);
  bool wait_until(State& state, Keys::iterator it, SteadyTime due);
  void clear_due(State& state, Keys::iterator it);
  void drop_if_idle(State& state, Keys::iterator it);
  void promote_due(State& state, SteadyTime now);
  std::optional<ObjectKey> take(State& state, SteadyTime now);
  void notify(State& state, bool all);

  const Clock& clock_;
  Gauge& depth_gauge_;
  Counter& adds_;
  Counter& retries_;
  Histogram& latency_;
  Histogram& work_;
  Guarded<State> state_;
  std::condition_variable_any changed_;
};

}  // namespace millrace::runtime
