#include "controllers/logic/job_many.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "controllers/logic/job_policy.h"
#include "controllers/logic/job_status.h"
#include "controllers/logic/job_tally.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/pod_facts.h"
#include "controllers/logic/times.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using api::Condition;
using api::Job;
using api::Pod;
using codec::Value;
using std::chrono::seconds;

/// Pods made by one plan; the next ones follow at once.
constexpr int kCreatesAtOnce = 20;
/// Pause before a failed pod is replaced, doubled with each failure. Source: Kubernetes, Job
/// documentation, pod backoff failure policy.
constexpr seconds kFirstBackoff{10};
constexpr seconds kLongestBackoff{600};

/// The end of the Job, as decided.
struct Decision {
  bool good = false;
  std::string reason;
  std::string message;
  bool uncertain = false;  ///< rests on the clock or on an absence
};

Duration backoff_after(int failures) {
  if (failures <= 0) return Duration::zero();
  return std::min<Duration>(kFirstBackoff * (1 << std::min(failures - 1, 10)), kLongestBackoff);
}

class Planner {
 public:
  explicit Planner(const JobInput& input)
      : input_(input), job_(*input.job), shape_(job_), decided_(recorded_decision()) {
    tally_ = count_pods(input_, shape_, decided_.has_value());
  }

  JobPlan plan() {
    if (decided_) return finish(*decided_);
    if (const auto decision = decide()) return conclude(*decision);
    if ((tally_.vanished || tally_.lost) && !input_.live) return ask_live();
    JobPlan out;
    if (job_.spec.suspend) {
      out = suspend();
    } else if (has_condition(job_, "Suspended")) {
      return resume();
    } else {
      out = go_on();
      if (out.needs_live) return out;
    }
    if (deadline_) look_again(out, *deadline_);
    if (tally_.next_loss) look_again(out, *tally_.next_loss);
    // A pod that only a live read found may have lost its label, and then raises no event.
    if (input_.live && !tally_.current.empty()) look_again(out, kJobSafetyRecheck);
    return out;
  }

 private:
  static JobPlan ask_live() {
    return {.needs_live = true, .actions = {}, .reports = false, .recheck = {}};
  }

  std::optional<Decision> recorded_decision() const {
    for (const auto& [type, good] :
         {std::pair{"FailureTarget", false}, std::pair{"SuccessCriteriaMet", true}}) {
      if (!has_condition(job_, type)) continue;
      const Condition& found = *api::find_condition(job_.status.conditions, type);
      return Decision{good, found.reason, found.message};
    }
    return std::nullopt;
  }

  bool nothing_runs() const { return tally_.current.empty() && tally_.leftover.empty(); }

  std::optional<Decision> decide() {
    const bool absent = tally_.vanished || tally_.lost;
    const std::int64_t done = tally_.succeeded;
    if (shape_.completions && done >= *shape_.completions) {
      return Decision{true, "CompletionsReached", "Reached expected number of succeeded pods"};
    }
    if (shape_.indexed) {
      if (const auto rule = met_success_rule(job_.spec.success_policy, tally_.record.done)) {
        return Decision{true, "SuccessPolicy", "Matched rules at index " + std::to_string(*rule)};
      }
    }
    // While suspended no time runs, and the recorded start may be an old one until the resumption.
    const bool suspended = job_.spec.suspend || has_condition(job_, "Suspended");
    if (const auto stop = suspended ? std::nullopt : find_job_stop(input_, deadline_)) {
      return Decision{false, stop->reason, stop->message, stop->by_time};
    }
    if (tally_.fail_message) return Decision{false, "PodFailurePolicy", *tally_.fail_message};
    if (limit_exceeded()) {
      return Decision{false, "BackoffLimitExceeded", "Job has reached the specified backoff limit",
                      absent};
    }
    if (!shape_.completions && done > 0 && nothing_runs()) {
      return Decision{true, "CompletionsReached", "Reached expected number of succeeded pods",
                      absent};
    }
    return decide_by_indexes(absent);
  }

  std::optional<Decision> decide_by_indexes(bool absent) const {
    const std::int64_t failed = tally_.failed_indexes.size();
    if (shape_.max_failed_indexes && failed > *shape_.max_failed_indexes) {
      return Decision{false, "MaxFailedIndexesExceeded",
                      "Job has exceeded the specified maximal number of failed indexes", absent};
    }
    if (failed > 0 && failed + tally_.succeeded >= shape_.completions.value_or(0)) {
      return Decision{false, "FailedIndexes", "Job has failed indexes", absent};
    }
    if (!input_.create_failure) return std::nullopt;
    const CreateVerdict verdict = judge(*input_.create_failure);
    if (!verdict.permanent) return std::nullopt;
    return Decision{
        false, verdict.reason,
        "pod " + input_.create_failure->key.name + ": " + input_.create_failure->error.message};
  }

  bool limit_exceeded() const {
    if (tally_.failed > shape_.backoff_limit) return true;
    const Value* policy = job_.spec.pod_template.at_path({"spec", "restartPolicy"});
    if (policy == nullptr || policy->as_string() != "OnFailure") return false;
    return tally_.restarts > 0 && tally_.restarts >= shape_.backoff_limit;
  }

  // What a status says.

  int active() const {
    int count = 0;
    for (const auto& [slot, pod] : tally_.current)
      count += pod->metadata.deletion_timestamp ? 0 : 1;
    return count;
  }

  int ready() const {
    int count = 0;
    for (const auto& [slot, pod] : tally_.current) {
      const Condition* condition = api::find_condition(pod->status.conditions, "Ready");
      const bool is = condition != nullptr && condition->status == "True";
      count += is && !pod->metadata.deletion_timestamp ? 1 : 0;
    }
    return count;
  }

  /// The counters as they are now.
  Value counters(Time start) const {
    Value status = Value::object({{"startTime", format_time(start)},
                                  {"active", active()},
                                  {"ready", ready()},
                                  {"terminating", tally_.terminating},
                                  {"succeeded", tally_.succeeded},
                                  {"failed", tally_.failed},
                                  {"uncountedTerminatedPods", Value::object()}});
    if (shape_.indexed) status["completedIndexes"] = tally_.record.done.str();
    if (shape_.per_index) status["failedIndexes"] = tally_.failed_indexes.str();
    return status;
  }

  /// The conditions that stay as they are, `without` and the record left out.
  Value other_conditions(std::string_view without) const {
    Value out = Value::array();
    for (const Condition& c : job_.status.conditions) {
      if (c.type == kPodsCondition || c.type == without) continue;
      out.push_back(job_condition(c.type, c.status, c.reason, c.message,
                                  c.last_transition_time.value_or(input_.now)));
    }
    return out;
  }

  std::string record() const { return tally_.record.str(!shape_.indexed); }

  void add_record(Value& conditions) const {
    const std::string text = record();
    if (text.empty()) return;
    Value condition = job_condition(kPodsCondition, "True", "Counted", "", input_.now);
    condition["message"] = text;
    conditions.push_back(std::move(condition));
  }

  JobPlan write(Value status, Value conditions) const {
    add_record(conditions);
    status["conditions"] = std::move(conditions);
    JobPlan plan;
    plan.actions.push_back(job_status_patch(job_, std::move(status)));
    return plan;
  }

  // The end.

  /// The end was decided just now.
  JobPlan conclude(const Decision& decision) {
    if ((decision.uncertain || tally_.vanished || tally_.lost) && !input_.live) return ask_live();
    if (nothing_runs()) return finish(decision);
    // The decision is written before anything is ended, which would change the counters.
    Value conditions = other_conditions(target(decision));
    conditions.push_back(
        job_condition(target(decision), "True", decision.reason, decision.message, input_.now));
    return write(counters(job_start_time(input_)), std::move(conditions));
  }

  static const char* target(const Decision& decision) {
    return decision.good ? "SuccessCriteriaMet" : "FailureTarget";
  }

  JobPlan finish(const Decision& decision) {
    std::vector<const Pod*> running = tally_.leftover;
    for (const auto& [slot, pod] : tally_.current) running.push_back(pod);
    if (!running.empty()) {
      JobPlan plan = end_pods(running);
      look_again(plan, std::min<Duration>(tally_.next_loss.value_or(kJobSafetyRecheck),
                                          kJobSafetyRecheck));
      return plan;
    }
    // A create whose answer was lost may have made a pod that the cache does not have yet.
    const bool unsure = !decision.good || tally_.vanished || tally_.lost;
    if (unsure && !input_.live) return ask_live();
    const Time start = job_start_time(input_);
    Value status = counters(start);
    if (decision.good) {
      status["completionTime"] = format_time(std::max(start, truncate_to_second(input_.now)));
    }
    Value conditions = other_conditions(target(decision));
    for (const char* type : {target(decision), decision.good ? "Complete" : "Failed"}) {
      conditions.push_back(
          job_condition(type, "True", decision.reason, decision.message, input_.now));
    }
    status["conditions"] = std::move(conditions);  // the record has served its turn
    JobPlan plan;
    plan.actions.push_back(job_status_patch(job_, std::move(status)));
    return plan;
  }

  static JobPlan end_pods(const std::vector<const Pod*>& pods) {
    JobPlan plan;
    for (const Pod* pod : pods) {
      if (pod->metadata.deletion_timestamp) continue;
      plan.actions.push_back(delete_object(Pod::kResource, pod->metadata));
    }
    return plan;
  }

  // On the way.

  JobPlan suspend() {
    const bool shown = has_condition(job_, "Suspended");
    if (shown && tally_.current.empty()) return end_pods(tally_.leftover);
    // On record first: what we end ourselves is no failure.
    while (!tally_.current.empty()) tally_.give_up(tally_.current.begin()->first);
    Value status = counters(job_start_time(input_));
    status["startTime"] = nullptr;
    Value conditions = other_conditions("Suspended");
    conditions.push_back(
        job_condition("Suspended", "True", "JobSuspended", "Job suspended", input_.now));
    return write(std::move(status), std::move(conditions));
  }

  JobPlan resume() const {
    Value conditions = other_conditions("Suspended");
    conditions.push_back(
        job_condition("Suspended", "False", "JobResumed", "Job resumed", input_.now));
    return write(counters(truncate_to_second(input_.now)), std::move(conditions));
  }

  JobPlan go_on() {
    JobPlan plan = end_pods(tally_.leftover);
    const int want = wanted();
    if (static_cast<int>(tally_.current.size()) > want) {
      reduce(want);
      JobPlan surplus = write(counters(job_start_time(input_)), other_conditions(""));
      for (Action& action : surplus.actions) plan.actions.push_back(std::move(action));
      return plan;
    }
    const int missing = want - static_cast<int>(tally_.current.size());
    const RunStand run = missing > 0 ? stand_of_run(input_) : RunStand::GoesOn;
    const bool stops = run == RunStand::Ended && nothing_runs();
    if (!input_.live && (stops || run == RunStand::Unknown)) return ask_live();
    if (stops) {
      plan.actions.push_back(stop_after_run(input_));
      return plan;
    }
    if (run == RunStand::Gone) return plan;
    if (run == RunStand::GoesOn) create(plan, missing);
    show_progress(plan);
    return plan;
  }

  /// How many pods there should be.
  int wanted() const {
    if (shape_.completions) {
      const std::int64_t open =
          *shape_.completions - tally_.succeeded - tally_.failed_indexes.size();
      return static_cast<int>(std::clamp<std::int64_t>(open, 0, shape_.parallelism));
    }
    // Once one of a work queue succeeded, the queue is empty: the others may finish.
    if (tally_.succeeded == 0) return shape_.parallelism;
    return std::min(static_cast<int>(tally_.current.size()), shape_.parallelism);
  }

  /// Give up attempts until `want` are left: those on their way out first, then those that are not
  /// ready, the highest slots first.
  void reduce(int want) {
    const auto rank = [](const Pod& pod) {
      const Condition* condition = api::find_condition(pod.status.conditions, "Ready");
      if (pod.metadata.deletion_timestamp) return 0;
      return condition != nullptr && condition->status == "True" ? 2 : 1;
    };
    std::vector<std::pair<int, int>> order;  // rank, minus the slot
    for (const auto& [slot, pod] : tally_.current) order.emplace_back(rank(*pod), -slot);
    std::sort(order.begin(), order.end());
    const std::size_t surplus = tally_.current.size() - static_cast<std::size_t>(want);
    for (std::size_t i = 0; i < surplus; ++i) tally_.give_up(-order[i].second);
  }

  /// Until the slot's next attempt may begin.
  Duration pause_of(int slot) const {
    const bool each = shape_.per_index.has_value();
    const auto it = tally_.last_failure_of.find(slot);
    const std::optional<Time> last = !each ? tally_.last_failure
                                     : it == tally_.last_failure_of.end()
                                         ? std::nullopt
                                         : std::optional(it->second);
    if (!last) return Duration::zero();
    const int failures = each ? tally_.failures(slot) : tally_.failures_in_row;
    const auto pause = std::chrono::ceil<Time::duration>(backoff_after(failures));
    return time_until(*last + pause, input_.now);
  }

  void create(JobPlan& plan, int missing) const {
    if (missing <= 0) return;
    if (input_.create_failure) {
      look_again(plan, judge(*input_.create_failure).pause);
      return;
    }
    const int end = shape_.completions.value_or(std::numeric_limits<int>::max());
    int made = 0;
    for (int slot = next_free(0); slot < end && missing > 0; slot = next_free(slot + 1)) {
      const Duration pause = pause_of(slot);
      if (pause > Duration::zero()) {
        look_again(plan, pause);
        if (!shape_.per_index) return;
        continue;
      }
      if (made == kCreatesAtOnce) return look_again(plan, Duration::zero());
      plan.actions.push_back(
          create_slot_pod(job_, {slot, tally_.tries(slot)}, tally_.failures(slot)));
      ++made;
      --missing;
    }
  }

  /// The lowest slot from `slot` on that is not done, not failed, and has no pod.
  int next_free(int slot) const {
    constexpr int kEnd = std::numeric_limits<int>::max();
    while (slot < kEnd) {
      const int free = tally_.failed_indexes.next_absent(tally_.record.done.next_absent(slot));
      if (free == slot && !tally_.current.contains(slot)) return slot;
      slot = free == slot ? slot + 1 : free;
    }
    return slot;
  }

  void show_progress(JobPlan& plan) const {
    const Job::JobStatus& shown = job_.status;
    const Condition* kept = api::find_condition(shown.conditions, kPodsCondition);
    const bool same = shown.start_time && shown.active == active() && shown.ready == ready() &&
                      shown.terminating == tally_.terminating &&
                      shown.succeeded == tally_.succeeded && shown.failed == tally_.failed &&
                      (kept == nullptr ? std::string() : kept->message) == record() &&
                      (!shape_.indexed || shown.completed_indexes == tally_.record.done.str()) &&
                      (!shape_.per_index || shown.failed_indexes == tally_.failed_indexes.str());
    if (same) return;
    Time since = job_start_time(input_);
    if (input_.last_status_write) since = std::max(since, *input_.last_status_write);
    const Time due = since + std::chrono::ceil<Time::duration>(kJobProgressDelay);
    if (!input_.may_report) return look_again(plan, kJobReportAgain);
    if (input_.now < due) return look_again(plan, time_until(due, input_.now));
    plan.reports = true;
    JobPlan progress = write(counters(job_start_time(input_)), other_conditions(""));
    for (Action& action : progress.actions) plan.actions.push_back(std::move(action));
  }

  const JobInput& input_;
  const Job& job_;
  const JobShape shape_;
  const std::optional<Decision> decided_;
  JobTally tally_;
  std::optional<Duration> deadline_;
};

}  // namespace

JobPlan plan_many(const JobInput& input) { return Planner(input).plan(); }

}  // namespace millrace::logic
