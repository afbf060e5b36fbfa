/// Where the values of paths come from.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "controllers/expression/template.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

/// The answer to a path: a value for its first `used` segments. The evaluator walks the others
/// through that value, so a scope need know only the part that is not plain data.
class Lookup {
 public:
  /// `value` outlives the evaluation.
  static Lookup borrowed(const codec::Value& value, std::size_t used) {
    return Lookup(&value, codec::Value(), used);
  }
  static Lookup owned(codec::Value value, std::size_t used) {
    return Lookup(nullptr, std::move(value), used);
  }

  const codec::Value* borrowed() const { return borrowed_; }  ///< null when owned
  codec::Value& owned() { return owned_; }
  std::size_t used() const { return used_; }

 private:
  Lookup(const codec::Value* borrowed, codec::Value owned, std::size_t used)
      : borrowed_(borrowed), owned_(std::move(owned)), used_(used) {}

  const codec::Value* borrowed_;
  codec::Value owned_;
  std::size_t used_;
};

/// What expressions can see. Asked only for paths that are really read, hence may be lazy.
class Scope {
 public:
  enum class Missing {
    Error,  ///< the evaluation fails, with the path named
    Empty,  ///< it is the empty text, as in conveyor-belt
  };

  virtual ~Scope() = default;

  /// Resolve `path`; path[0] is the root, computed parts are already values.
  /// Errors: NotFound: the path is missing, message = which part and why, without the path ("step
  /// fetch has no output rows"); `default` catches it. Any other code fails the evaluation.
  /// Messages must not hold values.
  virtual Result<Lookup> find(std::span<const Segment> path) const = 0;

  virtual Missing missing() const { return Missing::Error; }
};

/// A scope made of named roots, each a value or a function. An unknown root is missing.
class RootScope final : public Scope {
 public:
  /// Gets the whole path, root included; as Scope::find.
  using Resolver = std::function<Result<Lookup>(std::span<const Segment> path)>;

  explicit RootScope(Missing missing = Missing::Error) : missing_(missing) {}

  /// `value` outlives the scope.
  void set(std::string root, const codec::Value& value) { values_[std::move(root)] = &value; }
  void set(std::string root, codec::Value&& value) = delete;
  void set_resolver(std::string root, Resolver resolver) {
    resolvers_[std::move(root)] = std::move(resolver);
  }

  Result<Lookup> find(std::span<const Segment> path) const override;
  Missing missing() const override { return missing_; }

 private:
  Missing missing_;
  std::map<std::string, const codec::Value*, std::less<>> values_;
  std::map<std::string, Resolver, std::less<>> resolvers_;
};

/// Each member of an object is a root: `{"params": {...}, "run": {...}}`.
class ValueScope final : public Scope {
 public:
  /// `roots` outlives the scope.
  explicit ValueScope(const codec::Value& roots, Missing missing = Missing::Error)
      : roots_(roots), missing_(missing) {}

  Result<Lookup> find(std::span<const Segment> path) const override;
  Missing missing() const override { return missing_; }

 private:
  const codec::Value& roots_;
  Missing missing_;
};

}  // namespace millrace::expression
