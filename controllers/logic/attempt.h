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
  const api::Pod* failed = nullptr;
  bool earlier_active = false;  ///< a pod of an earlier attempt has not ended
  Time started{};               ///< of the Job; only with a Job or pod

  /// The pod that tells the steps' states, or null.
  const api::Pod* pod() const {
    return succeeded != nullptr ? succeeded : active != nullptr ? active : failed;
  }
  bool exists() const { return job != nullptr || pod() != nullptr; }
  /// "attempt 2 of 3".
  std::string label() const;
};

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
