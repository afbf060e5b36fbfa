/// `millrace schedule preview`: when an expression fires.
#pragma once

#include <string>

#include "kubeclient/base/result.h"
#include "operator/cli/cli.h"

namespace millrace::cli {

struct PreviewRequest {
  std::string expression;
  std::string time_zone;  ///< IANA name; empty: UTC
  std::string from;       ///< RFC 3339; empty: now
  int count = 10;
};

/// The next ticks after `from`, one RFC 3339 time a line with the offset of the zone ("Z" in UTC).
/// Empty when there is no tick within five years. Errors: Invalid or NotFound, naming the flag.
Result<std::string> preview_schedule(const PreviewRequest& request, const Environment& environment);

}  // namespace millrace::cli
