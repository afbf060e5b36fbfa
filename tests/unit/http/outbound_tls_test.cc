// TLS and proxies of outbound calls.
#include <gtest/gtest.h>

#include "tests/support/scripted_server.h"
#include "tests/support/test_certificates.h"
#include "tests/unit/http/outbound_world.h"

namespace millrace::http {
namespace {

using support::issue;
using support::make_authority;
using support::Peer;
using support::Received;
using support::ScriptedServer;
using support::TestCertificate;

TEST(OutboundTls, TrustsTheAuthorityOfTheCall) {
  const TestCertificate authority = make_authority("good");
  const TestCertificate stranger = make_authority("other");
  const TestCertificate certificate = issue(authority, {.ips = {"127.0.0.1"}});
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, "ok"); },
                              support::ServerTls{certificate.certificate, certificate.key});
  Outbound outbound({.policy = loopback_allowed()});
  const struct {
    const char* name;
    std::string ca;
    std::string host;
    bool trusted;
  } cases[] = {
      {"the right one", authority.certificate, "127.0.0.1", true},
      {"another, though a connection is open", stranger.certificate, "127.0.0.1", false},
      {"the system's, though a connection is open", "", "127.0.0.1", false},
      {"a name it is not for", authority.certificate, "localhost", false},
      {"the right one again", authority.certificate, "127.0.0.1", true},
  };
  for (const auto& c : cases) {
    const auto answer =
        call(outbound,
             {.url = "https://" + c.host + ":" + std::to_string(server.port()) + "/", .ca = c.ca});
    ASSERT_EQ(answer.ok(), c.trusted) << c.name;
    if (!answer.ok()) expect_error(answer, Code::Denied, "not trusted", c.name);
  }
}

TEST(OutboundTls, LeavesCredentialsBehindWhenARedirectLeavesTls) {
  const TestCertificate authority = make_authority("good");
  const TestCertificate certificate = issue(authority, {.ips = {"127.0.0.1"}});
  const ScriptedServer plain([](const Received&, Peer& peer) { peer.reply(200, "ok"); });
  const ScriptedServer server(
      [&](const Received&, Peer& peer) { peer.reply(302, "", {"Location: " + plain.url()}); },
      support::ServerTls{certificate.certificate, certificate.key});
  Outbound outbound({.policy = loopback_allowed()});
  ASSERT_TRUE(call(outbound, {.url = server.url(),
                              .headers = {{"Authorization", "secret"}},
                              .ca = authority.certificate})
                  .ok());
  EXPECT_EQ(server.received().at(0).header("authorization"), "secret");
  EXPECT_FALSE(plain.received().at(0).headers.contains("authorization"));
}

TEST(OutboundProxy, CarriesCallsAndResolvesTheirNames) {
  const ScriptedServer proxy(
      [](const Received& request, Peer& peer) { peer.reply(200, "proxied " + request.target); });
  const ScriptedServer direct([](const Received&, Peer& peer) { peer.reply(200, "direct"); });
  // The proxy itself is loopback and needs no rule: the administrator chose it.
  Outbound outbound(
      {.policy = *TargetPolicy::make({.deny = {"denied.example"}, .own_servers = {"kube.example"}}),
       .proxy = proxy.url()});
  const auto answer = call(outbound, {.url = "http://service.invalid/path"});
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->body, "proxied http://service.invalid/path");
  for (const char* host : {"localhost", "127.0.0.1", "0x7f.1", "[::1]", "denied.example",
                           "kube.example", "169.254.169.254"}) {
    expect_error(call(outbound, {.url = "http://" + std::string(host) + "/"}), Code::Denied,
                 "refused", host);
  }
  EXPECT_EQ(proxy.received().size(), 1U);

  Outbound partly({.policy = loopback_allowed(),
                   .proxy = proxy.url(),
                   .no_proxy = *ProxyBypass::make({"127.0.0.0/8"})});
  EXPECT_EQ(call(partly, {.url = direct.url()})->body, "direct");
  EXPECT_EQ(call(partly, {.url = "http://service.invalid/"})->body.substr(0, 7), "proxied");
}

TEST(OutboundProxy, TunnelsTls) {
  const TestCertificate authority = make_authority("good");
  const TestCertificate certificate = issue(authority, {.dns = {"service.invalid"}});
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, "behind"); },
                              support::ServerTls{certificate.certificate, certificate.key});
  const ScriptedServer proxy([&server](const Received& request, Peer& peer) {
    if (request.method != "CONNECT") return void(peer.reply(400, "plain"));
    peer.send("HTTP/1.1 200 Established\r\nX-Proxy: yes\r\n\r\n");
    peer.tunnel(server.port());
  });
  Outbound outbound({.proxy = proxy.url()});
  const auto answer = call(outbound, {.url = "https://service.invalid/",
                                      .headers = {{"Authorization", "secret"}},
                                      .ca = authority.certificate});
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->body, "behind");
  EXPECT_FALSE(answer->headers.contains("X-Proxy"));
  EXPECT_EQ(proxy.received().at(0).target, "service.invalid:443");
  EXPECT_FALSE(proxy.received().at(0).headers.contains("authorization"));
  expect_error(call(outbound, {.url = "https://service.invalid/"}), Code::Denied, "not trusted");
}

}  // namespace
}  // namespace millrace::http
