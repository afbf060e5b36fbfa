/// One attempt of a batch run, as it is observed: which steps it has, its Job, its pods.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controllers/logic/pod_facts.h"
#include "controllers/logic/run.h"

namespace millrace::logic {

/// The current attempt.
struct Attempt {
  int number = 1;                      ///< from 1
  int limit = 1;                       ///< attempts allowed
  std::vector<std::string> all_steps;  ///< of the pipeline, in order
  std::vector<std::string> steps;      ///< of this attempt: the last of `all_steps`
  ObjectKey job_key;
  const api::Job* job = nullptr;     ///< ours; null: not there
  const api::Pod* active = nullptr;  ///< has not ended
  const api::Pod* succeeded = nullptr;
  const api::Pod* failed = nullptr;  ///< ended otherwise, or only because it was told to
  bool earlier_active = false;       ///< a pod of an earlier attempt has not ended
  Time started{};                    ///< of the Job; only with a Job or pod

  /// The pod that tells the steps' states, or null.
  const api::Pod* pod() const {
    return succeeded != nullptr ? succeeded : active != nullptr ? active : failed;
  }
  bool exists() const { return job != nullptr || pod() != nullptr; }
  /// "attempt 2 of 3".
  std::string label() const;
};

/// When the Job's attempt was started, with microseconds where the Job says so.
Time start_of(const api::Job& job);

/// Note one more pod of the attempt, whose `job` is known by then.
void add_pod(Attempt& attempt, const api::Pod& pod, Time now);

/// Tell the Job to stop and to say why when it has. Both controllers then end its pod (TERM,
/// grace, KILL) and the Job stays as Failed: activeDeadlineSeconds is what the built-in one
/// understands, the annotation is for ours.
Action stop_job(const api::Job& job, const std::string& reason, const std::string& message);

/// The reason with which a wait ends an attempt, when it lasts too long or can never end.
std::string failure_reason(const PodWait& wait);

/// Why the Job says that it failed; for a pod that could not be made, the server's words, which a
/// cached Job may have lost.
Failure job_failure(const api::Job& job, const std::optional<CreateFailure>& pod_failure);

bool is_complete(const api::Job& job);

/// Observe the current attempt of `input.run`, which follows the last one in its history.
Attempt observe_attempt(const RunInput& input, const std::vector<std::string>& all_steps);

/// The steps that have not exited 0 in any attempt since the last BuildTimeout, from the first
/// such step on. Empty when all have.
std::vector<std::string> remaining_steps(const std::vector<std::string>& all_steps,
                                         const std::vector<crds::AttemptRecord>& history);

/// The states of the attempt's steps, in order. Without a pod: as `before` recorded them for the
/// same Job, else pending. `wait`: what the first pending step waits for, if known.
std::vector<crds::StepState> step_states(const Attempt& attempt,
                                         const crds::PipelineRunStatus& before,
                                         const std::optional<PodWait>& wait);

/// `states` once the attempt is over: what runs has failed with `reason`, what is pending is
/// skipped, nothing waits.
void close_states(std::vector<crds::StepState>& states, const std::string& reason);

}  // namespace millrace::logic
