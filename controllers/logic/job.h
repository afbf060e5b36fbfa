/// Planning for Jobs that name us in spec.managedBy: one pod each, run once.
#pragma once

#include <optional>
#include <vector>

#include "controllers/logic/action.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"

namespace millrace::logic {

/// All that a plan depends on. Pointers are borrowed for the call.
struct JobInput {
  Time now{};
  bool live = false;                  ///< Job and pods were read from the server, not the cache
  const api::Job* job = nullptr;      ///< never null
  std::vector<const api::Pod*> pods;  ///< those whose controller is the Job, in any order
  /// This process saw or created a pod of this Job (by UID) before; false after a restart.
  bool pod_seen = false;
  std::optional<CreateFailure> create_failure;  ///< the plan before this one met it
};

/// What to do next. When `needs_live` is set all else is empty: read the Job and its pods live and
/// plan again.
struct JobPlan {
  bool needs_live = false;
  std::vector<Action> actions;      ///< at most one PatchStatus, and it is the last
  std::optional<Duration> recheck;  ///< plan again after this long even if nothing happens
};

/// Plan the next step. Total. Jobs that are finished, being deleted, or managed by another
/// controller get an empty plan.
///
/// Deviation: only completions = parallelism = 1 with backoffLimit 0 is supported, which is what
/// the run planner makes; other Jobs end Failed with reason Unsupported and the field's name. A pod
/// that vanished before its end was seen ends the Job with reason PodLost; none is ever replaced.
JobPlan plan_job(const JobInput& input);

/// True when the Job has the condition Complete or Failed.
bool is_finished(const api::Job& job);

}  // namespace millrace::logic
