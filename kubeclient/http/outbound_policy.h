/// Where calls on behalf of users may go: rules about host names and addresses.
///
/// In this order: an entry of `deny` refuses; the own servers are refused unless `allow` names them
/// exactly; an entry of `allow` lets in; the built-in refusals (loopback, link-local, unspecified,
/// multicast, reserved, metadata services of clouds) hold; the rest is allowed, private ranges
/// among them. An IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) counts as both.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"

namespace millrace::http {

/// An IP address; IPv4 in its mapped form ::ffff:a.b.c.d.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  /// "10.0.0.1" or "fd00::1", without brackets or zone; nothing if it is neither.
  static std::optional<IpAddress> parse(std::string_view text);
  bool is_v4() const;
  std::string str() const;
  bool operator==(const IpAddress&) const = default;
};

/// One entry: an address, a CIDR range, a host name, or "*.domain" for all names below a domain.
class TargetRule {
 public:
  /// Errors: Invalid, with what is wrong.
  static Result<TargetRule> parse(std::string_view text);

  const std::string& text() const { return text_; }
  bool matches(const IpAddress& address) const;
  /// `host` in lower case, without a dot at the end.
  bool matches_host(std::string_view host) const;
  /// As matches_host, and the names below it.
  bool matches_domain(std::string_view host) const;
  /// Stands for one host or address only.
  bool exact() const;

 private:
  std::string text_;
  std::string host_;  ///< empty: a range
  bool below_ = false;
  IpAddress first_;
  int bits_ = 0;  ///< of the mapped form
};

/// What a policy is made of.
struct TargetRules {
  std::vector<std::string> allow = {};
  std::vector<std::string> deny = {};
  /// The API server: "host", "host:port", "10.0.0.1:443", "[fd00::1]:443". Without a port all
  /// ports.
  std::vector<std::string> own_servers = {};
  std::string setting = "http";  ///< what messages call the place of `allow` and `deny`
};

/// The rules, ready to be asked. Copyable; safe from any thread.
class TargetPolicy {
 public:
  /// Refuses what is refused by default.
  TargetPolicy() = default;
  /// Errors: Invalid, naming the entry.
  static Result<TargetPolicy> make(const TargetRules& rules);

  /// May something be asked of `host`, as far as its name (or the address it is) tells? To be asked
  /// before a name is looked up. Errors: Denied, naming target, rule and cure.
  Result<void> check_host(std::string_view host, int port) const;
  /// May `host` be connected to at `address`? Errors: Denied.
  Result<void> check_address(std::string_view host, int port, const IpAddress& address) const;
  /// As check_host, where a proxy looks names up: "localhost" is taken for what it means.
  Result<void> check_behind_proxy(std::string_view host, int port) const;

 private:
  struct Server {
    std::string host;  ///< empty: an address
    IpAddress address;
    int port = 0;  ///< 0: any
    bool operator==(const Server&) const = default;
  };
  static Result<Server> parse_server(const std::string& text);
  static std::string simplify(std::string_view host);
  static const TargetRule* find(const std::vector<TargetRule>& rules, const std::string& host,
                                const IpAddress* address, bool exact_only = false);
  Error refusal(const std::string& host, const IpAddress* address, const std::string& why) const;
  Result<void> check(const std::string& host, int port, const IpAddress* address) const;

  std::vector<TargetRule> allow_;
  std::vector<TargetRule> deny_;
  std::vector<Server> own_;
  std::string setting_ = "http";
};

/// Which hosts are reached without the proxy.
class ProxyBypass {
 public:
  /// Entries: "*", hosts (with what is below them; a dot in front changes nothing), addresses, CIDR
  /// ranges. Errors: Invalid, naming the entry.
  static Result<ProxyBypass> make(const std::vector<std::string>& entries);
  bool matches(std::string_view host) const;

 private:
  bool all_ = false;
  std::vector<TargetRule> rules_;
};

/// The addresses behind `host` now, for TargetRules::own_servers. Blocks for as long as the name
/// server takes; empty when it cannot be resolved.
std::vector<std::string> resolve_host(const std::string& host);

}  // namespace millrace::http
