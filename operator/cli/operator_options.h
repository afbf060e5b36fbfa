/// What `millrace operator` was asked to do: its flags, checked, and its configuration file, read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/logic/config.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/result.h"

namespace millrace::cli {

/// Where a server listens.
struct ListenAddress {
  std::string host;        ///< IP address or name, without brackets; empty = every interface
  std::uint16_t port = 0;  ///< 0 = any free port
  bool operator==(const ListenAddress&) const = default;
};

/// Read ":8080", "127.0.0.1:8080", "[::1]:8080" or "localhost:0". Empty and "0": none, switched
/// off. Errors: Invalid, with what is expected.
Result<std::optional<ListenAddress>> parse_listen_address(std::string_view text);

/// The flags of `millrace operator`.
struct OperatorOptions {
  std::string kubeconfig;               ///< path; empty: in-cluster, $KUBECONFIG or ~/.kube/config
  std::string context;                  ///< of the kubeconfig; empty: its current one
  std::vector<std::string> namespaces;  ///< sorted, unique; empty: all
  int workers = 4;                      ///< threads per controller, 1..64
  std::optional<ListenAddress> metrics = ListenAddress{.host = {}, .port = 8080};
  bool leader_elect = false;
  std::string lease_namespace = "millrace-system";
  int shards = 1;  ///< into how many the runs are cut; more than 1 only with leader_elect
  Duration lease_duration = std::chrono::seconds(15);  ///< others wait so long for a silent holder
  /// How long an end, or giving up a shard, waits for HTTP calls under way, and then for
  /// reconciles.
  Duration drain_timeout = std::chrono::seconds(10);
  LogLevel log_level = LogLevel::Info;
  std::string config_file;  ///< path; empty: `config` holds the defaults
  logic::Config config;

  bool operator==(const OperatorOptions&) const = default;
};

}  // namespace millrace::cli
