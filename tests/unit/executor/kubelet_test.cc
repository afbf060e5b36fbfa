#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "kubeclient/base/time_format.h"
#include "tests/support/scripted_server.h"
#include "tests/unit/executor/pod_world.h"

namespace millrace::executor {
namespace {

using codec::Value;

constexpr api::ApiResource kConfigMaps{"", "v1", "configmaps", "ConfigMap", true};
constexpr api::ApiResource kSecrets{"", "v1", "secrets", "Secret", true};
constexpr api::ApiResource kDeployments{"apps", "v1", "deployments", "Deployment", true};

std::string shell_pod(const std::string& script, const std::string& more = "") {
  return "restartPolicy: Never\n" + more +
         "containers:\n- name: main\n  image: x\n  command: [sh, -c, " + Value(script).dump() +
         "]\n";
}

TEST(Kubelet, RunsAPodToItsEndWithOneWrite) {
  PodWorld world;
  world.create_pod("p", shell_pod("true"));
  const Value pod = world.await_phase("p", "Succeeded");
  EXPECT_EQ(text_at(pod, "status.containerStatuses.0.state.terminated.reason"), "Completed");
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.state.terminated.exitCode"), 0);
  EXPECT_EQ(text_at(pod, "status.hostIP"), "127.0.0.1");
  EXPECT_NE(text_at(pod, "status.containerStatuses.0.containerID").find("process://"),
            std::string::npos);
  EXPECT_EQ(world.writes_of(kPods, {"default", "p"}), 2) << "its creation, and its end";
}

TEST(Kubelet, ReportsExitCodeAndTerminationMessage) {
  PodWorld world;
  world.create_pod("p", shell_pod("echo because > $MILLRACE_TERMINATION_LOG; exit 7"));
  const Value pod = world.await_phase("p", "Failed");
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.state.terminated.exitCode"), 7);
  EXPECT_EQ(text_at(pod, "status.containerStatuses.0.state.terminated.reason"), "Error");
  EXPECT_EQ(text_at(pod, "status.containerStatuses.0.state.terminated.message"), "because\n");
}

TEST(Kubelet, TakesTheLogAsMessageWhereAsked) {
  PodWorld world;
  world.create_pod("p", shell_pod("echo one; echo two >&2; exit 1") +
                            "  terminationMessagePolicy: FallbackToLogsOnError\n");
  const Value pod = world.await_phase("p", "Failed");
  const std::string message = text_at(pod, "status.containerStatuses.0.state.terminated.message");
  EXPECT_NE(message.find("one\n"), std::string::npos) << message;
  EXPECT_NE(message.find("two\n"), std::string::npos) << message;
}

TEST(Kubelet, SaysWhyAProgramCannotRun) {
  PodWorld world;
  world.create_pod(
      "p",
      "restartPolicy: Never\ncontainers:\n- {name: main, image: x, command: [no-such-program]}");
  const Value pod = world.await_phase("p", "Failed");
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.state.terminated.exitCode"), 127);
  EXPECT_EQ(text_at(pod, "status.containerStatuses.0.state.terminated.reason"),
            "ContainerCannotRun");
}

TEST(Kubelet, RunsTheCommandThatStandsForAnImage) {
  ExecutorOptions options;
  options.image_commands = {{"adapter:1", {"echo", "as adapter"}}};
  PodWorld world(options);
  const auto pod_with = [&](const std::string& name, const std::string& more) {
    world.create_pod(
        name, "{restartPolicy: Never, containers: [{name: main, image: 'adapter:1'" + more + "}]}");
  };
  pod_with("bare", "");
  pod_with("args", ", args: [--url=x]");
  pod_with("command", ", command: [echo, other], args: [z]");
  for (const auto& [name, want] : {std::pair("bare", "as adapter\n"),
                                   {"args", "as adapter --url=x\n"},
                                   {"command", "other z\n"}}) {
    world.await_phase(name, "Succeeded");
    EXPECT_EQ(world.logs(name, "main"), want) << name;
  }
}

TEST(Kubelet, WaitsWithTheCureWhereTheSpecCannotBeMet) {
  PodWorld world;
  world.create_pod("no-command", "containers:\n- {name: main, image: x}");
  world.create_pod(
      "no-secret",
      shell_pod("echo $A") + "  env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n");
  for (const auto& [name, word] :
       {std::pair("no-command", "set command"), {"no-secret", "Secret s"}}) {
    const Value pod = world.await_pod(name, [](const Value& p) {
      return text_at(p, "status.containerStatuses.0.state.waiting.reason") ==
             "CreateContainerConfigError";
    });
    const std::string message = text_at(pod, "status.containerStatuses.0.state.waiting.message");
    EXPECT_NE(message.find(word), std::string::npos) << message;
  }
  world.create(kSecrets, "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {k: djE=}}");
  world.await_phase("no-secret", "Succeeded");
  EXPECT_EQ(world.logs("no-secret", "main"), "v1\n");
}

TEST(Kubelet, GivesContainersTheirEnvironmentAndVolumes) {
  PodWorld world;
  world.create(kConfigMaps,
               "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a.txt: A, b: B}}");
  world.create(kSecrets,
               "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {k: c2VjcmV0}}");
  ::setenv("MILLRACE_TEST_LEAK", "x", 1);
  world.create_pod("p", R"yaml(
restartPolicy: Never
volumes:
- {name: c, configMap: {name: c, items: [{key: a.txt, path: deep/a}]}}
- {name: s, secret: {secretName: s, defaultMode: 256}}
- {name: e, emptyDir: {}}
- {name: d, downwardAPI: {items: [{path: who, fieldRef: {fieldPath: metadata.name}}]}}
initContainers:
- name: first
  image: x
  command: [sh, -c, "echo handed > /mr-e/f"]
  volumeMounts: [{name: e, mountPath: /mr-e}]
containers:
- name: main
  image: x
  workingDir: /mr-e
  command: [sh, -c, "cat /mr-c/deep/a /mr-s/k /mr-d/who f; stat -L -c %a /mr-s/k; echo $X $P_b; env | grep -c LEAK"]
  env:
  - {name: NS, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: X, value: "$(NS)-$$(NS)"}
  envFrom: [{prefix: P_, configMapRef: {name: c}}]
  volumeMounts:
  - {name: c, mountPath: /mr-c}
  - {name: s, mountPath: /mr-s}
  - {name: d, mountPath: /mr-d}
  - {name: e, mountPath: /mr-e}
)yaml");
  world.await_pod("p", [](const Value& p) {
    return text_at(p, "status.phase") == "Succeeded" || text_at(p, "status.phase") == "Failed";
  });
  EXPECT_EQ(world.logs("p", "main"), "Asecretphanded\n400\ndefault-$(NS) B\n0\n");
  ::unsetenv("MILLRACE_TEST_LEAK");
}

TEST(Kubelet, FollowsLogsWhileAContainerRuns) {
  PodWorld world;
  world.create_pod("p", shell_pod("echo first; while [ ! -e " + world.folder() +
                                  "/go ]; do sleep 0.02; done; printf last"));
  world.await_phase("p", "Running");
  std::string all;
  std::thread follower([&] { all = world.logs("p", "main", true); });
  std::ofstream(world.folder() + "/go") << "x";
  follower.join();
  EXPECT_EQ(all, "first\nlast");
}

TEST(Kubelet, DeletesWithTermGraceAndKill) {
  PodWorld world;
  world.create_pod(
      "kind", shell_pod("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"));
  world.create_pod("deaf", shell_pod("trap '' TERM; echo up; while :; do sleep 0.05; done",
                                     "terminationGracePeriodSeconds: 1\n"));
  world.await_phase("kind", "Running");
  const Value deaf = world.await_phase("deaf", "Running");
  const pid_t pid = std::stoi(text_at(deaf, "status.containerStatuses.0.containerID")
                                  .substr(std::string("process://").size()));
  world.delete_pod("kind");
  world.delete_pod("deaf");
  EXPECT_TRUE(world.await_gone(kPods, {"default", "kind"}));
  EXPECT_TRUE(world.await_gone(kPods, {"default", "deaf"}));
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Kubelet, EndsAPodAtItsDeadline) {
  PodWorld world;
  world.create_pod(
      "p", shell_pod("sleep 600", "activeDeadlineSeconds: 1\nterminationGracePeriodSeconds: 1\n"));
  const Value pod = world.await_phase("p", "Failed");
  EXPECT_EQ(text_at(pod, "status.reason"), "DeadlineExceeded");
}

TEST(Kubelet, RestartsWhatFailsAndKeepsThePreviousLog) {
  PodWorld world;
  const std::string flag = world.folder() + "/flag";
  world.create_pod("p",
                   "restartPolicy: OnFailure\ncontainers:\n- name: main\n  image: x\n  command: "
                   "[sh, -c, \"if [ -e " +
                       flag + " ]; then echo two; else touch " + flag +
                       "; echo one; exit 3; fi\"]");
  const Value pod = world.await_phase("p", "Succeeded");
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.restartCount"), 1);
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.lastState.terminated.exitCode"), 3);
  EXPECT_EQ(world.logs("p", "main"), "two\n");
  EXPECT_EQ(world.logs("p", "main", false, true), "one\n");
}

TEST(Kubelet, RunsTwoHundredPodsWithinItsBound) {
  ExecutorOptions options;
  options.parallelism = 4;
  PodWorld world(options);
  const std::string folder = world.folder() + "/at";
  std::filesystem::create_directory(folder);
  const std::string starts = world.folder() + "/starts";
  for (int i = 0; i < 200; ++i) {
    world.create_pod("p" + std::to_string(i), shell_pod("echo $HOSTNAME >> " + starts + "; touch " +
                                                        folder + "/$HOSTNAME; ls " + folder +
                                                        " | wc -l; rm " + folder + "/$HOSTNAME"));
  }
  int most = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "p" + std::to_string(i);
    world.await_phase(name, "Succeeded");
    const std::string said = world.logs(name, "main");
    ASSERT_TRUE(!said.empty() && std::isdigit(said.front())) << name << " said: " << said;
    most = std::max(most, std::stoi(said));
  }
  EXPECT_LE(most, 4);
  std::ifstream file(starts);
  std::multiset<std::string> started;
  for (std::string line; std::getline(file, line);) started.insert(line);
  EXPECT_EQ(started.size(), 200U);
  EXPECT_EQ(std::set<std::string>(started.begin(), started.end()).size(), 200U) << "each once";
}

TEST(Kubelet, ResumesInterruptedPodsWhereTheyWere) {
  PodWorld world;
  const std::string at = world.folder();
  world.create_pod(
      "p",
      "restartPolicy: Never\nvolumes: [{name: e, emptyDir: {}}]\ninitContainers:\n"
      "- {name: first, image: x, command: [sh, -c, 'echo once >> " +
          at +
          "/count; echo kept > /mr-e/f'], volumeMounts: [{name: e, mountPath: /mr-e}]}\n"
          "containers:\n- {name: main, image: x, command: [sh, -c, 'if [ -e " +
          at +
          "/go ]; then cat /mr-e/f; else sleep 600; fi'], volumeMounts: [{name: e, mountPath: "
          "/mr-e}]}\n");
  const Value running = world.await_phase("p", "Running");
  world.stop();
  EXPECT_EQ(text_at(world.pod("p"), "status.phase"), "Running");
  std::ofstream(at + "/go") << "x";
  world.start();
  const Value pod = world.await_phase("p", "Succeeded");
  EXPECT_EQ(world.logs("p", "main"), "kept\n");
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.restartCount"), 1);
  EXPECT_EQ(text_at(pod, "status.containerStatuses.0.lastState.terminated.reason"),
            "ContainerStatusUnknown");
  std::ifstream count(at + "/count");
  std::string text((std::istreambuf_iterator<char>(count)), {});
  EXPECT_EQ(text, "once\n") << "a finished init container ran again";
}

TEST(Kubelet, RemovesFoldersWithTheirPods) {
  PodWorld world;
  world.create_pod("p", shell_pod("true"));
  world.await_phase("p", "Succeeded");
  world.delete_pod("p");
  world.await_gone(kPods, {"default", "p"});
  // The next pod's end comes after the kubelet saw the deletion.
  world.create_pod("q", shell_pod("true"));
  world.await_phase("q", "Succeeded");
  int folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(world.options.data_dir + "/pods")) {
    EXPECT_NE(entry.path().filename().string().find("_q_"), std::string::npos);
    ++folders;
  }
  EXPECT_EQ(folders, 1);
}

TEST(Kubelet, ReadinessFollowsItsProbe) {
  PodWorld world;
  world.create_pod("p", shell_pod("sleep 600") + "  readinessProbe: {exec: {command: [test, -e, " +
                            world.folder() + "/ready]}, periodSeconds: 1}\n");
  const Value pod = world.await_phase("p", "Running");
  EXPECT_FALSE(pod.at_path({"status", "containerStatuses"})->items()[0].find("ready")->as_bool());
  std::ofstream(world.folder() + "/ready") << "x";
  world.await_pod("p", [](const Value& p) {
    const Value* list = p.at_path({"status", "containerStatuses"});
    return list != nullptr && list->items()[0].find("ready")->as_bool();
  });
}

TEST(Kubelet, AsksServersForReadiness) {
  PodWorld world;
  std::atomic<int> status = 503;
  support::ScriptedServer server([&](const support::Received&, support::Peer& peer) {
    peer.reply(status, "");
    peer.close();
  });
  const std::string port = std::to_string(server.port());
  world.create_pod("http", shell_pod("sleep 600") + "  ports: [{name: web, containerPort: " + port +
                               "}]\n  readinessProbe: {httpGet: {path: /ready, port: web}, "
                               "periodSeconds: 1, timeoutSeconds: 10}\n");
  world.create_pod("tcp", shell_pod("sleep 600") + "  readinessProbe: {tcpSocket: {port: " + port +
                              "}, periodSeconds: 1, timeoutSeconds: 10}\n");
  const auto ready = [](const Value& pod) {
    const Value* list = pod.at_path({"status", "containerStatuses"});
    return list != nullptr && list->items()[0].find("ready")->as_bool();
  };
  world.await_pod("tcp", ready);
  ASSERT_TRUE(server.wait_for_requests(1));
  EXPECT_FALSE(ready(world.pod("http"))) << "503 is not ready";
  status = 200;
  world.await_pod("http", ready);
  EXPECT_EQ(server.received().back().target, "/ready");
  status = 500;
  world.await_pod("http", [&](const Value& pod) { return !ready(pod); });
}

TEST(Kubelet, RestartsWhatIsNotAliveAnyMore) {
  PodWorld world;
  support::ScriptedServer server(
      [](const support::Received&, support::Peer& peer) { peer.reply(500, ""); });
  world.create_pod("p",
                   "terminationGracePeriodSeconds: 1\ncontainers:\n- name: main\n  image: x\n"
                   "  command: [sleep, \"600\"]\n"
                   "  livenessProbe: {httpGet: {port: " +
                       std::to_string(server.port()) +
                       "}, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 1}\n");
  const Value pod = world.await_pod("p", [](const Value& p) {
    return int_at(p, "status.containerStatuses.0.restartCount") >= 1;
  });
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.lastState.terminated.exitCode"), 143);
}

TEST(Deployments, RollOutAndScaleWithRealPods) {
  PodWorld world;
  world.create(kDeployments, R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 2
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: x, command: [sleep, "600"]}]
)");
  const auto available = [&](int n, int updated) {
    return world.await(kDeployments, {"default", "d"}, [&](const Value& d) {
      return int_at(d, "status.availableReplicas") == n &&
             int_at(d, "status.updatedReplicas") == updated && int_at(d, "status.replicas") == n &&
             int_at(d, "status.observedGeneration") == int_at(d, "metadata.generation");
    });
  };
  available(2, 2);
  const std::string patch = R"({"spec":{"replicas":3,"template":{"spec":{"hostname":"other"}}}})";
  ASSERT_TRUE(
      world.api()
          .patch_text(kDeployments, {"default", "d"}, client::PatchType::Merge, patch, {}, {})
          .ok());
  available(3, 3);
}

}  // namespace
}  // namespace millrace::executor
