#include "controllers/shell/http_caller.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/pem.h"
#include "tests/support/fake_api.h"
#include "tests/support/scripted_server.h"
#include "tests/support/test_certificates.h"

namespace millrace::shell {
namespace {

using namespace std::chrono_literals;
using support::Gate;
using support::Peer;
using support::Received;
using support::ScriptedServer;

class MemorySink final : public LogSink {
 public:
  void write(const std::string& line) override { *text_.lock() += line + "\n"; }
  std::string text() const { return *text_.lock(); }

 private:
  Guarded<std::string> text_;
};

/// Counts what on_done tells.
class Bell {
 public:
  std::function<void()> ringer() {
    return [this] {
      ++*rings_.lock();
      rung_.notify_all();
    };
  }
  /// False when there were not `count` rings within 10 s.
  bool wait(int count) {
    auto rings = rings_.lock();
    return rung_.wait_for(rings.lock(), 10s, [&] { return *rings >= count; });
  }
  int rings() const { return *rings_.lock(); }

 private:
  Guarded<int> rings_{0};
  std::condition_variable rung_;
};

struct HttpCallerTest : testing::Test {
  /// Secret "ns/<name>" with one key.
  void store_secret(const std::string& name, const std::string& key, const std::string& value,
                    bool encode = true) {
    codec::Value object = codec::Value::object();
    object["metadata"]["namespace"] = "ns";
    object["metadata"]["name"] = name;
    object["data"][key] = encode ? client::encode_base64(value) : value;
    api.store("secrets", std::move(object));
  }

  HttpCaller& start(std::size_t most = 100) {
    logic::HttpConfig config;
    config.allow = {"127.0.0.0/8"};
    auto options = outbound_options(config, {});
    EXPECT_TRUE(options.ok());
    caller.emplace(*options, most, api, clock, metrics, log);
    return *caller;
  }

  static logic::CallOrder order(const std::string& key, const std::string& url) {
    logic::CallOrder out;
    out.key = key;
    out.method = "GET";
    out.url = url;
    return out;
  }
  static crds::HttpHeader secret_header(const std::string& header, const std::string& name,
                                        const std::string& key) {
    return {header, "", crds::ValueFrom{crds::SecretKey{name, key}}};
  }

  std::optional<logic::CallResult> result(const std::string& key) const {
    return caller->states("run").at(key).result;
  }
  std::size_t secret_reads() const { return api.calls("get").size(); }

  support::ManualClock clock;
  support::FakeApi api{clock};
  MetricsRegistry metrics;
  MemorySink sink;
  Logger log{sink, LogLevel::Debug};
  Bell bell;
  std::optional<HttpCaller> caller;
};

TEST_F(HttpCallerTest, MakesACallOnceAndKeepsItsResult) {
  const ScriptedServer server(
      [](const Received&, Peer& peer) { peer.reply(201, "made", {"x-id: 7"}); });
  HttpCaller& http = start();
  logic::CallOrder post = order("a/1", server.url() + "/things?token=hush");
  post.method = "POST";
  post.headers = {{"Content-Type", "application/json", {}}, {"Idempotency-Key", "k", {}}};
  post.body = R"({"x":1})";
  post.has_body = true;
  post.timeout = 10s;

  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(http.begin("run", "ns", post, bell.ringer()).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(bell.wait(1));
  const auto got = result("a/1");
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->error);
  EXPECT_EQ(got->status, 201);
  EXPECT_EQ(got->body, "made");
  EXPECT_EQ(got->headers.at("X-Id").front(), "7");
  EXPECT_EQ(got->ended, clock.now());
  EXPECT_TRUE(http.begin("run", "ns", post, bell.ringer()).ok());
  EXPECT_EQ(bell.rings(), 1);
  ASSERT_EQ(server.received().size(), 1U);
  EXPECT_EQ(server.received()[0].body, R"({"x":1})");
  EXPECT_EQ(server.received()[0].header("idempotency-key"), "k");
  EXPECT_TRUE(http.states("other").empty());

  http.forget("run", "other");
  EXPECT_EQ(http.states("run").size(), 1U);
  http.forget("run", "a/1");
  EXPECT_TRUE(http.states("run").empty());
  EXPECT_NE(metrics.text().find("millrace_http_calls_total{outcome=\"2xx\"} 1"), std::string::npos)
      << metrics.text();
  EXPECT_NE(metrics.text().find("millrace_http_calls_in_flight 0"), std::string::npos);
}

TEST_F(HttpCallerTest, TakesHeadersAndAuthorityFromSecrets) {
  const support::TestCertificate authority = support::make_authority("good");
  const support::TestCertificate certificate = support::issue(authority, {.ips = {"127.0.0.1"}});
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, "body-hush"); },
                              support::ServerTls{certificate.certificate, certificate.key});
  store_secret("token", "value", "Bearer hush\n");  // as files end
  store_secret("authority", "ca.crt", authority.certificate);
  HttpCaller& http = start();
  logic::CallOrder get = order("a/1", server.url());
  get.headers = {secret_header("Authorization", "token", "value")};
  get.ca = crds::SecretKey{"authority", "ca.crt"};
  ASSERT_TRUE(http.begin("run", "ns", get, bell.ringer()).ok());
  ASSERT_TRUE(bell.wait(1));
  ASSERT_FALSE(result("a/1")->error) << result("a/1")->error->message;
  EXPECT_EQ(server.received().at(0).header("authorization"), "Bearer hush");
  EXPECT_EQ(secret_reads(), 2U);

  // Known for ten seconds, then read again.
  store_secret("token", "value", "Bearer new");
  clock.advance(9s);
  get.key = "a/2";
  ASSERT_TRUE(http.begin("run", "ns", get, bell.ringer()).ok());
  ASSERT_TRUE(bell.wait(2));
  EXPECT_EQ(secret_reads(), 2U);
  clock.advance(1s);
  get.key = "a/3";
  ASSERT_TRUE(http.begin("run", "ns", get, bell.ringer()).ok());
  ASSERT_TRUE(bell.wait(3));
  EXPECT_EQ(secret_reads(), 4U);
  EXPECT_EQ(server.received().at(1).header("authorization"), "Bearer hush");
  EXPECT_EQ(server.received().at(2).header("authorization"), "Bearer new");
  EXPECT_EQ(sink.text().find("hush"), std::string::npos) << sink.text();
  EXPECT_NE(sink.text().find("a/2"), std::string::npos) << "it is logged at all";
}

TEST_F(HttpCallerTest, SaysWhatIsWrongWithASecret) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, ""); });
  store_secret("good", "token", "hush");
  store_secret("lines", "token", "hush\r\nX-Evil: 1");
  store_secret("raw", "token", "hush!", false);
  HttpCaller& http = start();
  const struct {
    const char* name;
    const char* secret;
    const char* key;
    bool as_ca;
    Code code;
    std::vector<const char*> says;
  } cases[] = {
      {"no secret", "none", "token", false, Code::NotFound, {"\"none\"", "ns", "Authorization"}},
      {"no key", "good", "other", false, Code::NotFound, {"\"good\"", "\"other\""}},
      {"line end inside", "lines", "token", false, Code::Invalid, {"Authorization"}},
      {"not base64", "raw", "token", false, Code::Invalid, {"\"raw\"", "base64"}},
      {"no CA", "none", "ca", true, Code::NotFound, {"\"none\"", "caFrom"}},
      {"CA that is none", "good", "token", true, Code::Invalid, {"\"good\"", "PEM"}},
  };
  int rings = 0;
  for (const auto& c : cases) {
    logic::CallOrder get = order(c.name, server.url());
    if (c.as_ca) {
      get.ca = crds::SecretKey{c.secret, c.key};
    } else {
      get.headers = {secret_header("Authorization", c.secret, c.key)};
    }
    ASSERT_TRUE(http.begin("run", "ns", get, bell.ringer()).ok()) << c.name;
    ASSERT_TRUE(bell.wait(++rings)) << c.name;
    const auto got = result(c.name);
    ASSERT_TRUE(got && got->error) << c.name;
    EXPECT_EQ(got->error->code, c.code) << c.name << ": " << got->error->message;
    for (const char* says : c.says) {
      EXPECT_NE(got->error->message.find(says), std::string::npos) << got->error->message;
    }
    EXPECT_EQ(got->error->message.find("hush"), std::string::npos) << got->error->message;
  }
  EXPECT_TRUE(server.received().empty());
  EXPECT_EQ(sink.text().find("hush"), std::string::npos) << sink.text();
}

TEST_F(HttpCallerTest, TellsAMomentaryHindranceFromALastingOne) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, ""); });
  store_secret("token", "value", "x");
  HttpCaller& http = start();
  logic::CallOrder get = order("a/1", server.url());
  get.headers = {secret_header("Authorization", "token", "value")};
  api.fail_next("get", support::error_of(Code::Unavailable));
  const auto begun = http.begin("run", "ns", get, bell.ringer());
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.error().code, Code::Unavailable);
  EXPECT_TRUE(http.states("run").empty());
  EXPECT_EQ(bell.rings(), 0);

  ASSERT_TRUE(http.begin("run", "ns", get, bell.ringer()).ok()) << "and then it works";
  ASSERT_TRUE(bell.wait(1));
  EXPECT_FALSE(result("a/1")->error);

  clock.advance(10s);
  get.key = "a/2";
  api.fail_next("get", support::error_of(Code::Denied, "secrets is forbidden"));
  ASSERT_TRUE(http.begin("run", "ns", get, bell.ringer()).ok());
  ASSERT_TRUE(bell.wait(2));
  EXPECT_EQ(result("a/2")->error->code, Code::Denied);
}

TEST_F(HttpCallerTest, KeepsErrorsAndLimitsOfTheCall) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target == "/held") return peer.wait_for_client_to_leave();
    if (request.target == "/moved") return void(peer.reply(302, "", {"Location: /there"}));
    peer.reply(200, std::string(100, 'x'));
  });
  HttpCaller& http = start();
  logic::CallOrder held = order("timeout", server.url() + "/held");
  held.timeout = 100ms;
  logic::CallOrder large = order("large", server.url() + "/");
  large.max_response_bytes = 99;
  logic::CallOrder stays = order("stays", server.url() + "/moved");
  stays.follow_redirects = false;
  const logic::CallOrder follows = order("follows", server.url() + "/moved");
  const logic::CallOrder denied = order("denied", "http://169.254.169.254/");
  for (const auto& one : {held, large, stays, follows, denied}) {
    ASSERT_TRUE(http.begin("run", "ns", one, bell.ringer()).ok());
  }
  ASSERT_TRUE(bell.wait(5));
  EXPECT_EQ(result("timeout")->error->code, Code::Timeout);
  EXPECT_EQ(result("large")->error->code, Code::Malformed);
  EXPECT_EQ(result("denied")->error->code, Code::Denied);
  EXPECT_EQ(result("stays")->status, 302);
  EXPECT_EQ(result("follows")->status, 200);
  for (const char* outcome : {"Timeout", "Malformed", "Denied", "3xx", "2xx"}) {
    EXPECT_NE(metrics.text().find("outcome=\"" + std::string(outcome) + "\"} 1"), std::string::npos)
        << outcome;
  }
}

TEST_F(HttpCallerTest, LetsCallsBeyondTheLimitWaitTheirTurn) {
  Gate release;
  const ScriptedServer server([&release](const Received&, Peer& peer) {
    release.wait();
    peer.reply(200, "");
  });
  HttpCaller& http = start(2);
  for (int i = 0; i < 6; ++i) {
    const std::string key = std::to_string(i);
    ASSERT_TRUE(http.begin("run", "ns", order(key, server.url() + "/" + key), bell.ringer()).ok());
  }
  ASSERT_TRUE(server.wait_for_requests(2));
  EXPECT_NE(metrics.text().find("millrace_http_calls_in_flight 2"), std::string::npos);
  EXPECT_NE(metrics.text().find("millrace_http_calls_queued 4"), std::string::npos);
  http.forget("run", "3");  // never sent
  release.open();
  ASSERT_TRUE(bell.wait(5));
  std::vector<std::string> targets;
  for (const Received& request : server.received()) targets.push_back(request.target);
  ASSERT_EQ(targets.size(), 5U);
  std::sort(targets.begin(), targets.begin() + 2);  // the first two at once
  EXPECT_EQ(targets[0], "/0");
  EXPECT_EQ(targets[1], "/1");
  EXPECT_EQ(std::count(targets.begin(), targets.end(), "/3"), 0);
  EXPECT_EQ(http.states("run").size(), 5U);
}

TEST_F(HttpCallerTest, DropsCallsOfARunThatWaitTheirTurnAndNoOthers) {
  Gate release;
  const ScriptedServer server([&release](const Received&, Peer& peer) {
    release.wait();
    peer.reply(200, "");
  });
  HttpCaller& http = start(1);
  const auto begin = [&](const std::string& run, const std::string& key) {
    ASSERT_TRUE(http.begin(run, "ns", order(key, server.url() + "/" + key), bell.ringer()).ok());
  };
  begin("run", "sent");
  begin("run", "waits");
  begin("other", "waits-too");
  ASSERT_TRUE(server.wait_for_requests(1));
  http.forget_waiting("run");
  http.forget_waiting("unknown");
  EXPECT_EQ(http.states("run").size(), 1U);
  EXPECT_EQ(http.states("run").count("sent"), 1U);
  begin("run", "waits");  // anew, behind the other one
  release.open();
  ASSERT_TRUE(bell.wait(3));
  http.forget_waiting("run");
  EXPECT_EQ(http.states("run").size(), 2U) << "answers stay";
  std::vector<std::string> targets;
  for (const Received& request : server.received()) targets.push_back(request.target);
  EXPECT_EQ(targets, (std::vector<std::string>{"/sent", "/waits-too", "/waits"}));
}

TEST_F(HttpCallerTest, CancelsWhatIsForgotten) {
  Guarded<int> left{0};
  std::condition_variable leaving;
  const ScriptedServer server([&](const Received& request, Peer& peer) {
    if (request.target == "/next") return void(peer.reply(200, ""));
    peer.wait_for_client_to_leave();
    ++*left.lock();
    leaving.notify_all();
  });
  HttpCaller& http = start(3);
  for (const char* key : {"a", "b"}) {
    ASSERT_TRUE(http.begin("run", "ns", order(key, server.url() + "/held"), bell.ringer()).ok());
  }
  ASSERT_TRUE(http.begin("other", "ns", order("a", server.url() + "/held"), bell.ringer()).ok());
  ASSERT_TRUE(server.wait_for_requests(3));
  Bell next;
  ASSERT_TRUE(http.begin("run", "ns", order("c", server.url() + "/next"), next.ringer()).ok());
  EXPECT_EQ(next.rings(), 0) << "no place is free";
  http.forget_run("other");
  ASSERT_TRUE(next.wait(1)) << "the place is given on";
  http.forget_run("run");
  {
    auto count = left.lock();
    EXPECT_TRUE(leaving.wait_for(count.lock(), 10s, [&] { return *count == 3; }));
  }
  EXPECT_TRUE(http.states("run").empty());
  EXPECT_TRUE(http.states("other").empty());
  EXPECT_EQ(bell.rings(), 0);
}

TEST_F(HttpCallerTest, KeepsNoResultsOfItsOwnEnd) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.wait_for_client_to_leave(); });
  HttpCaller& http = start(1);
  ASSERT_TRUE(http.begin("run", "ns", order("a", server.url()), bell.ringer()).ok());
  ASSERT_TRUE(http.begin("run", "ns", order("b", server.url()), bell.ringer()).ok());
  ASSERT_TRUE(server.wait_for_requests(1));
  http.stop();
  EXPECT_EQ(bell.rings(), 0);
  EXPECT_FALSE(result("a"));
  EXPECT_FALSE(result("b"));
  const auto late = http.begin("run", "ns", order("c", server.url()), bell.ringer());
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, Code::Cancelled);
  EXPECT_EQ(http.states("run").count("c"), 0U);
  http.forget_run("run");
  EXPECT_EQ(server.received().size(), 1U);
}

TEST(OutboundOptions, NamesTheWrongKey) {
  const auto says = [](const logic::HttpConfig& config) {
    const auto made = outbound_options(config, {});
    return made.ok() ? std::string() : made.error().message;
  };
  logic::HttpConfig config;
  EXPECT_EQ(says(config), "");
  config.allow = {"10.0.0.1/8"};
  EXPECT_NE(says(config).find("http.allow[0]"), std::string::npos);
  config = {};
  config.deny = {"ok.example", "a b"};
  EXPECT_NE(says(config).find("http.deny[1]"), std::string::npos);
  config = {};
  config.no_proxy = {"a:1"};
  EXPECT_NE(says(config).find("http: noProxy"), std::string::npos);
  config = {};
  for (const char* proxy : {"proxy.example:3128", "ftp://proxy.example", "://x"}) {
    config.proxy = proxy;
    EXPECT_NE(says(config).find("http.proxy"), std::string::npos) << proxy;
  }
  config.proxy = "socks5h://proxy.example:1080";
  EXPECT_EQ(says(config), "");
  EXPECT_FALSE(outbound_options({}, {"not a host"}).ok());
}

}  // namespace
}  // namespace millrace::shell
