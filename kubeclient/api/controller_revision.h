/// apps/v1 ControllerRevision: a frozen copy of a spec.
#pragma once

#include "kubeclient/api/meta.h"

namespace millrace::api {

/// apps/v1 ControllerRevision. `data` is what was frozen, untouched.
struct ControllerRevision {
  static constexpr ApiResource kResource{"apps", "v1", "controllerrevisions", "ControllerRevision",
                                         true};

  ObjectMeta metadata;
  codec::Value data;
  std::int64_t revision = 0;

  bool operator==(const ControllerRevision&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("data", self.data);
    v.field("revision", self.revision, {.keep = true});
  }
};

}  // namespace millrace::api
