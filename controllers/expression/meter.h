/// Counting of work and memory. Inside this folder only.
#pragma once

#include <cstddef>

#include "controllers/expression/evaluate.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

constexpr std::size_t kItemBytes = 40;  ///< of an item besides its text
constexpr int kMaxValueDepth = 100;     ///< of values that we build

/// Errors of all: Invalid, naming the limit.
class Meter {
 public:
  explicit Meter(const Limits& limits) : limits_(limits) {}

  /// `units` of work are about to be done.
  Result<> work(std::size_t units);
  /// `bytes` are about to be read.
  Result<> read(std::size_t bytes) { return work(1 + bytes / 64); }
  /// A value of `bytes` is about to be made; also counts the work.
  Result<> produce(std::size_t bytes);
  /// `value` was made, or is about to be copied.
  Result<> produce(const codec::Value& value);
  /// Memory of `value` [bytes]; counts the work.
  Result<std::size_t> measure(const codec::Value& value);

 private:
  Result<> add_up(const codec::Value& value, int depth, std::size_t& sum);

  Limits limits_;
  std::size_t work_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace millrace::expression
