/// RFC 3339 times as Kubernetes writes them.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace {

/// "2026-11-21T03:04:05Z": metav1.Time; fractions are cut, never rounded up.
std::string format_time(Time time);
/// "2026-11-21T03:04:05.123456Z": metav1.MicroTime, always six digits.
std::string format_micro_time(Time time);
/// "2026-11-21T03:04:05.123Z", always three digits.
std::string format_milli_time(Time time);
/// Parse RFC 3339 with optional fraction and with `Z` or a numeric offset. Errors: Invalid.
Result<Time> parse_time(std::string_view text);
/// `time` without its fraction of a second, as metav1.Time stores it.
Time truncate_to_second(Time time);

}  // namespace millrace
