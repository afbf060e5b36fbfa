#include "controllers/shell/trim.h"

#include "controllers/logic/job.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/run.h"

namespace millrace::shell {
namespace {

void drop_copy(api::ObjectMeta& meta) {
  meta.annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
}

/// Empty it and free its memory; assigning {} would keep the memory of a string or vector.
template <class T>
void drop(T& member) {
  T().swap(member);
}

/// Leave only what is under millrace.dev/.
void keep_ours(std::map<std::string, std::string>& map) {
  std::erase_if(map, [](const auto& entry) { return !entry.first.starts_with("millrace.dev/"); });
}

/// Leave only the labels by which children that have ended are still looked for.
void keep_links(std::map<std::string, std::string>& labels) {
  std::erase_if(labels, [](const auto& entry) {
    return entry.first != logic::kRunLabel && entry.first != logic::kRunUidLabel &&
           entry.first != logic::kAttemptLabel;
  });
}

/// Conditions that every pod has while it lives. Source: Kubernetes, core/v1 PodConditionType.
bool is_of_life(const std::string& type) {
  return type == "PodScheduled" || type == "Initialized" || type == "ContainersReady" ||
         type == "Ready" || type == "PodReadyToStartContainers";
}

}  // namespace

void trim(crds::Pipeline& pipeline) { drop_copy(pipeline.metadata); }

void trim(crds::PipelineRun& run) {
  drop_copy(run.metadata);
  if (!logic::is_terminal(run)) return;
  run.metadata.annotations.clear();
  // A run that a step started tells its parent; the Pipeline is found by spec.refPipeline.
  auto& owners = run.metadata.owner_references;
  std::erase_if(owners, [](const api::OwnerReference& owner) {
    return owner.kind == crds::Pipeline::kResource.kind;
  });
  owners.shrink_to_fit();
  // Whoever takes the run up again reads it live.
  drop(run.spec.params);
  run.spec.trigger = codec::Value();
  drop(run.spec.approvals);
  crds::PipelineRunStatus& status = run.status;
  drop(status.params);
  status.archive.reset();
  drop(status.step_states);
  drop(status.steps_completed);
  status.retry_status.reset();
  drop(status.duration);
  drop(status.steps);
  status.cluster.reset();
  std::erase_if(status.conditions, [](const api::Condition& condition) {
    return condition.type == "Cancelled" && condition.status != "True";
  });
  for (api::Condition& condition : status.conditions) {
    drop(condition.message);
    condition.last_transition_time.reset();
  }
  status.conditions.shrink_to_fit();
}

void trim(api::Job& job) {
  drop_copy(job.metadata);
  if (!logic::is_finished(job)) return;
  api::Job::Spec kept;
  kept.managed_by = std::move(job.spec.managed_by);
  kept.ttl_seconds_after_finished = job.spec.ttl_seconds_after_finished;
  job.spec = std::move(kept);
  keep_ours(job.metadata.annotations);  // a run may not have recorded its revision yet
  keep_links(job.metadata.labels);
  // Of SuccessCriteriaMet and Complete, FailureTarget and Failed, the last says it all.
  std::erase_if(job.status.conditions, [](const api::Condition& c) {
    return c.type == "SuccessCriteriaMet" || c.type == "FailureTarget";
  });
  for (api::Condition& condition : job.status.conditions) drop(condition.message);
  job.status.conditions.shrink_to_fit();
}

void trim(api::Pod& pod) {
  drop_copy(pod.metadata);
  const bool ended = pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
  if (!ended) return;
  keep_ours(pod.metadata.annotations);
  keep_links(pod.metadata.labels);
  // DisruptionTarget tells an eviction from a failure, and rules may ask for others; those of the
  // kubelet tell nothing any more.
  std::erase_if(pod.status.conditions, [](const api::Condition& c) { return is_of_life(c.type); });
  pod.status.conditions.shrink_to_fit();
  for (auto* statuses : {&pod.status.init_container_statuses, &pod.status.container_statuses}) {
    for (api::ContainerStatus& status : *statuses) {
      if (status.state.terminated) drop(status.state.terminated->container_id);
    }
  }
}

void trim(api::Deployment& deployment) { drop_copy(deployment.metadata); }
void trim(api::Service& service) { drop_copy(service.metadata); }
void trim(api::ControllerRevision& revision) { drop_copy(revision.metadata); }

}  // namespace millrace::shell
