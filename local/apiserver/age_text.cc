#include "local/apiserver/age_text.h"

#include "kubeclient/base/time_format.h"

namespace millrace::apiserver {
namespace {

/// `big` of one unit, and `small` of the next one unless it is zero.
std::string two(std::int64_t big, char unit, std::int64_t small, char small_unit) {
  std::string out = std::to_string(big) + unit;
  if (small != 0) out += std::to_string(small) + small_unit;
  return out;
}

}  // namespace

std::string human_duration(std::chrono::microseconds duration) {
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 60 * 2) return std::to_string(seconds) + "s";
  const std::int64_t minutes = seconds / 60;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 60 * 3) return std::to_string(minutes) + "m";
  const std::int64_t hours = minutes / 60;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return std::to_string(hours) + "h";
  const std::int64_t days = hours / 24;
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return std::to_string(days) + "d";
  if (days < 365 * 8) return two(days / 365, 'y', days % 365, 'd');
  return std::to_string(days / 365) + "y";
}

std::string age_of(const codec::Value* value, Time now) {
  const auto time = parse_time(value == nullptr ? "" : value->as_string());
  return time.ok() ? human_duration(now - *time) : "<unknown>";
}

}  // namespace millrace::apiserver
