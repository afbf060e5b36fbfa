#include "controllers/shell/webhook_sink.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <set>

#include "controllers/delivery/signature.h"
#include "controllers/shell/trim.h"
#include "controllers/shell/webhook_run.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/pem.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/runtime/event_recorder.h"
#include "local/apiserver/api.h"
#include "local/apiserver/direct_client.h"
#include "local/storage/storage.h"
#include "tests/support/manual_clock.h"

namespace millrace::shell {
namespace {

using namespace std::chrono_literals;
using codec::Value;
using delivery::Delivery;
using delivery::Verdict;
using Kind = delivery::Verdict::Kind;

class Nowhere final : public LogSink {
 public:
  void write(const std::string&) override {}
};

/// Writes that can be made to fail before they reach the server.
class TroubledWriter final : public client::Writer {
 public:
  explicit TroubledWriter(client::Writer& next) : next_(next) {}
  Result<std::string> create_text(const api::ApiResource& resource, const std::string& ns,
                                  std::string_view body,
                                  const client::CallOptions& options) override {
    ++creates;
    if (trouble) return fail(*trouble);
    auto made = next_.create_text(resource, ns, body, options);
    if (made.ok() && lose_answer) return fail(Code::Timeout, "no answer");
    return made;
  }
  Result<std::string> replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                   std::string_view body, const std::string& subresource,
                                   const client::CallOptions& options) override {
    return next_.replace_text(resource, key, body, subresource, options);
  }
  Result<std::string> patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                 client::PatchType type, std::string_view body,
                                 const client::PatchOptions& patch,
                                 const client::CallOptions& options) override {
    return next_.patch_text(resource, key, type, body, patch, options);
  }
  Result<std::string> delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                  const client::DeleteOptions& del,
                                  const client::CallOptions& options) override {
    return next_.delete_text(resource, key, del, options);
  }

  std::optional<Error> trouble;
  bool lose_answer = false;
  std::atomic<int> creates{0};

 private:
  client::Writer& next_;
};

/// The sink over the embedded API server; the caches hold what a test puts there.
class WebhookSinkTest : public testing::Test, public WriteObserver {
 protected:
  WebhookSinkTest()
      : storage_(storage::open_storage({}).value()),
        api_(*storage_, clock_, log_, nullptr, {.seed = 1}),
        client_(api_, clock_, "test") {
    create({"", "v1", "namespaces", "Namespace", false}, "", R"({"metadata":{"name":"shop"}})");
    make();
  }

  std::optional<Version> wrote(const api::ApiResource& resource, const std::string& json) override {
    if (resource == api::ControllerRevision::kResource) {
      auto decoded = codec::decode<api::ControllerRevision>(json);
      revisions_.put(std::make_shared<const api::ControllerRevision>(*std::move(decoded)));
    }
    return std::nullopt;
  }
  void make(logic::WebhookConfig config = {}) {
    config.callback_hosts = {"ci.example"};
    WebhookSinkOptions options;
    options.config = std::move(config);
    options.workers = 4;
    sink_ = std::make_unique<WebhookSink>(services_, caches_, actor_, revision_cache_,
                                          std::move(options), [this] { return ready_.load(); });
  }

  Value create(const api::ApiResource& resource, const std::string& ns, std::string_view text) {
    Value body = Value::parse(text).value();
    const std::string group(resource.group);
    body["apiVersion"] = group.empty() ? "v1" : group + "/" + std::string(resource.version);
    body["kind"] = std::string(resource.kind);
    const auto made = client_.create_text(resource, ns, body.dump(), {});
    EXPECT_TRUE(made.ok()) << made.error().message;
    return Value::parse(made.value_or("{}")).value();
  }
  /// A pipeline with one HTTP step, in the API server and in the cache.
  Value pipeline(const std::string& name, const std::string& trigger) {
    Value object =
        create(crds::Pipeline::kResource, "shop",
               R"({"metadata":{"name":")" + name + R"("},"spec":{"triggers":)" + trigger +
                   R"(,"steps":[{"name":"a","http":{"url":"http://x.example/"}}]}})");
    cache(object);
    return object;
  }
  void cache(const Value& object) {
    auto decoded = codec::decode<crds::Pipeline>(object.dump());
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    pipelines_.put(std::make_shared<const crds::Pipeline>(*std::move(decoded)));
  }
  void secret(const std::string& name, const std::string& value) {
    create({"", "v1", "secrets", "Secret", true}, "shop",
           R"({"metadata":{"name":")" + name + R"("},"data":{"k":")" +
               client::encode_base64(value) + R"("}})");
  }
  void change_secret(const std::string& name, const std::string& value) {
    const std::string body = R"({"data":{"k":")" + client::encode_base64(value) + R"("}})";
    const auto done = client_.patch_text({"", "v1", "secrets", "Secret", true}, {"shop", name},
                                         client::PatchType::Merge, body, {}, {});
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  static Delivery to(const std::string& name, const std::string& id = "1") {
    Delivery one;
    one.ns = "shop";
    one.name = name;
    one.id = id;
    return one;
  }
  Verdict decide(const Delivery& one) { return sink_->decide(one, {}); }
  Value stored_run(const std::string& name) {
    const auto got = client_.get_text(crds::PipelineRun::kResource, {"shop", name}, {});
    return got.ok() ? Value::parse(*got).value() : Value();
  }
  std::size_t runs() {
    const auto got = client_.list_text(crds::PipelineRun::kResource, "shop", {}, {});
    return Value::parse(*got).value().find("items")->items().size();
  }

  support::ManualClock clock_;
  Nowhere nowhere_;
  const Logger log_{nowhere_};
  support::SteppingPause pause_{clock_};
  MetricsRegistry metrics_;
  std::unique_ptr<storage::Storage> storage_;
  apiserver::Api api_;
  apiserver::DirectClient client_;
  TroubledWriter writer_{client_};
  runtime::EventRecorder events_{client_, {}, {clock_, pause_, metrics_, log_}};
  runtime::Store<crds::Pipeline> pipelines_;
  runtime::Store<crds::PipelineRun> run_store_;
  runtime::Store<api::Job> jobs_;
  runtime::Store<api::Pod> pods_;
  runtime::Store<api::Deployment> deployments_;
  runtime::Store<api::Service> service_store_;
  runtime::Store<api::ControllerRevision> revisions_;
  Caches caches_{pipelines_, run_store_, jobs_, pods_, deployments_, service_store_, revisions_};
  ProgressBudget progress_{clock_};
  Services services_{client_, clock_, log_, metrics_, events_, {}, progress_};
  Actor actor_{client_, writer_, *this};
  RevisionCache revision_cache_;
  std::atomic<bool> ready_{true};
  std::unique_ptr<WebhookSink> sink_;
};

constexpr const char* kOpen = R"([{"type":"webhook"}])";

TEST_F(WebhookSinkTest, ADeliveryBecomesARunWithWhatItBrought) {
  const Value object = pipeline("build", R"([{"type":"webhook","params":{"ref":"trigger.body.ref",
               "who":"{{ trigger.headers.x-user }}-{{ trigger.query.n }}","id":"trigger.id"}}])");
  Delivery one = to("build", "gh-7");
  one.headers = {{"Content-Type", "application/json; charset=utf-8"},
                 {"X-User", "ann"},
                 {"Authorization", "Bearer s3cret"},
                 {"X-Gitlab-Token", "s3cret"},
                 {"Cookie", "s3cret"},
                 {"X-Hub-Signature-256", "s3cret"}};
  one.body = R"({"ref":{"deep":[1,2]}})";
  one.query = "n=%41+b&n=2&flag";
  one.callback_url = "https://ci.example/done";
  const Verdict verdict = decide(one);
  ASSERT_EQ(verdict.kind, Kind::Accepted) << verdict.message;
  EXPECT_FALSE(verdict.duplicate);
  EXPECT_TRUE(verdict.run.starts_with("build-"));
  EXPECT_EQ(verdict.run.size(), std::string("build-").size() + 12);

  const Value run = stored_run(verdict.run);
  const Value& spec = *run.find("spec");
  EXPECT_EQ(spec.find("refPipeline")->as_string(), "build");
  EXPECT_EQ(spec.find("params")->dump(), R"({"id":"gh-7","ref":{"deep":[1,2]},"who":"ann-A b"})");
  const Value& trigger = *spec.find("trigger");
  EXPECT_EQ(trigger.find("type")->as_string(), "webhook");
  EXPECT_EQ(trigger.find("id")->as_string(), "gh-7");
  EXPECT_EQ(trigger.find("body")->dump(), R"({"ref":{"deep":[1,2]}})");
  EXPECT_EQ(trigger.find("query")->dump(), R"({"n":"A b","flag":""})");
  EXPECT_EQ(trigger.find("callbackUrl")->as_string(), "https://ci.example/done");
  EXPECT_EQ(trigger.find("headers")->dump(),
            R"({"content-type":"application/json; charset=utf-8","x-user":"ann"})");
  EXPECT_EQ(run.dump().find("s3cret"), std::string::npos);
  const Value& metadata = *run.find("metadata");
  const Value& owner = metadata.find("ownerReferences")->items().at(0);
  EXPECT_EQ(owner.find("uid")->as_string(), object.at_path({"metadata", "uid"})->as_string());
  EXPECT_TRUE(owner.find("controller")->as_bool());
  const Value& notes = *metadata.find("annotations");
  EXPECT_EQ(notes.find("millrace.dev/webhook")->as_string(), "true");
  const std::string revision = notes.find("millrace.dev/revision")->as_string();
  EXPECT_TRUE(client_.get_text(api::ControllerRevision::kResource, {"shop", revision}, {}).ok());
}

TEST_F(WebhookSinkTest, ARunCostsOneCreateOnceTheRevisionIsThere) {
  pipeline("build", kOpen);
  ASSERT_EQ(decide(to("build", "1")).kind, Kind::Accepted);
  EXPECT_EQ(writer_.creates, 2);
  ASSERT_EQ(decide(to("build", "2")).kind, Kind::Accepted);
  EXPECT_EQ(writer_.creates, 3);
}

TEST_F(WebhookSinkTest, TheSameIdIsTheSameRun) {
  pipeline("build", kOpen);
  pipeline("other", kOpen);
  const Verdict first = decide(to("build"));
  const Verdict second = decide(to("build"));
  EXPECT_EQ(second.kind, Kind::Accepted);
  EXPECT_TRUE(second.duplicate);
  EXPECT_EQ(second.run, first.run);
  make();  // an operator that knows nothing: the run itself tells
  const Verdict third = decide(to("build"));
  EXPECT_TRUE(third.duplicate);
  EXPECT_EQ(third.run, first.run);
  EXPECT_EQ(runs(), 1u);
  EXPECT_FALSE(decide(to("build", "2")).duplicate);
  EXPECT_FALSE(decide(to("other")).duplicate);
  EXPECT_EQ(runs(), 3u);
}

TEST_F(WebhookSinkTest, ForADayAnIdIsRememberedBeyondItsRun) {
  pipeline("build", kOpen);
  const Verdict first = decide(to("build"));
  ASSERT_TRUE(client_.delete_text(crds::PipelineRun::kResource, {"shop", first.run}, {}, {}).ok());
  clock_.advance(23h);
  EXPECT_TRUE(decide(to("build")).duplicate);
  EXPECT_EQ(runs(), 0u);
  clock_.advance(2h);
  EXPECT_FALSE(decide(to("build")).duplicate);
  EXPECT_EQ(runs(), 1u);
}

TEST_F(WebhookSinkTest, AnAnswerThatGotLostMakesNoSecondRun) {
  pipeline("build", kOpen);
  ASSERT_EQ(decide(to("build", "0")).kind, Kind::Accepted);
  writer_.lose_answer = true;
  EXPECT_EQ(decide(to("build")).kind, Kind::Unavailable);
  writer_.lose_answer = false;
  const Verdict again = decide(to("build"));
  EXPECT_EQ(again.kind, Kind::Accepted);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(runs(), 2u);
}

TEST_F(WebhookSinkTest, WhatCannotBeStoredIsToldToComeAgain) {
  pipeline("build", kOpen);
  const struct {
    Code code;
    const char* message;
    std::optional<std::chrono::milliseconds> delay;
    Kind kind;
    std::chrono::seconds retry;
  } cases[] = {
      {Code::Unavailable, "10.0.0.1 refused", {}, Kind::Unavailable, 1s},
      {Code::Timeout, "late", {}, Kind::Unavailable, 1s},
      {Code::Denied, "user x may not", {}, Kind::Unavailable, 1s},
      {Code::Throttled, "slow", 2500ms, Kind::Unavailable, 3s},
      {Code::Invalid, "spec.x: wrong", {}, Kind::Unready, 1s},
  };
  for (const auto& c : cases) {
    Error error;
    error.code = c.code;
    error.message = c.message;
    error.delay = c.delay;
    writer_.trouble = error;
    const Verdict verdict = decide(to("build"));
    EXPECT_EQ(verdict.kind, c.kind) << c.message;
    EXPECT_EQ(verdict.retry_after, c.retry) << c.message;
    const bool told = verdict.message.find(c.message) != std::string::npos;
    EXPECT_EQ(told, c.kind == Kind::Unready) << "what only the owner may know";
  }
  writer_.trouble.reset();
  EXPECT_EQ(decide(to("build")).kind, Kind::Accepted);
}

TEST_F(WebhookSinkTest, PipelinesThatTakeNoWebhooksAreNotFound) {
  pipeline("closed", "[]");
  Value leaving = pipeline("leaving", kOpen);
  leaving["metadata"]["deletionTimestamp"] = "2026-11-21T00:00:00Z";
  leaving["metadata"]["resourceVersion"] = "999999";
  cache(leaving);
  for (const char* name : {"none", "closed", "leaving"}) {
    EXPECT_EQ(decide(to(name)).kind, Kind::NotFound) << name;
  }
  ready_ = false;
  EXPECT_EQ(decide(to("none")).kind, Kind::Unavailable) << "the caches may not know it yet";
}

TEST_F(WebhookSinkTest, APipelineThatIsNotReadyRefusesUntilItsNextEdit) {
  Value object = pipeline("build", kOpen);
  object["status"] =
      Value::parse(R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"False",
        "reason":"X","message":"spec.steps[0]: wrong"}]})")
          .value();
  object["metadata"]["resourceVersion"] = "999998";
  cache(object);
  const Verdict refused = decide(to("build"));
  EXPECT_EQ(refused.kind, Kind::Unready);
  EXPECT_NE(refused.message.find("spec.steps[0]: wrong"), std::string::npos);
  object["metadata"]["generation"] = 2;
  object["metadata"]["resourceVersion"] = "999999";
  cache(object);
  EXPECT_EQ(decide(to("build")).kind, Kind::Accepted) << "that was said of an older spec";
}

TEST_F(WebhookSinkTest, TokensAreChecked) {
  pipeline("build", R"([{"type":"webhook","bearerTokenFrom":{"name":"s","key":"k"}}])");
  Delivery one = to("build");
  EXPECT_EQ(decide(one).kind, Kind::Unauthorized);
  one.headers = {{"authorization", "Bearer right"}};
  EXPECT_EQ(decide(one).reason, "SecretUnreadable");
  secret("s", "right\n");
  clock_.advance(1s);
  EXPECT_EQ(decide(one).kind, Kind::Accepted);
  for (const char* wrong : {"Bearer wrong", "Bearer right\n", "Bearer righ", "Bearer rightt"}) {
    one.headers = {{"Authorization", wrong}};
    EXPECT_EQ(decide(one).kind, Kind::Forbidden) << wrong;
  }
  one.headers = {{"Authorization", "Basic right"}};
  EXPECT_EQ(decide(one).kind, Kind::Unauthorized);
}

TEST_F(WebhookSinkTest, ANewTokenCountsAtOnceAndTheOldOneAtMostTenSecondsMore) {
  secret("s", "old");
  pipeline("build", R"([{"type":"webhook","bearerTokenFrom":{"name":"s","key":"k"}}])");
  const auto with = [](const char* token, const char* id) {
    Delivery one = to("build", id);
    one.headers = {{"Authorization", std::string("Bearer ") + token}};
    return one;
  };
  EXPECT_EQ(decide(with("old", "1")).kind, Kind::Accepted);
  change_secret("s", "new");
  EXPECT_EQ(decide(with("old", "2")).kind, Kind::Accepted);
  clock_.advance(1s);
  EXPECT_EQ(decide(with("new", "3")).kind, Kind::Accepted);
  EXPECT_EQ(decide(with("old", "4")).kind, Kind::Forbidden);
}

TEST_F(WebhookSinkTest, SignaturesAreChecked) {
  secret("s", "key");
  secret("empty", "\n");
  const auto trigger = [](const std::string& name, const std::string& more = "") {
    return R"([{"type":"webhook","hmacFrom":{"name":")" + name + R"(","key":"k"})" + more + "}]";
  };
  pipeline("build", trigger("s"));
  pipeline("mine", trigger("s", R"(,"signatureHeader":"X-Mine")"));
  pipeline("empty", trigger("empty"));
  Delivery one = to("build");
  one.body = "payload";
  EXPECT_EQ(decide(one).kind, Kind::Unauthorized);
  one.headers = {{"X-Hub-Signature-256", "sha256=" + delivery::hmac_sha256("key", "other")}};
  EXPECT_EQ(decide(one).kind, Kind::Forbidden);
  one.headers = {{"x-hub-signature-256", "sha256=" + delivery::hmac_sha256("key", "payload")}};
  EXPECT_EQ(decide(one).kind, Kind::Accepted);
  one.name = "mine";
  EXPECT_EQ(decide(one).kind, Kind::Unauthorized);
  one.headers = {{"X-Mine", delivery::hmac_sha256("key", "payload")}};
  const Verdict accepted = decide(one);
  ASSERT_EQ(accepted.kind, Kind::Accepted);
  EXPECT_EQ(stored_run(accepted.run).at_path({"spec", "trigger", "headers"})->find("x-mine"),
            nullptr);
  one.name = "empty";
  one.headers = {{"X-Hub-Signature-256", delivery::hmac_sha256("", "payload")}};
  EXPECT_EQ(decide(one).kind, Kind::Unavailable) << "an empty key is no key";
}

TEST_F(WebhookSinkTest, WrongDeliveriesGetAReason) {
  pipeline("build", R"([{"type":"webhook","params":{"ref":"trigger.body.ref"}}])");
  const struct {
    const char* name;
    const char* type;
    std::string body;
    std::string callback;
    Kind kind;
    const char* contains;
  } cases[] = {
      {"bad JSON", "application/json", "{", "", Kind::Invalid, "not the JSON"},
      {"bad JSON of a kind", "application/vnd.x+json", "{'a'}", "", Kind::Invalid, "not the JSON"},
      {"not UTF-8", "text/plain", "\xff\xfe", "", Kind::Invalid, "UTF-8"},
      {"a callback elsewhere", "", "{\"ref\":1}", "http://evil.example/", Kind::Invalid,
       "evil.example"},
      {"a missing path", "application/json", R"({"x":"hidden"})", "", Kind::Unready,
       "param ref: trigger.body.ref"},
      {"text has no members", "text/plain", "hidden", "", Kind::Unready, "param ref"},
  };
  for (const auto& c : cases) {
    Delivery one = to("build", c.name);
    if (*c.type != '\0') one.headers = {{"Content-Type", c.type}};
    one.body = c.body;
    one.callback_url = c.callback;
    const Verdict verdict = decide(one);
    EXPECT_EQ(verdict.kind, c.kind) << c.name << ": " << verdict.message;
    EXPECT_NE(verdict.message.find(c.contains), std::string::npos)
        << c.name << ": " << verdict.message;
    EXPECT_EQ(verdict.message.find("hidden"), std::string::npos) << c.name;
  }
  EXPECT_EQ(runs(), 0u);
}

TEST_F(WebhookSinkTest, BodiesWithoutATypeAreTakenAsTheyAre) {
  pipeline("build", kOpen);
  const struct {
    const char* type;
    const char* body;
    const char* want;
  } cases[] = {{"", "{\"a\":1}", "{\"a\":1}"},
               {"", "hello", "\"hello\""},
               {"text/plain", "{\"a\":1}", "\"{\\\"a\\\":1}\""},
               {"application/json", "", "null"},
               {"application/x-www-form-urlencoded", "a=b", "\"a=b\""}};
  int id = 0;
  for (const auto& c : cases) {
    Delivery one = to("build", std::to_string(++id));
    if (*c.type != '\0') one.headers = {{"Content-Type", c.type}};
    one.body = c.body;
    const auto value = trigger_value(one, crds::Trigger{});
    ASSERT_TRUE(value.ok()) << c.body;
    EXPECT_EQ(value->find("body")->dump(), c.want);
    EXPECT_EQ(decide(one).kind, Kind::Accepted);
  }
}

TEST_F(WebhookSinkTest, APipelineHasARateThatRefusalsAndRepeatsDoNotUse) {
  logic::WebhookConfig config;
  config.rate_per_second = 0.1;
  config.burst = 2;
  make(config);
  secret("s", "right");
  pipeline("build", R"([{"type":"webhook","bearerTokenFrom":{"name":"s","key":"k"}}])");
  Delivery one = to("build");
  one.headers = {{"Authorization", "Bearer wrong"}};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(decide(one).kind, Kind::Forbidden);
  one.headers = {{"Authorization", "Bearer right"}};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(decide(one).kind, Kind::Accepted);
  one.id = "2";
  EXPECT_EQ(decide(one).kind, Kind::Accepted);
  one.id = "3";
  const Verdict limited = decide(one);
  EXPECT_EQ(limited.kind, Kind::TooMany);
  EXPECT_EQ(limited.retry_after, 10s);
  clock_.advance(10s);
  EXPECT_EQ(decide(one).kind, Kind::Accepted);
}

TEST_F(WebhookSinkTest, ARunOfThatNameWhichIsNotOursIsNotTaken) {
  const Value object = pipeline("build", kOpen);
  const auto decoded = codec::decode<crds::Pipeline>(object.dump());
  create(crds::PipelineRun::kResource, "shop",
         R"({"metadata":{"name":")" + webhook_run_name(*decoded, "1") +
             R"("},"spec":{"refPipeline":"build"}})");
  EXPECT_EQ(decide(to("build", "1")).kind, Kind::Unready);
}

TEST_F(WebhookSinkTest, TwoIdsWhoseNamesFallTogetherAreTwoRuns) {
  const Value object = pipeline("build", kOpen);
  const auto decoded = codec::decode<crds::Pipeline>(object.dump());
  // What another delivery, whose id has the same twelve digits, would have made.
  auto taken = create_webhook_run(*decoded, "rev", webhook_run_name(*decoded, "1"),
                                  Value::object({{"id", "another"}}), Value());
  ASSERT_TRUE(actor_.perform(taken, {}).ok());
  const Verdict verdict = decide(to("build", "1"));
  EXPECT_EQ(verdict.kind, Kind::Accepted);
  EXPECT_FALSE(verdict.duplicate);
  EXPECT_EQ(verdict.run, webhook_run_name(*decoded, "1", 1));
  make();
  EXPECT_TRUE(decide(to("build", "1")).duplicate);
  EXPECT_EQ(runs(), 2u);
}

TEST_F(WebhookSinkTest, CB13_ConcurrentDeliveriesAreIndependentRuns) {
  pipeline("build", kOpen);
  struct State {
    std::set<std::string> names;
    int duplicates = 0;
    int done = 0;
  };
  Guarded<State> state;
  std::condition_variable changed;
  sink_->start();
  constexpr int kIds = 50;
  for (int i = 0; i < 2 * kIds; ++i) {  // each id twice
    sink_->deliver(to("build", "id-" + std::to_string(i % kIds)), [&](const Verdict& verdict) {
      const auto locked = state.lock();
      EXPECT_EQ(verdict.kind, Kind::Accepted) << verdict.message;
      locked->names.insert(verdict.run);
      locked->duplicates += verdict.duplicate ? 1 : 0;
      ++locked->done;
      changed.notify_all();
    });
  }
  {
    auto locked = state.lock();
    ASSERT_TRUE(changed.wait_for(locked.lock(), 30s, [&] { return locked->done == 2 * kIds; }));
    EXPECT_EQ(locked->names.size(), static_cast<std::size_t>(kIds));
    EXPECT_EQ(locked->duplicates, kIds);
  }
  EXPECT_EQ(runs(), static_cast<std::size_t>(kIds));
  sink_->stop();
  Verdict late;
  sink_->deliver(to("build", "late"), [&](Verdict verdict) { late = std::move(verdict); });
  EXPECT_EQ(late.kind, Kind::Unavailable);
}

}  // namespace
}  // namespace millrace::shell
