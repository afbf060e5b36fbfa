/// Everything that can be wrong with a graph of steps beyond its schema: names, edges, templates
/// and what they refer to, params, and the settings of each kind of step.
#pragma once

#include <string>
#include <vector>

#include "controllers/logic/compile_graph.h"
#include "crds/pipeline.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {

/// What a look at a graph gives.
struct GraphFindings {
  std::vector<codec::FieldError> errors;  ///< empty: it can be compiled
  /// Of each step, by its position: the steps whose outputs, response or status it reads, each
  /// once.
  std::vector<std::vector<std::size_t>> reads;
};

/// Check the graph of `spec`, which has `steps`, or `stages` with `jobs`.
GraphFindings check_graph(const crds::PipelineSpec& spec, const std::vector<GraphStep>& steps,
                          const GraphShape& shape);

/// What stands around a body that is no graph and has no meaning there, and triggers.
std::vector<codec::FieldError> check_surroundings(const crds::PipelineSpec& spec);

}  // namespace millrace::logic
