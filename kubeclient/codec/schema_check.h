/// Checks values against a structural schema and says the same as the API server, without one.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"

namespace millrace::codec {

/// The meaning of one CEL rule in C++: `self` is the value it stands on, `old_self` the value
/// before an update, or null when there is none. Called for values of the right shape only.
using RuleCheck = bool (*)(const Value& self, const Value* old_self);
/// By the text of the rule.
using RuleTable = std::map<std::string, RuleCheck, std::less<>>;

/// What a value is checked with.
struct SchemaCheckOptions {
  const RuleTable* rules = nullptr;  ///< a rule of the schema that is missing here is a bug
  const Value* old_value = nullptr;  ///< for rules on oldSelf; without it they are left out
};

/// All complaints about `value`, in its order; empty means accepted. Unknown fields are complaints,
/// with the nearest known name, as under kubectl's strict validation. A rule is asked only where
/// the value below it has the right shape.
std::vector<FieldError> check_schema(const Value& schema, const Value& value,
                                     const SchemaCheckOptions& options);

/// The one of `candidates` that `text` was probably meant to be, or empty.
std::string_view nearest_name(std::string_view text,
                              const std::vector<std::string_view>& candidates);

}  // namespace millrace::codec
