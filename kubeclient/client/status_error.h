/// From an HTTP answer that is not a success to an Error.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "kubeclient/base/result.h"

namespace millrace::api {
struct Status;
}

namespace millrace::client {

/// What a refusal with HTTP code `status` means; `has_delay`: a Retry-After came with it.
Code code_of_status(int status, const api::Status& said, bool has_delay);

/// The error for `status` (not 2xx). `body` may be a metav1.Status, anything else, or empty; `what`
/// names the call; `retry_after` is the header's. Never fails, whatever the body.
Error status_error(std::string_view what, int status, std::string_view body,
                   std::optional<std::chrono::milliseconds> retry_after,
                   std::string_view location = {});

}  // namespace millrace::client
