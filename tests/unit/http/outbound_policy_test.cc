#include "kubeclient/http/outbound_policy.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace::http {
namespace {

TargetPolicy policy(const TargetRules& rules) {
  auto made = TargetPolicy::make(rules);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return *made;
}

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

TEST(TargetPolicy, RefusesWhatIsDangerousByDefault) {
  const TargetPolicy plain;
  const struct {
    const char* address;
    const char* why;  ///< empty: allowed
  } cases[] = {
      {"127.0.0.1", "loopback"},
      {"127.255.3.4", "loopback"},
      {"::1", "loopback"},
      {"::ffff:127.0.0.1", "loopback"},
      {"::127.0.0.1", "loopback"},
      {"64:ff9b::7f00:1", "loopback"},
      {"2002:7f00:1::", "loopback"},
      {"169.254.169.254", "link-local"},
      {"::ffff:169.254.169.254", "link-local"},
      {"fe80::1", "link-local"},
      {"febf:ffff::1", "link-local"},
      {"0.0.0.0", "unspecified"},
      {"0.1.2.3", "unspecified"},
      {"::", "unspecified"},
      {"224.0.0.1", "multicast"},
      {"ff02::1", "multicast"},
      {"255.255.255.255", "reserved"},
      {"100.100.100.200", "metadata"},
      {"fd00:ec2::254", "metadata"},
      {"10.0.0.1", ""},
      {"172.16.0.1", ""},
      {"192.168.1.1", ""},
      {"100.64.0.1", ""},
      {"fd00::1", ""},
      {"fec0::1", ""},
      {"8.8.8.8", ""},
      {"2606:4700::1111", ""},
      {"128.0.0.1", ""},
      {"223.255.255.255", ""},
  };
  for (const auto& c : cases) {
    const auto answer = plain.check_address("service.example", 80, ip(c.address));
    EXPECT_EQ(answer.ok(), *c.why == '\0') << c.address;
    if (answer.ok()) continue;
    EXPECT_EQ(answer.error().code, Code::Denied);
    EXPECT_NE(answer.error().message.find(c.why), std::string::npos) << answer.error().message;
    EXPECT_NE(answer.error().message.find("http.allow"), std::string::npos);
    EXPECT_NE(answer.error().message.find("service.example"), std::string::npos);
    EXPECT_NE(answer.error().message.find(ip(c.address).str()), std::string::npos);
  }
}

TEST(TargetPolicy, DenyBeatsAllowAndAllowBeatsTheDefaults) {
  const TargetPolicy rules =
      policy({.allow = {"127.0.0.0/8", "*.trusted.example", "10.0.0.0/8"},
              .deny = {"10.1.0.0/16", "bad.trusted.example", "fd00::/8", "127.0.0.9"},
              .own_servers = {}});
  const struct {
    const char* name;
    const char* host;
    const char* address;
    bool allowed;
  } cases[] = {
      {"range lets in", "a.example", "127.0.0.1", true},
      {"its mapped form too", "a.example", "::ffff:127.0.0.1", true},
      {"one of it is denied", "a.example", "127.0.0.9", false},
      {"also when mapped", "a.example", "::ffff:127.0.0.9", false},
      {"also by NAT64", "a.example", "64:ff9b::7f00:9", false},
      {"IPv6 loopback is another range", "a.example", "::1", false},
      {"name lets in at any address", "x.trusted.example", "169.254.1.1", true},
      {"names are compared without case", "X.Trusted.EXAMPLE.", "169.254.1.1", true},
      {"the domain itself is not below it", "trusted.example", "169.254.1.1", false},
      {"a name that only ends alike", "untrusted.example", "169.254.1.1", false},
      {"denied name", "bad.trusted.example", "8.8.8.8", false},
      {"denied range within an allowed one", "a.example", "10.1.2.3", false},
      {"beside it", "a.example", "10.2.2.3", true},
      {"denied IPv6 range", "a.example", "fd12::1", false},
      {"outside all", "a.example", "9.9.9.9", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(rules.check_address(c.host, 80, ip(c.address)).ok(), c.allowed) << c.name;
  }
}

TEST(TargetPolicy, LetsTheApiServerInByItsExactNameOnly) {
  const std::vector<std::string> own = {"10.96.0.1:443", "kube.example", "[fd00::1]:6443",
                                        "127.0.0.1:6443"};
  const struct {
    const char* name;
    std::vector<std::string> allow;
    const char* host;
    int port;
    const char* address;
    bool allowed;
  } cases[] = {
      {"address and port", {}, "x.example", 443, "10.96.0.1", false},
      {"mapped", {}, "x.example", 443, "::ffff:10.96.0.1", false},
      {"another port of the address", {}, "x.example", 80, "10.96.0.1", true},
      {"IPv6", {}, "x.example", 6443, "fd00::1", false},
      {"by name, any port", {}, "kube.example", 1, "9.9.9.9", false},
      {"a range does not let it in", {"10.0.0.0/8"}, "x.example", 443, "10.96.0.1", false},
      {"nor does a range of loopback", {"127.0.0.0/8"}, "localhost", 6443, "127.0.0.1", false},
      {"while it lets in what is beside it", {"127.0.0.0/8"}, "localhost", 80, "127.0.0.1", true},
      {"its address does", {"10.96.0.1"}, "x.example", 443, "10.96.0.1", true},
      {"its name does", {"kube.example"}, "kube.example", 443, "9.9.9.9", true},
      {"a domain around it does not", {"*.example"}, "kube.example", 443, "9.9.9.9", false},
  };
  for (const auto& c : cases) {
    const TargetPolicy rules = policy({.allow = c.allow, .deny = {}, .own_servers = own});
    const auto answer = rules.check_address(c.host, c.port, ip(c.address));
    EXPECT_EQ(answer.ok(), c.allowed) << c.name;
    if (!answer.ok()) {
      EXPECT_NE(answer.error().message.find("API server"), std::string::npos);
    }
  }
}

TEST(TargetPolicy, ChecksWhatANameTellsBeforeItIsLookedUp) {
  const TargetPolicy rules =
      policy({.allow = {}, .deny = {"*.bad.example"}, .own_servers = {"kube.example:443"}});
  EXPECT_FALSE(rules.check_host("a.bad.example", 80).ok());
  EXPECT_FALSE(rules.check_host("kube.example", 443).ok());
  EXPECT_FALSE(rules.check_host("127.0.0.1", 80).ok());
  EXPECT_FALSE(rules.check_host("::1", 80).ok());
  EXPECT_TRUE(rules.check_host("good.example", 80).ok());
  EXPECT_TRUE(rules.check_host("localhost", 80).ok()) << "its address tells";
  EXPECT_FALSE(rules.check_behind_proxy("localhost", 80).ok());
  EXPECT_FALSE(rules.check_behind_proxy("x.LocalHost.", 80).ok());
  EXPECT_TRUE(rules.check_behind_proxy("good.example", 80).ok());
  const TargetPolicy open = policy({.allow = {"127.0.0.0/8"}, .deny = {}, .own_servers = {}});
  EXPECT_TRUE(open.check_behind_proxy("localhost", 80).ok());
}

TEST(TargetPolicy, NamesTheEntryThatIsWrong) {
  const struct {
    const char* entry;
    const char* says;
  } cases[] = {
      {"10.0.0.1/8", "10.0.0.0/8"},
      {"10.0.0.0/33", "prefix length"},
      {"fd00::/129", "prefix length"},
      {"10.0.0.0/", "prefix length"},
      {"10.0.0.0/-1", "prefix"},
      {"300.1.2.3", "neither"},
      {"", "neither"},
      {"http://a.example", "neither"},
      {"a.example:80", "neither"},
      {"a.*.example", "neither"},
      {"*", "neither"},
      {"münchen.example", "xn--"},
      {"fd00::1/64", "fd00::/64"},
      {"1.2.3", "neither"},
  };
  for (const auto& c : cases) {
    for (const bool in_allow : {true, false}) {
      TargetRules rules;
      (in_allow ? rules.allow : rules.deny) = {"10.0.0.0/8", c.entry};
      const auto made = TargetPolicy::make(rules);
      ASSERT_FALSE(made.ok()) << c.entry;
      EXPECT_EQ(made.error().code, Code::Invalid);
      EXPECT_NE(made.error().message.find(in_allow ? "http.allow[1]" : "http.deny[1]"),
                std::string::npos)
          << made.error().message;
      EXPECT_NE(made.error().message.find(c.says), std::string::npos) << made.error().message;
    }
  }
  for (const char* server : {"", "a b", "10.0.0.1:0", "10.0.0.1:x", "[::1", "[::1]x", "a:b:c"}) {
    TargetRules rules;
    rules.own_servers = {server};
    EXPECT_FALSE(TargetPolicy::make(rules).ok()) << server;
  }
}

TEST(ProxyBypass, KnowsHostsDomainsAndRanges) {
  const auto bypass = ProxyBypass::make({"svc.example", ".cluster.local", "10.0.0.0/8", "::1"});
  ASSERT_TRUE(bypass.ok());
  for (const char* host :
       {"svc.example", "a.SVC.example", "cluster.local", "x.cluster.local", "10.2.3.4", "::1"}) {
    EXPECT_TRUE(bypass->matches(host)) << host;
  }
  for (const char* host : {"mysvc.example", "example", "11.0.0.1", "::2"}) {
    EXPECT_FALSE(bypass->matches(host)) << host;
  }
  EXPECT_TRUE(ProxyBypass::make({"*"})->matches("any.example"));
  EXPECT_FALSE(ProxyBypass::make({})->matches("any.example"));
  EXPECT_FALSE(ProxyBypass::make({"a.example:80"}).ok());
}

TEST(ResolveHost, GivesTheAddressesOfThisMachine) {
  const auto found = resolve_host("localhost");
  ASSERT_FALSE(found.empty());
  EXPECT_TRUE(std::all_of(found.begin(), found.end(), [](const std::string& address) {
    return address == "127.0.0.1" || address == "::1";
  }));
  EXPECT_TRUE(resolve_host("no such name").empty());
}

}  // namespace
}  // namespace millrace::http
