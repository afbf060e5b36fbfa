/// JSON strings and UTF-8, for logs and for the codec.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

/// Escape `text` into a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

/// Replace each byte of `text`, from position `from` on, that is not UTF-8 by U+FFFD.
void repair_utf8(std::string& text, std::size_t from = 0);

}  // namespace millrace
