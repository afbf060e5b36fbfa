/// What the auditors know of one pod.
#pragma once

#include <optional>
#include <string>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/object_key.h"

namespace millrace::sim {

/// What is known of one pod, gone ones included.
struct PodFacts {
  ObjectKey key;
  std::string uid;
  std::string job_uid;  ///< of its controller; empty: none
  std::string run_uid;  ///< by its label
  std::string step;     ///< by its label
  int attempt = 0;
  std::string phase;
  std::string slot;
  std::string output;         ///< what it said in its termination message
  std::optional<Time> going;  ///< deletionTimestamp
  bool gone = false;
  bool ended() const { return phase == "Succeeded" || phase == "Failed"; }
  /// It may still run, for all that anybody can know.
  bool alive(Time now) const;
};

}  // namespace millrace::sim
