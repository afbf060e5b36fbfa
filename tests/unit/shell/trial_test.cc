#include <gtest/gtest.h>

#include "controllers/shell/operator.h"
#include "crds/pipeline.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/codec/json_reader.h"
#include "local/apiserver/api.h"
#include "local/apiserver/direct_client.h"
#include "local/storage/storage.h"
#include "tests/support/manual_clock.h"

namespace millrace::shell {
namespace {

using codec::Value;

class NoPause final : public runtime::Pause {
 public:
  bool wait(Duration, const std::stop_token& stop) const override { return !stop.stop_requested(); }
};

/// Passes everything on, but answers dry-run creates of pods with `refusal`, if there is one.
class Judge final : public client::Writer {
 public:
  explicit Judge(client::Writer& writer) : writer_(writer) {}

  std::optional<Error> refusal;
  std::vector<std::string> tried;  ///< plurals

  Result<std::string> create_text(const api::ApiResource& resource, const std::string& ns,
                                  std::string_view body,
                                  const client::CallOptions& options) override {
    if (options.dry_run) {
      tried.emplace_back(resource.plural);
      if (refusal && resource == api::Pod::kResource) return fail(Error(*refusal));
    }
    return writer_.create_text(resource, ns, body, options);
  }
  Result<std::string> replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                   std::string_view body, const std::string& subresource,
                                   const client::CallOptions& options) override {
    return writer_.replace_text(resource, key, body, subresource, options);
  }
  Result<std::string> patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                 client::PatchType type, std::string_view body,
                                 const client::PatchOptions& patch,
                                 const client::CallOptions& options) override {
    return writer_.patch_text(resource, key, type, body, patch, options);
  }
  Result<std::string> delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                  const client::DeleteOptions& del,
                                  const client::CallOptions& options) override {
    return writer_.delete_text(resource, key, del, options);
  }

 private:
  client::Writer& writer_;
};

Error error_of(Code code, const char* message) {
  Error error;
  error.code = code;
  error.http_status = 403;
  error.message = message;
  return error;
}

class Trials : public testing::Test {
 protected:
  Trials()
      : storage_(storage::open_storage({}).value()),
        api_(*storage_, clock_, log_, nullptr, {.seed = 1}),
        client_(api_, clock_, "test"),
        judge_(client_) {
    restart();
  }

  void restart() {
    oper_.reset();
    metrics_ = std::make_unique<MetricsRegistry>();
    OperatorSettings settings;
    settings.leader_elect = false;
    settings.identity = "test";
    settings.seed = 1;
    oper_ = std::make_unique<Operator>(client_, judge_, settings,
                                       runtime::Env{clock_, pause_, *metrics_, log_});
  }
  /// Until no part has anything to do now.
  void settle() {
    for (int idle = 0, round = 0; idle < 3 && round < 2000; ++round) {
      bool did = false;
      for (int part = 0; part < Operator::parts(); ++part) did = oper_->step(part) || did;
      idle = did ? 0 : idle + 1;
    }
  }
  void wait(Duration time) {
    clock_.advance(time);
    settle();
  }
  void create(const char* spec) {
    const std::string body =
        R"({"apiVersion":"millrace.dev/v1","kind":"Pipeline","metadata":{"name":"p"},"spec":)" +
        std::string(spec) + "}";
    const auto made = client_.create_text(crds::Pipeline::kResource, "default", body, {});
    ASSERT_TRUE(made.ok()) << made.error().message;
    settle();
  }
  api::Condition condition(const char* type) {
    const auto text = client_.get_text(crds::Pipeline::kResource, {"default", "p"}, {});
    const auto pipeline = codec::decode<crds::Pipeline>(text.value_or("{}"));
    const api::Condition* found =
        pipeline.ok() ? api::find_condition(pipeline->status.conditions, type) : nullptr;
    return found == nullptr ? api::Condition{} : *found;
  }
  std::size_t stored(const api::ApiResource& resource) {
    const auto text = client_.list_text(resource, "default", {}, {});
    return Value::parse(text.value_or("{}")).value()["items"].items().size();
  }

  support::ManualClock clock_;
  const Logger log_{stderr_sink(), LogLevel::Off};
  NoPause pause_;
  std::unique_ptr<storage::Storage> storage_;
  apiserver::Api api_;
  apiserver::DirectClient client_;
  Judge judge_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::unique_ptr<Operator> oper_;
};

constexpr const char* kOne = R"({"steps":[{"name":"a","container":{"image":"i"}}]})";
constexpr const char* kTwo = R"({"steps":[{"name":"a","container":{"image":"i"}},
                                          {"name":"b","container":{"image":"j"}}]})";
constexpr const char* kSecurity = "pods \"p\" is forbidden: violates PodSecurity \"restricted\"";

TEST_F(Trials, JobAndPodAreTriedOnceAndNothingIsStored) {
  create(kOne);
  EXPECT_EQ(condition("Admitted").reason, "Accepted");
  EXPECT_EQ(condition("Ready").status, "True");
  EXPECT_EQ(judge_.tried, (std::vector<std::string>{"jobs", "pods"}));
  EXPECT_EQ(stored(api::Job::kResource), 0U);
  EXPECT_EQ(stored(api::Pod::kResource), 0U);
  wait(std::chrono::hours(1));
  restart();
  settle();
  wait(std::chrono::hours(1));
  EXPECT_EQ(judge_.tried.size(), 2U);
}

TEST_F(Trials, ARefusalIsTriedAgainUntilItIsGone) {
  judge_.refusal = error_of(Code::Denied, kSecurity);
  create(kOne);
  EXPECT_EQ(condition("Ready").status, "False");
  EXPECT_EQ(condition("Ready").reason, "Refused");
  EXPECT_NE(condition("Ready").message.find(kSecurity), std::string::npos);
  ASSERT_EQ(judge_.tried.size(), 2U);
  wait(std::chrono::seconds(29));
  EXPECT_EQ(judge_.tried.size(), 2U);
  wait(std::chrono::seconds(2));
  EXPECT_EQ(judge_.tried.size(), 4U);
  wait(std::chrono::seconds(31));  // twice the pause now
  EXPECT_EQ(judge_.tried.size(), 4U);
  restart();  // after a restart the pauses begin anew, and what is on record stays
  settle();
  EXPECT_EQ(condition("Ready").reason, "Refused");
  EXPECT_EQ(judge_.tried.size(), 4U);
  judge_.refusal.reset();
  wait(std::chrono::seconds(31));
  EXPECT_EQ(condition("Ready").reason, "Valid");
  EXPECT_EQ(condition("Admitted").reason, "Accepted");
  const std::size_t tried = judge_.tried.size();
  wait(std::chrono::hours(1));
  EXPECT_EQ(judge_.tried.size(), tried);
}

TEST_F(Trials, WhatWeMayNotAskAboutIsAskedOnce) {
  judge_.refusal =
      error_of(Code::Denied, "pods is forbidden: User \"u\" cannot create resource \"pods\"");
  create(kTwo);
  EXPECT_EQ(condition("Admitted").reason, "CheckFailed");
  EXPECT_EQ(condition("Ready").status, "True");
  EXPECT_EQ(judge_.tried, (std::vector<std::string>{"jobs", "pods", "jobs"}));
}

TEST_F(Trials, AServerThatCannotBeAskedIsLeftAlone) {
  judge_.refusal = error_of(Code::Timeout, "no answer");
  create(kTwo);
  EXPECT_EQ(condition("Admitted").reason, "CheckFailed");
  EXPECT_EQ(judge_.tried, (std::vector<std::string>{"jobs", "pods"}));
}

TEST_F(Trials, WhatTheServerItselfFindsWrongIsRefused) {
  create(R"({"steps":[{"name":"a","container":{"image":"i","imagePullPolicy":"Sometimes"}}]})");
  EXPECT_EQ(condition("Ready").reason, "Refused");
  EXPECT_NE(condition("Ready").message.find("imagePullPolicy"), std::string::npos)
      << condition("Ready").message;
}

TEST_F(Trials, AnObjectOfAManifestStepIsTriedAndNotStored) {
  create(R"({"steps":[{"name":"a","manifest":{"object":{"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"c"},"data":{"k":"v"}}}}]})");
  EXPECT_EQ(condition("Admitted").reason, "Accepted") << condition("Admitted").message;
  EXPECT_EQ(client_.get_text({"", "v1", "configmaps", "ConfigMap", true}, {"default", "c"}, {})
                .error()
                .code,
            Code::NotFound);
}

}  // namespace
}  // namespace millrace::shell
