#include "local/apiserver/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/client.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/http/loop.h"
#include "local/apiserver/api.h"
#include "local/apiserver/certificate.h"
#include "tests/unit/apiserver/raw_connection.h"

namespace millrace::apiserver {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kToken = "right-token";
const std::string kBearer = std::string("Authorization: Bearer ") + kToken + "\r\n";

/// A stream that the test feeds. It outlives the server's end of it.
struct Feed {
  std::mutex mutex;
  std::condition_variable changed;
  std::string text;      ///< not taken yet
  bool endless = false;  ///< there is always more
  bool ended = false;
  bool gone = false;  ///< the server dropped its end
  std::size_t taken = 0;
  std::function<void()> ready;

  void put(std::string_view more) {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex);
      text += more;
      wake = ready;
    }
    if (wake) wake();
  }
  void end() {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex);
      ended = true;
      wake = ready;
    }
    if (wake) wake();
  }
  bool wait_gone() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, seconds(10), [&] { return gone; });
  }
};

class FeedStream final : public Stream {
 public:
  explicit FeedStream(Feed& feed) : feed_(feed) {}
  ~FeedStream() override {
    const std::lock_guard lock(feed_.mutex);
    feed_.gone = true;
    feed_.ready = nullptr;
    feed_.changed.notify_all();
  }
  std::string take(std::size_t limit) override {
    const std::lock_guard lock(feed_.mutex);
    std::string out = feed_.endless ? std::string(limit, 'x') : feed_.text.substr(0, limit);
    feed_.text.erase(0, std::min(feed_.text.size(), out.size()));
    feed_.taken += out.size();
    return out;
  }
  bool ended() const override {
    const std::lock_guard lock(feed_.mutex);
    return feed_.ended && feed_.text.empty() && !feed_.endless;
  }
  void on_ready(std::function<void()> ready) override {
    const std::lock_guard lock(feed_.mutex);
    feed_.ready = std::move(ready);
  }

 private:
  Feed& feed_;
};

/// A server whose handler says what it was asked; "/stream" gives the feed.
class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    const std::vector<std::string> names = {"127.0.0.1", "localhost"};
    authority_ = make_authority(clock_.now()).value();
    const auto own = make_server_certificate(authority_, names, clock_.now()).value();
    options_.token = kToken;
    options_.certificate = own.certificate;
    options_.private_key = own.private_key;
    options_.body_limit = 1000;
    options_.header_limit = 4096;
  }

  Server& server() {
    if (!server_) {
      auto started =
          Server::start([this](const Request& r) { return answer(r); }, options_, clock_, log_);
      if (!started.ok()) throw BugError(started.error().message);
      server_ = *std::move(started);
    }
    return *server_;
  }

  Response answer(const Request& request) {
    ++requests_;
    Response response;
    if (request.path == "/stream") {
      response.stream = std::make_unique<FeedStream>(feed_);
      return response;
    }
    response.content_type = "text/plain";
    response.body = request.method + " " + request.path;
    for (const auto& [name, value] : request.query) response.body += " " + name + "=" + value;
    if (!request.body.empty()) response.body += " [" + request.body + "]";
    if (request.path == "/header") response.headers = {{"Warning", "299 - \"a\r\nb: c\""}};
    return response;
  }

  /// One exchange on a connection of its own, which the client asks to be closed.
  std::string exchange(const std::string& line, const std::string& more = kBearer) {
    RawConnection raw(server().address());
    raw.send(line + "\r\nHost: x\r\nConnection: close\r\n" + more + "\r\n");
    return raw.read_all();
  }

  const SystemClock clock_;
  const Logger log_{stderr_sink(), LogLevel::Off};
  CertificatePair authority_;
  ServerOptions options_;
  Feed feed_;
  std::atomic<int> requests_{0};
  std::unique_ptr<Server> server_;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(ServerTest, ServesOurClient) {
  client::ClientConfig config;
  config.server = "https://" + server().address();
  config.ca = authority_.certificate;
  config.token = kToken;
  client::Credentials credentials(config, {}, clock_);
  http::Loop loop(client::loop_options(config));
  MetricsRegistry metrics;
  client::Client api(config, credentials, loop, metrics, log_, "test");
  EXPECT_EQ(api.raw_get("/a%2Fb/c?x=1&y=a%20b+c", {}).value(), "GET /a/b/c x=1 y=a b c");

  auto logs = api.pod_logs({"ns", "stream"}, {}, {});
  ASSERT_TRUE(logs.ok());
  EXPECT_EQ((*logs)->read(clock_.steady() + seconds(10)).value(),
            "GET /api/v1/namespaces/ns/pods/stream/log");
}

TEST_F(ServerTest, NeedsTheToken) {
  const std::string refused =
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
      R"("message":"Unauthorized","reason":"Unauthorized","code":401})";
  const struct {
    const char* name;
    const char* path;
    std::string header;
    bool let_in;
  } cases[] = {
      {"the token", "/api", kBearer, true},
      {"the scheme in any case", "/api", std::string("authorization: bEARER ") + kToken + "\r\n",
       true},
      {"none", "/api", "", false},
      {"a wrong one", "/api", "Authorization: Bearer wrong-token\r\n", false},
      {"the beginning of it", "/api", "Authorization: Bearer right\r\n", false},
      {"more than it", "/api", std::string("Authorization: Bearer ") + kToken + "x\r\n", false},
      {"another scheme", "/api", std::string("Authorization: Basic ") + kToken + "\r\n", false},
      {"none for health", "/readyz?verbose", "", true},
      {"none for the version", "/version", "", true},
      {"a wrong one for health", "/readyz", "Authorization: Bearer wrong\r\n", false},
      {"none for what looks like health", "/readyz/../api", "", false},
  };
  for (const auto& c : cases) {
    const std::string got = exchange(std::string("GET ") + c.path + " HTTP/1.1", c.header);
    EXPECT_TRUE(has(got, c.let_in ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 401 Unauthorized\r\n"))
        << c.name << ": " << got;
    EXPECT_EQ(has(got, refused), !c.let_in) << c.name;
  }
}

TEST_F(ServerTest, ReadsNoBodyOfStrangers) {
  RawConnection raw(server().address());
  raw.send("POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
  EXPECT_TRUE(has(raw.read_all(), "401"));  // and closed, without a byte of the body
  EXPECT_EQ(requests_, 0);
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  RawConnection raw(server().address());
  raw.send("GET /1 HTTP/1.1\r\nHost: x\r\n" + kBearer +
           "\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" + kBearer +
           "\r\nbodyGET /3 HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  EXPECT_TRUE(raw.read_answer().ends_with("\r\n\r\nGET /1"));
  EXPECT_TRUE(raw.read_answer().ends_with("\r\n\r\nPOST /2 [body]"));
  EXPECT_TRUE(raw.read_answer().ends_with("\r\n\r\nGET /3"));
}

TEST_F(ServerTest, KnowsTheFormsOfHttp) {
  const std::string old = exchange("GET /old HTTP/1.0");
  EXPECT_TRUE(has(old, "HTTP/1.0 200 OK") && has(old, "Connection: close")) << old;
  const std::string head = exchange("HEAD /head HTTP/1.1");
  EXPECT_TRUE(has(head, "Content-Length: 9\r\n") && head.ends_with("\r\n\r\n")) << head;
  const std::string options = exchange("OPTIONS /o HTTP/1.1");
  EXPECT_TRUE(options.ends_with("OPTIONS /o")) << options;
  const std::string chunked =
      exchange("POST /c HTTP/1.1",
               kBearer + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n");
  EXPECT_TRUE(chunked.ends_with("POST /c [abcde]")) << chunked;
  const std::string split = exchange("GET /header HTTP/1.1");
  EXPECT_TRUE(has(split, "Warning: 299 - \"a  b: c\"\r\n")) << split;
}

TEST_F(ServerTest, AsksForABodyThatWaits) {
  RawConnection raw(server().address());
  raw.send("POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" +
           kBearer + "\r\n");
  EXPECT_EQ(raw.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("ok");
  EXPECT_TRUE(raw.read_answer().ends_with("POST /p [ok]"));
}

TEST_F(ServerTest, RefusesWhatIsTooMuchOrWrong) {
  const std::string big(2000, 'b');
  const struct {
    const char* name;
    std::string text;
    const char* want;
  } cases[] = {
      {"long body",
       "POST / HTTP/1.1\r\nHost: x\r\n" + kBearer + "Content-Length: 2000\r\n\r\n" + big,
       "413 Request Entity Too Large"},
      {"long chunked body",
       "POST / HTTP/1.1\r\nHost: x\r\n" + kBearer + "Transfer-Encoding: chunked\r\n\r\n7d0\r\n" +
           big + "\r\n0\r\n\r\n",
       "Request entity too large: limit is 1000"},
      {"long headers", "GET / HTTP/1.1\r\nA: " + std::string(9000, 'a') + "\r\n\r\n",
       "431 Request Header Fields Too Large"},
      {"no HTTP", "hello\r\n\r\n", "400 Bad Request"},
      {"a bad length", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400 Bad Request"},
      {"two lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
       "400 Bad Request"},
      {"a bad escape", "GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + kBearer + "\r\n",
       "bad escape"},
      {"a NUL byte", "GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + kBearer + "\r\n",
       "NUL byte"},
      {"bytes that are no text",
       "GET /%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + kBearer + "\r\n", "not UTF-8"},
      {"no path", "GET x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + kBearer + "\r\n",
       "does not begin with '/'"},
  };
  for (const auto& c : cases) {
    RawConnection raw(server().address());
    raw.send(c.text);
    const std::string got = raw.read_all();
    EXPECT_TRUE(has(got, c.want)) << c.name << ": " << got;
    EXPECT_TRUE(has(got, R"("kind":"Status")")) << c.name << ": " << got;
  }
  EXPECT_EQ(requests_, 0);
  EXPECT_TRUE(has(exchange("GET /still HTTP/1.1"), "GET /still"));
}

TEST_F(ServerTest, TellsPlainHttpWhatItIs) {
  RawConnection raw(server().address(), Layer::Plain);
  raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(has(raw.read_all(), "HTTP request to an HTTPS server"));
}

TEST_F(ServerTest, CutsSlowClientsAndNobodyElse) {
  // Long enough for the handshakes of a busy machine.
  options_.head_timeout = milliseconds(400);
  options_.body_timeout = milliseconds(50);
  options_.threads = 1;
  RawConnection silent(server().address(), Layer::Plain);  // never begins its handshake
  RawConnection head(server().address());
  head.send("GET / HT");
  RawConnection body(server().address());
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" + kBearer + "\r\nab");
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_EQ(head.read_all(), "");
  EXPECT_EQ(body.read_all(), "");
  EXPECT_TRUE(has(exchange("GET /quick HTTP/1.1"), "GET /quick"));
}

TEST_F(ServerTest, AnswersClientsThatSendNoMore) {
  RawConnection raw(server().address());
  raw.send("GET /half HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  raw.finish_sending();
  EXPECT_TRUE(has(raw.read_answer(), "GET /half"));
}

TEST_F(ServerTest, StreamsWhatComesAndGoesOnAfterwards) {
  RawConnection raw(server().address());
  raw.send("GET /stream HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  EXPECT_TRUE(has(raw.read_until("\r\n\r\n"), "Transfer-Encoding: chunked"));
  feed_.put("one");
  EXPECT_EQ(raw.read_until("one\r\n"), "3\r\none\r\n");
  feed_.put("three");
  EXPECT_EQ(raw.read_until("three\r\n"), "5\r\nthree\r\n");
  feed_.end();
  EXPECT_EQ(raw.read_until("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_TRUE(feed_.wait_gone());
  raw.send("GET /next HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  EXPECT_TRUE(raw.read_answer().ends_with("GET /next"));
}

TEST_F(ServerTest, LosesNothingOfAStreamThatIsFedWhileItIsSent) {
  RawConnection raw(server().address());
  raw.send("GET /stream HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  raw.read_until("\r\n\r\n");
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) feed_.put("x");
    feed_.put("end");  // the last of a round, so that one wake that is lost is not made up for
    const std::string got = raw.read_until("end\r\n");
    ASSERT_EQ(std::count(got.begin(), got.end(), 'x'), 50) << got;
  }
}

TEST_F(ServerTest, StreamsToOldClientsUntilItCloses) {
  feed_.text = "all of it";
  feed_.ended = true;
  const std::string got = exchange("GET /stream HTTP/1.0");
  EXPECT_TRUE(has(got, "HTTP/1.0 200") && got.ends_with("\r\n\r\nall of it")) << got;
}

TEST_F(ServerTest, KeepsARequestThatComesDuringAStream) {
  RawConnection raw(server().address());
  raw.send("GET /stream HTTP/1.1\r\nHost: x\r\n" + kBearer +
           "\r\nGET /after HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  raw.read_until("\r\n\r\n");
  feed_.end();
  raw.read_until("0\r\n\r\n");
  EXPECT_TRUE(raw.read_answer().ends_with("GET /after"));
}

TEST_F(ServerTest, DropsTheStreamOfAClientThatIsGone) {
  {
    RawConnection raw(server().address());
    raw.send("GET /stream HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
    raw.read_until("\r\n\r\n");
  }
  EXPECT_TRUE(feed_.wait_gone());
}

TEST_F(ServerTest, TakesNoMoreThanTheClientReads) {
  feed_.endless = true;
  options_.threads = 1;
  RawConnection raw(server().address());
  raw.send("GET /stream HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  raw.read_until("\r\n\r\n");
  // Each of these gives the thread a chance to take more.
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(has(exchange("GET /x HTTP/1.1"), "GET /x"));
  const std::lock_guard lock(feed_.mutex);
  EXPECT_GT(feed_.taken, 0U);
  EXPECT_LT(feed_.taken, std::size_t{12} << 20);  // the sockets' buffers and a piece
}

TEST_F(ServerTest, StopsWithinASecondWhateverIsOpen) {
  Feed stuck;
  RawConnection idle(server().address());
  RawConnection half(server().address());
  half.send("GET / HT");
  RawConnection watch(server().address());
  watch.send("GET /stream HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  watch.read_until("\r\n\r\n");
  const auto before = std::chrono::steady_clock::now();
  server().stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(1));
  EXPECT_TRUE(feed_.gone);
  EXPECT_EQ(watch.read_all(), "0\r\n\r\n");  // a clean end, no cut
  EXPECT_EQ(idle.read_all(), "");
  server().stop();
}

TEST_F(ServerTest, StopsWithAClientThatDoesNotRead) {
  feed_.endless = true;
  RawConnection raw(server().address());
  raw.send("GET /stream HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  raw.read_until("\r\n\r\n");
  for (int i = 0; i < 100; ++i) exchange("GET /x HTTP/1.1");
  const auto before = std::chrono::steady_clock::now();
  server().stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(1));
  EXPECT_TRUE(feed_.gone);
}

TEST_F(ServerTest, MakesRoomByClosingIdleConnections) {
  options_.most_connections = 2;
  options_.threads = 1;
  RawConnection first(server().address());
  first.send("GET /1 HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  first.read_answer();
  RawConnection second(server().address());
  second.send("GET /2 HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
  second.read_answer();
  EXPECT_TRUE(has(exchange("GET /3 HTTP/1.1"), "GET /3"));
  EXPECT_EQ(first.read_all(), "");  // the one that was idle longest
}

TEST_F(ServerTest, ManyClientsAtOnce) {
  server();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      RawConnection raw(server_->address());
      for (int i = 0; i < 50; ++i) {
        raw.send("GET /n HTTP/1.1\r\nHost: x\r\n" + kBearer + "\r\n");
        if (raw.read_answer().ends_with("GET /n")) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  const std::string taken = server().address();
  const struct {
    const char* name;
    std::string address;
    Code code;
    const char* want;
  } cases[] = {
      {"taken", taken, Code::Unavailable, "end what uses port"},
      {"not of this machine", "192.0.2.1:0", Code::Unavailable, "an address of this machine"},
      {"no port", "127.0.0.1", Code::Invalid, "expected ADDRESS:PORT"},
      {"a port too high", "127.0.0.1:70000", Code::Invalid, "expected ADDRESS:PORT"},
      {"no brackets", "::1:80", Code::Invalid, "expected ADDRESS:PORT"},
      {"nothing", "", Code::Invalid, "expected ADDRESS:PORT"},
  };
  for (const auto& c : cases) {
    options_.address = c.address;
    const auto started =
        Server::start([this](const Request& r) { return answer(r); }, options_, clock_, log_);
    ASSERT_FALSE(started.ok()) << c.name;
    EXPECT_EQ(started.error().code, c.code) << c.name;
    EXPECT_TRUE(has(started.error().message, c.want)) << c.name << ": " << started.error().message;
  }
}

}  // namespace
}  // namespace millrace::apiserver
