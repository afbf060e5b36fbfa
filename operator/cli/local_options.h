/// What the commands `millrace local ...` were asked to do, checked.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controllers/logic/config.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/codec/value.h"

namespace millrace::cli {

/// A file, read.
struct NamedText {
  std::string name;  ///< to print
  std::string text;
  bool operator==(const NamedText&) const = default;
};

/// How containers run.
enum class LocalRuntime { Auto, Process, Podman, Docker };

struct LocalOptions {
  std::string data_dir;  ///< empty: the default one
  // up
  std::string listen;  ///< "127.0.0.1:6443"; empty: as last time, else any free port of 127.0.0.1
  /// "127.0.0.1:9000"; empty: no webhooks; none: that of the configuration, else as last time, else
  /// any free port of 127.0.0.1.
  std::optional<std::string> webhook_address;
  bool foreground = false;
  bool no_operator = false;  ///< the API server and the executor only
  // up and run
  LocalRuntime runtime = LocalRuntime::Auto;
  int parallelism = 0;  ///< pods at once; 0: as many as the machine can bear
  logic::Config config;
  std::optional<LogLevel> log_level;  ///< none: info for a server, errors only for a run
  // status and kubeconfig
  bool json = false;
  bool path_only = false;
  // run
  std::vector<NamedText> files;
  std::string pipeline;             ///< which one; empty: the only one
  std::optional<Duration> timeout;  ///< then the run is cancelled
  codec::Value params;              ///< object of values for the run, over its own; or null
  bool operator==(const LocalOptions&) const = default;
};

/// The bodies of `millrace local COMMAND`; each gives the exit code.
struct LocalCommands {
  std::function<int(const LocalOptions&)> up;
  std::function<int(const LocalOptions&)> down;
  std::function<int(const LocalOptions&)> status;
  std::function<int(const LocalOptions&)> kubeconfig;
  std::function<int(const LocalOptions&)> run;
};

}  // namespace millrace::cli
