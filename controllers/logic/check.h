/// What can be wrong with a Pipeline beyond its schema.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "controllers/logic/child_check.h"
#include "controllers/logic/config.h"
#include "controllers/logic/trial.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {

/// What the checks need from the world.
struct CheckContext {
  const Config* config = nullptr;  ///< null: adapter images are not checked (offline validation)
  /// What is wrong with an IANA zone, or ""; no function: zones are not checked.
  std::function<std::string(const std::string&)> zone_problem;
  PipelineLookup pipeline = {};  ///< none: Pipelines that steps start are not looked at
};

/// Complaints about the spec in field order, e.g. {"spec.batchJob.outputs[2].name", "..."}; empty
/// means that runs can start. Covers everything the CRD's schema and rules would refuse as well,
/// for objects that were stored before the rules, and for offline validation.
std::vector<codec::FieldError> check_pipeline(const crds::Pipeline& pipeline,
                                              const CheckContext& context);

/// The same for a run.
std::vector<codec::FieldError> check_run(const crds::PipelineRun& run);

/// Reasons of `Ready`: runs can start; a field is wrong.
inline constexpr const char* kReadyReason = "Valid";
inline constexpr const char* kInvalidReason = "Invalid";

/// The Pipeline's `Ready` condition that follows from `errors` and, without any, from what the API
/// server would say (null: not known): False when that is a refusal, which holds up nothing: runs
/// start, as it may be gone by then. lastTransitionTime is `now` unless `before` (the condition so
/// far, or null) had the same status.
api::Condition ready_condition(const std::vector<codec::FieldError>& errors,
                               const Admission* admission, std::int64_t generation,
                               const api::Condition* before, Time now);

/// True when `ready` says that no run can start: a False because of a refusal is none.
bool bars_runs(const api::Condition& ready);

}  // namespace millrace::logic
