#include "kubeclient/client/kubeconfig.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "kubeclient/client/pem.h"
#include "kubeclient/http/loop.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_certificates.h"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;
using support::TemporaryFolder;

Environment environment() {
  Environment e;
  e.now = SystemClock().now();
  return e;
}

std::string replace(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

constexpr const char* kGood = R"(apiVersion: v1
kind: Config
current-context: one
contexts:
- name: one
  context: {cluster: c1, user: u1, namespace: team}
- name: two
  context:
    cluster: c2
    user: u2
- name: anonymous
  context: {cluster: c1}
clusters:
- name: c1
  cluster: {server: "https://k8s.example:6443/"}
- name: c2
  cluster:
    server: https://k8s.example/prefix
    tls-server-name: inner.example
    proxy-url: socks5://proxy.example:1080
    insecure-skip-tls-verify: true
users:
- name: u1
  user: {token: "abc"}
- name: u2
  user:
    username: jo
    password: pw
    as: someone
    as-groups: [a, b]
)";

TEST(LoadKubeconfig, TakesTheChosenContext) {
  const TemporaryFolder folder;
  const std::string file = folder.write("config", kGood);
  const auto one = load_kubeconfig({file}, "", environment());
  ASSERT_TRUE(one.ok()) << one.error().message;
  ClientConfig want;
  want.server = "https://k8s.example:6443";
  want.ns = "team";
  want.token = "abc";
  want.context = "one";
  want.source = file;
  EXPECT_EQ(*one, want);

  const auto two = load_kubeconfig({file}, "two", environment());
  ASSERT_TRUE(two.ok()) << two.error().message;
  EXPECT_EQ(two->server, "https://k8s.example/prefix");
  EXPECT_EQ(two->tls_server_name, "inner.example");
  EXPECT_EQ(two->proxy_url, "socks5://proxy.example:1080");
  EXPECT_TRUE(two->insecure);
  EXPECT_EQ(two->username, "jo");
  EXPECT_EQ(two->password, "pw");
  EXPECT_EQ(two->as, (Impersonation{"someone", {"a", "b"}}));
  EXPECT_EQ(two->ns, "default");

  const auto nobody = load_kubeconfig({file}, "anonymous", environment());
  ASSERT_TRUE(nobody.ok()) << nobody.error().message;
  EXPECT_EQ(nobody->token, "");
}

TEST(LoadKubeconfig, ReadsJson) {
  const TemporaryFolder folder;
  const std::string file = folder.write("config", R"({
    "current-context": "x",
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://[::1]:8080"}}],
    "users": [{"name": "u", "user": {"token": "abc"}}]})");
  const auto config = load_kubeconfig({file}, "", environment());
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->server, "http://[::1]:8080");
}

TEST(LoadKubeconfig, ReadsCertificatesInlineAndFromFiles) {
  const auto authority = support::make_authority("ca");
  const auto pair = support::issue(authority, {});
  const TemporaryFolder folder;
  folder.write("pki/ca.crt", authority.certificate);
  folder.write("pki/me.crt", pair.certificate);
  const std::string key_file = folder.write("elsewhere/me.key", pair.key);
  const std::string files = replace(
      replace(kGood, "server: \"https://k8s.example:6443/\"",
              "server: https://h:1, certificate-authority: pki/ca.crt"),
      "{token: \"abc\"}", "{client-certificate: ./pki/me.crt, client-key: " + key_file + "}");
  // Data wins over files, which are not even looked at.
  const std::string inline_data = replace(
      replace(kGood, "server: \"https://k8s.example:6443/\"",
              "server: https://h:1, certificate-authority: none, "
              "certificate-authority-data: " +
                  encode_base64(authority.certificate)),
      "{token: \"abc\"}",
      "{client-certificate: none, client-key: none, client-certificate-data: " +
          encode_base64(pair.certificate) + ", client-key-data: " + encode_base64(pair.key) + "}");
  for (const std::string& text : {files, inline_data}) {
    const auto config = load_kubeconfig({folder.write("config", text)}, "", environment());
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(config->ca, authority.certificate);
    EXPECT_EQ(config->certificate, pair.certificate);
    EXPECT_EQ(config->key, pair.key);
  }
}

TEST(LoadKubeconfig, ReadsExecPlugins) {
  const TemporaryFolder folder;
  const std::string text = replace(kGood, "{token: \"abc\"}", R"(
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: bin/plugin
      args: [get-token, "--cluster", "x"]
      env:
      - {name: A, value: b}
      - {name: EMPTY, value: ""}
      installHint: "get it there"
      provideClusterInfo: true
      interactiveMode: IfAvailable)");
  auto config = load_kubeconfig({folder.write("config", text)}, "", environment());
  ASSERT_TRUE(config.ok()) << config.error().message;
  const ExecPlugin want{.api_version = "client.authentication.k8s.io/v1",
                        .command = folder.path() + "/bin/plugin",
                        .args = {"get-token", "--cluster", "x"},
                        .env = {{"A", "b"}, {"EMPTY", ""}},
                        .install_hint = "get it there",
                        .provide_cluster_info = true,
                        .needs_terminal = false,
                        .user = "u1"};
  EXPECT_EQ(config->exec, want);

  const std::string beta = replace(
      kGood, "{token: \"abc\"}",
      "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: plugin, env: null}}");
  config = load_kubeconfig({folder.write("config", beta)}, "", environment());
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->exec->command, "plugin") << "to be found on PATH";
}

TEST(LoadKubeconfig, MergesFilesFirstOneWins) {
  const TemporaryFolder folder;
  const std::string a = folder.write("a/config", R"(
current-context: one
users:
- name: u1
  user: {tokenFile: token}
)");
  const std::string b = folder.write("b/config", kGood);
  const auto config = load_kubeconfig({a, folder.path() + "/missing", b}, "", environment());
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->server, "https://k8s.example:6443") << "from the second";
  EXPECT_EQ(config->token, "") << "the user of the first";
  EXPECT_EQ(config->token_file, folder.path() + "/a/token") << "seen from its own folder";
}

TEST(LoadKubeconfig, SaysWhereItIsWrongAndWhatToDo) {
  const auto authority = support::make_authority("ca");
  const auto pair = support::issue(authority, {});
  const auto other = support::issue(authority, {});
  const auto old = support::issue(authority, {.valid_until = -1min});
  const auto user = [&](const std::string& text) {
    return replace(kGood, "{token: \"abc\"}", "{" + text + "}");
  };
  const auto cluster = [&](const std::string& text) {
    return replace(kGood, "{server: \"https://k8s.example:6443/\"}", "{" + text + "}");
  };
  const auto exec = [&](const std::string& text) { return user("exec: {" + text + "}"); };
  const std::string v1 = "apiVersion: client.authentication.k8s.io/v1, ";
  const auto certificates = [&](const std::string& certificate, const std::string& key) {
    return user("client-certificate-data: " + encode_base64(certificate) +
                ", client-key-data: " + encode_base64(key));
  };
  const struct {
    const char* name;
    std::string text;
    const char* context;
    std::vector<std::string> says;  // besides the file's path
  } cases[] = {
      {"not YAML", "a: [1,\nb: }", "", {":2"}},
      {"only a word", "hello", "", {"must be a map", "kubectl config view"}},
      {"a list", "- a", "", {"must be a map"}},
      {"two documents", "a: 1\n---\nb: 2", "", {"2 YAML documents"}},
      {"another kind", "kind: Pod", "", {":1", "kind", "\"Pod\""}},
      {"empty", "", "", {"current-context", "use-context"}},
      {"no current context",
       replace(kGood, "current-context: one", "x: y"),
       "",
       {"current-context", "--context"}},
      {"unknown current context",
       replace(kGood, "current-context: one", "current-context: uno"),
       "",
       {"contexts", "\"uno\"", "current-context", "one, two, anonymous"}},
      {"unknown context asked for", kGood, "tre", {"\"tre\"", "--context", "one, two"}},
      {"context without cluster",
       replace(kGood, "{cluster: c1, user: u1, namespace: team}", "{user: u1}"),
       "",
       {":6", "contexts[0].context.cluster", "not set"}},
      {"context of nothing",
       replace(kGood, "  context: {cluster: c1, user: u1, namespace: team}", ""),
       "",
       {"contexts", "\"one\"", "is empty"}},
      {"unknown cluster",
       replace(kGood, "cluster: c1", "cluster: c9"),
       "",
       {"clusters", "\"c9\"", "context \"one\"", "c1, c2"}},
      {"unknown user",
       replace(kGood, "user: u1", "user: u9"),
       "",
       {"users", "\"u9\"", "context \"one\"", "u1, u2"}},
      {"contexts is a map",
       "current-context: a\ncontexts: {a: b}",
       "",
       {":2", "contexts", "must be a list"}},
      {"context is a word",
       "current-context: a\ncontexts: [a]",
       "",
       {"contexts[0]", "must be a map"}},
      {"no server", cluster("x: y"), "", {":15", "clusters[0].cluster.server", "not set"}},
      {"server without scheme",
       cluster("server: \"k8s.example:6443\""),
       "",
       {":15", "clusters[0].cluster.server", "https://host:port"}},
      {"server of another scheme", cluster("server: \"ftp://k8s\""), "", {"ftp://k8s"}},
      {"server without host", cluster("server: \"https://:6443\""), "", {"https://host:port"}},
      {"server with a bad port", cluster("server: \"https://k8s:99999\""), "", {"server"}},
      {"server with a query", cluster("server: \"https://k8s/?a=b\""), "", {"server"}},
      {"server with a user",
       cluster("server: \"https://a:b@k8s/\""),
       "",
       {"server", "https://***@k8s"}},
      {"server is a number", cluster("server: 6443"), "", {"server", "must be a string"}},
      {"authority is no base64",
       cluster("server: https://k, certificate-authority-data: \"%%\""),
       "",
       {"certificate-authority-data", "base64"}},
      {"authority is no PEM",
       cluster("server: https://k, certificate-authority-data: " + encode_base64("hello")),
       "",
       {"certificate-authority-data", "no certificate in PEM form"}},
      {"authority file is missing",
       cluster("server: https://k, certificate-authority: ca.crt"),
       "",
       {":15", "clusters[0].cluster.certificate-authority", "ca.crt", "no such file"}},
      {"authority and no check",
       cluster("server: https://k, insecure-skip-tls-verify: true, certificate-authority-data: " +
               encode_base64(authority.certificate)),
       "",
       {"insecure-skip-tls-verify", "contradicts certificate-authority-data"}},
      {"no check is a word",
       cluster("server: https://k, insecure-skip-tls-verify: maybe"),
       "",
       {"insecure-skip-tls-verify", "true or false"}},
      {"proxy of another scheme",
       cluster("server: https://k, proxy-url: \"ftp://p\""),
       "",
       {"proxy-url", "socks5://"}},
      {"certificate without key",
       user("client-certificate-data: " + encode_base64(pair.certificate)),
       "",
       {":24", "users[0].user.client-key", "not set"}},
      {"key without certificate",
       user("client-key-data: " + encode_base64(pair.key)),
       "",
       {"users[0].user.client-certificate", "not set"}},
      {"key of another",
       certificates(pair.certificate, other.key),
       "",
       {"client-certificate-data", "do not belong together"}},
      {"certificate expired",
       certificates(old.certificate, old.key),
       "",
       {"client-certificate-data", "expired at", "get a new one"}},
      {"key is no PEM",
       certificates(pair.certificate, "hello"),
       "",
       {"client-key-data", "no private key"}},
      {"key file is missing",
       user("client-certificate: a.crt, client-key: a.key"),
       "",
       {"client-certificate", "a.crt", "no such file"}},
      {"token is a number",
       user("token: 12345"),
       "",
       {"users[0].user.token", "must be a string", "quotes"}},
      {"password without name", user("password: x"), "", {"username", "not set"}},
      {"token and name", user("token: a, username: b"), "", {"users[0].user", "more than one"}},
      {"provider of old",
       user("auth-provider: {name: gcp}"),
       "",
       {"users[0].user.auth-provider", "removed", "exec"}},
      {"groups without user", user("as-groups: [a]"), "", {"users[0].user.as", "not set"}},
      {"groups of numbers", user("as: a, as-groups: [1]"), "", {"as-groups[0]", "string"}},
      {"plugin of alpha",
       exec("apiVersion: client.authentication.k8s.io/v1alpha1, command: x"),
       "",
       {"exec.apiVersion", "v1alpha1", "not supported"}},
      {"plugin without version", exec("command: x"), "", {"exec.apiVersion", "not set"}},
      {"plugin without command",
       exec(v1 + "interactiveMode: Never"),
       "",
       {"exec.command", "not set"}},
      {"plugin without mode", exec(v1 + "command: x"), "", {"exec.interactiveMode", "not set"}},
      {"plugin of unknown mode",
       exec(v1 + "command: x, interactiveMode: No"),
       "",
       {"exec.interactiveMode"}},
      {"plugin arguments are a word",
       exec(v1 + "command: x, interactiveMode: Never, args: a"),
       "",
       {"exec.args", "must be a list"}},
      {"plugin variable without name",
       exec(v1 + "command: x, interactiveMode: Never, env: [{value: a}]"),
       "",
       {"exec.env[0].name"}},
      {"plugin and token",
       user("token: a, exec: {" + v1 + "command: x, interactiveMode: Never}"),
       "",
       {"more than one"}},
  };
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/config";
  for (const auto& c : cases) {
    folder.write("config", c.text);
    const auto config = load_kubeconfig({file}, c.context, environment());
    ASSERT_FALSE(config.ok()) << c.name;
    EXPECT_EQ(config.error().code, Code::Invalid) << c.name;
    EXPECT_NE(config.error().message.find(file), std::string::npos) << config.error().message;
    for (const std::string& says : c.says) {
      EXPECT_NE(config.error().message.find(says), std::string::npos)
          << c.name << ": wanted \"" << says << "\" in: " << config.error().message;
    }
  }
}

TEST(LoadKubeconfig, SaysWhichFilesAreNotThere) {
  const TemporaryFolder folder;
  const auto none = load_kubeconfig({"/none/a", "/none/b"}, "", environment());
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::NotFound);
  EXPECT_NE(none.error().message.find("/none/a, /none/b"), std::string::npos);
  EXPECT_NE(none.error().message.find("--kubeconfig"), std::string::npos);

  const auto is_folder = load_kubeconfig({folder.path()}, "", environment());
  ASSERT_FALSE(is_folder.ok());
  EXPECT_NE(is_folder.error().message.find("is a folder"), std::string::npos);

  if (::geteuid() != 0) {  // root may read everything
    const std::string file = folder.write("config", kGood);
    std::filesystem::permissions(file, std::filesystem::perms::none);
    const auto closed = load_kubeconfig({file}, "", environment());
    ASSERT_FALSE(closed.ok());
    EXPECT_NE(closed.error().message.find("Permission denied"), std::string::npos);
  }
}

TEST(LoadInCluster, ReadsTheServiceAccount) {
  const auto authority = support::make_authority("ca");
  const TemporaryFolder folder;
  folder.write("token", "t\n");
  folder.write("ca.crt", authority.certificate);
  folder.write("namespace", "prod");
  Environment e = environment();
  e.service_account_dir = folder.path();
  EXPECT_EQ(load_in_cluster(e).error().code, Code::NotFound) << "outside of a cluster";
  e.service_host = "fd00::1";
  e.service_port = "443";
  const auto config = load_in_cluster(e);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->server, "https://[fd00::1]:443");
  EXPECT_EQ(config->token_file, folder.path() + "/token");
  EXPECT_EQ(config->ca, authority.certificate);
  EXPECT_EQ(config->ns, "prod");

  for (const char* file : {"ca.crt", "token"}) {
    std::filesystem::remove(folder.path() + "/" + file);
    const auto broken = load_in_cluster(e);
    ASSERT_FALSE(broken.ok());
    EXPECT_EQ(broken.error().code, Code::Invalid);
    EXPECT_NE(broken.error().message.find(folder.path() + "/" + file), std::string::npos);
    EXPECT_NE(broken.error().message.find("service account"), std::string::npos);
  }
}

TEST(LoadConfig, LooksInTheRightOrder) {
  const auto authority = support::make_authority("ca");
  const TemporaryFolder folder;
  folder.write("sa/token", "t");
  folder.write("sa/ca.crt", authority.certificate);
  const std::string home = folder.write("home/.kube/config", kGood);
  const std::string named = folder.write("named", kGood);
  Environment outside = environment();
  outside.home = folder.path() + "/home";
  outside.service_account_dir = folder.path() + "/sa";
  Environment inside = outside;
  inside.service_host = "10.0.0.1";
  inside.service_port = "443";
  Environment with_variable = inside;
  with_variable.kubeconfig = ":/none/x:" + named + ":" + named;
  const struct {
    const char* name;
    ConfigChoice choice;
    Environment environment;
    std::string want_source;
  } cases[] = {
      {"flag first", {.kubeconfig = home, .context = {}}, with_variable, home},
      {"then the variable", {}, with_variable, named},
      {"then the cluster around us", {}, inside, folder.path() + "/sa"},
      {"then the home folder", {}, outside, home},
      {"a context means a file", {.kubeconfig = {}, .context = "two"}, inside, home},
  };
  for (const auto& c : cases) {
    const auto config = load_config(c.choice, c.environment);
    ASSERT_TRUE(config.ok()) << c.name << ": " << config.error().message;
    EXPECT_EQ(config->source, c.want_source) << c.name;
  }
  EXPECT_EQ(load_config({}, environment()).error().code, Code::NotFound);
}

TEST(LoadConfig, TakesTheProxyOfTheEnvironment) {
  const TemporaryFolder folder;
  const struct {
    const char* name;
    std::string server;
    const char* context;
    std::string want_proxy;
    std::string want_no_proxy;
  } cases[] = {
      {"https", "https://k8s.example:6443", "", "http://secure.proxy:3128", "10.0.0.0/8"},
      {"http", "http://k8s.example:8080", "", "http://plain.proxy:3128", "10.0.0.0/8"},
      {"never for this machine", "https://127.0.0.1:6443", "", "", ""},
      {"nor by name", "https://localhost:6443", "", "", ""},
      {"the kubeconfig's own wins", "https://k8s.example", "two", "socks5://proxy.example:1080",
       ""},
  };
  Environment e = environment();
  e.https_proxy = "secure.proxy:3128";
  e.http_proxy = "http://plain.proxy:3128";
  e.no_proxy = "10.0.0.0/8";
  for (const auto& c : cases) {
    const std::string file =
        folder.write("config", replace(kGood, "https://k8s.example:6443/", c.server));
    const auto config = load_kubeconfig({file}, c.context, e);
    ASSERT_TRUE(config.ok()) << c.name << ": " << config.error().message;
    EXPECT_EQ(config->proxy_url, c.want_proxy) << c.name;
    EXPECT_EQ(config->no_proxy, c.want_no_proxy) << c.name;
  }
}

TEST(LoopOptions, ConnectToTheServerUnderItsTlsName) {
  const struct {
    std::string server;
    std::string tls_name;
    std::string want_url;
    std::string want_connect;
  } cases[] = {
      {"https://10.0.0.1:6443/p", "", "https://10.0.0.1:6443/p", ""},
      {"https://10.0.0.1:6443/p", "api.example", "https://api.example:6443/p",
       "api.example:6443:10.0.0.1:6443"},
      {"https://[fd00::1]", "api.example", "https://api.example:443",
       "api.example:443:[fd00::1]:443"},
  };
  for (const auto& c : cases) {
    ClientConfig config;
    config.server = c.server;
    config.tls_server_name = c.tls_name;
    EXPECT_EQ(base_url(config), c.want_url);
    EXPECT_EQ(loop_options(config).connect_to, c.want_connect);
  }
  ClientConfig config;
  EXPECT_EQ(loop_options(config).tls.verify, http::Verify::Yes);
  config.insecure = true;
  EXPECT_EQ(loop_options(config).tls.verify, http::Verify::Skip);
}

}  // namespace
}  // namespace millrace::client
