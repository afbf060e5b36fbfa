#include "kubeclient/client/exec_plugin.h"

#include <gtest/gtest.h>

#include <thread>

#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/value.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_certificates.h"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;

SteadyTime in(Duration time) { return std::chrono::steady_clock::now() + time; }

ClientConfig config_with(const std::string& command) {
  ClientConfig config;
  config.server = "https://k8s.example:6443";
  config.source = "my-config";
  config.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1",
                           .command = command,
                           .args = {},
                           .env = {},
                           .install_hint = {},
                           .user = "jo"};
  return config;
}

Environment environment() {
  Environment e;
  e.all = {"PATH=/usr/bin:/bin", "GREETING=outer"};
  return e;
}

TEST(ParseExecCredential, ReadsOrRefuses) {
  const auto pair = support::issue(support::make_authority("ca"), {});
  const std::string head =
      R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential")";
  const std::string cert = codec::Value(pair.certificate).dump();
  const std::string key = codec::Value(pair.key).dump();
  const struct {
    const char* name;
    std::string json;
    const char* says;  // "" is fine
  } cases[] = {
      {"token", head + R"(,"status":{"token":"t"}})", ""},
      {"token with expiry",
       head + R"(,"status":{"token":"t","expirationTimestamp":"2026-11-21T10:00:00Z"}})", ""},
      {"certificate",
       head + R"(,"status":{"clientCertificateData":)" + cert + R"(,"clientKeyData":)" + key + "}}",
       ""},
      {"nothing", "", "printed a bad ExecCredential"},
      {"not JSON", "please log in", "printed a bad ExecCredential"},
      {"other kind", R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"Pod"})", "kind"},
      {"other version",
       R"({"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"})",
       "the kubeconfig says"},
      {"no status", head + "}", "status is missing"},
      {"empty status", head + R"(,"status":{}})", "neither token nor"},
      {"certificate without key", head + R"(,"status":{"clientCertificateData":)" + cert + "}}",
       "or neither"},
      {"key that is none",
       head + R"(,"status":{"clientCertificateData":)" + cert + R"(,"clientKeyData":"x"}})",
       "no private key"},
      {"token with line end", head + R"(,"status":{"token":"secret\r\nX: y"}})", "line end"},
      {"bad time", head + R"(,"status":{"token":"secret","expirationTimestamp":"soon"}})",
       "expirationTimestamp"},
  };
  for (const auto& c : cases) {
    const auto got = parse_exec_credential(c.json, *config_with("plug").exec);
    EXPECT_EQ(got.ok(), *c.says == '\0') << c.name << (got.ok() ? "" : got.error().message);
    if (got.ok()) continue;
    EXPECT_EQ(got.error().code, Code::Invalid) << c.name;
    EXPECT_NE(got.error().message.find(c.says), std::string::npos) << got.error().message;
    EXPECT_EQ(got.error().message.find("secret"), std::string::npos) << "no secrets in messages";
  }
}

TEST(RunExecPlugin, PassesArgumentsEnvironmentAndInfo) {
  const support::TemporaryFolder folder;
  // The token shows what the plugin was given.
  const std::string plugin = folder.write_script("plug", R"(
case "$KUBERNETES_EXEC_INFO" in *k8s.example*) info=cluster;; *) info=bare;; esac
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
printf '"status":{"token":"%s-%s-%s-%s","expirationTimestamp":"2026-11-21T10:00:00Z"}}' \
    "$1" "$GREETING" "$EXTRA" "$info"
cat > /dev/null  # standard input is empty, not ours
)");
  ClientConfig config = config_with(plugin);
  config.exec->args = {"arg one"};
  config.exec->env = {{"GREETING", "inner"}, {"EXTRA", "more"}};
  auto got = run_exec_plugin(config, environment(), {}, in(20s));
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->token, "arg one-inner-more-bare");
  EXPECT_EQ(got->expires, parse_time("2026-11-21T10:00:00Z").value());

  config.exec->provide_cluster_info = true;
  got = run_exec_plugin(config, environment(), {}, in(20s));
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->token, "arg one-inner-more-cluster");
}

TEST(RunExecPlugin, SaysWhatWentWrong) {
  const support::TemporaryFolder folder;
  folder.write("not-executable", "text");
  folder.write_script("fails", "echo 'login first' >&2; exit 3");
  folder.write_script("dies", "kill -9 $$");
  folder.write_script("floods", "yes");
  folder.write_script("hangs", "sleep 1000");
  folder.write_script("chats", "echo hello");
  const struct {
    const char* name;
    std::string command;
    Duration patience;
    Code code;
    std::vector<std::string> says;
  } cases[] = {
      {"missing file",
       folder.path() + "/none",
       20s,
       Code::Invalid,
       {"/none", "no such file", "my-config", "brew install it"}},
      {"missing program",
       "no-such-program-anywhere",
       20s,
       Code::Invalid,
       {"PATH", "brew install it", "user \"jo\""}},
      {"not executable", folder.path() + "/not-executable", 20s, Code::Invalid, {"chmod"}},
      {"exit code", folder.path() + "/fails", 20s, Code::Denied, {"exit code 3", "login first"}},
      {"signal", folder.path() + "/dies", 20s, Code::Denied, {"signal 9"}},
      {"flood", folder.path() + "/floods", 20s, Code::Invalid, {"more than 1 MiB"}},
      {"hang", folder.path() + "/hangs", 100ms, Code::Timeout, {"in time"}},
      {"chat", folder.path() + "/chats", 20s, Code::Invalid, {"bad ExecCredential"}},
  };
  for (const auto& c : cases) {
    ClientConfig config = config_with(c.command);
    config.exec->install_hint = "brew install it";
    const auto got = run_exec_plugin(config, environment(), {}, in(c.patience));
    ASSERT_FALSE(got.ok()) << c.name;
    EXPECT_EQ(got.error().code, c.code) << c.name << ": " << got.error().message;
    for (const std::string& says : c.says) {
      EXPECT_NE(got.error().message.find(says), std::string::npos) << got.error().message;
    }
  }
}

TEST(RunExecPlugin, DoesNotWaitForWhatThePluginLeavesBehind) {
  const support::TemporaryFolder folder;
  const std::string plugin = folder.write_script("plug", R"(
sleep 1000 &
echo "$!" > )" + folder.path() + R"(/left
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'
)");
  const auto got = run_exec_plugin(config_with(plugin), environment(), {}, in(20s));
  std::ignore = std::system(("kill $(cat " + folder.path() + "/left)").c_str());
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->token, "t");
}

TEST(RunExecPlugin, StopsWhenAsked) {
  const support::TemporaryFolder folder;
  const std::string plugin = folder.write_script("plug", "sleep 1000");
  std::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  const auto got = run_exec_plugin(config_with(plugin), environment(), source.get_token(), in(20s));
  stopper.join();
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::Cancelled);
}

TEST(RunExecPlugin, RefusesWhatNeedsATerminal) {
  ClientConfig config = config_with("plug");
  config.exec->needs_terminal = true;
  EXPECT_NE(run_exec_plugin(config, environment(), {}, in(20s)).error().message.find("terminal"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::client
