#include "operator/gateway/gateway.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace millrace::gateway {
namespace {

using namespace std::chrono_literals;

/// Swallows log lines; the gateway may log from its thread.
class NullSink final : public LogSink {
 public:
  void write(const std::string&) override {}
};

/// A raw client socket with a deadline on every read, so that a broken server fails the test
/// instead of hanging it.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void end_sending() const { ::shutdown(fd_, SHUT_WR); }

  /// One more piece, or "" at the end of the stream, a reset or after 20 s.
  std::string read_some() const {
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, 20'000) != 1) return "";
    char data[4096];
    const ssize_t n = ::recv(fd_, data, sizeof data, 0);
    return n > 0 ? std::string(data, static_cast<std::size_t>(n)) : "";
  }
  std::string read_until_closed() const {
    std::string all;
    for (std::string piece = read_some(); !piece.empty(); piece = read_some()) all += piece;
    return all;
  }
  /// Up to and including `end`.
  std::string read_until(std::string_view end) const {
    std::string all;
    while (all.find(end) == std::string::npos) {
      const std::string piece = read_some();
      if (piece.empty()) break;
      all += piece;
    }
    return all;
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::string request(std::string_view method, std::string_view target,
                    std::string_view headers = "") {
  return std::string(method) + " " + std::string(target) +
         " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n" + std::string(headers) + "\r\n";
}

class GatewayTest : public testing::Test {
 protected:
  void start(GatewayOptions options = {}) {
    options.host = "127.0.0.1";
    std::vector<Route> routes = operator_routes(
        registry_, [this] { return health_.load() ? Result<>{} : fail(Code::Bug, "stuck"); },
        [this]() -> Result<> {
          if (!ready_) return fail(Code::Unavailable, "the cache of pods has not synced");
          return {};
        });
    routes.push_back({"/big", [] { return Response{.body = std::string(4'000'000, 'x')}; }});
    auto started = Gateway::start(options, std::move(routes), log_);
    ASSERT_TRUE(started.ok()) << started.error().message;
    gateway_ = *std::move(started);
  }
  std::string ask(std::string_view text) const {
    const Client client(gateway_->port());
    client.send(text);
    return client.read_until_closed();
  }

  NullSink sink_;
  Logger log_{sink_};
  MetricsRegistry registry_;
  std::atomic<bool> health_{true};
  std::atomic<bool> ready_{true};
  std::unique_ptr<Gateway> gateway_;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find("\r\n")); }
std::string body_of(const std::string& text) {
  const std::size_t end = text.find("\r\n\r\n");
  return end == std::string::npos ? "" : text.substr(end + 4);
}

TEST_F(GatewayTest, AnswersByMethodAndPath) {
  registry_.counter("mr_things_total", "Things.").add(3);
  start();
  const struct {
    const char* name;
    std::string send;
    const char* status;
    const char* contains;
  } cases[] = {
      {"metrics", request("GET", "/metrics"), "HTTP/1.1 200 OK", "mr_things_total 3"},
      {"metrics are typed", request("GET", "/metrics"), "HTTP/1.1 200 OK", "version=0.0.4"},
      {"health", request("GET", "/healthz"), "HTTP/1.1 200 OK", "\r\n\r\nok\n"},
      {"readiness", request("GET", "/readyz"), "HTTP/1.1 200 OK", "\r\n\r\nok\n"},
      {"query is not the path", request("GET", "/readyz?verbose=1"), "HTTP/1.1 200 OK", "ok\n"},
      {"unknown path", request("GET", "/pods"), "HTTP/1.1 404 Not Found", "\"/metrics\""},
      {"unknown path is JSON", request("GET", "/"), "HTTP/1.1 404 Not Found",
       "Content-Type: application/json"},
      {"a longer path", request("GET", "/metricsx"), "HTTP/1.1 404 Not Found", "no such path"},
      {"post", request("POST", "/metrics", "Content-Length: 2\r\n") + "{}",
       "HTTP/1.1 405 Method Not Allowed", "Allow: GET, HEAD"},
      {"delete", request("DELETE", "/healthz"), "HTTP/1.1 405 Method Not Allowed", "only GET"},
      {"a method of nobody", request("BREW", "/healthz"), "HTTP/1.1 405 Method Not Allowed",
       "only GET"},
      {"not HTTP", "\x16\x03\x01 hello\r\n\r\n", "HTTP/1.1 400 Bad Request", "not an HTTP/1.1"},
      {"HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK", "ok\n"},
      {"huge header", request("GET", "/healthz", "X-A: " + std::string(100'000, 'a') + "\r\n"),
       "HTTP/1.1 431 Request Header Fields Too Large", "headers are too large"},
      {"huge target", request("GET", "/" + std::string(100'000, 'a')),
       "HTTP/1.1 431 Request Header Fields Too Large", "headers are too large"},
      {"huge body", request("POST", "/healthz", "Content-Length: 100000\r\n"),
       "HTTP/1.1 413 Payload Too Large", "body is too large"},
      {"huge chunked body",
       request("POST", "/healthz", "Transfer-Encoding: chunked\r\n") + "10000\r\n" +
           std::string(0x10000, 'b') + "\r\n0\r\n\r\n",
       "HTTP/1.1 413 Payload Too Large", "body is too large"},
  };
  for (const auto& c : cases) {
    const std::string got = ask(c.send);
    EXPECT_EQ(first_line(got), c.status) << c.name;
    EXPECT_NE(got.find(c.contains), std::string::npos) << c.name << ": " << got.substr(0, 500);
  }
}

TEST_F(GatewayTest, HeadHasTheLengthButNoBody) {
  start();
  const std::string got = ask(request("HEAD", "/healthz"));
  EXPECT_EQ(first_line(got), "HTTP/1.1 200 OK");
  EXPECT_NE(got.find("Content-Length: 3\r\n"), std::string::npos) << got;
  EXPECT_EQ(body_of(got), "");
}

TEST_F(GatewayTest, AFailedCheckIs503WithItsReason) {
  start();
  ready_ = false;
  std::string got = ask(request("GET", "/readyz"));
  EXPECT_EQ(first_line(got), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(body_of(got), "the cache of pods has not synced\n");
  EXPECT_EQ(first_line(ask(request("GET", "/healthz"))), "HTTP/1.1 200 OK");
  health_ = false;
  ready_ = true;
  EXPECT_EQ(body_of(ask(request("GET", "/healthz"))), "stuck\n");
  EXPECT_EQ(body_of(ask(request("GET", "/readyz"))), "ok\n");
}

TEST_F(GatewayTest, KeepsAConnectionForSeveralRequests) {
  start();
  const Client client(gateway_->port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    EXPECT_NE(client.read_until("ok\n").find("200 OK"), std::string::npos) << i;
  }
  client.send("GET /healthz HTTP/1.1\r\n\r\nGET /readyz HTTP/1.1\r\n\r\n");  // pipelined
  std::string both = client.read_until("ok\n");
  if (both.rfind("ok\n") == both.find("ok\n")) both += client.read_until("ok\n");
  EXPECT_NE(both.find("ok\n"), both.rfind("ok\n")) << both;
}

TEST_F(GatewayTest, ARequestInSinglePiecesIsServed) {
  start();
  const Client client(gateway_->port());
  for (const char c : request("GET", "/healthz")) client.send({&c, 1});
  EXPECT_EQ(first_line(client.read_until_closed()), "HTTP/1.1 200 OK");
}

TEST_F(GatewayTest, ClientsThatGoAwayLeaveNothingBehind) {
  start();
  for (int i = 0; i < 200; ++i) {
    const Client client(gateway_->port());
    client.send(i % 2 == 0 ? "GET /hea" : "GET /big HTTP/1.1\r\n\r\n");
  }
  EXPECT_EQ(first_line(ask(request("GET", "/healthz"))), "HTTP/1.1 200 OK");
}

TEST_F(GatewayTest, AHalfRequestIsClosedAtItsDeadline) {
  start({.request_timeout = 50ms});
  const Client slow(gateway_->port());
  slow.send("GET /metrics HTTP/1.1\r\nX-Slow: ");
  EXPECT_EQ(slow.read_until_closed(), "");  // the server closes; nothing else ends this read
  const Client silent(gateway_->port());
  EXPECT_EQ(silent.read_until_closed(), "");
}

TEST_F(GatewayTest, AnIdleConnectionIsClosedAtItsDeadline) {
  start({.idle_timeout = 50ms});
  const Client client(gateway_->port());
  client.send("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(body_of(client.read_until_closed()), "ok\n");
}

TEST_F(GatewayTest, ACrowdOfSilentClientsDoesNotLockOutAProbe) {
  start({.max_connections = 8, .request_timeout = 60s});
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 50; ++i) {
    crowd.push_back(std::make_unique<Client>(gateway_->port()));
    ASSERT_TRUE(crowd.back()->connected()) << i;
    crowd.back()->send("GET /healthz HT");
  }
  EXPECT_EQ(first_line(ask(request("GET", "/healthz"))), "HTTP/1.1 200 OK");
  EXPECT_EQ(crowd.front()->read_until_closed(), "");  // the oldest made place
}

TEST_F(GatewayTest, AClientThatDoesNotReadIsClosedAtItsDeadline) {
  start({.write_timeout = 50ms});
  const Client lazy(gateway_->port());
  // Far more than the socket buffers hold, and only one response of the queue is ever written.
  for (int i = 0; i < 20; ++i) lazy.send("GET /big HTTP/1.1\r\n\r\n");
  EXPECT_EQ(first_line(ask(request("GET", "/healthz"))), "HTTP/1.1 200 OK");
}

TEST_F(GatewayTest, StopsWhileServing) {
  start({.stop_grace = 50ms});
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([this, &answered] {
      for (;;) {
        const Client client(gateway_->port());
        client.send(request("GET", "/healthz"));
        if (client.read_until_closed().empty()) return;  // stopped
        ++answered;
        answered.notify_all();
      }
    });
  }
  const Client half(gateway_->port());
  half.send("GET /he");
  const Client unread(gateway_->port());
  unread.send("GET /big HTTP/1.1\r\n\r\n");
  answered.wait(0);
  gateway_->stop();
  gateway_->stop();  // again is harmless
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(half.read_until_closed(), "");
  EXPECT_GT(answered.load(), 0);
  const std::uint16_t port = gateway_->port();
  gateway_.reset();
  EXPECT_FALSE(Client(port).connected());
}

TEST_F(GatewayTest, PortZeroGivesAFreePortAndATakenOneIsAnError) {
  start();
  EXPECT_NE(gateway_->port(), 0);
  const auto second = Gateway::start({.host = "127.0.0.1", .port = gateway_->port()}, {}, log_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::Unavailable);
  EXPECT_EQ(second.error().message,
            "cannot listen on \"127.0.0.1:" + std::to_string(gateway_->port()) +
                "\": Address already in use");
}

TEST_F(GatewayTest, WrongHostsAreErrors) {
  const auto unknown = Gateway::start({.host = "no such host"}, {}, log_);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Code::Invalid);
  EXPECT_NE(unknown.error().message.find("no such host"), std::string::npos);
  const auto foreign = Gateway::start({.host = "192.0.2.1"}, {}, log_);  // TEST-NET-1
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().code, Code::Unavailable);
}

TEST_F(GatewayTest, AnEmptyHostListensOnEveryInterface) {
  auto started =
      Gateway::start({},
                     operator_routes(
                         registry_, [] { return Result<>{}; }, [] { return Result<>{}; }),
                     log_);
  ASSERT_TRUE(started.ok()) << started.error().message;
  gateway_ = *std::move(started);
  EXPECT_EQ(body_of(ask(request("GET", "/healthz"))), "ok\n");  // IPv4 reaches it too
}

}  // namespace
}  // namespace millrace::gateway
