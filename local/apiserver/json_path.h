/// The JSON paths that print columns of custom kinds use.
#pragma once

#include <string_view>

#include "kubeclient/codec/value.h"

namespace millrace::apiserver {

/// The first value at `path`, or null. Knows members (`.a.b`), items (`[0]`) and one test of
/// equality (`[?(@.type=="Ready")]`); anything else finds nothing.
const codec::Value* at_json_path(const codec::Value& object, std::string_view path);

}  // namespace millrace::apiserver
