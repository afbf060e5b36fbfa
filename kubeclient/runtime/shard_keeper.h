/// Holds this process's part of the shards: takes, renews, asks for and gives up their Leases.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "kubeclient/base/guarded.h"
#include "kubeclient/runtime/leader.h"
#include "kubeclient/runtime/shard_plan.h"

namespace millrace::runtime {

/// Who does the work of the shards. Called on the keeper's thread, between its calls.
class ShardUser {
 public:
  virtual ~ShardUser() = default;
  /// This process holds `shard` now.
  virtual void gained(int shard) = 0;
  /// `shard` is to be given up: begin to bring its work to a point where another may go on.
  virtual void leave(int shard) = 0;
  /// Whether that point is reached; asked again and again after `leave`. The lease is given up
  /// once it says yes, and nothing of the shard may be done from then on.
  virtual bool left(int shard) = 0;
};

struct ShardOptions {
  ObjectKey lease;  ///< of shard 0; see shard_lease
  int shards = 1;   ///< 1..kMostShards
  std::string identity;
  LeaseTimes times = {};
  std::uint32_t seed = 0;
};

/// With one shard this is a leader election. All but the queries is of one thread, which others
/// help while it renews.
class ShardKeeper {
 public:
  /// `env.metrics` gets millrace_shards_held, and what LeaderElector has, for each lease.
  ShardKeeper(client::Reader& reader, client::Writer& writer, ShardOptions options, const Env& env,
              ShardUser& user);
  ShardKeeper(const ShardKeeper&) = delete;
  ShardKeeper& operator=(const ShardKeeper&) = delete;

  /// From now on renew several leases at the same time, on threads: one slow call must not cost the
  /// others. Without it one after the other, for programs without threads.
  void renew_on_threads() { threads_ = true; }
  /// Do all that is due: renew, look, take, ask, give up. Gives how long until something is due
  /// again. Errors (Conflict, Timeout): a lease was lost that had not been given up; the process
  /// should end.
  Result<Duration> step(const std::stop_token& stop);
  /// From now on renew only. Any thread.
  void take_no_more() { closing_ = true; }
  /// Give up all that is held; the next candidates take over at once.
  void release();

  /// Whether this process holds the shard now, by the clock. Any thread.
  bool holds(int shard) const;
  /// Why nothing may be taken although it might; empty if nothing is in the way. Any thread.
  std::string blocked() const { return *blocked_.lock(); }

 private:
  struct Shard {
    std::unique_ptr<LeaderElector> elector;
    ShardSeen seen;
    SteadyTime renew_due{};
    std::string told;  ///< the holder that the log has heard of
  };

  Result<void> renew(const std::stop_token& stop);
  void release_left();
  Result<void> look(const std::stop_token& stop);
  void read_beyond(const std::stop_token& stop);
  void follow(const std::stop_token& stop);
  void take(int index, const std::stop_token& stop);
  void complain(const ObjectKey& lease, const Error& error);
  void note_held();
  bool all_held() const;
  Duration next_due() const;

  client::Reader& reader_;
  client::Writer& writer_;
  ShardOptions options_;
  Env env_;
  ShardUser& user_;
  Gauge& gauge_;
  Jitter jitter_;
  std::vector<Shard> shards_;
  std::vector<std::unique_ptr<LeaderElector>> beyond_;  ///< leases of a larger number than ours
  SteadyTime look_due_{};
  bool threads_ = false;
  bool plan_due_ = false;
  bool complained_ = false;
  std::atomic<bool> closing_{false};
  Guarded<std::string> blocked_;
};

}  // namespace millrace::runtime
