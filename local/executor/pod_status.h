/// The status of a pod, computed whole. Pure.
#pragma once

#include <map>
#include <string>

#include "kubeclient/codec/value.h"
#include "local/executor/pod_machine.h"

namespace millrace::executor {

/// Since when each condition has the status it has: lastTransitionTime moves only with it.
struct ConditionTimes {
  std::map<std::string, std::pair<std::string, Time>> since;
};

/// core/v1 PodStatus, but for qosClass, which the API server sets. Members that must not stay from
/// an earlier status are null, as a merge patch needs it.
codec::Value status_of(const PodSpec& spec, const PodState& state, ConditionTimes& conditions,
                       Time now);

/// The status of a pod that waits for its turn.
codec::Value waiting_status(ConditionTimes& conditions, const std::string& message, Time now);

/// The status of a pod that cannot be run at all.
codec::Value refused_status(const std::string& reason, const std::string& message, Time now);

}  // namespace millrace::executor
