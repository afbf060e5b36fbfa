/// What a real API server demands of the status of a Job, as far as we know.
#pragma once

#include <string>
#include <vector>

#include "kubeclient/codec/value.h"

namespace millrace::logic {

/// Complaints about writing the status of `now` over that of `before`; empty when it is accepted.
/// Source of the rules: Kubernetes 1.34, pkg/apis/batch/validation and pkg/registry/batch/job,
/// JobStatusValidationOptions.
std::vector<std::string> job_status_complaints(const codec::Value& before, const codec::Value& now);

}  // namespace millrace::logic
