#include <algorithm>
#include <cmath>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using crds::StepPhase;
using crds::StepState;

Duration longest_pause(const crds::Retry& retry) {
  const auto most = retry.backoff ? retry.backoff->max : std::nullopt;
  return most.value_or(std::chrono::minutes(5));
}

Duration pause_before(const crds::Retry& retry, int retries) {
  const crds::Backoff none;
  const crds::Backoff& backoff = retry.backoff ? *retry.backoff : none;
  const Duration initial = backoff.initial.value_or(std::chrono::seconds(1));
  const Duration most = longest_pause(retry);
  const double factor = std::clamp(backoff.factor.value_or(2.0), 1.0, 10.0);
  double pause = std::chrono::duration<double>(initial).count() * std::pow(factor, retries - 1);
  pause = std::min(pause, std::chrono::duration<double>(most).count());
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::max(0.0, pause)));
}

void Graph::wait_for(Unit& unit, std::string reason, std::string message) {
  auto& waiting = unit.state.waiting;
  if (waiting && waiting->reason == reason) {
    if (waiting->message.empty()) waiting->message = cut(message, kMessageLimit);
    return;
  }
  stop_waiting(unit);
  waiting = crds::StepWaiting{std::move(reason), cut(message, kMessageLimit),
                              truncate_to_second(input_.now)};
}

/// What it waited for goes on record, where it took a while.
void Graph::stop_waiting(Unit& unit) {
  auto& waiting = unit.state.waiting;
  if (!waiting) return;
  if (waiting->since && input_.now - *waiting->since >= std::chrono::seconds(1)) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        truncate_to_second(input_.now) - *waiting->since);
    auto& waited = unit.state.waited;
    const auto same = std::find_if(waited.begin(), waited.end(), [&](const crds::StepWaited& w) {
      return w.reason == waiting->reason;
    });
    if (same != waited.end()) {
      same->milliseconds += took.count();
    } else if (waited.size() < 8) {
      waited.push_back({waiting->reason, took.count()});
    }
  }
  waiting.reset();
}

/// Its end can be seen in pods by a later plan too, even one that stops the run.
bool Graph::shows_again(const Unit& unit) const {
  if (!std::holds_alternative<PodStep>(node_of(unit).action)) return false;
  return is_matrix(unit) ? !combinations(unit.node).empty() : stands(unit);
}

void Graph::succeed(Unit& unit, Time when) {
  stop_waiting(unit);
  fresh_ = fresh_ || !shows_again(unit);
  unit.state.state = StepPhase::Succeeded;
  unit.state.reason.clear();
  unit.state.message.clear();
  when = truncate_to_second(when);
  unit.state.finished_at = unit.state.started_at ? std::max(when, *unit.state.started_at) : when;
}

void Graph::skip(Unit& unit, const char* reason, std::string message) {
  stop_waiting(unit);
  unit.state.state = StepPhase::Skipped;
  unit.state.reason = reason;
  unit.state.message = cut(message, kMessageLimit);
}

/// The attempt failed: another one after a pause, or the end of the step.
void Graph::fail_attempt(Unit& unit, const StepFailure& failure, Time when) {
  const Node& node = node_of(unit);
  StepState& state = unit.state;
  stop_waiting(unit);
  fresh_ = fresh_ || !shows_again(unit);
  state.attempt = std::max(1, state.attempt);
  const Time next_second = std::chrono::ceil<std::chrono::seconds>(when);
  when = truncate_to_second(when);
  if (state.started_at) when = std::max(when, *state.started_at);
  const auto& retry = node.retry;
  const bool meant = retry && (retry->on.empty() || std::find(retry->on.begin(), retry->on.end(),
                                                              failure.cause) != retry->on.end());
  const bool again = meant && !failure.permanent && state.retries < retry->limit &&
                     !run_.spec.cancel && !stopping_;
  if (!again) return end_failed(unit, failure.reason, failure.message, when);
  crds::AttemptRecord record;
  record.step = unit.name;
  record.build_name = state.job_name;
  record.attempt = state.attempt;
  record.start_time = state.started_at;
  record.completion_time = when;
  record.reason = failure.reason;
  record.message = cut(failure.message, kMessageLimit);
  auto& history = status_.retry_status ? *status_.retry_status : status_.retry_status.emplace();
  history.history_build.push_back(std::move(record));
  StepState next;
  next.name = state.name;
  next.of = state.of;
  next.matrix = state.matrix;
  next.waited = state.waited;
  next.attempt = state.attempt + 1;
  next.retries = state.retries + 1;
  state = std::move(next);
  wait_for(unit, kBackoff,
           "attempt " + std::to_string(state.attempt - 1) + " failed (" + failure.reason +
               "): " + failure.message);
  // Whole seconds are kept: rounded up, so that the pause is never too short.
  state.waiting->since = std::max<Time>(next_second, when);
  const Duration asked =
      std::min(failure.retry_after.value_or(Duration::zero()), longest_pause(*retry));
  if (asked > pause_before(*retry, state.retries)) {
    state.waiting->until = std::chrono::ceil<std::chrono::seconds>(*state.waiting->since + asked);
  }
  look_again(plan_, std::max<Duration>(settle_backoff(unit) - input_.now, {}));
}

Time Graph::settle_backoff(Unit& unit) const {
  auto& waiting = *unit.state.waiting;
  const Time latest = std::chrono::ceil<std::chrono::seconds>(input_.now);
  const Time since = waiting.since.value_or(input_.now);
  if (since > latest) {
    if (waiting.until) waiting.until = *waiting.until - (since - latest);
    waiting.since = latest;
  }
  const auto pause =
      std::chrono::ceil<Time::duration>(pause_before(*node_of(unit).retry, unit.state.retries));
  return std::max(std::min(since, latest) + pause, waiting.until.value_or(Time{}));
}

void Graph::end_failed(Unit& unit, const std::string& reason, const std::string& message,
                       Time when) {
  stop_waiting(unit);
  unit.state.state = StepPhase::Failed;
  unit.state.reason = reason;
  unit.state.message = cut(message, kMessageLimit);
  unit.state.finished_at = truncate_to_second(when);
  run_value_.reset();
}

bool Graph::ask_workload() {
  if (input_.live.workload) return false;
  wants_.workload = true;
  return true;
}

bool Graph::over_time(const Unit& unit, Time started) {
  const auto& timeout = node_of(unit).timeout;
  if (!timeout || *timeout <= Duration::zero()) return false;
  const Duration left = started + *timeout - input_.now;
  if (left <= Duration::zero()) return true;
  look_again(plan_, left);
  return false;
}

}  // namespace millrace::logic
