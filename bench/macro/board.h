/// When this program saw what of each run, and what follows from it.
#pragma once

#include <condition_variable>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::bench {

SteadyTime now();

/// Times of one run; unset: not yet.
struct Marks {
  std::optional<SteadyTime> sent;      ///< the request that makes it was begun, or it was due
  std::optional<SteadyTime> answered;  ///< that request was answered
  std::optional<SteadyTime> seen;      ///< it came over the watch
  std::optional<SteadyTime> done;      ///< it met the success condition, by the watch
  std::vector<SteadyTime> jobs;        ///< its Jobs came over the watch, one after another
  std::vector<SteadyTime> pods;
  std::vector<SteadyTime> pods_ended;
  std::vector<SteadyTime> calls;        ///< its HTTP calls reached the target
  std::vector<SteadyTime> calls_ended;  ///< and were answered
};

/// Marks of runs by name. Safe from any thread.
class Board {
 public:
  using Time = std::optional<SteadyTime> Marks::*;
  using Times = std::vector<SteadyTime> Marks::*;

  /// Make place for a run; what is marked of others is ignored.
  void expect(const std::string& run);
  /// Note that `which` of `run` happened at `time`, the first time.
  void mark(const std::string& run, Time which, SteadyTime time = now());
  /// Note that `which` happened to `object` of `run` now, the first time. An empty `object` is a
  /// new one each time.
  void add(const std::string& run, Times which, const std::string& object);
  /// Give up, because `run` failed.
  void fail_run(const std::string& run);
  /// Give up, because of `why`.
  void abort(std::string why);
  /// Wait until `count` runs are done. Errors: Timeout; Invalid with the first problem.
  Result<void> wait_done(std::size_t count, SteadyTime deadline);
  std::vector<Marks> marks() const;

 private:
  struct State {
    std::unordered_map<std::string, Marks> runs;
    std::unordered_set<std::string> known;  ///< of add
    std::size_t done = 0;
    std::string problem;
  };
  Guarded<State> state_;
  std::condition_variable_any changed_;
};

/// Wall time, rate, and percentiles of every latency there are marks for [ms].
codec::Value report_of(const std::vector<Marks>& marks);

}  // namespace millrace::bench
