#include "kubeclient/http/outbound_policy.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "kubeclient/http/failure.h"

namespace millrace::http {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct Refused {
  const char* range;
  const char* what;
};
// Sources: RFC 1122, 3927, 4291, 5771, 6890; the metadata addresses from the clouds' manuals
// (169.254.169.254 is link-local already).
constexpr Refused kRefused[] = {
    {"0.0.0.0/8", "an unspecified address"},
    {"127.0.0.0/8", "a loopback address"},
    {"169.254.0.0/16", "a link-local address"},
    {"224.0.0.0/4", "a multicast address"},
    {"240.0.0.0/4", "a reserved address"},
    {"100.100.100.200", "a cloud's metadata service"},
    {"168.63.129.16", "a cloud's metadata service"},
    {"192.0.0.192", "a cloud's metadata service"},
    {"::", "an unspecified address"},
    {"::1", "a loopback address"},
    {"fe80::/10", "a link-local address"},
    {"ff00::/8", "a multicast address"},
    {"fd00:ec2::254", "a cloud's metadata service"},
};

struct RefusedRule {
  TargetRule rule;
  const char* what;
};

const std::vector<RefusedRule>& refused_by_default() {
  static const std::vector<RefusedRule> rules = [] {
    std::vector<RefusedRule> out;
    for (const Refused& entry : kRefused) {
      out.push_back({TargetRule::parse(entry.range).value(), entry.what});
    }
    return out;
  }();
  return rules;
}

IpAddress mapped(const std::uint8_t* four) {
  IpAddress out;
  std::copy(kMapped.begin(), kMapped.end(), out.bytes.begin());
  std::copy(four, four + 4, out.bytes.begin() + 12);
  return out;
}

/// The IPv4 address that an IPv6 one stands for, by ways other than mapping.
std::optional<IpAddress> embedded(const IpAddress& address) {
  const auto& b = address.bytes;
  if (address.is_v4()) return std::nullopt;
  constexpr std::array<std::uint8_t, 12> kNat64 = {0, 0x64, 0xff, 0x9b};
  if (std::equal(kNat64.begin(), kNat64.end(), b.begin())) return mapped(&b[12]);
  if (b[0] == 0x20 && b[1] == 0x02) return mapped(&b[2]);  // 6to4
  const bool compatible = std::all_of(b.begin(), b.begin() + 12, [](auto x) { return x == 0; });
  if (compatible && (b[12] != 0 || b[13] != 0)) return mapped(&b[12]);
  return std::nullopt;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_below(std::string_view host, std::string_view domain) {
  return host.size() > domain.size() && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.';
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text.front() != '.' && text.back() != '.' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

}  // namespace

// ---- IpAddress

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string whole(text);
  IpAddress out;
  std::array<std::uint8_t, 4> four{};
  if (inet_pton(AF_INET, whole.c_str(), four.data()) == 1) return mapped(four.data());
  if (inet_pton(AF_INET6, whole.c_str(), out.bytes.data()) == 1) return out;
  return std::nullopt;
}

bool IpAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), bytes.begin()); }

std::string IpAddress::str() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_v4()) {
    inet_ntop(AF_INET, bytes.data() + 12, text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  }
  return text.data();
}

// ---- TargetRule

Result<TargetRule> TargetRule::parse(std::string_view text) {
  TargetRule rule;
  rule.text_ = std::string(text);
  const std::size_t slash = text.find('/');
  if (const auto address = IpAddress::parse(text.substr(0, slash))) {
    rule.first_ = *address;
    rule.bits_ = 128;
    if (slash == std::string_view::npos) return rule;
    const std::string_view digits = text.substr(slash + 1);
    const bool short_form = text.find(':') == std::string_view::npos;
    int bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits < 0 ||
        bits > (short_form ? 32 : 128)) {
      return fail(Code::Invalid, "\"" + rule.text_ + "\" has no valid prefix length");
    }
    rule.bits_ = short_form ? 96 + bits : bits;
    IpAddress masked = rule.first_;
    for (int i = rule.bits_; i < 128; ++i) {
      masked.bytes[static_cast<std::size_t>(i) / 8] &=
          static_cast<std::uint8_t>(~(0x80U >> (static_cast<unsigned>(i) % 8)));
    }
    if (masked != rule.first_) {
      return fail(Code::Invalid, "\"" + rule.text_ + "\" has bits behind its prefix; write " +
                                     masked.str() + "/" + std::string(digits));
    }
    return rule;
  }
  rule.host_ = lower(text);
  if (rule.host_.starts_with("*.")) {
    rule.below_ = true;
    rule.host_.erase(0, 2);
  }
  if (rule.host_.ends_with('.')) rule.host_.pop_back();
  // A name of digits only is a mistyped address; as a name it would match nothing.
  const bool digits = rule.host_.find_first_not_of("0123456789.") == std::string::npos;
  if (!is_host_name(rule.host_) || digits) {
    return fail(Code::Invalid, "\"" + rule.text_ +
                                   "\" is neither an address, a CIDR range, a host name nor "
                                   "*.domain (names outside ASCII as xn--...)");
  }
  return rule;
}

bool TargetRule::matches(const IpAddress& address) const {
  if (!host_.empty()) return false;
  // ::/0 means IPv6 and not what is mapped into it.
  const bool for_v4 = bits_ >= 96 && first_.is_v4();
  if (for_v4 != address.is_v4()) return false;
  for (int i = 0; i < bits_; i += 8) {
    const auto at = static_cast<std::size_t>(i) / 8;
    const int left = std::min(8, bits_ - i);
    const auto mask = static_cast<std::uint8_t>(0xff00U >> static_cast<unsigned>(left));
    if (((first_.bytes[at] ^ address.bytes[at]) & mask) != 0) return false;
  }
  return true;
}

bool TargetRule::matches_host(std::string_view host) const {
  if (host_.empty()) return false;
  return below_ ? is_below(host, host_) : host == host_;
}

bool TargetRule::matches_domain(std::string_view host) const {
  return !host_.empty() && (host == host_ || is_below(host, host_));
}

bool TargetRule::exact() const { return host_.empty() ? bits_ == 128 : !below_; }

// ---- TargetPolicy

Result<TargetPolicy> TargetPolicy::make(const TargetRules& rules) {
  TargetPolicy policy;
  policy.setting_ = rules.setting;
  const auto read = [&rules](const std::vector<std::string>& from, const char* key,
                             std::vector<TargetRule>& into) -> Result<void> {
    for (std::size_t i = 0; i < from.size(); ++i) {
      MR_ASSIGN(TargetRule rule, TargetRule::parse(from[i]).with(rules.setting + "." + key + "[" +
                                                                 std::to_string(i) + "]"));
      into.push_back(std::move(rule));
    }
    return {};
  };
  MR_TRY(read(rules.allow, "allow", policy.allow_));
  MR_TRY(read(rules.deny, "deny", policy.deny_));
  for (const std::string& text : rules.own_servers) {
    MR_ASSIGN(Server server, parse_server(text));
    policy.own_.push_back(std::move(server));
  }
  return policy;
}

Result<TargetPolicy::Server> TargetPolicy::parse_server(const std::string& text) {
  Server server;
  std::string_view host = text;
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) {
      return fail(Code::Invalid, "\"" + text + "\" has no closing bracket");
    }
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else if (!IpAddress::parse(host) && host.find(':') != std::string_view::npos) {
    port = host.substr(host.find(':'));
    host = host.substr(0, host.find(':'));
  }
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto [last, error] = std::from_chars(port.data() + 1, end, server.port);
    if (port.front() != ':' || error != std::errc() || last != end || server.port <= 0) {
      return fail(Code::Invalid, "\"" + text + "\" has no valid port");
    }
  }
  if (const auto address = IpAddress::parse(host)) {
    server.address = *address;
  } else {
    server.host = simplify(host);
    if (!is_host_name(server.host)) {
      return fail(Code::Invalid, "\"" + text + "\" is neither a host nor an address");
    }
  }
  return server;
}

std::string TargetPolicy::simplify(std::string_view host) {
  std::string out = lower(host);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

const TargetRule* TargetPolicy::find(const std::vector<TargetRule>& rules, const std::string& host,
                                     const IpAddress* address, bool exact_only) {
  const std::optional<IpAddress> inner = address != nullptr ? embedded(*address) : std::nullopt;
  for (const TargetRule& rule : rules) {
    if (exact_only && !rule.exact()) continue;
    if (rule.matches_host(host)) return &rule;
    if (address != nullptr && rule.matches(*address)) return &rule;
    if (inner && rule.matches(*inner)) return &rule;
  }
  return nullptr;
}

Error TargetPolicy::refusal(const std::string& host, const IpAddress* address,
                            const std::string& why) const {
  std::string target = host;
  if (address != nullptr && !IpAddress::parse(host)) target += " (" + address->str() + ")";
  return error_of(Code::Denied, "target " + target + " is refused: " + why);
}

Result<void> TargetPolicy::check_host(std::string_view host, int port) const {
  const std::string name = simplify(host);
  const auto literal = IpAddress::parse(name);
  return check(name, port, literal ? &*literal : nullptr);
}

Result<void> TargetPolicy::check_address(std::string_view host, int port,
                                         const IpAddress& address) const {
  return check(simplify(host), port, &address);
}

Result<void> TargetPolicy::check_behind_proxy(std::string_view host, int port) const {
  const std::string name = simplify(host);
  if (name == "localhost" || is_below(name, "localhost")) {
    const IpAddress loopback = IpAddress::parse("127.0.0.1").value();
    return check(name, port, &loopback);
  }
  return check_host(host, port);
}

Result<void> TargetPolicy::check(const std::string& host, int port,
                                 const IpAddress* address) const {
  if (const TargetRule* rule = find(deny_, host, address)) {
    return fail(refusal(host, address, "entry \"" + rule->text() + "\" of " + setting_ + ".deny"));
  }
  const std::string add = "to allow it, add \"";
  const std::string to = "\" to " + setting_ + ".allow of the configuration";
  const bool own = std::any_of(own_.begin(), own_.end(), [&](const Server& server) {
    if (server.port != 0 && server.port != port) return false;
    if (!server.host.empty()) return server.host == host;
    return address != nullptr && server.address == *address;
  });
  if (own && find(allow_, host, address, true) == nullptr) {
    return fail(refusal(host, address, "it is the API server; " + add + host + to));
  }
  if (address == nullptr || find(allow_, host, address) != nullptr) return {};
  const std::optional<IpAddress> inner = embedded(*address);
  for (const RefusedRule& entry : refused_by_default()) {
    if (!entry.rule.matches(*address) && !(inner && entry.rule.matches(*inner))) continue;
    return fail(refusal(host, address,
                        std::string(entry.what) + " (" + entry.rule.text() +
                            "), which is refused by default; " + add + entry.rule.text() + to));
  }
  return {};
}

// ---- ProxyBypass

Result<ProxyBypass> ProxyBypass::make(const std::vector<std::string>& entries) {
  ProxyBypass bypass;
  for (const std::string& entry : entries) {
    if (entry == "*") {
      bypass.all_ = true;
      continue;
    }
    auto rule = TargetRule::parse(entry.starts_with('.') ? entry.substr(1) : entry);
    if (!rule.ok()) return fail(Code::Invalid, "noProxy: " + rule.error().message);
    bypass.rules_.push_back(*std::move(rule));
  }
  return bypass;
}

bool ProxyBypass::matches(std::string_view host) const {
  if (all_) return true;
  const std::string name = lower(host);
  const auto address = IpAddress::parse(name);
  return std::any_of(rules_.begin(), rules_.end(), [&](const TargetRule& rule) {
    return rule.matches_domain(name) || (address && rule.matches(*address));
  });
}

std::vector<std::string> resolve_host(const std::string& host) {
  std::vector<std::string> out;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return out;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    IpAddress address;
    if (at->ai_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, at->ai_addr, sizeof in);
      address = mapped(reinterpret_cast<const std::uint8_t*>(&in.sin_addr));
    } else if (at->ai_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, at->ai_addr, sizeof in);
      std::memcpy(address.bytes.data(), &in.sin6_addr, address.bytes.size());
    } else {
      continue;
    }
    if (std::find(out.begin(), out.end(), address.str()) == out.end()) out.push_back(address.str());
  }
  freeaddrinfo(list);
  return out;
}

}  // namespace millrace::http
