/// What this process remembers of runs and Jobs between reconciles. Losing it costs a write or two.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "controllers/logic/action.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"

namespace millrace::shell {

/// A Job that this process tried to make.
struct MadeJob {
  int tries = 0;      ///< 2 and more: somebody else may have met it
  bool made = false;  ///< it was there after the last one
};

/// Memory of one run.
struct RunMemory {
  std::optional<Time> last_create;  ///< or begin of calls that needed no status
  std::optional<Time> last_status_write;
  std::map<std::string, MadeJob> made_jobs;     ///< by name
  std::map<std::string, std::int64_t> applied;  ///< Deployment name → generation after our Apply
  std::optional<logic::CreateFailure> pod_failure;
  int create_failures = 0;             ///< in a row
  std::map<std::string, Time> looked;  ///< manifest steps: when their object was looked at
  std::optional<Time> archive_held;    ///< see RunPlan::hold_archive
};

/// Memory of one Job.
struct JobMemory {
  bool pod_seen = false;
  bool tried = false;             ///< to make its pod
  std::map<int, int> slots_seen;  ///< Jobs of many pods: slot → highest attempt seen
  std::optional<Time> last_status_write;
  int create_failures = 0;  ///< in a row
};

/// Memory by UID. Safe from any thread.
template <class T>
class Memory {
 public:
  /// A copy; default-built when nothing is known.
  T get(const std::string& uid) const {
    const auto map = map_.lock();
    const auto it = map->find(uid);
    return it == map->end() ? T{} : it->second;
  }
  /// Change what is known: `change(T&)`, under the lock.
  template <class Change>
  void update(const std::string& uid, const Change& change) {
    auto map = map_.lock();
    change((*map)[uid]);
  }
  /// What `look(const T&)` finds in it, under the lock; of an empty T when nothing is known.
  template <class Look>
  auto read(const std::string& uid, const Look& look) const {
    const auto map = map_.lock();
    const auto it = map->find(uid);
    return it == map->end() ? look(T{}) : look(it->second);
  }
  void forget(const std::string& uid) { map_.lock()->erase(uid); }
  std::size_t size() const { return map_.lock()->size(); }

 private:
  Guarded<std::unordered_map<std::string, T>> map_;
};

}  // namespace millrace::shell
