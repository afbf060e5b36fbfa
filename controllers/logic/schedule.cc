#include "controllers/logic/schedule.h"

#include <algorithm>
#include <limits>

#include "controllers/logic/expire.h"
#include "kubeclient/base/hash.h"

namespace millrace::logic {
namespace {

using std::chrono::floor;
using std::chrono::seconds;
using Verb = ScheduleAction::Verb;

int ticks_of(const TickRecord& record) { return std::max(record.count, 1); }

/// Turn a claim into a skip.
void skip_claim(TickRecord& record, std::string_view reason) {
  record = {record.time, TickOutcome::Skipped, std::string(reason), "", "", 0};
}

class Planner {
 public:
  explicit Planner(const ScheduleInput& input)
      : in_(input), strategy_(input.strategy), now_(floor<seconds>(input.now)) {
    plan_.ledger = input.ledger;
  }

  SchedulePlan run() {
    record_created();
    limit_history();
    if (!strategy_.unreadable) {
      register_schedule();
      if (strategy_.cron) {
        update_pause();
        if (plan_.ledger.paused.empty()) decide_due_ticks();
      }
      start_claimed();
    }
    trim();
    set_wake();
    if (plan_.ledger != in_.ledger) {
      plan_.actions.insert(plan_.actions.begin(), {Verb::WriteLedger, "", "", std::nullopt});
    }
    return std::move(plan_);
  }

 private:
  const ScheduleRun* find_run(std::string_view name) const {
    for (const ScheduleRun& run : in_.runs) {
      if (run.name == name) return &run;
    }
    return nullptr;
  }

  std::ptrdiff_t claimed() const {
    return std::count_if(plan_.ledger.ticks.begin(), plan_.ledger.ticks.end(),
                         [](const auto& t) { return t.outcome == TickOutcome::Claimed; });
  }

  bool any_active() const {
    return std::any_of(in_.runs.begin(), in_.runs.end(),
                       [](const ScheduleRun& run) { return run.tick && !run.finished; });
  }

  void drop_claims(std::string_view reason) {
    for (TickRecord& record : plan_.ledger.ticks) {
      if (record.outcome == TickOutcome::Claimed) skip_claim(record, reason);
    }
  }

  /// Claims whose run exists are done. So are those that were skipped, for being late or for an
  /// edit, when the answer to the create and the run itself were not known yet.
  void record_created() {
    for (const ScheduleRun& run : in_.runs) {
      if (TickRecord* skipped = run.tick ? only_line_of(*run.tick) : nullptr) {
        if (run.name != scheduled_run_name(in_.pipeline, *run.tick)) continue;
        *skipped = {*run.tick, TickOutcome::Created, "", run.name, run.uid, 0};
      }
    }
    for (TickRecord& record : plan_.ledger.ticks) {
      if (record.outcome != TickOutcome::Claimed) continue;
      const ScheduleRun* run = find_run(record.run);
      if (run == nullptr) continue;
      if (run->tick != record.time) {
        skip_claim(record, skip::kNameTaken);
        continue;
      }
      record.outcome = TickOutcome::Created;
      record.uid = run->uid;
    }
  }

  /// The line of `tick` alone, if that is Skipped and the only one that is about it.
  TickRecord* only_line_of(Time tick) {
    TickRecord* found = nullptr;
    for (TickRecord& record : plan_.ledger.ticks) {
      if (record.time != tick) continue;
      if (found != nullptr || record.outcome != TickOutcome::Skipped || record.count > 1) {
        return nullptr;
      }
      found = &record;
    }
    return found;
  }

  /// An edited schedule starts afresh: what passed under the old one is past.
  void register_schedule() {
    ScheduleLedger& ledger = plan_.ledger;
    const std::string expression = strategy_.cron ? strategy_.expression : "";
    const std::string time_zone = strategy_.cron ? strategy_.time_zone : "";
    if (ledger.expression == expression && ledger.time_zone == time_zone &&
        ledger.anchor.has_value() == strategy_.cron.has_value()) {
      return;
    }
    drop_claims(skip::kEdited);
    ledger.expression = expression;
    ledger.time_zone = time_zone;
    ledger.last_tick.reset();
    ledger.next_tick.reset();
    ledger.paused.clear();
    ledger.anchor.reset();
    if (strategy_.cron) ledger.anchor = now_;
  }

  Time decided_until() const { return plan_.ledger.last_tick.value_or(*plan_.ledger.anchor); }

  TickSpan due(std::size_t keep) const {
    return ticks_between(*strategy_.cron, strategy_.zone, *plan_.ledger.anchor, decided_until(),
                         now_, keep);
  }

  /// Two writes per pause, not one per tick: one when it begins, one with the count when it ends.
  void update_pause() {
    ScheduleLedger& ledger = plan_.ledger;
    const std::string_view wanted = is_expired(strategy_.expire, in_.now) ? skip::kExpired
                                    : strategy_.suspend                   ? skip::kSuspended
                                                                          : std::string_view();
    if (!wanted.empty()) drop_claims(wanted);
    if (ledger.paused == wanted) return;
    const std::string reason = ledger.paused.empty() ? std::string(wanted) : ledger.paused;
    const TickSpan span = due(1);
    if (!span.latest.empty()) add_skipped(span.latest.back(), span.older + 1, reason);
    ledger.paused = wanted;
  }

  void add_skipped(Time latest, std::int64_t count, std::string_view reason) {
    ScheduleLedger& ledger = plan_.ledger;
    ledger.last_tick = std::max(latest, decided_until());
    const auto total = [](std::int64_t n) {
      return static_cast<int>(std::min<std::int64_t>(n, std::numeric_limits<int>::max()));
    };
    if (!ledger.ticks.empty() && ledger.ticks.back().outcome == TickOutcome::Skipped &&
        ledger.ticks.back().reason == reason) {
      TickRecord& last = ledger.ticks.back();
      last.count = total(ticks_of(last) + count);
      last.time = latest;
      return;
    }
    ledger.ticks.push_back(
        {latest, TickOutcome::Skipped, std::string(reason), "", "", count > 1 ? total(count) : 0});
  }

  void add_claim(Time tick) {
    ScheduleLedger& ledger = plan_.ledger;
    ledger.last_tick = std::max(tick, decided_until());
    // A clock that was set back and an edit can bring back a tick that has its line already.
    for (const TickRecord& record : ledger.ticks) {
      if (record.time == tick && record.outcome != TickOutcome::Skipped) return;
    }
    ledger.ticks.push_back(
        {tick, TickOutcome::Claimed, "", scheduled_run_name(in_.pipeline, tick), "", 0});
  }

  bool later_than(Time tick, Duration limit) const {
    // In microseconds: nanoseconds would overflow for an absurd clock.
    return in_.now - tick > floor<std::chrono::microseconds>(limit);
  }

  /// The reason to skip a missed tick that others follow, or "" to start it as well.
  std::string_view reason_to_leave_out() const {
    if (strategy_.catch_up == CatchUp::None) return skip::kCatchUpNone;
    if (strategy_.catch_up == CatchUp::Last) return skip::kCatchUpLast;
    if (strategy_.concurrency == ConcurrencyPolicy::Replace) return skip::kSuperseded;
    return {};
  }

  void decide_due_ticks() {
    const std::string_view left_out = reason_to_leave_out();
    const int limit = std::clamp(strategy_.catch_up_limit, 1, kMostCatchUp);
    const TickSpan span = due(left_out.empty() ? static_cast<std::size_t>(limit) : 1);
    if (span.latest.empty()) return;
    const bool batch = span.older + static_cast<std::int64_t>(span.latest.size()) > 1;
    if (span.older > 0) {
      const Time before = previous_tick(span.latest.front());
      const bool dead =
          strategy_.starting_deadline && later_than(before, *strategy_.starting_deadline);
      add_skipped(before, span.older,
                  dead               ? skip::kDeadlineMissed
                  : left_out.empty() ? skip::kTooManyMissed
                                     : left_out);
    }
    for (const Time tick : span.latest) decide(tick, batch);
  }

  /// The tick before `tick`, which is known to exist and to be undecided.
  Time previous_tick(Time tick) const {
    const TickSpan span = ticks_between(*strategy_.cron, strategy_.zone, *plan_.ledger.anchor,
                                        decided_until(), tick - seconds{1}, 1);
    return span.latest.empty() ? *span.earliest : span.latest.back();
  }

  void decide(Time tick, bool batch) {
    const auto& deadline = strategy_.starting_deadline;
    if (deadline && later_than(tick, *deadline)) {
      add_skipped(tick, 1, skip::kDeadlineMissed);
      return;
    }
    const bool missed = batch || later_than(tick, kOnTime);
    if (strategy_.catch_up == CatchUp::None && !deadline && later_than(tick, kOnTime)) {
      add_skipped(tick, 1, skip::kCatchUpNone);
      return;
    }
    // What catch-up is to make up for waits its turn as a claim; a tick on time does not queue.
    const bool queues = strategy_.catch_up == CatchUp::All && missed;
    if (strategy_.concurrency == ConcurrencyPolicy::Forbid && !queues &&
        (any_active() || claimed() > 0)) {
      add_skipped(tick, 1, skip::kPreviousRunActive);
      return;
    }
    if (claimed() >= kMostCatchUp) {  // creates have failed for long; do not let the ledger grow
      add_skipped(tick, 1, skip::kTooManyMissed);
      return;
    }
    add_claim(tick);
  }

  /// Create the runs of claims, as far as the policy lets them start now.
  void start_claimed() {
    std::vector<TickRecord*> claims;
    for (TickRecord& record : plan_.ledger.ticks) {
      if (record.outcome != TickOutcome::Claimed) continue;
      if (strategy_.starting_deadline && later_than(record.time, *strategy_.starting_deadline)) {
        skip_claim(record, skip::kDeadlineMissed);
      } else {
        claims.push_back(&record);
      }
    }
    if (claims.empty()) return;
    std::sort(claims.begin(), claims.end(),
              [](const TickRecord* a, const TickRecord* b) { return a->time < b->time; });
    if (strategy_.catch_up != CatchUp::All) drop_piled_up(claims);
    switch (strategy_.concurrency) {
      case ConcurrencyPolicy::Allow:
        break;
      case ConcurrencyPolicy::Forbid:
        if (any_active()) return;
        claims.erase(claims.begin() + 1, claims.end());
        break;
      case ConcurrencyPolicy::Replace:
        for (std::size_t i = 0; i + 1 < claims.size(); ++i) {
          skip_claim(*claims[i], skip::kSuperseded);
        }
        claims.erase(claims.begin(), claims.end() - 1);
        cancel_active();
        break;
    }
    for (const TickRecord* claim : claims) {
      plan_.actions.push_back({Verb::CreateRun, claim->run, "", claim->time});
    }
  }

  /// Creates have failed for long: of the late claims only the last one starts, as of missed ticks.
  void drop_piled_up(std::vector<TickRecord*>& claims) {
    const auto on_time = std::find_if(claims.begin(), claims.end(), [&](const TickRecord* claim) {
      return !later_than(claim->time, kOnTime);
    });
    if (on_time == claims.begin()) return;
    const auto last_late = on_time - 1;
    for (auto claim = claims.begin(); claim != last_late; ++claim) {
      skip_claim(**claim, reason_to_leave_out());
    }
    claims.erase(claims.begin(), last_late);
  }

  void cancel_active() {
    for (const ScheduleRun& run : in_.runs) {
      if (!run.tick || run.finished || run.cancelling || run.deleting) continue;
      plan_.actions.push_back({Verb::CancelRun, run.name, run.uid, std::nullopt});
    }
  }

  void trim() {
    auto& ticks = plan_.ledger.ticks;
    std::size_t settled = ticks.size() - static_cast<std::size_t>(claimed());
    std::erase_if(ticks, [&](const TickRecord& record) {
      if (record.outcome == TickOutcome::Claimed || settled <= kLedgerLines) return false;
      --settled;
      return true;
    });
  }

  void limit_history() {
    keep_newest(strategy_.successful_runs_limit, true);
    keep_newest(strategy_.failed_runs_limit, false);
  }

  void keep_newest(const std::optional<int>& limit, bool succeeded) {
    if (!limit) return;
    std::vector<const ScheduleRun*> done;
    for (const ScheduleRun& run : in_.runs) {
      if (run.tick && run.finished && run.succeeded == succeeded) done.push_back(&run);
    }
    std::sort(done.begin(), done.end(), [](const ScheduleRun* a, const ScheduleRun* b) {
      return a->created != b->created ? a->created > b->created : a->name > b->name;
    });
    const auto keep = static_cast<std::size_t>(std::max(*limit, 0));
    for (std::size_t i = done.size(); i > keep; --i) {
      const ScheduleRun& run = *done[i - 1];
      if (run.deleting) continue;
      plan_.actions.push_back({Verb::DeleteRun, run.name, run.uid, std::nullopt});
    }
  }

  void set_wake() {
    ScheduleLedger& ledger = plan_.ledger;
    ledger.next_tick.reset();
    if (!strategy_.cron || !ledger.paused.empty()) return;
    const auto next = strategy_.cron->next(decided_until(), strategy_.zone, *ledger.anchor);
    if (next && !is_expired(strategy_.expire, *next)) ledger.next_tick = next;
    plan_.wake = ledger.next_tick;
    // Say that it expired when it does, and not at a tick that never comes.
    if (!plan_.wake || (strategy_.expire && *strategy_.expire < *plan_.wake)) {
      plan_.wake = strategy_.expire;
    }
  }

  const ScheduleInput& in_;
  const ScheduleStrategy& strategy_;
  const Time now_;  ///< whole seconds, as ticks are
  SchedulePlan plan_;
};

}  // namespace

SchedulePlan plan_schedule(const ScheduleInput& input) { return Planner(input).run(); }

std::string scheduled_run_name(std::string_view pipeline, Time tick) {
  constexpr std::size_t kLongest = 63;  // of a label value, which holds the name too
  constexpr std::size_t kDigits = 8;
  constexpr std::string_view infix = "-run-";
  std::string stem(pipeline);
  const std::size_t room = kLongest - infix.size() - kDigits;
  if (stem.size() > room) {
    stem.resize(room - kDigits - 1);
    while (!stem.empty() && (stem.back() == '-' || stem.back() == '.')) stem.pop_back();
    stem += '-' + hex(stable_hash(pipeline), static_cast<int>(kDigits));
  }
  const auto unix_seconds = floor<seconds>(tick).time_since_epoch().count();
  return stem + std::string(infix) +
         hex(static_cast<std::uint64_t>(unix_seconds), static_cast<int>(kDigits));
}

ScheduleLedger give_up_tick(ScheduleLedger ledger, Time tick) {
  for (TickRecord& record : ledger.ticks) {
    if (record.outcome == TickOutcome::Claimed && record.time == tick) {
      skip_claim(record, skip::kRefused);
    }
  }
  return ledger;
}

}  // namespace millrace::logic
