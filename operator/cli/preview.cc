#include "operator/cli/preview.h"

#include <cstdio>

#include "controllers/logic/cron.h"
#include "kubeclient/base/time_format.h"

namespace millrace::cli {
namespace {

/// "2026-03-29T03:00:00+02:00"; offsets with seconds (before 1900) do not occur in ticks to come.
std::string format_local(Time time, std::chrono::seconds offset) {
  if (offset.count() == 0) return format_time(time);
  std::string text = format_time(time + offset);
  text.pop_back();  // the Z
  const auto minutes = std::chrono::abs(std::chrono::duration_cast<std::chrono::minutes>(offset));
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%c%02d:%02d", offset.count() < 0 ? '-' : '+',
                static_cast<int>(minutes.count() / 60), static_cast<int>(minutes.count() % 60));
  return text + buffer;
}

}  // namespace

Result<std::string> preview_schedule(const PreviewRequest& request,
                                     const Environment& environment) {
  logic::TimeZone zone;
  if (!request.time_zone.empty()) {
    MR_ASSIGN(zone, environment.load_zone(request.time_zone).with("--time-zone"));
  }
  Time from = environment.clock.now();
  if (!request.from.empty()) {
    auto parsed = parse_time(request.from);
    if (!parsed.ok()) {
      return fail(Code::Invalid, "--from: \"" + request.from +
                                     "\" is not an RFC 3339 time; write it like "
                                     "2026-11-21T03:00:00Z");
    }
    from = *parsed;
  }
  MR_ASSIGN(const std::vector<Time> ticks,
            logic::preview(request.expression, zone, from, request.count));
  std::string out;
  for (const Time tick : ticks) {
    const auto second = std::chrono::floor<std::chrono::seconds>(tick);
    out += format_local(tick, zone.offset_at(second)) + "\n";
  }
  return out;
}

}  // namespace millrace::cli
