/// What a run that `spec.retryOf` starts takes over from the one that ended.
#pragma once

#include <string>
#include <vector>

#include "crds/pipeline_run.h"
#include "kubeclient/api/controller_revision.h"

namespace millrace::logic {

/// Reason of the entry in the history that says what a batch run takes over; its attempt is 0.
inline constexpr const char* kTakenOver = "TakenOver";

/// Put the steps that `object`, an archive of `run`, holds back into its status. Objects of others
/// and what cannot be read are left out.
void restore_steps(crds::PipelineRun& run, const api::ControllerRevision& object);

/// Of the batch run `ended`: the first of `all_steps` that a retry need not run again, as after a
/// failed attempt. Empty after a timeout, and when all of them have succeeded.
std::vector<std::string> reused_steps(const crds::PipelineRun& ended,
                                      const std::vector<std::string>& all_steps);

}  // namespace millrace::logic
