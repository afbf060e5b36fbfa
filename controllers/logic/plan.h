/// What every way of writing a pipeline compiles into: named nodes, edges, and one action each.
/// Everything after the compiler knows only this. A new body, or a new kind of step, adds an
/// alternative to `NodeAction` and a file that plans it.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

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

using NodeAction = std::variant<PodStep, Stream>;

/// A node of the graph.
struct Node {
  std::string name;                ///< unique in the plan; a DNS label
  std::vector<std::string> after;  ///< names of nodes that must have succeeded before
  NodeAction action;
  bool operator==(const Node&) const = default;
};

/// A compiled pipeline. Nodes stand after all nodes they depend on.
struct Plan {
  std::vector<Node> nodes;
  bool operator==(const Plan&) const = default;
};

}  // namespace millrace::logic
