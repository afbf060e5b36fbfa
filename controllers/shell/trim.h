/// What is dropped from objects before they are cached: ten thousand finished runs must stay cheap.
#pragma once

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/controller_revision.h"
#include "kubeclient/api/deployment.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"

namespace millrace::shell {

/// Drop kubectl's copy of the object (annotation last-applied-configuration).
void trim(crds::Pipeline& pipeline);
/// A finished run keeps its identity, reference, conditions' outcome, revision and times.
void trim(crds::PipelineRun& run);
/// A finished Job keeps its identity and conditions; the pod template goes.
void trim(api::Job& job);
/// A pod that has ended keeps how its containers ended.
void trim(api::Pod& pod);
void trim(api::Deployment& deployment);
void trim(api::Service& service);
void trim(api::ControllerRevision& revision);

}  // namespace millrace::shell
