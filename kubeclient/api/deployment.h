/// apps/v1 Deployment and core/v1 Service, trimmed to what tells whether they are as we made them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kubeclient/api/meta.h"

namespace millrace::api {

/// apps/v1 Deployment.
struct Deployment {
  static constexpr ApiResource kResource{"apps", "v1", "deployments", "Deployment", true};

  struct Selector {
    std::map<std::string, std::string> match_labels;
    bool operator==(const Selector&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("matchLabels", self.match_labels);
    }
  };
  struct Spec {
    std::optional<int> replicas;
    Selector selector;
    bool operator==(const Spec&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("replicas", self.replicas);
      v.field("selector", self.selector);
    }
  };
  struct DeploymentStatus {
    std::int64_t observed_generation = 0;
    int replicas = 0;
    int updated_replicas = 0;
    int ready_replicas = 0;
    int available_replicas = 0;
    std::vector<Condition> conditions;
    bool operator==(const DeploymentStatus&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("observedGeneration", self.observed_generation);
      v.field("replicas", self.replicas);
      v.field("updatedReplicas", self.updated_replicas);
      v.field("readyReplicas", self.ready_replicas);
      v.field("availableReplicas", self.available_replicas);
      v.field("conditions", self.conditions);
    }
  };

  ObjectMeta metadata;
  Spec spec;
  DeploymentStatus status;

  bool operator==(const Deployment&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
    v.field("status", self.status);
  }
};

/// core/v1 Service.
struct Service {
  static constexpr ApiResource kResource{"", "v1", "services", "Service", true};

  struct Port {
    std::string name;
    int port = 0;
    std::string protocol;
    bool operator==(const Port&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("name", self.name);
      v.field("port", self.port);
      v.field("protocol", self.protocol);
    }
  };
  struct Spec {
    std::string cluster_ip;
    std::map<std::string, std::string> selector;
    std::vector<Port> ports;
    bool operator==(const Spec&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("clusterIP", self.cluster_ip);
      v.field("selector", self.selector);
      v.field("ports", self.ports);
    }
  };

  ObjectMeta metadata;
  Spec spec;

  bool operator==(const Service&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
  }
};

}  // namespace millrace::api
