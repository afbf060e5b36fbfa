/// The scope that the tests of expressions share.
#pragma once

#include <string>
#include <string_view>

#include "controllers/expression/evaluate.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression {

/// Params, steps, responses and a secret that must never show.
const codec::Value& sample();

/// The value of `text` over the sample as JSON, or "error: message".
std::string run(std::string_view text, Scope::Missing missing = Scope::Missing::Error);

}  // namespace millrace::expression
