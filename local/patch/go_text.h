/// Values as Go prints them: some messages of the API server hold them.
#pragma once

#include <string>

#include "kubeclient/codec/value.h"

namespace millrace::patch {

/// With %v: `map[a:1 b:[x y]]`.
std::string go_plain(const codec::Value& value);
/// With %#v: `map[string]interface {}{"a":1}`.
std::string go_literal(const codec::Value& value);
/// With %T: `map[string]interface {}`, `string`.
std::string go_type(const codec::Value& value);

}  // namespace millrace::patch
