#include "local/apiserver/server_text.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "kubeclient/base/json_quote.h"

namespace millrace::apiserver {
namespace {

constexpr std::array<std::string_view, 5> kOpenPaths = {"/healthz", "/livez", "/readyz", "/version",
                                                        "/version/"};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// In queries '+' is a blank.
Result<std::string> decoded(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail(Code::Invalid, "bad escape in the request's target");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    if (c == '\0') return fail(Code::Invalid, "NUL byte in the request's target");
    out += c;
  }
  // Deviation: the real server takes any bytes; no name has others, and answers are JSON.
  std::string repaired = out;
  repair_utf8(repaired);
  if (repaired != out) return fail(Code::Invalid, "the request's target is not UTF-8");
  return out;
}

std::string_view phrase_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "-";
  }
}

/// RFC 9110, section 5.6.7: IMF-fixdate.
std::string http_date(Time time) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm t{};
  gmtime_r(&seconds, &t);
  char text[64];
  const int n =
      std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[t.tm_wday],
                    t.tm_mday, kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  return std::string(text, static_cast<std::size_t>(std::clamp(n, 0, 63)));
}

void append_clean(std::string& out, std::string_view text) {
  for (const char c : text) out += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
}

}  // namespace

Result<RawTarget> read_target(std::string_view text) {
  if (!text.starts_with('/')) {
    return fail(Code::Invalid, "the request's target does not begin with '/'");
  }
  text = text.substr(0, text.find('#'));
  const std::size_t mark = text.find('?');
  RawTarget target;
  MR_ASSIGN(target.path, decoded(text.substr(0, mark), false));
  std::string_view query = mark == std::string_view::npos ? "" : text.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    MR_ASSIGN(std::string name, decoded(pair.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      MR_ASSIGN(value, decoded(pair.substr(equals + 1), true));
    }
    target.query.emplace_back(std::move(name), std::move(value));
  }
  return target;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto wrong = [&] {
    return fail(Code::Invalid, "listen address \"" + std::string(text) +
                                   "\": expected ADDRESS:PORT, as in 127.0.0.1:6443 or [::1]:0");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  Endpoint endpoint{.host = std::string(host)};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (host.empty() || error != std::errc() || end != port.data() + port.size()) return wrong();
  return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

bool brings_token(std::string_view authorization, std::string_view token) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size() || token.empty()) return false;
  const bool bearer = std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                                 [](char a, char b) { return a == (b | 0x20) || a == b; });
  if (!bearer) return false;
  authorization.remove_prefix(kScheme.size());
  return authorization.size() == token.size() &&
         CRYPTO_memcmp(authorization.data(), token.data(), token.size()) == 0;
}

bool is_open_path(std::string_view path) {
  return std::find(kOpenPaths.begin(), kOpenPaths.end(), path) != kOpenPaths.end();
}

std::string failure_body(int status, std::string_view reason, std::string_view message) {
  return R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)" +
         json_quote(message) + ",\"reason\":" + json_quote(reason) +
         ",\"code\":" + std::to_string(status) + "}\n";
}

std::string head_text(const Head& head) {
  std::string out;
  out.reserve(256);
  out += head.http_1_0 ? "HTTP/1.0 " : "HTTP/1.1 ";
  out += std::to_string(head.status);
  out += ' ';
  out += phrase_of(head.status);
  out += "\r\nDate: " + http_date(head.date) + "\r\nCache-Control: no-cache, private\r\n";
  if (!head.content_type.empty()) {
    out += "Content-Type: ";
    append_clean(out, head.content_type);
    out += "\r\n";
  }
  if (head.headers != nullptr) {
    for (const auto& [name, value] : *head.headers) {
      append_clean(out, name);
      out += ": ";
      append_clean(out, value);
      out += "\r\n";
    }
  }
  if (head.framing == Framing::Length) {
    out += "Content-Length: " + std::to_string(head.length) + "\r\n";
  } else if (head.framing == Framing::Chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  if (!head.keep_alive) {
    out += "Connection: close\r\n";
  } else if (head.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  return out;
}

}  // namespace millrace::apiserver
