#include "local/executor/deployment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <set>
#include <sstream>

#include "kubeclient/base/time_format.h"

namespace millrace::executor {
namespace {

using codec::Value;
using std::chrono::seconds;

const Time kNow = parse_time("2026-11-21T12:00:00Z").value();

Value template_of(const std::string& image) {
  return Value::object(
      {{"metadata", Value::object({{"labels", Value::object({{"app", "d"}})}})},
       {"spec", Value::object({{"containers", Value::array({Value::object(
                                                  {{"name", "main"}, {"image", image}})})}})}});
}

DeploymentObject deployment_of(const std::string& spec) {
  DeploymentObject out;
  out.metadata.name = "d";
  out.metadata.ns = "default";
  out.metadata.uid = "uid-d";
  out.metadata.generation = 3;
  out.spec = Value::parse(spec).value();
  out.spec["template"] = template_of("new");
  return out;
}

/// A pod of the present (c) or an older (o) template: '+' is ready for an hour, '-' not ready, 'x'
/// ended, 'd' on its way out, '5' ready for five seconds. `n` makes the name, and the later the
/// younger.
PodObject pod_of(std::string_view letters, int n) {
  PodObject out;
  out.metadata.name = std::string(letters) + std::to_string(n);
  out.metadata.ns = "default";
  out.metadata.uid = "uid-" + out.metadata.name;
  out.metadata.creation_timestamp = kNow - seconds(7200 - n);
  const Value pod_template = template_of(letters[0] == 'c' ? "new" : "old");
  out.metadata.labels = {{kTemplateHashLabel, template_hash(pod_template)}};
  if (letters[1] == 'd') out.metadata.deletion_timestamp = kNow;
  out.status = Value::object({{"phase", letters[1] == 'x' ? "Failed" : "Running"}});
  const bool ready = letters[1] == '+' || letters[1] == '5';
  const Time since = kNow - seconds(letters[1] == '5' ? 5 : 3600);
  out.status["conditions"] =
      Value::array({Value::object({{"type", "Ready"},
                                   {"status", ready ? "True" : "False"},
                                   {"lastTransitionTime", format_time(since)}})});
  return out;
}

/// Pods by a text such as "o+ o+ c-", numbered from 0.
std::list<PodObject> pods_of(const std::string& text) {
  std::list<PodObject> out;
  std::istringstream words(text);
  for (std::string word; words >> word;) out.push_back(pod_of(word, static_cast<int>(out.size())));
  return out;
}

DeploymentPlan plan_for(const DeploymentObject& deployment, const std::list<PodObject>& pods) {
  DeploymentInput input{&deployment, {}, kNow};
  for (const PodObject& pod : pods) input.pods.push_back(&pod);
  return plan_deployment(input);
}

/// The names of what a plan takes away, in order.
std::string removed(const DeploymentPlan& plan) {
  std::string out;
  for (const PodObject* pod : plan.remove) {
    out += (out.empty() ? "" : " ") + pod->metadata.name;
  }
  return out;
}

std::string text_at(const Value& value, std::initializer_list<std::string_view> path) {
  const Value* at = value.at_path(path);
  return at == nullptr ? "" : at->is_string() ? at->as_string() : at->dump();
}

TEST(Deployment, KeepsItsNumberAndRollsOverStepByStep) {
  const std::string three = R"({"replicas":3})";
  const std::string roll = R"("strategy":{"type":"RollingUpdate","rollingUpdate":)";
  const std::string recreate = R"({"replicas":2,"strategy":{"type":"Recreate"}})";
  const struct {
    const char* name;
    std::string spec;
    const char* pods;
    const char* remove;
    std::size_t create;
  } cases[] = {
      {"from nothing", three, "", "", 3},
      {"one replica unless said", "{}", "", "", 1},
      {"all there", three, "c+ c+ c+", "", 0},
      {"one missing", three, "c+ c+", "", 1},
      {"too many: the one not ready goes", three, "c+ c- c+ c+", "c-1", 0},
      {"too many: the youngest go", R"({"replicas":2})", "c+ c+ c+ c+", "c+3 c+2", 0},
      {"to zero", R"({"replicas":0})", "o+ c+", "c+1 o+0", 0},
      {"ended ones are replaced", three, "cx c+ c+", "cx0", 1},
      {"those that leave no longer count", three, "cd c+ c+", "", 1},
      {"rollout begins with one more", three, "o+ o+ o+", "", 1},
      {"rollout waits for readiness", three, "o+ o+ o+ c-", "", 0},
      {"an old one goes for one that is ready", three, "o+ o+ o+ c+", "o+2", 0},
      {"rollout goes on", three, "o+ o+ c+", "", 1},
      {"rollout ends", three, "o+ c+ c+ c+", "o+0", 0},
      {"old ones that do not work go first",
       "{\"replicas\":3," + roll + R"({"maxUnavailable":1}}})", "o+ o- o+", "o-1", 1},
      {"no surge: first take away",
       "{\"replicas\":3," + roll + R"({"maxSurge":0,"maxUnavailable":1}}})", "o+ o+ o+", "o+2", 0},
      {"neither surge nor absence would never end",
       "{\"replicas\":3," + roll + R"({"maxSurge":0,"maxUnavailable":0}}})", "o+ o+ o+", "o+2", 0},
      {"all at once", "{\"replicas\":2," + roll + R"({"maxSurge":"100%"}}})", "o+ o+", "", 2},
      {"a share of absence is rounded down",
       "{\"replicas\":3," + roll + R"({"maxSurge":0,"maxUnavailable":"67%"}}})", "o+ o+ o+",
       "o+2 o+1", 0},
      {"recreate: first all away", recreate, "o+ o-", "o-1 o+0", 0},
      {"recreate: wait until they are gone", recreate, "od od", "", 0},
      {"recreate: then anew", recreate, "", "", 2},
      {"recreate: keeps its number", recreate, "c+", "", 1},
      {"paused: no rollout", R"({"replicas":2,"paused":true})", "o+ o+", "", 0},
      {"paused: scaled up", R"({"replicas":3,"paused":true})", "o+ o+", "", 1},
      {"paused: scaled down, old ones first", R"({"replicas":1,"paused":true})", "o+ c+ o+",
       "o+2 o+0", 0},
      {"young readiness does not count yet", R"({"replicas":3,"minReadySeconds":10})",
       "o+ o+ o+ c5", "", 0},
      {"readiness that lasted counts", R"({"replicas":3,"minReadySeconds":5})", "o+ o+ o+ c5",
       "o+2", 0},
  };
  for (const auto& c : cases) {
    const DeploymentObject deployment = deployment_of(c.spec);
    const std::list<PodObject> pods = pods_of(c.pods);
    const DeploymentPlan plan = plan_for(deployment, pods);
    EXPECT_EQ(removed(plan), c.remove) << c.name;
    EXPECT_EQ(plan.create.size(), c.create) << c.name;
  }
}

TEST(Deployment, LooksAgainWhenReadinessWillCount) {
  const std::list<PodObject> pods = pods_of("c5");
  EXPECT_EQ(plan_for(deployment_of(R"({"minReadySeconds":10})"), pods).recheck, seconds(5));
}

TEST(Deployment, DoesNothingOnceItIsDeleted) {
  DeploymentObject deployment = deployment_of("{}");
  deployment.metadata.deletion_timestamp = kNow;
  const std::list<PodObject> pods = pods_of("o+ cx");
  const DeploymentPlan plan = plan_for(deployment, pods);
  EXPECT_TRUE(plan.remove.empty());
  EXPECT_TRUE(plan.create.empty());
  EXPECT_FALSE(plan.status);
}

TEST(Deployment, MakesPodsOfItsTemplateThatBelongToIt) {
  const DeploymentPlan plan = plan_for(deployment_of(R"({"replicas":2})"), {});
  ASSERT_EQ(plan.create.size(), 2U);
  const Value& body = plan.create[0];
  EXPECT_EQ(text_at(body, {"metadata", "labels", "app"}), "d");
  EXPECT_EQ(text_at(body, {"metadata", "labels", kTemplateHashLabel}),
            template_hash(template_of("new")));
  const Value& owner = body.at_path({"metadata", "ownerReferences"})->items()[0];
  EXPECT_EQ(text_at(owner, {"uid"}), "uid-d");
  EXPECT_EQ(text_at(owner, {"controller"}), "true");
  EXPECT_EQ(*body.find("spec"), *template_of("new").find("spec"));
}

TEST(Deployment, NamesPodsAlikeUntilTheyAreThere) {
  DeploymentObject deployment = deployment_of(R"({"replicas":3})");
  deployment.metadata.name = std::string(63, 'd');
  const DeploymentPlan first = plan_for(deployment, {});
  std::set<std::string> names;
  for (const Value& pod : first.create) names.insert(text_at(pod, {"metadata", "name"}));
  EXPECT_EQ(names.size(), 3U);
  for (const std::string& name : names) EXPECT_LE(name.size(), 63U) << name;
  EXPECT_EQ(first.create, plan_for(deployment, {}).create) << "a plan made twice made other pods";
  std::list<PodObject> pods = pods_of("c+");
  pods.front().metadata.name = *names.begin();
  for (const Value& pod : plan_for(deployment, pods).create) {
    EXPECT_NE(text_at(pod, {"metadata", "name"}), *names.begin());
  }
}

TEST(Deployment, HashesTemplatesByWhatTheySay) {
  const auto hash = [](const char* text) { return template_hash(Value::parse(text).value()); };
  EXPECT_EQ(hash(R"({"a":1,"b":[{"c":2,"d":3}]})"), hash(R"({"b":[{"d":3,"c":2}],"a":1})"));
  EXPECT_NE(hash(R"({"a":[1,2]})"), hash(R"({"a":[2,1]})"));
}

TEST(Deployment, TellsHowItStands) {
  const struct {
    const char* name;
    const char* spec;
    const char* pods;
    const char* numbers;  // replicas updated ready available unavailable; null for zero
    const char* available;
    const char* progressing;
  } cases[] = {
      {"nothing yet", R"({"replicas":2})", "", "null null null null 2",
       "False MinimumReplicasUnavailable", "True ReplicaSetUpdated"},
      {"half", R"({"replicas":2})", "c+ c-", "2 2 1 1 1", "False MinimumReplicasUnavailable",
       "True ReplicaSetUpdated"},
      {"complete", R"({"replicas":2})", "c+ c+", "2 2 2 2 null", "True MinimumReplicasAvailable",
       "True NewReplicaSetAvailable"},
      {"amid a rollout", R"({"replicas":2})", "o+ o+ c-", "3 1 2 2 null",
       "True MinimumReplicasAvailable", "True ReplicaSetUpdated"},
      {"what leaves or ended is not counted", R"({"replicas":1})", "c+ cd cx", "1 1 1 1 null",
       "True MinimumReplicasAvailable", "True NewReplicaSetAvailable"},
  };
  for (const auto& c : cases) {
    const DeploymentObject deployment = deployment_of(c.spec);
    const std::list<PodObject> pods = pods_of(c.pods);
    const DeploymentPlan plan = plan_for(deployment, pods);
    ASSERT_TRUE(plan.status) << c.name;
    std::string numbers;
    for (const char* key : {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
                            "unavailableReplicas"}) {
      numbers += (numbers.empty() ? "" : " ") + text_at(*plan.status, {key});
    }
    EXPECT_EQ(numbers, c.numbers) << c.name;
    const auto& conditions = plan.status->find("conditions")->items();
    const auto said = [&](std::size_t i) {
      return text_at(conditions[i], {"status"}) + " " + text_at(conditions[i], {"reason"});
    };
    EXPECT_EQ(said(0), c.available) << c.name;
    EXPECT_EQ(said(1), c.progressing) << c.name;
  }
}

TEST(Deployment, WritesItsStatusOnlyWhenItChanged) {
  DeploymentObject deployment = deployment_of(R"({"replicas":1})");
  const std::list<PodObject> pods = pods_of("c+");
  deployment.status = plan_for(deployment, pods).status.value();
  EXPECT_FALSE(plan_for(deployment, pods).status);
}

TEST(Deployment, GivesUpOnProgressAfterItsDeadline) {
  DeploymentObject deployment = deployment_of(R"({"replicas":1,"progressDeadlineSeconds":60})");
  const std::list<PodObject> pods = pods_of("c-");
  deployment.status = plan_for(deployment, pods).status.value();
  DeploymentInput input{&deployment, {&pods.front()}, kNow + seconds(59)};
  EXPECT_EQ(plan_deployment(input).recheck, seconds(1));
  input.now = kNow + seconds(60);
  const DeploymentPlan late = plan_deployment(input);
  ASSERT_TRUE(late.status);
  EXPECT_EQ(text_at(late.status->find("conditions")->items()[1], {"reason"}),
            "ProgressDeadlineExceeded");
}

/// Plays rollouts to their end, pods becoming ready in random order.
TEST(Deployment, KeepsItsBoundsInEveryRolloutAndEnds) {
  std::minstd_rand random(11);
  for (int round = 0; round < 200; ++round) {
    const int desired = 1 + static_cast<int>(random() % 6);
    const int surge = static_cast<int>(random() % 3);
    const int absent = std::min(desired, static_cast<int>(random() % 3) + (surge == 0 ? 1 : 0));
    const DeploymentObject deployment =
        deployment_of(R"({"replicas":)" + std::to_string(desired) +
                      R"(,"strategy":{"rollingUpdate":{"maxSurge":)" + std::to_string(surge) +
                      R"(,"maxUnavailable":)" + std::to_string(absent) + "}}}");
    std::list<PodObject> pods;
    for (int i = 0; i < desired; ++i) pods.push_back(pod_of("o+", i));
    int serial = desired;
    bool done = false;
    for (int step = 0; step < 100 && !done; ++step) {
      const DeploymentPlan plan = plan_for(deployment, pods);
      const auto unready = std::find_if(pods.begin(), pods.end(), [](const PodObject& pod) {
        return pod.metadata.name.find('-') == 1;
      });
      done = plan.create.empty() && plan.remove.empty() && unready == pods.end();
      if (unready != pods.end() && (random() % 2 == 0 || plan.create.empty())) {
        *unready = pod_of("c+", serial++);
      }
      std::set<std::string> gone;
      for (const PodObject* pod : plan.remove) gone.insert(pod->metadata.name);
      pods.remove_if([&](const PodObject& pod) { return gone.contains(pod.metadata.name); });
      for (std::size_t i = 0; i < plan.create.size(); ++i) pods.push_back(pod_of("c-", serial++));
      const auto available = std::count_if(pods.begin(), pods.end(), [](const PodObject& pod) {
        return pod.metadata.name.find('+') == 1;
      });
      ASSERT_GE(available, desired - absent) << "round " << round << " step " << step;
      ASSERT_LE(pods.size(), static_cast<std::size_t>(desired + surge))
          << "round " << round << " step " << step;
    }
    ASSERT_TRUE(done) << "round " << round << " did not end";
    EXPECT_EQ(pods.size(), static_cast<std::size_t>(desired));
    for (const PodObject& pod : pods) EXPECT_TRUE(pod.metadata.name.starts_with("c+"));
  }
}

}  // namespace
}  // namespace millrace::executor
