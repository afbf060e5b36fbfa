/// Planning for the schedule of one Pipeline: which ticks get a run, on record.
///
/// Each tick passes through a ledger that lives in `status.schedule`: it is *claimed* by a status
/// write with a resourceVersion precondition, its run is created under a name derived from the
/// tick, and the run's UID is recorded as *created*; or it is *skipped*, with a reason. The planner
/// keeps no memory: what happened is in the ledger and in the list of runs, so a crash between any
/// two steps is repaired by planning again.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/logic/cron.h"
#include "controllers/logic/time_zone.h"
#include "crds/pipeline.h"
#include "kubeclient/base/clock.h"

namespace millrace::logic {

/// Allow runs both; Forbid skips the tick, and what `CatchUp::All` makes up for runs one after
/// another; Replace cancels the earlier run, then starts.
using ConcurrencyPolicy = crds::ConcurrencyPolicy;
/// None starts the latest missed tick if it is at most `starting_deadline` (else kOnTime) late;
/// Last starts the latest, however late; All starts all of them, up to `catch_up_limit`.
using CatchUp = crds::CatchUp;
using TickOutcome = crds::TickOutcome;
/// One line of the ledger. A Skipped line may stand for several ticks in a row; `time` is the
/// latest. `run` names the run of a Claimed or Created line, `uid` that of a Created one.
using TickRecord = crds::TickRecord;
/// The value of `status.schedule`. All times are whole seconds. `expression` is empty while no
/// schedule is registered; every tick up to `last_tick` (none: up to `anchor`) is decided.
using ScheduleLedger = crds::ScheduleStatus;

/// Lines kept in a ledger, claimed ones not counted: those are never dropped.
constexpr std::size_t kLedgerLines = 20;
/// Largest and standard number of ticks that `CatchUp::All` starts.
constexpr int kMostCatchUp = 100;
constexpr int kCatchUpLimit = 10;
/// A tick seen at most this late was not missed: time for a change of leader.
constexpr std::chrono::seconds kOnTime{60};

/// Reasons of skipped ticks.
namespace skip {
constexpr std::string_view kSuspended = "Suspended";
constexpr std::string_view kExpired = "Expired";
constexpr std::string_view kPreviousRunActive = "PreviousRunActive";  ///< Forbid
constexpr std::string_view kSuperseded = "Superseded";                ///< Replace, by a later tick
constexpr std::string_view kDeadlineMissed = "DeadlineMissed";
constexpr std::string_view kCatchUpNone = "CatchUpNone";      ///< missed, and not made up for
constexpr std::string_view kCatchUpLast = "CatchUpLast";      ///< missed, only the latest starts
constexpr std::string_view kTooManyMissed = "TooManyMissed";  ///< beyond `catch_up_limit`
constexpr std::string_view kEdited = "Edited";        ///< claimed, then the schedule changed
constexpr std::string_view kNameTaken = "NameTaken";  ///< a run of that name is not of this tick
constexpr std::string_view kRefused = "Refused";      ///< the API server will never accept it
}  // namespace skip

/// `spec.strategy`, parsed.
struct ScheduleStrategy {
  std::string expression;            ///< as written; names the registration
  std::string time_zone;             ///< as written
  std::optional<CronSchedule> cron;  ///< none: no schedule (absent, invalid, or a stream)
  /// The expression is right, but not its zone or `expire`: nothing fires and nothing is decided.
  bool unreadable = false;
  TimeZone zone;
  std::optional<Time> expire;
  ConcurrencyPolicy concurrency = ConcurrencyPolicy::Allow;
  std::optional<Duration> starting_deadline;
  bool suspend = false;
  CatchUp catch_up = CatchUp::None;
  int catch_up_limit = kCatchUpLimit;  ///< 1..kMostCatchUp
  std::optional<int> successful_runs_limit;
  std::optional<int> failed_runs_limit;
};

/// A run of the pipeline, as the cache shows it.
struct ScheduleRun {
  std::string name;
  std::string uid;
  std::optional<Time> tick;  ///< set when the schedule created it (read from the run itself)
  Time created{};
  bool finished = false;
  bool succeeded = false;
  bool cancelling = false;  ///< cancel was asked for
  bool deleting = false;
};

/// Everything the plan depends on.
struct ScheduleInput {
  std::string pipeline;  ///< name of the Pipeline
  ScheduleStrategy strategy;
  ScheduleLedger ledger;
  std::vector<ScheduleRun> runs;  ///< of this Pipeline; any order
  Time now{};
};

/// One step for the shell. Each is safe to repeat.
struct ScheduleAction {
  enum class Verb {
    WriteLedger,  ///< write `SchedulePlan::ledger` with a resourceVersion precondition
    CancelRun,    ///< set spec.cancel of `run`
    CreateRun,    ///< create `run` for `tick`; AlreadyExists with our owner is success
    DeleteRun     ///< delete `run` with its `uid` as precondition (history limits)
  } verb;
  std::string run;
  std::string uid;           ///< of CancelRun and DeleteRun
  std::optional<Time> tick;  ///< of CreateRun; now - tick is its lateness

  bool operator==(const ScheduleAction&) const = default;
};

/// Steps for the shell, and the ledger that follows from them.
struct SchedulePlan {
  /// Run in order, stop at the first error. A DeleteRun that fails holds up nothing: deletes come
  /// before creates, which a quota may refuse until there is room.
  std::vector<ScheduleAction> actions;
  ScheduleLedger ledger;     ///< equal to the input's when there is nothing to write
  std::optional<Time> wake;  ///< when time alone changes the plan; none: never
};

/// Plan the next steps. Total: every input has a plan. After CreateRun the run must be visible in
/// the next input (write-through), or the action is planned again. Once all actions have run,
/// planning again records the created runs, and after that there is nothing to do until `wake` or
/// an event.
SchedulePlan plan_schedule(const ScheduleInput& input);

/// Name of the run of `tick`: `<pipeline>-run-<8 hex digits of its unix seconds>`. A pipeline name
/// too long for 63 bytes is cut and gets a hash.
std::string scheduled_run_name(std::string_view pipeline, Time tick);

/// `ledger` after the API server refused for good to create the run of `tick`: the claim becomes
/// Skipped, kRefused.
ScheduleLedger give_up_tick(ScheduleLedger ledger, Time tick);

}  // namespace millrace::logic
