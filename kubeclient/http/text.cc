#include <curl/curl.h>

#include <charconv>
#include <string>

#include "kubeclient/http/loop.h"

namespace millrace::http {

std::string_view to_string(Method method) {
  switch (method) {
    case Method::Get:
      return "GET";
    case Method::Post:
      return "POST";
    case Method::Put:
      return "PUT";
    case Method::Patch:
      return "PATCH";
    case Method::Delete:
      return "DELETE";
  }
  return "GET";
}

std::string escape(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value, Time now) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  constexpr std::int64_t kMost = 24 * 3600;  // [s]; nobody means more, and it cannot overflow
  std::int64_t count = 0;
  const char* end = value.data() + value.size();
  const auto [last, error] = std::from_chars(value.data(), end, count);
  if (error == std::errc() && last == end) {
    if (count < 0) return std::nullopt;
    return milliseconds(seconds(std::min(count, kMost)));
  }
  const std::time_t at = curl_getdate(std::string(value).c_str(), nullptr);
  if (at < 0) return std::nullopt;
  const std::int64_t wait = static_cast<std::int64_t>(at) -
                            std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
  return milliseconds(seconds(std::clamp<std::int64_t>(wait, 0, kMost)));
}

}  // namespace millrace::http
