/// Evaluating conveyor-belt templates. Internal to the files named go_template_*.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controllers/expression/go_template.h"
#include "controllers/expression/go_template_ast.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression::gotmpl {

/// A value on the way: of the root, of the program or made; null pointer: missing or null.
using Item = const codec::Value*;

/// What an evaluation may still use, what it made, and its first error. One for a whole document.
class Machine {
 public:
  Machine(const codec::Value& root, const GoTemplate::Limits& limits, GoTemplate::Spelling spelling)
      : root_(root), left_(limits), spelling_(spelling) {}

  const codec::Value& root() const { return root_; }
  GoTemplate::Spelling spelling() const { return spelling_; }

  /// Take `steps` from what is left. False, with an error, when there is too little.
  bool spend(std::size_t steps, std::size_t offset);
  /// The same for text that goes out.
  bool write(std::size_t bytes, std::size_t offset);
  /// The same for text made on the way, together with the steps that it takes to make it.
  bool charge(std::size_t bytes, std::size_t offset);
  /// Whether that much more text may be made; to stop early.
  bool fits(std::size_t bytes) const { return bytes <= left_.made_bytes; }
  /// Keep `value` until `forget`; null pointer, with an error, when there is no room for its text.
  Item make(codec::Value value, std::size_t offset);
  /// Let go of all values made.
  void forget() { made_.clear(); }

  /// Note an error, if it is the first one.
  Item fail(std::size_t offset, std::string_view what);
  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }

 private:
  const codec::Value& root_;
  GoTemplate::Limits left_;
  GoTemplate::Spelling spelling_;
  std::deque<codec::Value> made_;  // does not move what it holds
  std::optional<Error> error_;
};

/// Errors: as GoTemplate::render.
Result<codec::Value> evaluate(const Program& program, Machine& machine);

/// What a condition makes of a value: empty, zero, false and missing are not true.
bool truth(Item item);
/// "text", "a number", "true or false", "a list", "an object" or "nothing".
std::string_view kind_of(Item item);

/// Bytes that a value takes in a document, roughly.
std::size_t weight(const codec::Value& value);

/// The value of a function other than `and` and `or`, which do not look at all of their arguments.
/// Failure shows in `machine`.
Item call(Machine& machine, Function function, std::span<const Item> args, std::size_t offset);

}  // namespace millrace::expression::gotmpl
