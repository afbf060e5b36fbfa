#include "controllers/logic/run_status.h"

#include <algorithm>

#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::logic {
namespace {

using crds::AttemptRecord;
using crds::PipelineRunStatus;

std::string_view value_of(const PipelineRunStatus& status, std::string_view type) {
  const api::Condition* condition = api::find_condition(status.conditions, type);
  return condition == nullptr ? std::string_view() : std::string_view(condition->status);
}

bool is_terminal(const PipelineRunStatus& status) {
  return value_of(status, "Completed") == "True";
}

/// True when the conditions say the same but for messages and times.
bool same_conditions(const PipelineRunStatus& a, const PipelineRunStatus& b) {
  return std::equal(a.conditions.begin(), a.conditions.end(), b.conditions.begin(),
                    b.conditions.end(), [](const api::Condition& x, const api::Condition& y) {
                      return x.type == y.type && x.status == y.status && x.reason == y.reason;
                    });
}

/// More than `status` can take encoded, without encoding it; values of params and steps excepted.
std::size_t upper_bound(const PipelineRunStatus& status) {
  constexpr std::size_t kFixed = 700;  // names, times and keys of one entry
  std::size_t bytes = 4096;
  const auto add = [&](std::size_t text) { bytes += kFixed + 6 * text; };  // \u00XX at worst
  for (const auto& condition : status.conditions) add(condition.message.size());
  for (const auto& step : status.step_states) {
    add(step.message.size() + (step.waiting ? step.waiting->message.size() : 0));
  }
  if (!status.retry_status) return bytes;
  for (const auto& record : status.retry_status->history_build) {
    add(record.message.size());
    bytes += 70 * record.steps_succeeded.size();
  }
  return bytes;
}

bool has_values(const PipelineRunStatus& status) {
  return !status.params.empty() ||
         std::any_of(status.step_states.begin(), status.step_states.end(), [](const auto& step) {
           return !step.outputs.is_null() || !step.response.is_null() || !step.matrix.is_null();
         });
}

bool fits(const PipelineRunStatus& status) {
  if (!has_values(status) && upper_bound(status) <= kStatusBudget) return true;
  return codec::encode(status).size() <= kStatusBudget;
}

std::size_t size_of(const AttemptRecord& record) { return codec::encode(record).size(); }

std::size_t records(const PipelineRunStatus& status) {
  return status.retry_status ? status.retry_status->history_build.size() : 0;
}

/// Apply `trim` to one record after another, oldest first, until `bytes`, what the status takes, is
/// within the budget. Each record is measured by itself: encoding the whole status each time would
/// take seconds for thousands of them.
template <class Trim>
bool trim_oldest(PipelineRunStatus& status, std::size_t& bytes, Trim trim) {
  for (AttemptRecord& record : status.retry_status->history_build) {
    if (bytes <= kStatusBudget) return true;
    bytes -= size_of(record);
    trim(record);
    bytes += size_of(record);
  }
  return bytes <= kStatusBudget;
}

bool is_quiet_reason(std::string_view reason) {
  constexpr std::string_view quiet[] = {
      "Pending",         "Running",     "BuildRetry", "Stopping",       "Progressing",
      "PreviousAttempt", "CallingBack", "ChildRun",   "ObjectNotReady", "Wait"};
  return std::find(std::begin(quiet), std::end(quiet), reason) != std::end(quiet);
}

}  // namespace

std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + "...";
}

void set_condition(PipelineRunStatus& status, std::string_view type, std::string_view value,
                   std::string_view reason, std::string_view message, Time now,
                   std::int64_t generation) {
  auto at = std::lower_bound(
      status.conditions.begin(), status.conditions.end(), type,
      [](const api::Condition& condition, std::string_view name) { return condition.type < name; });
  if (at == status.conditions.end() || at->type != type) {
    at = status.conditions.insert(at, api::Condition{});
    at->type = type;
  }
  if (at->status != value) at->last_transition_time = truncate_to_second(now);
  at->status = value;
  at->reason = reason;
  at->message = cut(message, kMessageLimit);
  at->observed_generation = generation;
}

void fit_budget(PipelineRunStatus& status, std::optional<std::size_t> known) {
  if (known ? *known <= kStatusBudget : fits(status)) return;
  if (records(status) == 0) return;
  std::size_t bytes = known ? *known : codec::encode(status).size();
  if (trim_oldest(status, bytes, [](AttemptRecord& r) { r.message.clear(); })) return;
  if (trim_oldest(status, bytes, [](AttemptRecord& r) {
        r.ns.clear();
        r.start_time.reset();
      })) {
    return;
  }
  auto& history = status.retry_status->history_build;
  std::size_t gone = 0;
  for (; gone + 1 < history.size() && bytes > kStatusBudget; ++gone) {
    AttemptRecord& oldest = history[gone];
    AttemptRecord& next = history[gone + 1];
    bytes -= size_of(oldest) + 1 + size_of(next);
    // What succeeded must not be forgotten, or it would run again.
    if (oldest.reason != "BuildTimeout" && next.reason != "BuildTimeout") {
      next.steps_succeeded.insert(next.steps_succeeded.begin(), oldest.steps_succeeded.begin(),
                                  oldest.steps_succeeded.end());
    }
    bytes += size_of(next);
  }
  history.erase(history.begin(), history.begin() + static_cast<std::ptrdiff_t>(gone));
}

WriteDecision decide_write(const PipelineRunStatus& before, const PipelineRunStatus& after,
                           std::optional<Time> last_create, std::optional<Time> last_status_write,
                           Time now) {
  if (before == after) return {};
  if (is_terminal(after) || records(after) > records(before)) return {true, false, std::nullopt};
  const auto wait_since = [&](std::optional<Time> start, Duration length) -> WriteDecision {
    if (!start || now < *start || now >= *start + length) return {true, true, std::nullopt};
    return {false, false, *start + length - now};
  };
  const WriteDecision first = wait_since(last_create, kFirstWriteDelay);
  if (!first.now) return first;
  // Two operators at once, of whom one alone was refused something, contradict each other: without
  // a pause they would do so as fast as the server answers.
  if (!same_conditions(before, after)) return wait_since(last_status_write, kFirstWriteDelay);
  return wait_since(last_status_write, kProgressInterval);
}

std::vector<Note> transition_notes(const PipelineRunStatus& before,
                                   const PipelineRunStatus& after) {
  std::vector<Note> notes;
  const api::Condition* was = api::find_condition(before.conditions, "Succeeded");
  const api::Condition* is = api::find_condition(after.conditions, "Succeeded");
  if (is == nullptr) return notes;
  const bool status_changed = was == nullptr || was->status != is->status;
  const bool tried = records(after) > records(before) &&
                     after.retry_status->history_build.back().attempt > 0;  // 0: taken over
  if (tried && !is_terminal(after)) {
    notes.push_back({Note::Type::Warning, "BuildRetry", is->message});
  }
  if (is->status == "Unknown") {
    if (!is_quiet_reason(is->reason) && (was == nullptr || was->reason != is->reason)) {
      const bool expected = is->reason == "Approval" || is->reason == "Queued";
      const auto type = expected ? Note::Type::Normal : Note::Type::Warning;
      notes.push_back({type, is->reason, is->message});
    }
    const std::string build = after.cluster ? after.cluster->build_name : std::string();
    if (!build.empty() && (!before.cluster || before.cluster->build_name != build)) {
      notes.push_back({Note::Type::Normal, "Started", "started as Job " + build});
    }
  } else if (status_changed) {
    const auto type = is->status == "True" ? Note::Type::Normal : Note::Type::Warning;
    notes.push_back({type, is->reason, is->message});
  }
  return notes;
}

}  // namespace millrace::logic
