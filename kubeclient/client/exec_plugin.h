/// Runs credential plugins. Source: client.authentication.k8s.io/v1 and v1beta1, client-go
/// plugin/pkg/client/auth/exec.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "kubeclient/client/kubeconfig.h"

namespace millrace::client {

/// What a plugin printed: a token, a certificate with its key, or all.
struct ExecCredential {
  std::string token;
  std::string certificate;
  std::string key;
  std::optional<Time> expires;
  bool operator==(const ExecCredential&) const = default;
};

/// Read an ExecCredential as JSON. Errors: Invalid, naming the field; never the content.
Result<ExecCredential> parse_exec_credential(std::string_view json, const ExecPlugin& plugin);

/// The KUBERNETES_EXEC_INFO for the plugin of `config`, as JSON.
std::string exec_info(const ClientConfig& config);

/// Run the plugin of `config` as a child process and read what it prints. It gets no standard
/// input; it is killed at `deadline` (but after 60 s at the latest) or on `stop`. Errors: Invalid
/// (cannot be run, bad output), Denied (exit code; with its standard error), Timeout, Cancelled.
Result<ExecCredential> run_exec_plugin(const ClientConfig& config, const Environment& environment,
                                       std::stop_token stop, SteadyTime deadline);

}  // namespace millrace::client
