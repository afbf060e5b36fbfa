#include "controllers/logic/shard.h"

#include "kubeclient/base/hash.h"

namespace millrace::logic {

int shard_of(std::string_view name, int count) {
  return static_cast<int>(stable_hash(name) % static_cast<std::uint64_t>(count));
}

std::string shard_name(const crds::PipelineRun& run, const crds::Pipeline* pipeline) {
  // What has begun goes on as it began, whatever becomes of its Pipeline: to move would cut its
  // calls.
  const crds::Pipeline* now = run.status.start_time ? nullptr : pipeline;
  const bool grouped = now != nullptr && now->spec.concurrency.has_value();
  if (grouped || !run.status.concurrency_group.empty()) return run.metadata.ns;
  const bool stream = now != nullptr
                          ? now->spec.stream_job.has_value()
                          : run.status.cluster && !run.status.cluster->deployment_names.empty();
  if (stream) return run.metadata.ns + "/" + run.spec.ref_pipeline;
  return run.metadata.uid;
}

}  // namespace millrace::logic
