#include "kubeclient/http/outbound_call.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>

#include "kubeclient/base/duration.h"
#include "kubeclient/http/failure.h"

namespace millrace::http {
namespace {

constexpr int kMostRedirects = 10;
// Of a redirect's body; reading it keeps the connection, more is not worth that.
constexpr std::size_t kMostSkipped = std::size_t{64} << 10;
// A peer that acknowledges nothing for this long is gone.
constexpr unsigned kUserTimeout = 20'000;  // [ms]
// Servers close idle connections after 5 s and more; a request that meets that is lost.
constexpr long kMaxIdle = 4;  // [s]

constexpr std::string_view kMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                         "PATCH", "DELETE", "OPTIONS"};
// How a message is framed and connected is not the user's to say: two readings of one request are
// how requests get smuggled through proxies.
constexpr std::string_view kOurHeaders[] = {
    "connection", "content-length", "expect",  "keep-alive",        "proxy-authorization",
    "te",         "trailer",        "upgrade", "transfer-encoding", "proxy-connection"};
// All that goes along to another host. What else is given may be a credential, by whatever name.
constexpr std::string_view kHarmless[] = {"accept",           "accept-encoding",  "accept-language",
                                          "content-type",     "content-encoding", "user-agent",
                                          "content-language", "idempotency-key"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string text) {
  for (char& c : text) c = lower(c);
  return text;
}

bool contains(std::span<const std::string_view> list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_redirect(int status) {
  return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kSigns = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           kSigns.find(c) != std::string_view::npos;
  });
}

/// "content-TYPE" → "Content-Type".
std::string canonical(std::string_view name) {
  std::string out(name);
  bool start = true;
  for (char& c : out) {
    const char small = lower(c);
    c = start && small >= 'a' && small <= 'z' ? static_cast<char>(small - 'a' + 'A') : small;
    start = c == '-';
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// A part of a URL; "" when it has none.
std::string part(void* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(static_cast<CURLU*>(url), which, &text, flags) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

std::optional<IpAddress> address_of(const sockaddr& address) {
  IpAddress out;
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    std::memcpy(out.bytes.data(), &in.sin6_addr, out.bytes.size());
    return out;
  }
  if (address.sa_family != AF_INET) return std::nullopt;
  sockaddr_in in{};
  std::memcpy(&in, &address, sizeof in);
  out.bytes[10] = out.bytes[11] = 0xff;
  std::memcpy(&out.bytes[12], &in.sin_addr, 4);
  return out;
}

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  MR_CHECK(code == CURLE_OK);
}

// The callbacks are noexcept: what they throw (exhausted memory) ends the process, rather than
// crossing frames of C.
std::size_t write_body(char* data, std::size_t, std::size_t size, void* user) noexcept {
  if (static_cast<OutboundCall*>(user)->on_body({data, size})) return size;
  return size == 0 ? 1 : 0;  // anything but `size` stops the transfer
}

std::size_t write_header(char* data, std::size_t, std::size_t size, void* user) noexcept {
  return static_cast<OutboundCall*>(user)->on_header({data, size}) ? size : 0;
}

int before_send(void* user, char* address, char*, int, int) noexcept {
  const bool may = static_cast<OutboundCall*>(user)->may_send(address == nullptr ? "" : address);
  return may ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) noexcept {
  return static_cast<OutboundCall*>(user)->open_socket(address);
}

int tune_socket(void*, curl_socket_t socket, curlsocktype) noexcept {
  (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeout, sizeof kUserTimeout);
  return CURL_SOCKOPT_OK;
}

}  // namespace

OutboundCall::OutboundCall(std::uint64_t number, OutboundRequest request, OutboundDone done,
                           const OutboundOptions& options, std::vector<std::uint64_t>& found)
    : id(number),
      due(request.timeout ? std::chrono::steady_clock::now() + *request.timeout
                          : SteadyTime::max()),
      easy(curl_easy_init()),
      options_(options),
      found_(found),
      request_(std::move(request)),
      done_(std::move(done)),
      url_(curl_url()),
      error_text_(CURL_ERROR_SIZE) {
  if (easy == nullptr || url_ == nullptr) throw std::bad_alloc();
}

OutboundCall::~OutboundCall() {
  curl_easy_cleanup(easy);
  curl_slist_free_all(static_cast<curl_slist*>(header_list_));
  curl_url_cleanup(static_cast<CURLU*>(url_));
}

Result<void> OutboundCall::check() const {
  if (!contains(kMethods, request_.method)) {
    return fail(Code::Invalid, "method \"" + request_.method.substr(0, 32) +
                                   "\" is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  }
  if (request_.method == "HEAD" && request_.has_body) {
    return fail(Code::Invalid, "HEAD takes no body");
  }
  for (const OutboundHeader& header : request_.headers) {
    if (!is_token(header.name)) {
      return fail(Code::Invalid,
                  "a header's name is empty or holds other than letters, digits "
                  "and the signs allowed there");
    }
    if (contains(kOurHeaders, lower(header.name))) {
      return fail(Code::Invalid, "header " + header.name +
                                     " cannot be set; it follows from the "
                                     "request");
    }
    const bool bad = std::any_of(header.value.begin(), header.value.end(), [](char c) {
      return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f;
    });
    if (bad) {
      return fail(Code::Invalid,
                  "the value of header " + header.name + " holds a line end or control character");
    }
  }
  return {};
}

Result<void> OutboundCall::prepare() {
  if (!url_read_) {
    const CURLUcode code = curl_url_set(static_cast<CURLU*>(url_), CURLUPART_URL,
                                        request_.url.c_str(), CURLU_URLENCODE | CURLU_ALLOW_SPACE);
    if (code != CURLUE_OK || request_.url.find('\0') != std::string::npos) {
      const std::string said = code == CURLUE_OK ? "zero byte" : curl_url_strerror(code);
      return fail(Code::Invalid,
                  request_.method + ": not a URL (" + said + "); write it as https://host/path");
    }
    url_read_ = true;
  }
  MR_TRY(read_url());
  proxied_ = !options_.proxy.empty() && !options_.no_proxy.matches(origin_.host);
  const Result<void> allowed = proxied_
                                   ? options_.policy.check_behind_proxy(origin_.host, origin_.port)
                                   : options_.policy.check_host(origin_.host, origin_.port);
  MR_TRY(Result<void>(allowed).with(target()));
  if (proxied_) {
    lookup_key_ = "proxy";  // only one has to be looked up
  } else if (IpAddress::parse(origin_.host)) {
    lookup_key_.clear();
  } else {
    lookup_key_ = origin_.host + ":" + std::to_string(origin_.port);
  }
  head_done_ = skip_body_ = cut_ = false;
  skipped_ = header_bytes_ = 0;
  sends_ = 0;
  denial_.reset();
  error_text_[0] = '\0';
  answer_.headers.clear();
  answer_.status = 0;
  configure();
  return {};
}

Result<void> OutboundCall::read_url() {
  Origin origin;
  origin.scheme = part(url_, CURLUPART_SCHEME);
  if (origin.scheme != "http" && origin.scheme != "https") {
    return fail(answer_.redirects > 0 ? Code::Denied : Code::Invalid,
                request_.method + ": scheme \"" + origin.scheme.substr(0, 32) +
                    "\" is neither http nor https");
  }
  origin.host = lower(part(url_, CURLUPART_HOST, CURLU_PUNYCODE));
  if (origin.host.starts_with('[')) origin.host = origin.host.substr(1, origin.host.size() - 2);
  const std::string port = part(url_, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), origin.port);
  if (origin.host.empty() || origin.port <= 0) {
    return fail(Code::Invalid, request_.method + ": the URL names no host");
  }
  origin_ = std::move(origin);
  url_text_ = part(url_, CURLUPART_URL);
  const bool v6 = origin_.host.find(':') != std::string::npos;
  shown_ = origin_.scheme + "://" + (v6 ? "[" + origin_.host + "]" : origin_.host);
  const std::string given = part(url_, CURLUPART_PORT);
  if (!given.empty()) shown_ += ":" + given;
  shown_ += part(url_, CURLUPART_PATH);
  return {};
}

void OutboundCall::configure() {
  curl_easy_reset(easy);
  set(easy, CURLOPT_PRIVATE, this);
  set(easy, CURLOPT_URL, url_text_.c_str());
  set(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_QUICK_EXIT, 1L);  // never wait in this thread for a name server
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_TCP_KEEPIDLE, 15L);   // [s]
  set(easy, CURLOPT_TCP_KEEPINTVL, 10L);  // [s]
  set(easy, CURLOPT_MAXAGE_CONN, kMaxIdle);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_WRITEFUNCTION, &write_body);
  set(easy, CURLOPT_WRITEDATA, this);
  set(easy, CURLOPT_HEADERFUNCTION, &write_header);
  set(easy, CURLOPT_HEADERDATA, this);
  set(easy, CURLOPT_PREREQFUNCTION, &before_send);
  set(easy, CURLOPT_PREREQDATA, this);
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &http::open_socket);
  set(easy, CURLOPT_OPENSOCKETDATA, this);
  set(easy, CURLOPT_SOCKOPTFUNCTION, &tune_socket);
  set(easy, CURLOPT_PROXY, proxied_ ? options_.proxy.c_str() : "");  // "" keeps the environment out
  set(easy, CURLOPT_NOPROXY, "");
  set(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());

  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  const char* bundle = nullptr;
  curl_easy_getinfo(easy, CURLINFO_CAINFO, &bundle);
  if (!request_.ca.empty()) {  // this one, and not the system's as well
    set(easy, CURLOPT_CAINFO, static_cast<const char*>(nullptr));
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    curl_blob blob{request_.ca.data(), request_.ca.size(), CURL_BLOB_NOCOPY};
    set(easy, CURLOPT_CAINFO_BLOB, &blob);
  } else if (bundle != nullptr) {
    // libcurl parses the system's bundle once, but only when there is no folder beside it.
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  configure_method();
  configure_headers();
}

void OutboundCall::configure_method() {
  const std::string& method = request_.method;
  if (method == "HEAD") return set(easy, CURLOPT_NOBODY, 1L);
  if (request_.has_body || method == "POST" || method == "PUT" || method == "PATCH") {
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(easy, CURLOPT_POSTFIELDS, request_.body.data());  // not copied
    set(easy, CURLOPT_POST, 1L);
  } else {
    set(easy, CURLOPT_HTTPGET, 1L);
  }
  set(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
}

void OutboundCall::configure_headers() {
  curl_slist_free_all(static_cast<curl_slist*>(header_list_));
  curl_slist* list = nullptr;
  header_list_ = nullptr;
  const auto add = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list = longer;
    header_list_ = list;
  };
  add("Expect:");                                         // no 100-continue round trip
  if (!has_header("content-type")) add("Content-Type:");  // nor a form that it is not
  for (const OutboundHeader& header : request_.headers) {
    const std::string_view value = trim(header.value);
    add(value.empty() ? header.name + ";" : header.name + ": " + std::string(value));
  }
  set(easy, CURLOPT_HTTPHEADER, list);
  // Who asks for an encoding gets it as it comes.
  if (!has_header("accept-encoding")) set(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
}

bool OutboundCall::has_header(std::string_view name) const {
  return std::any_of(request_.headers.begin(), request_.headers.end(),
                     [&](const OutboundHeader& header) { return lower(header.name) == name; });
}

// ---- What comes

bool OutboundCall::on_header(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > options_.max_headers) {
    fail_with(Code::Malformed, "the headers of the answer exceed " +
                                   std::to_string(options_.max_headers) + " bytes");
    return false;
  }
  if (head_done_) return true;  // a trailer
  if (line.starts_with("HTTP/")) {
    answer_.status = 0;
    answer_.headers.clear();
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      std::from_chars(line.data() + space + 1, line.data() + line.size(), answer_.status);
    }
    return true;
  }
  const std::string_view text = trim(line);
  if (text.empty()) {
    if (answer_.status >= 200) on_head_end();  // before it, the real one follows
    return true;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_token(text.substr(0, colon))) return true;
  answer_.headers[canonical(text.substr(0, colon))].emplace_back(trim(text.substr(colon + 1)));
  return true;
}

void OutboundCall::on_head_end() {
  head_done_ = true;
  skip_body_ = redirect_location().has_value();
  if (request_.method != "HEAD" && !has_header("accept-encoding") &&
      answer_.headers.contains("Content-Encoding")) {
    answer_.headers.erase("Content-Encoding");
    answer_.headers.erase("Content-Length");
  }
}

bool OutboundCall::on_body(std::string_view piece) {
  if (skip_body_) {
    skipped_ += piece.size();
    cut_ = skipped_ > kMostSkipped;
    return !cut_;
  }
  if (answer_.body.size() + piece.size() > request_.max_body) {
    fail_with(Code::Malformed,
              "the body of the answer exceeds " + std::to_string(request_.max_body) + " bytes");
    return false;
  }
  answer_.body.append(piece);
  return true;
}

bool OutboundCall::may_send(std::string_view address) {
  found_.push_back(id);
  const auto ip = IpAddress::parse(address);
  if (ip && !proxied_) {
    // Also for connections that are used again.
    auto allowed = options_.policy.check_address(origin_.host, origin_.port, *ip);
    if (!allowed.ok()) {
      failure_ = std::move(allowed).with(target()).error();
      return false;
    }
  }
  // libcurl sends again by itself when a connection that was used before turns out dead. The server
  // may have acted already.
  const bool repeatable = request_.method != "POST" && request_.method != "PATCH";
  return ++sends_ == 1 || repeatable;
}

int OutboundCall::open_socket(void* curl_address) {
  const auto* to = static_cast<const curl_sockaddr*>(curl_address);
  found_.push_back(id);
  if (!proxied_) {
    const auto ip = address_of(to->addr);
    if (!ip) return CURL_SOCKET_BAD;
    auto allowed = options_.policy.check_address(origin_.host, origin_.port, *ip);
    if (!allowed.ok()) {
      denial_ = std::move(allowed).with(target()).error();
      return CURL_SOCKET_BAD;
    }
  }
  const int fd = ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
    fail_with(Code::Unavailable, "this process has no file descriptor left; raise its limit");
  }
  return fd < 0 ? CURL_SOCKET_BAD : fd;
}

// ---- How it ends

std::optional<Result<OutboundAnswer>> OutboundCall::ended(int curl_code) {
  const auto error = [](Error e) { return Result<OutboundAnswer>(fail(std::move(e))); };
  if (failure_) return error(*std::move(failure_));
  const bool good = curl_code == CURLE_OK || (head_done_ && skip_body_);
  if (!good && denial_ && !head_done_) return error(*std::move(denial_));
  if (curl_code == CURLE_OUT_OF_MEMORY && !head_done_) {  // a line beyond libcurl's own 100 KiB
    return error(error_of(Code::Malformed, target() + ": a header of the answer is too long"));
  }
  if (!good) return error(describe_failure(curl_code, target(), error_text_.data()));
  // libcurl takes half a head for a whole one.
  if (!head_done_) return error(describe_failure(CURLE_GOT_NOTHING, target(), ""));
  const auto location = redirect_location();
  if (!location) return Result<OutboundAnswer>(std::move(answer_));
  auto followed = follow(*location);
  if (!followed.ok()) return error(std::move(followed).error());
  return std::nullopt;
}

std::optional<std::string> OutboundCall::redirect_location() const {
  if (request_.redirects == Redirects::Leave || !is_redirect(answer_.status)) return std::nullopt;
  const auto location = answer_.headers.find("Location");
  if (location == answer_.headers.end() || location->second.front().empty()) return std::nullopt;
  return location->second.front();
}

Result<void> OutboundCall::follow(const std::string& location) {
  if (++answer_.redirects > kMostRedirects) {
    return fail(Code::Malformed,
                target() + ": more than " + std::to_string(kMostRedirects) + " redirects");
  }
  const Origin from = origin_;
  const std::string came_from = target();
  if (curl_url_set(static_cast<CURLU*>(url_), CURLUPART_URL, location.c_str(),
                   CURLU_URLENCODE | CURLU_ALLOW_SPACE) != CURLUE_OK) {
    return fail(Code::Malformed, came_from + ": redirected to what is not a URL");
  }
  MR_TRY(read_url().with(came_from + ": redirected"));
  if (answer_.status < 304) {
    if (request_.method != "HEAD") request_.method = "GET";
    request_.body.clear();
    request_.has_body = false;
    std::erase_if(request_.headers,
                  [](const auto& header) { return lower(header.name).starts_with("content-"); });
  }
  const bool to_tls =
      from.scheme == "http" && origin_.scheme == "https" && from.port == 80 && origin_.port == 443;
  const bool same = from.scheme == origin_.scheme && from.port == origin_.port;
  if (from.host == origin_.host && (same || to_tls)) return {};
  // For good: another redirect back does not bring them back.
  std::erase_if(request_.headers,
                [](const auto& header) { return !contains(kHarmless, lower(header.name)); });
  return {};
}

std::string OutboundCall::target() const {
  return shown_.empty() ? request_.method : request_.method + " " + shown_;
}

void OutboundCall::fail_with(Code code, const std::string& message) {
  failure_ = error_of(code, target() + ": " + message);
}

Error OutboundCall::overdue() const {
  const std::string within = " within " + human_duration(*request_.timeout);
  const std::string what = head_done_   ? ": the answer was not complete"
                           : sends_ > 0 ? ": no answer"
                                        : ": no connection";
  return error_of(Code::Timeout, target() + what + within);
}

Error OutboundCall::cancelled() const {
  return error_of(Code::Cancelled, target() + ": cancelled");
}

Error OutboundCall::unresolved() const {
  return describe_failure(CURLE_COULDNT_RESOLVE_HOST, target(), "");
}

}  // namespace millrace::http
