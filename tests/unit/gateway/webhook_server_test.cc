#include "operator/gateway/webhook_server.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "kubeclient/base/guarded.h"
#include "operator/gateway/delivery_log.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_certificates.h"
#include "tests/unit/gateway/hook_client.h"

namespace millrace::gateway {
namespace {

using namespace std::chrono_literals;
using delivery::Completion;
using delivery::Delivery;
using delivery::Verdict;
using Kind = delivery::Verdict::Kind;

class Nowhere final : public LogSink {
 public:
  void write(const std::string&) override {}
};

/// Answers by the name of the pipeline; those named "hold" wait until the test lets them go.
class FakeSink final : public delivery::DeliverySink {
 public:
  void deliver(Delivery one, Completion done) override {
    const std::string name = one.name;
    {
      const auto state = state_.lock();
      state->seen.push_back(std::move(one));
      if (name == "hold") {
        state->held.push_back(std::move(done));
        changed_.notify_all();
        return;
      }
    }
    done(verdict_for(name));
  }

  std::vector<Delivery> seen() const { return state_.lock()->seen; }
  Delivery last() const { return state_.lock()->seen.back(); }
  /// Wait until `count` deliveries are held; what to call with their verdicts.
  std::vector<Completion> held(std::size_t count) {
    auto state = state_.lock();
    changed_.wait_for(state.lock(), 20s, [&] { return state->held.size() >= count; });
    return std::exchange(state->held, {});
  }

  static Verdict verdict_for(const std::string& name) {
    if (name == "missing") return {.kind = Kind::NotFound};
    if (name == "token") return {.kind = Kind::Unauthorized, .message = "needs a token"};
    if (name == "forbidden") return {.kind = Kind::Forbidden, .message = "wrong"};
    if (name == "invalid") return {.kind = Kind::Invalid, .message = "say \"what\"\n"};
    if (name == "unready") return {.kind = Kind::Unready, .message = "not ready"};
    if (name == "many") return {.kind = Kind::TooMany, .message = "slow", .retry_after = 7s};
    if (name == "down") return {.kind = Kind::Unavailable, .message = "later", .retry_after = 3s};
    return {.kind = Kind::Accepted, .run = name + "-1", .duplicate = name == "again"};
  }

 private:
  struct State {
    std::vector<Delivery> seen;
    std::vector<Completion> held;
  };
  Guarded<State> state_;
  std::condition_variable changed_;
};

class WebhookServerTest : public testing::Test {
 protected:
  void start(WebhookOptions options = {}) {
    options.server.host = "127.0.0.1";
    options.default_namespace = "shop";
    auto started = WebhookServer::start(options, sink_, records_, clock_, metrics_, log_);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = *std::move(started);
  }
  std::string ask(const std::string& text) {
    HookClient client(server_->port());
    client.send(text);
    return client.read_answer();
  }

  Nowhere nowhere_;
  Logger log_{nowhere_};
  SystemClock clock_;
  MetricsRegistry metrics_;
  FakeSink sink_;
  DeliveryLog records_;
  std::unique_ptr<WebhookServer> server_;
};

TEST_F(WebhookServerTest, CB3_AnAcceptedDeliveryIs202WithAnEmptyBodyAndTheRunsName) {
  start();
  const std::string got = ask(post("/webhook/build", "{}"));
  EXPECT_EQ(status_of(got), 202);
  EXPECT_EQ(body_of(got), "");
  EXPECT_EQ(header_of(got, "Content-Length"), "0");
  EXPECT_EQ(header_of(got, "X-Millrace-Run"), "shop/build-1");
  EXPECT_EQ(header_of(got, "Location"),
            "/apis/millrace.dev/v1/namespaces/shop/pipelineruns/build-1");
}

TEST_F(WebhookServerTest, ADeliveryHoldsWhatWasSent) {
  start();
  ask(post("/webhook/other/build.v2?a=1&b=%20", "hello",
           "X-GitHub-Delivery: 42\r\nX-Callback-URL: http://x/y\r\nX-Twice: 1\r\nX-Twice: 2\r\n"));
  const Delivery one = sink_.last();
  EXPECT_EQ(one.ns, "other");
  EXPECT_EQ(one.name, "build.v2");
  EXPECT_EQ(one.id, "42");
  EXPECT_EQ(one.query, "a=1&b=%20");
  EXPECT_EQ(one.body, "hello");
  EXPECT_EQ(one.callback_url, "http://x/y");
  EXPECT_EQ(one.remote, "127.0.0.1");
  EXPECT_EQ(delivery::find_header(one.headers, "x-TWICE"), "1");
  ask(post("/webhook/build"));
  ask(post("/webhook/build"));
  const auto seen = sink_.seen();
  EXPECT_EQ(seen[1].ns, "shop");
  EXPECT_EQ(seen[1].id.size(), 36u);  // a UUID
  EXPECT_NE(seen[1].id, seen[2].id);
}

TEST_F(WebhookServerTest, CB4_EveryRequestGetsThePreciseAnswer) {
  WebhookOptions options;
  options.server.max_body_bytes = 1000;
  start(options);
  const auto route = [](const std::string& what) {
    return "{\"message\":\"Route " + what +
           " not found\",\"error\":\"Not Found\",\"statusCode\":404}";
  };
  const auto simple = [](const char* method, const char* path) {
    return std::string(method) + " " + path + " HTTP/1.1\r\nHost: t\r\n\r\n";
  };
  const struct {
    const char* name;
    std::string send;
    int status;
    std::string contains;
  } cases[] = {
      {"GET of the webhook", simple("GET", "/webhook/build"), 404, route("GET:/webhook/build")},
      {"PUT of the webhook", simple("PUT", "/webhook/build"), 404, route("PUT:/webhook/build")},
      {"an unknown path with a query", post("/x?y=1"), 404, route("POST:/x?y=1")},
      {"the root", simple("GET", "/"), 404, route("GET:/")},
      {"no name", post("/webhook/"), 404, route("POST:/webhook/")},
      {"too many parts", post("/webhook/a/b/c"), 404, "Not Found"},
      {"a name that cannot be", post("/webhook/../secret"), 404, "Not Found"},
      {"an encoded name", post("/webhook/%62uild"), 404, "Not Found"},
      {"an unknown pipeline", post("/webhook/missing"), 404, route("POST:/webhook/missing")},
      {"health", simple("GET", "/healthz"), 200, "ok\n"},
      {"no credential", post("/webhook/token"), 401,
       R"({"message":"needs a token","error":"Unauthorized","statusCode":401})"},
      {"a wrong credential", post("/webhook/forbidden"), 403, "\"statusCode\":403"},
      {"a wrong delivery", post("/webhook/invalid"), 400, R"(say \"what\"\n)"},
      {"a pipeline that is not ready", post("/webhook/unready"), 422, "Unprocessable"},
      {"over the rate", post("/webhook/many"), 429, "Retry-After: 7\r\n"},
      {"not stored", post("/webhook/down"), 503, "Retry-After: 3\r\n"},
      {"not HTTP", "hello\r\n\r\n", 400, "not an HTTP/1.1 request"},
      {"two lengths",
       "POST /webhook/build HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, ""},
      {"length and chunks",
       "POST /webhook/build HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\n",
       400, ""},
      {"broken chunks", "POST /webhook/build HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       400, ""},
      {"a header bomb", post("/webhook/build", "", "X-A: " + std::string(100'000, 'a') + "\r\n"),
       431, "headers are too large"},
      {"headers that come in many pieces, each of them small",
       post("/webhook/build", "",
            [] {
              std::string text;
              for (int i = 0; i < 24; ++i) {
                text += "X-" + std::to_string(i) + ": " + std::string(900, 'a') + "\r\n";
              }
              return text;
            }()),
       431, "headers are too large"},
      {"many headers",
       post("/webhook/build", "",
            [] {
              std::string all;
              for (int i = 0; i < 10'000; ++i) all += "X-" + std::to_string(i) + ": 1\r\n";
              return all;
            }()),
       431, "headers are too large"},
      {"a long id", post("/webhook/build", "", "X-Delivery-ID: " + std::string(300, 'a') + "\r\n"),
       400, "longer than 256"},
      {"an id that is not ASCII", post("/webhook/build", "", "X-Delivery-ID: \xc3\xa4\r\n"), 400,
       "printable"},
      {"a large body", post("/webhook/build", std::string(1001, 'x')), 413, "body is too large"},
      {"a large chunked body",
       "POST /webhook/build HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
           std::string(1001, 'x') + "\r\n0\r\n\r\n",
       413, "body is too large"},
  };
  for (const auto& c : cases) {
    const std::string got = ask(c.send);
    EXPECT_EQ(status_of(got), c.status) << c.name << ": " << got.substr(0, 400);
    EXPECT_NE(got.find(c.contains), std::string::npos) << c.name << ": " << got.substr(0, 400);
    EXPECT_NE(header_of(got, "X-Request-ID"), "") << c.name;
  }
  EXPECT_EQ(header_of(ask(post("/webhook/token")), "WWW-Authenticate"), "Bearer");
}

TEST_F(WebhookServerTest, ATrailingSlashIsRedirectedWithoutARequestId) {
  start();
  const std::string got = ask(post("/webhook/ns/build/?a=b", "x", "X-Request-ID: 1\r\n"));
  EXPECT_EQ(status_of(got), 307);
  EXPECT_EQ(header_of(got, "Location"), "/webhook/ns/build?a=b");
  EXPECT_EQ(header_of(got, "X-Request-ID"), "");
  EXPECT_TRUE(sink_.seen().empty());
}

TEST_F(WebhookServerTest, CB15_TheRequestIdIsEchoedCleanedOrMade) {
  start();
  EXPECT_EQ(header_of(ask(post("/webhook/b", "", "X-Request-ID: abc-1\r\n")), "X-Request-ID"),
            "abc-1");
  EXPECT_EQ(header_of(ask(post("/webhook/b", "",
                               "x-request-id: a\tb \xff"
                               "c\r\n")),
                      "X-Request-ID"),
            "abc");
  const std::string made = header_of(ask(post("/webhook/b")), "X-Request-ID");
  ASSERT_EQ(made.size(), 36u);
  EXPECT_EQ(made[14], '4');
  const std::string cut =
      header_of(ask(post("/webhook/b", "", "X-Request-ID: " + std::string(500, 'z') + "\r\n")),
                "X-Request-ID");
  EXPECT_EQ(cut, std::string(128, 'z'));
}

TEST_F(WebhookServerTest, PipelinedRequestsOfOneConnectionAreAnsweredInOrder) {
  start();
  HookClient client(server_->port());
  client.send(post("/webhook/a", "1") + post("/webhook/missing", "22") + post("/webhook/c", "333"));
  EXPECT_EQ(header_of(client.read_answer(), "X-Millrace-Run"), "shop/a-1");
  EXPECT_EQ(status_of(client.read_answer()), 404);
  EXPECT_EQ(header_of(client.read_answer(), "X-Millrace-Run"), "shop/c-1");
  EXPECT_EQ(sink_.last().body, "333");
}

TEST_F(WebhookServerTest, AChunkedBodyInSinglePiecesArrivesWhole) {
  start();
  HookClient client(server_->port());
  for (const char c : std::string("POST /webhook/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    client.send({&c, 1});
  }
  EXPECT_EQ(status_of(client.read_answer()), 202);
  EXPECT_EQ(sink_.last().body, "abcde");
}

TEST_F(WebhookServerTest, AClientThatAsksFirstIsToldToGoOn) {
  start();
  HookClient client(server_->port());
  client.send("POST /webhook/a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(status_of(client.read_answer()), 100);
  client.send("ok");
  EXPECT_EQ(status_of(client.read_answer()), 202);
  EXPECT_EQ(sink_.last().body, "ok");
}

TEST_F(WebhookServerTest, AHundredMegabytesAreRefusedWithoutBeingKept) {
  start();
  constexpr std::size_t kSize = std::size_t{100} << 20;
  const std::string piece(1 << 20, 'x');
  HookClient honest(server_->port());
  honest.send("POST /webhook/a HTTP/1.1\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
  EXPECT_EQ(status_of(honest.read_answer()), 413);  // before a byte of it was sent
  HookClient stubborn(server_->port());
  stubborn.send("POST /webhook/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 100 && stubborn.send("100000\r\n" + piece + "\r\n"); ++i) continue;
  EXPECT_EQ(status_of(stubborn.read_answer()), 413);
  EXPECT_TRUE(sink_.seen().empty());
}

TEST_F(WebhookServerTest, BodiesTogetherHaveABudget) {
  WebhookOptions options;
  options.server.body_budget = 1000;
  start(options);
  HookClient first(server_->port());
  first.send("POST /webhook/hold HTTP/1.1\r\nContent-Length: 900\r\n\r\n" + std::string(900, 'x'));
  auto held = sink_.held(1);
  ASSERT_EQ(held.size(), 1u);
  const std::string got = ask(post("/webhook/a", std::string(200, 'x')));
  EXPECT_EQ(status_of(got), 503);
  EXPECT_EQ(header_of(got, "Retry-After"), "1");
  held[0]({.kind = Kind::Accepted, .run = "r"});
  EXPECT_EQ(status_of(first.read_answer()), 202);
  EXPECT_EQ(status_of(ask(post("/webhook/a", std::string(200, 'x')))), 202);
}

TEST_F(WebhookServerTest, SlowClientsAreClosedAtTheirDeadline) {
  WebhookOptions options;
  options.server.head_timeout = 50ms;
  options.server.body_timeout = 50ms;
  start(options);
  HookClient head(server_->port());
  head.send("POST /webhook/a HTTP/1.1\r\nX-Slow: ");
  EXPECT_EQ(head.read_all(), "");
  HookClient body(server_->port());
  body.send("POST /webhook/a HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(body.read_all(), "");
  HookClient silent(server_->port());
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_TRUE(sink_.seen().empty());
}

TEST_F(WebhookServerTest, ACrowdOfSlowClientsDoesNotLockOutADelivery) {
  WebhookOptions options;
  options.server.max_connections = 8;
  options.server.head_timeout = 60s;
  options.server.evict_after = 10ms;
  start(options);
  std::vector<std::unique_ptr<HookClient>> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.push_back(std::make_unique<HookClient>(server_->port()));
    crowd.back()->send("POST /webhook/a HTTP/1.1\r\nX");
  }
  EXPECT_EQ(status_of(ask(post("/webhook/a"))), 202);
  EXPECT_EQ(crowd.front()->read_all(), "");  // the oldest made place
}

TEST_F(WebhookServerTest, AThousandDeliveriesAtOnceAreAllAnswered) {
  start();
  constexpr int kClients = 250;
  constexpr int kEach = 4;
  std::vector<std::unique_ptr<HookClient>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<HookClient>(server_->port()));
    for (int j = 0; j < kEach; ++j) clients.back()->send(post("/webhook/hold", "{}"));
  }
  int accepted = 0;
  for (int round = 0; round < kEach; ++round) {  // one of each connection at a time
    auto held = sink_.held(kClients);
    ASSERT_EQ(held.size(), static_cast<std::size_t>(kClients));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = static_cast<std::size_t>(t); i < held.size(); i += 4) {
          held[i]({.kind = Kind::Accepted, .run = "r"});
        }
      });
    }
    for (auto& thread : threads) thread.join();
    for (auto& client : clients) accepted += status_of(client->read_answer()) == 202 ? 1 : 0;
  }
  EXPECT_EQ(accepted, kClients * kEach);
}

TEST_F(WebhookServerTest, AVerdictThatTakesTooLongIs503AndIsRecordedWhenItComes) {
  WebhookOptions options;
  options.server.answer_timeout = 30ms;
  start(options);
  const std::string got = ask(post("/webhook/hold", "", "X-Delivery-ID: late\r\n"));
  EXPECT_EQ(status_of(got), 503);
  EXPECT_EQ(header_of(got, "Retry-After"), "1");
  auto held = sink_.held(1);
  ASSERT_EQ(held.size(), 1u);
  held[0]({.kind = Kind::Accepted, .run = "hold-1"});
  const std::string records = records_.json();
  EXPECT_NE(records.find("\"verdict\":\"Unavailable\",\"reason\":\"Timeout"), std::string::npos);
  EXPECT_NE(records.find("\"run\":\"hold-1\""), std::string::npos) << records;
}

TEST_F(WebhookServerTest, VerdictsMayComeWhenTheServerOrTheClientHasGone) {
  WebhookOptions options;
  options.server.stop_grace = 20ms;
  start(options);
  auto gone = std::make_unique<HookClient>(server_->port());
  gone->send(post("/webhook/hold"));
  auto first = sink_.held(1);
  gone.reset();
  first.at(0)({.kind = Kind::Accepted, .run = "r"});
  HookClient waits(server_->port());
  waits.send(post("/webhook/hold"));
  auto second = sink_.held(1);
  server_.reset();
  EXPECT_EQ(waits.read_all(), "");
  second.at(0)({.kind = Kind::Accepted, .run = "after-the-end"});
  EXPECT_NE(records_.json().find("after-the-end"), std::string::npos);
}

TEST_F(WebhookServerTest, ADeliveryUnderWayIsAnsweredWhenTheServerStops) {
  WebhookOptions options;
  options.server.stop_grace = 20s;
  start(options);
  HookClient client(server_->port());
  client.send(post("/webhook/hold"));
  auto held = sink_.held(1);
  std::thread stopper([this] { server_->stop(); });
  held.at(0)({.kind = Kind::Accepted, .run = "r"});
  EXPECT_EQ(status_of(client.read_answer()), 202);
  stopper.join();
  EXPECT_FALSE(HookClient(server_->port()).connected());
}

TEST_F(WebhookServerTest, AnAddressThatSendsTooMuchIsToldToWait) {
  WebhookOptions options;
  options.remote_rate = 0.001;
  options.remote_burst = 2;
  start(options);
  EXPECT_EQ(status_of(ask(post("/webhook/a"))), 202);
  EXPECT_EQ(status_of(ask(post("/webhook/a"))), 202);
  const std::string got = ask(post("/webhook/a"));
  EXPECT_EQ(status_of(got), 429);
  EXPECT_EQ(header_of(got, "Retry-After"), "1000");
}

TEST_F(WebhookServerTest, RecordsSayWhatBecameOfDeliveries) {
  start();
  ask(post("/webhook/ns/again", "", "X-Delivery-ID: 1\r\n"));
  ask(post("/webhook/forbidden", "", "X-Delivery-ID: 2\r\n"));
  ask(post("/webhook/missing"));  // not recorded: anybody can make up names
  const std::string got = records_.json();
  EXPECT_TRUE(got.starts_with("{\"deliveries\":[{\"time\":\"")) << got;
  EXPECT_NE(got.find(R"("namespace":"ns","pipeline":"again","id":"1","verdict":"Duplicate",)"
                     R"("reason":"","run":"again-1","remote":"127.0.0.1"})"),
            std::string::npos)
      << got;
  EXPECT_LT(got.find("\"forbidden\""), got.find("\"again\""));  // newest first
  EXPECT_EQ(got.find("missing"), std::string::npos);
}

TEST(DeliveryLog, RefusalsDoNotPushOutWhatWasAccepted) {
  DeliveryLog log(10);
  DeliveryRecord one;
  one.run = "kept";
  log.add(one);
  one.run.clear();
  for (int i = 0; i < 100; ++i) {
    one.id = "n" + std::to_string(i);
    log.add(one);
  }
  const std::string got = log.json();
  EXPECT_NE(got.find("kept"), std::string::npos);
  EXPECT_NE(got.find("\"n95\""), std::string::npos);
  EXPECT_EQ(got.find("\"n94\""), std::string::npos);
}

class WebhookTls : public WebhookServerTest {
 protected:
  void write(const std::string& name) {
    const auto made = support::issue(authority_, {.common_name = name, .ips = {"127.0.0.1"}});
    options_.server.certificate_file = folder_.write("tls.crt", made.certificate);
    options_.server.key_file = folder_.write("tls.key", made.key);
  }
  std::string ask_tls(HookClient& client) {
    client.send(post("/webhook/a"));
    return client.read_answer();
  }

  support::TemporaryFolder folder_;
  support::TestCertificate authority_ = support::make_authority("test authority");
  WebhookOptions options_;
};

TEST_F(WebhookTls, ANewCertificateIsUsedWithoutDroppingConnections) {
  write("first");
  options_.server.reload_interval = 0ms;
  start(options_);
  HookClient old(server_->port(), Layer::Tls);
  EXPECT_EQ(old.peer(), "first");
  EXPECT_EQ(status_of(ask_tls(old)), 202);
  write("second one");
  HookClient fresh(server_->port(), Layer::Tls);
  EXPECT_EQ(fresh.peer(), "second one");
  EXPECT_EQ(status_of(ask_tls(fresh)), 202);
  EXPECT_EQ(status_of(ask_tls(old)), 202);
  folder_.write("tls.key", "half written");
  HookClient meanwhile(server_->port(), Layer::Tls);
  EXPECT_EQ(meanwhile.peer(), "second one");
  EXPECT_EQ(status_of(ask_tls(meanwhile)), 202);
}

TEST_F(WebhookTls, RefusalsAndSlowClientsAreAsInPlainHttp) {
  write("server");
  options_.server.head_timeout = 100ms;
  options_.server.max_body_bytes = 1000;
  start(options_);
  HookClient large(server_->port(), Layer::Tls);
  large.send(post("/webhook/a", std::string(500'000, 'x')));
  EXPECT_EQ(status_of(large.read_answer()), 413);
  HookClient silent(server_->port());  // no handshake
  EXPECT_EQ(silent.read_all(), "");
  HookClient closing(server_->port(), Layer::Tls);
  closing.send(post("/webhook/a", "", "Connection: close\r\n"));
  EXPECT_EQ(status_of(closing.read_all()), 202);
  HookClient plain(server_->port());
  plain.send(post("/webhook/a"));
  EXPECT_NE(plain.read_all().find("this is an HTTPS server"), std::string::npos);
}

TEST_F(WebhookTls, FilesThatCannotBeUsedAreAnErrorAtTheStart) {
  write("server");
  const auto other = support::issue(authority_, {.common_name = "other"});
  const struct {
    const char* certificate;
    std::string key;
    const char* contains;
  } cases[] = {{"tls.crt", "no key at all", "key \""},
               {"tls.crt", other.key, "mismatch"},
               {"none.crt", other.key, "certificate \""}};
  for (const auto& c : cases) {
    options_.server.host = "127.0.0.1";
    options_.server.certificate_file = folder_.path() + "/" + c.certificate;
    options_.server.key_file = folder_.write("other.key", c.key);
    const auto started = WebhookServer::start(options_, sink_, records_, clock_, metrics_, log_);
    ASSERT_FALSE(started.ok()) << c.contains;
    EXPECT_EQ(started.error().code, Code::Invalid);
    EXPECT_NE(started.error().message.find(c.contains), std::string::npos)
        << started.error().message;
  }
}

}  // namespace
}  // namespace millrace::gateway
