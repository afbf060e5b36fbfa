/// The Deployment controller's decisions. Pure. Pods belong to the Deployment itself; there are no
/// ReplicaSets. Source of the figures: Kubernetes, pkg/controller/deployment (rolling.go, util).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "local/executor/pod_spec.h"

namespace millrace::executor {

/// apps/v1 Deployment, whole.
struct DeploymentObject {
  static constexpr api::ApiResource kResource{"apps", "v1", "deployments", "Deployment", true};
  api::ObjectMeta metadata;
  codec::Value spec;
  codec::Value status;
  bool operator==(const DeploymentObject&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
    v.field("status", self.status);
  }
};

inline constexpr const char* kTemplateHashLabel = "pod-template-hash";

/// Same template, same text, however its members are ordered.
std::string template_hash(const codec::Value& pod_template);

struct DeploymentInput {
  const DeploymentObject* deployment = nullptr;
  std::vector<const PodObject*> pods;  ///< those it controls
  Time now{};
};

/// First the deletions, then the creations, then the status if it differs. All safe to repeat:
/// names follow from what is there.
struct DeploymentPlan {
  std::vector<const PodObject*> remove;
  std::vector<codec::Value> create;    ///< bodies of pods
  std::optional<codec::Value> status;  ///< for a merge patch
  std::optional<Duration> recheck;     ///< when time alone changes the plan
};

DeploymentPlan plan_deployment(const DeploymentInput& input);

}  // namespace millrace::executor
