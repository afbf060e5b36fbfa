#include "controllers/logic/job_tally.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "controllers/logic/job_many.h"
#include "controllers/logic/job_policy.h"
#include "controllers/logic/job_status.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/pod_facts.h"
#include "controllers/logic/times.h"

namespace millrace::logic {
namespace {

using api::Job;
using api::Pod;

/// More than any Job has pods at once: somebody has written into the record.
constexpr std::int64_t kMostLive = 1000000;
constexpr int kMostTries = 1000000000;

std::string pairs(const std::map<int, int>& map) {
  std::string out;
  for (const auto& [slot, count] : map) {
    if (!out.empty()) out += ',';
    out += std::to_string(slot) + ":" + std::to_string(count);
  }
  return out;
}

int to_int(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return std::clamp(number, 0, kMostTries);
}

std::map<int, int> parse_pairs(std::string_view text) {
  std::map<int, int> out;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos) continue;
    out[to_int(part.substr(0, colon))] = to_int(part.substr(colon + 1));
  }
  return out;
}

/// Adds what pods tell to what is on record.
class Counter {
 public:
  Counter(const JobInput& input, const JobShape& shape, bool finishing)
      : input_(input), job_(*input.job), shape_(shape), finishing_(finishing) {
    load();
    for (const Pod* pod : input.pods) {
      const auto slot = slot_of(*pod);
      if (!slot || !is_controlled_by(pod->metadata, job_.metadata.uid)) continue;
      pods_[slot->slot][slot->attempt] = pod;
    }
  }

  JobTally count() {
    std::map<int, int> highest = input_.slots_seen;  // slot → highest attempt that existed
    for (const auto& [slot, attempts] : pods_) raise(highest, slot, attempts.rbegin()->first);
    for (const int slot : tally_.record.live.members()) raise(highest, slot, tally_.tries(slot));
    for (const auto& [slot, attempt] : highest) walk(slot, attempt);
    look_back();
    tally_.record.live = {};
    for (const auto& [slot, pod] : tally_.current) tally_.record.live.insert(slot);
    if (shape_.indexed) tally_.succeeded = static_cast<int>(tally_.record.done.size());
    return std::move(tally_);
  }

 private:
  static void raise(std::map<int, int>& map, int slot, int attempt) {
    const auto [it, fresh] = map.try_emplace(slot, attempt);
    if (!fresh) it->second = std::max(it->second, attempt);
  }
  void load() {
    if (const auto* kept = api::find_condition(job_.status.conditions, kPodsCondition)) {
      tally_.record = PodRecord::parse(kept->message);
    }
    tally_.succeeded = job_.status.succeeded;
    tally_.failed = job_.status.failed;
    if (!shape_.indexed) return;
    tally_.record.done = IndexSet::parse(job_.status.completed_indexes);
    tally_.failed_indexes = IndexSet::parse(job_.status.failed_indexes);
    const int count = shape_.completions.value_or(0);  // may have been lowered
    tally_.record.done.erase_from(count);
    tally_.failed_indexes.erase_from(count);
  }

  const Pod* find(int slot, int attempt) const {
    const auto it = pods_.find(slot);
    if (it == pods_.end()) return nullptr;
    const auto pod = it->second.find(attempt);
    return pod == it->second.end() ? nullptr : pod->second;
  }

  /// Everything about one slot, up to its attempt `highest`.
  void walk(int slot, int highest) {
    const bool wanted = !shape_.indexed || slot < shape_.completions.value_or(0);
    const bool over =
        !wanted || tally_.record.done.contains(slot) || tally_.failed_indexes.contains(slot);
    const int settled = over ? std::numeric_limits<int>::max() : tally_.tries(slot);
    if (const auto it = pods_.find(slot); it != pods_.end()) {
      for (const auto& [attempt, pod] : it->second) {
        if (attempt < settled) leave(*pod);
      }
    }
    if (over) return;
    for (int attempt = settled; attempt <= highest; ++attempt) {
      const Pod* pod = find(slot, attempt);
      if (pod != nullptr && has_succeeded(*pod)) {
        if (tally_.record.done.insert(slot)) ++tally_.succeeded;
        tally_.record.tries.erase(slot);
        tally_.record.ignored.erase(slot);
        for (int later = attempt + 1; later <= highest; ++later) {
          if (const Pod* extra = find(slot, later)) leave(*extra);
        }
        return;
      }
      if (!take(slot, pod)) return;
      if (tally_.failed_indexes.contains(slot)) return;
    }
  }

  /// One attempt that did not succeed; false when it is still under way.
  bool take(int slot, const Pod* pod) {
    if (pod == nullptr) {
      tally_.vanished = true;
      fail(slot, nullptr);
      return true;
    }
    if (has_ended(*pod)) {
      fail(slot, pod);
      return true;
    }
    if (overdue(*pod)) {
      tally_.lost = true;
      fail(slot, nullptr);
      return true;
    }
    const bool leaving = pod->metadata.deletion_timestamp.has_value();
    if (leaving && !finishing_ && !shape_.replace_only_failed) {
      fail(slot, nullptr);
      note_failure(slot, std::min(input_.now, *pod->metadata.deletion_timestamp));
      leave(*pod);
      return true;
    }
    tally_.current[slot] = pod;
    if (leaving) leave_time(*pod);
    for (const auto* statuses :
         {&pod->status.init_container_statuses, &pod->status.container_statuses}) {
      for (const auto& status : *statuses) tally_.restarts += status.restart_count;
    }
    return false;
  }

  bool overdue(const Pod& pod) const {
    const auto loss = lost_at(pod);
    return loss && input_.now >= *loss;
  }

  void leave_time(const Pod& pod) {
    ++tally_.terminating;
    if (const auto loss = lost_at(pod)) {
      tally_.next_loss =
          std::min(tally_.next_loss.value_or(Duration::max()), time_until(*loss, input_.now));
    }
  }

  /// A pod whose result nobody waits for.
  void leave(const Pod& pod) {
    if (has_ended(pod) || overdue(pod)) return;
    tally_.leftover.push_back(&pod);
    if (pod.metadata.deletion_timestamp) leave_time(pod);
  }

  /// The attempt failed; `pod` is null where nothing is known of how.
  void fail(int slot, const Pod* pod) {
    FailureVerdict verdict;
    if (pod != nullptr) verdict = judge_pod_failure(job_.spec.pod_failure_policy, *pod);
    ++tally_.record.tries[slot];
    if (verdict.action == FailureAction::Ignore) {
      ++tally_.record.ignored[slot];
      return;
    }
    ++tally_.failed;
    if (verdict.action == FailureAction::FailJob && !tally_.fail_message) {
      tally_.fail_message = verdict.message;
    }
    const bool fail_index = shape_.per_index && (verdict.action == FailureAction::FailIndex ||
                                                 tally_.failures(slot) > *shape_.per_index);
    if (!fail_index) return;
    tally_.failed_indexes.insert(slot);
    tally_.record.tries.erase(slot);
    tally_.record.ignored.erase(slot);
  }

  void note_failure(int slot, Time when) { failures_.emplace_back(when, slot); }

  /// The failures since the last success, by when the pods ended.
  void look_back() {
    std::optional<Time> success;
    for (const auto& [slot, attempts] : pods_) {
      for (const auto& [attempt, pod] : attempts) {
        if (!has_ended(*pod)) continue;
        const Time when =
            end_time(*pod).value_or(pod->metadata.creation_timestamp.value_or(input_.now));
        if (has_succeeded(*pod)) {
          success = std::max(success.value_or(when), when);
        } else if (!pod->metadata.deletion_timestamp) {
          note_failure(slot, when);
        }
      }
    }
    for (const auto& [when, slot] : failures_) {
      const auto [it, fresh] = tally_.last_failure_of.try_emplace(slot, when);
      it->second = std::max(it->second, when);
      tally_.last_failure = std::max(tally_.last_failure.value_or(when), when);
      if (!success || when > *success) ++tally_.failures_in_row;
    }
  }

  const JobInput& input_;
  const Job& job_;
  const JobShape& shape_;
  const bool finishing_;
  JobTally tally_;
  std::map<int, std::map<int, const Pod*>> pods_;  ///< slot → attempt → pod
  std::vector<std::pair<Time, int>> failures_;
};

}  // namespace

JobShape::JobShape(const Job& job) {
  const Job::Spec& spec = job.spec;
  indexed = spec.completion_mode == "Indexed";
  completions = spec.completions;
  if (!completions && (indexed || !spec.parallelism)) completions = 1;
  parallelism = std::max(0, spec.parallelism.value_or(1));
  if (indexed) {
    per_index = spec.backoff_limit_per_index;
    max_failed_indexes = spec.max_failed_indexes;
  }
  backoff_limit = spec.backoff_limit.value_or(per_index ? std::numeric_limits<int>::max() : 6);
  replace_only_failed = spec.pod_replacement_policy == "Failed" ||
                        (spec.pod_replacement_policy.empty() && !spec.pod_failure_policy.is_null());
}

PodRecord PodRecord::parse(const std::string& text) {
  PodRecord record;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = part.substr(0, equals);
    const std::string_view value = part.substr(equals + 1);
    if (key == "done") record.done = IndexSet::parse(value);
    if (key == "tries") record.tries = parse_pairs(value);
    if (key == "ignored") record.ignored = parse_pairs(value);
    if (key == "live") record.live = IndexSet::parse(value);
    if (record.live.size() > kMostLive) record.live = {};
  }
  return record;
}

std::string PodRecord::str(bool with_done) const {
  std::string out;
  const auto add = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    if (!out.empty()) out += ' ';
    out += std::string(key) + "=" + value;
  };
  if (with_done) add("done", done.str());
  add("tries", pairs(tries));
  add("ignored", pairs(ignored));
  add("live", live.str());
  return out;
}

int JobTally::tries(int slot) const {
  const auto it = record.tries.find(slot);
  return it == record.tries.end() ? 0 : it->second;
}

int JobTally::failures(int slot) const {
  const auto it = record.ignored.find(slot);
  return tries(slot) - (it == record.ignored.end() ? 0 : it->second);
}

void JobTally::give_up(int slot) {
  const auto it = current.find(slot);
  if (it == current.end()) return;
  leftover.push_back(it->second);
  current.erase(it);
  ++record.tries[slot];
  ++record.ignored[slot];
  record.live = {};
  for (const auto& [other, pod] : current) record.live.insert(other);
}

JobTally count_pods(const JobInput& input, const JobShape& shape, bool finishing) {
  return Counter(input, shape, finishing).count();
}

}  // namespace millrace::logic
