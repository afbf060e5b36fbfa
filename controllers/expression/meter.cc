#include "controllers/expression/meter.h"

#include <string>

namespace millrace::expression {

using codec::Value;

Result<> Meter::work(std::size_t units) {
  if (units > limits_.work - work_) {
    work_ = limits_.work;
    return fail(Code::Invalid, "this takes more work than an expression may do");
  }
  work_ += units;
  return {};
}

Result<> Meter::produce(std::size_t bytes) {
  MR_TRY(work(1 + bytes / 64));
  if (bytes > limits_.value_bytes) {
    return fail(Code::Invalid, "this makes a value above " + std::to_string(limits_.value_bytes) +
                                   " bytes, the most an expression may make");
  }
  if (bytes > limits_.total_bytes - bytes_) {
    bytes_ = limits_.total_bytes;
    return fail(Code::Invalid, "this makes values above " + std::to_string(limits_.total_bytes) +
                                   " bytes in all, the most an evaluation may make");
  }
  bytes_ += bytes;
  return {};
}

Result<> Meter::produce(const Value& value) {
  MR_ASSIGN(const std::size_t bytes, measure(value));
  return produce(bytes);
}

Result<std::size_t> Meter::measure(const Value& value) {
  std::size_t sum = 0;
  MR_TRY(add_up(value, 0, sum));
  return sum;
}

Result<> Meter::add_up(const Value& value, int depth, std::size_t& sum) {
  if (depth > kMaxValueDepth) {
    return fail(Code::Invalid,
                "a value is nested more than " + std::to_string(kMaxValueDepth) + " deep");
  }
  if (value.is_string()) {
    sum += value.as_string().size();
  } else if (value.is_array()) {
    MR_TRY(work(value.items().size()));
    for (const Value& item : value.items()) {
      sum += kItemBytes;
      MR_TRY(add_up(item, depth + 1, sum));
    }
  } else if (value.is_object()) {
    MR_TRY(work(value.members().size()));
    for (const auto& [key, member] : value.members()) {
      sum += 2 * kItemBytes + key.size();
      MR_TRY(add_up(member, depth + 1, sum));
    }
  } else {
    sum += 8;
  }
  return {};
}

}  // namespace millrace::expression
