#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "controllers/expression/digest.h"
#include "controllers/expression/functions.h"
#include "controllers/expression/operators.h"

namespace millrace::expression {

using codec::Value;

namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::optional<Value> integer_of(double number) {
  if (number != std::floor(number) || number < -kTwoTo63 || number >= kTwoTo63) {
    return std::nullopt;
  }
  return Value(static_cast<std::int64_t>(number));
}

/// The whole text as a number of JSON's shape, with an optional `+`.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  // No "inf", "nan", "+-1".
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return std::nullopt;
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

Result<Item> to_int(Call& call) {
  const Value& value = call.at(0);
  if (value.is_int()) return Item(value);
  if (value.is_number()) {
    if (const auto whole = integer_of(value.as_double())) return Item(*whole);
    return call.refuse("is no whole number; cut it with `| floor`, `| ceil` or `| round`");
  }
  if (!value.is_string()) return call.wrong("it needs a number or text");
  MR_TRY(call.meter.read(value.as_string().size()));
  if (const auto number = parse_number<std::int64_t>(value.as_string())) {
    return Item(Value(*number));
  }
  return call.refuse(trimmed(value.as_string()).empty() ? "is empty text, no integer"
                                                        : "is text that is no integer of 64 bits");
}

Result<Item> to_float(Call& call) {
  const Value& value = call.at(0);
  if (value.is_number()) return Item(Value(value.as_double()));
  if (!value.is_string()) return call.wrong("it needs a number or text");
  MR_TRY(call.meter.read(value.as_string().size()));
  const auto number = parse_number<double>(value.as_string());
  if (number && std::isfinite(*number)) return Item(Value(*number));
  return call.refuse(trimmed(value.as_string()).empty() ? "is empty text, no number"
                                                        : "is text that is no number");
}

Result<Item> to_bool(Call& call) {
  const Value& value = call.at(0);
  if (value.is_bool()) return Item(value);
  if (!value.is_string()) return call.wrong("it needs a boolean or the text true or false");
  const std::string_view text = trimmed(value.as_string());
  if (text == "true" || text == "false") return Item(Value(text == "true"));
  return call.refuse("is text other than true and false");
}

Result<Item> to_text(Call& call) {
  if (call.at(0).is_string()) return std::move(call.arguments[0]);
  MR_ASSIGN(std::string text, text_of(call.at(0), call.subject, call.meter));
  return Item(Value(std::move(text)));
}

Result<Item> round_with(Call& call, double (*cut)(double)) {
  const Value& value = call.at(0);
  if (value.is_int()) return Item(value);
  if (!value.is_number()) return call.wrong("it needs a number");
  if (const auto whole = integer_of(cut(value.as_double()))) return Item(*whole);
  return call.refuse("is beyond 64-bit integers");
}

Result<Item> do_floor(Call& call) {
  return round_with(call, [](double x) { return std::floor(x); });
}
Result<Item> do_ceil(Call& call) {
  return round_with(call, [](double x) { return std::ceil(x); });
}
Result<Item> do_round(Call& call) {
  return round_with(call, [](double x) { return std::round(x); });
}

Result<Item> to_json(Call& call) {
  MR_TRY(call.meter.produce(call.at(0)));
  return call.give(call.at(0).dump());
}

Result<Item> from_json(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  const std::string& text = call.at(0).as_string();
  // The values cost more memory than their text; refuse before they are made.
  const auto items = std::ranges::count_if(
      text, [](char c) { return c == ',' || c == ':' || c == '[' || c == '{'; });
  MR_TRY(call.meter.produce(text.size() + static_cast<std::size_t>(items) * kItemBytes));
  auto value = Value::parse(text);
  if (!value.ok()) return call.refuse("is text that is no JSON");
  MR_TRY(call.meter.measure(*value));  // its depth
  return Item(*std::move(value));
}

Result<Item> do_base64(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text; convert it with `| toJson`");
  MR_TRY(call.meter.produce(call.at(0).as_string().size() / 3 * 4 + 4));
  return Item(Value(to_base64(call.at(0).as_string())));
}

Result<Item> do_base64decode(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  MR_TRY(call.meter.produce(call.at(0).as_string().size()));
  auto bytes = from_base64(call.at(0).as_string());
  if (!bytes) return call.refuse("is text that is no base64");
  if (!is_utf8(*bytes)) return call.refuse("holds bytes that are no UTF-8 text");
  return Item(Value(*std::move(bytes)));
}

Result<Item> do_sha256(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text; convert it with `| toJson`");
  MR_TRY(call.meter.work(1 + call.at(0).as_string().size() / 16));
  return call.give(sha256_hex(call.at(0).as_string()));
}

Result<Item> do_type(Call& call) {
  const Value& value = call.at(0);
  if (value.is_array()) return Item(Value("list"));
  if (value.is_bool()) return Item(Value("boolean"));
  return Item(Value(value.kind_name()));
}

constexpr Function kTable[] = {
    {"int", "x | int", 1, 1, to_int},
    {"float", "x | float", 1, 1, to_float},
    {"bool", "x | bool", 1, 1, to_bool},
    {"string", "x | string", 1, 1, to_text},
    {"floor", "number | floor", 1, 1, do_floor},
    {"ceil", "number | ceil", 1, 1, do_ceil},
    {"round", "number | round", 1, 1, do_round},
    {"toJson", "x | toJson", 1, 1, to_json},
    {"fromJson", "text | fromJson", 1, 1, from_json},
    {"base64", "text | base64", 1, 1, do_base64},
    {"base64decode", "text | base64decode", 1, 1, do_base64decode},
    {"sha256", "text | sha256", 1, 1, do_sha256},
    {"type", "x | type", 1, 1, do_type},
};

}  // namespace

std::span<const Function> conversion_functions() { return kTable; }

}  // namespace millrace::expression
