// HTTP/2 against nghttpd (Debian: nghttp2-server), which serves files of a temporary folder.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "kubeclient/http/loop.h"
#include "tests/support/test_certificates.h"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;

SteadyTime in(Duration time) { return std::chrono::steady_clock::now() + time; }

Request get(const std::string& url) { return {.method = Method::Get, .url = url, .headers = {}}; }

std::string find_nghttpd() {
  for (const char* path : {"/usr/sbin/nghttpd", "/usr/bin/nghttpd", "/usr/local/bin/nghttpd"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return "";
}

int free_port() {
  const int socket_fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket_fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(socket_fd);
  return ntohs(address.sin_port);
}

class Http2 : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string program = find_nghttpd();
    if (program.empty()) GTEST_SKIP() << "nghttpd is not installed (Debian: nghttp2-server)";
    char folder[] = "/tmp/millrace-h2-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    const auto certificate = support::issue(authority_, {.ips = {"127.0.0.1"}});
    write("cert.pem", certificate.certificate);
    write("key.pem", certificate.key);
    write("small", "small");
    write("big", std::string(big_size, 'x'));
    port_ = free_port();
    // Port zero would be better, but nghttpd does not tell which one it got.
    const std::vector<std::string> words = {program,
                                            "--address=127.0.0.1",
                                            "--htdocs=" + folder_,
                                            std::to_string(port_),
                                            folder_ + "/key.pem",
                                            folder_ + "/cert.pem"};
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ASSERT_EQ(::posix_spawn(&child_, program.c_str(), &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    wait_until_up();
  }

  void TearDown() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void wait_until_up() {
    Loop loop(options());
    std::string last;
    for (const SteadyTime until = in(20s); std::chrono::steady_clock::now() < until;) {
      const auto answer = loop.call(get(url("small")), {}, in(5s));
      if (answer.ok()) return;
      // Refusals are to be expected until it listens; anything else is worth reading.
      if (answer.error().code != Code::Unavailable) std::cerr << answer.error().message << '\n';
      last = answer.error().message;
    }
    FAIL() << "nghttpd did not come up: " << last;
  }

  LoopOptions options() const {
    return {.tls = {.ca = authority_.certificate, .certificate = {}, .key = {}},
            .stream_buffer = 1 << 20};
  }
  std::string url(const std::string& file) const {
    return "https://127.0.0.1:" + std::to_string(port_) + "/" + file;
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
  }

  static constexpr std::size_t big_size = std::size_t{40} << 20;
  support::TestCertificate authority_ = support::make_authority("h2");
  std::string folder_;
  int port_ = 0;
  pid_t child_ = 0;
};

TEST_F(Http2, SharesOneConnection) {
  Loop loop(options());
  std::atomic<int> good{0};
  std::atomic<int> connections{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const auto answer = loop.call(get(url("small")), {}, in(20s));
          if (!answer.ok()) continue;
          connections += answer->connections;
          if (answer->body == "small" && answer->head.http_version == 2) ++good;
        }
      });
    }
  }
  EXPECT_EQ(good, 400);
  EXPECT_EQ(connections, 1);
}

// With libcurl 7.88 an answer could lie unread until an unrelated timer ran out (10 s), when
// another transfer began in the same moment.
TEST_F(Http2, NoAnswerWaitsForATimer) {
  std::atomic<int> good{0};
  for (int round = 0; round < 20; ++round) {
    Loop loop(options());
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) good += loop.call(get(url("small")), {}, in(8s)).ok() ? 1 : 0;
      });
    }
    threads.clear();  // joins, before the loop goes
  }
  EXPECT_EQ(good, 20 * 16 * 10);
}

TEST_F(Http2, SendsBodies) {
  Loop loop(options());
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{2} << 20}) {
    const auto answer = loop.call({.method = Method::Post,
                                   .url = url("small"),
                                   .headers = {"Content-Type: application/json"},
                                   .body = std::string(size, 'x')},
                                  {}, in(20s));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->head.http_version, 2);
    EXPECT_EQ(answer->head.status, 200);
  }
}

TEST_F(Http2, StreamsABigAnswerThroughASmallBuffer) {
  Loop loop(options());
  const auto stream = loop.open(get(url("big")), {}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ((*stream)->head().http_version, 2);
  std::size_t got = 0;
  while (true) {
    const auto piece = (*stream)->read(in(10s));
    ASSERT_TRUE(piece.ok()) << piece.error().message << " after " << got;
    if (piece->empty()) break;
    got += piece->size();
  }
  EXPECT_EQ(got, big_size);
}

TEST_F(Http2, APausedStreamDoesNotStopTheOthers) {
  Loop loop(options());
  const auto paused = loop.open(get(url("big")), {}, {}, in(10s));
  ASSERT_TRUE(paused.ok()) << paused.error().message;
  for (int i = 0; i < 200; ++i) {
    const auto answer = loop.call(get(url("small")), {}, in(5s));
    ASSERT_TRUE(answer.ok()) << i << ": " << answer.error().message;
    EXPECT_EQ(answer->head.http_version, 2);
  }
  std::size_t got = 0;
  while (true) {
    const auto piece = (*paused)->read(in(10s));
    ASSERT_TRUE(piece.ok()) << piece.error().message << " after " << got;
    if (piece->empty()) break;
    got += piece->size();
  }
  EXPECT_EQ(got, big_size);
}

TEST_F(Http2, CancellingOneStreamLeavesTheConnection) {
  Loop loop(options());
  ASSERT_TRUE(loop.call(get(url("small")), {}, in(10s)).ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(loop.open(get(url("big")), {}, {}, in(10s)).ok());  // destroyed at once
  }
  const auto answer = loop.call(get(url("small")), {}, in(10s));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->connections, 0) << "no new connection";
}

TEST_F(Http2, SeesTheServerDie) {
  Loop loop(options());
  const auto stream = loop.open(get(url("big")), {}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = 0;
  Code code = Code::Bug;
  while (code == Code::Bug) {
    const auto piece = (*stream)->read(in(10s));
    if (!piece.ok()) code = piece.error().code;
    ASSERT_TRUE(!piece.ok() || !piece->empty()) << "a clean end would be a lie";
  }
  EXPECT_EQ(code, Code::Unavailable);
  EXPECT_EQ(loop.call(get(url("small")), {}, in(10s)).error().code, Code::Unavailable);
}

}  // namespace
}  // namespace millrace::http
