#include "controllers/delivery/delivery.h"

#include <algorithm>

namespace millrace::delivery {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return {};
}

std::string_view sender_id(const Headers& headers) {
  for (const char* name : {"X-Delivery-ID", "Webhook-Id", "X-GitHub-Delivery", "X-Gitea-Delivery",
                           "X-Gitlab-Event-UUID", "Ce-Id", "Idempotency-Key"}) {
    const std::string_view id = find_header(headers, name);
    if (!id.empty()) return id;
  }
  return {};
}

std::string_view to_string(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::Accepted:
      return "Accepted";
    case Verdict::Kind::NotFound:
      return "NotFound";
    case Verdict::Kind::Unauthorized:
      return "Unauthorized";
    case Verdict::Kind::Forbidden:
      return "Forbidden";
    case Verdict::Kind::Invalid:
      return "Invalid";
    case Verdict::Kind::Unready:
      return "Unready";
    case Verdict::Kind::TooMany:
      return "TooMany";
    case Verdict::Kind::Unavailable:
      break;
  }
  return "Unavailable";
}

}  // namespace millrace::delivery
