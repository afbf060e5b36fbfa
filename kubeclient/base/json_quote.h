/// JSON strings, for logs and for the codec.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

/// Escape `text` into a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

}  // namespace millrace
