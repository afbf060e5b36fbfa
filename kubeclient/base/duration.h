/// Go durations ("1h15m30.5s"), the way Kubernetes objects spell lengths of time.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace {

/// Parse decimal numbers with unit suffixes ns us µs ms s m h, an optional sign, or a plain "0".
/// Errors: Invalid (syntax, unknown unit, beyond about 292 years). Source: Go time.ParseDuration.
Result<Duration> parse_duration(std::string_view text);

/// Write as Go does: "1m30s", "0s", "1.5ms"; parse_duration gives the same value back.
std::string format_duration(Duration duration);

/// For people: at most two units, "45s", "3m20s", "2h5m", "4d3h"; sub-second lengths as "120ms".
std::string human_duration(Duration duration);

}  // namespace millrace
