#include <gtest/gtest.h>

#include <thread>

#include "kubeclient/http/loop.h"
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

/// Read until the clean end, or give the error.
Result<std::string> read_all(Stream& stream) {
  std::string all;
  while (true) {
    MR_ASSIGN(const std::string piece, stream.read(in(10s)));
    if (piece.empty()) return all;
    all += piece;
  }
}

TEST(Stream, DeliversOddPiecesWithoutLoss) {
  std::string sent;
  for (int i = 0; i < 500; ++i) sent += "{\"line\":" + std::to_string(i) + "}\n";
  const ScriptedServer server([&](const Received&, Peer& peer) {
    peer.begin_chunked(200, {"Content-Type: application/json"});
    for (std::size_t at = 0, size = 1; at < sent.size(); at += size, size = size % 97 + 1) {
      peer.chunk(sent.substr(at, size));
    }
    peer.end_chunked();
  });
  Loop loop({});
  const auto stream = loop.open(get(server.url()), {}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ((*stream)->head().status, 200);
  EXPECT_EQ((*stream)->head().content_type, "application/json");
  const auto got = read_all(**stream);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(*got, sent);
  EXPECT_EQ((*stream)->read(in(10s)).value(), "") << "the end stays the end";
}

TEST(Stream, DeliversWhatCameAtOnce) {
  Gate read_first;
  const ScriptedServer server([&](const Received&, Peer& peer) {
    peer.begin_chunked(200);
    peer.chunk("first");
    read_first.wait();
    peer.chunk("second");
    peer.end_chunked();
  });
  Loop loop({});
  const auto stream = loop.open(get(server.url()), {}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ((*stream)->read(in(10s)).value(), "first");
  EXPECT_EQ((*stream)->read(in(10ms)).error().code, Code::Timeout) << "the stream lives on";
  read_first.open();
  EXPECT_EQ((*stream)->read(in(10s)).value(), "second");
  EXPECT_EQ((*stream)->read(in(10s)).value(), "");
}

TEST(Stream, PausesAFastServerAndLosesNothing) {
  constexpr int kChunks = 400;
  const std::string chunk(64 << 10, 'x');  // 25 MiB in all
  std::atomic<int> sent{0};
  const ScriptedServer server([&](const Received&, Peer& peer) {
    peer.begin_chunked(200);
    while (sent < kChunks && peer.chunk(chunk)) ++sent;
    peer.end_chunked();
  });
  Loop loop({.stream_buffer = 100'000});
  const auto stream = loop.open(get(server.url()), {.idle = 200ms}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  // Other transfers go on while this one is paused, past its idle limit, which does not count.
  const ScriptedServer other([](const Received&, Peer& peer) { peer.reply(200, ""); });
  for (const SteadyTime until = in(400ms); std::chrono::steady_clock::now() < until;) {
    ASSERT_TRUE(loop.call(get(other.url()), {}, in(10s)).ok());
  }
  EXPECT_LT(sent, kChunks) << "the server was held back";
  const auto got = read_all(**stream);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->size(), chunk.size() * kChunks);
}

TEST(Stream, EndsWhenTheServerFallsSilent) {
  const ScriptedServer server([&](const Received&, Peer& peer) {
    peer.begin_chunked(200);
    peer.chunk("hello");
    peer.wait_for_client_to_leave();
  });
  Loop loop({});
  const auto stream = loop.open(get(server.url()), {.idle = 50ms}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ((*stream)->read(in(10s)).value(), "hello");
  for (int i = 0; i < 2; ++i) {
    const auto end = (*stream)->read(in(10s));
    ASSERT_FALSE(end.ok());
    EXPECT_EQ(end.error().code, Code::Unavailable) << "final, and told apart from a Timeout";
    EXPECT_NE(end.error().message.find("sent nothing for 50ms"), std::string::npos)
        << end.error().message;
  }
}

TEST(Stream, TellsACutFromAnEnd) {
  const ScriptedServer server([&](const Received&, Peer& peer) {
    peer.begin_chunked(200);
    peer.chunk("half");
    peer.close();
  });
  Loop loop({});
  const auto stream = loop.open(get(server.url()), {}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ((*stream)->read(in(10s)).value(), "half");
  EXPECT_EQ((*stream)->read(in(10s)).error().code, Code::Unavailable);
}

TEST(Stream, OpenFailsWithoutAHead) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.wait_for_client_to_leave(); });
  Loop loop({});
  EXPECT_EQ(loop.open(get(server.url()), {}, {}, in(50ms)).error().code, Code::Timeout);
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(loop.open(get(server.url()), {}, stopped.get_token(), in(10s)).error().code,
            Code::Cancelled);
  EXPECT_EQ(loop.open(get("http://127.0.0.1:1/"), {}, {}, in(10s)).error().code, Code::Unavailable);
}

TEST(Stream, CarriesTheBodyOfARefusal) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.reply(410, "too old"); });
  Loop loop({});
  const auto stream = loop.open(get(server.url()), {}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ((*stream)->head().status, 410);
  EXPECT_EQ(read_all(**stream).value(), "too old");
}

/// A server that starts an answer and never ends it.
void never_end(const Received&, Peer& peer) {
  peer.begin_chunked(200);
  peer.wait_for_client_to_leave();
}

TEST(Stream, CancelWakesTheReader) {
  const ScriptedServer server(never_end);
  Loop loop({});
  const auto stream = loop.open(get(server.url()), {}, {}, in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  std::thread canceller([&] { (*stream)->cancel(); });
  EXPECT_EQ((*stream)->read(SteadyTime::max()).error().code, Code::Cancelled);
  canceller.join();
  (*stream)->cancel();
}

TEST(Stream, StopTokenWakesTheReader) {
  const ScriptedServer server(never_end);
  Loop loop({});
  std::stop_source source;
  const auto stream = loop.open(get(server.url()), {}, source.get_token(), in(10s));
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  std::thread stopper([&] { source.request_stop(); });
  EXPECT_EQ((*stream)->read(in(10s)).error().code, Code::Cancelled);
  stopper.join();
}

TEST(Stream, EndsWhenDestroyed) {
  Gate left;
  const ScriptedServer server([&](const Received&, Peer& peer) {
    peer.begin_chunked(200);
    peer.wait_for_client_to_leave();
    left.open();
  });
  Loop loop({});
  ASSERT_TRUE(loop.open(get(server.url()), {}, {}, in(10s)).ok());
  EXPECT_TRUE(left.wait()) << "the connection was closed";
}

}  // namespace
}  // namespace millrace::http
