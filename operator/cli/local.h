/// `millrace local ...`: its flags, and what is checked before anything starts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/cli/cli.h"

namespace CLI {
class App;
}

namespace millrace::cli {

/// What the parser fills in.
struct LocalArguments {
  LocalOptions options;
  std::string runtime = "auto";
  std::string log_level;
  std::string output = "text";
  std::string config_file;
  std::optional<std::string> webhook_address;
  std::string timeout;
  std::vector<std::string> files;
  std::vector<std::string> parameters;
};

/// Add the group of commands to `root`.
void add_local(CLI::App& root, LocalArguments& args);

/// Check what the parser left and run the command `name` ("up"). `path` is "millrace local up".
int run_local(const std::string& name, const std::string& path, LocalArguments& args,
              const Environment& environment);

}  // namespace millrace::cli
