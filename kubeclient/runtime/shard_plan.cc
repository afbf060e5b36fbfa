#include "kubeclient/runtime/shard_plan.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "kubeclient/base/hash.h"

namespace millrace::runtime {
namespace {

/// Longer than one who asked needs to look again.
constexpr int kAskedGrace = 3;

/// How long its present holder may stay silent.
Duration duration_of(const LeaseView& view, const LeaseTimes& times) {
  const auto& seconds = view.lease->spec.lease_duration_seconds;
  return seconds ? Duration(std::chrono::seconds(*seconds)) : times.duration;
}

/// The decision, step by step.
class Planner {
 public:
  explicit Planner(const ShardsInput& input)
      : input_(input), count_(static_cast<int>(input.shards.size())) {}

  ShardsPlan plan() {
    count();
    find_blockers();
    if (plan_.blocked.empty()) {
      take();
      ask();
    }
    leave();
    return std::move(plan_);
  }

 private:
  const ShardSeen& at(int k) const { return input_.shards[static_cast<std::size_t>(k)]; }
  /// Nobody's, or ours by a write whose answer was lost.
  bool free(const ShardSeen& shard) const {
    if (!shard.known || shard.held) return false;
    return is_free(shard.view, input_.now, input_.times) ||
           shard.view.lease->spec.holder_identity == input_.self;
  }
  bool live(const ShardSeen& shard) const {
    return shard.known && !shard.held && shard.view.lease && !free(shard);
  }
  std::string wanted_by(const ShardSeen& shard) const {
    return shard.view.lease ? shard.view.lease->metadata.annotation(kWantedByAnnotation) : "";
  }
  void look_again(Duration wait) {
    wait = std::max<Duration>(wait, std::chrono::milliseconds(1));
    plan_.again = std::min(plan_.again.value_or(wait), wait);
  }

  void count() {
    std::set<std::string> who = {input_.self};
    for (const ShardSeen& shard : input_.shards) {
      if (shard.held) {
        ++held_;
        if (shard.leaving) ++leaving_;
      } else if (live(shard)) {
        const std::string& holder = shard.view.lease->spec.holder_identity;
        who.insert(holder);
        ++others_[holder];
        look_again(shard.view.seen + duration_of(shard.view, input_.times) - input_.now);
      }
      const std::string asker = shard.held || live(shard) ? wanted_by(shard) : "";
      if (!asker.empty()) who.insert(asker);
    }
    share_ = count_ / static_cast<int>(who.size());
  }

  void find_blockers() {
    const auto look = [&](const LeaseView& view) {
      if (!plan_.blocked.empty() || !view.lease || is_free(view, input_.now, input_.times)) return;
      const int theirs = shards_of(*view.lease);
      const std::string& holder = view.lease->spec.holder_identity;
      if (theirs == count_ || holder == input_.self) return;
      plan_.blocked = "lease " + view.lease->metadata.name + " is held by \"" + holder +
                      "\", which works with " + std::to_string(theirs) + " shards and not with " +
                      std::to_string(count_);
    };
    for (const ShardSeen& shard : input_.shards) {
      if (shard.known && !shard.held) look(shard.view);
    }
    for (const LeaseView& view : input_.beyond) look(view);
  }

  /// How long a free shard waits for those who need it more than this process does.
  Duration patience(const ShardSeen& shard) const {
    const Duration retry = input_.times.retry;
    const int rest = held_ - leaving_;
    Duration wait = std::min<Duration>(retry * rest / 2, retry * 2);
    const std::string asker = wanted_by(shard);
    if (!asker.empty() && asker != input_.self) wait += retry * kAskedGrace;
    return wait;
  }

  void take() {
    const bool anchor_free = count_ > 0 && free(at(0));
    const int first = static_cast<int>(stable_hash(input_.self) % static_cast<unsigned>(count_));
    std::optional<std::pair<bool, int>> best;  // not asked for by us; distance from our first
    for (int i = 0; i < count_; ++i) {
      const int k = (first + i) % count_;
      const ShardSeen& shard = at(k);
      if (!free(shard) || (anchor_free && k != 0)) continue;
      any_free_ = true;
      const Duration left = shard.free_since.value_or(input_.now) + patience(shard) - input_.now;
      if (left > Duration::zero()) {
        look_again(left);
        continue;
      }
      const std::pair order(wanted_by(shard) != input_.self, i);
      if (best && *best <= order) continue;
      best = order;
      plan_.take = k;
    }
  }

  void ask() {
    if (any_free_ || held_ >= share_) return;
    std::string richest;
    for (const auto& [holder, shards] : others_) {
      if (shards >= held_ + 2 && (richest.empty() || shards > others_[richest])) richest = holder;
    }
    if (richest.empty()) return;
    for (int k = count_ - 1; k >= 0; --k) {
      if (!live(at(k))) continue;
      const std::string asker = wanted_by(at(k));
      if (asker == input_.self) {
        plan_.ask.reset();  // one at a time
        return;
      }
      const bool of_richest = at(k).view.lease->spec.holder_identity == richest;
      if (of_richest && asker.empty() && !plan_.ask) plan_.ask = k;
    }
  }

  void leave() {
    int rest = held_ - leaving_;
    const int keep = std::max(1, share_);
    for (int k = count_ - 1; k >= 0 && rest > keep; --k) {
      const ShardSeen& shard = at(k);
      if (!shard.held || shard.leaving) continue;
      const std::string asker = wanted_by(shard);
      if (asker.empty() || asker == input_.self) continue;
      plan_.leave.push_back(k);
      --rest;
    }
  }

  const ShardsInput& input_;
  const int count_;
  ShardsPlan plan_;
  int held_ = 0;
  int leaving_ = 0;
  int share_ = 0;  ///< of each process that is known of, rounded down
  bool any_free_ = false;
  std::map<std::string, int> others_;  ///< holder → live leases
};

}  // namespace

ObjectKey shard_lease(const ObjectKey& base, int index) {
  if (index == 0) return base;
  return {base.ns, base.name + "-" + std::to_string(index)};
}

int shards_of(const api::Lease& lease) {
  const std::string& text = lease.metadata.annotation(kShardsAnnotation);
  int count = 1;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return std::clamp(count, 1, kMostShards);
}

bool is_free(const LeaseView& view, SteadyTime now, const LeaseTimes& times) {
  if (!view.lease || view.lease->spec.holder_identity.empty()) return true;
  return now - view.seen >= duration_of(view, times);
}

void note_free(ShardSeen& shard, SteadyTime now, const LeaseTimes& times) {
  if (!shard.known || shard.held || !is_free(shard.view, now, times)) {
    shard.free_since.reset();
  } else if (!shard.free_since) {
    shard.free_since = now;
  }
}

ShardsPlan plan_shards(const ShardsInput& input) { return Planner(input).plan(); }

}  // namespace millrace::runtime
