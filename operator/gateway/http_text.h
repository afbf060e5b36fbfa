/// Pieces of HTTP text, pure.
#pragma once

#include <string>
#include <string_view>

#include "operator/gateway/http_server.h"

namespace millrace::gateway {

/// Status line and headers of `response` with the blank line after them.
std::string head_text(const HttpResponse& response, bool keep_alive);

/// "Not Found"; "Unknown" for numbers that are none of ours.
std::string_view reason_phrase(int status);

/// A random UUID of version 4.
std::string new_uuid();

}  // namespace millrace::gateway
