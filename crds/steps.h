/// The canonical way to write a pipeline: steps in any order, each with one action, and what stands
/// around them. Meaning: docs/steps.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubeclient/codec/schema.h"

namespace millrace::crds {

/// Most steps of one pipeline, `onError` and `finally` included.
inline constexpr int kMaxSteps = 2000;

/// The type of a param's value.
enum class ParamType { string, integer, number, boolean, list, object };
/// Causes of a failed attempt that a retry may be limited to.
enum class RetryCause { Failed, TimedOut, Infrastructure };
/// What becomes of a run when its concurrency group is full.
enum class OnConflict { Queue, Reject, Replace };

}  // namespace millrace::crds

template <>
struct millrace::codec::EnumNames<millrace::crds::ParamType> {
  using E = millrace::crds::ParamType;
  static constexpr EnumName<E> names[] = {{E::string, "string"}, {E::integer, "integer"},
                                          {E::number, "number"}, {E::boolean, "boolean"},
                                          {E::list, "list"},     {E::object, "object"}};
};
template <>
struct millrace::codec::EnumNames<millrace::crds::RetryCause> {
  using E = millrace::crds::RetryCause;
  static constexpr EnumName<E> names[] = {
      {E::Failed, "Failed"}, {E::TimedOut, "TimedOut"}, {E::Infrastructure, "Infrastructure"}};
};
template <>
struct millrace::codec::EnumNames<millrace::crds::OnConflict> {
  using E = millrace::crds::OnConflict;
  static constexpr EnumName<E> names[] = {
      {E::Queue, "Queue"}, {E::Reject, "Reject"}, {E::Replace, "Replace"}};
};

namespace millrace::crds {

/// A value that a run is started with.
struct Param {
  std::string name;
  ParamType type = ParamType::string;
  std::string description;
  codec::Value default_value;  ///< null: none, then a run has to give one
  std::vector<codec::Value> choices;
  std::string pattern;

  bool operator==(const Param&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name,
            {.doc = "Name, for `{{ params.<name> }}`: letters, digits, `_` and `-`.",
             .required = true,
             .min_length = 1,
             .max_length = 63,
             .pattern = "^[A-Za-z_][A-Za-z0-9_-]*$"});
    v.field("type", self.type, {.doc = "Type of its value.", .default_json = "\"string\""});
    v.field("description", self.description, {.doc = "For people.", .max_length = 1024});
    v.field("default", self.default_value,
            {.doc = "Value when a run gives none. Without a default every run has to give one.",
             .kube_type = "any"});
    v.field("enum", self.choices,
            {.doc = "The values that are allowed; all when empty.",
             .max_items = 64,
             .kube_type = "any"});
    v.field("pattern", self.pattern,
            {.doc = "A regular expression that the whole value of a string param must match.",
             .max_length = 256});
  }
};

/// The pauses between attempts.
struct Backoff {
  std::optional<Duration> initial;
  std::optional<double> factor;
  std::optional<Duration> max;

  bool operator==(const Backoff&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("initial", self.initial,
            {.doc = "Pause before the first retry; absent: `1s`.", .unit = "Go duration"});
    v.field("factor", self.factor,
            {.doc = "How much longer each further pause is; absent: 2.", .min = 1, .max = 10});
    v.field("max", self.max, {.doc = "Longest pause; absent: `5m`.", .unit = "Go duration"});
  }
};

/// When a failed attempt of a step is tried again.
struct Retry {
  int limit = 0;
  std::optional<Backoff> backoff;
  std::vector<RetryCause> on;
  std::vector<RetryCause> on_unquoted;  ///< compiled into `on`

  bool operator==(const Retry&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("limit", self.limit,
            {.doc = "Attempts after the first.", .required = true, .min = 0, .max = 100});
    v.field("backoff", self.backoff, {.doc = "The pauses between attempts."});
    v.field("on", self.on,
            {.doc = "Causes that are worth a retry: `Failed` (the step itself), `TimedOut`, "
                    "`Infrastructure` (lost node, eviction, no connection, ...). Empty: all.",
             .max_items = 3});
    v.field("true", self.on_unquoted,
            {.doc = "The same as `on`, which YAML reads as `true` where it is not in quotes.",
             .max_items = 3});
  }
};

/// A key of a Secret of the run's namespace.
struct SecretKey {
  std::string name;
  std::string key;
  bool operator==(const SecretKey&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name,
            {.doc = "Name of the Secret.", .required = true, .min_length = 1, .max_length = 253});
    v.field("key", self.key,
            {.doc = "Key in the Secret.", .required = true, .min_length = 1, .max_length = 253});
  }
};

/// Where a value comes from instead of the pipeline's text.
struct ValueFrom {
  SecretKey secret_key_ref;
  bool operator==(const ValueFrom&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("secretKeyRef", self.secret_key_ref,
            {.doc = "A key of a Secret; its value is never shown anywhere.", .required = true});
  }
};

/// One header of an HTTP request.
struct HttpHeader {
  std::string name;
  std::string value;
  std::optional<ValueFrom> value_from;

  bool operator==(const HttpHeader&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule("!(has(self.value) && has(self.valueFrom))", "give value or valueFrom, not both");
    v.field("name", self.name,
            {.doc = "Name of the header.",
             .required = true,
             .min_length = 1,
             .max_length = 128,
             .pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"});
    v.field("value", self.value, {.doc = "Its value; a template.", .max_length = 8192});
    v.field("valueFrom", self.value_from, {.doc = "Where its value comes from instead."});
  }
};

/// A call of an HTTP service, made by the operator itself: no pod.
struct HttpAction {
  std::string method;
  std::string url;
  std::vector<HttpHeader> headers;
  codec::Value body;
  std::string success;
  std::optional<bool> follow_redirects;
  std::optional<int> max_response_bytes;
  std::optional<SecretKey> ca;

  bool operator==(const HttpAction&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("method", self.method,
            {.doc = "`GET`, `POST`, ...; empty: `GET` without a body, else `POST`.",
             .max_length = 16,
             .pattern = "^[A-Za-z]*$"});
    v.field("url", self.url,
            {.doc = "http or https URL; a template.",
             .required = true,
             .min_length = 1,
             .max_length = 8192});
    v.field("headers", self.headers, {.doc = "Headers of the request.", .max_items = 64});
    v.field("body", self.body,
            {.doc = "Body of the request: a string is sent as it is, anything else as JSON. Its "
                    "strings are templates.",
             .kube_type = "any"});
    v.field("success", self.success,
            {.doc = "An expression over `response` (`status`, `headers`, `body`) that says whether "
                    "the call succeeded. Absent: a status below 400.",
             .max_length = 4096});
    v.field("followRedirects", self.follow_redirects,
            {.doc = "Follow up to 10 redirects; absent: true."});
    v.field("maxResponseBytes", self.max_response_bytes,
            {.doc = "Longest body that is read; a longer one fails the step. Absent: 65536.",
             .min = 0,
             .max = 1048576,
             .unit = "bytes"});
    v.field("caFrom", self.ca,
            {.doc = "PEM certificates of the authority that the server's certificate must be of, "
                    "instead of the system's."});
  }
};

/// Any object, applied as the run's service account and watched.
struct ManifestAction {
  codec::Value object;
  std::string success;
  std::string failure;
  bool keep = false;

  bool operator==(const ManifestAction&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("object", self.object,
            {.doc = "The object, with apiVersion, kind and metadata.name. Its strings are "
                    "templates.",
             .required = true,
             .preserve_unknown = true});
    v.field("success", self.success,
            {.doc = "An expression over the live `object`; once it holds the step has succeeded. "
                    "Absent: when the object was applied.",
             .max_length = 4096});
    v.field("failure", self.failure,
            {.doc = "An expression over the live `object`; once it holds the step has failed.",
             .max_length = 4096});
    v.field("keep", self.keep, {.doc = "Keep the object when the run is deleted."});
  }
};

/// A person has to agree.
struct ApprovalAction {
  std::string message;
  std::vector<std::string> approvers;
  std::optional<Duration> expires;

  bool operator==(const ApprovalAction&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("message", self.message,
            {.doc = "What is to be agreed to; a template.", .max_length = 4096});
    v.field("approvers", self.approvers,
            {.doc = "Who may decide: names of users, or groups as `group:<name>`. Empty: "
                    "everybody who may change the run.",
             .max_items = 64});
    v.field("expires", self.expires,
            {.doc = "Without a decision in this time the step fails. Absent: never.",
             .unit = "Go duration"});
  }
};

/// Another pipeline as a step.
struct PipelineAction {
  std::string name;
  std::map<std::string, codec::Value> params;
  int max_retry_count = 0;

  bool operator==(const PipelineAction&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name,
            {.doc = "Name of the Pipeline, in the same namespace.",
             .required = true,
             .min_length = 1,
             .max_length = 63});
    v.field("params", self.params,
            {.doc = "Values of its params; strings are templates.",
             .max_items = 64,
             .kube_type = "any"});
    v.field("maxRetryCount", self.max_retry_count,
            {.doc = "As in a PipelineRun.", .min = 0, .max = 100});
  }
};

/// A pause.
struct WaitAction {
  std::string duration;
  bool operator==(const WaitAction&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("duration", self.duration,
            {.doc = "A Go duration such as `90s`, or a template that gives one.",
             .required = true,
             .min_length = 1,
             .max_length = 1024});
  }
};

/// One step over lists.
struct Matrix {
  std::map<std::string, codec::Value> params;
  std::optional<int> max_parallel;
  std::optional<bool> fail_fast;

  bool operator==(const Matrix&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("params", self.params,
            {.doc = "Name → list of values, or an expression that gives a list. The step runs once "
                    "for each combination (at most 256), which is `{{ matrix.<name> }}`.",
             .required = true,
             .min_items = 1,
             .max_items = 8,
             .kube_type = "any"});
    v.field("maxParallel", self.max_parallel,
            {.doc = "Most of them at once. Absent: all.", .min = 1, .max = 256});
    v.field("failFast", self.fail_fast,
            {.doc = "Start no more of them once one has failed; absent: true."});
  }
};

/// One step of a pipeline.
struct Step {
  std::string name;
  std::vector<std::string> depends_on;
  std::string stage;
  std::string when;
  std::optional<Duration> timeout;
  std::optional<Retry> retry;
  bool continue_on_error = false;
  std::optional<Matrix> matrix;
  std::map<std::string, std::string> outputs;
  codec::Value container;
  std::vector<codec::Value> containers;
  std::optional<HttpAction> http;
  std::optional<ManifestAction> manifest;
  std::optional<ApprovalAction> approval;
  std::optional<PipelineAction> pipeline;
  std::optional<WaitAction> wait;

  bool operator==(const Step&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule(
        "[has(self.container), has(self.containers), has(self.http), has(self.manifest), "
        "has(self.approval), has(self.pipeline), has(self.wait)].filter(x, x).size() == 1",
        "give exactly one action: container, containers, http, manifest, approval, pipeline or "
        "wait");
    v.field("name", self.name,
            {.doc = "Name, unique in the pipeline.",
             .required = true,
             .min_length = 1,
             .max_length = 52,  // its container is build-step-<name>, at most 63
             .rule = codec::kDnsLabelRule,
             .rule_message = codec::kDnsLabelMessage});
    v.field("dependsOn", self.depends_on,
            {.doc = "Steps that have to succeed before.", .max_items = 256});
    v.field("stage", self.stage,
            {.doc = "Its stage, one of `stages`: it waits for all steps of the stage before.",
             .max_length = 63});
    v.field("when", self.when,
            {.doc = "An expression; when it is false the step is skipped, and what depends on it "
                    "goes on.",
             .max_length = 4096});
    v.field("timeout", self.timeout,
            {.doc = "Longest time of one attempt. `0s` or absent: no limit, but `30s` for http.",
             .unit = "Go duration"});
    v.field("retry", self.retry, {.doc = "When a failed attempt is tried again."});
    v.field("continueOnError", self.continue_on_error,
            {.doc = "Let the run go on, and succeed, although this step failed."});
    v.field("matrix", self.matrix, {.doc = "Run the step once for each combination of values."});
    v.field("outputs", self.outputs,
            {.doc = "Name → expression over the step's own `response` (http), `object` (manifest) "
                    "or `outputs` (what its program wrote), for "
                    "`{{ steps.<step>.outputs.<name> }}`.",
             .max_items = 64});
    v.field("container", self.container,
            {.doc = "A container, run to its end as a Job of its own. Strings are templates.",
             .kube_type = "core/v1 Container without name"});
    v.field("containers", self.containers,
            {.doc = "Containers run one after another in one pod, sharing `/workspace`.",
             .min_items = 1,
             .max_items = 16,
             .kube_type = "core/v1 Container"});
    v.field("http", self.http, {.doc = "A call of an HTTP service, made without a pod."});
    v.field("manifest", self.manifest, {.doc = "Any object, applied and watched."});
    v.field("approval", self.approval, {.doc = "Wait until a person agrees."});
    v.field("pipeline", self.pipeline, {.doc = "Another pipeline, run as a child."});
    v.field("wait", self.wait, {.doc = "A pause."});
  }
};

/// How many runs of a group go on at once.
struct Concurrency {
  std::string group;
  std::optional<int> limit;
  OnConflict on_conflict = OnConflict::Queue;

  bool operator==(const Concurrency&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("group", self.group,
            {.doc = "Name of the group in the namespace; a template over `params`, `trigger` and "
                    "`run`. Empty: the pipeline's name.",
             .max_length = 1024});
    v.field("limit", self.limit,
            {.doc = "Most runs of the group at once.", .min = 1, .max = 1000, .default_json = "1"});
    v.field("onConflict", self.on_conflict,
            {.doc = "When the group is full: `Queue` waits its turn, `Reject` fails the new run, "
                    "`Replace` cancels the oldest.",
             .default_json = "\"Queue\""});
  }
};

/// What all pods of the pipeline's steps have in common.
struct PodTemplate {
  std::string service_account_name;
  std::map<std::string, std::string> node_selector;
  codec::Value affinity;
  std::vector<codec::Value> tolerations;
  std::vector<codec::Value> volumes;
  codec::Value resources;
  codec::Value security_context;
  std::vector<codec::Value> image_pull_secrets;
  std::string priority_class_name;
  std::string runtime_class_name;

  bool operator==(const PodTemplate&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("serviceAccountName", self.service_account_name,
            {.doc = "Service account of the pods, and of `manifest` steps.", .max_length = 253});
    v.field("nodeSelector", self.node_selector,
            {.doc = "Labels that the pod's node must have.", .max_items = 64});
    v.field(
        "affinity", self.affinity,
        {.doc = "Scheduling rules.", .preserve_unknown = true, .kube_type = "core/v1 Affinity"});
    v.field(
        "tolerations", self.tolerations,
        {.doc = "Taints that are tolerated.", .max_items = 64, .kube_type = "core/v1 Toleration"});
    v.field("volumes", self.volumes,
            {.doc = "Volumes, for the containers' volumeMounts.",
             .max_items = 64,
             .list_map_key = "name",
             .kube_type = "core/v1 Volume"});
    v.field("resources", self.resources,
            {.doc = "Resources of every container that has none of its own.",
             .preserve_unknown = true,
             .kube_type = "core/v1 ResourceRequirements"});
    v.field("securityContext", self.security_context,
            {.doc = "Security context of the pod.",
             .preserve_unknown = true,
             .kube_type = "core/v1 PodSecurityContext"});
    v.field("imagePullSecrets", self.image_pull_secrets,
            {.doc = "Secrets to pull images with.",
             .max_items = 16,
             .kube_type = "core/v1 LocalObjectReference"});
    v.field("priorityClassName", self.priority_class_name,
            {.doc = "Priority class of the pods.", .max_length = 253});
    v.field("runtimeClassName", self.runtime_class_name,
            {.doc = "Runtime class of the pods.", .max_length = 253});
  }
};

/// What starts runs besides kubectl and schedules.
struct Trigger {
  std::string type;
  std::optional<SecretKey> token;
  std::optional<SecretKey> hmac;
  std::string signature_header;
  std::map<std::string, std::string> params;

  bool operator==(const Trigger&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("type", self.type,
            {.doc = "`webhook`: `POST /webhook/<namespace>/<pipeline>` starts a run.",
             .required = true,
             .max_length = 64,
             .rule = "self == 'webhook'",
             .rule_message = "unknown trigger; the only type is webhook"});
    v.field("bearerTokenFrom", self.token,
            {.doc = "The token that `Authorization: Bearer` has to carry. Absent: none."});
    v.field("hmacFrom", self.hmac,
            {.doc = "The key of an HMAC-SHA256 over the body, sent in hex. Absent: none."});
    v.field("signatureHeader", self.signature_header,
            {.doc = "Header of that signature; empty: `X-Hub-Signature-256`. A prefix `sha256=` "
                    "is accepted.",
             .max_length = 128});
    v.field("params", self.params,
            {.doc = "Param → expression over `trigger` (`body`, `headers`, `query`, `id`).",
             .max_items = 64});
  }
};

// ---- conveyor-belt's way ----

/// conveyor-belt's HTTP call.
struct BeltHttp {
  std::string method;
  std::string url;
  codec::Value data;

  bool operator==(const BeltHttp&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("method", self.method, {.doc = "Empty: `GET`.", .max_length = 16});
    v.field("url", self.url,
            {.doc = "Not a template.", .required = true, .min_length = 1, .max_length = 8192});
    v.field("data", self.data,
            {.doc = "JSON body; its strings and keys are Go templates over the responses so far.",
             .preserve_unknown = true});
  }
};

struct BeltAction {
  BeltHttp http;
  bool operator==(const BeltAction&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("http", self.http, {.doc = "The call.", .required = true});
  }
};

/// conveyor-belt's job: one HTTP call of a stage.
struct BeltJob {
  std::string name;
  std::string stage;
  codec::Value timeout;  ///< a Go duration, or the number 0; null: absent
  BeltAction action;

  bool operator==(const BeltJob&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name, {.doc = "Name, unique in its stage.", .max_length = 253});
    v.field("stage", self.stage, {.doc = "Its stage, one of `stages`.", .max_length = 253});
    v.field("timeout", self.timeout,
            {.doc = "Of the whole call, a Go duration; absent: `30s`, `0` and `0s`: none.",
             .int_or_string = true});
    v.field("action", self.action, {.doc = "What it does.", .required = true});
  }
};

}  // namespace millrace::crds
