#include "controllers/expression/scope.h"

namespace millrace::expression {
namespace {

tl::unexpected<Error> no_root(const Segment& root) {
  if (root.is_index) return fail(Code::NotFound, "a path begins with a name");
  return fail(Code::NotFound, "there is no " + root.name + " here");
}

}  // namespace

Result<Lookup> RootScope::find(std::span<const Segment> path) const {
  MR_CHECK(!path.empty());
  if (const auto value = values_.find(path[0].name); value != values_.end()) {
    return Lookup::borrowed(*value->second, 1);
  }
  if (const auto resolver = resolvers_.find(path[0].name); resolver != resolvers_.end()) {
    return resolver->second(path);
  }
  return no_root(path[0]);
}

Result<Lookup> ValueScope::find(std::span<const Segment> path) const {
  MR_CHECK(!path.empty());
  const codec::Value* value = roots_.find(path[0].name);
  if (value == nullptr) return no_root(path[0]);
  return Lookup::borrowed(*value, 1);
}

}  // namespace millrace::expression
