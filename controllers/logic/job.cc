#include "controllers/logic/job.h"

#include <algorithm>

#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/pod_facts.h"
#include "controllers/logic/run_status.h"
#include "controllers/logic/times.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using api::Job;
using api::Pod;
using codec::Value;
using std::chrono::seconds;

/// "Active" is written to the Job's status only when its pod lives longer than this, so that short
/// steps need no such write.
constexpr Duration kActiveDelay = seconds(1);
/// How often to look again at something whose end should be an event.
constexpr Duration kSafetyRecheck = seconds(30);

bool has_condition(const Job& job, std::string_view type) {
  const api::Condition* condition = api::find_condition(job.status.conditions, type);
  return condition != nullptr && condition->status == "True";
}

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

Time start_time(const JobInput& input) {
  if (input.job->status.start_time) return *input.job->status.start_time;
  Time start = input.job->metadata.creation_timestamp.value_or(truncate_to_second(input.now));
  return truncate_to_second(start);
}

Value condition(std::string_view type, std::string_view status, std::string_view reason,
                std::string_view message, Time now) {
  const std::string time = format_time(now);
  return Value::object({{"type", type},
                        {"status", status},
                        {"lastProbeTime", time},
                        {"lastTransitionTime", time},
                        {"reason", reason},
                        {"message", cut(message, kMessageLimit)}});
}

Action status_patch(const Job& job, Value status) {
  Action action;
  action.verb = Action::Verb::PatchStatus;
  action.resource = Job::kResource;
  action.key = api::key_of(job.metadata);
  action.body = Value::object(
      {{"metadata", Value::object({{"resourceVersion", job.metadata.resource_version}})}});
  action.body["status"] = std::move(status);
  return action;
}

/// What every status of a finished Job says, as the API server's validation demands.
Value finished_status(const JobInput& input, const Pods& pods) {
  const bool good = pods.succeeded != nullptr;
  return Value::object({{"startTime", format_time(start_time(input))},
                        {"active", 0},
                        {"ready", 0},
                        {"terminating", 0},
                        {"succeeded", good ? 1 : 0},
                        {"failed", good ? 0 : 1}});
}

JobPlan complete(const JobInput& input, const Pods& pods) {
  const std::optional<Time> end = end_time(*pods.succeeded);
  const Time completed = std::max(start_time(input), end.value_or(input.now));
  Value status = finished_status(input, pods);
  status["completionTime"] = format_time(completed);
  status["conditions"] = Value::array(
      {condition("SuccessCriteriaMet", "True", "CompletionsReached", "the pod succeeded",
                 input.now),
       condition("Complete", "True", "CompletionsReached", "the pod succeeded", input.now)});
  JobPlan plan;
  plan.actions.push_back(status_patch(*input.job, std::move(status)));
  return plan;
}

JobPlan fail_job(const JobInput& input, const Pods& pods, std::string_view reason,
                 std::string_view message) {
  Value status = finished_status(input, pods);
  status["conditions"] =
      Value::array({condition("FailureTarget", "True", reason, message, input.now),
                    condition("Failed", "True", reason, message, input.now)});
  JobPlan plan;
  plan.actions.push_back(status_patch(*input.job, std::move(status)));
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

/// What the Job asks for beyond what this controller can do; empty when nothing.
std::string unsupported(const Job::Spec& spec) {
  if (spec.completions.value_or(1) != 1) return "spec.completions must be 1";
  if (spec.parallelism.value_or(1) != 1) return "spec.parallelism must be 1";
  if (spec.backoff_limit.value_or(0) != 0) return "spec.backoffLimit must be 0";
  return {};
}

Action create_pod(const Job& job) {
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

/// Why the Job has to stop now: reason and message of the condition it ends with.
struct Stop {
  std::string reason;
  std::string message;
  bool by_time = false;  ///< decided from the clock, not from something written
};

std::optional<Stop> find_stop(const JobInput& input, std::optional<Duration>& recheck) {
  const Job& job = *input.job;
  const std::string& ordered = job.metadata.annotation(kStopAnnotation);
  if (!ordered.empty()) return Stop{ordered, job.metadata.annotation(kStopMessageAnnotation)};
  if (!job.spec.active_deadline_seconds) return std::nullopt;
  const auto allowed = std::min(seconds(*job.spec.active_deadline_seconds), kCentury);
  const Time deadline = start_time(input) + allowed;
  if (input.now >= deadline) {
    return Stop{"DeadlineExceeded", "the Job was active longer than spec.activeDeadlineSeconds",
                true};
  }
  recheck = std::min(recheck.value_or(Duration::max()), time_until(deadline, input.now));
  return std::nullopt;
}

void look_again(JobPlan& plan, Duration delay) {
  plan.recheck = std::min(plan.recheck.value_or(Duration::max()), delay);
}

/// Delete the active pods that are not on their way out yet, and wait for the others.
JobPlan end_pods(const Pods& pods) {
  JobPlan plan;
  for (const Pod* pod : pods.active) {
    if (!pod->metadata.deletion_timestamp) {
      plan.actions.push_back(delete_object(Pod::kResource, pod->metadata));
    }
  }
  look_again(plan, pods.next_loss.value_or(kSafetyRecheck));
  return plan;
}

JobPlan plan_suspended(const JobInput& input, const Pods& pods) {
  if (!pods.active.empty()) return end_pods(pods);
  if (has_condition(*input.job, "Suspended")) return {};
  Value status = Value::object({{"active", 0}, {"startTime", nullptr}});
  status["conditions"] = Value::array(
      {condition("Suspended", "True", "JobSuspended", "spec.suspend is set", input.now)});
  JobPlan plan;
  plan.actions.push_back(status_patch(*input.job, std::move(status)));
  return plan;
}

/// The pod lives: say so in the status once it is worth a write.
JobPlan plan_active(const JobInput& input, const Pods& pods) {
  const Job& job = *input.job;
  JobPlan plan;
  if (pods.next_loss) look_again(plan, *pods.next_loss);
  const bool resumed = has_condition(job, "Suspended");
  if (job.status.active == 1 && job.status.start_time && !resumed) return plan;
  const Time created = pods.active.front()->metadata.creation_timestamp.value_or(input.now);
  if (input.now < created + kActiveDelay) {
    look_again(plan, time_until(created, input.now) + kActiveDelay);
    return plan;
  }
  Value status = Value::object({{"active", 1}, {"startTime", format_time(start_time(input))}});
  if (resumed) {
    status["conditions"] = Value::array(
        {condition("Suspended", "False", "JobResumed", "spec.suspend is not set", input.now)});
  }
  plan.actions.push_back(status_patch(job, std::move(status)));
  return plan;
}

JobPlan plan_without_pod(const JobInput& input, const Pods& pods) {
  const Job& job = *input.job;
  const bool existed = input.pod_seen || job.status.active > 0;
  if (existed && !has_condition(job, "Suspended")) {
    if (!input.live) return {.needs_live = true, .actions = {}, .recheck = {}};
    return fail_job(input, pods, "PodLost",
                    "the pod is gone and its end was not seen; it was deleted by force, or its "
                    "node was removed");
  }
  JobPlan plan;
  if (input.create_failure) {
    const CreateFailure& failure = *input.create_failure;
    const CreateVerdict verdict = judge(failure);
    if (verdict.permanent) {
      return fail_job(input, pods, verdict.reason,
                      "pod " + failure.key.name + ": " + failure.error.message);
    }
    look_again(plan, verdict.pause);
    return plan;
  }
  plan.actions.push_back(create_pod(job));
  return plan;
}

}  // namespace

bool is_finished(const Job& job) {
  return has_condition(job, "Complete") || has_condition(job, "Failed");
}

JobPlan plan_job(const JobInput& input) {
  const Job& job = *input.job;
  if (job.spec.managed_by != kJobController || job.metadata.deletion_timestamp ||
      is_finished(job)) {
    return {};
  }
  const Pods pods = sort_pods(input);
  if (pods.succeeded != nullptr) return complete(input, pods);
  if (const std::string why = unsupported(job.spec); !why.empty()) {
    return fail_job(input, pods, "Unsupported",
                    why + " in a Job that is managed by " + std::string(kJobController));
  }
  std::optional<Duration> deadline;
  if (const std::optional<Stop> stop = find_stop(input, deadline)) {
    if ((stop->by_time || pods.lost) && !input.live) {
      return {.needs_live = true, .actions = {}, .recheck = {}};
    }
    if (!pods.active.empty()) return end_pods(pods);
    return fail_job(input, pods, stop->reason, stop->message);
  }
  if (pods.failed != nullptr && pods.active.empty()) return fail_by_pod(input, pods);
  if (pods.lost && pods.active.empty()) {
    if (!input.live) return {.needs_live = true, .actions = {}, .recheck = {}};
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
  if (input.live && !pods.active.empty()) look_again(plan, kSafetyRecheck);
  return plan;
}

}  // namespace millrace::logic
