#include "local/executor/environment.h"

#include <gtest/gtest.h>

#include "local/executor/engine.h"
#include "local/executor/volumes.h"

namespace millrace::executor {
namespace {

using codec::Value;

Value json(const char* text) { return Value::parse(text).value(); }

Result<KeyValues> no_objects(Source, const std::string&) {
  return fail(Code::NotFound, "not found");
}

TEST(Expand, ReplacesWhatIsKnownAndKeepsTheRest) {
  const struct {
    const char* text;
    const char* want;
  } cases[] = {{"$(A)", "1"},    {"x$(A)y$(B)", "x1y2"}, {"$$(A)", "$(A)"},
               {"$(C)", "$(C)"}, {"$A ${A}", "$A ${A}"}, {"$", "$"},
               {"$(A", "$(A"},   {"$$$(A)", "$1"},       {"", ""}};
  for (const auto& c : cases) EXPECT_EQ(expand(c.text, {{"A", "1"}, {"B", "2"}}), c.want) << c.text;
}

TEST(CommandOf, PutsTheEntryPointWhereNoCommandIs) {
  const struct {
    const char* name;
    const char* container;
    std::vector<std::string> entry_point;
    std::vector<std::string> command;
    std::vector<std::string> args;
  } cases[] = {
      {"command only", R"x({"command":["a","$(X)"]})x", {}, {"a", "1"}, {}},
      {"command beats it", R"({"command":["a"],"args":["b"]})", {"e"}, {"a"}, {"b"}},
      {"args come after it", R"x({"args":["--k=$(X)"]})x", {"e", "$(X)"}, {"e", "$(X)"}, {"--k=1"}},
      {"nothing is known", R"({"args":["b"]})", {}, {}, {"b"}},
  };
  for (const auto& c : cases) {
    ContainerSpec container;
    container.body = json(c.container);
    const Command made = command_of(container, {{"X", "1"}}, c.entry_point);
    EXPECT_EQ(made.command, c.command) << c.name;
    EXPECT_EQ(made.args, c.args) << c.name;
  }
}

TEST(ParseQuantity, ReadsKubernetesUnits) {
  const struct {
    const char* text;
    double want;
  } cases[] = {{"1", 1},      {"500m", 0.5}, {"1Ki", 1024}, {"2.5Gi", 2.5 * 0x1p30},
               {"1e3", 1000}, {"1E", 1e18},  {"10M", 1e7}};
  for (const auto& c : cases) EXPECT_DOUBLE_EQ(parse_quantity(c.text).value(), c.want) << c.text;
  for (const char* text : {"", "x", "1X", "1ee3", "--1"}) {
    EXPECT_FALSE(parse_quantity(text).ok()) << text;
  }
}

TEST(EnvironmentOf, NamesWhatIsMissing) {
  PodMeta meta;
  PodSpec spec;
  const PodFacts facts{&meta, &spec, "local"};
  const struct {
    const char* body;
    const char* word;
  } cases[] = {
      {R"j({"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]})j",
       "Secret s"},
      {R"j({"envFrom":[{"configMapRef":{"name":"c"}}]})j", "ConfigMap c"},
      {R"j({"env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"spec.x"}}}]})j", "spec.x"},
      {R"j({"env":[{"name":"A=B","value":"x"}]})j", "env[0].name"}};
  for (const auto& c : cases) {
    ContainerSpec container;
    container.name = "main";
    container.body = json(c.body);
    const auto out = environment_of(facts, container, {}, no_objects);
    ASSERT_FALSE(out.ok()) << c.body;
    EXPECT_EQ(out.error().code, Code::Invalid);
    EXPECT_NE(out.error().message.find(c.word), std::string::npos) << out.error().message;
  }
  ContainerSpec optional;
  optional.body = json(
      R"j({"envFrom":[{"configMapRef":{"name":"c","optional":true}}],"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k","optional":true}}}]})j");
  EXPECT_TRUE(environment_of(facts, optional, {}, no_objects).value().empty());
}

TEST(SafePaths, StayWhereTheyArePut) {
  for (const char* name : {"a", "a.b", "..a", "a..", "-"}) EXPECT_TRUE(is_safe_name(name)) << name;
  for (const char* name : {"", ".", "..", "a/b", "/"}) EXPECT_FALSE(is_safe_name(name)) << name;
  for (const char* path : {"a", "a/b", "..a/b", "./a"}) EXPECT_TRUE(is_safe_path(path)) << path;
  for (const char* path : {"", "/a", "..", "../a", "a/..", "a/../b"}) {
    EXPECT_FALSE(is_safe_path(path)) << path;
  }
}

TEST(PlanVolume, RefusesWhatLeadsOutOfIt) {
  PodMeta meta;
  PodSpec spec;
  const PodFacts facts{&meta, &spec, "local"};
  const Lookup lookup = [](Source, const std::string&) { return KeyValues{{"k", "v"}}; };
  for (const char* text :
       {R"({"name":"v","configMap":{"name":"c","items":[{"key":"k","path":"../x"}]}})",
        R"({"name":"v","configMap":{"name":"c","items":[{"key":"k","path":"/x"}]}})",
        R"({"name":"v","hostPath":{"path":"/a/../b"}})", R"({"name":"v","hostPath":{"path":"a"}})",
        R"({"name":"v","persistentVolumeClaim":{"claimName":"c"}})"}) {
    EXPECT_FALSE(plan_volume(json(text), facts, nullptr, lookup).ok()) << text;
  }
}

TEST(RewritePaths, ReplacesWholePathsOnly) {
  const std::vector<Mount> mounts = {{"/real/w", "/workspace", false},
                                     {"/real/d", "/workspace/d", false}};
  const struct {
    const char* text;
    const char* want;
  } cases[] = {{"/workspace", "/real/w"},
               {"cat /workspace/a >/workspace/d/b", "cat /real/w/a >/real/d/b"},
               {"--dir=/workspace", "--dir=/real/w"},
               {"/workspaces /x/workspace a/workspace", "/workspaces /x/workspace a/workspace"},
               {"'/workspace'", "'/real/w'"}};
  for (const auto& c : cases) EXPECT_EQ(rewrite_paths(c.text, mounts), c.want) << c.text;
}

TEST(EngineArguments, RunAContainerWithoutSecretsInArgv) {
  ContainerSpec spec;
  spec.image = "busybox:1";
  spec.body = json(R"({"imagePullPolicy":"Always"})");
  const EngineContainer container{"/usr/bin/podman",
                                  "n",
                                  "uid",
                                  "inst",
                                  &spec,
                                  {{"TOKEN", "secret"}, {"HOME", "/builder/home"}},
                                  {"sh", "-c"},
                                  {"true"},
                                  "/w",
                                  {{"/s", "/t", true}}};
  EXPECT_EQ(run_arguments(container),
            (std::vector<std::string>{
                "/usr/bin/podman", "run", "--rm", "--name=n", "--label=millrace.dev/pod-uid=uid",
                "--label=millrace.dev/instance=inst", "--network=host", "--env=TOKEN",
                "--env=HOME=/builder/home", "--mount=type=bind,source=/s,target=/t,readonly",
                "--workdir=/w", "--pull=always", "--entrypoint=sh", "busybox:1", "-c", "true"}));
  EXPECT_EQ(kill_arguments("podman", "n", 15),
            (std::vector<std::string>{"podman", "kill", "--signal=15", "n"}));
}

}  // namespace
}  // namespace millrace::executor
