#include "controllers/logic/graph.h"

#include <algorithm>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/outcome.h"
#include "controllers/logic/params.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using crds::StepPhase;
using crds::StepState;

bool Graph::all_ended(Group group) const {
  return std::all_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group != group || ended(*unit);
  });
}

bool Graph::any_failed(Group group) const {
  return std::any_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group == group && unit->state.of.empty() && failed(*unit);
  });
}

/// It begins with an object of its own, which outlives a crash, and not with a call or a record.
bool Graph::makes_objects(const Unit& unit) const {
  const NodeAction& action = node_of(unit).action;
  return std::holds_alternative<PodStep>(action) || std::holds_alternative<ChildStep>(action) ||
         std::holds_alternative<ManifestStep>(action);
}

/// A Job, call or child run that stands although the status does not say so yet: the write was
/// still to come.
void Graph::take_up(Group group) {
  for (const auto& owned : units_) {
    Unit& unit = *owned;
    if (node_of(unit).group != group || unit.state.state != StepPhase::Pending) continue;
    if (!stands(unit)) continue;
    unit.state.attempt = std::max(1, unit.state.attempt);
    unit.state.state = StepPhase::Running;
    if (!unit.state.started_at) unit.state.started_at = truncate_to_second(input_.now);
    stop_waiting(unit);
  }
}

/// What its `when` says, now that its turn has come; ends the step unless it is to begin. Before it
/// waits for anything else: what does not run needs no place, and holds nothing up.
bool Graph::is_wanted(Unit& unit) {
  const Node& node = node_of(unit);
  const bool first = unit.state.attempt <= 1 && unit.state.of.empty();
  // One that waits for a place or a create was looked at before.
  if (!first || node.when.empty() || unit.state.waiting) return true;
  unit.state.attempt = 1;
  const Result<bool> wanted = holds(unit, node.when);
  if (!wanted.ok()) {
    fail_attempt(unit,
                 {"ExpressionError", node.path + ".when: " + wanted.error().message,
                  crds::RetryCause::Failed, true},
                 input_.now);
    return false;
  }
  if (*wanted) return true;
  skip(unit, kWhenFalse, "its condition is false: " + cut(node.when, 200));
  fresh_ = true;
  return false;
}

/// Whether the turn of a pending step has come; `busy`: combinations that run, by node.
bool Graph::may_start(Unit& unit, const std::unordered_map<std::size_t, int>& busy) {
  const Node& node = node_of(unit);
  if (unit.state.of.empty()) {
    const Turn turn = turn_of(node);
    if (turn == Turn::CutOff) skip(unit, kDependencyFailed);
    if (turn != Turn::Now) return false;
  } else if (node.matrix && node.matrix->max_parallel) {
    const auto known = busy.find(unit.node);
    if (known != busy.end() && known->second >= *node.matrix->max_parallel) return false;
  }
  if (early_) {
    const auto* http = std::get_if<HttpStep>(&node.action);
    if (http == nullptr || !http->belt) return false;
  }
  if (!is_wanted(unit)) return false;
  if (unit.state.waiting && unit.state.waiting->reason == kBackoff && node.retry) {
    const Time until = settle_backoff(unit);
    if (input_.now < until) {
      look_again(plan_, until - input_.now);
      return false;
    }
    // The attempt before has to be on record before the next begins.
    if (unit.recorded == nullptr || unit.state != *unit.recorded) return false;
  }
  const int limit = compiled_.parallelism.value_or(0);
  if (limit > 0 && running_ >= limit && !is_matrix(unit)) {
    wait_for(unit, "Parallelism", "");
    return false;
  }
  if (held_) return false;
  if (fresh_ && makes_objects(unit)) {
    // What it may build on is on no record yet but in this process: that first, or a crash
    // would leave an object that nothing explains.
    must_write_ = true;
    look_again(plan_, Duration::zero());
    return false;
  }
  return true;
}

/// Observe what runs in `group`, and start what may start.
void Graph::advance(Group group) {
  const auto in_group = [&](const Unit& unit) { return node_of(unit).group == group; };
  const auto watch_matrices = [&] {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      Unit& unit = *units_[i];
      if (in_group(unit) && is_matrix(unit) && unit.state.state == StepPhase::Running) {
        watch_matrix(unit);
      }
    }
  };
  same_after_ = nullptr;
  take_up(group);
  // By index: a matrix adds units while we go.
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (in_group(*units_[i]) && units_[i]->state.state == StepPhase::Running) watch(*units_[i]);
  }
  watch_matrices();
  if (wants_.any()) return;
  std::unordered_map<std::size_t, int> busy;
  for (std::size_t i = nodes_.size(); i < units_.size(); ++i) {
    if (units_[i]->state.state == StepPhase::Running) ++busy[units_[i]->node];
  }
  for (std::size_t i = 0; i < units_.size(); ++i) {
    Unit& unit = *units_[i];
    if (!in_group(unit) || unit.state.state != StepPhase::Pending) continue;
    if (!may_start(unit, busy)) continue;
    start(unit);
    if (unit.state.state == StepPhase::Running && !unit.state.of.empty()) ++busy[unit.node];
    if (is_matrix(unit)) {  // some of its combinations may run already
      for (const std::size_t one : combinations(unit.node)) {
        if (units_[one]->state.state == StepPhase::Running) ++busy[unit.node];
      }
    }
  }
  watch_matrices();
}

/// The run is tried again: what failed, and what that held up.
void Graph::retry_run() {
  auto& retries = status_.retry_status ? *status_.retry_status : status_.retry_status.emplace();
  const auto failure = first_failure();
  std::vector<std::string> names;
  for (const auto& owned : units_) {
    Unit& unit = *owned;
    if (node_of(unit).group != Group::Main) continue;
    StepState& state = unit.state;
    // Combinations that were left out when their step failed and that was tolerated.
    if (!state.of.empty() && done(*units_[unit.node])) continue;
    const bool held_up = state.state == StepPhase::Skipped && state.reason != kWhenFalse;
    const bool tolerated = state.state == StepPhase::Failed && !failed(unit);
    if (tolerated || (state.state != StepPhase::Failed && !held_up)) continue;
    if (state.state == StepPhase::Failed) {
      crds::AttemptRecord record;
      record.step = unit.name;
      record.build_name = state.job_name;
      record.attempt = state.attempt;
      record.start_time = state.started_at;
      record.completion_time = state.finished_at;
      record.reason = state.reason;
      record.message = state.message;
      if (!is_matrix(unit)) {
        retries.history_build.push_back(std::move(record));
        names.push_back(unit.name);
      }
    }
    StepState next;
    next.name = state.name;
    next.of = state.of;
    next.matrix = state.matrix;
    next.attempt =
        state.state == StepPhase::Failed && !is_matrix(unit) ? state.attempt + 1 : state.attempt;
    // Its combinations are known: it goes on with those that have not succeeded.
    if (is_matrix(unit) && !combinations(unit.node).empty()) next.state = StepPhase::Running;
    state = std::move(next);
  }
  ++retries.retry_count;
  retried_ = true;
  run_value_.reset();
  set_going(
      status_, input_, "BuildRetry",
      (failure ? failure->message : std::string()) + "; trying again with " + first_of(names));
  must_write_ = true;
  look_again(plan_, Duration::zero());
}

/// The values that the run uses; false when it ends for what is wrong with them.
bool Graph::resolve() {
  if (run_.status.params.empty() && !status_.start_time) {
    auto resolved = resolve_params(compiled_.params, run_.spec.params);
    if (!resolved.ok()) {
      set_failed(status_, input_, "ParamsInvalid", resolved.error().message);
      set_end(status_, input_.now);
      return false;
    }
    status_.params = *std::move(resolved);
  }
  params_ = status_.params;
  return true;
}

/// True once the run has started; else the plan says what it waits for, or its end.
bool Graph::begin() {
  if (status_.start_time) return true;
  if (input_.expired) {
    set_cancelled(status_, input_, "PipelineExpired",
                  "Pipeline is expired; change spec.strategy.expire of the pipeline and create a "
                  "new run");
    set_end(status_, input_.now);
    return false;
  }
  if (run_.spec.cancel && jobs_.empty() && input_.calls.empty() && input_.children.empty()) {
    if (!input_.live.workload) {
      wants_.workload = true;
      return false;
    }
    set_cancelled(status_, input_, "Cancelled", "cancelled on request, before it started");
    set_end(status_, input_.now);
    return false;
  }
  if (!take_place()) return false;
  status_.start_time = truncate_to_second(input_.now);
  if (run_.metadata.creation_timestamp) {
    status_.start_time = std::max(*status_.start_time, *run_.metadata.creation_timestamp);
  }
  return true;
}

/// The run is to end before its steps have; true once nothing but `finally` may run.
bool Graph::wind_down(bool late, Duration timeout) {
  const std::string why = !late ? "cancelled on request"
                                : "the run did not end within " + format_duration(timeout) +
                                      " (spec.timeout of the run)";
  const bool over = all_ended(Group::Main) && all_ended_or_unwanted(Group::OnError);
  const bool quiet = stop_all(false, late ? "RunTimeout" : "Cancelled", why);
  if (wants_.any() || (over && quiet)) return quiet;
  if (late) {
    set_going(status_, input_, "RunTimeout", why);
  } else {
    set_stopping(status_, input_, why);
  }
  return quiet;
}

/// Steps, and what follows from their failures; true once nothing but `finally` may run.
bool Graph::go_on() {
  advance(Group::Main);
  if (asks()) return false;
  const bool quiet = all_ended(Group::Main);
  if (!any_failed(Group::Main)) {
    if (!quiet) return false;
    for (const auto& unit : units_) {
      if (node_of(*unit).group == Group::OnError && !ended(*unit)) {
        skip(*unit, kWhenFalse, "no step failed");
      }
    }
    return true;
  }
  const int retries = status_.retry_status ? status_.retry_status->retry_count : 0;
  const bool again = retries < run_.spec.max_retry_count && !any_begun(Group::OnError) &&
                     !any_begun(Group::Finally);
  if (again) {
    if (quiet) retry_run();
    return false;
  }
  // conveyor-belt calls its error job as soon as a job has failed for good, and does not wait for
  // those that still run.
  early_ = !quiet;
  if (quiet || belt_) advance(Group::OnError);
  early_ = false;
  return quiet && all_ended(Group::OnError);
}

RunPlan Graph::plan() {
  if (!resolve() || !begin()) return take();
  const Duration timeout = run_.spec.timeout.value_or(Duration::zero());
  const Time deadline =
      *status_.start_time + std::chrono::duration_cast<std::chrono::microseconds>(timeout);
  const bool late = timeout > Duration::zero() && input_.now >= deadline;
  if (timeout > Duration::zero() && !late) look_again(plan_, deadline - input_.now);
  const bool stopped = run_.spec.cancel || late;
  const bool quiet = stopped ? wind_down(!run_.spec.cancel, timeout) : go_on();
  if (asks() || retried_) return take();
  if (quiet) {
    finally_turn();
    if (asks()) return take();
    if (all_ended(Group::Finally)) {
      finish();
      return take();
    }
  }
  if (!stopped) say_running();
  return take();
}

/// When the first of the finally steps began, or began to wait for what kept all of them from it.
std::optional<Time> Graph::finally_begun() const {
  std::optional<Time> begun;
  const auto also = [&](const std::optional<Time>& when) {
    if (when) begun = std::min(begun.value_or(*when), *when);
  };
  for (const auto& unit : units_) {
    if (node_of(*unit).group != Group::Finally) continue;
    const StepState& state = unit->state;
    also(state.started_at);
    if (!state.waiting || !state.waiting->since || state.state != StepPhase::Pending) continue;
    std::chrono::milliseconds before{0};  // what it waited for until then
    for (const crds::StepWaited& waited : state.waited) {
      before += std::chrono::milliseconds(waited.milliseconds);
    }
    also(*state.waiting->since - before);
  }
  if (!status_.retry_status) return begun;
  for (const crds::AttemptRecord& record : status_.retry_status->history_build) {
    const Unit* unit = find(record.step);
    if (unit != nullptr && node_of(*unit).group == Group::Finally) also(record.start_time);
  }
  return begun;
}

/// The steps that always run, within their time.
void Graph::finally_turn() {
  const Duration budget = compiled_.finally_timeout.value_or(std::chrono::minutes(10));
  const std::optional<Time> begun = finally_begun();
  if (begun && budget > Duration::zero()) {
    const Duration left = *begun + budget - input_.now;
    if (left <= Duration::zero()) {
      stop_all(true, "FinallyTimeout",
               "the finally steps did not end within " + format_duration(budget));
      return;
    }
    look_again(plan_, left);
  }
  advance(Group::Finally);
}

bool Graph::any_begun(Group group) const {
  return std::any_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group == group && unit->state.state != StepPhase::Pending;
  });
}

bool Graph::all_ended_or_unwanted(Group group) const {
  return all_ended(group) || !any_begun(group);
}

RunPlan plan_graph(const RunInput& input, const Revision& revision) {
  return Graph(input, revision).plan();
}

}  // namespace millrace::logic
