// Redirects of outbound calls, and the policy on the way.
#include <gtest/gtest.h>

#include "tests/support/scripted_server.h"
#include "tests/unit/http/outbound_world.h"

namespace millrace::http {
namespace {

using support::Peer;
using support::Received;
using support::ScriptedServer;

/// "/307/path" redirects to "/path" with 307; everything else is answered with its path.
void redirecting(const Received& request, Peer& peer) {
  const std::string& target = request.target;
  if (target.size() > 4 && target[0] == '/' && target[4] == '/' && target[1] == '3') {
    peer.reply(std::stoi(target.substr(1, 3)), "moved", {"Location: " + target.substr(4)});
  } else {
    peer.reply(200, target);
  }
}

TEST(OutboundRedirect, KeepsOrChangesTheMethod) {
  const ScriptedServer server(redirecting);
  Outbound outbound({.policy = loopback_allowed()});
  const struct {
    const char* method;
    int status;
    const char* want_method;
    bool keeps_body;
  } cases[] = {
      {"GET", 301, "GET", false},      {"GET", 302, "GET", false},    {"GET", 303, "GET", false},
      {"GET", 307, "GET", false},      {"GET", 308, "GET", false},    {"POST", 301, "GET", false},
      {"POST", 302, "GET", false},     {"POST", 303, "GET", false},   {"POST", 307, "POST", true},
      {"POST", 308, "POST", true},     {"PUT", 301, "GET", false},    {"PUT", 308, "PUT", true},
      {"PATCH", 302, "GET", false},    {"PATCH", 307, "PATCH", true}, {"DELETE", 303, "GET", false},
      {"DELETE", 307, "DELETE", true}, {"HEAD", 301, "HEAD", false},  {"HEAD", 303, "HEAD", false},
      {"HEAD", 308, "HEAD", false},
  };
  std::size_t index = 0;
  for (const auto& c : cases) {
    const std::string name = c.method + (" " + std::to_string(c.status));
    const bool body = std::string_view(c.method) != "HEAD" && std::string_view(c.method) != "GET";
    const auto answer =
        call(outbound, {.method = c.method,
                        .url = server.url() + "/" + std::to_string(c.status) + "/there",
                        .headers = {{"Authorization", "kept"}, {"Content-Type", "text/plain"}},
                        .body = body ? "body" : "",
                        .has_body = body});
    ASSERT_TRUE(answer.ok()) << name << ": " << answer.error().message;
    EXPECT_EQ(answer->status, 200) << name;
    EXPECT_EQ(answer->redirects, 1) << name;
    EXPECT_EQ(answer->body, std::string_view(c.method) == "HEAD" ? "" : "/there") << name;
    const Received second = server.received()[index + 1];
    index += 2;
    EXPECT_EQ(second.method, c.want_method) << name;
    EXPECT_EQ(second.body, c.keeps_body ? "body" : "") << name;
    const bool same_kind = std::string_view(c.method) == "GET" && c.status >= 307;
    EXPECT_EQ(second.headers.contains("content-type"),
              c.keeps_body || same_kind || (c.status >= 307))
        << name;
    EXPECT_EQ(second.header("authorization"), "kept") << name << ": the host is the same";
    EXPECT_EQ(second.connection, 1) << name << ": the connection too";
  }
}

TEST(OutboundRedirect, EndsAfterTen) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    const int left = std::stoi(request.target.substr(1));
    if (left == 0) {
      peer.reply(200, "arrived");
    } else {
      peer.reply(302, "", {"Location: " + std::to_string(left - 1)});  // relative
    }
  });
  Outbound outbound({.policy = loopback_allowed()});
  const auto ten = call(outbound, {.url = server.url() + "/10"});
  ASSERT_TRUE(ten.ok()) << ten.error().message;
  EXPECT_EQ(ten->body, "arrived");
  EXPECT_EQ(ten->redirects, 10);
  expect_error(call(outbound, {.url = server.url() + "/11"}), Code::Malformed,
               "more than 10 redirects");
}

TEST(OutboundRedirect, TakesOtherAnswersAsTheyAre) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target == "/nowhere") return void(peer.reply(302, "no location"));
    if (request.target == "/304")
      return void(peer.send("HTTP/1.1 304 Same\r\nLocation: /x\r\n\r\n"));
    peer.reply(300, "choose", {"Location: /x"});
  });
  Outbound outbound({.policy = loopback_allowed()});
  EXPECT_EQ(call(outbound, {.url = server.url() + "/nowhere"})->body, "no location");
  EXPECT_EQ(call(outbound, {.url = server.url() + "/304"})->status, 304);
  EXPECT_EQ(call(outbound, {.url = server.url() + "/300"})->status, 300);
  const ScriptedServer moved(redirecting);
  const auto left =
      call(outbound, {.url = moved.url() + "/302/there", .redirects = Redirects::Leave});
  ASSERT_TRUE(left.ok()) << left.error().message;
  EXPECT_EQ(left->status, 302);
  EXPECT_EQ(left->body, "moved");
  EXPECT_EQ(left->headers.at("Location").front(), "/there");
}

TEST(OutboundRedirect, TakesNoCredentialsToAnotherHost) {
  const ScriptedServer other(redirecting);
  std::string back;
  const ScriptedServer first([&](const Received& request, Peer& peer) {
    if (request.target == "/home") return void(peer.reply(200, "home"));
    peer.reply(307, "", {"Location: " + other.url() + (request.target == "/round" ? back : "/x")});
  });
  back = "/307/" + first.url() + "/home";
  const ScriptedServer hop([&](const Received&, Peer& peer) {
    peer.reply(307, "", {"Location: " + first.url() + "/home"});
  });
  Outbound outbound({.policy = loopback_allowed()});
  const std::vector<OutboundHeader> headers = {
      {"Authorization", "Bearer secret"}, {"X-Api-Key", "secret"}, {"Cookie", "secret"},
      {"Accept", "text/plain"},           {"Content-Type", "a/b"}, {"Idempotency-Key", "k"}};
  ASSERT_TRUE(call(outbound, {.method = "POST",
                              .url = first.url() + "/x",
                              .headers = headers,
                              .body = "b",
                              .has_body = true})
                  .ok());
  const Received got = other.received().at(0);
  for (const char* name : {"authorization", "x-api-key", "cookie"}) {
    EXPECT_FALSE(got.headers.contains(name)) << name;
    EXPECT_TRUE(first.received().at(0).headers.contains(name)) << name;
  }
  EXPECT_EQ(got.body, "b");
  EXPECT_EQ(got.header("accept"), "text/plain");
  EXPECT_EQ(got.header("content-type"), "a/b");
  EXPECT_EQ(got.header("idempotency-key"), "k");

  // And a way back does not bring them back.
  const ScriptedServer start([&](const Received& request, Peer& peer) {
    if (request.target == "/home") return void(peer.reply(200, "home"));
    peer.reply(302, "", {"Location: " + hop.url()});
  });
  ASSERT_TRUE(call(outbound, {.url = start.url() + "/round", .headers = headers}).ok());
  EXPECT_FALSE(first.received().back().headers.contains("authorization"));
}

TEST(OutboundRedirect, ChecksEachHop) {
  const ScriptedServer secret([](const Received&, Peer& peer) { peer.reply(200, "secret"); });
  const std::string port = std::to_string(secret.port());
  std::string to;
  const ScriptedServer server(
      [&to](const Received&, Peer& peer) { peer.reply(302, "", {"Location: " + to}); });
  Outbound outbound(
      {.policy = *TargetPolicy::make(
           {.allow = {"127.0.0.1"}, .deny = {"*.denied.example"}, .own_servers = {}})});
  const struct {
    std::string to;
    Code code;
    const char* says;
  } cases[] = {
      {"http://127.0.0.2:" + port + "/", Code::Denied, "127.0.0.0/8"},
      {"http://[::1]:" + port + "/", Code::Denied, "loopback"},
      {"http://169.254.169.254/latest/meta-data", Code::Denied, "link-local"},
      {"//127.0.0.2:" + port + "/", Code::Denied, "loopback"},
      {"http://x.denied.example/", Code::Denied, "http.deny"},
      {"file:///etc/passwd", Code::Denied, "neither http nor https"},
      {"ftp://127.0.0.1/", Code::Denied, "neither http nor https"},
      {"gopher://127.0.0.1:" + port + "/", Code::Denied, "neither http nor https"},
      {"http://", Code::Malformed, "not a URL"},
  };
  for (const auto& c : cases) {
    to = c.to;
    expect_error(call(outbound, {.url = server.url() + "/"}), c.code, c.says, c.to);
  }
  EXPECT_TRUE(secret.received().empty());
}

TEST(OutboundRedirect, ReadsOnlyTheBeginningOfItsBody) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target == "/there") return void(peer.reply(200, "there"));
    peer.begin_chunked(302, {"Location: /there"});
    while (peer.chunk(std::string(65536, 'x'))) {
    }
  });
  Outbound outbound({.policy = loopback_allowed()});
  const auto answer = call(outbound, {.url = server.url() + "/", .max_body = 100});
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->body, "there");
}

TEST(OutboundTarget, IsCheckedAtTheAddressItHas) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, "secret"); });
  const std::string port = ":" + std::to_string(server.port()) + "/";
  Outbound closed({});
  for (const char* host : {"127.0.0.1",
                           "localhost",
                           "LOCALHOST",
                           "2130706433",
                           "0x7f000001",
                           "0177.0.0.1",
                           "127.1",
                           "0",
                           "0.0.0.0",
                           "[::1]",
                           "[::]",
                           "[::ffff:127.0.0.1]",
                           "[::ffff:7f00:1]",
                           "[::7f00:1]",
                           "[64:ff9b::7f00:1]",
                           "[fe80::1]",
                           "169.254.169.254",
                           "user@127.0.0.1",
                           "good.example@127.0.0.1",
                           "%31%32%37.0.0.1"}) {
    const auto answer = call(closed, {.url = "http://" + std::string(host) + port});
    expect_error(answer, Code::Denied, "http.allow", host);
  }
  EXPECT_TRUE(server.received().empty());

  Outbound by_name({.policy = *TargetPolicy::make({.allow = {"localhost"}})});
  const auto named = call(by_name, {.url = "http://localhost" + port});
  ASSERT_TRUE(named.ok()) << named.error().message;
  expect_error(call(by_name, {.url = "http://127.0.0.1" + port}), Code::Denied, "loopback");
  Outbound by_range({.policy = loopback_allowed()});
  EXPECT_TRUE(call(by_range, {.url = "http://localhost" + port}).ok());
  Outbound denied(
      {.policy = *TargetPolicy::make({.allow = {"localhost"}, .deny = {"0.0.0.0/0", "::/0"}})});
  expect_error(call(denied, {.url = "http://localhost" + port}), Code::Denied, "http.deny");
}

TEST(OutboundTarget, FailsTogetherWhenItsNameIsUnknown) {
  Outbound outbound({.max_lookups = 2});
  std::vector<Pending> pending;
  for (int i = 0; i < 30; ++i) {
    pending.push_back(
        begin(outbound, {.url = "http://none-" + std::to_string(i % 3) + ".invalid/"}));
  }
  for (Pending& one : pending) {
    expect_error(one.wait(), Code::Unavailable, "cannot be resolved");
  }
}

}  // namespace
}  // namespace millrace::http
