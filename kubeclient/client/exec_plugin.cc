#include "kubeclient/client/exec_plugin.h"

#include <algorithm>
#include <cstring>

#include "kubeclient/client/child_process.h"
#include "kubeclient/client/pem.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"

namespace millrace::client {
namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr std::size_t kMostStderr = 1000;  ///< of it in a message [bytes]

struct WireStatus {
  std::optional<Time> expires;
  std::string token;
  std::string certificate;
  std::string key;

  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("expirationTimestamp", self.expires);
    v.field("token", self.token);
    v.field("clientCertificateData", self.certificate);
    v.field("clientKeyData", self.key);
  }
};

struct WireCredential {
  std::string kind;
  std::string api_version;
  std::optional<WireStatus> status;

  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("kind", self.kind);
    v.field("apiVersion", self.api_version);
    v.field("status", self.status);
  }
};

std::string name_of(const ExecPlugin& plugin) {
  return "credential plugin \"" + plugin.command + "\" of user \"" + plugin.user + "\"";
}

std::string with_hint(const ExecPlugin& plugin) {
  return plugin.install_hint.empty() ? "" : "\n" + plugin.install_hint;
}

std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > kMostStderr) text = text.substr(0, kMostStderr) + "...";
  return text;
}

/// Our environment with the plugin's own variables on top.
std::vector<std::string> environment_of(const ExecPlugin& plugin, const ClientConfig& config,
                                        const Environment& environment) {
  auto added = plugin.env;
  added.emplace_back("KUBERNETES_EXEC_INFO", exec_info(config));
  std::vector<std::string> out;
  for (const std::string& entry : environment.all) {
    const std::string name = entry.substr(0, entry.find('='));
    const bool replaced = std::any_of(added.begin(), added.end(),
                                      [&](const auto& pair) { return pair.first == name; });
    if (!replaced) out.push_back(entry);
  }
  for (const auto& [name, value] : added) out.push_back(name + "=" + value);
  return out;
}

}  // namespace

std::string exec_info(const ClientConfig& config) {
  using codec::Value;
  Value spec = Value::object({{"interactive", false}});
  if (config.exec->provide_cluster_info) {
    Value cluster = Value::object({{"server", config.server}});
    if (!config.tls_server_name.empty()) cluster["tls-server-name"] = config.tls_server_name;
    if (config.insecure) cluster["insecure-skip-tls-verify"] = true;
    if (!config.ca.empty()) cluster["certificate-authority-data"] = encode_base64(config.ca);
    if (!config.proxy_url.empty()) cluster["proxy-url"] = config.proxy_url;
    spec["cluster"] = std::move(cluster);
  }
  return Value::object({{"apiVersion", config.exec->api_version},
                        {"kind", "ExecCredential"},
                        {"spec", std::move(spec)}})
      .dump();
}

Result<ExecCredential> parse_exec_credential(std::string_view json, const ExecPlugin& plugin) {
  const auto refuse = [&](const std::string& why) {
    return fail(Code::Invalid, name_of(plugin) + " printed a bad ExecCredential: " + why +
                                   "; run it by hand and check its version");
  };
  auto wire = codec::decode<WireCredential>(json);
  if (!wire.ok()) return refuse(wire.error().message);
  if (wire->kind != "ExecCredential") return refuse("kind is not ExecCredential");
  if (wire->api_version != plugin.api_version) {
    return refuse("apiVersion is \"" + wire->api_version + "\", but the kubeconfig says \"" +
                  plugin.api_version + "\"");
  }
  if (!wire->status) return refuse("status is missing");
  WireStatus& status = *wire->status;
  if (status.token.empty() && status.certificate.empty()) {
    return refuse("status has neither token nor clientCertificateData");
  }
  if (status.certificate.empty() != status.key.empty()) {
    return refuse("status must have clientCertificateData and clientKeyData, or neither");
  }
  if (!status.certificate.empty()) {
    const auto checked = check_key_pair(status.certificate, status.key, Time::min());
    if (!checked.ok()) return refuse(checked.error().message);
  }
  if (status.token.find_first_of("\r\n") != std::string::npos) {
    return refuse("status.token holds a line end");
  }
  return ExecCredential{std::move(status.token), std::move(status.certificate),
                        std::move(status.key), status.expires};
}

Result<ExecCredential> run_exec_plugin(const ClientConfig& config, const Environment& environment,
                                       std::stop_token stop, SteadyTime deadline) {
  const ExecPlugin& plugin = *config.exec;
  if (plugin.needs_terminal) {
    return fail(Code::Invalid, name_of(plugin) +
                                   " wants a terminal (interactiveMode: Always), which there is "
                                   "none; use one that works unattended");
  }
  Child child;
  child.argv = plugin.args;
  child.argv.insert(child.argv.begin(), plugin.command);
  child.environment = environment_of(plugin, config, environment);
  const auto ended = run_child(child, std::move(stop),
                               std::min(deadline, std::chrono::steady_clock::now() + kPatience));
  if (!ended.ok()) {
    Error error = ended.error();
    error.message = name_of(plugin) + ": " + error.message;
    if (error.code == Code::NotFound) {
      error.code = Code::Invalid;
      error.message += "; install it or correct users[].user.exec.command in " + config.source +
                       with_hint(plugin);
    }
    return fail(std::move(error));
  }
  if (ended->exit_code != 0) {
    const std::string said = one_line(ended->err);
    return fail(Code::Denied, name_of(plugin) + " failed: " + ended->how() +
                                  (said.empty() ? "" : ": " + said) + with_hint(plugin));
  }
  return parse_exec_credential(ended->out, plugin);
}

}  // namespace millrace::client
