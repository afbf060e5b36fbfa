/// Values of params from the command line and files, by the pipeline's declarations.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crds/steps.h"
#include "kubeclient/codec/value.h"

namespace millrace::cli {

/// What was given, typed, or what is wrong with it.
struct ParamValues {
  codec::Value values = codec::Value::object();  ///< name → value; defaults are not filled in
  std::vector<std::string> problems;             ///< each names the param and the cure
};

/// Read `given` ("name=value", later ones win) over `base` (object of typed values, or null).
/// Values of lists and objects are JSON. Refuses what is unknown, of another type, outside of
/// `enum` or `pattern`, and params without a default that are not given.
ParamValues read_params(const std::vector<crds::Param>& known,
                        const std::vector<std::string>& given, const codec::Value& base);

/// "who (string, default \"you\"), n (integer, required)"; "none" for no params.
std::string known_params(const std::vector<crds::Param>& known);

}  // namespace millrace::cli
