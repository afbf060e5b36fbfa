/// The reviews by which clients ask about themselves. Whoever has the token may do everything.
#pragma once

#include "local/apiserver/context.h"
#include "local/apiserver/refusal.h"

namespace millrace::apiserver {

/// Whether `path` is one of them.
bool is_review(std::string_view path);
Answer<Response> serve_review(const Context& context, const Request& request);

}  // namespace millrace::apiserver
