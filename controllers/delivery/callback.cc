#include "controllers/delivery/callback.h"

#include <algorithm>

#include "controllers/delivery/delivery.h"

namespace millrace::delivery {
namespace {

constexpr std::size_t kMostBytes = 2048;

bool printable(char c) { return c > 0x20 && c < 0x7f && c != '\\' && c != '"' && c != '<'; }

bool host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool address_char(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Host and port of "host:port", "[::1]" and the like; the host is empty when it is none.
struct Place {
  std::string_view host;
  std::string_view port;
};

Place split(std::string_view text) {
  Place place;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return {};
    place.host = text.substr(0, end + 1);
    const std::string_view inside = text.substr(1, end - 1);
    if (!std::all_of(inside.begin(), inside.end(), address_char)) return {};
    text.remove_prefix(end + 1);
  } else {
    place.host = text.substr(0, text.find(':'));
    if (!std::all_of(place.host.begin(), place.host.end(), host_char)) return {};
    text.remove_prefix(place.host.size());
  }
  if (text.empty()) return place;
  place.port = text.substr(1);
  if (text.front() != ':' || !is_port(place.port)) return {};
  return place;
}

bool matches(const Place& given, std::string_view scheme, std::string_view entry) {
  if (entry == "*") return true;
  const bool below = entry.starts_with("*.");
  const Place wanted = split(below ? entry.substr(2) : entry);
  if (wanted.host.empty()) return false;
  const std::string_view port = !given.port.empty() ? given.port : scheme == "https" ? "443" : "80";
  if (!wanted.port.empty() && wanted.port != port) return false;
  if (!below) return same_name(given.host, wanted.host);
  const std::size_t tail = wanted.host.size() + 1;
  return given.host.size() > tail && given.host[given.host.size() - tail] == '.' &&
         same_name(given.host.substr(given.host.size() - wanted.host.size()), wanted.host);
}

}  // namespace

std::string callback_problem(std::string_view url, const std::vector<std::string>& hosts) {
  if (url.size() > kMostBytes || !std::all_of(url.begin(), url.end(), printable)) {
    return "X-Callback-URL is no URL: at most 2048 printable ASCII characters";
  }
  const std::size_t colon = url.find("://");
  const std::string_view given = url.substr(0, colon == std::string_view::npos ? 0 : colon);
  const std::string_view scheme = same_name(given, "https")  ? "https"
                                  : same_name(given, "http") ? "http"
                                                             : "";
  if (scheme.empty()) return "X-Callback-URL must begin with http:// or https://";
  std::string_view authority = url.substr(colon + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return "X-Callback-URL must not hold a user name";
  }
  const Place place = split(authority);
  if (place.host.empty()) return "X-Callback-URL has no proper host";
  for (const std::string& entry : hosts) {
    if (matches(place, scheme, entry)) return {};
  }
  return "X-Callback-URL: the host " + std::string(place.host) +
         " is not in webhook.callbackHosts of the operator's configuration";
}

}  // namespace millrace::delivery
