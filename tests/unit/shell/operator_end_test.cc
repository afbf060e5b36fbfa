#include <gtest/gtest.h>

#include <condition_variable>
#include <future>

#include "controllers/shell/operator.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/lease.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/codec/value.h"
#include "local/apiserver/api.h"
#include "local/apiserver/direct_client.h"
#include "local/storage/storage.h"
#include "tests/unit/shell/fake_calls.h"

namespace millrace::shell {
namespace {

using namespace std::chrono_literals;
using codec::Value;

/// Far longer than anything takes here.
constexpr std::chrono::seconds kPatience{10};
/// A test that waited for this would not end.
constexpr std::chrono::minutes kForever{1};

class Lines final : public LogSink {
 public:
  void write(const std::string& line) override {
    *text_.lock() += line + "\n";
    changed_.notify_all();
  }
  bool wait_for(const std::string& words) {
    auto text = text_.lock();
    return changed_.wait_for(text.lock(), kPatience,
                             [&] { return text->find(words) != std::string::npos; });
  }
  bool has(const std::string& words) const {
    return text_.lock()->find(words) != std::string::npos;
  }

 private:
  Guarded<std::string> text_;
  std::condition_variable changed_;
};

/// An operator on threads, in real time, and a run of two calls: "b/1" needs the answer of "a/1".
class OperatorEnds : public testing::Test {
 protected:
  OperatorEnds()
      : storage_(storage::open_storage({}).value()),
        api_(*storage_, clock_, log_, nullptr, {.seed = 1}),
        client_(api_, clock_, "test") {
    settings_.leader_elect = false;
    settings_.identity = "test";
    settings_.lease_namespace = "ns";
    settings_.drain_timeout = kForever;
    create({"", "v1", "namespaces", "Namespace", false}, "", R"({"metadata":{"name":"ns"}})");
    create(crds::Pipeline::kResource, "ns", R"({"metadata":{"name":"p"},"spec":{"steps":[
        {"name":"a","http":{"url":"http://x.test/a"}},
        {"name":"b","dependsOn":["a"],"http":{"url":"http://x.test/b"}}]}})");
    create(crds::PipelineRun::kResource, "ns",
           R"({"metadata":{"name":"r"},"spec":{"refPipeline":"p"}})");
  }
  ~OperatorEnds() override { stop_.request_stop(); }  // then oper_ and ended_ are let go, in order

  void create(const api::ApiResource& resource, const std::string& ns, const char* text) {
    Value body = Value::parse(text).value();
    body["apiVersion"] = std::string(resource.api_version());
    body["kind"] = std::string(resource.kind);
    const auto made = client_.create_text(resource, ns, body.dump(), {});
    ASSERT_TRUE(made.ok()) << made.error().message;
  }
  void start() {
    oper_ = std::make_unique<Operator>(client_, client_, settings_,
                                       runtime::Env{clock_, pause_, metrics_, log_}, &calls_);
    ended_ = std::async(std::launch::async, [this] { return oper_->run(stop_.get_token()); });
  }
  /// The one after it; it waits for nothing at its own end, with the test's.
  void start_next() {
    oper_.reset();
    stop_ = std::stop_source();
    settings_.drain_timeout = {};
    start();
  }
  /// How it ended; a test fails here when it does not in time.
  OperatorEnd end() {
    EXPECT_EQ(ended_.wait_for(kPatience), std::future_status::ready) << "it does not end";
    return ended_.get();
  }
  std::string phase(const std::string& step) {
    const auto text = client_.get_text(crds::PipelineRun::kResource, {"ns", "r"}, {});
    const Value run = Value::parse(text.value_or("{}")).value();
    const Value* states = run.at_path({"status", "stepStates"});
    if (states == nullptr) return "";
    for (const Value& state : states->items()) {
      if (state.find("name")->as_string() == step) return state.find("state")->as_string();
    }
    return "";
  }
  /// Two shards, both of this operator; renewed so often that a loss shows soon.
  void hold_two_leases() {
    settings_.leader_elect = true;
    settings_.shards = 2;
    settings_.lease_times.renew_every = 100ms;
    settings_.lease_times.retry = 50ms;
  }
  void steal_lease(const std::string& name) {
    ASSERT_TRUE(lines_.wait_for("\"lease\":\"ns/" + name + "\"")) << "it is held";
    const Value body = Value::object({{"spec", Value::object({{"holderIdentity", "thief"}})}});
    const auto done = client_.patch_text(api::Lease::kResource, {"ns", name},
                                         client::PatchType::Merge, body.dump(), {}, {});
    ASSERT_TRUE(done.ok()) << done.error().message;
  }

  SystemClock clock_;
  runtime::SystemPause pause_;
  Lines lines_;
  const Logger log_{lines_, LogLevel::Info};
  MetricsRegistry metrics_;
  std::unique_ptr<storage::Storage> storage_;
  apiserver::Api api_;
  apiserver::DirectClient client_;
  FakeCalls calls_;
  OperatorSettings settings_;
  std::stop_source stop_;
  std::unique_ptr<Operator> oper_;
  std::future<OperatorEnd> ended_;  ///< its destructor waits
};

TEST_F(OperatorEnds, AnEndWaitsUntilTheAnswersOfCallsUnderWayAreOnRecord) {
  start();
  ASSERT_TRUE(calls_.wait_begun(1));
  stop_.request_stop();
  ASSERT_TRUE(lines_.wait_for("waiting for calls under way"));
  calls_.answer("a/1");
  EXPECT_EQ(end(), OperatorEnd::Stopped);
  EXPECT_EQ(phase("a"), "Succeeded");
  EXPECT_EQ(calls_.begun(), std::vector<std::string>{"a/1"}) << "no new call";
  EXPECT_FALSE(lines_.has("are cut"));

  start_next();
  ASSERT_TRUE(calls_.wait_begun(2)) << "the next one goes on with it";
  EXPECT_EQ(calls_.begun().back(), "b/1");
}

TEST_F(OperatorEnds, ACallLongerThanTheBoundIsCutAndSentAgainByTheNextOperator) {
  settings_.drain_timeout = 200ms;
  start();
  ASSERT_TRUE(calls_.wait_begun(1));
  stop_.request_stop();
  EXPECT_EQ(end(), OperatorEnd::Stopped);
  EXPECT_TRUE(lines_.has("are cut"));
  EXPECT_TRUE(calls_.none_known());

  start_next();
  ASSERT_TRUE(calls_.wait_begun(2));
  EXPECT_EQ(calls_.begun().back(), "a/1") << "with its key, which Idempotency-Key follows from";
}

TEST_F(OperatorEnds, AnEndWithoutCallsUnderWayWaitsForNone) {
  start();
  ASSERT_TRUE(calls_.wait_begun(1));
  calls_.answer("a/1");
  ASSERT_TRUE(calls_.wait_begun(2));
  calls_.answer("b/1");
  ASSERT_TRUE(lines_.wait_for("steps succeeded"));
  stop_.request_stop();
  EXPECT_EQ(end(), OperatorEnd::Stopped);
  EXPECT_FALSE(lines_.has("waiting for calls under way"));
}

TEST_F(OperatorEnds, ALostLeaseCutsWhatIsUnderWayAtOnceThoughAnotherOneIsHeld) {
  hold_two_leases();
  calls_.hang = true;
  start();
  ASSERT_TRUE(calls_.wait_begun(1));
  steal_lease("millrace-operator-1");
  EXPECT_EQ(end(), OperatorEnd::LeaseLost);
  EXPECT_TRUE(calls_.cut()) << "and not when it gave up by itself";
}

TEST_F(OperatorEnds, ALeaseThatIsLostWhileAnEndWaitsForCallsEndsTheWait) {
  hold_two_leases();
  start();
  ASSERT_TRUE(calls_.wait_begun(1));
  stop_.request_stop();
  ASSERT_TRUE(lines_.wait_for("waiting for calls under way"));
  steal_lease("millrace-operator");
  EXPECT_EQ(end(), OperatorEnd::LeaseLost);
}

}  // namespace
}  // namespace millrace::shell
