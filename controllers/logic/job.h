/// Planning for Jobs: ours, of one pod each that is run once, and those that nobody else runs.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "controllers/logic/action.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"

namespace millrace::crds {
struct PipelineRun;
}

namespace millrace::logic {

/// What a pod of a Job of many pods was made for.
struct PodSlot {
  int slot = 0;     ///< Indexed: the completion index
  int attempt = 0;  ///< from 0
  bool operator==(const PodSlot&) const = default;
};

/// All that a plan depends on. Pointers are borrowed for the call.
struct JobInput {
  Time now{};
  bool live = false;              ///< Job, pods and run were read from the server, not the cache
  const api::Job* job = nullptr;  ///< never null
  /// What stands where run_of_job points; null: nothing, or the Job is of no run.
  const crds::PipelineRun* run = nullptr;
  std::vector<const api::Pod*> pods;  ///< those whose controller is the Job, in any order
  /// There is no other Job controller: Jobs that name none are ours too, and so is their expiry.
  bool alone = false;
  /// This process saw or created a pod of this Job (by UID) before; false after a restart.
  bool pod_seen = false;
  /// Another process may have made the pod of this Job already: this one did not make the Job, or
  /// has tried to make the pod before.
  bool shared = false;
  /// The same for Jobs of many pods: slot → highest attempt seen.
  std::map<int, int> slots_seen;
  std::optional<Time> last_status_write;        ///< by this process; of Jobs of many pods
  std::optional<CreateFailure> create_failure;  ///< the plan before this one met it
  bool may_report = true;  ///< may a status be written that only shows progress?
};

/// What to do next. When `needs_live` is set all else is empty: read the Job, its pods and its run
/// live and plan again.
struct JobPlan {
  bool needs_live = false;
  std::vector<Action> actions;      ///< at most one PatchStatus, and it is the last
  bool reports = false;             ///< that status only shows progress
  std::optional<Duration> recheck;  ///< plan again after this long even if nothing happens
};

/// Plan the next step. Total. Jobs that are finished, being deleted, or managed by another
/// controller get an empty plan; finished ones with a time to live get their deletion when `alone`.
///
/// A Job with completions = parallelism = 1 and backoffLimit 0 that names us, which is what the run
/// planner makes, takes the short way: one pod, one status write. If that pod vanished before its
/// end was seen, the Job ends with reason PodLost; it is never replaced. All others: plan_many in
/// job_many.h.
///
/// A Job of a run gets no pod once that run has ended or is being deleted: it is stopped, as by a
/// cancel. If the run is gone nothing is done, as the Job is collected with it.
JobPlan plan_job(const JobInput& input);

/// The pod of a Job that takes the short way, as it is sent.
Action create_job_pod(const api::Job& job);

/// True when the Job has the condition Complete or Failed.
bool is_finished(const api::Job& job);

/// True when it is for us to run `job`.
bool is_run_by_us(const api::Job& job, bool alone);

/// True when the Job takes the short way.
bool is_one_pod(const api::Job& job);

/// The run whose Job it is: its controller, as labels may say anything. Null: it is of no run.
const api::OwnerReference* run_of_job(const api::Job& job);

}  // namespace millrace::logic
