/// Writes Events (events.k8s.io/v1) for people, without ever holding up a reconcile.
#pragma once

#include <condition_variable>
#include <deque>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "kubeclient/base/guarded.h"
#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/event_series.h"

namespace millrace {
class Counter;
}

namespace millrace::runtime {

/// What an event about `object` refers to.
template <class T>
api::ObjectReference reference_to(const T& object) {
  const api::ObjectMeta& meta = object.metadata;
  return {T::kResource.api_version(), std::string(T::kResource.kind), meta.ns, meta.name, meta.uid,
          meta.resource_version};
}

struct EventRecorderOptions {
  EventSeriesOptions series;
  std::size_t queue = 4000;  ///< requests waiting; more are dropped and counted
  /// Writes of all objects together [1/s], after `burst` at once. Events are for people: in a storm
  /// they come later, and the API server's time goes to the work itself.
  double per_second = 20;
  double burst = 40;
  int attempts = 5;  ///< of one write, before it is given up
  BackoffPolicy backoff = {std::chrono::milliseconds(500), std::chrono::seconds(30), 3, 0.25};
  Duration call_timeout = std::chrono::seconds(10);
  std::uint32_t seed = 0;
};

/// A bounded queue and a thread `mr-events` that aggregates and writes. Events are best effort:
/// what cannot be written is counted and forgotten.
class EventRecorder {
 public:
  /// `env.metrics` gets millrace_events_total{result}: written, joined, limited, dropped, failed.
  EventRecorder(client::Writer& writer, EventRecorderOptions options, const Env& env);
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  void start();
  /// Write what waits until `deadline`, then join. Safe to repeat.
  void stop(SteadyTime deadline);

  /// Tell about an object. Never blocks; from any thread.
  void record(EventRequest request);
  /// Wait until everything recorded so far was taken care of; false at `deadline`.
  bool flush(SteadyTime deadline);
  /// Take care of one thing that was recorded, or is due, on this thread; false when there is none.
  /// For programs without threads, instead of `start`; pauses are those of `env`.
  bool work_once();
  /// When `work_once` has something to do by time alone.
  std::optional<SteadyTime> next_due() const;
  /// Look at the clock again; for clocks that jump.
  void wake();

 private:
  struct State {
    std::deque<EventRequest> queue;
    bool busy = false;
    bool closed = false;
    bool hurry = false;  ///< stopping: write what waits without pauses
    std::uint64_t wakes = 0;
  };

  void run(const std::stop_token& stop);
  void handle(const EventRequest& request, const std::stop_token& stop);
  void keep_pace(const std::stop_token& stop);
  void write(const EventWrite& write, const std::stop_token& stop);
  Result<void> send(const EventWrite& write, const std::stop_token& stop);
  Counter& counter(const char* result);

  client::Writer& writer_;
  EventRecorderOptions options_;
  Env env_;
  Counter& written_;
  Counter& joined_;
  Counter& limited_;
  Counter& dropped_;
  Counter& failed_;
  EventSeries series_;  ///< of the thread only
  Jitter jitter_;       ///< of the thread only
  TokenBucket pace_;    ///< of the thread only
  Guarded<State> state_;
  std::condition_variable_any changed_;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace millrace::runtime
