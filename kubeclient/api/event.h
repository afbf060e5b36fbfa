/// events.k8s.io/v1 Event.
#pragma once

#include <optional>
#include <string>

#include "kubeclient/api/meta.h"

namespace millrace::api {

/// core/v1 ObjectReference: the object an event is about.
struct ObjectReference {
  std::string api_version;
  std::string kind;
  std::string ns;
  std::string name;
  std::string uid;
  std::string resource_version;

  bool operator==(const ObjectReference&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("apiVersion", self.api_version);
    v.field("kind", self.kind);
    v.field("namespace", self.ns);
    v.field("name", self.name);
    v.field("uid", self.uid);
    v.field("resourceVersion", self.resource_version);
  }
};

/// events.k8s.io/v1 Event. Limits: note 1024 bytes, reason and action 128 bytes.
struct Event {
  static constexpr ApiResource kResource{"events.k8s.io", "v1", "events", "Event", true};

  struct Series {
    int count = 0;
    codec::MicroTime last_observed_time;
    bool operator==(const Series&) const = default;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("count", self.count, {.required = true});
      v.field("lastObservedTime", self.last_observed_time, {.required = true});
    }
  };

  ObjectMeta metadata;
  codec::MicroTime event_time;
  std::optional<Series> series;
  std::string reporting_controller;
  std::string reporting_instance;
  std::string action;
  std::string reason;
  ObjectReference regarding;
  std::string note;
  std::string type;  ///< "Normal" or "Warning"

  bool operator==(const Event&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("eventTime", self.event_time, {.required = true});
    v.field("series", self.series);
    v.field("reportingController", self.reporting_controller);
    v.field("reportingInstance", self.reporting_instance);
    v.field("action", self.action);
    v.field("reason", self.reason);
    v.field("regarding", self.regarding);
    v.field("note", self.note);
    v.field("type", self.type);
  }
};

}  // namespace millrace::api
