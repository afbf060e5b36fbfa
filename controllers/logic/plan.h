/// What every way of writing a pipeline compiles into: named nodes, edges, and one action each.
/// Everything after the compiler knows only this. A new body, or a new kind of step, adds an
/// alternative to `NodeAction` and a file that plans it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "crds/steps.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/codec/value.h"

namespace millrace::logic {

/// One container of a pod step.
struct PodContainer {
  std::string name;  ///< of the step, unique in its pod step; the container is build-step-<name>
  codec::Value container;  ///< core/v1 Container without a name
  bool operator==(const PodContainer&) const = default;
};

/// Containers that run one after another in one pod, sharing volumes and a workspace.
struct PodStep {
  std::vector<PodContainer> containers;  ///< in order; never empty
  std::vector<codec::Value> volumes;     ///< core/v1 Volume
  std::string service_account_name;      ///< empty: the namespace's default
  std::map<std::string, std::string> node_selector;
  codec::Value affinity;  ///< core/v1 Affinity, or null
  /// Members of the core/v1 PodSpec besides those above, as they are; null or an object.
  codec::Value pod;
  /// Give the containers `$MILLRACE_OUTPUTS`, and read outputs from their termination messages.
  bool outputs = false;
  bool operator==(const PodStep&) const = default;
};

/// One long-running service: a Deployment and a headless Service.
struct StreamService {
  std::string name;
  int replicas = 1;
  codec::Value pod_spec;  ///< core/v1 PodSpec
  bool operator==(const StreamService&) const = default;
};

/// Services that are kept running until the run is cancelled or superseded.
struct Stream {
  std::vector<StreamService> services;
  bool operator==(const Stream&) const = default;
};

/// A call of an HTTP service.
struct HttpStep {
  crds::HttpAction call;  ///< strings are templates; of a belt: only the body is
  /// A job of conveyor-belt: Go templates over the responses so far, any status is a success, the
  /// body is kept when it is a JSON object and null otherwise.
  bool belt = false;
  std::string job;  ///< its name in its stage, as `.Response.<stage>.<job>` has it; belts only
  bool operator==(const HttpStep&) const = default;
};

/// An object, applied and watched.
struct ManifestStep {
  crds::ManifestAction manifest;
  std::string service_account_name;  ///< of the pipeline; empty: the namespace's default
  bool operator==(const ManifestStep&) const = default;
};

struct ApprovalStep {
  crds::ApprovalAction approval;
  bool operator==(const ApprovalStep&) const = default;
};

/// A child run.
struct ChildStep {
  crds::PipelineAction child;
  bool operator==(const ChildStep&) const = default;
};

struct WaitStep {
  std::string duration;  ///< a template
  bool operator==(const WaitStep&) const = default;
};

using NodeAction =
    std::variant<PodStep, Stream, HttpStep, ManifestStep, ApprovalStep, ChildStep, WaitStep>;

/// When a node's turn is.
enum class Group {
  Main,     ///< once what it comes after is done
  OnError,  ///< once all of Main have ended, if one has failed
  Finally,  ///< once all others have ended, whatever happened
};

/// A node of the graph.
struct Node {
  std::string name;                ///< unique in the plan; a DNS label
  std::vector<std::string> after;  ///< names of nodes that must be done before; stages included
  NodeAction action;
  Group group = Group::Main;
  std::string stage = {};                ///< where it stands in one
  std::string path = {};                 ///< its field, e.g. "spec.steps[3]"
  std::string when = {};                 ///< an expression, with or without {{ }}; empty: always
  std::optional<Duration> timeout = {};  ///< of one attempt; none and zero: no limit
  std::optional<crds::Retry> retry = {};
  bool continue_on_error = false;
  std::optional<crds::Matrix> matrix = {};
  std::map<std::string, std::string> outputs = {};  ///< name → expression over its own result
  /// Nodes whose outputs, response or status its templates name.
  std::vector<std::string> reads = {};
  bool operator==(const Node&) const = default;
};

/// A compiled pipeline. Nodes of Main stand after all nodes they come after; then those of OnError,
/// then those of Finally, each ordered likewise.
struct Plan {
  std::vector<Node> nodes;
  std::vector<std::string> stages;
  std::vector<crds::Param> params;
  std::optional<crds::Concurrency> concurrency;
  std::optional<int> parallelism;
  std::optional<Duration> finally_timeout;
  bool operator==(const Plan&) const = default;
};

/// Name → position in `plan.nodes`.
std::unordered_map<std::string_view, std::size_t> positions(const Plan& plan);

}  // namespace millrace::logic
