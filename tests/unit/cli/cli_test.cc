#include "operator/cli/cli.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "crds/custom_resource.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/value.h"
#include "operator/cli/version.h"
#include "tests/unit/cli/command_line.h"

namespace millrace::cli {
namespace {

Time time(std::string_view text) { return parse_time(text).value(); }

TEST(Cli, OperatorFlagsBecomeOptions) {
  const OperatorOptions defaults;
  const auto with = [&](auto change) {
    OperatorOptions options;
    change(options);
    return options;
  };
  const std::map<std::string, std::string> cluster{{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}};
  const struct {
    const char* name;
    std::vector<std::string> flags;
    std::map<std::string, std::string> variables;
    OperatorOptions want;
  } cases[] = {
      {"nothing given", {}, {}, defaults},
      {"in a cluster it elects", {}, cluster, with([](auto& o) { o.leader_elect = true; })},
      {"a kubeconfig in a cluster", {"--kubeconfig", "k"}, cluster, with([](auto& o) {
         o.kubeconfig = "k";
       })},
      {"election can be switched off", {"--leader-elect=false"}, cluster, defaults},
      {"election can be switched on", {"--leader-elect", "--context", "c"}, {}, with([](auto& o) {
         o.leader_elect = true;
         o.context = "c";
       })},
      {"namespaces are sorted and unique",
       {"--namespace", "b", "-n", "a", "--namespace=b,c"},
       {},
       with([](auto& o) {
         o.namespaces = {"a", "b", "c"};
       })},
      {"workers", {"--workers", "16"}, {}, with([](auto& o) { o.workers = 16; })},
      {"metrics elsewhere", {"--metrics-address", "127.0.0.1:0"}, {}, with([](auto& o) {
         o.metrics = ListenAddress{"127.0.0.1", 0};
       })},
      {"metrics off", {"--metrics-address", "0"}, {}, with([](auto& o) { o.metrics.reset(); })},
      {"metrics off by nothing", {"--metrics-address", ""}, {}, with([](auto& o) {
         o.metrics.reset();
       })},
      {"webhooks", {"--webhook-address", ":3000"}, {}, with([](auto& o) {
         o.config.webhook.address = ":3000";
       })},
      {"webhooks off", {"--webhook-address", "0"}, {}, defaults},
      {"lease namespace", {"--lease-namespace", "x"}, {}, with([](auto& o) {
         o.lease_namespace = "x";
       })},
      {"shards", {"--leader-elect", "--shards", "3"}, {}, with([](auto& o) {
         o.leader_elect = true;
         o.shards = 3;
       })},
      {"lease duration", {"--lease-duration", "1m"}, {}, with([](auto& o) {
         o.lease_duration = std::chrono::minutes(1);
       })},
      {"drain timeout", {"--drain-timeout", "90s"}, {}, with([](auto& o) {
         o.drain_timeout = std::chrono::seconds(90);
       })},
      {"shards of the file", {"--leader-elect", "--config", "shards.yaml"}, {}, with([](auto& o) {
         o.config_file = "shards.yaml";
         o.config.shards = 4;
         o.leader_elect = true;
         o.shards = 4;
       })},
      {"the flag beats the file",
       {"--leader-elect", "--config", "shards.yaml", "--shards=2"},
       {},
       with([](auto& o) {
         o.config_file = "shards.yaml";
         o.config.shards = 4;
         o.leader_elect = true;
         o.shards = 2;
       })},
      {"a laptop with the cluster's file", {"--config", "shards.yaml"}, {}, with([](auto& o) {
         o.config_file = "shards.yaml";
         o.config.shards = 4;
       })},
      {"log level", {"--log-level", "debug"}, {}, with([](auto& o) {
         o.log_level = LogLevel::Debug;
       })},
      {"configuration", {"--config", "conf.yaml"}, {}, with([](auto& o) {
         o.config_file = "conf.yaml";
         o.config.adapter_images.output_api = "img:1";
       })},
  };
  for (const auto& c : cases) {
    std::vector<std::string> line{"operator"};
    line.insert(line.end(), c.flags.begin(), c.flags.end());
    const Outcome got =
        run_line(line, {.files = {{"conf.yaml", "adapterImages: {outputApi: img:1}"},
                                  {"shards.yaml", "shards: 4"}},
                        .variables = c.variables});
    EXPECT_EQ(got.code, 0) << c.name << ": " << got.err;
    ASSERT_TRUE(got.started.has_value()) << c.name;
    EXPECT_TRUE(*got.started == c.want) << c.name;
  }
}

TEST(Cli, WrongLinesNameTheCure) {
  const struct {
    const char* name;
    std::vector<std::string> line;
    int code;
    const char* message;  ///< a part of standard error
  } cases[] = {
      {"misspelt command", {"opertor"}, 2, "unknown command \"opertor\"; did you mean operator?"},
      {"unlike any command", {"dance"}, 2, "unknown command \"dance\"\n"},
      {"misspelt flag",
       {"operator", "--metrics-adress", ":1"},
       2,
       "unknown flag \"--metrics-adress\"; did you mean --metrics-address?"},
      {"misspelt flag with a value",
       {"operator", "--log-levle=debug"},
       2,
       "unknown flag \"--log-levle\"; did you mean --log-level?"},
      {"misspelt command below another",
       {"schedule", "preveiw", "@daily"},
       2,
       "millrace schedule: unknown command \"preveiw\"; did you mean preview?"},
      {"command missing", {"schedule"}, 2, "millrace schedule: which command? One of: preview"},
      {"argument too many", {"version", "now"}, 2, "unexpected argument \"now\""},
      {"value missing", {"operator", "--workers"}, 2, "--workers"},
      {"no number", {"operator", "--workers", "many"}, 2, "--workers"},
      {"out of range", {"operator", "--workers", "65"}, 2, "64"},
      {"too many shards", {"operator", "--shards", "17"}, 2, "16"},
      {"shards alone", {"operator", "--shards", "2"}, 2, "--shards: needs --leader-elect"},
      {"a short lease", {"operator", "--lease-duration", "2s"}, 2, "from 3s to 10m"},
      {"a lease of odd length", {"operator", "--lease-duration", "3500ms"}, 2, "from 3s to 10m"},
      {"no length", {"operator", "--lease-duration", "soon"}, 2, "--lease-duration"},
      {"a long drain", {"operator", "--drain-timeout", "11m"}, 2, "from 0s to 10m"},
      {"no drain", {"operator", "--drain-timeout", "soon"}, 2, "--drain-timeout"},
      {"no such level", {"operator", "--log-level", "loud"}, 2, "--log-level"},
      {"address without port",
       {"operator", "--metrics-address", "localhost"},
       2,
       "--metrics-address: \"localhost\": the port is missing"},
      {"empty namespace", {"operator", "--namespace", ""}, 2, "--namespace"},
      {"no such configuration",
       {"operator", "--config", "nowhere.yaml"},
       1,
       "--config: nowhere.yaml: no such file"},
      {"wrong configuration", {"operator", "--config", "bad.yaml"}, 1, "bad.yaml:2:1: jobs: "},
      {"no expression", {"schedule", "preview"}, 2, "in quotes"},
      {"expression not in quotes",
       {"schedule", "preview", "*", "*", "*", "*", "*"},
       2,
       "unexpected argument"},
      {"wrong expression", {"schedule", "preview", "61 * * * *"}, 1, "minute"},
      {"wrong zone",
       {"schedule", "preview", "@daily", "--time-zone", "Mars"},
       1,
       "--time-zone: no time zone \"Mars\""},
      {"wrong start",
       {"schedule", "preview", "@daily", "--from", "tomorrow"},
       1,
       "--from: \"tomorrow\" is not an RFC 3339 time"},
      {"no ticks wanted", {"schedule", "preview", "@daily", "--count", "0"}, 2, "--count"},
      {"wrong output", {"version", "-o", "xml"}, 2, "--output"},
      {"no shell", {"completion"}, 2, "bash, zsh or fish"},
      {"wrong shell", {"completion", "tcsh"}, 2, "tcsh"},
  };
  for (const auto& c : cases) {
    const Outcome got = run_line(c.line, {.files = {{"bad.yaml", "---\njobs: 1\n"}}});
    EXPECT_EQ(got.code, c.code) << c.name;
    EXPECT_NE(got.err.find(c.message), std::string::npos) << c.name << ": " << got.err;
    EXPECT_EQ(got.out, "") << c.name;
    EXPECT_FALSE(got.started.has_value()) << c.name;
    EXPECT_EQ(c.code == 2, got.err.find("--help' for how to use it") != std::string::npos)
        << c.name << ": " << got.err;
  }
}

TEST(Cli, PreviewPrintsTicksInTheOffsetOfTheZone) {
  const struct {
    const char* name;
    std::vector<std::string> flags;
    std::string out;
  } cases[] = {
      {"from now, UTC",
       {"0/5 * * * *", "--count", "2"},
       "2026-11-21T03:05:00Z\n2026-11-21T03:10:00Z\n"},
      {"from a time",
       {"@daily", "--from", "2027-02-27T23:00:00+01:00", "-c", "2"},
       "2027-02-28T00:00:00Z\n2027-03-01T00:00:00Z\n"},
      {"in a zone", {"30 6 * * *", "-z", "Test/East", "-c", "1"}, "2026-11-22T06:30:00+05:30\n"},
      {"across the end of summer time",
       {"30 1,2 * * *", "-z", "Europe/Berlin", "--from", "2027-10-30T23:00:00Z", "-c", "3"},
       "2027-10-31T01:30:00+02:00\n2027-10-31T02:30:00+02:00\n2027-11-01T01:30:00+01:00\n"},
      {"never", {"0 0 30 2 *"}, ""},
  };
  for (const auto& c : cases) {
    std::vector<std::string> line{"schedule", "preview"};
    line.insert(line.end(), c.flags.begin(), c.flags.end());
    const Outcome got = run_line(line, {.now = time("2026-11-21T03:02:00Z")});
    EXPECT_EQ(got.code, 0) << c.name << ": " << got.err;
    EXPECT_EQ(got.out, c.out) << c.name;
    EXPECT_EQ(got.out.empty(), !got.err.empty()) << c.name;
  }
  const Outcome ten = run_line({"schedule", "preview", "@hourly"});
  EXPECT_EQ(std::count(ten.out.begin(), ten.out.end(), '\n'), 10);
}

TEST(Cli, CrdsPrintsTheDefinitions) {
  const Outcome got = run_line({"crds"});
  EXPECT_EQ(got.code, 0);
  EXPECT_TRUE(got.out == crds::crd_yaml());
  EXPECT_NE(got.out.find("name: pipelineruns.millrace.dev"), std::string::npos);
}

TEST(Cli, VersionIsTextOrJson) {
  const Outcome text = run_line({"version"});
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.out, version_text());
  EXPECT_EQ(text.out.rfind("millrace " + std::string(version_info().version) + " (commit ", 0), 0u);
  EXPECT_EQ(run_line({"--version"}).out, text.out);
  const auto json = codec::Value::parse(run_line({"version", "-o", "json"}).out);
  ASSERT_TRUE(json.ok()) << json.error().message;
  EXPECT_EQ(json->find("version")->as_string(), version_info().version);
  EXPECT_EQ(json->find("commit")->as_string(), version_info().commit);
  EXPECT_EQ(json->find("buildType")->as_string(), version_info().build_type);
}

TEST(Cli, HelpShowsUsageFlagsAndExamples) {
  const struct {
    const char* name;
    std::vector<std::string> line;
    std::vector<const char*> contains;
  } cases[] = {
      {"no arguments", {}, {"Run pipelines on Kubernetes", "Commands:", "  operator", "Examples:"}},
      {"the program", {"--help"}, {"Usage:\n  millrace COMMAND [FLAGS]", "  schedule"}},
      {"a command",
       {"operator", "-h"},
       {"Usage:\n  millrace operator [FLAGS]", "--metrics-address ADDRESS", "(default :8080)",
        "--log-level debug|info|warn|error|off", "Examples:\n  millrace operator --kubeconfig"}},
      {"a command below another",
       {"schedule", "preview", "--help"},
       {"Usage:\n  millrace schedule preview EXPR [FLAGS]", "-z", "ZONE", "daylight saving"}},
  };
  for (const auto& c : cases) {
    const Outcome got = run_line(c.line);
    EXPECT_EQ(got.code, 0) << c.name;
    EXPECT_EQ(got.err, "") << c.name;
    for (const char* part : c.contains) {
      EXPECT_NE(got.out.find(part), std::string::npos) << c.name << ": " << part << "\n" << got.out;
    }
  }
}

TEST(Cli, EveryCommandHasHelpWithExamplesThatFitTheScreen) {
  for (const std::vector<std::string>& line : {std::vector<std::string>{},
                                               {"operator"},
                                               {"schedule"},
                                               {"schedule", "preview"},
                                               {"version"},
                                               {"completion"}}) {
    std::vector<std::string> help = line;
    help.push_back("--help");
    const std::string out = run_line(help).out;
    EXPECT_NE(out.find("\nExamples:\n  "), std::string::npos) << out;
    std::size_t begin = 0;
    for (std::size_t end = out.find('\n'); end != std::string::npos; end = out.find('\n', begin)) {
      EXPECT_LE(end - begin, 110u) << out.substr(begin, end - begin);
      begin = end + 1;
    }
  }
}

TEST(ReadFile, ReadsWholeFilesAndNamesTheOnesItCannot) {
  const std::string folder = testing::TempDir() + "/read_file_" + std::to_string(::getpid());
  const std::string path = folder + ".txt";
  std::ofstream(path, std::ios::binary) << std::string("a\0b\r\n", 5);
  EXPECT_EQ(read_file(path).value(), std::string("a\0b\r\n", 5));
  std::ofstream(path, std::ios::trunc).flush();
  EXPECT_EQ(read_file(path).value(), "");
  ::unlink(path.c_str());
  EXPECT_EQ(read_file(path).error().code, Code::NotFound);
  EXPECT_EQ(read_file(path).error().message, path + ": No such file or directory");
  EXPECT_FALSE(read_file(testing::TempDir()).ok());
}

}  // namespace
}  // namespace millrace::cli
