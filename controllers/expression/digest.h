/// base64 and SHA-256. Inside this folder only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::expression {

/// Standard alphabet, padded.
std::string to_base64(std::string_view bytes);
/// Standard or URL alphabet, padding may be left out, white space is skipped. Nothing if it is
/// something else.
std::optional<std::string> from_base64(std::string_view text);

/// SHA-256 (FIPS 180-4) in lower-case hex.
std::string sha256_hex(std::string_view bytes);

/// Whether `bytes` are UTF-8, without overlong forms and surrogates.
bool is_utf8(std::string_view bytes);
/// Where each character begins, and the end; bytes that are no UTF-8 count one each.
std::size_t count_characters(std::string_view text);
/// The byte at which character number `index` begins; the end if there are fewer.
std::size_t byte_of_character(std::string_view text, std::size_t index);

}  // namespace millrace::expression
