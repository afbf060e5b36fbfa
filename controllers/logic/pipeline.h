/// Planning for the Pipeline kind: whether runs can start, its frozen copy, its schedule.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controllers/logic/action.h"
#include "controllers/logic/config.h"
#include "controllers/logic/revision.h"
#include "controllers/logic/schedule.h"
#include "controllers/logic/trial.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/controller_revision.h"

namespace millrace::logic {

/// A change of idle or usedPipelineRun alone waits this long, so that short runs cause no write.
inline constexpr Duration kUsageDelay = std::chrono::seconds(10);
/// Frozen copies that no run needs, kept for looking back.
inline constexpr std::size_t kRevisionHistory = 10;
/// Most entries of status.usedPipelineRun.
inline constexpr std::size_t kMostUsedRuns = 50;
/// What was refused, or could not be asked about, is tried again after this, doubled each time up
/// to the second.
inline constexpr Duration kFirstRetrial = std::chrono::seconds(30);
inline constexpr Duration kLongestRetrial = std::chrono::minutes(10);

/// All that a plan depends on. Pointers are borrowed for the call.
struct PipelineInput {
  Time now{};
  const crds::Pipeline* pipeline = nullptr;    ///< never null
  const Revision* current = nullptr;           ///< the pipeline as it is now (freeze); never null
  std::vector<const crds::PipelineRun*> runs;  ///< of this pipeline, in any order
  std::vector<const api::ControllerRevision*> revisions;  ///< controlled by it, in any order
  std::optional<TimeZone> zone;  ///< strategy.timeZone; none when there is no such zone
  std::string zone_error;        ///< why there is none, for people; empty when there is one
  /// Pipelines of the namespace, by name: those that steps start, and those that these start in
  /// turn. One that is missing here is not there.
  std::map<std::string, const crds::Pipeline*> children;
  Config config;
  std::optional<Time> usage_changed;   ///< memory: since when only idle or the used runs differ
  std::optional<Admission> admission;  ///< memory: what the last trial of this process found
};

/// What to do next: `before`, then the status, then `after`; stop at the first error.
struct PipelinePlan {
  std::vector<Action> before;
  std::optional<crds::PipelineStatus> status;  ///< write it now, whole, under the resourceVersion
  struct ScheduleStep {
    Action action;
    std::optional<Time> tick;  ///< of a Create: now - tick is its lateness
  };
  std::vector<ScheduleStep> after;
  std::optional<Duration> recheck;  ///< plan again after this long; zero: right after the writes
  bool usage_differs = false;       ///< the shell keeps since when, for `usage_changed`
  /// Try what `current` would create after this long, unless that is ordered already for this
  /// revision; zero: now, once the status is written. None: no trial is wanted.
  std::optional<Duration> trial;
  std::vector<Note> notes;  ///< events to record once the status is written
};

/// Plan the next step. Total. Deletion: only foreign finalizers are removed.
PipelinePlan plan_pipeline(const PipelineInput& input);

/// The status after the API server refused for good to create the run of `tick`.
crds::PipelineStatus refuse_tick(const crds::Pipeline& pipeline, Time tick);

}  // namespace millrace::logic
