#include "controllers/logic/revision.h"

#include "controllers/logic/compile.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::logic {

using codec::Value;

namespace {

std::shared_ptr<const Result<Plan>> graph_of(const crds::PipelineSpec& spec) {
  if (!is_graph(spec)) return nullptr;
  return std::make_shared<const Result<Plan>>(compile(spec, Config{}));
}

}  // namespace

Revision freeze(const crds::Pipeline& pipeline) {
  Revision revision;
  revision.frozen.spec = pipeline.spec;
  revision.frozen.spec.strategy.reset();
  revision.frozen.labels = inherited_labels(pipeline.metadata.labels);
  revision.frozen.annotations = inherited_annotations(pipeline.metadata.annotations);
  revision.name =
      revision_name(pipeline.metadata.name, pipeline.metadata.uid, codec::encode(revision.frozen));
  revision.plan = graph_of(revision.frozen.spec);
  return revision;
}

Result<Revision> read_revision(const api::ControllerRevision& object) {
  Revision revision;
  revision.name = object.metadata.name;
  MR_ASSIGN(revision.frozen, codec::decode<FrozenPipeline>(object.data.dump())
                                 .with("ControllerRevision " + object.metadata.name));
  revision.plan = graph_of(revision.frozen.spec);
  return revision;
}

Action create_revision(const crds::Pipeline& pipeline, const Revision& revision) {
  const api::ApiResource& kind = api::ControllerRevision::kResource;
  Action action;
  action.verb = Action::Verb::Create;
  action.resource = kind;
  action.key = {pipeline.metadata.ns, revision.name};
  action.owner_uid = pipeline.metadata.uid;
  action.body = object_head(kind, action.key);
  Value& metadata = action.body["metadata"];
  metadata["labels"] = to_value({{kPipelineLabel, label_value(pipeline.metadata.name)},
                                 {"app.kubernetes.io/managed-by", std::string(kFieldManager)}});
  metadata["ownerReferences"] =
      Value::array({controller_reference(crds::Pipeline::kResource, pipeline.metadata)});
  action.body["data"] = codec::to_value(revision.frozen);
  action.body["revision"] = pipeline.metadata.generation;
  return action;
}

std::string chosen_revision(const crds::PipelineRun& run,
                            const std::vector<const api::Job*>& jobs) {
  const std::string& recorded = run.status.pipeline_revision;
  // Before that, a status only says what its writer was about to use: another operator, which knew
  // the pipeline before or after an edit, may have made the first Job meanwhile.
  const bool begun = run.status.start_time || run.status.cluster;
  if (begun && !recorded.empty()) return recorded;
  const std::string own = run.metadata.uid + "/";
  const std::string& frozen = run.metadata.annotation(kFrozenAnnotation);
  if (frozen.starts_with(own)) return frozen.substr(own.size());
  for (const api::Job* job : jobs) {
    const std::string& name = job->metadata.annotation(kRevisionAnnotation);
    if (!name.empty()) return name;
  }
  if (!recorded.empty()) return recorded;
  // The gateway chose when it made the run.
  if (!run.spec.trigger.is_null()) return run.metadata.annotation(kRevisionAnnotation);
  return {};
}

}  // namespace millrace::logic
