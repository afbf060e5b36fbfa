#include "controllers/logic/schedule.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "controllers/logic/expire.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Verb = ScheduleAction::Verb;

Time at(std::string_view text) { return *parse_time(text); }
/// hh:mm[:ss] of one day.
Time clock(std::string text) {
  return at("2026-11-21T" + text + (text.size() == 5 ? ":00Z" : "Z"));
}

ScheduleStrategy strategy(std::string_view expression) {
  ScheduleStrategy s;
  s.expression = std::string(expression);
  s.cron = *CronSchedule::parse(expression);
  return s;
}

/// A schedule registered at 10:00 with nothing decided since.
ScheduleInput input(ScheduleStrategy s, std::string now) {
  ScheduleInput in;
  in.pipeline = "nightly";
  in.ledger.expression = s.expression;
  in.ledger.time_zone = s.time_zone;
  in.ledger.anchor = clock("10:00");
  in.strategy = std::move(s);
  in.now = clock(std::move(now));
  return in;
}

ScheduleRun run_of(std::string tick, bool finished = false) {
  ScheduleRun run;
  run.tick = clock(std::move(tick));
  run.name = scheduled_run_name("nightly", *run.tick);
  run.uid = "uid-" + run.name;
  run.created = *run.tick;
  run.finished = finished;
  run.succeeded = finished;
  return run;
}

std::string hhmm(Time t) { return format_time(t).substr(11, 5); }

/// "write cancel 10:05 create 10:10 delete 10:00"; runs of the schedule by their tick.
std::string steps(const SchedulePlan& plan, const ScheduleInput& in) {
  std::string text;
  for (const ScheduleAction& action : plan.actions) {
    text += text.empty() ? "" : " ";
    if (action.verb == Verb::WriteLedger) text += "write";
    if (action.verb == Verb::CreateRun) {
      EXPECT_EQ(action.run, scheduled_run_name(in.pipeline, *action.tick));
      text += "create " + hhmm(*action.tick);
    }
    if (action.verb == Verb::CancelRun) text += "cancel ";
    if (action.verb == Verb::DeleteRun) text += "delete ";
    if (action.verb != Verb::CancelRun && action.verb != Verb::DeleteRun) continue;
    for (const ScheduleRun& run : in.runs) {
      if (run.name != action.run) continue;
      EXPECT_EQ(action.uid, run.uid);
      text += hhmm(*run.tick);
    }
  }
  return text;
}

/// "Created 10:05; Skipped 10:15 x2 CatchUpLast".
std::string lines(const ScheduleLedger& ledger) {
  std::string text;
  for (const TickRecord& t : ledger.ticks) {
    text += text.empty() ? "" : "; ";
    text += t.outcome == TickOutcome::Claimed   ? "Claimed "
            : t.outcome == TickOutcome::Created ? "Created "
                                                : "Skipped ";
    text += hhmm(t.time);
    if (t.count > 0) text += " x" + std::to_string(t.count);
    if (!t.reason.empty()) text += " " + t.reason;
  }
  return text;
}

TEST(PlanSchedule, DecidesDueTicks) {
  using enum ConcurrencyPolicy;
  using enum CatchUp;
  const struct {
    const char* name;
    const char* now;
    ConcurrencyPolicy policy;
    CatchUp catch_up;
    const char* deadline;           // "" = none
    std::vector<ScheduleRun> runs;  // of ticks before the registration, so that all are known
    const char* want_steps;
    const char* want_lines;
  } cases[] = {
      {"nothing due", "10:04:59", Allow, None, "", {}, "write", ""},
      {"a tick on time", "10:05", Allow, None, "", {}, "write create 10:05", "Claimed 10:05"},
      {"a minute late is on time",
       "10:06",
       Allow,
       None,
       "",
       {},
       "write create 10:05",
       "Claimed 10:05"},
      {"None: later is missed",
       "10:06:01",
       Allow,
       None,
       "",
       {},
       "write",
       "Skipped 10:05 CatchUpNone"},
      {"None: the deadline says how late",
       "10:08",
       Allow,
       None,
       "3m",
       {},
       "write create 10:05",
       "Claimed 10:05"},
      {"None: deadline over",
       "10:08",
       Allow,
       None,
       "2m",
       {},
       "write",
       "Skipped 10:05 DeadlineMissed"},
      {"None: only the latest, if on time",
       "10:15:30",
       Allow,
       None,
       "",
       {},
       "write create 10:15",
       "Skipped 10:10 x2 CatchUpNone; Claimed 10:15"},
      {"Last: the latest, however late",
       "10:19",
       Allow,
       Last,
       "",
       {},
       "write create 10:15",
       "Skipped 10:10 x2 CatchUpLast; Claimed 10:15"},
      {"Last: within the deadline",
       "10:19",
       Allow,
       Last,
       "2m",
       {},
       "write",
       "Skipped 10:15 x3 DeadlineMissed"},
      {"All: each of them",
       "10:16",
       Allow,
       All,
       "",
       {},
       "write create 10:05 create 10:10 create 10:15",
       "Claimed 10:05; Claimed 10:10; Claimed 10:15"},
      {"All: not those beyond the deadline",
       "10:16",
       Allow,
       All,
       "7m",
       {},
       "write create 10:10 create 10:15",
       "Skipped 10:05 DeadlineMissed; Claimed 10:10; Claimed 10:15"},
      {"All: at most the limit (3 here)",
       "10:31",
       Allow,
       All,
       "",
       {},
       "write create 10:20 create 10:25 create 10:30",
       "Skipped 10:15 x3 TooManyMissed; Claimed 10:20; Claimed 10:25; Claimed 10:30"},
      {"Allow: next to an active run",
       "10:05",
       Allow,
       None,
       "",
       {run_of("09:55")},
       "write create 10:05",
       "Claimed 10:05"},
      {"Forbid: an active run",
       "10:05",
       Forbid,
       None,
       "",
       {run_of("09:55")},
       "write",
       "Skipped 10:05 PreviousRunActive"},
      {"Forbid: a finished run",
       "10:05",
       Forbid,
       None,
       "",
       {run_of("09:55", true)},
       "write create 10:05",
       "Claimed 10:05"},
      {"Forbid and All: one after another",
       "10:16",
       Forbid,
       All,
       "",
       {},
       "write create 10:05",
       "Claimed 10:05; Claimed 10:10; Claimed 10:15"},
      {"Forbid and All: wait for the active run",
       "10:16",
       Forbid,
       All,
       "",
       {run_of("09:55")},
       "write",
       "Claimed 10:05; Claimed 10:10; Claimed 10:15"},
      {"Replace: cancel, then create",
       "10:05",
       Replace,
       None,
       "",
       {run_of("09:55")},
       "write cancel 09:55 create 10:05",
       "Claimed 10:05"},
      {"Replace: finished ones stay",
       "10:05",
       Replace,
       None,
       "",
       {run_of("09:55", true)},
       "write create 10:05",
       "Claimed 10:05"},
      {"Replace and All: only the latest",
       "10:16",
       Replace,
       All,
       "",
       {run_of("09:55")},
       "write cancel 09:55 create 10:15",
       "Skipped 10:10 x2 Superseded; Claimed 10:15"},
  };
  for (const auto& c : cases) {
    ScheduleInput in = input(strategy("*/5 * * * *"), c.now);
    in.strategy.concurrency = c.policy;
    in.strategy.catch_up = c.catch_up;
    in.strategy.catch_up_limit = 3;
    if (*c.deadline != 0) in.strategy.starting_deadline = minutes(c.deadline[0] - '0');
    in.runs = c.runs;
    const SchedulePlan plan = plan_schedule(in);
    EXPECT_EQ(steps(plan, in), c.want_steps) << c.name;
    EXPECT_EQ(lines(plan.ledger), c.want_lines) << c.name;
  }
}

TEST(PlanSchedule, RecordsWhatBecameOfClaims) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05:01");
  in.ledger.last_tick = clock("10:05");
  in.ledger.next_tick = clock("10:10");
  in.ledger.ticks = {{clock("10:05"), TickOutcome::Claimed, "",
                      scheduled_run_name("nightly", clock("10:05")), "", 0}};

  EXPECT_EQ(steps(plan_schedule(in), in), "create 10:05") << "claimed, no run: taken up again";

  in.runs = {run_of("10:05")};
  SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Created 10:05");
  EXPECT_EQ(plan.ledger.ticks[0].uid, in.runs[0].uid);
  EXPECT_EQ(plan.wake, clock("10:10"));

  ScheduleInput after = in;
  after.ledger = plan.ledger;
  EXPECT_EQ(steps(plan_schedule(after), after), "");
  after.runs.clear();  // deleted by somebody
  EXPECT_EQ(steps(plan_schedule(after), after), "") << "a recorded tick never fires again";

  in.runs[0].tick.reset();
  plan = plan_schedule(in);
  EXPECT_EQ(lines(plan.ledger), "Skipped 10:05 NameTaken") << "a run of that name by hand";

  EXPECT_EQ(lines(give_up_tick(in.ledger, clock("10:05"))), "Skipped 10:05 Refused");
  EXPECT_EQ(give_up_tick(in.ledger, clock("10:10")), in.ledger);
}

TEST(PlanSchedule, RegistersAndForgets) {
  ScheduleInput in;
  in.pipeline = "nightly";
  in.strategy = strategy("*/5 * * * *");
  in.now = at("2026-11-21T10:07:00.75Z");
  SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write") << "no tick of the past";
  EXPECT_EQ(plan.ledger.expression, "*/5 * * * *");
  EXPECT_EQ(plan.ledger.anchor, clock("10:07"));
  EXPECT_EQ(plan.wake, clock("10:10"));

  const Time claimed = clock("10:10");
  in.ledger = plan.ledger;
  in.now = claimed;
  in.ledger = plan_schedule(in).ledger;
  EXPECT_EQ(lines(in.ledger), "Claimed 10:10");

  in.strategy = strategy("*/7 * * * *");  // edited before the run was created, much later
  in.now = clock("10:30");
  plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Skipped 10:10 Edited");
  EXPECT_EQ(plan.ledger.anchor, clock("10:30"));
  EXPECT_EQ(plan.wake, clock("10:35"));

  in.ledger = plan.ledger;
  in.strategy.time_zone = "Asia/Kolkata";
  EXPECT_EQ(steps(plan_schedule(in), in), "write") << "another zone is an edit";

  in.strategy = ScheduleStrategy();  // removed, or no longer valid
  in.now = clock("11:00");
  plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(plan.ledger.expression, "");
  EXPECT_EQ(plan.wake, std::nullopt);
  in.ledger = plan.ledger;
  EXPECT_EQ(steps(plan_schedule(in), in), "");

  EXPECT_EQ(plan_schedule(ScheduleInput()).actions.size(), 0U) << "never had a schedule";
}

TEST(PlanSchedule, PO_15_AnEditNeverFiresPastTicks) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "12:00");
  in.ledger.expression = "0 0 * * *";  // registered long ago
  in.strategy.catch_up = CatchUp::All;
  const SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "");
  EXPECT_EQ(plan.wake, clock("12:05"));
}

TEST(PlanSchedule, PauseCostsTwoWrites) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:06");
  in.strategy.catch_up = CatchUp::All;
  in.strategy.suspend = true;
  SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Skipped 10:05 Suspended");
  EXPECT_EQ(plan.ledger.paused, "Suspended");
  EXPECT_EQ(plan.wake, std::nullopt);

  in.ledger = plan.ledger;
  in.now = clock("10:31");
  EXPECT_EQ(steps(plan_schedule(in), in), "") << "no write for each tick";

  in.strategy.suspend = false;
  plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Skipped 10:30 x6 Suspended");
  EXPECT_EQ(plan.ledger.paused, "");
  EXPECT_EQ(plan.wake, clock("10:35"));
}

TEST(PlanSchedule, PauseDropsClaims) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
  in.ledger = plan_schedule(in).ledger;
  in.strategy.suspend = true;
  const SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Skipped 10:05 Suspended");
}

TEST(PlanSchedule, PO_6_NothingFromExpiryOn) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
  in.strategy.expire = clock("10:10");
  SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write create 10:05");
  EXPECT_EQ(plan.wake, clock("10:10")) << "to say that it expired";
  EXPECT_EQ(plan.ledger.next_tick, std::nullopt);

  in.ledger = plan.ledger;
  in.runs = {run_of("10:05")};
  in.now = clock("10:10");
  in.strategy.catch_up = CatchUp::All;
  plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Created 10:05; Skipped 10:10 Expired");
  EXPECT_EQ(plan.ledger.paused, "Expired");
  EXPECT_EQ(plan.wake, std::nullopt);

  in.ledger = plan.ledger;
  in.now = clock("11:00");
  EXPECT_EQ(steps(plan_schedule(in), in), "");
  in.strategy.expire = clock("12:00");  // moved: what passed meanwhile stays past
  plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Created 10:05; Skipped 11:00 x11 Expired");
  EXPECT_EQ(plan.wake, clock("11:05"));
}

TEST(PlanSchedule, ForbidWorksThroughWhatCatchUpClaimed) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:16");
  in.strategy.concurrency = ConcurrencyPolicy::Forbid;
  in.strategy.catch_up = CatchUp::All;
  std::string history;
  for (int i = 0; i < 20; ++i) {
    const SchedulePlan plan = plan_schedule(in);
    in.ledger = plan.ledger;
    for (const ScheduleAction& action : plan.actions) {
      if (action.verb != Verb::CreateRun) continue;
      history += hhmm(*action.tick) + " ";
      in.runs.push_back(run_of(hhmm(*action.tick)));
    }
    if (!plan.actions.empty()) continue;
    for (ScheduleRun& run : in.runs) run.finished = run.succeeded = true;
  }
  EXPECT_EQ(history, "10:05 10:10 10:15 ");
  EXPECT_EQ(lines(in.ledger), "Created 10:05; Created 10:10; Created 10:15");

  // A tick that comes on time does not queue behind an active run.
  in.runs.push_back(run_of("10:15"));
  in.now = clock("10:20");
  EXPECT_EQ(lines(plan_schedule(in).ledger),
            "Created 10:05; Created 10:10; Created 10:15; Skipped 10:20 PreviousRunActive");
}

TEST(PlanSchedule, ReplaceCancelsEachRunOnce) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
  in.strategy.concurrency = ConcurrencyPolicy::Replace;
  in.runs = {run_of("09:50"), run_of("09:55"), run_of("09:45")};
  in.runs[0].cancelling = true;
  in.runs[2].deleting = true;
  in.runs.push_back({"by-hand", "uid-1", std::nullopt, clock("09:00")});
  EXPECT_EQ(steps(plan_schedule(in), in), "write cancel 09:55 create 10:05");
}

TEST(PlanSchedule, KeepsTheNewestRuns) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:01");
  in.ledger.next_tick = clock("10:05");
  in.strategy.successful_runs_limit = 1;
  in.strategy.failed_runs_limit = 2;
  in.runs = {run_of("09:10", true), run_of("09:20", true), run_of("09:15", true),
             run_of("09:25"),       run_of("09:30", true), run_of("09:35", true),
             run_of("09:40", true), run_of("09:05", true)};
  for (const std::size_t failed : {4U, 5U, 6U}) in.runs[failed].succeeded = false;
  in.runs.push_back({"by-hand", "uid-1", std::nullopt, clock("08:00"), true, true});
  in.runs[7].deleting = true;  // already on its way
  EXPECT_EQ(steps(plan_schedule(in), in), "delete 09:10 delete 09:15 delete 09:30");

  in.strategy.successful_runs_limit = 0;
  in.strategy.failed_runs_limit.reset();
  EXPECT_EQ(steps(plan_schedule(in), in), "delete 09:10 delete 09:15 delete 09:20");
}

TEST(PlanSchedule, DeadlineHoldsForClaimsToo) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
  in.strategy.starting_deadline = minutes{2};
  in.ledger = plan_schedule(in).ledger;
  in.now = clock("10:07");
  EXPECT_EQ(steps(plan_schedule(in), in), "create 10:05");
  in.now = clock("10:07:01");  // its create was refused since
  EXPECT_EQ(lines(plan_schedule(in).ledger), "Skipped 10:05 DeadlineMissed");
}

TEST(PlanSchedule, WhatPiledUpWhileCreatesFailedDoesNotStartAllAtOnce) {
  const struct {
    CatchUp catch_up;
    const char* want_steps;
    const char* want_lines;
  } cases[] = {
      {CatchUp::None, "write create 10:10 create 10:15",
       "Skipped 10:05 CatchUpNone; Claimed 10:10; Claimed 10:15"},
      {CatchUp::Last, "write create 10:10 create 10:15",
       "Skipped 10:05 CatchUpLast; Claimed 10:10; Claimed 10:15"},
      {CatchUp::All, "write create 10:05 create 10:10 create 10:15",
       "Claimed 10:05; Claimed 10:10; Claimed 10:15"},
  };
  for (const auto& c : cases) {
    ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
    in.strategy.catch_up = c.catch_up;
    in.ledger = plan_schedule(in).ledger;
    in.now = clock("10:09");
    EXPECT_EQ(steps(plan_schedule(in), in), "create 10:05") << "however late";
    in.now = clock("10:10");
    SchedulePlan plan = plan_schedule(in);
    EXPECT_EQ(steps(plan, in), "write create 10:05 create 10:10");
    in.ledger = plan.ledger;
    in.now = clock("10:15");
    plan = plan_schedule(in);
    EXPECT_EQ(steps(plan, in), c.want_steps);
    EXPECT_EQ(lines(plan.ledger), c.want_lines);
  }
}

TEST(PlanSchedule, ASkippedTickWhoseRunTurnsUpIsCreated) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
  in.ledger = plan_schedule(in).ledger;
  for (const char* now : {"10:10", "10:15"}) {  // the create of 10:05 has timed out
    in.now = clock(now);
    in.ledger = plan_schedule(in).ledger;
  }
  ASSERT_EQ(lines(in.ledger), "Skipped 10:05 CatchUpNone; Claimed 10:10; Claimed 10:15");
  in.runs = {run_of("10:05")};  // the server had made it all the same
  const SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(lines(plan.ledger), "Created 10:05; Claimed 10:10; Claimed 10:15");
  EXPECT_EQ(plan.ledger.ticks[0].uid, in.runs[0].uid);
}

TEST(PlanSchedule, OldRunsGoBeforeNewOnesCome) {
  // A quota on runs refuses the create until one is gone.
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
  in.strategy.successful_runs_limit = 1;
  in.runs = {run_of("09:55", true), run_of("10:00", true)};
  EXPECT_EQ(steps(plan_schedule(in), in), "write delete 09:55 create 10:05");
}

TEST(PlanSchedule, NothingIsForgottenWhileTheZoneCannotBeRead) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:05");
  in.strategy.catch_up = CatchUp::All;
  const ScheduleStrategy good = in.strategy;
  in.ledger = plan_schedule(in).ledger;
  ASSERT_EQ(lines(in.ledger), "Claimed 10:05");
  in.strategy.cron.reset();
  in.strategy.unreadable = true;
  in.now = clock("10:16");
  SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write");
  EXPECT_EQ(lines(plan.ledger), "Claimed 10:05");
  EXPECT_EQ(plan.ledger.next_tick, std::nullopt) << "it is not known";
  EXPECT_EQ(plan.wake, std::nullopt);
  in.ledger = plan.ledger;
  EXPECT_EQ(steps(plan_schedule(in), in), "");
  in.strategy = good;
  plan = plan_schedule(in);
  EXPECT_EQ(steps(plan, in), "write create 10:05 create 10:10 create 10:15");
}

TEST(PlanSchedule, LedgerStaysBounded) {
  ScheduleInput in = input(strategy("* * * * *"), "10:01");
  in.strategy.catch_up = CatchUp::All;
  for (int i = 0; i < 500; ++i) {  // creates fail all the time
    in.ledger = plan_schedule(in).ledger;
    in.now += minutes{1};
  }
  std::size_t claims = 0;
  for (const TickRecord& t : in.ledger.ticks) claims += t.outcome == TickOutcome::Claimed ? 1 : 0;
  EXPECT_EQ(claims, static_cast<std::size_t>(kMostCatchUp));
  EXPECT_LE(in.ledger.ticks.size(), claims + 1);
  EXPECT_EQ(in.ledger.ticks.back().reason, skip::kTooManyMissed);
  EXPECT_EQ(in.ledger.ticks.back().count, 400);

  in = input(strategy("* * * * *"), "10:01");
  for (int i = 0; i < 100; ++i) {  // and here they work
    in.ledger = plan_schedule(in).ledger;
    in.runs = {run_of(hhmm(in.now))};
    in.ledger = plan_schedule(in).ledger;
    in.now += minutes{1};
  }
  EXPECT_EQ(in.ledger.ticks.size(), kLedgerLines);
}

TEST(PlanSchedule, AThousandTicksOfDowntime) {
  const struct {
    const char* name;
    CatchUp catch_up;
    std::size_t creates;
    const char* skipped;
    int count;
  } cases[] = {{"None", CatchUp::None, 1, "CatchUpNone", 999},
               {"Last", CatchUp::Last, 1, "CatchUpLast", 999},
               {"All", CatchUp::All, 100, "TooManyMissed", 900}};
  for (const auto& c : cases) {
    ScheduleInput in = input(strategy("* * * * *"), "10:00");
    in.now += minutes{1000};
    in.strategy.catch_up = c.catch_up;
    in.strategy.catch_up_limit = kMostCatchUp;
    const SchedulePlan plan = plan_schedule(in);
    EXPECT_EQ(plan.actions.size(), c.creates + 1) << c.name;
    EXPECT_EQ(plan.ledger.ticks[0].reason, c.skipped) << c.name;
    EXPECT_EQ(plan.ledger.ticks[0].count, c.count) << c.name;
    EXPECT_EQ(plan.ledger.last_tick, in.now) << c.name;
    EXPECT_EQ(plan.wake, in.now + minutes{1}) << c.name;
  }
}

TEST(PlanSchedule, AClockSetBackFiresNothingAgain) {
  ScheduleInput in = input(strategy("*/5 * * * *"), "10:30");
  in.strategy.catch_up = CatchUp::All;
  in.ledger = plan_schedule(in).ledger;
  for (const TickRecord& t : in.ledger.ticks) in.runs.push_back(run_of(hhmm(t.time)));
  in.ledger = plan_schedule(in).ledger;
  for (const char* now : {"10:12", "10:29:59", "10:30", "09:00"}) {
    in.now = clock(now);
    const SchedulePlan plan = plan_schedule(in);
    EXPECT_EQ(steps(plan, in), "") << now;
    EXPECT_EQ(plan.wake, clock("10:35")) << now;
  }
}

TEST(PlanSchedule, EveryCountsFromItsRegistration) {
  ScheduleInput in = input(strategy("@every 90s"), "10:00:30");
  EXPECT_EQ(plan_schedule(in).wake, clock("10:01:30"));
  in.now = clock("10:04:31");
  const SchedulePlan plan = plan_schedule(in);
  EXPECT_EQ(plan.ledger.last_tick, clock("10:04:30"));
  EXPECT_EQ(plan.wake, clock("10:06:00"));
}

TEST(PlanSchedule, SurvivesAnAbsurdClock) {
  ScheduleInput in = input(strategy("* * * * *"), "10:00");
  in.now = at("9990-01-01T00:00:00Z");
  in.strategy.starting_deadline = minutes{1};
  in.strategy.catch_up = CatchUp::All;
  const SchedulePlan plan = plan_schedule(in);
  EXPECT_GT(plan.ledger.last_tick, at("9989-12-31T23:58:00Z"));
}

TEST(ScheduledRunName, FitsIntoALabel) {
  const Time tick = at("2026-11-21T10:05:00Z");
  EXPECT_EQ(scheduled_run_name("nightly", tick), "nightly-run-6b016ccc");
  const std::string fits(50, 'a');
  EXPECT_EQ(scheduled_run_name(fits, tick), fits + "-run-6b016ccc");
  const std::string long_name = std::string(40, 'a') + "-" + std::string(100, 'b');
  const std::string name = scheduled_run_name(long_name, tick);
  EXPECT_LE(name.size(), 63U);
  EXPECT_TRUE(name.ends_with("-run-6b016ccc"));
  EXPECT_NE(name, scheduled_run_name(long_name + "c", tick));
  EXPECT_EQ(name.find("--"), std::string::npos);
}

TEST(ParseExpire, Layout) {
  const struct {
    const char* name;
    const char* text;
    const char* want;  // "" = never, "!" = error
  } cases[] = {
      {"never", "", ""},
      {"plain", "2026-12-31 23:59:59", "2026-12-31T23:59:59Z"},
      {"next midnight", "2026-12-31 24:00:00", "2027-01-01T00:00:00Z"},
      {"leap day", "2028-02-29 00:00:00", "2028-02-29T00:00:00Z"},
      {"no leap day", "2026-02-29 00:00:00", "!"},
      {"past 24", "2026-12-31 24:00:01", "!"},
      {"minute 60", "2026-12-31 23:60:00", "!"},
      {"no time", "2026-12-31", "!"},
      {"RFC 3339", "2026-12-31T23:59:59Z", "!"},
      {"short hour", "2026-12-31 3:59:59", "!"},
      {"blank behind", "2026-12-31 23:59:59 ", "!"},
      {"letters", "2026-12-31 2x:59:59", "!"},
  };
  for (const auto& c : cases) {
    const auto got = parse_expire(c.text);
    const std::string text = !got.ok() ? "!" : *got ? format_time(**got) : "";
    EXPECT_EQ(text, c.want) << c.name;
  }
  EXPECT_TRUE(is_expired(clock("10:00"), clock("10:00")));
  EXPECT_FALSE(is_expired(clock("10:00"), clock("09:59:59")));
  EXPECT_FALSE(is_expired(std::nullopt, clock("10:00")));
}

/// A cluster that executes plans and may crash after any action; it counts what happened to each
/// tick.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    in.pipeline = "nightly";
    in.now = clock("00:00:17");
  }

  std::int64_t roll(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }

  /// Plan, do the first `limit` actions, and forget everything else. Gives back what was left out.
  std::size_t step(std::size_t limit) {
    const SchedulePlan plan = plan_schedule(in);
    std::size_t done = 0;
    for (const ScheduleAction& action : plan.actions) {
      if (done == limit) break;
      ++done;
      act(action, plan);
    }
    return plan.actions.size() - done;
  }

  void settle() {
    for (int i = 0; i < 4; ++i) {
      if (plan_schedule(in).actions.empty()) return;
      step(1000);
    }
    ADD_FAILURE() << "the plan does not settle";
  }

  ScheduleInput in;
  std::map<Time, int> created;  ///< tick -> runs ever created
  std::set<Time> claimed;
  std::set<Time> dropped;  ///< claims that became skips
  /// Off: the clock goes back and the schedule is edited, so that lines of future ticks exist.
  bool balanced = true;
  int ledger_writes = 0;

 private:
  void act(const ScheduleAction& action, const SchedulePlan& plan) {
    auto run = std::find_if(in.runs.begin(), in.runs.end(),
                            [&](const ScheduleRun& r) { return r.name == action.run; });
    switch (action.verb) {
      case Verb::WriteLedger:
        EXPECT_NE(plan.ledger, in.ledger);
        account(plan.ledger);
        in.ledger = plan.ledger;
        ++ledger_writes;
        break;
      case Verb::CreateRun: {
        const auto line = std::find_if(
            in.ledger.ticks.begin(), in.ledger.ticks.end(),
            [&](const TickRecord& t) { return t.time == action.tick && t.run == action.run; });
        ASSERT_NE(line, in.ledger.ticks.end()) << "created without a claim on record";
        EXPECT_EQ(line->outcome, TickOutcome::Claimed);
        if (run != in.runs.end()) break;  // AlreadyExists
        ++created[*action.tick];
        ScheduleRun fresh;
        fresh.name = action.run;
        fresh.uid = "uid-" + std::to_string(++uids_);
        fresh.tick = action.tick;
        fresh.created = in.now;
        if (in.strategy.concurrency == ConcurrencyPolicy::Forbid) {
          for (const ScheduleRun& r : in.runs) EXPECT_TRUE(r.finished) << "two runs under Forbid";
        }
        in.runs.push_back(fresh);
        break;
      }
      case Verb::CancelRun:
        ASSERT_NE(run, in.runs.end());
        EXPECT_FALSE(run->cancelling);
        run->cancelling = true;
        break;
      case Verb::DeleteRun:
        ASSERT_NE(run, in.runs.end());
        EXPECT_TRUE(run->finished);
        in.runs.erase(run);
        break;
    }
  }

  static int weight(const TickRecord& t) { return std::max(t.count, 1); }

  /// Every tick that `next` newly decides is in it: as a claim, or counted in a skipped line.
  void account(const ScheduleLedger& next) {
    const ScheduleLedger& old = in.ledger;
    for (const TickRecord& t : old.ticks) {
      if (t.outcome != TickOutcome::Claimed) continue;
      const auto now = std::find_if(next.ticks.begin(), next.ticks.end(),
                                    [&](const TickRecord& n) { return n.time == t.time; });
      const bool merged = now == next.ticks.end();
      if (merged || now->outcome == TickOutcome::Skipped) dropped.insert(t.time);
    }
    if (!balanced || old.expression != next.expression || old.expression.empty()) return;
    const Time from = old.last_tick.value_or(*old.anchor);
    const Time to = next.last_tick.value_or(*next.anchor);
    ASSERT_GE(to, from);
    std::int64_t want = 0;
    for (auto t = in.strategy.cron->next(from, in.strategy.zone, *old.anchor); t && *t <= to;
         t = in.strategy.cron->next(*t, in.strategy.zone, *old.anchor)) {
      ++want;
    }
    std::int64_t got = 0;
    bool last_line_kept = old.ticks.empty();
    for (const TickRecord& t : next.ticks) {
      if (!old.ticks.empty() && t.time == old.ticks.back().time) {
        last_line_kept = weight(t) == weight(old.ticks.back());
      }
      if (t.time <= from) continue;
      got += weight(t);
      if (t.outcome == TickOutcome::Claimed) {
        EXPECT_TRUE(claimed.insert(t.time).second) << "claimed twice: " << format_time(t.time);
      }
    }
    if (!last_line_kept) got -= weight(old.ticks.back());  // it grew into a new line
    EXPECT_EQ(got, want) << lines(old) << "  ->  " << lines(next);
  }

  std::mt19937_64 random_;
  int uids_ = 0;
};

TEST(PlanSchedule, RandomWalkLosesAndDoublesNoTick) {
  const char* const expressions[] = {"*/5 * * * *", "* * * * *", "@every 90s", "3,17 */2 * * *"};
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    const bool backwards = seed % 3 != 0;
    const bool edits = seed % 3 != 1;
    w.balanced = !backwards || !edits;
    const auto set_expression = [&] {
      const std::string text = expressions[w.roll(0, 3)];
      w.in.strategy.expression = text;
      w.in.strategy.cron = *CronSchedule::parse(text);
    };
    w.in.strategy.catch_up = static_cast<CatchUp>(w.roll(0, 2));
    w.in.strategy.concurrency = static_cast<ConcurrencyPolicy>(w.roll(0, 2));
    w.in.strategy.catch_up_limit = static_cast<int>(w.roll(1, 12));
    if (w.roll(0, 2) == 0) w.in.strategy.starting_deadline = seconds(w.roll(10, 900));
    if (w.roll(0, 2) == 0) w.in.strategy.successful_runs_limit = static_cast<int>(w.roll(0, 3));
    if (w.roll(0, 2) == 0) w.in.strategy.failed_runs_limit = static_cast<int>(w.roll(0, 3));
    set_expression();
    for (int i = 0; i < 150; ++i) {
      const auto event = w.roll(0, 19);
      if (event < 9) w.in.now += seconds(w.roll(0, 400));
      if (event == 9) w.in.now += minutes(w.roll(10, 180));               // downtime
      if (event == 10 && backwards) w.in.now -= seconds(w.roll(1, 900));  // the clock is set back
      if (event == 11) w.in.strategy.suspend = !w.in.strategy.suspend;
      if (event == 12 && edits) set_expression();
      if (event == 13) w.in.strategy.concurrency = static_cast<ConcurrencyPolicy>(w.roll(0, 2));
      if (event == 14) {
        w.in.strategy.expire.reset();
        if (w.roll(0, 1) == 0) w.in.strategy.expire = w.in.now + minutes(w.roll(-5, 60));
      }
      for (ScheduleRun& run : w.in.runs) {
        if (run.finished || w.roll(0, 2) != 0) continue;
        run.finished = true;
        run.succeeded = w.roll(0, 1) == 0;
      }
      w.step(static_cast<std::size_t>(w.roll(0, 4)));  // crash after so many actions
      if (w.roll(0, 3) == 0) w.settle();
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
    for (int i = 0; i < 200; ++i) {  // let the queue of Forbid run dry
      for (ScheduleRun& run : w.in.runs) run.finished = true;
      if (plan_schedule(w.in).actions.empty()) break;
      w.settle();
    }
    for (const auto& [tick, runs] : w.created) EXPECT_EQ(runs, 1) << format_time(tick);
    for (const Time tick : w.claimed) {
      EXPECT_TRUE(w.created.contains(tick) || w.dropped.contains(tick))
          << "lost: " << format_time(tick);
    }
    if (HasNonfatalFailure()) return;
  }
}

TEST(PlanSchedule, CrashAtEveryStepKeepsEveryTick) {
  // Allow and All, no edits: each tick of the day has exactly one run, wherever the crashes fall.
  for (std::size_t crash = 0; crash < 12; ++crash) {
    World w(1);
    w.in.strategy = strategy("*/5 * * * *");
    w.in.strategy.catch_up = CatchUp::All;
    w.in.strategy.catch_up_limit = kMostCatchUp;
    w.settle();
    for (int i = 0; i < 60; ++i) {
      w.in.now += minutes(i % 7 == 0 ? 47 : 3);
      w.step(crash % 4);
      if (i % 3 == 0) w.step(crash / 4);
      w.settle();
      EXPECT_EQ(plan_schedule(w.in).actions.size(), 0U);
    }
    std::size_t want = 0;
    for (Time t = clock("00:05"); t <= w.in.now; t += minutes{5}) {
      ++want;
      EXPECT_EQ(w.created[t], 1) << "crash " << crash << ", " << format_time(t);
    }
    EXPECT_EQ(w.created.size(), want);
  }
}

TEST(PlanSchedule, ATickCostsTwoLedgerWrites) {
  World w(1);
  w.in.strategy = strategy("*/5 * * * *");
  w.settle();
  w.ledger_writes = 0;
  w.in.now = clock("00:05");
  w.settle();
  EXPECT_EQ(w.created.size(), 1U);
  EXPECT_EQ(w.ledger_writes, 2);
}

}  // namespace
}  // namespace millrace::logic
