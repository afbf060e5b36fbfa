#include "bench/macro/board.h"

#include <algorithm>
#include <chrono>

namespace millrace::bench {

using codec::Value;

SteadyTime now() { return std::chrono::steady_clock::now(); }

void Board::expect(const std::string& run) { state_.lock()->runs[run]; }

void Board::mark(const std::string& run, Time which, SteadyTime time) {
  bool ended = false;
  {
    auto state = state_.lock();
    const auto at = state->runs.find(run);
    if (at == state->runs.end() || at->second.*which) return;
    at->second.*which = time;
    ended = which == &Marks::done;
    if (ended) ++state->done;
  }
  if (ended) changed_.notify_all();
}

void Board::add(const std::string& run, Times which, const std::string& object) {
  const SteadyTime time = now();
  auto state = state_.lock();
  const auto at = state->runs.find(run);
  if (at == state->runs.end()) return;
  if (!object.empty() && !state->known.insert(object).second) return;
  (at->second.*which).push_back(time);
}

void Board::fail_run(const std::string& run) {
  const bool ours = state_.lock()->runs.contains(run);
  if (ours) abort("run " + run + " failed");
}

void Board::abort(std::string why) {
  {
    auto state = state_.lock();
    if (state->problem.empty()) state->problem = std::move(why);
  }
  changed_.notify_all();
}

Result<void> Board::wait_done(std::size_t count, SteadyTime deadline) {
  auto state = state_.lock();
  const bool over = changed_.wait_until(
      state.lock(), deadline, [&] { return state->done >= count || !state->problem.empty(); });
  if (!state->problem.empty()) return fail(Code::Invalid, state->problem);
  if (over) return {};
  return fail(Code::Timeout, "only " + std::to_string(state->done) + " of " +
                                 std::to_string(count) + " ended in time");
}

std::vector<Marks> Board::marks() const {
  std::vector<Marks> out;
  for (const auto& [name, marks] : state_.lock()->runs) out.push_back(marks);
  return out;
}

// --- the report ----------------------------------------------------------------------------------

namespace {

double milliseconds_between(SteadyTime from, SteadyTime to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

Value percentiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double p) {
    return values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1) + 0.5)];
  };
  return Value::object({{"n", static_cast<std::int64_t>(values.size())},
                        {"p50", at(0.50)},
                        {"p90", at(0.90)},
                        {"p99", at(0.99)},
                        {"max", values.back()}});
}

/// From one moment of a run to another.
void add_span(Value& out, const char* name, const std::vector<Marks>& marks, Board::Time from,
              Board::Time to) {
  std::vector<double> values;
  for (const Marks& m : marks) {
    if (m.*from && m.*to) values.push_back(milliseconds_between(*(m.*from), *(m.*to)));
  }
  if (!values.empty()) out[name] = percentiles(std::move(values));
}

/// From a moment of a run to the first of `to`, or from the last of `from` to a moment.
void add_edge(Value& out, const char* name, const std::vector<Marks>& marks, Board::Time moment,
              Board::Times list, bool first) {
  std::vector<double> values;
  for (const Marks& m : marks) {
    if (!(m.*moment) || (m.*list).empty()) continue;
    values.push_back(first ? milliseconds_between(*(m.*moment), (m.*list).front())
                           : milliseconds_between((m.*list).back(), *(m.*moment)));
  }
  if (!values.empty()) out[name] = percentiles(std::move(values));
}

/// In a chain of steps: from the nth of `from` to the one after the nth of `to`.
void add_steps(Value& out, const char* name, const std::vector<Marks>& marks, Board::Times from,
               Board::Times to) {
  std::vector<double> values;
  for (const Marks& m : marks) {
    for (std::size_t i = 0; i < (m.*from).size() && i + 1 < (m.*to).size(); ++i) {
      values.push_back(milliseconds_between((m.*from)[i], (m.*to)[i + 1]));
    }
  }
  if (!values.empty()) out[name] = percentiles(std::move(values));
}

}  // namespace

Value report_of(const std::vector<Marks>& marks) {
  SteadyTime first = SteadyTime::max();
  SteadyTime last = SteadyTime::min();
  for (const Marks& m : marks) {
    first = std::min(first, m.sent.value_or(first));
    last = std::max(last, m.done.value_or(last));
  }
  const double wall = std::chrono::duration<double>(last - first).count();
  Value report = Value::object({{"runs", static_cast<std::int64_t>(marks.size())},
                                {"wall_s", wall},
                                {"runs_per_s", static_cast<double>(marks.size()) / wall}});
  Value latency = Value::object();
  add_span(latency, "sent_to_answered", marks, &Marks::sent, &Marks::answered);
  add_span(latency, "sent_to_seen", marks, &Marks::sent, &Marks::seen);
  add_span(latency, "sent_to_done", marks, &Marks::sent, &Marks::done);
  add_span(latency, "seen_to_done", marks, &Marks::seen, &Marks::done);
  add_edge(latency, "seen_to_first_job", marks, &Marks::seen, &Marks::jobs, true);
  add_edge(latency, "seen_to_first_pod", marks, &Marks::seen, &Marks::pods, true);
  add_edge(latency, "last_pod_ended_to_done", marks, &Marks::done, &Marks::pods_ended, false);
  add_edge(latency, "last_call_ended_to_done", marks, &Marks::done, &Marks::calls_ended, false);
  add_steps(latency, "pod_ended_to_next_job", marks, &Marks::pods_ended, &Marks::jobs);
  add_steps(latency, "pod_ended_to_next_pod", marks, &Marks::pods_ended, &Marks::pods);
  add_steps(latency, "call_ended_to_next_call", marks, &Marks::calls_ended, &Marks::calls);
  report["latency_ms"] = std::move(latency);
  return report;
}

}  // namespace millrace::bench
