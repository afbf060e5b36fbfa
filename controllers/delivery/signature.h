/// Comparing secrets without telling by the time it takes, and HMAC-SHA256.
#pragma once

#include <string>
#include <string_view>

namespace millrace::delivery {

/// HMAC-SHA256 as 64 hex digits, lower case.
std::string hmac_sha256(std::string_view key, std::string_view text);

/// SHA-256 as 64 hex digits, lower case.
std::string sha256(std::string_view text);

/// Compare in a time that depends on neither content nor length of `expected`.
bool same_secret(std::string_view given, std::string_view expected);

/// True when `given`, hex digits in any case with or without `sha256=` before them, is the
/// HMAC-SHA256 of `body`.
bool signature_matches(std::string_view key, std::string_view body, std::string_view given);

/// The token of an `Authorization` header of the scheme Bearer; empty for anything else.
std::string_view bearer_token(std::string_view authorization);

}  // namespace millrace::delivery
