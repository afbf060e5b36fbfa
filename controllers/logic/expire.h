/// The end of a schedule: `strategy.expire`.
#pragma once

#include <optional>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::logic {

/// Read `YYYY-MM-DD hh:mm:ss`, UTC. `24:00:00` is the next midnight; empty is never (none).
/// Errors: Invalid.
Result<std::optional<Time>> parse_expire(std::string_view text);

/// Whether nothing may start any more at `now`; the instant of expiry itself counts as expired.
bool is_expired(const std::optional<Time>& expire, Time now);

}  // namespace millrace::logic
