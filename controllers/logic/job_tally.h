/// Where a Job of many pods stands: what is on record, with what its pods tell added.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controllers/logic/index_set.h"
#include "controllers/logic/job.h"

namespace millrace::logic {

/// The condition in which the record is kept until the Job has ended.
inline constexpr const char* kPodsCondition = "millrace.dev/Pods";

/// The spec, defaults filled in.
struct JobShape {
  explicit JobShape(const api::Job& job);

  bool indexed = false;
  std::optional<int> completions;  ///< none: a work queue, over when one succeeded and none runs
  int parallelism = 1;
  int backoff_limit = 6;
  std::optional<int> per_index;  ///< Indexed only
  std::optional<int> max_failed_indexes;
  bool replace_only_failed = false;  ///< a pod on its way out keeps its slot until it has ended
};

/// What the counters of a status do not tell of pods that may vanish. Slots that are done have no
/// entries.
struct PodRecord {
  IndexSet done;               ///< slots that succeeded; Indexed: kept in status.completedIndexes
  std::map<int, int> tries;    ///< slot → attempts that are settled, if any
  std::map<int, int> ignored;  ///< slot → how many of them are not held against it
  IndexSet live;               ///< slots whose attempt number `tries` had a pod

  static PodRecord parse(const std::string& text);
  std::string str(bool with_done) const;
};

/// Where the Job stands.
struct JobTally {
  PodRecord record;  ///< as it is now; `live` are the keys of `current`
  int succeeded = 0;
  int failed = 0;
  IndexSet failed_indexes;
  std::map<int, const api::Pod*> current;   ///< by slot: its attempt under way
  std::vector<const api::Pod*> leftover;    ///< have not ended, but nobody waits for their result
  int terminating = 0;                      ///< of both, those on their way out
  int restarts = 0;                         ///< of containers in the pods under way
  bool vanished = false;                    ///< rests on the absence of a pod
  bool lost = false;                        ///< rests on time: a pod's end is overdue
  std::optional<Duration> next_loss;        ///< until the next one is overdue
  std::optional<std::string> fail_message;  ///< a rule says that the Job has failed
  int failures_in_row = 0;                  ///< since the last success, as far as pods tell
  std::optional<Time> last_failure;
  std::map<int, Time> last_failure_of;  ///< by slot

  int tries(int slot) const;
  /// Failures that count against the slot.
  int failures(int slot) const;
  /// Count the attempt under way as over, neither good nor bad.
  void give_up(int slot);
};

/// `finishing`: the end is decided; what is deleted from here on counts when it has ended.
JobTally count_pods(const JobInput& input, const JobShape& shape, bool finishing);

}  // namespace millrace::logic
