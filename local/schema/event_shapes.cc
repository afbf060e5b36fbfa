#include "local/schema/event_shapes.h"

#include <string_view>
#include <utility>

namespace millrace::schema {
namespace {

using codec::Value;

struct Pair {
  std::string_view core;
  std::string_view group;
};
/// Members with two names; all others have the same one. Source: Kubernetes,
/// pkg/apis/events/v1/conversion.go.
constexpr Pair kNames[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

Value rename(const Value& event, std::string_view Pair::*from, std::string_view Pair::*to,
             std::string_view api_version) {
  Value out = Value::object();
  for (const auto& [key, value] : event.members()) {
    std::string_view name = key;
    for (const Pair& pair : kNames) {
      if (pair.*from == key) name = pair.*to;
    }
    out[name] = value;
  }
  out["apiVersion"] = api_version;
  return out;
}

}  // namespace

Value core_event(const Value& event) { return rename(event, &Pair::group, &Pair::core, "v1"); }

Value group_event(const Value& event) {
  return rename(event, &Pair::core, &Pair::group, "events.k8s.io/v1");
}

}  // namespace millrace::schema
