#include "local/apiserver/direct_client.h"

#include <gtest/gtest.h>

#include <thread>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/codec/value.h"
#include "kubeclient/http/loop.h"
#include "local/apiserver/api.h"
#include "local/apiserver/certificate.h"
#include "local/apiserver/server.h"
#include "local/storage/storage.h"
#include "tests/support/manual_clock.h"

namespace millrace::apiserver {
namespace {

using std::chrono::seconds;

constexpr api::ApiResource kMaps{"", "v1", "configmaps", "ConfigMap", true};
constexpr api::ApiResource kNodes{"", "v1", "nodes", "Node", false};

constexpr const char* kMap =
    R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"1"}})";

/// One API, seen through a socket and directly.
class DirectClientTest : public testing::Test {
 protected:
  DirectClientTest()
      : storage_(storage::open_storage({}).value()),
        api_(*storage_, clock_, log_, nullptr, {.seed = 1}),
        direct_(api_, clock_, "test/1") {
    const auto authority = make_authority(clock_.now()).value();
    const auto own = make_server_certificate(authority, {"127.0.0.1"}, clock_.now()).value();
    ServerOptions options;
    options.token = "t";
    options.certificate = own.certificate;
    options.private_key = own.private_key;
    server_ = Server::start(api_, options, clock_, log_).value();
    config_.server = "https://" + server_->address();
    config_.ca = authority.certificate;
    config_.token = "t";
    credentials_.emplace(config_, client::Environment{}, clock_);
    loop_.emplace(client::loop_options(config_));
    client_.emplace(config_, *credentials_, *loop_, metrics_, log_, "test");
  }

  const SystemClock clock_;
  const Logger log_{stderr_sink(), LogLevel::Off};
  MetricsRegistry metrics_;
  std::unique_ptr<storage::Storage> storage_;
  Api api_;
  DirectClient direct_;
  std::unique_ptr<Server> server_;
  client::ClientConfig config_;
  std::optional<client::Credentials> credentials_;
  std::optional<http::Loop> loop_;
  std::optional<client::Client> client_;
};

/// An answer without what no two objects share; an error without the server's address.
std::string told(const Result<std::string>& got, const std::string& server) {
  if (!got.ok()) {
    std::string message = got.error().message;
    const std::size_t at = message.find(server);
    if (at != std::string::npos) message.erase(at, server.size());
    return std::string(to_string(got.error().code)) + " " +
           std::to_string(got.error().http_status) + " " + got.error().reason + ": " + message;
  }
  auto value = codec::Value::parse(*got).value();
  if (codec::Value* metadata = value.find("metadata")) {
    for (const char* key : {"uid", "resourceVersion", "creationTimestamp", "managedFields"}) {
      metadata->erase(key);
    }
  }
  if (codec::Value* details = value.find("details")) details->erase("uid");
  return value.dump();
}

TEST_F(DirectClientTest, AnswersAsTheClientOverHttpDoes) {
  using Call =
      std::function<Result<std::string>(client::Reader&, client::Writer&, const std::string& name)>;
  const struct {
    const char* name;
    Call call;
  } cases[] = {
      {"create",
       [](auto&, auto& w, auto& n) {
         std::string body = kMap;
         body.replace(body.find("\"m\""), 3, "\"" + n + "\"");
         return w.create_text(kMaps, "default", body, {});
       }},
      {"create again",
       [](auto&, auto& w, auto& n) {
         std::string body = kMap;
         body.replace(body.find("\"m\""), 3, "\"" + n + "\"");
         return w.create_text(kMaps, "default", body, {});
       }},
      {"create without a namespace",
       [](auto&, auto& w, auto&) { return w.create_text(kMaps, "", kMap, {}); }},
      {"create in a namespace that is not there",
       [](auto&, auto& w, auto&) { return w.create_text(kMaps, "gone", kMap, {}); }},
      {"create nonsense",
       [](auto&, auto& w, auto&) { return w.create_text(kMaps, "default", "{]", {}); }},
      {"dry run",
       [](auto&, auto& w, auto&) {
         std::string body = kMap;
         body.replace(body.find("\"m\""), 3, "\"dry\"");
         return w.create_text(kMaps, "default", body, {.dry_run = true});
       }},
      {"what a dry run left",
       [](auto& r, auto&, auto&) {
         return r.get_text(kMaps, {"default", "dry"}, {});
       }},
      {"get",
       [](auto& r, auto&, auto& n) {
         return r.get_text(kMaps, {"default", n}, {});
       }},
      {"get what is not there",
       [](auto& r, auto&, auto&) {
         return r.get_text(kMaps, {"default", "none"}, {});
       }},
      {"get a name that is none",
       [](auto& r, auto&, auto&) {
         return r.get_text(kMaps, {"default", "a/b"}, {});
       }},
      {"merge patch",
       [](auto&, auto& w, auto& n) {
         return w.patch_text(kMaps, {"default", n}, client::PatchType::Merge,
                             R"({"data":{"b":"2"}})", {}, {});
       }},
      {"JSON patch that cannot be applied",
       [](auto&, auto& w, auto& n) {
         return w.patch_text(kMaps, {"default", n}, client::PatchType::Json,
                             R"([{"op":"remove","path":"/data/none"}])", {}, {});
       }},
      {"apply",
       [](auto&, auto& w, auto& n) {
         return w.patch_text(kMaps, {"default", n}, client::PatchType::Apply,
                             R"({"apiVersion":"v1","kind":"ConfigMap","data":{"c":"3"}})",
                             {.field_manager = "x"}, {});
       }},
      {"apply without a manager",
       [](auto&, auto& w, auto& n) {
         return w.patch_text(kMaps, {"default", n}, client::PatchType::Apply, "{}", {}, {});
       }},
      {"replace with an old version",
       [](auto&, auto& w, auto& n) {
         return w.replace_text(kMaps, {"default", n},
                               R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + n +
                                   R"(","resourceVersion":"1"}})",
                               "", {});
       }},
      {"list with a bad selector",
       [](auto& r, auto&, auto&) {
         return r.list_text(kMaps, "default", {.label_selector = "a in"}, {});
       }},
      {"delete with another's UID",
       [](auto&, auto& w, auto& n) {
         return w.delete_text(kMaps, {"default", n}, {.uid = "other"}, {});
       }},
      {"delete",
       [](auto&, auto& w, auto& n) {
         return w.delete_text(kMaps, {"default", n}, {}, {});
       }},
      {"delete again",
       [](auto&, auto& w, auto& n) {
         return w.delete_text(kMaps, {"default", n}, {}, {});
       }},
  };
  for (const auto& c : cases) {
    // Names of one length, and told apart afterwards.
    const std::string over_http = told(c.call(*client_, *client_, "same"), config_.server);
    std::string direct = told(c.call(direct_, direct_, "mine"), config_.server);
    for (std::size_t at; (at = direct.find("mine")) != std::string::npos;) {
      direct.replace(at, 4, "same");
    }
    // The UID of the object stands in one message.
    const auto cut = [](std::string text) {
      const std::size_t at = text.find("UID in record (");
      return at == std::string::npos ? text : text.substr(0, at);
    };
    EXPECT_EQ(cut(direct), cut(over_http)) << c.name;
  }
}

TEST_F(DirectClientTest, WatchesAsTheClientOverHttpDoes) {
  auto over_http = client_->watch(kMaps, "default", {.resource_version = "0"}, {}).value();
  auto direct = direct_.watch(kMaps, "default", {.resource_version = "0"}, {}).value();
  ASSERT_TRUE(direct_.create_text(kMaps, "default", kMap, {}).ok());
  const auto line = [&](client::ByteStream& stream) {
    std::string text;
    while (text.find("\"name\":\"m\"") == std::string::npos || text.back() != '\n') {
      const auto piece = stream.read(clock_.steady() + seconds(10));
      if (!piece.ok() || piece->empty()) return "error after: " + text;
      text += *piece;
    }
    return text;
  };
  EXPECT_EQ(line(*direct), line(*over_http));
}

TEST_F(DirectClientTest, AReadEndsByDeadlineCancelAndStop) {
  // On the heap: GCC 12 thinks that one on the stack is read before it is built.
  const auto stop = std::make_unique<std::stop_source>();
  auto stream = direct_.watch(kNodes, "", {}, {.stop = stop->get_token()}).value();
  while (stream->read(clock_.steady()).ok()) continue;  // what is there by now
  EXPECT_EQ(stream->read(clock_.steady() - seconds(1)).error().code, Code::Timeout);
  EXPECT_EQ(stream->read(clock_.steady() + std::chrono::milliseconds(20)).error().code,
            Code::Timeout);
  std::thread canceller([&] { stop->request_stop(); });
  EXPECT_EQ(stream->read(SteadyTime::max()).error().code, Code::Cancelled);
  canceller.join();
  EXPECT_EQ(direct_.get_text(kNodes, {"", "x"}, {.stop = stop->get_token()}).error().code,
            Code::Cancelled);
}

TEST(DirectClientAlone, WithAManualClockAnEmptyStreamIsATimeoutAtOnce) {
  const support::ManualClock clock;
  const Logger log(stderr_sink(), LogLevel::Off);
  const auto storage = storage::open_storage({}).value();
  Api api(*storage, clock, log, nullptr, {.seed = 1});
  DirectClient direct(api, clock, "test/1");
  auto stream = direct.watch(kMaps, "default", {.resource_version = "0"}, {}).value();
  const auto end = [&] {
    auto got = stream->read(clock.steady());
    while (got.ok() && !got->empty()) got = stream->read(clock.steady());
    return got.ok() ? Code::Bug : got.error().code;
  };
  EXPECT_EQ(end(), Code::Timeout);
  ASSERT_TRUE(direct.create_text(kMaps, "default", kMap, {}).ok());
  EXPECT_TRUE(stream->read(clock.steady()).ok());
  EXPECT_EQ(end(), Code::Timeout);
}

}  // namespace
}  // namespace millrace::apiserver
