#include "operator/gateway/webhook_path.h"

#include <algorithm>

#include "operator/gateway/http_text.h"

namespace millrace::gateway {
namespace {

constexpr std::size_t kMostName = 63;        ///< of a Namespace and a Pipeline [bytes]
constexpr std::size_t kMostRequestId = 128;  ///< [bytes]

bool is_name(std::string_view text, bool dots) {
  const auto edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= kMostName && edge(text.front()) && edge(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return edge(c) || c == '-' || (dots && c == '.'); });
}

bool printable(char c) { return c > 0x20 && c < 0x7f; }

}  // namespace

WebhookPath read_webhook_path(std::string_view path, const std::string& default_namespace) {
  constexpr std::string_view kPrefix = "/webhook/";
  if (!path.starts_with(kPrefix)) return {};
  path.remove_prefix(kPrefix.size());
  WebhookPath out;
  if (path.ends_with('/')) {
    out.trailing_slash = true;
    path.remove_suffix(1);
  }
  const std::size_t slash = path.find('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  out.ns = slash == std::string_view::npos ? default_namespace : std::string(path.substr(0, slash));
  if (is_name(name, true) && is_name(out.ns, false)) out.name = name;
  return out;
}

std::string request_id(const delivery::Headers& headers) {
  std::string out;
  for (const char c : delivery::find_header(headers, "X-Request-ID")) {
    if (printable(c) && out.size() < kMostRequestId) out += c;
  }
  return out.empty() ? new_uuid() : out;
}

std::string delivery_id_problem(std::string_view id) {
  if (id.size() > delivery::kMostIdBytes) {
    return "the delivery id is longer than " + std::to_string(delivery::kMostIdBytes) + " bytes";
  }
  if (!std::all_of(id.begin(), id.end(), [](char c) { return printable(c) || c == ' '; })) {
    return "the delivery id holds characters that are not printable ASCII";
  }
  return {};
}

}  // namespace millrace::gateway
