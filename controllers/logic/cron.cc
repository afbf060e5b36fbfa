#include "controllers/logic/cron.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <span>
#include <string>

#include "kubeclient/base/duration.h"

namespace millrace::logic {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::months;
using std::chrono::seconds;
using std::chrono::year_month_day;

enum Field { Minute, Hour, DayOfMonth, Month, DayOfWeek };

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct FieldRule {
  std::string_view name;
  int low, high;
  std::span<const std::string_view> names;  ///< of low, low + 1, ...
};
const std::array<FieldRule, 5> kFields = {{{"minute", 0, 59, {}},
                                           {"hour", 0, 23, {}},
                                           {"day-of-month", 1, 31, {}},
                                           {"month", 1, 12, kMonths},
                                           {"day-of-week", 0, 6, kDays}}};

struct Descriptor {
  std::string_view name, fields;
};
constexpr std::array<Descriptor, 7> kDescriptors = {{{"@yearly", "0 0 1 1 *"},
                                                     {"@annually", "0 0 1 1 *"},
                                                     {"@monthly", "0 0 1 * *"},
                                                     {"@weekly", "0 0 * * 0"},
                                                     {"@daily", "0 0 * * *"},
                                                     {"@midnight", "0 0 * * *"},
                                                     {"@hourly", "0 * * * *"}}};

constexpr int kYearsAhead = 5;

std::string quoted(std::string_view text) {
  return '"' + std::string(text.substr(0, 80)) + (text.size() > 80 ? "...\"" : "\"");
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::vector<std::string_view> split_blanks(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_blank(text[at])) {
      ++at;
      continue;
    }
    const std::size_t start = at;
    while (at < text.size() && !is_blank(text[at])) ++at;
    parts.push_back(text.substr(start, at - start));
  }
  return parts;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

/// Up to four digits, else -1.
int small_number(std::string_view text) {
  if (text.empty() || text.size() > 4) return -1;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool same_name(std::string_view text, std::string_view lower_name) {
  return std::equal(text.begin(), text.end(), lower_name.begin(), lower_name.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

/// "0-6 or sun-sat"
std::string range_text(const FieldRule& rule) {
  std::string text = std::to_string(rule.low) + '-' + std::to_string(rule.high);
  if (!rule.names.empty()) {
    text += " or " + std::string(rule.names.front()) + '-' + std::string(rule.names.back());
  }
  return text;
}

tl::unexpected<Error> field_error(const FieldRule& rule, const std::string& why) {
  return fail(Code::Invalid, "cron expression: " + std::string(rule.name) + ": " + why);
}

/// A number or a name of the field.
Result<int> parse_value(const FieldRule& rule, std::string_view text) {
  for (std::size_t i = 0; i < rule.names.size(); ++i) {
    if (same_name(text, rule.names[i])) return rule.low + static_cast<int>(i);
  }
  const int value = small_number(text);
  if (value >= rule.low && value <= rule.high) return value;
  std::string why = quoted(text) + " is not " + range_text(rule);
  if (rule.low == 0 && rule.high == 6 && value == 7) why += "; Sunday is 0 or sun";
  if (text.find_first_of("LlWw#") != std::string_view::npos && value < 0 && text.size() < 4) {
    why += "; L, W and # are not supported";
  }
  return field_error(rule, why);
}

struct Item {
  std::uint64_t bits = 0;
  bool star = false;
};

/// One item of a list: `*`, `n`, `a-b`, each with an optional step.
Result<Item> parse_item(const FieldRule& rule, std::string_view text) {
  if (text.empty()) return field_error(rule, "an item of the list is empty");
  Item item;
  const std::size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  int low = rule.low, high = rule.high, step = 1;
  if (range == "*" || range == "?") {
    item.star = true;
  } else {
    const std::size_t dash = range.find('-');
    MR_ASSIGN(low, parse_value(rule, range.substr(0, dash)));
    if (dash != std::string_view::npos) {
      MR_ASSIGN(high, parse_value(rule, range.substr(dash + 1)));
    } else if (slash == std::string_view::npos) {
      high = low;
    }
    if (low > high) {
      return field_error(rule, "the range " + quoted(range) + " ends before it begins");
    }
  }
  if (slash != std::string_view::npos) {
    step = small_number(text.substr(slash + 1));
    if (step < 1) {
      return field_error(rule, "the step in " + quoted(text) + " is not a number from 1 to 9999");
    }
  }
  for (int value = low; value <= high; value += step) item.bits |= std::uint64_t{1} << value;
  return item;
}

bool has(std::uint64_t bits, unsigned value) { return (bits >> value & 1) != 0; }

/// The lowest value of `bits` that is at least `from`; 64 when there is none.
unsigned at_least(std::uint64_t bits, unsigned from) {
  if (from >= 64) return 64;
  return static_cast<unsigned>(std::countr_zero(bits >> from << from));
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  if (text.empty()) return fail(Code::Invalid, "cron expression: it is empty");
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) {
    return fail(Code::Invalid,
                "cron expression: a time zone prefix is not supported; set strategy.timeZone");
  }
  return text.front() == '@' ? parse_descriptor(text) : parse_fields(text);
}

Result<CronSchedule> CronSchedule::parse_fields(std::string_view text) {
  const auto parts = split_blanks(text);
  if (parts.size() != kFields.size()) {
    std::string why = "cron expression: " + quoted(text) + " has " + std::to_string(parts.size()) +
                      (parts.size() == 1 ? " field" : " fields") +
                      ", expected 5 (minute hour day-of-month month day-of-week)";
    if (parts.size() == 6) why += "; a field for seconds is not supported";
    return fail(Code::Invalid, why);
  }
  CronSchedule schedule;
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    for (const std::string_view part : split(parts[i], ',')) {
      MR_ASSIGN(const Item item, parse_item(kFields[i], part));
      schedule.fields_[i] |= item.bits;
      if (item.star && (i == DayOfMonth || i == DayOfWeek)) schedule.both_days_ = true;
    }
  }
  return schedule;
}

Result<CronSchedule> CronSchedule::parse_descriptor(std::string_view text) {
  for (const Descriptor& descriptor : kDescriptors) {
    if (text == descriptor.name) return parse_fields(descriptor.fields);
  }
  const auto parts = split_blanks(text);
  if (parts[0] != "@every") {
    return fail(Code::Invalid, "cron expression: unknown descriptor " + quoted(text) +
                                   "; use @yearly, @annually, @monthly, @weekly, @daily, "
                                   "@midnight, @hourly or @every <duration>");
  }
  if (parts.size() != 2) {
    return fail(Code::Invalid,
                "cron expression: @every takes one duration, for example @every 1h30m");
  }
  MR_ASSIGN(const Duration every, parse_duration(parts[1]).with("cron expression: @every"));
  if (every < seconds{1}) {
    return fail(Code::Invalid, "cron expression: @every " + std::string(parts[1].substr(0, 64)) +
                                   " is too short; the shortest interval is 1s");
  }
  CronSchedule schedule;
  schedule.every_ = floor<seconds>(every);
  return schedule;
}

std::optional<seconds> CronSchedule::interval() const {
  if (every_ > seconds{0}) return every_;
  return std::nullopt;
}

std::optional<Time> CronSchedule::next(Time after, const TimeZone& zone, Time anchor) const {
  const SysSeconds from = floor<seconds>(after);
  if (every_ > seconds{0}) {
    const SysSeconds start = floor<seconds>(anchor);
    const auto passed = from < start ? 0 : (from - start) / every_;
    return start + (passed + 1) * every_;
  }
  const auto reading = next_reading(zone.high_water(from));
  if (!reading) return std::nullopt;
  return zone.first_reaching(*reading);
}

bool CronSchedule::day_matches(year_month_day date, std::chrono::weekday weekday) const {
  const bool by_date = has(fields_[DayOfMonth], unsigned(date.day()));
  const bool by_weekday = has(fields_[DayOfWeek], weekday.c_encoding());
  return both_days_ ? by_date && by_weekday : by_date || by_weekday;
}

std::optional<LocalSeconds> CronSchedule::next_reading(LocalSeconds after) const {
  const auto start = floor<minutes>(after) + minutes{1};
  auto day = floor<days>(start);
  auto minute_of_day = static_cast<unsigned>(floor<minutes>(start - day).count());
  year_month_day date{day};
  const auto last_year = date.year() + std::chrono::years{kYearsAhead};
  while (date.year() <= last_year) {
    if (!has(fields_[Month], unsigned(date.month()))) {
      date = (date.year() / date.month() + months{1}) / 1;
      day = std::chrono::local_days{date};
      minute_of_day = 0;
      continue;
    }
    if (day_matches(date, std::chrono::weekday{day})) {
      unsigned hour = at_least(fields_[Hour], minute_of_day / 60);
      unsigned minute =
          at_least(fields_[Minute], hour == minute_of_day / 60 ? minute_of_day % 60 : 0);
      if (minute >= 60) {  // no more in this hour
        hour = at_least(fields_[Hour], hour + 1);
        minute = at_least(fields_[Minute], 0);
      }
      if (hour < 24) return day + hours{hour} + minutes{minute};
    }
    day += days{1};
    date = year_month_day{day};
    minute_of_day = 0;
  }
  return std::nullopt;
}

TickSpan ticks_between(const CronSchedule& cron, const TimeZone& zone, Time anchor, Time after,
                       Time until, std::size_t keep) {
  TickSpan span;
  span.earliest = cron.next(after, zone, anchor);
  if (!span.earliest || *span.earliest > until) {
    span.earliest.reset();
    return span;
  }
  // Look at ever longer stretches before `until`, so that years of downtime cost little.
  std::deque<Time> latest;
  Time begin = after;
  for (Time::duration reach = minutes{1};; reach *= 4) {  // nanoseconds would overflow
    begin = until - after > reach ? until - reach : after;
    latest.clear();
    for (auto t = cron.next(begin, zone, anchor); t && *t <= until;
         t = cron.next(*t, zone, anchor)) {
      latest.push_back(*t);
      if (latest.size() > keep) latest.pop_front();
    }
    if (latest.size() == keep || begin == after) break;
    if (reach > std::chrono::years{20}) break;  // next() gives up after five years
  }
  span.latest.assign(latest.begin(), latest.end());
  for (auto t = span.earliest; t && span.older < kMostCounted; t = cron.next(*t, zone, anchor)) {
    if (!span.latest.empty() && *t >= span.latest.front()) break;
    ++span.older;
  }
  return span;
}

Result<std::vector<Time>> preview(std::string_view expression, const TimeZone& zone, Time from,
                                  int count) {
  MR_ASSIGN(const CronSchedule cron, CronSchedule::parse(expression));
  std::vector<Time> ticks;
  Time at = from;
  for (int i = 0; i < count; ++i) {
    const auto tick = cron.next(at, zone, from);
    if (!tick) break;
    ticks.push_back(*tick);
    at = *tick;
  }
  return ticks;
}

}  // namespace millrace::logic
