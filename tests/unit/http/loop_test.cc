#include "kubeclient/http/loop.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/scripted_server.h"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using support::Gate;
using support::Peer;
using support::Received;
using support::ScriptedServer;

SteadyTime in(Duration time) { return std::chrono::steady_clock::now() + time; }

Request get(const std::string& url) { return {.method = Method::Get, .url = url, .headers = {}}; }

TEST(Loop, SendsTheRequestAsGiven) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, "fine"); });
  Loop loop({});
  const struct {
    Method method;
    std::string body;
    std::string want_method;
  } cases[] = {
      {Method::Get, "", "GET"},
      {Method::Post, "{}", "POST"},
      {Method::Put, "p", "PUT"},
      {Method::Patch, "[]", "PATCH"},
      {Method::Delete, "", "DELETE"},
      {Method::Delete, "opts", "DELETE"},
      {Method::Get, "", "GET"},
      {Method::Post, "", "POST"},
      {Method::Post, std::string(3 << 20, 'x'), "POST"},
  };
  std::size_t index = 0;
  for (const auto& c : cases) {
    const auto answer = loop.call({.method = c.method,
                                   .url = server.url() + "/a/b?c=d%20e",
                                   .headers = {"X-One: 1", "Content-Type: application/json"},
                                   .body = c.body},
                                  {}, in(10s));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->body, "fine");
    EXPECT_EQ(answer->head.status, 200);
    const Received got = server.received()[index++];
    EXPECT_EQ(got.method, c.want_method);
    EXPECT_EQ(got.target, "/a/b?c=d%20e");
    EXPECT_EQ(got.body, c.body);
    EXPECT_EQ(got.header("x-one"), "1");
    EXPECT_EQ(got.header("expect"), "");
    EXPECT_EQ(got.connection, 1) << "one connection serves them all";
  }
}

TEST(Loop, PassesOnStatusAndHead) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target == "/slow-down") {
      peer.reply(429, "later", {"Retry-After: 3", "Content-Type: text/plain"});
    } else if (request.target == "/moved") {
      peer.reply(302, "", {"Location: /elsewhere"});
    } else if (request.target == "/interim") {
      peer.send("HTTP/1.1 103 Early Hints\r\nLocation: /no\r\n\r\n");
      peer.reply(204, "");
    }
  });
  Loop loop({});
  const auto busy = loop.call(get(server.url() + "/slow-down"), {}, in(10s));
  ASSERT_TRUE(busy.ok()) << busy.error().message;
  EXPECT_EQ(busy->head.status, 429);
  EXPECT_EQ(busy->head.retry_after, 3000ms);
  EXPECT_EQ(busy->head.content_type, "text/plain");
  EXPECT_EQ(busy->body, "later");

  const auto moved = loop.call(get(server.url() + "/moved"), {}, in(10s));
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  EXPECT_EQ(moved->head.status, 302);
  EXPECT_EQ(moved->head.location, "/elsewhere");

  const auto interim = loop.call(get(server.url() + "/interim"), {}, in(10s));
  ASSERT_TRUE(interim.ok()) << interim.error().message;
  EXPECT_EQ(interim->head.status, 204);
  EXPECT_EQ(interim->head.location, "");
  EXPECT_EQ(server.received().size(), 3U) << "the redirect was not followed";
}

TEST(Loop, TurnsBrokenAnswersIntoErrors) {
  const struct {
    const char* name;
    std::string bytes;  // what the server sends before it closes
    Code code;
    const char* says;
  } cases[] = {
      {"nothing at all", "", Code::Unavailable, "without an answer"},
      {"cut in the middle of the head", "HTTP/1.1 200 OK\r\nContent-", Code::Unavailable,
       "without an answer"},
      {"cut in the middle of the body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
       Code::Unavailable, "cut in the middle of the answer"},
      {"cut in the middle of a chunk",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf", Code::Unavailable, "cut"},
      {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", Code::Malformed, "not HTTP"},
      {"bad chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       Code::Malformed, "bad chunk"},
      {"one huge header", "HTTP/1.1 200 OK\r\nX: " + std::string(400 << 10, 'x') + "\r\n\r\n",
       Code::Malformed, "headers"},
      {"body beyond the limit",
       "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'x'), Code::Malformed,
       "exceeds 1000 bytes"},
  };
  for (const auto& c : cases) {
    const ScriptedServer server([&](const Received&, Peer& peer) {
      peer.send(c.bytes);
      peer.close();
    });
    Loop loop({.max_body = 1000});
    const auto answer = loop.call(get(server.url() + "/broken?x=1"), {}, in(10s));
    ASSERT_FALSE(answer.ok()) << c.name;
    EXPECT_EQ(answer.error().code, c.code) << c.name << ": " << answer.error().message;
    EXPECT_NE(answer.error().message.find(c.says), std::string::npos) << answer.error().message;
    EXPECT_EQ(answer.error().message.find("x=1"), std::string::npos) << "no query in messages";
    EXPECT_NE(answer.error().message.find("GET " + server.url()), std::string::npos);
  }
}

TEST(Loop, StopsAtTooManyHeaders) {
  const ScriptedServer server([](const Received&, Peer& peer) {
    peer.send("HTTP/1.1 200 OK\r\n");
    while (peer.send("X-Bomb: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  Loop loop({});
  const auto answer = loop.call(get(server.url()), {}, in(10s));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::Malformed) << answer.error().message;
  EXPECT_NE(answer.error().message.find("headers"), std::string::npos);
}

TEST(Loop, NamesWhyItCannotConnect) {
  int free_port = 0;
  {
    const ScriptedServer server([](const Received&, Peer&) {});
    free_port = server.port();
  }
  const struct {
    const char* name;
    std::string url;
    Code code;
    const char* says;
  } cases[] = {
      {"nobody listens", "http://127.0.0.1:" + std::to_string(free_port) + "/", Code::Unavailable,
       "cannot connect"},
      {"unknown host", "http://no-such-host.invalid/", Code::Unavailable, "cannot be resolved"},
      {"other scheme", "ftp://127.0.0.1/", Code::Invalid, "neither http nor https"},
      {"not a URL", "http://:0:0/", Code::Invalid, "not a URL"},
      {"blank in the URL", "http://127.0.0.1/a b", Code::Invalid, "blank"},
  };
  Loop loop({});
  for (const auto& c : cases) {
    const auto answer = loop.call(get(c.url), {}, in(10s));
    ASSERT_FALSE(answer.ok()) << c.name;
    EXPECT_EQ(answer.error().code, c.code) << c.name << ": " << answer.error().message;
    EXPECT_NE(answer.error().message.find(c.says), std::string::npos) << answer.error().message;
  }
}

TEST(Loop, RefusesHeadersWithLineEnds) {
  Loop loop({});
  Request request = get("http://127.0.0.1:1/");
  request.headers = {"Authorization: Bearer a\r\nX-Injected: yes"};
  const auto answer = loop.call(request, {}, in(10s));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::Invalid);
  EXPECT_EQ(answer.error().message.find("Bearer"), std::string::npos) << "no secrets in messages";
}

TEST(Loop, GivesUpAtTheDeadline) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.wait_for_client_to_leave(); });
  Loop loop({});
  const auto before = std::chrono::steady_clock::now();
  const auto answer = loop.call(get(server.url()), {}, in(50ms));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::Timeout) << answer.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_NE(answer.error().message.find("within 50ms"), std::string::npos)
      << answer.error().message;
}

TEST(Loop, GivesUpADeadlineGoneByWithoutSending) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, ""); });
  Loop loop({});
  EXPECT_EQ(loop.call(get(server.url()), {}, in(-1s)).error().code, Code::Timeout);
  EXPECT_TRUE(server.received().empty());
}

TEST(Loop, CancelsFromAnotherThread) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.wait_for_client_to_leave(); });
  Loop loop({});
  std::stop_source source;
  std::thread canceller([&] {
    server.wait_for_requests(1);
    source.request_stop();
  });
  const auto answer = loop.call(get(server.url()), source.get_token(), in(10s));
  canceller.join();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::Cancelled);
  // A stop that came before the call counts as well.
  EXPECT_EQ(loop.call(get(server.url()), source.get_token(), in(10s)).error().code,
            Code::Cancelled);
}

TEST(Loop, ServesManyThreadsAtOnce) {
  const ScriptedServer server(
      [](const Received& request, Peer& peer) { peer.reply(200, request.target); });
  Loop loop({});
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          const std::string path = "/" + std::to_string(t) + "/" + std::to_string(i);
          const auto answer = loop.call(get(server.url() + path), {}, in(20s));
          if (answer.ok() && answer->body == path) ++good;
        }
      });
    }
  }
  EXPECT_EQ(good, 400);
}

/// The server answers once, then takes the second request on that connection and hangs up.
void hang_up_on_second_request(const Received& request, Peer& peer) {
  if (request.connection == 1 && request.target == "/second") {
    peer.close();
  } else {
    peer.reply(200, "done");
  }
}

TEST(Loop, RepeatsOnlyIdempotentRequestsOnADeadConnection) {
  const struct {
    Method method;
    bool repeated;
  } cases[] = {{Method::Get, true},
               {Method::Put, true},
               {Method::Delete, true},
               {Method::Post, false},
               {Method::Patch, false}};
  for (const auto& c : cases) {
    const ScriptedServer server(hang_up_on_second_request);
    Loop loop({});
    ASSERT_TRUE(loop.call(get(server.url() + "/first"), {}, in(10s)).ok());
    Request request{.method = c.method, .url = server.url() + "/second", .headers = {}};
    if (c.method != Method::Get) request.body = "{}";
    const auto answer = loop.call(request, {}, in(10s));
    EXPECT_EQ(answer.ok(), c.repeated) << to_string(c.method);
    if (!answer.ok()) {
      EXPECT_EQ(answer.error().code, Code::Unavailable);
    }
    EXPECT_EQ(server.received().size(), c.repeated ? 3U : 2U) << to_string(c.method);
  }
}

}  // namespace
}  // namespace millrace::http
