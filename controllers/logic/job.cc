#include "controllers/logic/job.h"

#include <algorithm>

#include "controllers/logic/attempt.h"
#include "controllers/logic/job_many.h"
#include "controllers/logic/job_status.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/pod_facts.h"
#include "controllers/logic/run_status.h"
#include "controllers/logic/times.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using api::Job;
using api::Pod;
using codec::Value;

/// From how long ago on its pod is not made without a live look.
constexpr Duration kLateCreate = std::chrono::seconds(5);

/// The pods of a Job by what they tell.
struct Pods {
  const Pod* succeeded = nullptr;
  const Pod* failed = nullptr;
  std::vector<const Pod*> active;  ///< not ended, lost ones excluded
  bool lost = false;               ///< one is overdue
  std::optional<Duration> next_loss;
};

Pods sort_pods(const JobInput& input) {
  Pods pods;
  const bool suspended = input.job->spec.suspend || has_condition(*input.job, "Suspended");
  for (const Pod* pod : input.pods) {
    if (!is_controlled_by(pod->metadata, input.job->metadata.uid)) continue;
    const std::optional<Time> loss = lost_at(*pod);
    if (has_succeeded(*pod)) {
      pods.succeeded = pod;
    } else if (has_ended(*pod)) {
      // What a suspension ended does not count as failed.
      if (!suspended || !pod->metadata.deletion_timestamp) pods.failed = pod;
    } else if (loss && input.now >= *loss) {
      pods.lost = true;
    } else {
      pods.active.push_back(pod);
      if (loss) {
        pods.next_loss =
            std::min(pods.next_loss.value_or(Duration::max()), time_until(*loss, input.now));
      }
    }
  }
  return pods;
}

/// What every status of a finished Job says, as the API server's validation demands.
Value finished_status(const JobInput& input, const Pods& pods) {
  const bool good = pods.succeeded != nullptr;
  return Value::object({{"startTime", format_time(job_start_time(input))},
                        {"active", 0},
                        {"ready", 0},
                        {"terminating", 0},
                        {"succeeded", good ? 1 : 0},
                        {"failed", good ? 0 : 1}});
}

JobPlan complete(const JobInput& input, const Pods& pods) {
  const std::optional<Time> end = end_time(*pods.succeeded);
  const Time completed = std::max(job_start_time(input), end.value_or(input.now));
  Value status = finished_status(input, pods);
  status["completionTime"] = format_time(completed);
  status["conditions"] = Value::array(
      {job_condition("SuccessCriteriaMet", "True", "CompletionsReached", "the pod succeeded",
                     input.now),
       job_condition("Complete", "True", "CompletionsReached", "the pod succeeded", input.now)});
  JobPlan plan;
  plan.actions.push_back(job_status_patch(*input.job, std::move(status)));
  return plan;
}

JobPlan fail_job(const JobInput& input, const Pods& pods, std::string_view reason,
                 std::string_view message) {
  Value status = finished_status(input, pods);
  status["conditions"] =
      Value::array({job_condition("FailureTarget", "True", reason, message, input.now),
                    job_condition("Failed", "True", reason, message, input.now)});
  JobPlan plan;
  plan.actions.push_back(job_status_patch(*input.job, std::move(status)));
  return plan;
}

/// The pod ended by itself.
JobPlan fail_by_pod(const JobInput& input, const Pods& pods) {
  const Failure failure = classify(*pods.failed);
  // Tools know the built-in controller's word for a program that failed.
  const std::string reason =
      failure.infrastructure ? failure.reason : std::string("BackoffLimitExceeded");
  return fail_job(input, pods, reason, failure.message);
}

/// Delete the active pods that are not on their way out yet, and wait for the others.
JobPlan end_pods(const Pods& pods) {
  JobPlan plan;
  for (const Pod* pod : pods.active) {
    if (!pod->metadata.deletion_timestamp) {
      plan.actions.push_back(delete_object(Pod::kResource, pod->metadata));
    }
  }
  look_again(plan, pods.next_loss.value_or(kJobSafetyRecheck));
  return plan;
}

JobPlan plan_suspended(const JobInput& input, const Pods& pods) {
  if (!pods.active.empty()) return end_pods(pods);
  if (has_condition(*input.job, "Suspended")) return {};
  Value status = Value::object({{"active", 0}, {"startTime", nullptr}});
  status["conditions"] = Value::array(
      {job_condition("Suspended", "True", "JobSuspended", "spec.suspend is set", input.now)});
  JobPlan plan;
  plan.actions.push_back(job_status_patch(*input.job, std::move(status)));
  return plan;
}

/// The pod lives: say so in the status once it is worth a write.
JobPlan plan_active(const JobInput& input, const Pods& pods) {
  const Job& job = *input.job;
  JobPlan plan;
  if (pods.next_loss) look_again(plan, *pods.next_loss);
  const bool resumed = has_condition(job, "Suspended");
  if (job.status.active == 1 && job.status.start_time && !resumed) return plan;
  if (!input.may_report) {
    look_again(plan, kJobReportAgain);
    return plan;
  }
  const Time created = pods.active.front()->metadata.creation_timestamp.value_or(input.now);
  if (input.now < created + kJobProgressDelay) {
    look_again(plan, time_until(created, input.now) + kJobProgressDelay);
    return plan;
  }
  plan.reports = true;
  Value status = Value::object({{"active", 1}, {"startTime", format_time(job_start_time(input))}});
  if (resumed) {
    status["conditions"] = Value::array(
        {job_condition("Suspended", "False", "JobResumed", "spec.suspend is not set", input.now)});
  }
  plan.actions.push_back(job_status_patch(job, std::move(status)));
  return plan;
}

/// When the Job was wanted: it may be made much later, by a process that stood still in between and
/// whose caches are as old.
Time wanted_at(const JobInput& input) {
  const Job& job = *input.job;
  const Time created = job.metadata.creation_timestamp.value_or(input.now);
  return job.metadata.annotation(kStartedAnnotation).empty() ? created
                                                             : std::min(created, start_of(job));
}

JobPlan plan_without_pod(const JobInput& input, const Pods& pods) {
  const Job& job = *input.job;
  const bool existed = input.pod_seen || job.status.active > 0;
  if (existed && !has_condition(job, "Suspended")) {
    if (!input.live) return {.needs_live = true, .actions = {}, .reports = false, .recheck = {}};
    return fail_job(input, pods, "PodLost",
                    "the pod is gone and its end was not seen; it was deleted by force, or its "
                    "node was removed");
  }
  JobPlan plan;
  if (input.create_failure) {
    const CreateFailure& failure = *input.create_failure;
    const CreateVerdict verdict = judge(failure);
    if (verdict.permanent) {
      if (!input.live) return {.needs_live = true, .actions = {}, .reports = false, .recheck = {}};
      return fail_job(input, pods, verdict.reason,
                      "pod " + failure.key.name + ": " + failure.error.message);
    }
    look_again(plan, verdict.pause);
    return plan;
  }
  // A pod follows its Job at once. Where it did not, or where the Job is another's, somebody may
  // have made it and taken it away again, and a cache that lags shows neither that nor why.
  const bool late = input.shared || input.now >= wanted_at(input) + kLateCreate;
  const RunStand run = stand_of_run(input);
  if (!input.live && (late || run != RunStand::GoesOn)) {
    return {.needs_live = true, .actions = {}, .reports = false, .recheck = {}};
  }
  if (run == RunStand::GoesOn) plan.actions.push_back(create_job_pod(job));
  if (run == RunStand::Ended) plan.actions.push_back(stop_after_run(input));
  return plan;
}

JobPlan plan_one(const JobInput& input) {
  const Job& job = *input.job;
  const Pods pods = sort_pods(input);
  if (pods.succeeded != nullptr) return complete(input, pods);
  std::optional<Duration> deadline;
  if (const std::optional<JobStop> stop = find_job_stop(input, deadline)) {
    // A create whose answer was lost may have made a pod that the cache does not have yet.
    const bool unseen = pods.active.empty() && pods.failed == nullptr;
    if ((stop->by_time || pods.lost || unseen) && !input.live) {
      return {.needs_live = true, .actions = {}, .reports = false, .recheck = {}};
    }
    if (!pods.active.empty()) return end_pods(pods);
    return fail_job(input, pods, stop->reason, stop->message);
  }
  if (pods.failed != nullptr && pods.active.empty()) return fail_by_pod(input, pods);
  if (pods.lost && pods.active.empty()) {
    if (!input.live) return {.needs_live = true, .actions = {}, .reports = false, .recheck = {}};
    return fail_job(input, pods, "NodeLost",
                    "the pod was to end, but its node did not confirm it in time");
  }
  JobPlan plan;
  if (job.spec.suspend) {
    plan = plan_suspended(input, pods);
  } else if (!pods.active.empty()) {
    plan = plan_active(input, pods);
  } else {
    plan = plan_without_pod(input, pods);
  }
  if (deadline && !plan.needs_live) look_again(plan, *deadline);
  // A pod that only a live read found may have lost its label, and then raises no event.
  if (input.live && !pods.active.empty()) look_again(plan, kJobSafetyRecheck);
  return plan;
}

/// A finished Job goes when its time to live is over.
JobPlan plan_expiry(const JobInput& input) {
  const Job& job = *input.job;
  if (!input.alone || !job.spec.ttl_seconds_after_finished) return {};
  std::optional<Time> finished;
  for (const api::Condition& condition : job.status.conditions) {
    const bool end = condition.type == "Complete" || condition.type == "Failed";
    if (end && condition.status == "True") finished = condition.last_transition_time;
  }
  if (!finished) return {};
  const auto ttl = std::chrono::seconds(std::max(0, *job.spec.ttl_seconds_after_finished));
  JobPlan plan;
  if (input.now < *finished + ttl) {
    look_again(plan, time_until(*finished + ttl, input.now));
  } else if (!input.live) {
    plan.needs_live = true;  // somebody may have given it more time
  } else {
    plan.actions.push_back(delete_object(Job::kResource, job.metadata));
  }
  return plan;
}

}  // namespace

Action create_job_pod(const Job& job) {
  const api::ApiResource& kind = Pod::kResource;
  Action action;
  action.verb = Action::Verb::Create;
  action.resource = kind;
  action.key = {job.metadata.ns, pod_name(job.metadata.name, job.metadata.uid)};
  action.owner_uid = job.metadata.uid;
  action.body = object_head(kind, action.key);
  Value& metadata = action.body["metadata"];
  const Value& pod_template = job.spec.pod_template;
  for (const char* part : {"labels", "annotations"}) {
    const Value* value = pod_template.at_path({"metadata", part});
    if (value != nullptr && !value->empty()) metadata[part] = *value;
  }
  metadata["ownerReferences"] = Value::array({controller_reference(Job::kResource, job.metadata)});
  const Value* spec = pod_template.find("spec");
  action.body["spec"] = spec == nullptr ? Value::object() : *spec;
  return action;
}

bool is_finished(const Job& job) {
  return has_condition(job, "Complete") || has_condition(job, "Failed");
}

bool is_run_by_us(const api::Job& job, bool alone) {
  const std::string& manager = job.spec.managed_by;
  if (manager == kJobController) return true;
  return alone && (manager.empty() || manager == kBuiltInJobController);
}

bool is_one_pod(const Job& job) {
  const Job::Spec& spec = job.spec;
  return spec.managed_by == kJobController && spec.completions.value_or(1) == 1 &&
         spec.parallelism.value_or(1) == 1 && spec.backoff_limit == 0 &&
         spec.completion_mode != "Indexed" && spec.pod_failure_policy.is_null();
}

const api::OwnerReference* run_of_job(const Job& job) {
  const api::OwnerReference* owner = job.metadata.controller_ref();
  const bool is_run = owner != nullptr && owner->kind == crds::PipelineRun::kResource.kind &&
                      owner->api_version.starts_with(std::string(crds::kGroup) + "/");
  return is_run ? owner : nullptr;
}

JobPlan plan_job(const JobInput& input) {
  const Job& job = *input.job;
  if (!is_run_by_us(job, input.alone) || job.metadata.deletion_timestamp) return {};
  if (is_finished(job)) return plan_expiry(input);
  return is_one_pod(job) ? plan_one(input) : plan_many(input);
}

}  // namespace millrace::logic
