/// core/v1 Pod, trimmed to what tells how its containers fare.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kubeclient/api/meta.h"

namespace millrace::api {

/// core/v1 ContainerState: exactly one of the three is set, or none before the kubelet reported.
struct ContainerState {
  struct Waiting {
    std::string reason;
    std::string message;
    bool operator==(const Waiting&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("reason", self.reason);
      v.field("message", self.message);
    }
  };
  struct Running {
    std::optional<Time> started_at;
    bool operator==(const Running&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("startedAt", self.started_at);
    }
  };
  struct Terminated {
    int exit_code = 0;
    int signal = 0;
    std::string reason;
    std::string message;
    std::optional<Time> started_at;
    std::optional<Time> finished_at;
    std::string container_id;
    bool operator==(const Terminated&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("exitCode", self.exit_code, {.keep = true});
      v.field("signal", self.signal);
      v.field("reason", self.reason);
      v.field("message", self.message);
      v.field("startedAt", self.started_at);
      v.field("finishedAt", self.finished_at);
      v.field("containerID", self.container_id);
    }
  };
  std::optional<Waiting> waiting;
  std::optional<Running> running;
  std::optional<Terminated> terminated;

  bool operator==(const ContainerState&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("waiting", self.waiting);
    v.field("running", self.running);
    v.field("terminated", self.terminated);
  }
};

/// core/v1 ContainerStatus.
struct ContainerStatus {
  std::string name;
  ContainerState state;
  bool ready = false;
  int restart_count = 0;

  bool operator==(const ContainerStatus&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name, {.required = true});
    v.field("state", self.state);
    v.field("ready", self.ready);
    v.field("restartCount", self.restart_count);
  }
};

/// core/v1 Pod.
struct Pod {
  static constexpr ApiResource kResource{"", "v1", "pods", "Pod", true};

  struct Spec {
    std::string node_name;
    bool operator==(const Spec&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("nodeName", self.node_name);
    }
  };
  struct PodStatus {
    std::string phase;  ///< Pending, Running, Succeeded, Failed or Unknown
    std::string reason;
    std::string message;
    std::optional<Time> start_time;
    std::vector<Condition> conditions;
    std::vector<ContainerStatus> init_container_statuses;
    std::vector<ContainerStatus> container_statuses;
    bool operator==(const PodStatus&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("phase", self.phase);
      v.field("reason", self.reason);
      v.field("message", self.message);
      v.field("startTime", self.start_time);
      v.field("conditions", self.conditions);
      v.field("initContainerStatuses", self.init_container_statuses);
      v.field("containerStatuses", self.container_statuses);
    }
  };

  ObjectMeta metadata;
  Spec spec;
  PodStatus status;

  bool operator==(const Pod&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
    v.field("status", self.status);
  }
};

}  // namespace millrace::api
