/// GET .../pods/NAME/log.
#pragma once

#include "local/apiserver/context.h"
#include "local/apiserver/refusal.h"
#include "local/apiserver/request_target.h"

namespace millrace::apiserver {

Answer<Response> serve_logs(Context& context, const Request& request, const Target& target);

}  // namespace millrace::apiserver
