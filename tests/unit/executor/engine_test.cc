// Containers by podman and docker, played by a shell script that runs them as plain processes.
#include "local/executor/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/executor/pod_world.h"

namespace millrace::executor {
namespace {

using codec::Value;

constexpr api::ApiResource kSecrets{"", "v1", "secrets", "Secret", true};

/// The engine. Beside it: `calls`, what it was called with, and `pids` of containers by name. An
/// image "absent" cannot be pulled; the entry point of all others is `echo image`.
constexpr const char* kEngine = R"sh(
here=$(dirname "$0")
echo "$*" >> "$here/calls"
verb=$1; shift
case $verb in
  ps)
    [ -e "$here/broken" ] && { echo "cannot connect" >&2; exit 1; }
    case "$*" in *--all*) cat "$here/leftovers" 2>/dev/null ;; esac ;;
  kill)
    kill "-${1#--signal=}" "$(cat "$here/pids/$2")" ;;
  exec)
    shift; exec "$@" ;;
  rm)
    ;;
  run)
    entry=
    while :; do
      case $1 in
        --name=*) name=${1#--name=} ;;
        --entrypoint=*) entry=${1#--entrypoint=} ;;
        --*) ;;
        *) break ;;
      esac
      shift
    done
    image=$1; shift
    [ "$image" = absent ] && { echo "Error: no such image: absent" >&2; exit 125; }
    mkdir -p "$here/pids"
    echo $$ > "$here/pids/$name"
    if [ -n "$entry" ]; then exec "$entry" "$@"; else exec echo "image $image $*"; fi ;;
esac
)sh";

class Engine : public ::testing::Test {
 protected:
  void install(const std::string& name) { bin_.write_script("bin/" + name, kEngine); }
  std::string bin() const { return bin_.path() + "/bin"; }
  PodWorld& start(Runtime runtime = Runtime::Podman) {
    ExecutorOptions options;
    options.runtime = runtime;
    options.path = bin() + ":/usr/bin:/bin";
    world_ = std::make_unique<PodWorld>(options);
    return *world_;
  }
  std::string calls() const {
    std::ostringstream out;
    out << std::ifstream(bin() + "/calls").rdbuf();
    return out.str();
  }
  /// The line of `calls` that runs a container.
  std::string run_call() const {
    std::istringstream lines(calls());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("run ")) return line;
    }
    return {};
  }
  bool said(const std::string& part) const { return calls().find(part) != std::string::npos; }

  support::TemporaryFolder bin_;
  std::unique_ptr<PodWorld> world_;
};

TEST_F(Engine, RunsTheImageWithCommandAndArguments) {
  install("podman");
  PodWorld& world = start();
  world.create_pod("p", R"(
restartPolicy: Never
containers:
- name: main
  image: registry.example/tool:1
  imagePullPolicy: Always
  workingDir: /work
  command: [sh, -c]
  args: ["echo out; echo err >&2; exit 3"]
)");
  const Value pod = world.await_phase("p", "Failed");
  EXPECT_EQ(int_at(pod, "status.containerStatuses.0.state.terminated.exitCode"), 3);
  EXPECT_EQ(world.logs("p", "main"), "out\nerr\n");
  const std::string uid = text_at(pod, "metadata.uid");
  const std::string name = "millrace-" + uid + "-main-";
  const std::string call = run_call();
  for (const std::string& part :
       {std::string(" --rm "), " --name=" + name, " --label=millrace.dev/pod-uid=" + uid + " ",
        std::string(" --network=host "), std::string(" --workdir=/work "),
        std::string(" --pull=always "),
        std::string(" --entrypoint=sh registry.example/tool:1 -c echo out;")}) {
    EXPECT_NE(call.find(part), std::string::npos) << part << " in " << call;
  }
  EXPECT_TRUE(text_at(pod, "status.containerStatuses.0.state.terminated.containerID")
                  .starts_with("podman://" + name))
      << pod.pretty();
}

TEST_F(Engine, LeavesTheEntryPointToTheImage) {
  install("podman");
  PodWorld& world = start();
  world.create_pod("p", "{restartPolicy: Never, containers: [{name: main, image: i, args: [a]}]}");
  world.await_phase("p", "Succeeded");
  EXPECT_EQ(world.logs("p", "main"), "image i a\n");
}

TEST_F(Engine, KeepsSecretsOutOfTheCommandLine) {
  install("podman");
  PodWorld& world = start();
  world.create(kSecrets,
               "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: hush-hush}}");
  world.create_pod("p", R"(
restartPolicy: Never
volumes: [{name: s, secret: {secretName: s}}]
containers:
- name: main
  image: i
  command: [sh, -c, "echo $TOKEN"]
  env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}]
  volumeMounts: [{name: s, mountPath: /secret, readOnly: true}]
)");
  world.await_phase("p", "Succeeded");
  EXPECT_EQ(world.logs("p", "main"), "hush-hush\n");
  const std::string call = run_call();
  EXPECT_NE(call.find(" --env=TOKEN "), std::string::npos) << call;
  EXPECT_NE(call.find(",target=/secret,readonly "), std::string::npos) << call;
  EXPECT_EQ(call.find("hush-hush"), std::string::npos) << call;
}

TEST_F(Engine, SaysWhyAnImageCannotBeHad) {
  install("podman");
  PodWorld& world = start();
  world.create_pod("p", "{containers: [{name: main, image: absent, command: [x]}]}");
  const Value pod = world.await_pod("p", [](const Value& p) {
    return text_at(p, "status.containerStatuses.0.state.waiting.reason") == "ErrImagePull";
  });
  EXPECT_EQ(text_at(pod, "status.containerStatuses.0.state.waiting.message"),
            "Error: no such image: absent");
}

TEST_F(Engine, PassesSignalsOnToTheContainer) {
  install("podman");
  PodWorld& world = start();
  world.create_pod(
      "p",
      "containers: [{name: main, image: i, command: [sh, -c, \"trap 'exit 0' TERM; echo up; "
      "while :; do read x < /dev/null; sleep 0.05; done\"], readinessProbe: {periodSeconds: "
      "1, exec: {command: [echo, probed]}}}]");
  world.await_pod("p", [](const Value& p) {
    const Value* list = p.at_path({"status", "containerStatuses"});
    return list != nullptr && list->items()[0].find("ready")->as_bool();
  });
  const std::string name = "millrace-" + text_at(world.pod("p"), "metadata.uid") + "-main-";
  EXPECT_TRUE(said("exec " + name)) << "probes are asked in the container";
  world.delete_pod("p");
  EXPECT_TRUE(world.await_gone(kPods, {"default", "p"}));
  EXPECT_TRUE(said("kill --signal=15 " + name)) << calls();
}

TEST_F(Engine, RemovesWhatAKilledProgramLeft) {
  install("podman");
  bin_.write("bin/leftovers", "c0ffee\nbeef\n");
  bin_.write("data/running", "1\n");  // an earlier one did not end in good order
  ExecutorOptions options;
  options.runtime = Runtime::Podman;
  options.path = bin() + ":/usr/bin:/bin";
  options.data_dir = bin_.path() + "/data";
  PodWorld world(options);
  world.create_pod("p", "{restartPolicy: Never, containers: [{name: main, image: i}]}");
  world.await_phase("p", "Succeeded");
  EXPECT_TRUE(said("ps --all --quiet --filter=label=millrace.dev/instance=")) << calls();
  EXPECT_TRUE(said("rm --force c0ffee beef\n")) << calls();
}

TEST_F(Engine, IsTakenOnlyWhereItAnswers) {
  const struct {
    const char* name;
    std::vector<std::string> installed;
    bool broken;
    const char* want;  // beginning of the container's ID
  } cases[] = {
      {"podman before docker", {"podman", "docker"}, false, "podman://"},
      {"docker alone", {"docker"}, false, "docker://"},
      {"one that does not answer", {"podman"}, true, "process://"},
  };
  for (const auto& c : cases) {
    std::filesystem::remove_all(bin());
    for (const std::string& name : c.installed) install(name);
    if (c.broken) bin_.write("bin/broken", "");
    // PodWorld takes Auto for Process; what is asked for is looked for in the same way.
    PodWorld& world = start(c.installed[0] == "docker" ? Runtime::Docker : Runtime::Podman);
    world.create_pod(
        "p", "{restartPolicy: Never, containers: [{name: main, image: i, command: [echo]}]}");
    const Value pod = world.await_phase("p", "Succeeded");
    EXPECT_TRUE(
        text_at(pod, "status.containerStatuses.0.state.terminated.containerID").starts_with(c.want))
        << c.name;
    world_.reset();
  }
}

TEST(EngineArguments, PassVariablesOfTheEngineItselfByValue) {
  ContainerSpec spec;
  spec.image = "i";
  spec.body = Value::object();
  const auto argv = run_arguments({"podman",
                                   "n",
                                   "u",
                                   "x",
                                   &spec,
                                   {{"PATH", "/p"}, {"DOCKER_HOST", "h"}, {"A", "b"}},
                                   {},
                                   {},
                                   "",
                                   {}});
  const auto has = [&](const char* word) {
    return std::find(argv.begin(), argv.end(), word) != argv.end();
  };
  EXPECT_TRUE(has("--env=PATH=/p"));
  EXPECT_TRUE(has("--env=DOCKER_HOST=h"));
  EXPECT_TRUE(has("--env=A"));
  EXPECT_EQ(argv.back(), "i");
}

}  // namespace
}  // namespace millrace::executor
