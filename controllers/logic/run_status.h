/// Building a run's status as a whole, and deciding whether it is worth a write.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/logic/action.h"
#include "crds/pipeline_run.h"

namespace millrace::logic {

/// Longest message kept in a status [bytes], and the budget of the whole status [bytes].
inline constexpr std::size_t kMessageLimit = 1024;
inline constexpr std::size_t kStatusBudget = 256 * 1024;
/// A run's first status waits this long for its pod to end, so that short runs need one write less.
inline constexpr Duration kFirstWriteDelay = std::chrono::milliseconds(250);
/// Progress is written at most once in this time.
inline constexpr Duration kProgressInterval = std::chrono::seconds(1);
/// When too much of it is to be written (RunInput::may_report), it is asked for again after this.
inline constexpr Duration kReportAgain = std::chrono::seconds(5);

/// Set the condition `type`, keeping the list sorted by type. lastTransitionTime moves to `now`
/// only when the condition's status changes. The message is cut to kMessageLimit.
void set_condition(crds::PipelineRunStatus& status, std::string_view type, std::string_view value,
                   std::string_view reason, std::string_view message, Time now,
                   std::int64_t generation);

/// `text` cut to `limit` bytes at a character's border, with "..." at the end when cut.
std::string cut(std::string_view text, std::size_t limit);

/// Bring `status` under kStatusBudget: messages of the oldest attempts go first, attempts that no
/// longer matter last. `bytes`: what it takes encoded, where the caller knows.
void fit_budget(crds::PipelineRunStatus& status, std::optional<std::size_t> bytes = {});

/// What to do with a freshly computed status.
struct WriteDecision {
  bool now = false;              ///< write it now
  bool progress = false;         ///< `now`, and nothing but progress is in it
  std::optional<Duration> wait;  ///< not now, but look again after this
};

/// Terminal states and a new entry in the history are written at once. So are changes of a
/// condition's status or reason, but not within kFirstWriteDelay of `last_create` or of the last
/// write; other progress at most once per kProgressInterval. Equal statuses are never written.
WriteDecision decide_write(const crds::PipelineRunStatus& before,
                           const crds::PipelineRunStatus& after, std::optional<Time> last_create,
                           std::optional<Time> last_status_write, Time now);

/// Notes for the transitions between two statuses: started, retried, succeeded, failed, ...
std::vector<Note> transition_notes(const crds::PipelineRunStatus& before,
                                   const crds::PipelineRunStatus& after);

}  // namespace millrace::logic
