/// Durations as `kubectl get` shows them.
#pragma once

#include <string>

#include "kubeclient/base/clock.h"
#include "kubeclient/codec/value.h"

namespace millrace::apiserver {

/// "5m11s", "3h", "324d". Source: Kubernetes, apimachinery/pkg/util/duration HumanDuration.
std::string human_duration(std::chrono::microseconds duration);
/// The time since the RFC 3339 text of `value`; "<unknown>" when there is none.
std::string age_of(const codec::Value* value, Time now);

}  // namespace millrace::apiserver
