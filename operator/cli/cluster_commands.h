/// The commands that work on a cluster: start, get, describe, logs, why, cancel, retry, approve,
/// import, deliveries.
#pragma once

#include <string>
#include <vector>

#include "operator/cli/cli.h"
#include "operator/cli/cluster.h"

namespace CLI {
class App;
}

namespace millrace::cli {

/// The parser's name of the arguments without a flag.
inline constexpr const char* kWords = "WORDS";

/// What the parser fills in; each command looks at its own.
struct ClusterArguments {
  ClusterChoice choice;
  std::vector<std::string> words;  ///< arguments without a flag
  std::vector<std::string> parameters;
  std::string params_file;
  std::string name;
  std::string output;
  std::string color = "auto";
  std::string selector;
  std::string comment;
  std::string address;
  std::string since;
  std::string timeout;
  int attempt = 0;
  int retries = -1;
  long long tail = -1;
  bool follow = false;
  bool watch = false;
  bool all_namespaces = false;
  bool timestamps = false;
  bool dry_run = false;
  bool reject = false;
  bool apply = false;
};

/// Add --kubeconfig, --context and --namespace.
void add_cluster_flags(CLI::App& app, ClusterChoice& choice);
/// Add the commands to `root`.
void add_cluster_commands(CLI::App& root, ClusterArguments& args);
/// True for a command that add_cluster_commands added.
bool is_cluster_command(const std::string& name);
/// Check what the parser left and run the command. `path` is "millrace start".
int run_cluster_command(const std::string& name, const std::string& path, ClusterArguments& args,
                        const Environment& environment);

}  // namespace millrace::cli
