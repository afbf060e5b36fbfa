#include "kubeclient/http/outbound.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/scripted_server.h"
#include "tests/unit/http/outbound_world.h"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using support::Peer;
using support::Received;
using support::ScriptedServer;

TEST(Outbound, SendsTheRequestAsGiven) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, "fine"); });
  Outbound outbound({.policy = loopback_allowed()});
  const struct {
    const char* method;
    std::string body;
    bool has_body;
  } cases[] = {
      {"GET", "", false},     {"POST", "{}", true},
      {"PUT", "p", true},     {"PATCH", "[]", true},
      {"DELETE", "", false},  {"DELETE", "why", true},
      {"OPTIONS", "", false}, {"GET", "search", true},
      {"POST", "", false},    {"POST", std::string(3 << 20, 'x'), true},
  };
  std::size_t index = 0;
  for (const auto& c : cases) {
    const auto answer = call(outbound, {.method = c.method,
                                        .url = server.url() + "/a b/c?d=%20e#f",
                                        .headers = {{"X-One", " 1 "}, {"X-Empty", ""}},
                                        .body = c.body,
                                        .has_body = c.has_body});
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->body, "fine");
    EXPECT_EQ(answer->status, 200);
    const Received got = server.received()[index++];
    EXPECT_EQ(got.method, c.method);
    EXPECT_EQ(got.target, "/a%20b/c?d=%20e");
    EXPECT_EQ(got.body, c.body);
    EXPECT_EQ(got.header("x-one"), "1");
    EXPECT_EQ(got.headers.count("x-empty"), 1U);
    EXPECT_EQ(got.headers.count("content-type"), 0U) << "only what was given";
    EXPECT_EQ(got.header("expect"), "");
    EXPECT_EQ(got.header("user-agent"), "millrace");
    EXPECT_EQ(got.connection, 1) << "one connection serves them all";
  }
}

TEST(Outbound, GivesEveryAnswerWithAllItsHeaders) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.method == "HEAD") {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
    } else if (request.target == "/interim") {
      peer.send("HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n");
      peer.reply(404, "no", {"x-TRACE-id: 7", "set-cookie: a", "Set-Cookie:  b ", "etag:"});
    } else {
      peer.begin_chunked(500);
      peer.chunk("in ");
      peer.chunk("pieces");
      peer.end_chunked();
    }
  });
  Outbound outbound({.policy = loopback_allowed()});
  const auto not_found = call(outbound, {.url = server.url() + "/interim"});
  ASSERT_TRUE(not_found.ok()) << not_found.error().message;
  EXPECT_EQ(not_found->status, 404);
  EXPECT_EQ(not_found->body, "no");
  const std::map<std::string, std::vector<std::string>> want = {
      {"X-Trace-Id", {"7"}}, {"Set-Cookie", {"a", "b"}}, {"Etag", {""}}, {"Content-Length", {"2"}}};
  EXPECT_EQ(not_found->headers, want);

  const auto broken = call(outbound, {.url = server.url() + "/"});
  ASSERT_TRUE(broken.ok()) << broken.error().message;
  EXPECT_EQ(broken->status, 500);
  EXPECT_EQ(broken->body, "in pieces");

  const auto head = call(outbound, {.method = "HEAD", .url = server.url() + "/"});
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(head->body, "");
  EXPECT_EQ(head->headers.at("Content-Length").front(), "5000000");
}

TEST(Outbound, RefusesWhatCannotBeSent) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, ""); });
  Outbound outbound({.policy = loopback_allowed()});
  const std::string url = server.url();
  const struct {
    const char* name;
    OutboundRequest request;
    const char* says;
  } cases[] = {
      {"unknown method", {.method = "BREW", .url = url}, "BREW"},
      {"method with a line end", {.method = "GET\r\nX: y", .url = url}, "none of GET"},
      {"HEAD with a body", {.method = "HEAD", .url = url, .has_body = true}, "no body"},
      {"line end in a header", {.url = url, .headers = {{"X", "a\r\nY: b"}}}, "header X"},
      {"zero byte in a header", {.url = url, .headers = {{"X", std::string("\0", 1)}}}, "header X"},
      {"header without a name", {.url = url, .headers = {{"", "a"}}}, "name"},
      {"colon in a name", {.url = url, .headers = {{"X: a", "a"}}}, "name"},
      {"framing", {.url = url, .headers = {{"Content-LENGTH", "3"}}}, "Content-LENGTH"},
      {"framing 2", {.url = url, .headers = {{"Transfer-Encoding", "chunked"}}}, "Transfer"},
      {"proxy's", {.url = url, .headers = {{"Proxy-Authorization", "x"}}}, "Proxy"},
      {"no URL", {.url = ""}, "not a URL"},
      {"no scheme", {.url = "127.0.0.1/x"}, "not a URL"},
      {"line end in the URL", {.url = url + "/\r\nHost: x"}, "not a URL"},
      {"zero byte in the URL", {.url = url + std::string("/\0x", 3)}, "not a URL"},
      {"file", {.url = "file:///etc/passwd"}, "neither http nor https"},
      {"ftp", {.url = "ftp://127.0.0.1/x"}, "neither http nor https"},
      {"bad port", {.url = "http://127.0.0.1:99999/"}, "not a URL"},
      {"no PEM", {.url = "https" + url.substr(4), .ca = "nonsense"}, "authority"},
  };
  for (const auto& c : cases) {
    expect_error(call(outbound, c.request), Code::Invalid, c.says, c.name);
  }
  EXPECT_TRUE(server.received().empty());
}

TEST(Outbound, EndsAtItsDeadlineWhereverItIs) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target == "/body") peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    if (request.target == "/head") peer.send("HTTP/1.1 200 OK\r\nX: y\r\n");
    peer.wait_for_client_to_leave();
  });
  Outbound outbound({.policy = loopback_allowed()});
  Pending patient = begin(outbound, {.url = server.url() + "/none"});
  const struct {
    const char* path;
    const char* says;
  } cases[] = {{"/none", "no answer"}, {"/head", "no answer"}, {"/body", "not complete"}};
  for (const auto& c : cases) {
    const auto answer = call(outbound, {.url = server.url() + c.path, .timeout = 150ms});
    expect_error(answer, Code::Timeout, c.says, c.path);
    EXPECT_NE(answer.error().message.find("150ms"), std::string::npos) << answer.error().message;
  }
  EXPECT_NE(patient.answer.wait_for(0s), std::future_status::ready) << "no timeout, no limit";
  outbound.cancel(patient.handle);
  expect_error(patient.wait(), Code::Cancelled, "/none");
  outbound.cancel(patient.handle);  // too late, no harm
}

TEST(Outbound, TakesACutAnswerForAFailure) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target == "/length") peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    if (request.target == "/chunk") {
      peer.begin_chunked(200);
      peer.chunk("abc");
    }
    if (request.target == "/half") peer.send("HTTP/1.1 200 OK\r\nX: y\r\n");
    if (request.target == "/garbage") peer.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    peer.close();
  });
  Outbound outbound({.policy = loopback_allowed()});
  for (const char* path : {"/length", "/chunk", "/half", "/none"}) {
    expect_error(call(outbound, {.method = "POST", .url = server.url() + path}), Code::Unavailable,
                 path, path);
  }
  expect_error(call(outbound, {.url = server.url() + "/garbage"}), Code::Malformed, "not HTTP");
}

TEST(Outbound, SendsWhatIsNotIdempotentOnce) {
  for (const std::string method : {"GET", "PUT", "POST", "PATCH"}) {
    const ScriptedServer own([](const Received& request, Peer& peer) {
      if (request.target == "/first" || request.connection > 1) {
        peer.reply(200, "ok");
      } else {
        peer.close();
      }
    });
    Outbound outbound({.policy = loopback_allowed()});
    ASSERT_TRUE(call(outbound, {.url = own.url() + "/first"}).ok());
    const auto answer = call(outbound, {.method = method, .url = own.url() + "/next"});
    if (method == "GET" || method == "PUT") {
      EXPECT_TRUE(answer.ok()) << method << ": " << answer.error().message;
      EXPECT_EQ(own.received().size(), 3U) << method;
    } else {
      expect_error(answer, Code::Unavailable, "may have had effect", method);
      EXPECT_EQ(own.received().size(), 2U) << method;
    }
  }
}

std::string from_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

// {"hello":"gzip"}
constexpr std::string_view kGzip =
    "1f8b0800000000000203ab56ca48cdc9c957b2524aafca2c50aa0500f64f056f10000000";
// 262,144 zero bytes in 289.
constexpr std::string_view kBomb =
    "1f8b0800000000000203edc13101000000c2a0f54fed6d07a00000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000de0022ea0ee200000400";

TEST(Outbound, BoundsTheBodyAsItIsDecompressed) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target == "/gzip" || request.target == "/bomb") {
      const bool wanted = request.header("accept-encoding") == "gzip";
      peer.reply(200, wanted ? from_hex(request.target == "/gzip" ? kGzip : kBomb) : "",
                 {"Content-Encoding: gzip"});
    } else if (request.target == "/endless") {
      peer.begin_chunked(200);
      while (peer.chunk(std::string(65536, 'x'))) {
      }
    } else {
      peer.reply(200, std::string(1000, 'x'));
    }
  });
  Outbound outbound({.policy = loopback_allowed()});
  const auto plain = call(outbound, {.url = server.url() + "/gzip"});
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  EXPECT_EQ(plain->body, "{\"hello\":\"gzip\"}");
  EXPECT_FALSE(plain->headers.contains("Content-Encoding"));
  EXPECT_FALSE(plain->headers.contains("Content-Length"));

  const auto raw =
      call(outbound, {.url = server.url() + "/gzip", .headers = {{"accept-encoding", "gzip"}}});
  ASSERT_TRUE(raw.ok()) << raw.error().message;
  EXPECT_EQ(raw->body, from_hex(kGzip)) << "who asks for it gets it as it is";
  EXPECT_EQ(raw->headers.at("Content-Encoding").front(), "gzip");

  EXPECT_EQ(call(outbound, {.url = server.url() + "/bomb", .max_body = 1 << 20})->body.size(),
            262144U);
  expect_error(call(outbound, {.url = server.url() + "/bomb"}), Code::Malformed, "65536 bytes");
  expect_error(call(outbound, {.url = server.url() + "/endless"}), Code::Malformed, "65536 bytes");
  EXPECT_TRUE(call(outbound, {.url = server.url() + "/", .max_body = 1000}).ok());
  expect_error(call(outbound, {.url = server.url() + "/", .max_body = 999}), Code::Malformed,
               "999 bytes");
  expect_error(call(outbound, {.url = server.url() + "/", .max_body = 0}), Code::Malformed,
               "0 bytes");
}

TEST(Outbound, BoundsTheHeaders) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    peer.send("HTTP/1.1 200 OK\r\n");
    if (request.target == "/line") {
      peer.send("X: ");
      while (peer.send(std::string(4096, 'x'))) {
      }
    }
    if (request.target == "/trailer") {
      peer.send("Transfer-Encoding: chunked\r\n\r\n0\r\n");
    }
    while (peer.send("X-Bomb: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  Outbound outbound({.policy = loopback_allowed()});
  for (const char* path : {"/many", "/line", "/trailer"}) {
    expect_error(call(outbound, {.url = server.url() + path}), Code::Malformed, "header", path);
  }
}

TEST(Outbound, KeepsSecretsOutOfMessages) {
  Outbound outbound({.policy = loopback_allowed()});
  const auto answer = call(outbound, {.url = "http://user:hush@127.0.0.1:1/path?token=hush",
                                      .headers = {{"Authorization", "hush"}},
                                      .body = "hush",
                                      .has_body = true});
  expect_error(answer, Code::Unavailable, "http://127.0.0.1:1/path");
  EXPECT_EQ(answer.error().message.find("hush"), std::string::npos) << answer.error().message;
  EXPECT_EQ(answer.error().message.find("user"), std::string::npos) << answer.error().message;
}

TEST(Outbound, EndsAllCallsWhenItStops) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.wait_for_client_to_leave(); });
  Outbound outbound({.policy = loopback_allowed()});
  std::vector<Pending> pending;
  for (int i = 0; i < 20; ++i) pending.push_back(begin(outbound, {.url = server.url() + "/"}));
  ASSERT_TRUE(server.wait_for_requests(20));
  outbound.stop();
  for (Pending& one : pending) expect_error(one.wait(), Code::Cancelled, "cancelled");
  bool called = false;
  const std::uint64_t late =
      outbound.start({.url = server.url() + "/"}, [&called](const auto&) { called = true; });
  outbound.cancel(late);
  EXPECT_FALSE(called);
  EXPECT_EQ(server.received().size(), 20U);
}

}  // namespace
}  // namespace millrace::http
