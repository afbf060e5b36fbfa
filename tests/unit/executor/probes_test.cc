#include "local/executor/probes.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/scripted_server.h"

namespace millrace::executor {
namespace {

using std::chrono::seconds;
using support::Peer;
using support::Received;

Probe http_probe(std::string path = "/") {
  Probe probe;
  probe.kind = Probe::Kind::Http;
  probe.path = std::move(path);
  probe.timeout = seconds(10);
  return probe;
}

Probe tcp_probe() {
  Probe probe;
  probe.kind = Probe::Kind::Tcp;
  probe.timeout = seconds(10);
  return probe;
}

/// A port of this machine on which nobody listens, kept from others while this lives.
class DeafPort {
 public:
  DeafPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    number_ = ntohs(address.sin_port);
  }
  ~DeafPort() { ::close(socket_); }
  DeafPort(const DeafPort&) = delete;
  DeafPort& operator=(const DeafPort&) = delete;
  int number() const { return number_; }

 private:
  int socket_;
  int number_ = 0;
};

TEST(HttpProbe, JudgesByTheStatus) {
  const struct {
    int status;
    const char* want;
  } cases[] = {
      {200, ""},
      {204, ""},
      {302, ""},
      {399, ""},
      {400, "HTTP status 400"},
      {404, "HTTP status 404"},
      {503, "HTTP status 503"},
  };
  for (const auto& c : cases) {
    support::ScriptedServer server(
        [&](const Received&, Peer& peer) { peer.reply(c.status, "body"); });
    EXPECT_EQ(ask(http_probe(), server.port()), c.want) << c.status;
  }
}

TEST(HttpProbe, AsksForItsPathWithItsHeaders) {
  support::ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, ""); });
  Probe probe = http_probe("/healthz?deep=1");
  probe.headers = {{"X-Who", "probe"}};
  EXPECT_EQ(ask(probe, server.port()), "");
  probe.headers = {{"Host", "elsewhere"}};
  EXPECT_EQ(ask(probe, server.port()), "");
  const std::vector<Received> got = server.received();
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].method, "GET");
  EXPECT_EQ(got[0].target, "/healthz?deep=1");
  EXPECT_EQ(got[0].header("x-who"), "probe");
  EXPECT_EQ(got[0].header("host"), "localhost:" + std::to_string(server.port()));
  EXPECT_EQ(got[1].header("host"), "elsewhere") << "a host that was asked for";
}

TEST(HttpProbe, FailsOnWhatIsNoHttp) {
  support::ScriptedServer server([](const Received&, Peer& peer) {
    peer.send("220 mail.example ready\r\n");
    peer.close();
  });
  EXPECT_EQ(ask(http_probe(), server.port()), "no HTTP answer in time");
}

TEST(HttpProbe, GivesUpOnSilence) {
  support::ScriptedServer server(
      [](const Received&, Peer& peer) { peer.wait_for_client_to_leave(); });
  Probe probe = http_probe();
  probe.timeout = seconds(0);  // what has not come by then does not count
  EXPECT_NE(ask(probe, server.port()), "");
  probe.timeout = seconds(1);
  EXPECT_EQ(ask(probe, server.port()), "no HTTP answer in time");
}

TEST(TcpProbe, IsContentWithAConnection) {
  support::ScriptedServer server([](const Received&, Peer& peer) { peer.close(); });
  EXPECT_EQ(ask(tcp_probe(), server.port()), "");
  EXPECT_TRUE(server.received().empty()) << "nothing is sent";
}

TEST(NetworkProbes, SayWhereNobodyListens) {
  const DeafPort port;
  for (const Probe& probe : {tcp_probe(), http_probe()}) {
    EXPECT_EQ(ask(probe, port.number()),
              "connect to 127.0.0.1:" + std::to_string(port.number()) + ": Connection refused");
  }
}

TEST(NetworkProbes, ReachTheHostTheyName) {
  support::ScriptedServer server([](const Received&, Peer& peer) { peer.reply(200, ""); });
  Probe probe = http_probe();
  probe.host = "127.0.0.1";
  EXPECT_EQ(ask(probe, server.port()), "");
  probe.host = "no such host";
  EXPECT_NE(ask(probe, server.port()).find("connect to no such host"), std::string::npos);
}

TEST(NetworkProbes, KnowPortsByNumberAndName) {
  ContainerSpec container;
  container.body =
      codec::Value::parse(R"({"ports":[{"name":"web","containerPort":8080},{"containerPort":1}]})")
          .value();
  const std::pair<const char*, int> cases[] = {{"80", 80}, {"web", 8080}, {"other", 0}, {"8x", 0}};
  for (const auto& [port, want] : cases) {
    Probe probe;
    probe.port = port;
    EXPECT_EQ(port_of(probe, container), want) << port;
  }
}

TEST(Probe, ReachesItsVerdictAtItsThresholds) {
  Probe probe;
  probe.initial_delay = seconds(5);
  probe.period = seconds(10);
  probe.success_threshold = 2;
  probe.failure_threshold = 3;
  const SteadyTime start{};
  ProbeState state = begin_probe(probe, start);
  EXPECT_EQ(state.due, start + seconds(5));
  using enum ProbeVerdict;
  const std::pair<bool, ProbeVerdict> answers[] = {
      {true, Unchanged},  {false, Unchanged}, {true, Unchanged},
      {true, Good},       {true, Unchanged},  {false, Unchanged},
      {false, Unchanged}, {false, Bad},       {false, Unchanged}};
  SteadyTime now = start;
  for (const auto& [success, want] : answers) {
    now += seconds(1);
    EXPECT_EQ(note_answer(probe, state, success, now), want) << (now - start).count();
    EXPECT_EQ(state.due, now + seconds(10));
  }
}

}  // namespace
}  // namespace millrace::executor
