/// Which shards this process works on, and the gate through which every reconcile goes.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>

#include "kubeclient/runtime/controller.h"
#include "kubeclient/runtime/shard_plan.h"

namespace millrace::shell {

/// Safe from any thread.
class Shards {
 public:
  explicit Shards(int count) : count_(count) {}
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  int count() const { return count_; }
  /// Work on `shard` from now on.
  void open(int shard) { at(shard).state = State::Open; }
  /// Go on, but begin nothing that could not be handed over within moments.
  void begin_leaving(int shard) { at(shard).state = State::Leaving; }
  /// Begin nothing more; what is under way ends by itself, see `busy`.
  void close(int shard) { at(shard).state = State::Closed; }

  /// A lease is lost: nothing is ours any more, for good, also where there is one shard only.
  void shut() { shut_ = true; }

  bool is_shut() const { return shut_; }
  bool owns(int shard) const { return !shut_ && at(shard).state != State::Closed; }
  bool leaving(int shard) const { return at(shard).state == State::Leaving; }
  /// Reconciles of `shard` that are under way.
  int busy(int shard) const { return at(shard).busy; }

  /// One reconcile of a shard; false when it is not ours.
  class Visit {
   public:
    Visit(Shards& shards, int shard) : shards_(shards), shard_(shard) {
      ++shards_.at(shard_).busy;  // before the look at the state: who closes it looks at this
    }
    ~Visit() { --shards_.at(shard_).busy; }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    explicit operator bool() const { return shards_.owns(shard_); }

   private:
    Shards& shards_;
    int shard_;
  };

 private:
  enum class State { Closed, Open, Leaving };
  struct One {
    std::atomic<State> state{State::Closed};
    std::atomic<int> busy{0};
  };
  One& at(int shard) { return all_[static_cast<std::size_t>(shard)]; }
  const One& at(int shard) const { return all_[static_cast<std::size_t>(shard)]; }

  int count_;
  std::atomic<bool> shut_{false};
  std::array<One, runtime::kMostShards> all_;
};

/// Lets through the keys of our shards only. A key may wait in a queue for minutes, and be another
/// process's when its time comes.
class ShardedReconciler final : public runtime::Reconciler {
 public:
  /// The shard of a key; nothing when its object is not there, and so needs nothing.
  using ShardOf = std::function<std::optional<int>(const ObjectKey&)>;

  ShardedReconciler(runtime::Reconciler& inner, Shards& shards, ShardOf shard_of)
      : inner_(inner), shards_(shards), shard_of_(std::move(shard_of)) {}

  Result<runtime::Outcome> reconcile(const ObjectKey& key,
                                     const runtime::ReconcileContext& context) override {
    if (shards_.is_shut()) return runtime::Done{};
    if (shards_.count() == 1) return inner_.reconcile(key, context);
    const std::optional<int> shard = shard_of_(key);
    if (!shard) return runtime::Done{};
    const Shards::Visit visit(shards_, *shard);
    if (!visit) return runtime::Done{};
    return inner_.reconcile(key, context);
  }

 private:
  runtime::Reconciler& inner_;
  Shards& shards_;
  ShardOf shard_of_;
};

}  // namespace millrace::shell
