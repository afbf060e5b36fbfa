/// How a pod is, in the words of `kubectl get pods`.
#pragma once

#include <string>

#include "kubeclient/base/clock.h"
#include "kubeclient/codec/value.h"

namespace millrace::apiserver {

struct PodSummary {
  std::string ready;     ///< "1/2"
  std::string status;    ///< "Running", "Completed", "Init:0/1", "CrashLoopBackOff", "Terminating"
  std::string restarts;  ///< "0", "3 (5m ago)"
};

/// Source: Kubernetes, pkg/printers/internalversion printPod.
PodSummary summarize_pod(const codec::Value& pod, Time now);

}  // namespace millrace::apiserver
