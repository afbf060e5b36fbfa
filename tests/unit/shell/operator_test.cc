#include "controllers/shell/operator.h"

#include <gtest/gtest.h>

#include <random>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/codec/value.h"
#include "local/apiserver/api.h"
#include "local/apiserver/direct_client.h"
#include "local/storage/storage.h"
#include "tests/support/manual_clock.h"

namespace millrace::shell {
namespace {

using codec::Value;

/// Nobody waits here.
class NoPause final : public runtime::Pause {
 public:
  bool wait(Duration, const std::stop_token& stop) const override { return !stop.stop_requested(); }
};

/// Objects of a run that has ended, as the API server keeps them.
class OperatorTest : public testing::Test {
 protected:
  OperatorTest()
      : storage_(storage::open_storage({}).value()),
        api_(*storage_, clock_, log_, nullptr, {.seed = 1}),
        client_(api_, clock_, "test") {}

  Value create(const api::ApiResource& resource, const std::string& ns, Value body) {
    const std::string group(resource.group);
    body["apiVersion"] = group.empty() ? "v1" : group + "/" + std::string(resource.version);
    body["kind"] = std::string(resource.kind);
    const auto made = client_.create_text(resource, ns, body.dump(), {});
    EXPECT_TRUE(made.ok()) << made.error().message;
    return Value::parse(made.value_or("{}")).value();
  }
  void set_status(const api::ApiResource& resource, const ObjectKey& key, Value status) {
    client::PatchOptions patch;
    patch.subresource = "status";
    const Value body = Value::object({{"status", std::move(status)}});
    const auto done =
        client_.patch_text(resource, key, client::PatchType::Merge, body.dump(), patch, {});
    EXPECT_TRUE(done.ok()) << done.error().message;
  }
  static std::string text_at(const Value& object, const char* field) {
    return object.at_path({"metadata", field})->as_string();
  }
  static Value condition(const char* type) {
    return Value::object({{"type", type},
                          {"status", "True"},
                          {"reason", "Done"},
                          {"message", ""},
                          {"lastTransitionTime", "2026-01-01T00:00:00Z"}});
  }
  static Value conditions(std::initializer_list<const char*> types) {
    Value out = Value::array();
    for (const char* type : types) out.push_back(condition(type));
    return out;
  }

  /// A run, its Job and its pod, all ended well.
  void make_ended_run(const std::string& ns) {
    create({"", "v1", "namespaces", "Namespace", false}, "",
           Value::object({{"metadata", Value::object({{"name", ns}})}}));
    const Value run =
        create(crds::PipelineRun::kResource, ns,
               Value::parse(R"({"metadata":{"name":"r"},"spec":{"refPipeline":"p"}})").value());
    set_status(crds::PipelineRun::kResource, {ns, "r"},
               Value::object({{"conditions", conditions({"Completed", "Succeeded"})},
                              {"startTime", "2026-01-01T00:00:00Z"},
                              {"completionTime", "2026-01-01T00:00:01Z"}}));
    const Value labels = Value::object({{"millrace.dev/run-uid", text_at(run, "uid")},
                                        {"millrace.dev/run", "r"},
                                        {"millrace.dev/attempt", "1"}});
    const Value containers =
        Value::parse(R"([{"name":"c","image":"i","terminationMessagePolicy":"File"}])").value();
    Value job = Value::parse(R"({"metadata":{"name":"j"},"spec":{"backoffLimit":0,
        "template":{"spec":{"restartPolicy":"Never"}}}})")
                    .value();
    job["metadata"]["labels"] = labels;
    job["spec"]["template"]["spec"]["containers"] = containers;
    job["spec"]["managedBy"] = "millrace.dev/job-controller";
    const Value made = create(api::Job::kResource, ns, job);
    set_status(api::Job::kResource, {ns, "j"},
               Value::object({{"conditions", conditions({"SuccessCriteriaMet", "Complete"})},
                              {"succeeded", 1},
                              {"startTime", "2026-01-01T00:00:00Z"},
                              {"completionTime", "2026-01-01T00:00:01Z"}}));
    Value pod =
        Value::parse(R"({"metadata":{"name":"j-0"},"spec":{"restartPolicy":"Never"}})").value();
    pod["metadata"]["labels"] = labels;
    Value owner = Value::object({{"apiVersion", "batch/v1"},
                                 {"kind", "Job"},
                                 {"name", "j"},
                                 {"uid", text_at(made, "uid")},
                                 {"controller", true}});
    pod["metadata"]["ownerReferences"] = Value::array({owner});
    pod["spec"]["containers"] = containers;
    create(api::Pod::kResource, ns, pod);
    set_status(api::Pod::kResource, {ns, "j-0"}, Value::object({{"phase", "Succeeded"}}));
  }

  support::ManualClock clock_;
  const Logger log_{stderr_sink(), LogLevel::Off};
  NoPause pause_;
  std::unique_ptr<storage::Storage> storage_;
  apiserver::Api api_;
  apiserver::DirectClient client_;
};

TEST_F(OperatorTest, what_ended_runs_leave_is_not_cached_in_whatever_order_the_lists_come) {
  make_ended_run("a");
  make_ended_run("b");
  for (unsigned seed = 1; seed <= 100; ++seed) {
    MetricsRegistry metrics;
    OperatorSettings settings;
    settings.leader_elect = false;
    settings.namespaces = {"a", "b"};
    settings.identity = "test";
    settings.seed = seed;
    Operator oper(client_, client_, settings, {clock_, pause_, metrics, log_});
    std::mt19937 random(seed);
    for (int i = 0; i < 400; ++i) {
      oper.step(static_cast<int>(random() % static_cast<unsigned>(Operator::parts())));
    }
    ASSERT_TRUE(oper.ready()) << "seed " << seed;
    const auto cached = [&](const char* resource) {
      return metrics.gauge("millrace_cache_objects", "", {{"resource", resource}}).value();
    };
    EXPECT_EQ(cached("pipelineruns"), 2) << "seed " << seed;
    EXPECT_EQ(cached("jobs"), 0) << "seed " << seed;
    EXPECT_EQ(cached("pods"), 0) << "seed " << seed;
  }
}

TEST_F(OperatorTest, TicksThatAreDueGoBeforeTheRunsOfOtherTicks) {
  constexpr int kSchedules = 40;
  create({"", "v1", "namespaces", "Namespace", false}, "",
         Value::object({{"metadata", Value::object({{"name", "ns"}})}}));
  for (int i = 0; i < kSchedules; ++i) {
    Value pipeline = Value::parse(R"({"metadata":{},"spec":{
        "batchJob":{"processors":[{"name":"a","image":"busybox"}]},
        "strategy":{"cronExpression":"0 * * * *"}}})")
                         .value();
    pipeline["metadata"]["name"] = "p" + std::to_string(i);
    create(crds::Pipeline::kResource, "ns", std::move(pipeline));
  }
  MetricsRegistry metrics;
  OperatorSettings settings;
  settings.leader_elect = false;
  settings.identity = "test";
  Operator oper(client_, client_, settings, {clock_, pause_, metrics, log_});
  const auto cached = [&](const char* resource) {
    return metrics.gauge("millrace_cache_objects", "", {{"resource", resource}}).value();
  };
  std::int64_t runs_at_first_job = 0;
  const auto go = [&] {
    for (bool did = true; did;) {
      did = false;
      for (int part = 0; part < Operator::parts(); ++part) {
        did = oper.step(part) || did;
        if (runs_at_first_job == 0 && cached("jobs") > 0)
          runs_at_first_job = cached("pipelineruns");
      }
    }
  };
  go();
  clock_.advance(std::chrono::seconds(10));
  go();
  ASSERT_EQ(cached("pipelineruns"), 0);
  clock_.advance(std::chrono::hours(1));
  go();
  EXPECT_EQ(cached("pipelineruns"), kSchedules);
  clock_.advance(std::chrono::seconds(6));
  go();
  EXPECT_EQ(cached("jobs"), kSchedules) << "no longer than that";
  EXPECT_GE(runs_at_first_job, kSchedules / 2);
}

/// Processes that share the work, stepped in turn; nothing takes time but what the clock says.
class ShardedOperators : public OperatorTest {
 protected:
  struct Process {
    std::unique_ptr<MetricsRegistry> metrics;
    std::unique_ptr<Operator> oper;
    std::uint64_t ended() const {
      return metrics->counter("millrace_runs_total", "", {{"outcome", "succeeded"}}).value();
    }
    std::int64_t held() const { return metrics->gauge("millrace_shards_held", "").value(); }
  };

  ShardedOperators() {
    create({"", "v1", "namespaces", "Namespace", false}, "",
           Value::object({{"metadata", Value::object({{"name", "ns"}})}}));
    create(crds::Pipeline::kResource, "ns",
           Value::parse(R"({"metadata":{"name":"p"},"spec":{"steps":[
               {"name":"w","wait":{"duration":"1s"}}]}})")
               .value());
  }
  void start(int shards) {
    Process process;
    process.metrics = std::make_unique<MetricsRegistry>();
    OperatorSettings settings;
    settings.lease_namespace = "ns";
    settings.shards = shards;
    settings.identity = "op" + std::to_string(all_.size());
    settings.seed = static_cast<std::uint32_t>(all_.size()) + 1;
    process.oper = std::make_unique<Operator>(client_, client_, settings,
                                              runtime::Env{clock_, pause_, *process.metrics, log_});
    all_.push_back(std::move(process));
  }
  void make_runs(int count) {
    for (int i = 0; i < count; ++i, ++made_) {
      create(crds::PipelineRun::kResource, "ns",
             Value::object({{"metadata", Value::object({{"name", "r" + std::to_string(made_)}})},
                            {"spec", Value::object({{"refPipeline", "p"}})}}));
    }
  }
  void pass(Duration length) {
    const SteadyTime end = clock_.steady() + length;
    while (clock_.steady() < end) {
      for (bool did = true; did;) {
        did = false;
        for (Process& process : all_) {
          for (int part = 0; process.oper && part < Operator::parts(); ++part) {
            did = process.oper->step(part) || did;
          }
        }
        did = api_.work_once() || did;
      }
      clock_.advance(std::chrono::milliseconds(100));
    }
  }

  std::vector<Process> all_;
  int made_ = 0;
};

TEST_F(ShardedOperators, SharesOfTheRunsAreWorkedOnByTheirOwnersAndByAnotherAfterADeath) {
  using namespace std::chrono_literals;
  for (int i = 0; i < 3; ++i) start(3);
  pass(5s);
  for (const Process& process : all_) ASSERT_EQ(process.held(), 1);
  make_runs(30);
  pass(5s);
  std::uint64_t sum = 0;
  for (const Process& process : all_) {
    EXPECT_GT(process.ended(), 0U);
    sum += process.ended();
  }
  EXPECT_EQ(sum, 30U) << "each run's end was written once";

  all_[1].oper.reset();
  make_runs(30);
  pass(3s);
  const std::uint64_t of_others = all_[0].ended() + all_[2].ended() + all_[1].ended();
  EXPECT_LT(of_others, 60U) << "those of the dead one wait";
  pass(17s);
  EXPECT_EQ(all_[0].ended() + all_[2].ended() + all_[1].ended(), 60U);
  EXPECT_EQ(all_[0].held() + all_[2].held(), 3);
}

TEST_F(ShardedOperators, RunsGoOnWhileAShardIsGivenToOneThatComes) {
  using namespace std::chrono_literals;
  start(2);
  pass(5s);
  ASSERT_EQ(all_[0].held(), 2);
  start(2);
  for (int i = 0; i < 20; ++i) {
    make_runs(2);
    pass(700ms);
  }
  pass(5s);
  EXPECT_EQ(all_[0].held(), 1);
  EXPECT_EQ(all_[1].held(), 1);
  EXPECT_GT(all_[1].ended(), 0U);
  EXPECT_EQ(all_[0].ended() + all_[1].ended(), 40U);
}

}  // namespace
}  // namespace millrace::shell
