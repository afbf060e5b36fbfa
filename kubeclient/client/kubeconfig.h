/// Where the API server is and who we are: kubeconfig files and the in-cluster files, as data.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"

namespace millrace::http {
struct LoopOptions;
}

namespace millrace::client {

/// Everything we take from the process environment; read once, then handed on.
struct Environment {
  std::string home = {};
  std::string kubeconfig = {};    ///< KUBECONFIG: paths with ':' between
  std::string service_host = {};  ///< KUBERNETES_SERVICE_HOST
  std::string service_port = {};  ///< KUBERNETES_SERVICE_PORT
  std::string https_proxy = {};
  std::string http_proxy = {};
  std::string no_proxy = {};
  std::string service_account_dir = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::vector<std::string> all = {};  ///< NAME=value, what credential plugins inherit
  Time now{};                         ///< to tell what has expired
};

/// The environment of this process, and the time; the only place that reads them.
Environment read_environment();

/// A program that prints credentials. Source: client.authentication.k8s.io ExecConfig.
struct ExecPlugin {
  std::string api_version;  ///< client.authentication.k8s.io/v1 or /v1beta1
  std::string command;      ///< absolute, or to be found on PATH
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  ///< added to ours
  std::string install_hint;
  bool provide_cluster_info = false;
  bool needs_terminal = false;  ///< interactiveMode Always
  std::string user;             ///< the kubeconfig's name for it, for messages

  bool operator==(const ExecPlugin&) const = default;
};

/// One cluster, one user. At most one of token, token_file, username and exec is set.
struct ClientConfig {
  std::string server;           ///< "https://host:port", maybe with a path, no slash at the end
  std::string ca;               ///< PEM; empty: the system's
  std::string tls_server_name;  ///< empty: the host of `server`
  bool insecure = false;        ///< the user asked for no check of the certificate
  std::string proxy_url;        ///< of the kubeconfig, else of the environment; empty: none
  std::string no_proxy;         ///< of the environment, where the proxy is
  std::string ns;               ///< of the context; "default" when it names none
  std::string certificate;      ///< client certificate, PEM
  std::string key;
  std::string token;
  std::string token_file;  ///< read again when it changes
  std::string username;
  std::string password;
  std::optional<ExecPlugin> exec;
  Impersonation as;
  std::string context;  ///< the chosen one; "" in a cluster
  std::string source;   ///< the file it came from, for messages

  bool operator==(const ClientConfig&) const = default;
};

/// What the command line may say about the choice.
struct ConfigChoice {
  std::string kubeconfig = {};  ///< --kubeconfig: this file only
  std::string context = {};     ///< --context
};

/// The kubeconfig of the files `paths`, merged: for each context, cluster and user the first file
/// that has it wins; missing files are skipped if another one is there. `context` "" takes
/// current-context. Files named inside are read, but for the token file and the plugin.
/// Errors: Invalid, naming file and field and what to do; NotFound if no file exists.
/// Source: client-go, clientcmd/loader.go, overrides.go, validation.go.
Result<ClientConfig> load_kubeconfig(const std::vector<std::string>& paths,
                                     std::string_view context, const Environment& environment);

/// The service account of our pod. Errors: NotFound outside of a cluster; Invalid.
Result<ClientConfig> load_in_cluster(const Environment& environment);

/// The first that applies: --kubeconfig, KUBECONFIG, in-cluster, ~/.kube/config.
/// Deviation: kubectl looks at ~/.kube/config before it looks for a cluster around it; an operator
/// in a pod must not be led astray by a file in its image (as controller-runtime has it).
Result<ClientConfig> load_config(const ConfigChoice& choice, const Environment& environment);

/// What a loop needs to talk to the server of `config`.
http::LoopOptions loop_options(const ClientConfig& config);
/// The URL to call: `server`, with the TLS server name as its host if there is one; the loop
/// connects to the real host all the same.
std::string base_url(const ClientConfig& config);

/// Split KUBECONFIG or default to ~/.kube/config.
std::vector<std::string> kubeconfig_paths(const Environment& environment);

}  // namespace millrace::client
