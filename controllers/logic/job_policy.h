/// spec.podFailurePolicy and spec.successPolicy of a Job.
#pragma once

#include <optional>
#include <string>

#include "controllers/logic/index_set.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/codec/value.h"

namespace millrace::logic {

enum class FailureAction { Count, Ignore, FailIndex, FailJob };

/// What becomes of a failed pod.
struct FailureVerdict {
  FailureAction action = FailureAction::Count;
  std::string message;  ///< FailJob: which rule, and why
};

/// By the first rule of `policy` (spec.podFailurePolicy, may be null) that fits `pod`.
FailureVerdict judge_pod_failure(const codec::Value& policy, const api::Pod& pod);

/// The first rule of `policy` (spec.successPolicy, may be null) that `done` fulfils, by its number.
std::optional<int> met_success_rule(const codec::Value& policy, const IndexSet& done);

}  // namespace millrace::logic
