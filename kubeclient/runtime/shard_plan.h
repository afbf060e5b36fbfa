/// The Leases of shards as pure decisions: who takes, gives and asks for which.
///
/// The work is cut into n shards, each behind a Lease of its own: "<name>" is shard 0, the anchor,
/// and "<name>-<k>" shard k. With n = 1 that is the one Lease of a leader election. Every process
/// decides for itself by what it reads; the resourceVersion of each write settles races.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kubeclient/base/object_key.h"
#include "kubeclient/runtime/lease_plan.h"

namespace millrace::runtime {

/// More cannot be named in a Role, which knows no wildcards.
inline constexpr int kMostShards = 16;

/// Annotation of a Lease: into how many shards its last holder cut the work. Absent: 1.
inline constexpr const char* kShardsAnnotation = "millrace.dev/shards";
/// Annotation of a Lease: the identity of a process that has too few and asks for this one.
inline constexpr const char* kWantedByAnnotation = "millrace.dev/wanted-by";

/// The Lease of shard `index` (0 ..).
ObjectKey shard_lease(const ObjectKey& base, int index);
/// Into how many shards the last holder of `lease` cut the work.
int shards_of(const api::Lease& lease);

/// What a process knows of one shard.
struct ShardSeen {
  LeaseView view;
  bool known = false;                    ///< it was read, or written
  std::optional<SteadyTime> free_since;  ///< when this process first saw that nobody holds it
  bool held = false;                     ///< by this process
  bool leaving = false;                  ///< held, and being given up
};

struct ShardsInput {
  std::string self;
  SteadyTime now{};
  LeaseTimes times;
  std::vector<ShardSeen> shards;  ///< one of each; the size is into how many this process cuts
  /// Leases of a larger number than ours, as far as they were read.
  std::vector<LeaseView> beyond;
};

struct ShardsPlan {
  std::optional<int> take;  ///< make this one ours
  std::optional<int> ask;   ///< ask its holder for this one
  std::vector<int> leave;   ///< begin to give these up: others have none
  std::string blocked;      ///< why nothing may be taken although it might: others cut differently
  std::optional<Duration> again;  ///< when time alone may change the plan
  bool operator==(const ShardsPlan&) const = default;
};

/// Whether nobody holds the lease: none there, given up, or its holder silent for its duration.
bool is_free(const LeaseView& view, SteadyTime now, const LeaseTimes& times);

/// Note when a shard was first seen free; to be called after each look at it.
void note_free(ShardSeen& shard, SteadyTime now, const LeaseTimes& times);

/// Decide for `self`. Total.
///
/// - Who has none takes a free one at once; who has some waits for those with fewer, a retry per
/// two
///   shards held. A shard that somebody asked for waits for that one a little longer.
/// - While shard 0 is free, it alone may be taken, so that processes that cut differently meet
/// there.
/// - Who has fewer than the even share (rounded down), while none is free, asks the richest, one at
///   a time; who is asked gives down to the even share, and never its last one.
/// - While a live lease says another number of shards, nothing is taken.
ShardsPlan plan_shards(const ShardsInput& input);

}  // namespace millrace::runtime
