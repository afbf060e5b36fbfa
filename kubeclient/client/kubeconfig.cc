#include "kubeclient/client/kubeconfig.h"

#include <algorithm>
#include <filesystem>

#include "kubeclient/client/kubeconfig_file.h"
#include "kubeclient/client/pem.h"
#include "kubeclient/http/loop.h"

namespace millrace::client {
namespace {

/// A URL taken apart; `host` keeps the brackets of IPv6, `port` is never empty.
struct Url {
  std::string scheme;
  std::string host;
  std::string port;
  std::string path;
};

std::optional<Url> parse_url(std::string_view text) {
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  url.scheme = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 3);
  if (rest.find_first_of("?#@ \t\r\n") != std::string_view::npos) return std::nullopt;
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  url.path = rest.substr(slash);
  while (!url.path.empty() && url.path.back() == '/') url.path.pop_back();
  const std::size_t bracket = authority.rfind(']');
  const std::size_t port = authority.rfind(':');
  if (port != std::string_view::npos && (bracket == std::string_view::npos || port > bracket)) {
    url.port = authority.substr(port + 1);
    authority = authority.substr(0, port);
    const bool digits =
        std::all_of(url.port.begin(), url.port.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (url.port.empty() || url.port.size() > 5 || !digits || std::stoi(url.port) > 65535) {
      return std::nullopt;
    }
  } else {
    url.port = url.scheme == "http" ? "80" : "443";
  }
  url.host = authority;
  if (url.host.empty() || url.host == "[]") return std::nullopt;
  return url;
}

/// `url` fit for a message: a user name and password in it stay out.
std::string shown(const std::string& url) {
  const std::size_t start = url.find("://");
  const std::size_t at = url.rfind('@');
  if (start == std::string::npos || at == std::string::npos || at < start) return url;
  return url.substr(0, start + 3) + "***" + url.substr(at);
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

/// The environment's proxy for `config`, as Go's net/http has it: never for this machine itself.
void add_environment_proxy(ClientConfig& config, const Environment& environment) {
  const auto url = parse_url(config.server);
  if (!config.proxy_url.empty() || !url || is_loopback(url->host)) return;
  std::string proxy = url->scheme == "https" ? environment.https_proxy : environment.http_proxy;
  if (proxy.empty()) return;
  if (proxy.find("://") == std::string::npos) proxy = "http://" + proxy;
  config.proxy_url = proxy;
  config.no_proxy = environment.no_proxy;
}

Result<void> read_cluster(const Section& cluster, ClientConfig& config) {
  MR_ASSIGN(config.server, cluster.text("server"));
  if (config.server.empty()) {
    return cluster.invalid("server", "not set; write the API server's address, https://host:port");
  }
  const auto url = parse_url(config.server);
  if (!url || (url->scheme != "https" && url->scheme != "http")) {
    return cluster.invalid("server", "\"" + shown(config.server) +
                                         "\" is not an address of the form https://host:port");
  }
  while (config.server.back() == '/') config.server.pop_back();
  MR_ASSIGN(config.tls_server_name, cluster.text("tls-server-name"));
  MR_ASSIGN(config.insecure, cluster.flag("insecure-skip-tls-verify"));
  MR_ASSIGN(config.ca, cluster.content("certificate-authority", "certificate-authority-data"));
  const std::string_view ca_field = cluster.has("certificate-authority-data")
                                        ? "certificate-authority-data"
                                        : "certificate-authority";
  if (!config.ca.empty()) {
    if (config.insecure) {
      return cluster.invalid("insecure-skip-tls-verify",
                             "contradicts " + std::string(ca_field) + "; remove one of them");
    }
    const auto checked = check_authority(config.ca);
    if (!checked.ok()) return cluster.invalid(ca_field, checked.error().message);
  } else if (cluster.has(ca_field)) {
    MR_ASSIGN(const std::string said, cluster.text(ca_field));
    if (!said.empty()) return cluster.invalid(ca_field, "is empty; it must hold a certificate");
  }
  MR_ASSIGN(config.proxy_url, cluster.text("proxy-url"));
  if (!config.proxy_url.empty()) {
    const std::string& p = config.proxy_url;
    if (!p.starts_with("http://") && !p.starts_with("https://") && !p.starts_with("socks5://") &&
        !p.starts_with("socks5h://")) {
      return cluster.invalid("proxy-url", "must begin with http://, https:// or socks5://");
    }
  }
  return {};
}

Result<ExecPlugin> read_exec(const Section& exec, const std::string& user) {
  ExecPlugin plugin;
  plugin.user = user;
  MR_ASSIGN(plugin.api_version, exec.text("apiVersion"));
  const bool v1 = plugin.api_version == "client.authentication.k8s.io/v1";
  if (!v1 && plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    return exec.invalid(
        "apiVersion",
        (plugin.api_version.empty() ? "not set"
                                    : "\"" + plugin.api_version + "\" is not supported") +
            std::string("; write client.authentication.k8s.io/v1, or a newer "
                        "version of the plugin's own setup command will"));
  }
  MR_ASSIGN(plugin.command, exec.text("command"));
  if (plugin.command.empty()) {
    return exec.invalid("command", "not set; name the program that prints the credentials");
  }
  if (plugin.command.find('/') != std::string::npos) plugin.command = exec.resolve(plugin.command);
  MR_ASSIGN(plugin.args, exec.texts("args"));
  MR_ASSIGN(const auto variables, exec.sections("env"));
  for (const Section& variable : variables) {
    MR_ASSIGN(std::string name, variable.text("name"));
    MR_ASSIGN(std::string value, variable.text("value"));
    if (name.empty() || name.find('=') != std::string::npos) {
      return variable.invalid("name", "must be the name of an environment variable");
    }
    plugin.env.emplace_back(std::move(name), std::move(value));
  }
  MR_ASSIGN(plugin.install_hint, exec.text("installHint"));
  MR_ASSIGN(plugin.provide_cluster_info, exec.flag("provideClusterInfo"));
  MR_ASSIGN(const std::string mode, exec.text("interactiveMode"));
  if (mode.empty() && v1) {
    return exec.invalid("interactiveMode",
                        "not set, which v1 demands; write IfAvailable, Never or Always");
  }
  if (!mode.empty() && mode != "IfAvailable" && mode != "Never" && mode != "Always") {
    return exec.invalid("interactiveMode",
                        "\"" + mode + "\" is not one of IfAvailable, Never, Always");
  }
  plugin.needs_terminal = mode == "Always";
  return plugin;
}

Result<void> read_certificate(const Section& user, const Environment& environment,
                              ClientConfig& config) {
  MR_ASSIGN(config.certificate, user.content("client-certificate", "client-certificate-data"));
  MR_ASSIGN(config.key, user.content("client-key", "client-key-data"));
  if (config.certificate.empty() && config.key.empty()) return {};
  if (config.key.empty()) {
    return user.invalid("client-key", "not set, though client-certificate is; give both");
  }
  if (config.certificate.empty()) {
    return user.invalid("client-certificate", "not set, though client-key is; give both");
  }
  const auto checked = check_key_pair(config.certificate, config.key, environment.now);
  if (!checked.ok()) {
    const std::string_view subject =
        checked.error().message.starts_with("client key") ? "client-key" : "client-certificate";
    const std::string data = std::string(subject) + "-data";
    return user.invalid(user.has(data) ? std::string_view(data) : subject, checked.error().message);
  }
  return {};
}

Result<void> read_user(const Section& user, const std::string& name, const Environment& environment,
                       ClientConfig& config) {
  if (user.has("auth-provider")) {
    return user.invalid("auth-provider",
                        "was removed from Kubernetes clients in 1.26; use `exec` with the "
                        "provider's credential plugin, or a token");
  }
  MR_TRY(read_certificate(user, environment, config));
  MR_ASSIGN(config.token, user.text("token"));
  MR_ASSIGN(config.token_file, user.text("tokenFile"));
  if (!config.token_file.empty()) {
    config.token_file = user.resolve(config.token_file);
    config.token.clear();  // the file is the fresher one, as in client-go
  }
  MR_ASSIGN(config.username, user.text("username"));
  MR_ASSIGN(config.password, user.text("password"));
  if (config.username.empty() && !config.password.empty()) {
    return user.invalid("username", "not set, though password is");
  }
  MR_ASSIGN(const Section exec, user.section("exec"));
  if (exec.present()) {
    MR_ASSIGN(config.exec, read_exec(exec, name));
  }
  const bool has_token = !config.token.empty() || !config.token_file.empty();
  if (has_token + !config.username.empty() + config.exec.has_value() > 1) {
    return user.invalid("", "has more than one of token, username and exec; keep one");
  }
  MR_ASSIGN(config.as.user, user.text("as"));
  MR_ASSIGN(config.as.groups, user.texts("as-groups"));
  if (config.as.user.empty() && !config.as.groups.empty()) {
    return user.invalid("as", "not set, though as-groups is");
  }
  for (const char* field : {"as-uid", "as-user-extra"}) {
    if (user.has(field)) return user.invalid(field, "is not supported; remove it");
  }
  return {};
}

}  // namespace

std::vector<std::string> kubeconfig_paths(const Environment& environment) {
  std::vector<std::string> paths;
  std::string_view rest = environment.kubeconfig;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    std::string path(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!path.empty() && std::find(paths.begin(), paths.end(), path) == paths.end()) {
      paths.push_back(std::move(path));
    }
  }
  if (paths.empty() && !environment.home.empty()) {
    paths.push_back(environment.home + "/.kube/config");
  }
  return paths;
}

Result<ClientConfig> load_kubeconfig(const std::vector<std::string>& paths,
                                     std::string_view context, const Environment& environment) {
  MR_ASSIGN(const KubeconfigSet set, KubeconfigSet::read(paths));
  ClientConfig config;
  config.source = set.names();
  config.context = context;
  if (config.context.empty()) {
    MR_ASSIGN(config.context, set.current_context());
  }
  MR_ASSIGN(const Section chosen,
            set.entry("contexts", "context", config.context,
                      context.empty() ? "wanted by current-context" : "wanted by --context"));
  if (!chosen.present()) {
    return fail(Code::Invalid, set.names() + ": contexts: \"" + config.context +
                                   "\" is empty; it must name a cluster and a user");
  }
  const std::string wanted_by = "wanted by the context \"" + config.context + "\"";
  MR_ASSIGN(const std::string cluster_name, chosen.text("cluster"));
  if (cluster_name.empty()) return chosen.invalid("cluster", "not set; name one of the clusters");
  MR_ASSIGN(const Section cluster, set.entry("clusters", "cluster", cluster_name, wanted_by));
  if (!cluster.present()) {
    return fail(Code::Invalid, set.names() + ": clusters: \"" + cluster_name +
                                   "\" is empty; it must hold at least `server`");
  }
  MR_TRY(read_cluster(cluster, config));
  MR_ASSIGN(const std::string user_name, chosen.text("user"));
  if (!user_name.empty()) {  // without one we are anonymous
    MR_ASSIGN(const Section user, set.entry("users", "user", user_name, wanted_by));
    if (user.present()) MR_TRY(read_user(user, user_name, environment, config));
  }
  MR_ASSIGN(config.ns, chosen.text("namespace"));
  if (config.ns.empty()) config.ns = "default";
  add_environment_proxy(config, environment);
  return config;
}

Result<ClientConfig> load_in_cluster(const Environment& environment) {
  if (environment.service_host.empty() || environment.service_port.empty()) {
    return fail(Code::NotFound,
                "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
                "set; give --kubeconfig FILE");
  }
  ClientConfig config;
  const bool ipv6 = environment.service_host.find(':') != std::string::npos;
  config.server = "https://" +
                  (ipv6 ? "[" + environment.service_host + "]" : environment.service_host) + ":" +
                  environment.service_port;
  config.source = environment.service_account_dir;
  config.token_file = environment.service_account_dir + "/token";
  const std::string hint =
      "; the pod needs a service account whose token is mounted "
      "(automountServiceAccountToken)";
  const auto token = read_text_file(config.token_file);
  if (!token.ok()) return fail(Code::Invalid, token.error().message + hint);
  const std::string ca_file = environment.service_account_dir + "/ca.crt";
  auto ca = read_text_file(ca_file);
  if (!ca.ok()) return fail(Code::Invalid, ca.error().message + hint);
  const auto checked = check_authority(*ca);
  if (!checked.ok()) return fail(Code::Invalid, ca_file + ": " + checked.error().message);
  config.ca = *std::move(ca);
  const auto ns = read_text_file(environment.service_account_dir + "/namespace");
  config.ns = ns.ok() ? ns->substr(0, ns->find_first_of(" \r\n")) : "";
  if (config.ns.empty()) config.ns = "default";
  add_environment_proxy(config, environment);
  return config;
}

Result<ClientConfig> load_config(const ConfigChoice& choice, const Environment& environment) {
  if (!choice.kubeconfig.empty()) {
    return load_kubeconfig({choice.kubeconfig}, choice.context, environment);
  }
  const bool asked_for_file = !environment.kubeconfig.empty() || !choice.context.empty();
  if (!asked_for_file) {
    auto in_cluster = load_in_cluster(environment);
    if (in_cluster.ok() || in_cluster.error().code != Code::NotFound) return in_cluster;
  }
  return load_kubeconfig(kubeconfig_paths(environment), choice.context, environment);
}

http::LoopOptions loop_options(const ClientConfig& config) {
  http::LoopOptions options;
  options.tls.ca = config.ca;
  options.tls.certificate = config.certificate;
  options.tls.key = config.key;
  options.tls.verify = config.insecure ? http::Verify::Skip : http::Verify::Yes;
  options.proxy = config.proxy_url;
  options.no_proxy = config.no_proxy;
  const auto url = parse_url(config.server);
  if (url && !config.tls_server_name.empty()) {
    options.connect_to =
        config.tls_server_name + ":" + url->port + ":" + url->host + ":" + url->port;
  }
  return options;
}

std::string base_url(const ClientConfig& config) {
  const auto url = parse_url(config.server);
  if (!url || config.tls_server_name.empty()) return config.server;
  return url->scheme + "://" + config.tls_server_name + ":" + url->port + url->path;
}

}  // namespace millrace::client
