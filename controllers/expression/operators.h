/// Operators on values. Inside this folder only. Messages name types, never values.
#pragma once

#include <string_view>
#include <vector>

#include "controllers/expression/meter.h"
#include "controllers/expression/program.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

/// "null", "a boolean", "an integer", "a number", "text", "a list" or "an object".
std::string_view kind_of(const codec::Value& value);

/// Exact order of two numbers, also of an integer and a double: below zero, zero, above.
int compare_numbers(const codec::Value& a, const codec::Value& b);

/// Deep equality; 1 equals 1.0; different types are unequal; the order of members counts not.
Result<bool> equal(const codec::Value& a, const codec::Value& b, Meter& meter);

/// Whether `container` has `what`: an item of a list, a key of an object, a piece of a text.
/// Errors: Invalid: another container, or a key or piece that is no text.
Result<bool> contains(const codec::Value& container, const codec::Value& what, Meter& meter);

/// A comparison of the canonical spelling. Errors: Invalid: types that cannot be compared.
Result<bool> compare(Op op, const codec::Value& left, const codec::Value& right, Meter& meter);

/// One step of + - * / %. Integers stay integers, `/` of two is cut towards zero; `+` joins texts.
/// Errors: Invalid: other types, division by zero, out of range.
Result<codec::Value> calculate(Op op, const codec::Value& left, const codec::Value& right,
                               Meter& meter);

/// What to sort by: all numbers or all texts. Errors: Invalid: anything else.
Result<> sort_values(std::vector<const codec::Value*>& values, Meter& meter);

}  // namespace millrace::expression
