#include "local/schema/scalars.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "kubeclient/base/time_format.h"

namespace millrace::schema {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Reads a time along Go's layout and says where it stops.
class TimeWalk {
 public:
  TimeWalk(std::string_view text, bool micro) : whole_(text), rest_(text), micro_(micro) {}

  Result<> run() {
    struct Part {
      std::string_view layout;
      std::size_t digits;
    };
    constexpr std::array<Part, 11> parts = {{{"2006", 4},
                                             {"-", 0},
                                             {"01", 2},
                                             {"-", 0},
                                             {"02", 2},
                                             {"T", 0},
                                             {"15", 2},
                                             {":", 0},
                                             {"04", 2},
                                             {":", 0},
                                             {"05", 2}}};
    for (const Part& part : parts) {
      if (!(part.digits > 0 ? take_digits(part.digits) : take(part.layout))) {
        return stop(part.layout);
      }
    }
    if (micro_) {
      if (rest_.empty() || rest_.front() != '.' || digits_at(1) < 6) return stop(".000000");
      rest_.remove_prefix(7);
    } else if (!rest_.empty() && rest_.front() == '.' && digits_at(1) > 0) {
      rest_.remove_prefix(1 + digits_at(1));
    }
    const bool zone =
        rest_ == "Z" || (rest_.size() == 6 && (rest_.front() == '+' || rest_.front() == '-'));
    return zone ? Result<>() : stop("Z07:00");
  }

 private:
  std::size_t digits_at(std::size_t at) const {
    std::size_t count = 0;
    while (at + count < rest_.size() && is_digit(rest_[at + count])) ++count;
    return count;
  }
  bool take(std::string_view text) {
    if (rest_.substr(0, text.size()) != text) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool take_digits(std::size_t count) {
    if (digits_at(0) < count) return false;
    rest_.remove_prefix(count);
    return true;
  }
  Result<> stop(std::string_view layout) const {
    const std::string fraction = micro_ ? ".000000" : "";
    return fail(Code::Malformed, "parsing time \"" + std::string(whole_) +
                                     "\" as \"2006-01-02T15:04:05" + fraction +
                                     "Z07:00\": cannot parse \"" + std::string(rest_) + "\" as \"" +
                                     std::string(layout) + "\"");
  }

  std::string_view whole_;
  std::string_view rest_;
  bool micro_;
};

/// The part of a time that is out of range.
std::string_view range_of(std::string_view text) {
  const auto number = [&](std::size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); };
  if (number(5) < 1 || number(5) > 12) return "month";
  if (number(11) > 23) return "hour";
  if (number(14) > 59) return "minute";
  if (number(17) > 59) return "second";
  return "day";
}

}  // namespace

Result<std::string> canonical_time(std::string_view text, bool micro) {
  MR_TRY(TimeWalk(text, micro).run());
  const Result<Time> time = parse_time(text);
  if (!time.ok()) {
    return fail(Code::Malformed, "parsing time \"" + std::string(text) +
                                     "\": " + std::string(range_of(text)) + " out of range");
  }
  return micro ? format_micro_time(*time) : format_time(*time);
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= count ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

Result<std::string> canonical_base64(std::string_view text) {
  const auto bad = [](std::size_t at) {
    return fail(Code::Malformed, "illegal base64 data at input byte " + std::to_string(at));
  };
  std::string clean;
  std::size_t at = 0;
  std::size_t in_group = 0;
  const auto skip_line_ends = [&] {
    while (at < text.size() && (text[at] == '\n' || text[at] == '\r')) ++at;
  };
  for (skip_line_ends(); at < text.size(); skip_line_ends()) {
    const char c = text[at];
    if (kAlphabet.find(c) != std::string_view::npos) {
      clean += c;
      in_group = (in_group + 1) % 4;
      ++at;
      continue;
    }
    if (c != '=' || in_group < 2) return bad(at);
    const std::size_t first = at++;
    skip_line_ends();
    if (in_group == 2) {
      if (at == text.size()) return bad(text.size());
      if (text[at] != '=') return bad(first);
      ++at;
      skip_line_ends();
    }
    if (at != text.size()) return bad(at);
    clean.append(4 - in_group, '=');
    return clean;
  }
  if (in_group != 0) return bad(text.size() - in_group);
  return clean;
}

std::size_t base64_size(std::string_view text) {
  const auto padding = static_cast<std::size_t>(std::count(text.begin(), text.end(), '='));
  const std::size_t size = text.size() / 4 * 3;
  return size >= padding ? size - padding : 0;
}

}  // namespace millrace::schema
