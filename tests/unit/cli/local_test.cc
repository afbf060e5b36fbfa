#include "operator/cli/local.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/command_line.h"

namespace millrace::cli {
namespace {

using std::chrono::seconds;

constexpr const char* kPipeline =
    "apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: p}\n"
    "spec: {batchJob: {processors: [{name: a, image: i, command: [\"true\"]}]}}\n";

World world() {
  return {.files = {{"p.yaml", kPipeline},
                    {"typo.yaml",
                     "apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: p}\n"
                     "spec: {batchJob: {procesors: []}}\n"},
                    {"map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"},
                    {"conf.yaml", "adapterImages: {outputApi: img:1}"}},
          .input = kPipeline};
}

TEST(Local, FlagsBecomeOptions) {
  const auto with = [](auto change) {
    LocalOptions options;
    change(options);
    return options;
  };
  const std::vector<NamedText> file = {{"p.yaml", kPipeline}};
  const struct {
    const char* name;
    std::vector<std::string> line;
    LocalOptions want;
  } cases[] = {
      {"up", {"up"}, {}},
      {"a folder", {"up", "--data", "/d"}, with([](auto& o) { o.data_dir = "/d"; })},
      {"an address and the terminal",
       {"up", "--listen", "127.0.0.1:6443", "--foreground"},
       with([](auto& o) {
         o.listen = "127.0.0.1:6443";
         o.foreground = true;
       })},
      {"a runtime", {"up", "--runtime", "process"}, with([](auto& o) {
         o.runtime = LocalRuntime::Process;
       })},
      {"a configuration", {"up", "--config", "conf.yaml"}, with([](auto& o) {
         o.config.adapter_images.output_api = "img:1";
       })},
      {"a log level", {"up", "--log-level", "debug"}, with([](auto& o) {
         o.log_level = LogLevel::Debug;
       })},
      {"down", {"down", "--data=/d"}, with([](auto& o) { o.data_dir = "/d"; })},
      {"status", {"status", "-o", "json"}, with([](auto& o) { o.json = true; })},
      {"kubeconfig", {"kubeconfig", "--path"}, with([](auto& o) { o.path_only = true; })},
      {"run", {"run", "p.yaml"}, with([&](auto& o) { o.files = file; })},
      {"run of standard input", {"run", "-"}, with([&](auto& o) {
         o.files = {{"<stdin>", kPipeline}};
       })},
      {"run of several files", {"run", "p.yaml", "map.yaml", "--pipeline", "p"}, with([&](auto& o) {
         o.files = {{"p.yaml", kPipeline}, {"map.yaml", world().files["map.yaml"]}};
         o.pipeline = "p";
       })},
      {"run with a limit", {"run", "p.yaml", "--timeout", "1m30s"}, with([&](auto& o) {
         o.files = file;
         o.timeout = seconds(90);
       })},
  };
  for (const auto& c : cases) {
    std::vector<std::string> line{"local"};
    line.insert(line.end(), c.line.begin(), c.line.end());
    const Outcome got = run_line(line, world());
    EXPECT_EQ(got.code, 0) << c.name << ": " << got.err;
    EXPECT_EQ(got.local_command, c.line.front()) << c.name;
    EXPECT_TRUE(got.local == c.want) << c.name;
  }
}

TEST(Local, WrongLinesNameTheCureAndRunNothing) {
  const struct {
    const char* name;
    std::vector<std::string> line;
    int code;
    const char* want;
  } cases[] = {
      {"no command", {}, kUsage, "which command? One of: up down status kubeconfig run"},
      {"no such command", {"upp"}, kUsage, "did you mean up?"},
      {"no file", {"run"}, kUsage, "give at least one FILE"},
      {"a file that is not there", {"run", "x.yaml"}, kFailure, "x.yaml: no such file"},
      {"a file with a wrong field", {"run", "typo.yaml"}, kFailure, "processors"},
      {"a parameter that is none", {"run", "p.yaml", "-p", "x"}, kUsage, "expected NAME=VALUE"},
      {"a parameter without a name", {"run", "p.yaml", "-p", "=x"}, kUsage, "expected NAME=VALUE"},
      {"parameters", {"run", "p.yaml", "-p", "a=b"}, kFailure, "no such param"},
      {"a limit that is none", {"run", "p.yaml", "--timeout", "soon"}, kUsage, "such as 90s"},
      {"a limit of nothing", {"run", "p.yaml", "--timeout", "0s"}, kUsage, "such as 90s"},
      {"a runtime that is none", {"up", "--runtime", "vm"}, kUsage, "--runtime"},
      {"a configuration that is not there", {"up", "--config", "x"}, kFailure, "no such file"},
      {"a file for up", {"up", "p.yaml"}, kUsage, "unexpected argument \"p.yaml\""},
  };
  for (const auto& c : cases) {
    std::vector<std::string> line{"local"};
    line.insert(line.end(), c.line.begin(), c.line.end());
    const Outcome got = run_line(line, world());
    EXPECT_EQ(got.code, c.code) << c.name;
    EXPECT_NE(got.err.find(c.want), std::string::npos) << c.name << ": " << got.err;
    EXPECT_EQ(got.local_command, "") << c.name;
  }
}

TEST(Local, ObjectsOfOtherKindsAreNoNews) {
  const Outcome got = run_line({"local", "run", "p.yaml", "map.yaml"}, world());
  EXPECT_EQ(got.err, "");
}

}  // namespace
}  // namespace millrace::cli
