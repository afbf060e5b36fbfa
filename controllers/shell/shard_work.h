/// What getting and giving up a shard means for its objects.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>

#include "controllers/shell/caches.h"
#include "controllers/shell/call_maker.h"
#include "controllers/shell/memory.h"
#include "controllers/shell/pipeline_reconciler.h"
#include "controllers/shell/shards.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/shard_keeper.h"

namespace millrace::shell {

/// Knows the shard of every cached object, and hands shards over: calls that are under way are
/// awaited, reconciles end, and what this process remembers of the shard is forgotten, since
/// another one will have changed it by the time that it comes back.
class ShardWork final : public runtime::ShardUser {
 public:
  struct Options {
    int count = 1;
    Duration drain{};                ///< how long to wait for calls, and then for reconciles
    std::function<void(int)> begin;  ///< a shard is ours: queue all there is to do in it
    std::function<void(const ObjectKey&)> look;  ///< queue a run
  };

  /// `calls` may be null.
  ShardWork(const Caches& caches, CallMaker* calls, Memory<RunMemory>& runs,
            Memory<PipelineMemory>& pipelines, const runtime::Env& env, Options options);

  Shards& gate() { return gate_; }
  const Shards& gate() const { return gate_; }
  bool many() const { return gate_.count() > 1; }

  /// The shard of an object; of a key nothing when it is not cached. Any thread.
  int of(const crds::Pipeline& pipeline) const;
  int of(const crds::PipelineRun& run) const;
  int of(const api::Job& job) const;
  std::optional<int> of_pipeline(const ObjectKey& key) const;
  std::optional<int> of_run(const ObjectKey& key) const;
  std::optional<int> of_job(const ObjectKey& key) const;

  /// New calls of this run may be begun: its shard is not about to be another's, nor all of them.
  bool may_call(const crds::PipelineRun& run) const;
  /// Forget what is known of a run that another process looks after now.
  void forget(const crds::PipelineRun& run);

  /// This process is about to end: begin no more calls, of whatever shard. Any thread.
  void begin_ending();
  /// Whether a call is under way, or its answer not on record yet; of one shard, or of any. Drops
  /// those that have not been sent. Any thread.
  bool calls_under_way(std::optional<int> shard = {});
  /// Cut the calls that are under way still: whoever has their runs next sends them again.
  void cut_calls();

  void gained(int shard) override;
  void leave(int shard) override;
  bool left(int shard) override;

 private:
  void hurry_calls(std::optional<int> shard);
  /// `visit(run)` for each run of a shard, or of all, that has not ended.
  template <class Visit>
  void each_open_run(std::optional<int> shard, const Visit& visit) const;

  const Caches& caches_;
  CallMaker* calls_;
  Memory<RunMemory>& run_memory_;
  Memory<PipelineMemory>& pipeline_memory_;
  runtime::Env env_;
  Options options_;
  Shards gate_;
  std::atomic<bool> ending_{false};
  std::array<SteadyTime, runtime::kMostShards> deadlines_{};  ///< of the present part of leaving
};

}  // namespace millrace::shell
