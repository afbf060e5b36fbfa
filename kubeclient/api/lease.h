/// coordination.k8s.io/v1 Lease.
#pragma once

#include <optional>
#include <string>

#include "kubeclient/api/meta.h"

namespace millrace::api {

/// coordination.k8s.io/v1 Lease: who leads, and since when.
struct Lease {
  static constexpr ApiResource kResource{"coordination.k8s.io", "v1", "leases", "Lease", true};

  struct Spec {
    std::string holder_identity;
    std::optional<int> lease_duration_seconds;
    std::optional<codec::MicroTime> acquire_time;
    std::optional<codec::MicroTime> renew_time;
    int lease_transitions = 0;
    bool operator==(const Spec&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("holderIdentity", self.holder_identity, {.keep = true});
      v.field("leaseDurationSeconds", self.lease_duration_seconds);
      v.field("acquireTime", self.acquire_time);
      v.field("renewTime", self.renew_time);
      v.field("leaseTransitions", self.lease_transitions);
    }
  };

  ObjectMeta metadata;
  Spec spec;

  bool operator==(const Lease&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
  }
};

}  // namespace millrace::api
