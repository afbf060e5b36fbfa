/// The functions of the language. Inside this folder only.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "controllers/expression/meter.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

/// A value on the way: borrowed from a scope or a literal, or our own.
class Item {
 public:
  Item() = default;
  explicit Item(const codec::Value* borrowed) : borrowed_(borrowed) {}
  explicit Item(codec::Value owned) : owned_(std::move(owned)) {}

  const codec::Value& get() const { return borrowed_ == nullptr ? owned_ : *borrowed_; }
  bool is_borrowed() const { return borrowed_ != nullptr; }
  codec::Value& owned() { return owned_; }

 private:
  const codec::Value* borrowed_ = nullptr;
  codec::Value owned_;
};

/// One call with its arguments evaluated; the first stands left of `|`.
struct Call {
  std::string_view name;  ///< of the function
  std::string subject;    ///< how the first argument is written, for messages
  std::span<Item> arguments;
  Meter& meter;

  const codec::Value& at(std::size_t i) const { return arguments[i].get(); }
  /// "length: params.x is null; " and what is wanted instead.
  tl::unexpected<Error> wrong(std::string_view wanted) const;
  tl::unexpected<Error> wrong_argument(std::size_t i, std::string_view wanted) const;
  tl::unexpected<Error> refuse(const std::string& message) const;
  /// The result, counted.
  Result<Item> give(codec::Value value) const;
};

struct Function {
  enum class Kind {
    Plain,
    Default,   ///< arguments[1] when arguments[0] is missing or null
    Coalesce,  ///< the first that is neither
    Exists,    ///< whether arguments[0] is there
    OldAnd,    ///< of Go: the first that is empty, else the last
    OldOr,
    OldDefault,  ///< arguments[0] when arguments[1] is missing, null or empty
  };
  static constexpr std::size_t kMany = std::numeric_limits<std::size_t>::max();

  std::string_view name;
  std::string_view usage;  ///< e.g. "text | replace(old, new)"
  std::size_t min_arguments = 1;
  std::size_t max_arguments = 1;
  Result<Item> (*apply)(Call& call) = nullptr;  ///< Plain only
  Kind kind = Kind::Plain;
};

/// Null when there is none.
const Function* find_function(std::string_view name);
/// Of the old spelling.
const Function* find_old_function(std::string_view name);
/// All functions of the canonical spelling, by name.
std::span<const Function> functions();
/// "unknown function X", with the name that was meant if that is clear.
std::string unknown_function(std::string_view name);

/// Parts of the table.
std::span<const Function> text_functions();
std::span<const Function> list_functions();
std::span<const Function> conversion_functions();

/// Text of a value that stands in a text. Errors: Invalid: null.
Result<std::string> text_of(const codec::Value& value, std::string_view subject, Meter& meter);
/// As Go prints it: `[1 x]`, `map[k:v]`; null is empty.
Result<std::string> old_text_of(const codec::Value& value, Meter& meter);
/// What Go's `if` takes for true.
bool old_truth(const codec::Value& value);

}  // namespace millrace::expression
