/// Where the API server gets the logs of containers from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/object_key.h"
#include "kubeclient/base/result.h"
#include "local/apiserver/stream.h"

namespace millrace::apiserver {

/// The query of GET .../pods/NAME/log. Source: Kubernetes, core/v1 PodLogOptions.
struct LogRequest {
  ObjectKey pod;
  std::string pod_uid;
  std::string container;  ///< resolved; never empty
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<std::int64_t> tail_lines = {};
  std::optional<std::int64_t> limit_bytes = {};
  std::optional<Time> since = {};
};

/// Gives logs of containers. Safe from any thread.
class LogSource {
 public:
  virtual ~LogSource() = default;
  /// Errors: NotFound (no such log: not started yet, or previous without a restart), Unavailable.
  virtual Result<std::unique_ptr<Stream>> open(const LogRequest& request) = 0;
};

}  // namespace millrace::apiserver
