/// What the tests of local/schema share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/schema/fit.h"
#include "local/schema/kinds.h"

namespace millrace::schema {

/// The value of JSON text that is known to be right.
codec::Value json(std::string_view text);
/// The kind of an object, which is served.
const Kind& kind_of(const codec::Value& object);

/// A pod, Job, ... with one container, and `spec` merged over its spec, member by member.
codec::Value pod(std::string_view spec = "{}");
codec::Value job(std::string_view spec = "{}");
codec::Value deployment(std::string_view spec = "{}");
codec::Value service(std::string_view spec = "{}");

/// The object as it is stored.
codec::Value stored(codec::Value object);
/// "field reason message" of each problem of the object as it would be stored.
std::vector<std::string> problems(const codec::Value& object);

}  // namespace millrace::schema
