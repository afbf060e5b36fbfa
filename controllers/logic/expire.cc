#include "controllers/logic/expire.h"

#include <array>
#include <chrono>
#include <string>

namespace millrace::logic {

Result<std::optional<Time>> parse_expire(std::string_view text) {
  if (text.empty()) return std::optional<Time>();
  constexpr std::string_view layout = "dddd-dd-dd dd:dd:dd";
  std::array<int, 6> numbers{};
  bool ok = text.size() == layout.size();
  std::size_t part = 0;
  for (std::size_t i = 0; ok && i < layout.size(); ++i) {
    if (layout[i] != 'd') {
      ok = text[i] == layout[i];
      ++part;
      continue;
    }
    ok = text[i] >= '0' && text[i] <= '9';
    numbers[part] = numbers[part] * 10 + (text[i] - '0');
  }
  const auto [year, month, day, hour, minute, second] = numbers;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  const bool end_of_day = hour == 24 && minute == 0 && second == 0;
  if (!ok || !date.ok() || (hour > 23 && !end_of_day) || minute > 59 || second > 59) {
    return fail(Code::Invalid, "\"" + std::string(text.substr(0, 64)) +
                                   "\" is not a time like 2026-12-31 24:00:00 "
                                   "(YYYY-MM-DD hh:mm:ss, UTC)");
  }
  return std::optional<Time>(Time{std::chrono::sys_days{date}} + std::chrono::hours(hour) +
                             std::chrono::minutes(minute) + std::chrono::seconds(second));
}

bool is_expired(const std::optional<Time>& expire, Time now) { return expire && now >= *expire; }

}  // namespace millrace::logic
