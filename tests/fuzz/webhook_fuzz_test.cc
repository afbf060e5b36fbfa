/// Whatever bytes a sender puts on the wire: the webhook server answers or closes, never with an
/// error of its own, goes on serving others, and only what is right reaches the sink.
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "controllers/delivery/callback.h"
#include "controllers/delivery/delivery.h"
#include "controllers/delivery/signature.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "operator/gateway/delivery_log.h"
#include "operator/gateway/webhook_path.h"
#include "operator/gateway/webhook_server.h"
#include "tests/fuzz/mutator.h"
#include "tests/unit/gateway/hook_client.h"

namespace millrace::fuzz {
namespace {

using namespace std::chrono_literals;
using delivery::Verdict;

class Nowhere final : public LogSink {
 public:
  void write(const std::string&) override {}
};

class CheckingSink final : public delivery::DeliverySink {
 public:
  void deliver(delivery::Delivery one, delivery::Completion done) override {
    ++count;
    EXPECT_FALSE(one.ns.empty());
    EXPECT_FALSE(one.name.empty());
    EXPECT_FALSE(one.id.empty());
    EXPECT_LE(one.id.size(), delivery::kMostIdBytes);
    EXPECT_LE(one.body.size(), 1000u);
    for (const std::string* name : {&one.ns, &one.name}) {
      EXPECT_EQ(name->find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-."),
                std::string::npos);
    }
    done({.kind = Verdict::Kind::Accepted, .run = one.name + "-1"});
  }
  std::atomic<int> count{0};
};

const char* const kRequests[] = {
    "POST /webhook/shop/build?a=1 HTTP/1.1\r\nHost: h\r\nX-Delivery-ID: 7\r\nX-Request-ID: r\r\n"
    "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    "POST /webhook/build HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    "3;x=y\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "POST /webhook/build/ HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\n\r\nHEAD /healthz HTTP/1.1\r\n\r\nPOST /webhook/x HTTP/1.1\r\n\r\n",
    "POST /webhook/build HTTP/1.1\r\nX-Callback-URL: http://a.example/\r\n folded\r\n"
    "X-Hub-Signature-256: sha256=00\r\nContent-Length: 4\r\n\r\nbody",
};

TEST(WebhookFuzz, AnyBytesAreAnsweredOrTheConnectionIsClosed) {
  Nowhere nowhere;
  const Logger log(nowhere);
  const SystemClock clock;
  MetricsRegistry metrics;
  CheckingSink sink;
  gateway::DeliveryLog records;
  gateway::WebhookOptions options;
  options.default_namespace = "shop";
  options.server.host = "127.0.0.1";
  options.server.max_body_bytes = 1000;
  options.server.max_header_bytes = 2000;
  options.server.head_timeout = 20ms;
  options.server.body_timeout = 20ms;
  options.server.idle_timeout = 5ms;
  auto server = gateway::WebhookServer::start(options, sink, records, clock, metrics, log);
  ASSERT_TRUE(server.ok()) << server.error().message;
  for (unsigned seed = 1; seed <= 1500; ++seed) {
    Mutator mutator(seed);
    std::string text = kRequests[mutator.below(std::size(kRequests))];
    for (std::size_t i = mutator.below(6); i > 0; --i) mutator.damage(text);
    gateway::HookClient client((*server)->port());
    ASSERT_TRUE(client.connected()) << "seed " << seed;
    client.send(text);
    const std::string got = client.read_all();  // ends at the deadline at the latest
    if (got.empty()) continue;
    const int status = gateway::status_of(got);
    EXPECT_TRUE(status >= 100 && status < 500) << "seed " << seed << ": " << got;
  }
  gateway::HookClient after((*server)->port());
  after.send(kRequests[0]);
  EXPECT_EQ(gateway::status_of(after.read_answer()), 202);
  EXPECT_GT(sink.count, 100) << "damage that leaves nothing whole tests little";
}

TEST(WebhookFuzz, OnlyTheRightSignatureMatches) {
  for (unsigned seed = 1; seed <= 20'000; ++seed) {
    Mutator mutator(seed);
    const std::string good = delivery::hmac_sha256("key", "body");
    std::string given = (mutator.chance(2) ? "sha256=" : "") + good;
    const std::string before = given;
    for (std::size_t i = 1 + mutator.below(3); i > 0; --i) mutator.damage(given);
    std::string digits = given;
    for (char& c : digits) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    const bool same = digits == good || digits == "sha256=" + good;
    EXPECT_EQ(delivery::signature_matches("key", "body", given), same)
        << "seed " << seed << ": " << given;
  }
}

TEST(WebhookFuzz, NoDamageLeadsACallbackToAnotherHost) {
  const std::vector<std::string> hosts = {"ci.example.org"};
  for (unsigned seed = 1; seed <= 20'000; ++seed) {
    Mutator mutator(seed);
    std::string url = mutator.chance(2) ? "https://ci.example.org:8443/a?b#c"
                                        : "http://evil.example/@ci.example.org";
    for (std::size_t i = mutator.below(4); i > 0; --i) mutator.damage(url);
    if (!delivery::callback_problem(url, hosts).empty()) continue;
    const std::size_t host = url.find("://") + 3;
    const std::string_view rest = std::string_view(url).substr(host);
    EXPECT_TRUE(delivery::same_name(rest.substr(0, 14), "ci.example.org")) << url;
    EXPECT_TRUE(rest.size() == 14 ||
                std::string_view(":/?#").find(rest[14]) != std::string_view::npos)
        << url;
  }
}

TEST(WebhookFuzz, PathsGiveProperNamesOrNone) {
  for (unsigned seed = 1; seed <= 20'000; ++seed) {
    Mutator mutator(seed);
    std::string path = mutator.chance(2) ? "/webhook/shop/build" : "/webhook/build/";
    for (std::size_t i = mutator.below(5); i > 0; --i) mutator.damage(path);
    const auto read = gateway::read_webhook_path(path, "shop");
    if (read.name.empty()) continue;
    for (const std::string* name : {&read.ns, &read.name}) {
      EXPECT_EQ(name->find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-."),
                std::string::npos)
          << path;
      EXPECT_LE(name->size(), 63u);
    }
  }
}

}  // namespace
}  // namespace millrace::fuzz
