/// The PipelineRun kind: one execution of a Pipeline.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crds/pipeline.h"
#include "kubeclient/api/meta.h"

namespace millrace::crds {

/// What a person decided about an approval step.
enum class Decision { Approve, Reject };

}  // namespace millrace::crds

template <>
struct millrace::codec::EnumNames<millrace::crds::Decision> {
  using E = millrace::crds::Decision;
  static constexpr EnumName<E> names[] = {{E::Approve, "Approve"}, {E::Reject, "Reject"}};
};

namespace millrace::crds {

/// The decision about one approval step.
struct Approval {
  std::string step;
  Decision decision = Decision::Approve;
  std::string by;
  std::vector<std::string> groups;
  std::string comment;

  bool operator==(const Approval&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field(
        "step", self.step,
        {.doc = "Name of the approval step.", .required = true, .min_length = 1, .max_length = 63});
    v.field("decision", self.decision, {.doc = "`Approve` or `Reject`.", .required = true});
    v.field("by", self.by,
            {.doc = "Name of the user who decided, as the client wrote it: who may change the run "
                    "may write any name.",
             .max_length = 253});
    v.field("groups", self.groups,
            {.doc = "Groups of that user, as far as they matter.", .max_items = 64});
    v.field("comment", self.comment, {.doc = "Why.", .max_length = 1024});
  }
};

/// What to run. Immutable but for `cancel` and `approvals`.
struct PipelineRunSpec {
  std::string ref_pipeline;
  std::map<std::string, codec::Value> params;
  codec::Value trigger;  ///< object {type, id, body, headers, query, callbackUrl}, or null
  int max_retry_count = 0;
  std::optional<Duration> timeout;
  bool cancel = false;
  std::vector<Approval> approvals;
  std::string retry_of;
  std::string service_account_name;

  bool operator==(const PipelineRunSpec&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule(
        "self.refPipeline == oldSelf.refPipeline && "
        "(has(self.maxRetryCount) ? self.maxRetryCount : 0) == "
        "(has(oldSelf.maxRetryCount) ? oldSelf.maxRetryCount : 0) && "
        "(has(self.timeout) ? self.timeout : '') == (has(oldSelf.timeout) ? oldSelf.timeout : '') "
        "&& "
        "(has(self.serviceAccountName) ? self.serviceAccountName : '') == "
        "(has(oldSelf.serviceAccountName) ? oldSelf.serviceAccountName : '') && "
        "(has(self.retryOf) ? self.retryOf : '') == (has(oldSelf.retryOf) ? oldSelf.retryOf : '')",
        "the spec of a run cannot be changed, except for cancel and approvals; create a new run");
    v.rule(
        "has(self.params) == has(oldSelf.params) && "
        "(!has(self.params) || self.params == oldSelf.params) && "
        "has(self.trigger) == has(oldSelf.trigger) && "
        "(!has(self.trigger) || self.trigger == oldSelf.trigger)",
        "params and trigger of a run cannot be changed; create a new run");
    v.rule("!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
           "a cancelled run cannot be taken up again; create a new run");
    v.field("refPipeline", self.ref_pipeline,
            {.doc = "Name of the Pipeline, in the same namespace.",
             .required = true,
             .min_length = 1,
             .max_length = 63,
             .rule = kObjectNameRule,
             .rule_message = kObjectNameMessage});
    v.field("params", self.params,
            {.doc = "Values of the pipeline's params. They count as they are when the run starts.",
             .preserve_unknown = true,
             .max_items = 64,
             .kube_type = "any"});
    v.field("trigger", self.trigger,
            {.doc = "What started the run, for `{{ trigger.body.<key> }}`; filled in by the "
                    "gateway.",
             .preserve_unknown = true});
    v.field("maxRetryCount", self.max_retry_count,
            {.doc = "Attempts after the first, when an attempt fails. A retry resumes at the first "
                    "step that has not exited 0; after a timeout all steps run again.",
             .min = 0,
             .max = 1000});
    v.field(
        "timeout", self.timeout,
        {.doc = "Longest time of one attempt, image pulls included: at most `24h`. Absent: `10m` "
                "for batch pipelines. `0s`: no limit.",
         .unit = "Go duration",
         .rule = "duration(self) <= duration('24h')",
         .rule_message =
             "must be a duration such as 90s or 1h30m, at most 24h; 0s means no limit"});
    v.field(
        "cancel", self.cancel,
        {.doc = "Set to true to stop the run: its pods get TERM, their grace period, then KILL."});
    v.field("approvals", self.approvals,
            {.doc = "Decisions about approval steps; `millrace approve` adds them.",
             .max_items = 256,
             .list_map_key = "step"});
    v.field("retryOf", self.retry_of,
            {.doc = "Name of an ended run of the same pipeline whose succeeded steps are taken "
                    "over; `millrace retry` sets it.",
             .max_length = 63,
             .rule = kObjectNameRule,
             .rule_message = kObjectNameMessage});
    v.field("serviceAccountName", self.service_account_name,
            {.doc = "Service account of the pods, instead of the pipeline's.",
             .max_length = 253,
             .rule = kObjectNameRule,
             .rule_message = kObjectNameMessage});
  }
};

/// Where an attempt runs.
struct RunCluster {
  std::string ns;
  std::string build_name;
  std::vector<std::string> deployment_names;
  std::vector<std::string> service_names;

  bool operator==(const RunCluster&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("namespace", self.ns, {.doc = "Namespace of the objects."});
    v.field("buildName", self.build_name, {.doc = "Name of the attempt's Job."});
    v.field("deploymentNames", self.deployment_names, {.doc = "Deployments of a stream."});
    v.field("serviceNames", self.service_names, {.doc = "Services of a stream."});
  }
};

/// An attempt that failed; never changed afterwards.
struct AttemptRecord {
  std::string step;  ///< graphs only
  std::string ns;
  std::string build_name;
  int attempt = 0;
  std::optional<Time> start_time;
  std::optional<Time> completion_time;
  std::string reason;
  std::string message;
  std::vector<std::string> steps_succeeded;

  bool operator==(const AttemptRecord&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("step", self.step, {.doc = "The step, where each has attempts of its own."});
    v.field("namespace", self.ns, {.doc = "Namespace of its Job."});
    v.field("buildName", self.build_name, {.doc = "Name of its Job."});
    v.field("attempt", self.attempt, {.doc = "Number of the attempt, from 1."});
    v.field("startTime", self.start_time, {.doc = "When it started."});
    v.field("completionTime", self.completion_time, {.doc = "When it ended."});
    v.field("reason", self.reason, {.doc = "Why it failed, as one word."});
    v.field("message", self.message, {.doc = "Why it failed, for people."});
    v.field("stepsSucceeded", self.steps_succeeded,
            {.doc = "Steps of this attempt that exited 0; they do not run again."});
  }
};

/// How often the run was tried.
struct RetryStatus {
  int retry_count = 0;
  std::vector<AttemptRecord> history_build;

  bool operator==(const RetryStatus&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("retryCount", self.retry_count, {.doc = "Attempts after the first.", .keep = true});
    v.field("historyBuild", self.history_build,
            {.doc = "The attempts that failed, oldest first. Attempt 0: what a retry of a batch "
                    "run takes over."});
  }
};

/// How far a step is.
enum class StepPhase { Pending, Running, Succeeded, Failed, Skipped };

}  // namespace millrace::crds

template <>
struct millrace::codec::EnumNames<millrace::crds::StepPhase> {
  using E = millrace::crds::StepPhase;
  static constexpr EnumName<E> names[] = {{E::Pending, "Pending"},
                                          {E::Running, "Running"},
                                          {E::Succeeded, "Succeeded"},
                                          {E::Failed, "Failed"},
                                          {E::Skipped, "Skipped"}};
};

namespace millrace::crds {

/// What a step waits for.
struct StepWaiting {
  std::string reason;
  std::string message;
  std::optional<Time> since = {};  ///< graphs only
  std::optional<Time> until = {};  ///< of a backoff that a Retry-After has made longer
  bool operator==(const StepWaiting&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("reason", self.reason,
            {.doc = "As one word, e.g. `PreviousStep` or `ImagePullBackOff`."});
    v.field("message", self.message, {.doc = "For people."});
    v.field("since", self.since, {.doc = "Since when."});
    v.field("until", self.until,
            {.doc = "Not before this time, as a service asked for with `Retry-After`."});
  }
};

/// For how long a step waited, and for what.
struct StepWaited {
  std::string reason;
  std::int64_t milliseconds = 0;
  bool operator==(const StepWaited&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("reason", self.reason, {.doc = "As one word.", .required = true});
    v.field("milliseconds", self.milliseconds, {.doc = "For how long.", .unit = "ms"});
  }
};

/// One step of the current attempt.
struct StepState {
  std::string name;
  StepPhase state = StepPhase::Pending;
  int attempt = 0;
  int retries = 0;  ///< graphs only
  std::string reason;
  std::string message;
  std::optional<int> exit_code;
  std::optional<Time> started_at;
  std::optional<Time> finished_at;
  std::string job_name;
  std::string pod_name;
  std::optional<StepWaiting> waiting;
  std::vector<StepWaited> waited;
  std::string run_name;
  std::string of;         ///< of a combination of a matrix: the step
  codec::Value matrix;    ///< object of its values, or null
  codec::Value outputs;   ///< object, or null
  codec::Value response;  ///< of http: {status, headers, body}, or null

  bool operator==(const StepState&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name, {.doc = "Name of the step.", .required = true});
    v.field("state", self.state,
            {.doc = "`Pending`, `Running`, `Succeeded`, `Failed` or `Skipped`.", .required = true});
    v.field("attempt", self.attempt, {.doc = "Number of the attempt, from 1."});
    v.field(
        "retries", self.retries,
        {.doc = "How often its own `retry` began it again since the run began, or was retried."});
    v.field("reason", self.reason, {.doc = "Why it failed, as one word."});
    v.field("message", self.message, {.doc = "Why it failed, for people."});
    v.field("exitCode", self.exit_code, {.doc = "What its program returned."});
    v.field("startedAt", self.started_at, {.doc = "When its program started."});
    v.field("finishedAt", self.finished_at, {.doc = "When its program ended."});
    v.field("jobName", self.job_name, {.doc = "Its Job."});
    v.field("podName", self.pod_name, {.doc = "Its pod."});
    v.field("waiting", self.waiting, {.doc = "What it waits for, while it is pending."});
    v.field("waited", self.waited, {.doc = "What it waited for, and for how long."});
    v.field("runName", self.run_name, {.doc = "The run that a `pipeline` step started."});
    v.field("of", self.of, {.doc = "The step that this is one combination of."});
    v.field("matrix", self.matrix,
            {.doc = "The values of the combination.", .preserve_unknown = true});
    v.field("outputs", self.outputs,
            {.doc = "What it gives to others, by name.", .preserve_unknown = true});
    v.field("response", self.response,
            {.doc = "What an HTTP service answered: `status`, `headers`, `body`.",
             .preserve_unknown = true});
  }
};

/// Ended steps whose details were moved out of the status, to keep it small.
struct StepArchive {
  std::vector<std::string> revisions;
  std::string succeeded;
  std::string skipped;
  bool operator==(const StepArchive&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("revisions", self.revisions,
            {.doc = "The ControllerRevisions that hold the details, oldest first."});
    v.field("succeeded", self.succeeded,
            {.doc = "Positions of those that succeeded among all steps of the pipeline (`steps`, "
                    "`onError`, `finally`), from 0, e.g. `0-57,60`."});
    v.field("skipped", self.skipped, {.doc = "The same of those that were skipped."});
  }
};

/// What the operator says of a run.
struct PipelineRunStatus {
  std::int64_t observed_generation = 0;
  std::vector<api::Condition> conditions;
  std::string pipeline_revision;
  std::optional<Time> start_time;
  std::optional<Time> completion_time;
  std::string duration;
  std::string steps;
  std::vector<StepState> step_states;
  std::vector<std::string> steps_completed;
  std::optional<RetryStatus> retry_status;
  std::optional<RunCluster> cluster;
  std::map<std::string, codec::Value> params;
  std::string concurrency_group;
  std::optional<StepArchive> archive;

  bool operator==(const PipelineRunStatus&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("observedGeneration", self.observed_generation,
            {.doc = "The generation of the spec that this status is about."});
    v.field("conditions", self.conditions,
            {.doc = "`Completed`, `Succeeded` (`Unknown` while it runs) and `Cancelled`.",
             .list_map_key = "type"});
    v.field("pipelineRevision", self.pipeline_revision,
            {.doc = "The ControllerRevision that holds the pipeline's spec as this run uses it."});
    v.field("startTime", self.start_time, {.doc = "When the first attempt started."});
    v.field("completionTime", self.completion_time, {.doc = "When the run ended."});
    v.field("duration", self.duration, {.doc = "From start to end, for people."});
    v.field("steps", self.steps, {.doc = "Steps succeeded of all steps, e.g. `2/3`."});
    v.field("stepStates", self.step_states, {.doc = "The steps of the current attempt, in order."});
    v.field("stepsCompleted", self.steps_completed,
            {.doc = "Containers that ended, `build-step-<step>`, failed ones included."});
    v.field("retryStatus", self.retry_status, {.doc = "How often it was tried."});
    v.field("cluster", self.cluster, {.doc = "Where the current attempt runs."});
    v.field("params", self.params,
            {.doc = "The values of the params as the run uses them.", .kube_type = "any"});
    v.field("concurrencyGroup", self.concurrency_group,
            {.doc = "The concurrency group that the run has a place in."});
    v.field("archive", self.archive,
            {.doc = "Where the details of steps are that are not in `stepStates`."});
  }
};

/// `kind: PipelineRun`.
struct PipelineRun {
  static constexpr api::ApiResource kResource{kGroup, kVersion, "pipelineruns", "PipelineRun",
                                              true};
  static constexpr std::string_view kShortName = "plr";
  static constexpr PrintColumn kPrintColumns[] = {
      {"Pipeline", "string", ".spec.refPipeline", "What it runs."},
      {"Status", "string", ".status.conditions[?(@.type==\"Succeeded\")].reason", "How it goes."},
      {"Steps", "string", ".status.steps", "Steps succeeded of all steps."},
      {"Retries", "integer", ".status.retryStatus.retryCount", "Attempts after the first."},
      {"Started", "date", ".status.startTime", "When the first attempt started."},
      {"Duration", "string", ".status.duration", "From start to end."},
      {"Message", "string", ".status.conditions[?(@.type==\"Succeeded\")].message",
       "Why it is as it is.", 1},
      {"Revision", "string", ".status.pipelineRevision", "The revision it uses.", 1},
  };

  api::ObjectMeta metadata;
  PipelineRunSpec spec;
  PipelineRunStatus status;

  bool operator==(const PipelineRun&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule(kNameRule, kNameMessage);
    v.field("metadata", self.metadata);
    v.field("spec", self.spec, {.doc = "What to run.", .required = true});
    v.field("status", self.status, {.doc = "How it goes."});
  }
};

}  // namespace millrace::crds
