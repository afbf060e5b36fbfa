#include <gtest/gtest.h>

#include "kubeclient/http/loop.h"
#include "tests/support/scripted_server.h"
#include "tests/support/test_certificates.h"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using support::issue;
using support::make_authority;
using support::Peer;
using support::Received;
using support::ScriptedServer;
using support::TestCertificate;

SteadyTime in(Duration time) { return std::chrono::steady_clock::now() + time; }

Request get(const std::string& url) { return {.method = Method::Get, .url = url, .headers = {}}; }

void answer_ok(const Received&, Peer& peer) { peer.reply(200, "ok"); }

TEST(Tls, TrustsOnlyWhatItShould) {
  const TestCertificate authority = make_authority("good");
  const TestCertificate stranger = make_authority("other");
  const struct {
    const char* name;
    TestCertificate server;
    TlsSettings tls;
    std::optional<Code> error;
    const char* says;
  } cases[] = {
      {"right authority",
       issue(authority, {.ips = {"127.0.0.1"}}),
       {.ca = authority.certificate, .certificate = {}, .key = {}},
       {},
       ""},
      {"two authorities in one file",
       issue(authority, {.ips = {"127.0.0.1"}}),
       {.ca = stranger.certificate + authority.certificate, .certificate = {}, .key = {}},
       {},
       ""},
      {"unknown authority",
       issue(authority, {.ips = {"127.0.0.1"}}),
       {.ca = stranger.certificate, .certificate = {}, .key = {}},
       Code::Denied,
       "not trusted"},
      {"the system's authorities do not know it",
       issue(authority, {.ips = {"127.0.0.1"}}),
       {},
       Code::Denied,
       "not trusted"},
      {"other host name",
       issue(authority, {.dns = {"elsewhere.example"}}),
       {.ca = authority.certificate, .certificate = {}, .key = {}},
       Code::Denied,
       "127.0.0.1"},
      {"expired",
       issue(authority, {.ips = {"127.0.0.1"}, .valid_until = -1min}),
       {.ca = authority.certificate, .certificate = {}, .key = {}},
       Code::Denied,
       "expired"},
      {"not yet valid",
       issue(authority, {.ips = {"127.0.0.1"}, .valid_from = 30min}),
       {.ca = authority.certificate, .certificate = {}, .key = {}},
       Code::Denied,
       "not yet valid"},
      {"skipped on purpose",
       issue(stranger, {.dns = {"elsewhere.example"}}),
       {.ca = {}, .certificate = {}, .key = {}, .verify = Verify::Skip},
       {},
       ""},
  };
  for (const auto& c : cases) {
    const ScriptedServer server(answer_ok, support::ServerTls{c.server.certificate, c.server.key});
    Loop loop({.tls = c.tls});
    const auto answer = loop.call(get(server.url()), {}, in(10s));
    ASSERT_EQ(answer.ok(), !c.error)
        << c.name << ": " << (answer.ok() ? "" : answer.error().message);
    if (answer.ok()) continue;
    EXPECT_EQ(answer.error().code, *c.error) << c.name << ": " << answer.error().message;
    EXPECT_NE(answer.error().message.find(c.says), std::string::npos) << answer.error().message;
  }
}

TEST(Tls, PresentsTheClientCertificate) {
  const TestCertificate authority = make_authority("servers");
  const TestCertificate clients = make_authority("clients");
  const TestCertificate certificate = issue(authority, {.ips = {"127.0.0.1"}});
  const TestCertificate client = issue(clients, {.common_name = "operator"});
  const TestCertificate other = issue(clients, {.common_name = "other"});
  const ScriptedServer server(
      answer_ok, support::ServerTls{certificate.certificate, certificate.key, clients.certificate});
  const struct {
    const char* name;
    std::string certificate;
    std::string key;
    std::optional<Code> error;
  } cases[] = {
      {"right one", client.certificate, client.key, {}},
      {"none", "", "", Code::Denied},
      {"of the wrong authority", certificate.certificate, certificate.key, Code::Denied},
      {"key of another", client.certificate, other.key, Code::Invalid},
      {"not PEM", "nonsense", client.key, Code::Invalid},
  };
  for (const auto& c : cases) {
    Loop loop({.tls = {.ca = authority.certificate, .certificate = c.certificate, .key = c.key}});
    const auto answer = loop.call(get(server.url()), {}, in(10s));
    ASSERT_EQ(answer.ok(), !c.error)
        << c.name << ": " << (answer.ok() ? "" : answer.error().message);
    if (!answer.ok()) {
      EXPECT_EQ(answer.error().code, *c.error) << c.name << ": " << answer.error().message;
    }
  }

  // A certificate that arrives later is used from the next call on.
  Loop loop({.tls = {.ca = authority.certificate, .certificate = {}, .key = {}}});
  EXPECT_FALSE(loop.call(get(server.url()), {}, in(10s)).ok());
  loop.set_client_certificate(client.certificate, client.key);
  const auto answer = loop.call(get(server.url()), {}, in(10s));
  EXPECT_TRUE(answer.ok()) << answer.error().message;
}

TEST(Tls, ReadsAllThatCameInOnePiece) {
  const TestCertificate authority = make_authority("servers");
  const TestCertificate certificate = issue(authority, {.ips = {"127.0.0.1"}});
  // A record each, and then silence: what TLS has read ahead wakes nobody.
  const ScriptedServer server(
      [](const support::Received&, support::Peer& peer) {
        peer.gather(true);
        peer.begin_chunked(200);
        for (int i = 0; i < 200; ++i) peer.chunk(std::to_string(i) + " ");
        peer.end_chunked();
        peer.gather(false);
        peer.wait_for_client_to_leave();
      },
      support::ServerTls{certificate.certificate, certificate.key});
  Loop loop({.tls = {.ca = authority.certificate, .certificate = {}, .key = {}}});
  const auto answer = loop.call(get(server.url()), {}, in(10s));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_TRUE(answer->body.ends_with("198 199 ")) << answer->body;
}

TEST(Tls, ConnectsElsewhereThanTheUrlNames) {
  const TestCertificate authority = make_authority("servers");
  const TestCertificate certificate = issue(authority, {.dns = {"api.cluster.example"}});
  const ScriptedServer server(answer_ok,
                              support::ServerTls{certificate.certificate, certificate.key});
  const std::string port = std::to_string(server.port());
  Loop loop({.tls = {.ca = authority.certificate, .certificate = {}, .key = {}},
             .connect_to = "api.cluster.example:" + port + ":127.0.0.1:" + port});
  Request request = get("https://api.cluster.example:" + port + "/x");
  request.headers = {"Host: 127.0.0.1:" + port};
  const auto answer = loop.call(request, {}, in(10s));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(server.received().at(0).header("host"), "127.0.0.1:" + port);
}

TEST(Proxy, CarriesTlsThroughATunnel) {
  const TestCertificate authority = make_authority("servers");
  const TestCertificate certificate = issue(authority, {.ips = {"127.0.0.1"}});
  const ScriptedServer server(answer_ok,
                              support::ServerTls{certificate.certificate, certificate.key});
  const ScriptedServer proxy([&](const Received& request, Peer& peer) {
    if (request.target != "127.0.0.1:" + std::to_string(server.port())) {
      peer.reply(403, "not there");
      return;
    }
    peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
    peer.tunnel(server.port());
  });
  const TlsSettings tls{.ca = authority.certificate, .certificate = {}, .key = {}};
  {
    Loop loop({.tls = tls, .proxy = proxy.url()});
    const auto answer = loop.call(get(server.url()), {}, in(10s));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->body, "ok");
    EXPECT_EQ(proxy.received().at(0).method, "CONNECT");
    const auto refused = loop.call(get("https://127.0.0.2:1/"), {}, in(10s));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::Unavailable) << refused.error().message;
  }
  {
    Loop loop({.tls = tls, .proxy = proxy.url(), .no_proxy = "127.0.0.1"});
    const std::size_t before = proxy.received().size();
    EXPECT_TRUE(loop.call(get(server.url()), {}, in(10s)).ok());
    EXPECT_EQ(proxy.received().size(), before);
  }
}

}  // namespace
}  // namespace millrace::http
