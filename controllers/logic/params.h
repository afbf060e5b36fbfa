/// The values a run is started with: defaults, types and limits.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "crds/steps.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::logic {

using ParamValues = std::map<std::string, codec::Value>;

/// The most that names and values of a run may have together [bytes of JSON]: they stand in its
/// status, a second time next to the spec, and an object that etcd refuses could not even say why.
inline constexpr std::size_t kParamsBudget = 64 * 1024;

/// Whether `value` is of `type` as it stands.
bool has_type(crds::ParamType type, const codec::Value& value);

/// `value` as one of `param`'s type, within its limits. Text, as a command line gives it, is read:
/// "3" for an integer, "true", JSON for lists and objects. Errors: Invalid, without a path.
Result<codec::Value> param_value(const crds::Param& param, const codec::Value& value);

/// What is wrong with `value` in the pipeline's own text, where it has to have the type as it is:
/// as `param_value`, but text is text. Empty: nothing.
std::string default_problem(const crds::Param& param, const codec::Value& value);

/// What the run uses: `given` over the defaults. Errors: Invalid, led by `spec.params`: an unknown
/// param (the known ones are named), missing ones, a value of the wrong type or outside its limits,
/// more than kParamsBudget of them.
Result<ParamValues> resolve_params(const std::vector<crds::Param>& params,
                                   const ParamValues& given);

}  // namespace millrace::logic
