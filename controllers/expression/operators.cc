#include "controllers/expression/operators.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace millrace::expression {

using codec::Value;

namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

int sign_of(double difference) { return difference < 0 ? -1 : (difference > 0 ? 1 : 0); }

/// Exact, although not each integer has a double.
int compare_mixed(std::int64_t a, double b) {
  if (b >= kTwoTo63) return -1;
  if (b < -kTwoTo63) return 1;
  const double whole = std::trunc(b);
  const auto integer = static_cast<std::int64_t>(whole);
  if (a != integer) return a < integer ? -1 : 1;
  return sign_of(whole - b);
}

bool same_kind(const Value& a, const Value& b) {
  return kind_of(a) == kind_of(b) || (a.is_number() && b.is_number());
}

tl::unexpected<Error> cannot_compare(const Value& left, const Value& right) {
  std::string message =
      "cannot compare " + std::string(kind_of(left)) + " with " + std::string(kind_of(right));
  const bool number = left.is_number() || right.is_number();
  const bool text = left.is_string() || right.is_string();
  if (number && text) {
    message += "; convert the text with `| int` or `| float`";
  } else if (text && (left.is_bool() || right.is_bool())) {
    message += "; convert the text with `| bool`";
  }
  return fail(Code::Invalid, message);
}

Result<bool> equal_objects(const Value& a, const Value& b, Meter& meter) {
  if (a.members().size() != b.members().size()) return false;
  for (const auto& [key, value] : a.members()) {
    MR_TRY(meter.work(1 + b.members().size() / 4));
    const Value* other = b.find(key);
    if (other == nullptr) return false;
    MR_ASSIGN(const bool same, equal(value, *other, meter));
    if (!same) return false;
  }
  return true;
}

Result<Value> calculate_integers(Op op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  bool overflow = false;
  switch (op) {
    case Op::Add:
      overflow = __builtin_add_overflow(a, b, &out);
      break;
    case Op::Subtract:
      overflow = __builtin_sub_overflow(a, b, &out);
      break;
    case Op::Multiply:
      overflow = __builtin_mul_overflow(a, b, &out);
      break;
    case Op::Divide:
    case Op::Modulo:
      if (b == 0) return fail(Code::Invalid, "division by zero");
      if (b == -1) {  // the lowest integer has no positive counterpart
        overflow = op == Op::Divide && __builtin_sub_overflow(std::int64_t{0}, a, &out);
      } else {
        out = op == Op::Divide ? a / b : a % b;
      }
      break;
    default:
      MR_CHECK(false);
  }
  if (overflow) return fail(Code::Invalid, "the result is beyond 64-bit integers");
  return Value(out);
}

Result<Value> calculate_doubles(Op op, double a, double b) {
  double out = 0;
  switch (op) {
    case Op::Add:
      out = a + b;
      break;
    case Op::Subtract:
      out = a - b;
      break;
    case Op::Multiply:
      out = a * b;
      break;
    case Op::Divide:
      if (b == 0) return fail(Code::Invalid, "division by zero");
      out = a / b;
      break;
    default:
      return fail(Code::Invalid, "`%` needs two integers");
  }
  if (!std::isfinite(out)) return fail(Code::Invalid, "the result is beyond the numbers");
  return Value(out);
}

std::string_view sign_of(Op op) {
  switch (op) {
    case Op::Add:
      return "+";
    case Op::Subtract:
      return "-";
    case Op::Multiply:
      return "*";
    case Op::Divide:
      return "/";
    default:
      return "%";
  }
}

}  // namespace

std::string_view kind_of(const Value& value) {
  if (value.is_null()) return "null";
  if (value.is_bool()) return "a boolean";
  if (value.is_int()) return "an integer";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  return value.is_array() ? "a list" : "an object";
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_int() && b.is_int()) {
    return a.as_int() < b.as_int() ? -1 : (a.as_int() > b.as_int() ? 1 : 0);
  }
  if (a.is_int()) return compare_mixed(a.as_int(), b.as_double());
  if (b.is_int()) return -compare_mixed(b.as_int(), a.as_double());
  return a.as_double() < b.as_double() ? -1 : (a.as_double() > b.as_double() ? 1 : 0);
}

Result<bool> equal(const Value& a, const Value& b, Meter& meter) {
  MR_TRY(meter.work(1));
  if (!same_kind(a, b)) return false;
  if (a.is_null()) return true;
  if (a.is_bool()) return a.as_bool() == b.as_bool();
  if (a.is_number()) return compare_numbers(a, b) == 0;
  if (a.is_string()) {
    MR_TRY(meter.read(std::min(a.as_string().size(), b.as_string().size())));
    return a.as_string() == b.as_string();
  }
  if (a.is_object()) return equal_objects(a, b, meter);
  if (a.items().size() != b.items().size()) return false;
  for (std::size_t i = 0; i < a.items().size(); ++i) {
    MR_ASSIGN(const bool same, equal(a.items()[i], b.items()[i], meter));
    if (!same) return false;
  }
  return true;
}

Result<bool> contains(const Value& container, const Value& what, Meter& meter) {
  if (container.is_array()) {
    for (const Value& item : container.items()) {
      MR_ASSIGN(const bool same, equal(item, what, meter));
      if (same) return true;
    }
    return false;
  }
  if (!container.is_string() && !container.is_object()) {
    return fail(Code::Invalid, "looked for something in " + std::string(kind_of(container)) +
                                   "; that needs a list, text or an object");
  }
  if (!what.is_string()) {
    return fail(Code::Invalid, "looked for " + std::string(kind_of(what)) + " in " +
                                   std::string(kind_of(container)) + "; only text can be in it");
  }
  if (container.is_object()) {
    MR_TRY(meter.work(1 + container.members().size()));
    return container.find(what.as_string()) != nullptr;
  }
  // The search may compare each place of the text with each byte of the piece.
  const std::string& text = container.as_string();
  const std::string& piece = what.as_string();
  MR_TRY(meter.work(1 + (text.size() / 16 + 1) * (piece.size() / 64 + 1)));
  return text.find(piece) != std::string::npos;
}

Result<bool> compare(Op op, const Value& left, const Value& right, Meter& meter) {
  if (op == Op::In) return contains(right, left, meter);
  if (op == Op::Equal || op == Op::NotEqual) {
    // Silence about "3" != 3 would make conditions that never hold.
    if (!left.is_null() && !right.is_null() && !same_kind(left, right)) {
      return cannot_compare(left, right);
    }
    MR_ASSIGN(const bool same, equal(left, right, meter));
    return same == (op == Op::Equal);
  }
  int order = 0;
  if (left.is_number() && right.is_number()) {
    order = compare_numbers(left, right);
  } else if (left.is_string() && right.is_string()) {
    MR_TRY(meter.read(std::min(left.as_string().size(), right.as_string().size())));
    order = left.as_string().compare(right.as_string());
  } else if (same_kind(left, right)) {
    return fail(Code::Invalid, std::string(kind_of(left)) +
                                   " has no order; `<` and the like need numbers or texts");
  } else {
    return cannot_compare(left, right);
  }
  switch (op) {
    case Op::Less:
      return order < 0;
    case Op::LessEqual:
      return order <= 0;
    case Op::Greater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Result<Value> calculate(Op op, const Value& left, const Value& right, Meter& meter) {
  if (left.is_int() && right.is_int()) return calculate_integers(op, left.as_int(), right.as_int());
  if (left.is_number() && right.is_number()) {
    return calculate_doubles(op, left.as_double(), right.as_double());
  }
  if (op == Op::Add && left.is_string() && right.is_string()) {
    MR_TRY(meter.produce(left.as_string().size() + right.as_string().size()));
    return Value(left.as_string() + right.as_string());
  }
  std::string message = "`" + std::string(sign_of(op)) + "` between " + std::string(kind_of(left)) +
                        " and " + std::string(kind_of(right)) + "; it needs two numbers";
  if (op == Op::Add) message += " or two texts";
  return fail(Code::Invalid, message);
}

Result<> sort_values(std::vector<const Value*>& values, Meter& meter) {
  const auto all = [&](auto is) {
    return std::ranges::all_of(values, [&](const Value* value) { return is(*value); });
  };
  std::size_t longest = 0;
  for (const Value* value : values) longest = std::max(longest, value->as_string().size());
  std::size_t rounds = 1;
  while ((std::size_t{1} << rounds) < values.size()) ++rounds;
  MR_TRY(meter.work(values.size() * rounds * (1 + longest / 64)));
  if (all([](const Value& value) { return value.is_number(); })) {
    std::ranges::stable_sort(
        values, [](const Value* a, const Value* b) { return compare_numbers(*a, *b) < 0; });
    return {};
  }
  if (all([](const Value& value) { return value.is_string(); })) {
    std::ranges::stable_sort(
        values, [](const Value* a, const Value* b) { return a->as_string() < b->as_string(); });
    return {};
  }
  return fail(Code::Invalid, "needs a list of numbers only, or of texts only");
}

}  // namespace millrace::expression
