#include "kubeclient/base/duration.h"

#include <array>
#include <cstdint>
#include <limits>

namespace millrace {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t nanos;
};
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\xC2\xB5s", 1'000},  // micro sign
                                         {"\xCE\xBCs", 1'000},  // Greek mu
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};
constexpr std::uint64_t kLimit =
    static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

bool is_digit(char c) { return c >= '0' && c <= '9'; }

const Unit* find_unit(std::string_view name) {
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

/// "12", or "1.5" for a part with a fraction of at most nine digits.
std::string decimal(std::uint64_t nanos, std::uint64_t unit) {
  std::string text = std::to_string(nanos / unit);
  std::uint64_t rest = nanos % unit;
  if (rest == 0) return text;
  text += '.';
  for (std::uint64_t scale = unit / 10; rest > 0; scale /= 10) {
    text += static_cast<char>('0' + rest / scale);
    rest %= scale;
  }
  return text;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::Invalid, "\"" + std::string(text.substr(0, 64)) +
                                   "\" is not a duration such as 1h15m30s: " + std::string(why));
  };
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return Duration{0};
  if (rest.empty()) return bad("it is empty");
  std::uint64_t total = 0;
  while (!rest.empty()) {
    std::uint64_t whole = 0;
    std::size_t count = 0;
    while (count < rest.size() && is_digit(rest[count])) {
      if (whole > kLimit / 10) return bad("too long");
      whole = whole * 10 + static_cast<std::uint64_t>(rest[count++] - '0');
    }
    std::size_t at = count;
    std::uint64_t fraction = 0;
    std::uint64_t scale = 1;
    if (at < rest.size() && rest[at] == '.') {
      for (++at; at < rest.size() && is_digit(rest[at]); ++at, ++count) {
        if (scale > 100'000'000'000'000) continue;  // beyond a nanosecond of an hour
        fraction = fraction * 10 + static_cast<std::uint64_t>(rest[at] - '0');
        scale *= 10;
      }
    }
    if (count == 0) return bad("a number is missing");
    std::size_t end = at;
    while (end < rest.size() && rest[end] != '.' && !is_digit(rest[end])) ++end;
    if (end == at) return bad("a unit is missing (ns, us, ms, s, m or h)");
    const Unit* unit = find_unit(rest.substr(at, end - at));
    if (unit == nullptr)
      return bad("unknown unit \"" + std::string(rest.substr(at, end - at)) + "\"");
    if (whole > kLimit / unit->nanos) return bad("too long");
    std::uint64_t part = whole * unit->nanos;
    part += static_cast<std::uint64_t>(
        static_cast<long double>(fraction) *
        (static_cast<long double>(unit->nanos) / static_cast<long double>(scale)));
    if (part > kLimit || total > kLimit - part) return bad("too long");
    total += part;
    rest.remove_prefix(end);
  }
  const auto value = static_cast<std::int64_t>(total);
  return Duration{negative ? -value : value};
}

std::string format_duration(Duration duration) {
  if (duration.count() == 0) return "0s";
  const bool negative = duration.count() < 0;
  // Negate as unsigned, so that the smallest value does not overflow.
  auto nanos = static_cast<std::uint64_t>(duration.count());
  if (negative) nanos = ~nanos + 1;
  std::string text = negative ? "-" : "";
  if (nanos < 1'000) return text + std::to_string(nanos) + "ns";
  if (nanos < 1'000'000) return text + decimal(nanos, 1'000) + "\xC2\xB5s";
  if (nanos < 1'000'000'000) return text + decimal(nanos, 1'000'000) + "ms";
  const std::uint64_t hours = nanos / 3'600'000'000'000;
  const std::uint64_t minutes = nanos / 60'000'000'000 % 60;
  if (hours > 0) text += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) text += std::to_string(minutes) + "m";
  return text + decimal(nanos % 60'000'000'000, 1'000'000'000) + "s";
}

std::string human_duration(Duration duration) {
  const std::int64_t nanos = duration.count();
  if (nanos < 0) return "0s";
  if (nanos < 1'000'000'000) return nanos == 0 ? "0s" : std::to_string(nanos / 1'000'000) + "ms";
  const std::int64_t s = nanos / 1'000'000'000;
  struct Step {
    std::int64_t size;
    const char* name;
  };
  constexpr std::array<Step, 4> steps = {{{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (s < steps[i].size) continue;
    std::string text = std::to_string(s / steps[i].size) + steps[i].name;
    if (i + 1 < steps.size()) {
      const std::int64_t next = s % steps[i].size / steps[i + 1].size;
      if (next > 0) text += std::to_string(next) + steps[i + 1].name;
    }
    return text;
  }
  return "0s";
}

}  // namespace millrace
