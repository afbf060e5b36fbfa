/// `millrace approve`: which steps wait for a decision, and what is written. Pure.
#pragma once

#include <string>
#include <vector>

#include "crds/pipeline_run.h"
#include "kubeclient/base/result.h"
#include "operator/cli/graph.h"

namespace millrace::cli {

/// Approval steps of the run that wait for a decision now.
std::vector<StepLine> pending_approvals(const std::vector<StepLine>& lines,
                                        const crds::PipelineRun& run);

/// The user as the server knows us.
struct Self {
  std::string user;
  std::vector<std::string> groups;
};

/// The step that `wanted` means; the only pending one when it is empty. Errors: Invalid, listing
/// what waits.
Result<StepLine> choose_approval(const std::vector<StepLine>& lines, const crds::PipelineRun& run,
                                 const std::string& wanted);

/// Whether `self` is among the approvers. Errors: Denied, naming them.
Result<> check_approver(const GraphStep& step, const Self& self);

/// The merge patch that adds `decision` to the approvals of `run`, on condition that nobody has
/// changed it meanwhile.
codec::Value approval_patch(const crds::PipelineRun& run, const crds::Approval& decision);

}  // namespace millrace::cli
