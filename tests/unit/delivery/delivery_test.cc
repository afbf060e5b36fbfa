#include "controllers/delivery/delivery.h"

#include <gtest/gtest.h>

#include "controllers/delivery/callback.h"
#include "controllers/delivery/rate.h"
#include "controllers/delivery/signature.h"

namespace millrace::delivery {
namespace {

using namespace std::chrono_literals;

TEST(Signature, IsHmacSha256) {
  // Source: RFC 4231, test case 2.
  const std::string want = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?"), want);
}

TEST(Signature, MatchesWithAndWithoutPrefixAndNothingElse) {
  const std::string good = hmac_sha256("key", "body");
  std::string upper = good;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  const struct {
    const char* name;
    std::string given;
    bool want;
  } cases[] = {{"plain", good, true},
               {"prefix", "sha256=" + good, true},
               {"upper case", "SHA256=" + upper, true},
               {"empty", "", false},
               {"prefix only", "sha256=", false},
               {"shorter", good.substr(1), false},
               {"longer", good + "0", false},
               {"of another body", hmac_sha256("key", "Body"), false},
               {"of another key", hmac_sha256("kez", "body"), false},
               {"another prefix", "sha1=" + good, false}};
  for (const auto& c : cases) {
    EXPECT_EQ(signature_matches("key", "body", c.given), c.want) << c.name;
  }
}

TEST(Signature, BearerTokens) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bearer  abc"), "abc");
  EXPECT_EQ(bearer_token("Basic abc"), "");
  EXPECT_EQ(bearer_token("Bearer"), "");
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abc", "abcd"));
  EXPECT_FALSE(same_secret("", "a"));
}

TEST(Callback, OnlyListedHostsMayBeCalled) {
  const std::vector<std::string> hosts = {"ci.example.org", "10.0.0.5:8080", "*.int.example",
                                          "[::1]:9000"};
  const struct {
    const char* url;
    bool allowed;
  } cases[] = {
      {"http://ci.example.org/done", true},
      {"HTTPS://CI.example.ORG", true},
      {"https://ci.example.org:8443/x?y#z", true},  // any port
      {"http://10.0.0.5:8080/", true},
      {"http://10.0.0.5/", false},
      {"http://10.0.0.5:80/", false},
      {"http://a.int.example/", true},
      {"http://a.b.int.example/", true},
      {"http://int.example/", false},
      {"http://xint.example/", false},
      {"http://[::1]:9000/", true},
      {"http://[::1]/", false},
      {"http://evil.example/ci.example.org", false},
      {"http://ci.example.org.evil.example/", false},
      {"http://ci.example.org@evil.example/", false},
      {"http://evil.example\\@ci.example.org/", false},
      {"http://evil.example#@ci.example.org/", false},
      {"http://ci.example.org:80:80/", false},
      {"http://ci.example.org:x/", false},
      {"http://ci%2eexample.org/", false},
      {"http://ci.example.org./", false},
      {"http:///ci.example.org", false},
      {"ftp://ci.example.org/", false},
      {"//ci.example.org/", false},
      {"ci.example.org", false},
      {"http://ci.example.org/ x", false},
      {"http://ci.example.org/\r\nX: y", false},
      {"", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(callback_problem(c.url, hosts).empty(), c.allowed) << c.url;
  }
  EXPECT_NE(callback_problem("http://ci.example.org/", {}), "");
  EXPECT_EQ(callback_problem("http://anywhere.example/", {"*"}), "");
  EXPECT_NE(callback_problem("http://h/" + std::string(3000, 'a'), {"*"}), "");
}

TEST(RateLimiter, EachKeyHasABurstAndThenTheRate) {
  RateLimiter limiter(2, 3);
  SteadyTime now{};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take("a", now)) << i;
  EXPECT_EQ(limiter.take("a", now), 1s);
  EXPECT_FALSE(limiter.take("b", now));
  EXPECT_FALSE(limiter.take("a", now + 500ms));
  EXPECT_EQ(limiter.take("a", now + 500ms), 1s);
  EXPECT_FALSE(RateLimiter(0, 1).take("a", now));
  RateLimiter slow(0.01, 1);
  EXPECT_FALSE(slow.take("a", now));
  EXPECT_EQ(slow.take("a", now), 100s);
}

TEST(RateLimiter, ManyKeysDoNotGrowIt) {
  RateLimiter limiter(0.001, 1, 4);
  SteadyTime now{};
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limiter.take(std::to_string(i), now));
}

TEST(SenderId, ComesFromTheFirstHeaderThatIsThere) {
  EXPECT_EQ(sender_id({{"idempotency-key", "3"}, {"x-github-delivery", "2"}}), "2");
  EXPECT_EQ(sender_id({{"X-GitHub-Delivery", "2"}, {"X-DELIVERY-ID", "1"}}), "1");
  EXPECT_EQ(sender_id({{"X-Delivery-ID", ""}, {"Webhook-Id", "w"}}), "w");
  EXPECT_EQ(sender_id({{"X-Request-ID", "r"}}), "");
}

}  // namespace
}  // namespace millrace::delivery
