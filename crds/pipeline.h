/// The Pipeline kind: what is to run, written in one of several ways, and when.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crds/print_column.h"
#include "crds/steps.h"
#include "kubeclient/api/meta.h"
#include "kubeclient/codec/schema.h"

namespace millrace::crds {

inline constexpr std::string_view kGroup = "millrace.dev";
inline constexpr std::string_view kVersion = "v1";

/// The rule on the names of both kinds.
inline constexpr std::string_view kNameRule = "size(self.metadata.name) <= 63";
inline constexpr std::string_view kNameMessage =
    "metadata.name must have at most 63 characters, as it becomes a label of the pods";

/// The rule on names of other objects; empty where the field may be empty.
inline constexpr std::string_view kObjectNameRule =
    "self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$')";
inline constexpr std::string_view kObjectNameMessage =
    "must be the name of an object: lower-case letters, digits, '-' and '.', with a letter or "
    "digit "
    "at both ends";

/// Settings handed to an adapter image as `--key=value` arguments, sorted by key.
using AdapterSettings = std::map<std::string, std::string>;

/// Where a batch job reads from: exactly one kind.
struct Input {
  std::optional<AdapterSettings> elastic_search;
  std::optional<AdapterSettings> api_server;

  bool operator==(const Input&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule("has(self.elasticSearch) != has(self.apiServer)",
           "give exactly one kind of input: elasticSearch or apiServer");
    v.field(
        "elasticSearch", self.elastic_search,
        {.doc = "Read from Elasticsearch, with the image `inputElasticSearch` of the operator's "
                "configuration. Each entry becomes an argument `--key=value`.",
         .max_items = 64});
    v.field("apiServer", self.api_server,
            {.doc = "Read from an HTTP API, with the image `inputApiServer` of the operator's "
                    "configuration. Each entry becomes an argument `--key=value`.",
             .max_items = 64});
  }
};

/// Where a batch job writes to: a name and exactly one kind.
struct Output {
  std::string name;
  std::optional<AdapterSettings> api;
  std::optional<AdapterSettings> as2;
  std::optional<AdapterSettings> ftp;
  std::optional<AdapterSettings> kafka;
  std::optional<AdapterSettings> email;
  std::optional<AdapterSettings> custom;

  bool operator==(const Output&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule(
        "[has(self.api), has(self.as2), has(self.ftp), has(self.kafka), has(self.email), "
        "has(self.custom)].filter(x, x).size() == 1",
        "give exactly one kind of output: api, as2, ftp, kafka, email or custom; write several "
        "outputs for several kinds");
    v.rule("!has(self.custom) || ('image' in self.custom && self.custom['image'] != '')",
           "a custom output needs its image: add the key image to custom");
    v.field("name", self.name,
            {.doc = "Name of the output, unique in the pipeline. Its step is `output--<name>`.",
             .required = true,
             .min_length = 1,
             .max_length = 44,  // its container is build-step-output--<name>, at most 63
             .rule = codec::kDnsLabelRule,
             .rule_message = codec::kDnsLabelMessage});
    v.field("api", self.api, {.doc = "Image `outputApi`.", .max_items = 64});
    v.field("as2", self.as2, {.doc = "Image `outputAs2`.", .max_items = 64});
    v.field("ftp", self.ftp, {.doc = "Image `outputFtp`.", .max_items = 64});
    v.field("kafka", self.kafka, {.doc = "Image `outputKafka`.", .max_items = 64});
    v.field("email", self.email, {.doc = "Image `outputEmail`.", .max_items = 64});
    v.field(
        "custom", self.custom,
        {.doc = "An image of your own, under the key `image`; the other keys are its arguments.",
         .max_items = 64});
  }
};

/// Input, processors and outputs, one after another in one pod; at least one step.
struct BatchJob {
  std::optional<Input> input;
  std::vector<codec::Value> processors;  ///< core/v1 Container, as written
  std::vector<Output> outputs;
  std::vector<codec::Value> volumes;  ///< core/v1 Volume, as written
  std::string service_account_name;
  codec::Value resources;  ///< core/v1 ResourceRequirements, or null
  std::map<std::string, std::string> node_selector;
  codec::Value affinity;  ///< core/v1 Affinity, or null

  bool operator==(const BatchJob&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule(
        "!has(self.processors) || self.processors.all(p, p.name != 'input' && "
        "!(has(self.outputs) && self.outputs.exists(o, 'output--' + o.name == p.name)))",
        "a processor must not be named input, nor output--<name> of an output: those are the names "
        "of other steps; rename it");
    v.rule(
        "has(self.input) || (has(self.processors) && size(self.processors) > 0) || "
        "(has(self.outputs) && size(self.outputs) > 0)",
        "give at least one step: an input, a processor or an output");
    v.field("input", self.input, {.doc = "The first step, `input`: where the data comes from."});
    v.field("processors", self.processors,
            {.doc = "Containers that run between input and outputs, in this order.",
             .max_items = 64,
             .list_map_key = "name",
             .rule = "self.all(p, size(p.name) <= 52)",
             .rule_message = "the name of a processor must have at most 52 characters",
             .kube_type = "core/v1 Container"});
    v.field("outputs", self.outputs,
            {.doc = "The last steps, in this order: where the data goes.",
             .max_items = 64,
             .list_map_key = "name"});
    v.field("volumes", self.volumes,
            {.doc = "Volumes of the pod, for the processors' volumeMounts.",
             .max_items = 64,
             .list_map_key = "name",
             .kube_type = "core/v1 Volume"});
    v.field("serviceAccountName", self.service_account_name,
            {.doc = "Service account of the pod; `default` when empty.",
             .max_length = 253,
             .rule = kObjectNameRule,
             .rule_message = kObjectNameMessage});
    v.field("resources", self.resources,
            {.doc = "Resources of every step that has none of its own.",
             .preserve_unknown = true,
             .kube_type = "core/v1 ResourceRequirements"});
    v.field("nodeSelector", self.node_selector,
            {.doc = "Labels that the pod's node must have.", .max_items = 64});
    v.field("affinity", self.affinity,
            {.doc = "Scheduling rules of the pod.",
             .preserve_unknown = true,
             .kube_type = "core/v1 Affinity"});
  }
};

/// One long-running service of a stream job.
struct MicroService {
  std::string name;
  std::optional<int> replicas;
  codec::Value spec;  ///< core/v1 PodSpec, as written

  bool operator==(const MicroService&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name,
            {.doc = "Name of the service, unique in the pipeline: the Service is `<name>`, the "
                    "Deployment `<pipeline>-deploy-<name>`.",
             .required = true,
             .min_length = 1,
             .max_length = 63,
             .rule = "self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
             .rule_message = "must be the name of a Service: lower-case letters, digits and '-', "
                             "beginning with a letter, ending with a letter or digit"});
    v.field("replicas", self.replicas,
            {.doc = "Number of pods. Changes reach a running stream at once.",
             .min = 0,
             .max = 10000,
             .default_json = "1"});
    v.field("spec", self.spec,
            {.doc = "The pods. The Service gets a port for each port its containers declare.",
             .required = true,
             .preserve_unknown = true,
             .kube_type = "core/v1 PodSpec"});
  }
};

/// Services that are kept running.
struct StreamJob {
  std::vector<MicroService> micro_services;

  bool operator==(const StreamJob&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("microServices", self.micro_services,
            {.doc = "The services to keep running.",
             .required = true,
             .min_items = 1,
             .max_items = 64,
             .list_map_key = "name"});
  }
};

/// What to do with a tick while the run of an earlier tick has not ended.
enum class ConcurrencyPolicy { Allow, Forbid, Replace };
/// What to do with ticks that passed while nobody looked.
enum class CatchUp { None, Last, All };

}  // namespace millrace::crds

template <>
struct millrace::codec::EnumNames<millrace::crds::ConcurrencyPolicy> {
  using E = millrace::crds::ConcurrencyPolicy;
  static constexpr EnumName<E> names[] = {
      {E::Allow, "Allow"}, {E::Forbid, "Forbid"}, {E::Replace, "Replace"}};
};
template <>
struct millrace::codec::EnumNames<millrace::crds::CatchUp> {
  using E = millrace::crds::CatchUp;
  static constexpr EnumName<E> names[] = {{E::None, "None"}, {E::Last, "Last"}, {E::All, "All"}};
};

namespace millrace::crds {

/// When runs start by themselves.
struct Strategy {
  std::string cron_expression;
  std::string expire;
  std::string time_zone;
  ConcurrencyPolicy concurrency_policy = ConcurrencyPolicy::Allow;
  std::optional<Duration> starting_deadline;
  bool suspend = false;
  CatchUp catch_up = CatchUp::None;
  std::optional<int> catch_up_limit;
  std::optional<int> successful_runs_history_limit;
  std::optional<int> failed_runs_history_limit;

  bool operator==(const Strategy&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field(
        "cronExpression", self.cron_expression,
        {.doc = "Five fields (minute, hour, day of month, month, day of week) or a descriptor "
                "such as `@daily` or `@every 90s`. Batch pipelines only.",
         .max_length = 256,
         .rule = "self == '' || "
                 "self.matches('^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$') || "
                 "(self.startsWith('@every ') ? duration(self.substring(7)) >= duration('1s') : "
                 "self.matches('^[[:space:]]*[^[:space:]@][^[:space:]]*([[:space:]]+[^[:space:]]+)"
                 "{4}[[:space:]]*$'))",
         .rule_message =
             "give exactly five fields (minute hour day-of-month month day-of-week), or one of "
             "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every 5m (at "
             "least 1s)"});
    v.field(
        "expire", self.expire,
        {.doc = "From this time on (UTC, `YYYY-MM-DD hh:mm:ss`) nothing starts any more. Empty: "
                "never. `24:00:00` is the next midnight.",
         .max_length = 19,
         .rule = "self == '' || (self.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2} "
                 "(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]|24:00:00)$') && "
                 "timestamp(self.substring(0, 10) + 'T00:00:00Z').getFullYear() > 0)",
         .rule_message = "must be an existing UTC time written as YYYY-MM-DD hh:mm:ss, such as "
                         "2031-12-30 23:59:59, or empty for never"});
    v.field("timeZone", self.time_zone,
            {.doc = "IANA name of the zone the expression is read in, e.g. `Europe/Berlin`. "
                    "Empty: UTC.",
             .max_length = 64,
             .rule = "self.matches('^([A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*)?$')",
             .rule_message = "must be the IANA name of a time zone, such as Europe/Berlin"});
    v.field("concurrencyPolicy", self.concurrency_policy,
            {.doc = "When a tick comes and an earlier scheduled run has not ended: `Allow` both, "
                    "`Forbid` the new one, or `Replace` the old one.",
             .default_json = "\"Allow\""});
    v.field("startingDeadline", self.starting_deadline,
            {.doc = "A tick that could not start within this time is skipped. Absent: no deadline.",
             .unit = "Go duration"});
    v.field("suspend", self.suspend,
            {.doc = "While true, ticks are skipped.", .default_json = "false"});
    v.field(
        "catchUp", self.catch_up,
        {.doc = "Ticks missed while the operator was away: start `None` of them, the `Last`, or "
                "`All` up to `catchUpLimit`.",
         .default_json = "\"None\""});
    v.field("catchUpLimit", self.catch_up_limit,
            {.doc = "Most runs that `catchUp: All` starts at once.",
             .min = 1,
             .max = 100,
             .default_json = "10"});
    v.field("successfulRunsHistoryLimit", self.successful_runs_history_limit,
            {.doc = "Successful scheduled runs to keep. Absent: all.", .min = 0, .max = 10000});
    v.field("failedRunsHistoryLimit", self.failed_runs_history_limit,
            {.doc = "Failed and cancelled scheduled runs to keep. Absent: all.",
             .min = 0,
             .max = 10000});
  }
};

/// Exactly one body, what stands around it, and when to run it.
struct PipelineSpec {
  std::vector<Step> steps;
  std::optional<BatchJob> batch_job;
  std::optional<StreamJob> stream_job;
  std::vector<std::string> stages;
  std::vector<BeltJob> jobs;
  std::optional<BeltJob> error;
  std::optional<int> port;
  std::vector<Param> params;
  std::vector<Step> on_error;
  std::vector<Step> finally_steps;
  std::optional<Duration> finally_timeout;
  std::optional<Concurrency> concurrency;
  std::optional<int> parallelism;
  std::optional<PodTemplate> pod_template;
  std::vector<Trigger> triggers;
  std::optional<Strategy> strategy;

  bool operator==(const PipelineSpec&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule(
        "[has(self.steps), has(self.batchJob), has(self.streamJob), has(self.jobs) || "
        "(has(self.stages) && !has(self.steps))].filter(x, x).size() == 1",
        "give exactly one body: steps, batchJob, streamJob, or stages with jobs");
    v.rule("!has(self.jobs) || has(self.stages)",
           "jobs need their stages: list them in stages, in their order");
    v.field("steps", self.steps,
            {.doc = "Steps in any order, run as their dependencies allow.",
             .min_items = 1,
             .max_items = kMaxSteps,
             .list_map_key = "name"});
    v.field("batchJob", self.batch_job,
            {.doc = "Steps that run one after another in one pod, then end."});
    v.field("streamJob", self.stream_job, {.doc = "Services that are kept running."});
    v.field("stages", self.stages,
            {.doc = "Stages in their order: each waits for the one before.",
             .min_items = 1,
             .max_items = 256});
    v.field("jobs", self.jobs,
            {.doc = "HTTP jobs of the stages, as conveyor-belt has them; those of a stage run in "
                    "parallel.",
             .max_items = 500});
    v.field("error", self.error,
            {.doc = "The job that is run once when a job has failed; with `stages` and `jobs` "
                    "only."});
    v.field("port", self.port,
            {.doc = "Accepted and not used: the operator's gateway has one port for all pipelines.",
             .min = 0,
             .max = 65535});
    v.field(
        "params", self.params,
        {.doc = "The values that a run is started with.", .max_items = 64, .list_map_key = "name"});
    v.field("onError", self.on_error,
            {.doc = "Steps run when any step has failed, once all others have ended.",
             .max_items = 64,
             .list_map_key = "name"});
    v.field("finally", self.finally_steps,
            {.doc = "Steps run last, whatever happened, cancellation included.",
             .max_items = 64,
             .list_map_key = "name"});
    v.field("finallyTimeout", self.finally_timeout,
            {.doc = "Longest time of all `finally` steps together; absent: `10m`.",
             .unit = "Go duration"});
    v.field("concurrency", self.concurrency, {.doc = "How many runs go on at once."});
    v.field("parallelism", self.parallelism,
            {.doc = "Most steps of a run at once; absent: no limit.", .min = 1, .max = 2000});
    v.field("podTemplate", self.pod_template,
            {.doc = "What all pods of the steps have in common."});
    v.field("triggers", self.triggers,
            {.doc = "What starts runs besides kubectl and the schedule.", .max_items = 1});
    v.field("strategy", self.strategy, {.doc = "When runs start by themselves."});
  }
};

/// What became of one tick of the schedule.
enum class TickOutcome { Claimed, Created, Skipped };

}  // namespace millrace::crds

template <>
struct millrace::codec::EnumNames<millrace::crds::TickOutcome> {
  using E = millrace::crds::TickOutcome;
  static constexpr EnumName<E> names[] = {
      {E::Claimed, "Claimed"}, {E::Created, "Created"}, {E::Skipped, "Skipped"}};
};

namespace millrace::crds {

/// One line of the tick ledger.
struct TickRecord {
  Time time{};
  TickOutcome outcome = TickOutcome::Claimed;
  std::string reason;
  std::string run;
  std::string uid;
  int count = 0;

  bool operator==(const TickRecord&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("time", self.time, {.doc = "The tick.", .required = true});
    v.field(
        "outcome", self.outcome,
        {.doc = "`Claimed`: its run is being created; `Created`; or `Skipped`.", .required = true});
    v.field("reason", self.reason, {.doc = "Why it was skipped."});
    v.field("run", self.run, {.doc = "Name of its run."});
    v.field("uid", self.uid, {.doc = "UID of its run."});
    v.field("count", self.count,
            {.doc = "Ticks this line stands for, up to and including `time`, when more than one."});
  }
};

/// The schedule as the operator keeps it.
struct ScheduleStatus {
  std::string expression;
  std::string time_zone;
  std::optional<Time> anchor;
  std::optional<Time> last_tick;
  std::optional<Time> next_tick;
  std::string paused;
  std::vector<TickRecord> ticks;

  bool operator==(const ScheduleStatus&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("expression", self.expression, {.doc = "The expression in force."});
    v.field("timeZone", self.time_zone, {.doc = "The zone in force."});
    v.field("anchor", self.anchor, {.doc = "Since when the expression is in force."});
    v.field("lastTick", self.last_tick, {.doc = "The last tick that was dealt with."});
    v.field("nextTick", self.next_tick, {.doc = "The next tick."});
    v.field("paused", self.paused,
            {.doc = "`Suspended` or `Expired` while ticks do not count. Their number is recorded "
                    "when it ends."});
    v.field("ticks", self.ticks, {.doc = "The last ticks and what became of them, oldest first."});
  }
};

/// A run of the pipeline, by name.
struct UsedRun {
  std::string ns;
  std::string pipeline_run;
  bool operator==(const UsedRun&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("namespace", self.ns);
    v.field("pipelineRun", self.pipeline_run);
  }
};

/// What the operator says of a Pipeline.
struct PipelineStatus {
  std::int64_t observed_generation = 0;
  std::vector<api::Condition> conditions;
  std::string revision;
  std::optional<bool> idle;
  std::vector<UsedRun> used_pipeline_run;
  std::optional<ScheduleStatus> schedule;

  bool operator==(const PipelineStatus&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("observedGeneration", self.observed_generation,
            {.doc = "The generation of the spec that this status is about."});
    v.field("conditions", self.conditions,
            {.doc = "`Ready`: whether runs of this pipeline can start, and if not, which field is "
                    "wrong. `Admitted`: whether the API server would take what a run creates.",
             .list_map_key = "type"});
    v.field("revision", self.revision, {.doc = "The ControllerRevision of the current spec."});
    v.field("idle", self.idle, {.doc = "True when no run of it is under way."});
    v.field("usedPipelineRun", self.used_pipeline_run,
            {.doc = "Its runs under way, then its latest finished ones; at most 50."});
    v.field("schedule", self.schedule, {.doc = "The schedule and its ledger of ticks."});
  }
};

/// `kind: Pipeline`.
struct Pipeline {
  static constexpr api::ApiResource kResource{kGroup, kVersion, "pipelines", "Pipeline", true};
  static constexpr std::string_view kShortName = "pl";
  static constexpr PrintColumn kPrintColumns[] = {
      {"Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status",
       "Whether runs of it can start."},
      {"Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason",
       "`Valid`, or why not, or what the API server would say to the objects of a run."},
      {"Schedule", "string", ".spec.strategy.cronExpression", "When runs start by themselves."},
      {"Suspend", "boolean", ".spec.strategy.suspend", "Whether ticks are skipped."},
      {"Last", "date", ".status.schedule.lastTick", "The last tick that was dealt with."},
      {"Next", "string", ".status.schedule.nextTick", "The next tick."},
      {"Idle", "boolean", ".status.idle", "Whether no run of it is under way."},
      {"Age", "date", ".metadata.creationTimestamp", ""},
      {"Zone", "string", ".spec.strategy.timeZone", "The zone of the schedule.", 1},
      {"Revision", "string", ".status.revision", "The revision new runs use.", 1},
      {"Message", "string", ".status.conditions[?(@.type==\"Ready\")].message",
       "Which field is wrong, or which object would be refused.", 1},
  };

  api::ObjectMeta metadata;
  PipelineSpec spec;
  PipelineStatus status;

  bool operator==(const Pipeline&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule(kNameRule, kNameMessage);
    v.field("metadata", self.metadata);
    v.field("spec", self.spec, {.doc = "What is to run, and when.", .required = true});
    v.field("status", self.status, {.doc = "What the operator says of it."});
  }
};

}  // namespace millrace::crds
