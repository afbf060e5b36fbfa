/// What every Kubernetes object has: its kind's address and its metadata, trimmed to what we use.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/codec/describe.h"

namespace millrace::api {

/// Where a kind lives in the API, e.g. {"batch", "v1", "jobs", "Job", true}. `group` is empty for
/// core.
struct ApiResource {
  std::string_view group;
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool namespaced = true;

  bool operator==(const ApiResource&) const = default;
  /// "batch/v1", or "v1" for the core group.
  std::string api_version() const;
};

/// metav1.OwnerReference.
struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool controller = false;
  bool block_owner_deletion = false;

  bool operator==(const OwnerReference&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("apiVersion", self.api_version, {.required = true});
    v.field("kind", self.kind, {.required = true});
    v.field("name", self.name, {.required = true});
    v.field("uid", self.uid, {.required = true});
    v.field("controller", self.controller);
    v.field("blockOwnerDeletion", self.block_owner_deletion);
  }
};

/// metav1.ObjectMeta without managedFields, selfLink and the like.
struct ObjectMeta {
  std::string name;
  std::string generate_name;
  std::string ns;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::vector<OwnerReference> owner_references;
  std::vector<std::string> finalizers;
  std::optional<Time> creation_timestamp;
  std::optional<Time> deletion_timestamp;

  bool operator==(const ObjectMeta&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name);
    v.field("generateName", self.generate_name);
    v.field("namespace", self.ns);
    v.field("uid", self.uid);
    v.field("resourceVersion", self.resource_version);
    v.field("generation", self.generation);
    v.field("labels", self.labels);
    v.field("annotations", self.annotations);
    v.field("ownerReferences", self.owner_references);
    v.field("finalizers", self.finalizers);
    v.field("creationTimestamp", self.creation_timestamp);
    v.field("deletionTimestamp", self.deletion_timestamp);
  }

  /// The label's value, or empty.
  const std::string& label(const std::string& name_) const;
  /// The annotation's value, or empty.
  const std::string& annotation(const std::string& name_) const;
  /// The owner reference with `controller: true`, or null.
  const OwnerReference* controller_ref() const;
};

/// The key under which an object is cached and queued.
inline ObjectKey key_of(const ObjectMeta& meta) { return {meta.ns, meta.name}; }

/// The numeric value of a resourceVersion; 0 when it is empty or not a number. The API server's
/// versions grow with each write of a resource type (Kubernetes KEP-5504), so the larger one is the
/// newer one.
std::uint64_t version_number(std::string_view resource_version);

/// metav1.Condition;
struct Condition {
  std::string type;
  std::string status;  ///< "True", "False" or "Unknown"
  std::string reason;
  std::string message;
  std::optional<Time> last_transition_time;
  std::int64_t observed_generation = 0;

  bool operator==(const Condition&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("type", self.type, {.doc = "Which condition this is.", .required = true});
    v.field("status", self.status, {.doc = "`True`, `False` or `Unknown`.", .required = true});
    v.field("reason", self.reason, {.doc = "Why, as one word for programs."});
    v.field("message", self.message, {.doc = "Why, for people."});
    v.field("lastTransitionTime", self.last_transition_time,
            {.doc = "When `status` last changed."});
    v.field("observedGeneration", self.observed_generation,
            {.doc = "The generation of the spec that this was judged on."});
  }
};

/// The condition of `type`, or null.
const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type);

/// metav1.ListMeta: the head of a list.
struct ListMeta {
  std::string resource_version;
  std::string continue_token;
  bool operator==(const ListMeta&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("resourceVersion", self.resource_version);
    v.field("continue", self.continue_token);
  }
};

/// metav1.Status: the body of every refusal.
struct Status {
  struct Cause {
    std::string reason;
    std::string message;
    std::string field;
    bool operator==(const Cause&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("reason", self.reason);
      v.field("message", self.message);
      v.field("field", self.field);
    }
  };
  struct Details {
    std::string name;
    std::string kind;
    int retry_after_seconds = 0;
    std::vector<Cause> causes;
    bool operator==(const Details&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("name", self.name);
      v.field("kind", self.kind);
      v.field("retryAfterSeconds", self.retry_after_seconds);
      v.field("causes", self.causes);
    }
  };
  std::string status;
  std::string message;
  std::string reason;
  int code = 0;
  Details details;

  bool operator==(const Status&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("status", self.status);
    v.field("message", self.message);
    v.field("reason", self.reason);
    v.field("code", self.code);
    v.field("details", self.details);
  }
};

}  // namespace millrace::api
