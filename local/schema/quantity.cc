#include "local/schema/quantity.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace millrace::schema {
namespace {

using Nano = Quantity::Nano;
using Format = Quantity::Format;

constexpr Nano kBillion = 1'000'000'000;
/// Amounts beyond are cut; far above what any machine has.
constexpr Nano kMost = kBillion * kBillion * kBillion * kBillion;
/// Digits that the real server handles as a 64-bit number; only then does it keep the text.
constexpr std::size_t kShortDigits = 18;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Suffix {
  std::string_view text;
  bool binary;
  int exponent;  ///< of 2 or 10
};
constexpr std::array<Suffix, 16> kSuffixes = {{{"", false, 0},
                                               {"n", false, -9},
                                               {"u", false, -6},
                                               {"m", false, -3},
                                               {"k", false, 3},
                                               {"M", false, 6},
                                               {"G", false, 9},
                                               {"T", false, 12},
                                               {"P", false, 15},
                                               {"E", false, 18},
                                               {"Ki", true, 10},
                                               {"Mi", true, 20},
                                               {"Gi", true, 30},
                                               {"Ti", true, 40},
                                               {"Pi", true, 50},
                                               {"Ei", true, 60}}};

/// The text taken apart.
struct Parts {
  bool negative = false;
  std::string whole;     ///< digits before the point, "0" when there are none
  std::string fraction;  ///< digits after the point
  std::string suffix;
  Format format = Format::Decimal;
  int exponent = 0;
};

auto wrong_format() {
  return fail(Code::Malformed,
              "quantities must match the regular expression "
              "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

Result<Parts> take_apart(std::string_view text) {
  Parts parts;
  if (text.empty()) return wrong_format();
  std::size_t at = 0;
  if (text[at] == '-' || text[at] == '+') parts.negative = text[at++] == '-';
  while (at < text.size() && text[at] == '0') ++at;
  while (at < text.size() && is_digit(text[at])) parts.whole += text[at++];
  if (parts.whole.empty()) parts.whole = "0";
  if (at < text.size() && text[at] == '.') {
    ++at;
    while (at < text.size() && is_digit(text[at])) parts.fraction += text[at++];
  }
  parts.suffix = text.substr(at);
  while (at < text.size() && std::string_view("eEinumkKMGTP").find(text[at]) != text.npos) ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (at != text.size()) return wrong_format();

  for (const Suffix& suffix : kSuffixes) {
    if (suffix.text != parts.suffix) continue;
    parts.format = suffix.binary ? Format::Binary : Format::Decimal;
    parts.exponent = suffix.exponent;
    return parts;
  }
  const bool exponent =
      parts.suffix.size() > 1 && parts.suffix.size() < 8 &&
      (parts.suffix.front() == 'e' || parts.suffix.front() == 'E') &&
      is_digit(parts.suffix.back()) &&
      (is_digit(parts.suffix[1]) || parts.suffix[1] == '-' || parts.suffix[1] == '+');
  if (!exponent) return fail(Code::Malformed, "unable to parse quantity's suffix");
  parts.format = Format::Exponent;
  parts.exponent = std::atoi(parts.suffix.c_str() + 1);
  return parts;
}

/// `number` times `base` to the power of `times`, cut at kMost.
Nano scale_up(Nano number, int base, int times) {
  for (int i = 0; i < times && number != 0; ++i) {
    if (number > kMost / base) return kMost;
    number *= base;
  }
  return number;
}

Nano divide_up(Nano number, Nano divisor) { return (number + divisor - 1) / divisor; }

/// The absolute amount.
Nano amount_of(const Parts& parts) {
  std::string digits = parts.whole + parts.fraction;
  int scale = 9 - static_cast<int>(parts.fraction.size());
  if (parts.format != Format::Binary) scale += parts.exponent;
  // Digits that no longer count: a billionth is the least there is.
  while (digits.size() > 30 && scale < 0) {
    digits.pop_back();
    ++scale;
  }
  Nano number = 0;
  for (const char c : digits) {
    if (number > kMost / 10) return kMost;
    number = number * 10 + (c - '0');
  }
  if (parts.format == Format::Binary) number = scale_up(number, 2, parts.exponent);
  number = scale_up(number, 10, scale);
  for (; scale < 0 && number > 1; ++scale) number = divide_up(number, 10);
  return number;
}

std::string decimal(Nano number) {
  std::string text;
  do {
    text += static_cast<char>('0' + static_cast<int>(number % 10));
    number /= 10;
  } while (number > 0);
  std::reverse(text.begin(), text.end());
  return text;
}

std::string suffix_of(bool binary, int exponent) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.binary == binary && suffix.exponent == exponent && exponent != 0) {
      return std::string(suffix.text);
    }
  }
  return "";
}

std::string write(const Quantity& quantity) {
  if (quantity.nano == 0) return "0";
  const std::string sign = quantity.nano < 0 ? "-" : "";
  Nano number = quantity.nano < 0 ? -quantity.nano : quantity.nano;
  if (quantity.format == Format::Binary && number >= 1024 * kBillion && number % kBillion == 0) {
    number /= kBillion;
    int exponent = 0;
    for (; number % 1024 == 0 && exponent < 60; exponent += 10) number /= 1024;
    return sign + decimal(number) + suffix_of(true, exponent);
  }
  int exponent = -9;
  for (; number % 1000 == 0 && exponent < 18; exponent += 3) number /= 1000;
  if (quantity.format != Format::Exponent) {
    return sign + decimal(number) + suffix_of(false, exponent);
  }
  return sign + decimal(number) + (exponent == 0 ? "" : "e" + std::to_string(exponent));
}

/// Whether the real server writes the text as it came. Source: ParseQuantity, "reuse the string".
bool stays(const Parts& parts) {
  const std::string digits = parts.whole + parts.fraction;
  if (digits.size() > kShortDigits) return false;
  if (parts.format == Format::Binary) {
    const auto bits = static_cast<std::size_t>(parts.exponent);
    const bool is_short = parts.whole.size() + bits * 3 / 10 + 1 <= 15;
    return parts.fraction.empty() && is_short && std::strtoll(digits.c_str(), nullptr, 10) % 8 != 0;
  }
  const int scale = parts.exponent - static_cast<int>(parts.fraction.size());
  const bool thousands = digits.size() >= 3 && digits.compare(digits.size() - 3, 3, "000") == 0;
  return scale >= -9 && scale % 3 == 0 && !thousands && digits.front() != '0';
}

}  // namespace

Result<Quantity> parse_quantity(std::string_view text) {
  MR_ASSIGN(const Parts parts, take_apart(text));
  Quantity quantity;
  quantity.format = parts.format;
  quantity.nano = parts.negative ? -amount_of(parts) : amount_of(parts);
  return quantity;
}

Result<std::string> canonical_quantity(std::string_view text, bool whole_milli) {
  MR_ASSIGN(const Parts parts, take_apart(text));
  constexpr Nano kMilli = kBillion / 1000;
  const Nano amount = amount_of(parts);
  const bool fine = amount % kMilli != 0;
  if (stays(parts) && !(whole_milli && fine)) return std::string(text);
  Quantity quantity;
  quantity.format = parts.format;
  quantity.nano = whole_milli && fine ? divide_up(amount, kMilli) * kMilli : amount;
  if (parts.negative) quantity.nano = -quantity.nano;
  return write(quantity);
}

}  // namespace millrace::schema
