/// Runs command lines without a process.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/cli/cli.h"
#include "tests/unit/cli/fake_cluster.h"

namespace millrace::cli {

/// What one command line did.
struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
  std::optional<OperatorOptions> started;  ///< set when the operator would have run
  std::string local_command;               ///< "up", when a command of local mode would have run
  LocalOptions local;                      ///< and what it was asked to do
};

/// The world a command line sees.
struct World {
  std::map<std::string, std::string> files{};
  std::map<std::string, std::string> variables{};
  std::string input{};
  Time now{};
  FakeServer* cluster = nullptr;  ///< null: there is no kubeconfig
  bool terminal = false;
  std::string program = "millrace";  ///< argv[0]
  TryPipeline try_pipeline = {};
};

/// Run `millrace` with `arguments` in `world`. Time zones are UTC, Test/East (UTC+05:30)
/// and Europe/Berlin with the rules of today.
Outcome run_line(const std::vector<std::string>& arguments, const World& world = {});

}  // namespace millrace::cli
