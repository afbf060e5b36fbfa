/// Words for what can go wrong below HTTP.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/base/result.h"

namespace millrace::http {

/// fail(), for where an Error is kept before it is returned.
Error error_of(Code code, std::string message);

/// The error for bytes that are no answer of HTTP/1.1; `detail` is the parser's sentence.
Error not_http(std::string_view target, std::string_view detail);
/// The error for a connection that ends before, or in the middle of (`begun`) an answer.
Error cut_short(std::string_view target, bool begun);

/// The error for libcurl's result `curl_code` (a CURLcode, never CURLE_OK). `target` names the
/// request in the message, `detail` is libcurl's own sentence and may be empty.
Error describe_failure(int curl_code, std::string_view target, std::string_view detail);

}  // namespace millrace::http
