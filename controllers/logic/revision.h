/// The frozen copy of a Pipeline that a run works from, kept as a ControllerRevision.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controllers/logic/action.h"
#include "controllers/logic/plan.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/controller_revision.h"
#include "kubeclient/api/job.h"

namespace millrace::logic {

/// What of a Pipeline a run depends on. `data` of the ControllerRevision.
struct FrozenPipeline {
  crds::PipelineSpec spec;  ///< without strategy: a schedule edit makes no new revision
  std::map<std::string, std::string> labels;       ///< inherited_labels
  std::map<std::string, std::string> annotations;  ///< inherited_annotations

  bool operator==(const FrozenPipeline&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("spec", self.spec);
    v.field("labels", self.labels);
    v.field("annotations", self.annotations);
  }
};

/// A frozen pipeline and the name of its ControllerRevision.
struct Revision {
  std::string name;
  FrozenPipeline frozen;
  /// Of a graph (`steps`, or `stages` with `jobs`): what it compiles to. Null for other bodies.
  std::shared_ptr<const Result<Plan>> plan;
  bool operator==(const Revision& other) const {
    return name == other.name && frozen == other.frozen;
  }
};

/// Freeze `pipeline` as it is now. Costs an encoding of the spec: keep the result for as long as
/// the Pipeline's resourceVersion stays (labels count, so `generation` is not enough).
Revision freeze(const crds::Pipeline& pipeline);

/// Read a cached ControllerRevision. Errors: Malformed.
Result<Revision> read_revision(const api::ControllerRevision& object);

/// The Create of `revision`, owned by `pipeline`.
Action create_revision(const crds::Pipeline& pipeline, const Revision& revision);

/// The name of the revision that `run` works from: that of its status once it has begun, else what
/// stands on it or on one of its `jobs`, else what its status says, else empty: not chosen yet.
std::string chosen_revision(const crds::PipelineRun& run, const std::vector<const api::Job*>& jobs);

}  // namespace millrace::logic
