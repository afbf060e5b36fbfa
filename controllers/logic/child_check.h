/// Pipelines that steps start: whether they are there, take the params they get, and come to an
/// end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crds/pipeline.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {

/// Reason of a `Ready` condition that waits for other Pipelines alone.
inline constexpr const char* kPipelineNotFound = "PipelineNotFound";

/// A Pipeline of the namespace by its name, or null.
using PipelineLookup = std::function<const crds::Pipeline*(const std::string&)>;

/// Names of the Pipelines that steps of `spec` start, sorted, each once.
std::vector<std::string> child_names(const crds::PipelineSpec& spec);

/// Complaints in field order. Values of params that are templates are not looked at. Pipelines that
/// start one another in a circle are refused where no step of it has a condition: that would never
/// end by itself.
std::vector<codec::FieldError> check_children(const crds::Pipeline& pipeline,
                                              const PipelineLookup& find);

/// Whether `error` is about a Pipeline that is not there.
bool is_missing_child(const codec::FieldError& error);

}  // namespace millrace::logic
