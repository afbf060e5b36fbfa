/// The cached kinds, as reconcilers see them, with the names of their indexes.
#pragma once

#include <string>
#include <vector>

#include "controllers/logic/labels.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/controller_revision.h"
#include "kubeclient/api/deployment.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/runtime/store.h"

namespace millrace::shell {

/// Index of runs by "namespace/refPipeline".
inline constexpr const char* kByPipeline = "pipeline";
/// Index of Pipelines by "namespace/<name of a Pipeline that a step starts>".
inline constexpr const char* kByChild = "child";
/// Index of Jobs and pods by "namespace/<label millrace.dev/run-uid>".
inline constexpr const char* kByRunUid = "run-uid";
/// Index of pods and ControllerRevisions by "namespace/<UID of their controller>".
inline constexpr const char* kByOwnerUid = "owner-uid";

/// Read side of all informers. Objects are trimmed: see trim.h.
struct Caches {
  const runtime::Store<crds::Pipeline>& pipelines;
  const runtime::Store<crds::PipelineRun>& runs;
  const runtime::Store<api::Job>& jobs;
  const runtime::Store<api::Pod>& pods;
  const runtime::Store<api::Deployment>& deployments;
  const runtime::Store<api::Service>& services;
  const runtime::Store<api::ControllerRevision>& revisions;
};

/// The value of an index. Always with the namespace: anybody may write a label or an owner
/// reference, so what lies elsewhere must never count as a child.
inline std::string index_value(const std::string& ns, const std::string& value) {
  return ns + "/" + value;
}

/// Index function of kByRunUid.
template <class T>
std::vector<std::string> by_run_uid(const T& object) {
  const std::string& uid = object.metadata.label(logic::kRunUidLabel);
  if (uid.empty()) return {};
  return {index_value(object.metadata.ns, uid)};
}

/// Index function of kByOwnerUid.
template <class T>
std::vector<std::string> by_owner_uid(const T& object) {
  const api::OwnerReference* owner = object.metadata.controller_ref();
  if (owner == nullptr) return {};
  return {index_value(object.metadata.ns, owner->uid)};
}

}  // namespace millrace::shell
