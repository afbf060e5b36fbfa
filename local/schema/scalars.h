/// Strings with a meaning, read as the Go programs of the API server read them, with their words.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/base/result.h"

namespace millrace::schema {

/// A time in the form it is stored: UTC, whole seconds; with `micro` exactly six digits, which it
/// must have then. Errors: Malformed.
Result<std::string> canonical_time(std::string_view text, bool micro);

/// Base64 with padding, without line ends. Errors: Malformed, with the offset of the first byte
/// that is wrong.
Result<std::string> canonical_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);
/// Number of bytes that base64 text stands for.
std::size_t base64_size(std::string_view text);

}  // namespace millrace::schema
