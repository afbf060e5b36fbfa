#include "controllers/logic/stream.h"

#include <gtest/gtest.h>

#include "controllers/logic/labels.h"
#include "tests/unit/logic/world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using codec::Value;
using Texts = std::vector<std::string>;

constexpr const char* kStream = R"({"kind":"Pipeline","metadata":{"name":"live",
  "labels":{"team":"retail"}},"spec":{"streamJob":{"microServices":[
  {"name":"reader","replicas":2,"spec":{"containers":[
    {"name":"reader","image":"demo/reader:1","ports":[{"containerPort":9000},
     {"name":"metrics","containerPort":9100,"protocol":"UDP"}]},
    {"name":"side","image":"demo/side:1","ports":[{"containerPort":9000}]}]}},
  {"name":"writer","spec":{"containers":[{"name":"writer","image":"demo/writer:1"}]}}]}}})";

std::string stream_run(const std::string& name) {
  return R"({"kind":"PipelineRun","metadata":{"name":")" + name +
         R"("},"spec":{"refPipeline":"live"}})";
}

World started() {
  World w;
  w.put(kStream);
  w.put(stream_run("one"));
  w.advance(1s);
  return w;
}

void set_available(World& w, const std::string& name, int replicas) {
  const auto generation = w.get<api::Deployment>(name).metadata.generation;
  const std::string n = std::to_string(replicas);
  w.set_status("Deployment", name,
               R"({"observedGeneration":)" + std::to_string(generation) + R"(,"updatedReplicas":)" +
                   n + R"(,"availableReplicas":)" + n + "}");
}

void set_all_available(World& w) {
  for (const auto& d : w.all<api::Deployment>()) {
    set_available(w, d.metadata.name, d.spec.replicas.value_or(1));
  }
  w.advance(1s);
}

TEST(PlanStream, PO_12_DeploymentsAndHeadlessServices) {
  World w = started();
  EXPECT_EQ(w.names("Deployment"), (Texts{"live-deploy-reader", "live-deploy-writer"}));
  EXPECT_EQ(w.names("Service"), (Texts{"reader", "writer"}));
  const Value& deployment = *w.find("Deployment", "live-deploy-reader");
  const Value labels = *Value::parse(R"({"team":"retail","pipeline":"live","pipeline-run":"one",
      "k8s-app":"live-deploy-reader"})");
  EXPECT_EQ(*deployment.at_path({"spec", "selector", "matchLabels"}), labels);
  EXPECT_EQ(*deployment.at_path({"spec", "template", "metadata", "labels"}), labels);
  for (const auto& [key, value] : labels.members()) {
    EXPECT_EQ(deployment.at_path({"metadata", "labels", key})->as_string(), value.as_string());
  }
  EXPECT_EQ(deployment.at_path({"spec", "replicas"})->as_int(), 2);
  const auto service = w.get<api::Service>("reader");
  EXPECT_EQ(service.spec.cluster_ip, "None");
  ASSERT_EQ(service.spec.ports.size(), 2u) << "each port once";
  EXPECT_EQ(service.spec.ports[0], (api::Service::Port{"port-9000", 9000, "TCP"}));
  EXPECT_EQ(service.spec.ports[1], (api::Service::Port{"metrics", 9100, "UDP"}));
  EXPECT_TRUE(w.get<api::Service>("writer").spec.ports.empty());
  for (const auto& child : w.all<api::Deployment>()) {
    EXPECT_EQ(child.metadata.controller_ref()->name, "one");
  }
  const auto status = w.status("one");
  EXPECT_EQ(status.cluster->deployment_names, w.names("Deployment"));
  EXPECT_EQ(status.cluster->service_names, w.names("Service"));
}

TEST(PlanStream, SucceededFollowsAvailability) {
  World w = started();
  EXPECT_EQ(w.reason("one"), "Progressing");
  EXPECT_EQ(w.condition("Succeeded", "one").status, "Unknown");
  set_available(w, "live-deploy-reader", 1);
  w.advance(2s);
  EXPECT_EQ(w.condition("Succeeded", "one").message,
            "reader: 1 of 2 replicas available; writer: 0 of 1 replicas available");
  set_all_available(w);
  EXPECT_EQ(w.condition("Succeeded", "one").status, "True");
  EXPECT_EQ(w.condition("Completed", "one").status, "False");
  EXPECT_EQ(w.status("one").steps, "2/2");
  const Time up = *w.condition("Succeeded", "one").last_transition_time;
  w.advance(10s);
  set_all_available(w);
  EXPECT_EQ(*w.condition("Succeeded", "one").last_transition_time, up);
  set_available(w, "live-deploy-reader", 0);
  w.advance(1s);
  EXPECT_EQ(w.condition("Succeeded", "one").status, "Unknown");
  EXPECT_EQ(w.reason("one"), "Degraded");
  set_all_available(w);
  EXPECT_EQ(w.condition("Succeeded", "one").status, "True");
}

TEST(PlanStream, DeletedAndChangedChildrenAreRestored) {
  World w = started();
  set_all_available(w);
  const int quiet = w.writes;
  w.advance(1h);
  EXPECT_EQ(w.writes, quiet) << "at rest nothing is written";
  w.erase("Deployment", "live-deploy-reader");
  w.erase("Service", "writer");
  w.settle();
  EXPECT_NE(w.find("Deployment", "live-deploy-reader"), nullptr);
  EXPECT_NE(w.find("Service", "writer"), nullptr);
  auto& scaled = *w.find("Deployment", "live-deploy-writer");
  scaled["spec"]["replicas"] = 7;
  scaled["metadata"]["generation"] = scaled["metadata"]["generation"].as_int() + 1;
  (*w.find("Service", "reader"))["spec"]["ports"] = Value::array();
  w.settle();
  EXPECT_EQ(w.get<api::Deployment>("live-deploy-writer").spec.replicas, 1);
  EXPECT_EQ(w.get<api::Service>("reader").spec.ports.size(), 2u);
  auto& changed = *w.find("Deployment", "live-deploy-writer");
  changed["spec"]["template"]["spec"]["containers"].items()[0]["image"] = "evil";
  changed["metadata"]["generation"] = changed["metadata"]["generation"].as_int() + 1;
  w.settle();
  EXPECT_EQ(w.find("Deployment", "live-deploy-writer")->dump().find("evil"), std::string::npos);
}

TEST(PlanStream, OnlyReplicasFollowTheLivePipeline) {
  World w = started();
  auto& service = (*w.find("Pipeline", "live"))["spec"]["streamJob"]["microServices"].items()[1];
  service["replicas"] = 5;
  service["spec"]["containers"].items()[0]["image"] = "demo/writer:2";
  w.settle();
  EXPECT_EQ(w.get<api::Deployment>("live-deploy-writer").spec.replicas, 5);
  EXPECT_EQ(w.find("Deployment", "live-deploy-writer")->dump().find("writer:2"), std::string::npos);
}

TEST(PlanStream, NewerRunTakesOverWithoutAStop) {
  World w = started();
  set_all_available(w);
  const Value selector = *w.find("Deployment", "live-deploy-reader")->at_path({"spec", "selector"});
  w.advance(5s);
  auto& services = (*w.find("Pipeline", "live"))["spec"]["streamJob"]["microServices"];
  services.items()[0]["spec"]["containers"].items()[0]["image"] = "demo/reader:2";
  services.items().pop_back();
  w.put(stream_run("two"));
  w.advance(1s);
  EXPECT_EQ(w.reason("one"), "Superseded");
  EXPECT_EQ(w.condition("Completed", "one").status, "True");
  const auto taken = w.get<api::Deployment>("live-deploy-reader");
  EXPECT_EQ(taken.metadata.controller_ref()->name, "two");
  EXPECT_EQ(taken.metadata.label("pipeline-run"), "two");
  EXPECT_EQ(w.made["Deployment/live-deploy-reader"], 1) << "never made anew";
  EXPECT_EQ(*w.find("Deployment", "live-deploy-reader")->at_path({"spec", "selector"}), selector);
  EXPECT_NE(w.find("Deployment", "live-deploy-reader")->dump().find("reader:2"), std::string::npos);
  EXPECT_EQ(w.names("Deployment"), Texts{"live-deploy-reader"}) << "what is not wanted is removed";
  EXPECT_EQ(w.names("Service"), Texts{"reader"});
}

TEST(PlanStream, ForeignObjectsAreAConflictThatHeals) {
  World w;
  w.put(kStream);
  w.put(R"({"kind":"Service","metadata":{"name":"reader"},"spec":{"clusterIP":"10.0.0.1"}})");
  w.put(stream_run("one"));
  w.settle();
  EXPECT_EQ(w.reason("one"), "OwnershipConflict");
  EXPECT_EQ(w.condition("Succeeded", "one").status, "Unknown");
  EXPECT_NE(w.condition("Succeeded", "one").message.find("Service reader"), std::string::npos);
  EXPECT_TRUE(w.names("Deployment").empty()) << "all or nothing";
  EXPECT_EQ(w.get<api::Service>("reader").spec.cluster_ip, "10.0.0.1");
  w.erase("Service", "reader");
  w.advance(11s);
  EXPECT_EQ(w.reason("one"), "Progressing");
}

TEST(PlanStream, RefusedChildrenAreExplained) {
  const struct {
    const char* name;
    Code code;
    const char* message;
    const char* reason;
    const char* succeeded;
  } cases[] = {
      {"invalid", Code::Invalid, "spec.template.spec.containers[0].ports[0]: bad", "CreateFailed",
       "False"},
      {"for now", Code::Throttled, "exceeded quota: q", "QuotaExceeded", "Unknown"},
  };
  for (const auto& c : cases) {
    World w;
    w.put(kStream);
    w.refuse = [&](const Action& action) -> std::optional<Error> {
      if (action.resource.kind != "Deployment") return std::nullopt;
      return refusal(c.code, c.message);
    };
    w.put(stream_run("one"));
    w.advance(1s);
    EXPECT_EQ(w.reason("one"), c.reason) << c.name;
    EXPECT_EQ(w.condition("Succeeded", "one").status, c.succeeded) << c.name;
    EXPECT_EQ(w.condition("Completed", "one").status, "False") << c.name;
    EXPECT_NE(w.condition("Succeeded", "one").message.find(c.message), std::string::npos);
    w.refuse = nullptr;
    w.advance(6min);
    EXPECT_EQ(w.reason("one"), "Progressing") << c.name << " and goes on";
  }
}

TEST(PlanStream, CancelDeletesTheChildren) {
  World w = started();
  (*w.find("PipelineRun", "one"))["spec"]["cancel"] = true;
  w.settle();
  EXPECT_TRUE(w.names("Deployment").empty());
  EXPECT_TRUE(w.names("Service").empty());
  EXPECT_EQ(w.condition("Cancelled", "one").status, "True");
  EXPECT_EQ(w.condition("Completed", "one").status, "True");
  EXPECT_TRUE(w.status("one").completion_time.has_value());
}

/// Else two operators would undo each other's changes as fast as the server answers.
TEST(PlanStream, WhatAnotherOperatorHasScaledStaysAlthoughTheCacheLags) {
  World w = started();
  set_all_available(w);
  w.outdated = w.get<crds::Pipeline>("live");
  auto& service = (*w.find("Pipeline", "live"))["spec"]["streamJob"]["microServices"].items()[1];
  service["replicas"] = 5;
  auto& scaled = *w.find("Deployment", "live-deploy-writer");
  scaled["spec"]["replicas"] = 5;
  scaled["metadata"]["generation"] = scaled["metadata"]["generation"].as_int() + 1;
  for (int i = 0; i < 3; ++i) w.settle();
  EXPECT_EQ(w.get<api::Deployment>("live-deploy-writer").spec.replicas, 5);
}

TEST(PlanStream, TimeLimitsDoNotApply) {
  World w;
  w.expired = true;
  w.put(kStream);
  w.put(R"({"kind":"PipelineRun","metadata":{"name":"one"},
      "spec":{"refPipeline":"live","timeout":"10s"}})");
  w.advance(1h);
  EXPECT_EQ(w.reason("one"), "Progressing");
}

}  // namespace
}  // namespace millrace::logic
