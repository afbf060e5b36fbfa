/// GET with watch: the changes of a collection as a stream of JSON lines.
#pragma once

#include "local/apiserver/context.h"
#include "local/apiserver/request_target.h"

namespace millrace::apiserver {

/// The answer's stream is driven by the storage and the clock alone: `take` looks at both. It may
/// live longer than the `Api`, not longer than the storage and the clock.
Answer<Response> watch_objects(Context& context, const Request& request, const Target& target);

}  // namespace millrace::apiserver
