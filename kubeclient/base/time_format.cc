#include "kubeclient/base/time_format.h"

#include <array>
#include <cstdio>

namespace millrace {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::seconds;

std::string format_seconds(Time time) {
  const auto whole = floor<seconds>(time);
  const auto day = floor<days>(whole);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{whole - day};
  std::array<char, 48> text{};
  const int n =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", int(date.year()),
                    unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
                    int(clock.minutes().count()), int(clock.seconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(n));
}

/// Read exactly `width` digits at `at` and move on; -1 when they are not there.
int digits(std::string_view text, std::size_t& at, std::size_t width) {
  if (text.size() < at + width) return -1;
  int value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const char c = text[at + i];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  at += width;
  return value;
}

bool literal(std::string_view text, std::size_t& at, char want) {
  if (at >= text.size() || text[at] != want) return false;
  ++at;
  return true;
}

}  // namespace

std::string format_time(Time time) { return format_seconds(time) + "Z"; }

std::string format_micro_time(Time time) {
  const auto fraction = time - floor<seconds>(time);
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), ".%06dZ", int(fraction.count()));
  return format_seconds(time) + text.data();
}

std::string format_milli_time(Time time) {
  const auto fraction = time - floor<seconds>(time);
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), ".%03dZ", int(fraction.count() / 1000));
  return format_seconds(time) + text.data();
}

Time truncate_to_second(Time time) { return floor<seconds>(time); }

Result<Time> parse_time(std::string_view text) {
  const auto bad = [&] {
    return fail(Code::Invalid, "\"" + std::string(text.substr(0, 64)) +
                                   "\" is not an RFC 3339 time such as 2026-01-31T08:00:00Z");
  };
  std::size_t at = 0;
  const int year = digits(text, at, 4);
  if (year < 0 || !literal(text, at, '-')) return bad();
  const int month = digits(text, at, 2);
  if (month < 0 || !literal(text, at, '-')) return bad();
  const int day = digits(text, at, 2);
  if (day < 0 || !(literal(text, at, 'T') || literal(text, at, 't') || literal(text, at, ' '))) {
    return bad();
  }
  const int hour = digits(text, at, 2);
  if (hour < 0 || !literal(text, at, ':')) return bad();
  const int minute = digits(text, at, 2);
  if (minute < 0 || !literal(text, at, ':')) return bad();
  const int second = digits(text, at, 2);
  if (second < 0) return bad();
  microseconds fraction{0};
  if (literal(text, at, '.')) {
    int scale = 100000;
    const std::size_t first = at;
    for (int digit = digits(text, at, 1); digit >= 0; digit = digits(text, at, 1)) {
      fraction += microseconds(digit * scale);
      scale /= 10;
    }
    if (at == first) return bad();
  }
  seconds offset{0};
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    const int sign = text[at++] == '-' ? -1 : 1;
    const int hours = digits(text, at, 2);
    if (hours < 0 || hours > 23 || !literal(text, at, ':')) return bad();
    const int minutes = digits(text, at, 2);
    if (minutes < 0 || minutes > 59) return bad();
    offset = seconds(sign * (hours * 3600 + minutes * 60));
  } else if (!literal(text, at, 'Z') && !literal(text, at, 'z')) {
    return bad();
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  // Leap seconds (":60") are read as the second that follows, as most parsers do.
  if (at != text.size() || !date.ok() || hour > 23 || minute > 59 || second > 60) return bad();
  return Time{std::chrono::sys_days{date}} + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + seconds(second) + fraction - offset;
}

}  // namespace millrace
