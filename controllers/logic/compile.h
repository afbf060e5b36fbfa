/// From a pipeline's spec, in whichever way it was written, to a plan.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controllers/logic/config.h"
#include "controllers/logic/plan.h"
#include "crds/pipeline.h"
#include "kubeclient/base/result.h"

namespace millrace::logic {

inline constexpr const char* kAdapterImageMissing = "AdapterImageMissing";

/// Name of the one node that a `batchJob` or `streamJob` body becomes.
inline constexpr const char* kBatchNode = "batch";
inline constexpr const char* kStreamNode = "stream";

/// Compile `spec`. Errors: Invalid, the message led by the field's path, `reason` one of
/// "PipelineInvalid" and "AdapterImageMissing" (the message then names the configuration key).
Result<Plan> compile(const crds::PipelineSpec& spec, const Config& config);

/// True for `steps`, and `stages` with `jobs`: what compile_graph takes.
bool is_graph(const crds::PipelineSpec& spec);

/// Compile a graph; see compile_graph.h for what its templates become. Errors as of compile.
Result<Plan> compile_graph(const crds::PipelineSpec& spec);

/// The names of the steps that a batch body compiles to, in order, without looking at images:
/// input, processors, output--<name>. Empty for other bodies.
std::vector<std::string> step_names(const crds::PipelineSpec& spec);

/// The complaint about an adapter `kind` at `path` whose image `key` is not configured.
std::string missing_image(const std::string& path, std::string_view kind, std::string_view key);

}  // namespace millrace::logic
