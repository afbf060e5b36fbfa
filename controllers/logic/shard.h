/// Which shard of the work an object belongs to: the same in every process and release.
#pragma once

#include <string>
#include <string_view>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"

namespace millrace::logic {

/// The shard (0 .. count - 1) of `name`: stable_hash(name) mod count.
int shard_of(std::string_view name, int count);

/// The name whose shard a run and its Jobs belong to. Runs that decide by looking at one another
/// are together:
/// - of a Pipeline with `concurrency`, or in a group already: the namespace, as groups are per
///   namespace and any Pipeline may join one;
/// - of a stream: namespace and Pipeline, as a newer run takes over from its elders;
/// - all others: their own UID.
/// `pipeline` is the run's, as cached; null when there is none. A run that has started stays where
/// it is when its Pipeline is edited.
std::string shard_name(const crds::PipelineRun& run, const crds::Pipeline* pipeline);

}  // namespace millrace::logic
