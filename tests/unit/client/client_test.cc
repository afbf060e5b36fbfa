#include "kubeclient/client/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "kubeclient/api/lease.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/http/loop.h"
#include "tests/support/scripted_server.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_certificates.h"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;
using support::Gate;
using support::Peer;
using support::Received;
using support::Script;
using support::ScriptedServer;

SteadyTime in(Duration time) { return std::chrono::steady_clock::now() + time; }

constexpr api::ApiResource kJobs{"batch", "v1", "jobs", "Job", true};
constexpr api::ApiResource kNodes{"", "v1", "nodes", "Node", false};

class MemorySink final : public LogSink {
 public:
  void write(const std::string& line) override { *text.lock() += line; }
  Guarded<std::string> text;
};

/// A client wired to a server; `change` may edit its configuration first.
struct Fixture {
  explicit Fixture(const std::string& url, ClientConfig base = {})
      : config(std::move(base)),
        credentials((config.server = url, config), {}, clock),
        loop(loop_options(config)),
        client(config, credentials, loop, metrics, Logger(sink), "test") {}

  ClientConfig config;
  SystemClock clock;
  Credentials credentials;
  http::Loop loop;
  MetricsRegistry metrics;
  MemorySink sink;
  Client client;
};

ClientConfig with_token(const std::string& token) {
  ClientConfig config;
  config.token = token;
  return config;
}

void reply_empty(const Received&, Peer& peer) { peer.reply(200, "{}"); }

TEST(Client, SendsEachVerbAsTheApiWantsIt) {
  const ScriptedServer server(reply_empty);
  Fixture f(server.url(), with_token("secret"));
  Client& c = f.client;
  const CallOptions plain;
  const CallOptions dry{.stop = {}, .timeout = 10s, .dry_run = true};
  const ObjectKey key{"ns", "x"};
  const std::string base = "/apis/batch/v1/namespaces/ns/jobs";
  using Call = std::function<Result<std::string>()>;
  const struct {
    Call call;
    std::string method;
    std::string target;
    std::string content_type;
    std::string body;
  } cases[] = {
      {[&] { return c.get_text(kJobs, key, plain); }, "GET", base + "/x", "", ""},
      {[&] { return c.list_text(kJobs, "", {}, plain); }, "GET", "/apis/batch/v1/jobs", "", ""},
      {[&] {
         return c.list_text(kNodes, "",
                            {.label_selector = "a=b,c!=d",
                             .field_selector = "metadata.name=x",
                             .limit = 500,
                             .continue_token = "t/=",
                             .resource_version = "0",
                             .resource_version_match = "NotOlderThan"},
                            plain);
       },
       "GET",
       "/api/v1/nodes?labelSelector=a%3Db%2Cc%21%3Dd&fieldSelector=metadata.name%3Dx&limit=500"
       "&continue=t%2F%3D&resourceVersion=0&resourceVersionMatch=NotOlderThan",
       "", ""},
      {[&] { return c.create_text(kJobs, "ns", "{\"a\":1}", plain); }, "POST", base,
       "application/json", "{\"a\":1}"},
      {[&] { return c.create_text(kJobs, "ns", "{}", dry); }, "POST", base + "?dryRun=All",
       "application/json", "{}"},
      {[&] { return c.replace_text(kJobs, key, "{}", "status", plain); }, "PUT", base + "/x/status",
       "application/json", "{}"},
      {[&] { return c.patch_text(kJobs, key, PatchType::Merge, "{}", {}, plain); }, "PATCH",
       base + "/x", "application/merge-patch+json", "{}"},
      {[&] {
         return c.patch_text(kJobs, key, PatchType::Json, "[]", {.subresource = "status"}, dry);
       },
       "PATCH", base + "/x/status?dryRun=All", "application/json-patch+json", "[]"},
      {[&] {
         return c.patch_text(kJobs, key, PatchType::Apply, "{}",
                             {.subresource = {}, .field_manager = "mill race", .force = true},
                             plain);
       },
       "PATCH", base + "/x?fieldManager=mill%20race&force=true", "application/apply-patch+yaml",
       "{}"},
      {[&] { return c.delete_text(kJobs, key, {}, plain); }, "DELETE", base + "/x",
       "application/json",
       R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"})"},
      {[&] {
         return c.delete_text(kJobs, key,
                              {.propagation = Propagation::Foreground,
                               .uid = "u",
                               .resource_version = "5",
                               .grace_seconds = 0},
                              dry);
       },
       "DELETE", base + "/x", "application/json",
       R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Foreground",)"
       R"("preconditions":{"uid":"u","resourceVersion":"5"},"gracePeriodSeconds":0,)"
       R"("dryRun":["All"]})"},
      {[&] { return c.raw_get("/version?x=1", plain); }, "GET", "/version?x=1", "", ""},
  };
  std::size_t index = 0;
  for (const auto& row : cases) {
    const auto answer = row.call();
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(*answer, "{}");
    const Received got = server.received().at(index++);
    EXPECT_EQ(got.method, row.method);
    EXPECT_EQ(got.target, row.target);
    EXPECT_EQ(got.header("content-type"), row.content_type) << row.target;
    EXPECT_EQ(got.body, row.body);
    EXPECT_EQ(got.header("authorization"), "Bearer secret");
    EXPECT_EQ(got.header("accept"), "application/json");
    EXPECT_TRUE(got.header("user-agent").starts_with("millrace/"));
    EXPECT_TRUE(got.header("user-agent").ends_with(" (test)"));
    EXPECT_EQ(got.headers.count("accept-encoding"), 0U);
  }
}

TEST(Client, RefusesNonsenseWithoutSendingIt) {
  const ScriptedServer server(reply_empty);
  Fixture f(server.url());
  Client& c = f.client;
  EXPECT_EQ(c.get_text(kJobs, {"ns", "../x"}, {}).error().code, Code::Invalid);
  EXPECT_EQ(c.get_text(kJobs, {"", "x"}, {}).error().code, Code::Invalid);
  EXPECT_EQ(c.create_text(kJobs, "", "{}", {}).error().code, Code::Invalid);
  EXPECT_EQ(c.patch_text(kJobs, {"ns", "x"}, PatchType::Apply, "{}", {}, {}).error().code,
            Code::Invalid);
  EXPECT_EQ(c.raw_get("version", {}).error().code, Code::Invalid);
  EXPECT_EQ(c.raw_get("/a b", {}).error().code, Code::Invalid);
  EXPECT_TRUE(server.received().empty());
}

TEST(Client, ActsAsSomebodyElse) {
  const ScriptedServer server(reply_empty);
  ClientConfig config;
  config.as = {"from-file", {"g"}};
  Fixture f(server.url(), config);
  ASSERT_TRUE(f.client.raw_get("/", {}).ok());
  EXPECT_EQ(server.received().at(0).header("impersonate-user"), "from-file");
  EXPECT_EQ(server.received().at(0).header("impersonate-group"), "g");
  ASSERT_TRUE(f.client.raw_get("/", {.as = {"other", {}}}).ok());
  EXPECT_EQ(server.received().at(1).header("impersonate-user"), "other");
  EXPECT_EQ(server.received().at(1).headers.count("impersonate-group"), 0U);
}

/// Plays its answers in order, the last one again and again.
Script in_order(std::vector<std::function<void(Peer&)>> answers) {
  auto next = std::make_shared<std::atomic<std::size_t>>(0);
  return [answers = std::move(answers), next](const Received&, Peer& peer) {
    const std::size_t index = std::min((*next)++, answers.size() - 1);
    answers[index](peer);
  };
}

std::function<void(Peer&)> answer(int status, const std::vector<std::string>& headers = {}) {
  return [=](Peer& peer) { peer.reply(status, "{}", headers); };
}

TEST(Client, RepeatsWhatIsSafeToRepeat) {
  enum class Verb { Get, Create, Watch };
  const auto hang_up = [](Peer& peer) { peer.close(); };
  const struct {
    const char* name;
    Verb verb;
    std::vector<std::function<void(Peer&)>> answers;
    std::optional<Code> error;
    std::size_t want_requests;
  } cases[] = {
      {"throttled read", Verb::Get, {answer(429, {"Retry-After: 0"}), answer(200)}, {}, 2},
      {"throttled write", Verb::Create, {answer(429), answer(429), answer(201)}, {}, 3},
      {"throttled watch", Verb::Watch, {answer(429), answer(200)}, {}, 2},
      {"read while the server is away", Verb::Get, {answer(503), answer(503), answer(200)}, {}, 3},
      {"read over a cut connection", Verb::Get, {hang_up, answer(200)}, {}, 2},
      {"write while the server is away",
       Verb::Create,
       {answer(503), answer(201)},
       Code::Unavailable,
       1},
      {"write while the server asks for time",
       Verb::Create,
       {answer(503, {"Retry-After: 0"}), answer(201)},
       Code::Throttled,
       1},
      {"write over a cut connection", Verb::Create, {hang_up, answer(201)}, Code::Unavailable, 1},
      {"read refused", Verb::Get, {answer(403), answer(200)}, Code::Denied, 1},
      {"read not found", Verb::Get, {answer(404), answer(200)}, Code::NotFound, 1},
      {"server that stays away", Verb::Get, {answer(500)}, Code::Unavailable, 5},
      {"longer wait than we have",
       Verb::Get,
       {answer(429, {"Retry-After: 600"}), answer(200)},
       Code::Throttled,
       1},
      {"not known, nothing to refresh", Verb::Get, {answer(401), answer(200)}, Code::Denied, 1},
  };
  for (const auto& c : cases) {
    const ScriptedServer server(in_order(c.answers));
    Fixture f(server.url());
    std::optional<Error> error;
    const auto keep = [&](auto&& result) {
      if (!result.ok()) error = result.error();
    };
    if (c.verb == Verb::Get) keep(f.client.get_text(kJobs, {"a", "b"}, {}));
    if (c.verb == Verb::Create) keep(f.client.create_text(kJobs, "a", "{}", {}));
    if (c.verb == Verb::Watch) keep(f.client.watch(kJobs, "a", {}, {}));
    EXPECT_EQ(error.has_value(), c.error.has_value()) << c.name;
    if (error && c.error) {
      EXPECT_EQ(error->code, *c.error) << c.name << ": " << error->message;
    }
    EXPECT_EQ(server.received().size(), c.want_requests) << c.name;
  }
}

TEST(Client, StopsWaitingWhenCancelled) {
  const ScriptedServer server(in_order({answer(429, {"Retry-After: 20"})}));
  Fixture f(server.url());
  std::stop_source source;
  std::thread stopper([&] {
    server.wait_for_requests(1);
    source.request_stop();
  });
  const auto got = f.client.raw_get("/", {.stop = source.get_token(), .timeout = 1min});
  stopper.join();
  EXPECT_EQ(got.error().code, Code::Cancelled);
}

TEST(Client, NeverWaitsBeyondItsDeadline) {
  const ScriptedServer server([](const Received&, Peer& peer) { peer.wait_for_client_to_leave(); });
  Fixture f(server.url());
  const auto got = f.client.raw_get("/", {.timeout = 50ms});
  EXPECT_EQ(got.error().code, Code::Timeout);
  EXPECT_EQ(server.received().size(), 1U);
}

TEST(Client, RefreshesARefusedTokenOnce) {
  const support::TemporaryFolder folder;
  ClientConfig config;
  config.token_file = folder.write("token", "old");
  const ScriptedServer server([&](const Received& request, Peer& peer) {
    peer.reply(request.header("authorization") == "Bearer new" ? 200 : 401, "{}");
  });
  Fixture f(server.url(), config);
  EXPECT_EQ(f.client.raw_get("/", {}).error().code, Code::Denied) << "the same token again";
  EXPECT_EQ(server.received().size(), 1U) << "is not sent again";
  folder.write("token", "new");
  const auto got = f.client.create_text(kJobs, "a", "{}", {});
  EXPECT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(server.received().size(), 3U);
  EXPECT_EQ(server.received()[2].body, "{}");
}

TEST(Client, UsesTheCertificateOfAPlugin) {
  const auto authority = support::make_authority("servers");
  const auto clients = support::make_authority("clients");
  const auto pair = support::issue(clients, {.common_name = "jo"});
  const auto certificate = support::issue(authority, {.ips = {"127.0.0.1"}});
  const ScriptedServer server(
      reply_empty,
      support::ServerTls{certificate.certificate, certificate.key, clients.certificate});
  const support::TemporaryFolder folder;
  const auto quoted = [](const std::string& text) { return codec::Value(text).dump(); };
  const std::string credential =
      folder.write("credential",
                   R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",)"
                   R"("status":{"clientCertificateData":)" +
                       quoted(pair.certificate) + R"(,"clientKeyData":)" + quoted(pair.key) + "}}");
  ClientConfig config;
  config.ca = authority.certificate;
  config.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1",
                           .command = "/bin/cat",
                           .args = {credential},
                           .env = {},
                           .install_hint = {},
                           .user = "jo"};
  Fixture f(server.url(), config);
  const auto got = f.client.raw_get("/", {});
  EXPECT_TRUE(got.ok()) << got.error().message;
}

TEST(Client, KeepsTheHostWhenTheTlsNameDiffers) {
  const auto authority = support::make_authority("servers");
  const auto certificate = support::issue(authority, {.dns = {"inner.example"}});
  const ScriptedServer server(reply_empty,
                              support::ServerTls{certificate.certificate, certificate.key});
  ClientConfig config;
  config.ca = authority.certificate;
  config.tls_server_name = "inner.example";
  Fixture f(server.url(), config);
  const auto got = f.client.raw_get("/", {});
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(server.received().at(0).header("host"), "127.0.0.1:" + std::to_string(server.port()));
}

TEST(Client, WarnsWhenItDoesNotCheckTheServer) {
  const auto certificate = support::make_authority("self");
  const ScriptedServer server(reply_empty,
                              support::ServerTls{certificate.certificate, certificate.key});
  ClientConfig config;
  config.insecure = true;
  Fixture f(server.url(), config);
  EXPECT_TRUE(f.client.raw_get("/", {}).ok());
  EXPECT_NE(f.sink.text.lock()->find("insecure-skip-tls-verify"), std::string::npos);
}

TEST(Client, WatchesInOddPieces) {
  const std::string lines = "{\"type\":\"ADDED\"}\n{\"type\":\"BOOKMARK\"}\n";
  Gate half_read;
  const ScriptedServer server([&](const Received&, Peer& peer) {
    peer.begin_chunked(200);
    peer.chunk(lines.substr(0, 20));
    half_read.wait();
    peer.chunk(lines.substr(20, 1));
    peer.chunk(lines.substr(21));
    peer.end_chunked();
  });
  Fixture f(server.url());
  const auto stream = f.client.watch(kJobs, "ns",
                                     {.label_selector = "a=b",
                                      .field_selector = {},
                                      .resource_version = "17",
                                      .bookmarks = true,
                                      .send_initial_events = true,
                                      .timeout = 300s},
                                     {});
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ(server.received().at(0).target,
            "/apis/batch/v1/namespaces/ns/jobs?watch=1&allowWatchBookmarks=true&labelSelector=a%3Db"
            "&resourceVersion=17&timeoutSeconds=300&sendInitialEvents=true"
            "&resourceVersionMatch=NotOlderThan");
  std::string all = (*stream)->read(in(10s)).value();
  half_read.open();
  while (true) {
    const auto piece = (*stream)->read(in(10s));
    ASSERT_TRUE(piece.ok()) << piece.error().message;
    if (piece->empty()) break;
    all += *piece;
  }
  EXPECT_EQ(all, lines);
}

TEST(Client, TellsWhyAWatchIsRefused) {
  const ScriptedServer server([](const Received&, Peer& peer) {
    peer.reply(410, R"({"kind":"Status","reason":"Expired","message":"too old"})");
  });
  Fixture f(server.url());
  const auto stream = f.client.watch(kJobs, "", {.resource_version = "1"}, {});
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code, Code::Expired);
  EXPECT_EQ(stream.error().reason, "Expired");
  EXPECT_NE(stream.error().message.find("too old"), std::string::npos);
}

TEST(Client, FollowsLogs) {
  const ScriptedServer server([](const Received&, Peer& peer) {
    peer.begin_chunked(200, {"Content-Type: text/plain"});
    peer.chunk("line\n");
    peer.wait_for_client_to_leave();
  });
  Fixture f(server.url());
  std::stop_source source;
  const auto stream = f.client.pod_logs(
      {"ns", "p"},
      {.container = "main", .follow = true, .previous = false, .timestamps = true, .tail_lines = 5},
      {.stop = source.get_token()});
  ASSERT_TRUE(stream.ok()) << stream.error().message;
  EXPECT_EQ(server.received().at(0).target,
            "/api/v1/namespaces/ns/pods/p/log?container=main&follow=true&timestamps=true"
            "&tailLines=5");
  EXPECT_EQ(server.received().at(0).header("accept"), "*/*");
  EXPECT_EQ((*stream)->read(in(10s)).value(), "line\n");
  source.request_stop();
  EXPECT_EQ((*stream)->read(in(10s)).error().code, Code::Cancelled);
}

TEST(Client, CountsItsRequests) {
  const ScriptedServer server(in_order({answer(429), answer(200), answer(404)}));
  Fixture f(server.url());
  ASSERT_TRUE(f.client.get_text(kJobs, {"a", "b"}, {}).ok());
  ASSERT_FALSE(f.client.get_text(kJobs, {"a", "b"}, {}).ok());
  const std::string text = f.metrics.text();
  for (const char* line :
       {R"(millrace_api_requests_total{verb="get",resource="jobs",code="429"} 1)",
        R"(millrace_api_requests_total{verb="get",resource="jobs",code="200"} 1)",
        R"(millrace_api_requests_total{verb="get",resource="jobs",code="404"} 1)",
        R"(millrace_api_request_duration_seconds_count{verb="get",resource="jobs"} 3)"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(Typed, SurvivesAnyBody) {
  const struct {
    const char* name;
    std::string body;
  } cases[] = {
      {"empty", ""},
      {"truncated", R"({"metadata":{"name":"a)"},
      {"not UTF-8", "{\"metadata\":{\"name\":\"\xff\xfe\"}}"},
      {"nested without end", std::string(1'000'000, '[')},
      {"nested objects in a known field",
       [] {
         std::string text = R"({"metadata":)";
         for (int i = 0; i < 100'000; ++i) text += R"({"labels":)";
         return text;
       }()},
      {"HTML", "<html>hello</html>"},
      {"wrong types", R"({"metadata":[1,2]})"},
      {"huge number", R"({"metadata":{"generation":1e999}})"},
  };
  for (const auto& c : cases) {
    const ScriptedServer server([&](const Received&, Peer& peer) { peer.reply(200, c.body); });
    Fixture f(server.url());
    const auto lease = get<api::Lease>(f.client, {"ns", "x"});
    ASSERT_FALSE(lease.ok()) << c.name;
    EXPECT_EQ(lease.error().code, Code::Malformed) << c.name << ": " << lease.error().message;
  }
}

TEST(Typed, ListsAllPages) {
  const ScriptedServer server([](const Received& request, Peer& peer) {
    if (request.target.find("continue=") == std::string::npos) {
      peer.reply(200, R"({"metadata":{"resourceVersion":"9","continue":"p2"},
                          "items":[{"metadata":{"name":"a"}}]})");
    } else {
      peer.reply(200, R"({"metadata":{"resourceVersion":"9"},
                          "items":[{"metadata":{"name":"b"}}]})");
    }
  });
  Fixture f(server.url());
  const auto all = list_all<api::Lease>(f.client, "ns", 1, {.resource_version = "0"});
  ASSERT_TRUE(all.ok()) << all.error().message;
  ASSERT_EQ(all->items.size(), 2U);
  EXPECT_EQ(all->items[1].metadata.name, "b");
  EXPECT_EQ(all->resource_version, "9");
  EXPECT_EQ(server.received().at(1).target,
            "/apis/coordination.k8s.io/v1/namespaces/ns/leases?limit=1&continue=p2");
}

TEST(Typed, DecodesWhatWritesAnswer) {
  const ScriptedServer server([](const Received&, Peer& peer) {
    peer.reply(201, R"({"metadata":{"name":"a","uid":"u"},"spec":{"holderIdentity":"me"}})");
  });
  Fixture f(server.url());
  EXPECT_EQ(create<api::Lease>(f.client, "ns", "{}")->metadata.uid, "u");
  EXPECT_EQ(replace<api::Lease>(f.client, {"ns", "a"}, "{}")->spec.holder_identity, "me");
  EXPECT_EQ(patch<api::Lease>(f.client, {"ns", "a"}, PatchType::Merge, "{}")->metadata.name, "a");
  EXPECT_TRUE(remove<api::Lease>(f.client, {"ns", "a"}).ok());
}

}  // namespace
}  // namespace millrace::client
