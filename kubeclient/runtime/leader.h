/// Leader election over a Lease: at most one of several processes leads.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "kubeclient/base/guarded.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/backoff.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/lease_plan.h"

namespace millrace {
class Gauge;
}

namespace millrace::runtime {

struct LeaderOptions {
  ObjectKey lease;       ///< where the Lease is
  std::string identity;  ///< of this process; must differ between any two that ever run
  LeaseTimes times = {};
  std::uint32_t seed = 0;
  int shards = 1;  ///< of how many this Lease is one; written on it
};

/// Holds a Lease. Leadership is judged by the steady clock: a process that was paused finds that
/// it leads no longer before it does anything. What it did until then is harmless, as every write
/// carries a resourceVersion.
class LeaderElector {
 public:
  /// `env.metrics` gets millrace_leader{lease}, 0 or 1.
  LeaderElector(client::Reader& reader, client::Writer& writer, LeaderOptions options,
                const Env& env);
  LeaderElector(const LeaderElector&) = delete;
  LeaderElector& operator=(const LeaderElector&) = delete;

  /// Wait until this process leads. Errors: Cancelled when `stop` came first; everything else is
  /// tried again for ever.
  Result<void> acquire(const std::stop_token& stop);
  /// Keep leading. Returns ok when `stop` came, with the lease still held: call release once the
  /// work has ended. Errors: Conflict (somebody else took it), Timeout (could not renew in time);
  /// the process should end then.
  Result<void> hold(const std::stop_token& stop);
  /// For programs without threads, instead of `acquire` and `hold`: one attempt to get the lease.
  /// Gives how long to wait before the next; nothing when this process leads.
  std::optional<Duration> try_acquire(const std::stop_token& stop);
  /// One renewal; the first is due `renew_every` after the lease was got. Gives when the next is
  /// due. Errors: as of `hold`.
  Result<Duration> renew(const std::stop_token& stop);
  /// The pieces that ShardKeeper is made of. Read the lease, without more.
  Result<void> look(const std::stop_token& stop) { return read(stop); }
  /// Make the lease ours, as it was read last; ok when this process leads. Errors: Conflict,
  /// AlreadyExists (somebody was faster), those of calls.
  Result<void> take(const std::stop_token& stop);
  /// Write on the lease of somebody else that this process wants it.
  Result<void> ask(const std::stop_token& stop);
  /// As read or written last; of the electing thread.
  const LeaseView& view() const { return view_; }
  /// Give the lease up, if held; the next candidate takes over at once.
  void release();

  /// Whether this process leads now, by the clock. Safe from any thread.
  bool leading() const;
  /// Who led when the lease was last read; empty if nobody. Safe from any thread.
  std::string holder() const;

 private:
  static constexpr const char* kInTime = "not renewed in time";

  struct State {
    std::optional<SteadyTime> renewed;  ///< start of the last successful renewal; while leading
    std::string holder;
  };

  Result<void> read(const std::stop_token& stop);
  Result<void> write(LeaseMove move, const std::stop_token& stop);
  std::map<std::string, std::string> annotations(LeaseMove move) const;
  Result<void> claim(const std::stop_token& stop);
  Error lost(Code code, const std::string& why);
  client::CallOptions call(const std::stop_token& stop, Duration timeout) const;
  void note(std::optional<api::Lease> lease);
  void lead_since(std::optional<SteadyTime> renewed);

  client::Reader& reader_;
  client::Writer& writer_;
  LeaderOptions options_;
  Env env_;
  Gauge& gauge_;
  Jitter jitter_;
  // Of the electing thread only.
  LeaseView view_;
  std::string told_;         ///< the holder that the log has heard of
  bool complained_ = false;  ///< the log has heard that the lease cannot be acquired
  std::string problem_ = kInTime;
  Guarded<State> state_;
};

}  // namespace millrace::runtime
