/// The command line: `millrace COMMAND ...`. It touches the outside through `Environment` only, so
/// that tests run it without a process.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "controllers/logic/time_zone.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "operator/cli/cluster.h"
#include "operator/cli/local_options.h"
#include "operator/cli/operator_options.h"

namespace millrace::cli {

/// Exit codes of every command.
enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,  ///< the input is wrong, or the work failed
  kUsage = 2,    ///< the command line is wrong
  kStopped = 3,  ///< the run that was waited for timed out or was cancelled
};

/// What a command may use. `main` fills it.
struct Environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  const Clock& clock;
  /// The content of a file. Errors: NotFound, Denied, Unavailable; the message names the file.
  std::function<Result<std::string>(const std::string& path)> read_file;
  /// The value of an environment variable; none when unset.
  std::function<std::optional<std::string>(const char* name)> variable;
  /// The time zone of an IANA name. Errors: NotFound or Invalid, naming it.
  std::function<Result<logic::TimeZone>(const std::string& name)> load_zone;
  /// The body of `millrace operator`; gives the exit code.
  std::function<int(const OperatorOptions&)> run_operator;
  /// The bodies of `millrace local ...`.
  LocalCommands local = {};
  /// Connect to a cluster; for the commands that work on one.
  Connect connect = {};
  /// GET `path` of a server of ours without credentials: `base` is "http://host:port".
  std::function<Result<std::string>(const std::string& base, const std::string& path)> http_get =
      {};
  /// What the server would say to the first run, for `validate --server`; none: not asked.
  TryPipeline try_pipeline = {};
  bool terminal = false;  ///< `out` is one
};

/// Read a whole file from disk; what `main` gives as `Environment::read_file`.
Result<std::string> read_file(const std::string& path);

/// Run the command that `argv` names and return the exit code. Results go to `out`, complaints to
/// `err`; nothing is thrown for anything a user can write.
int run(int argc, const char* const* argv, const Environment& environment);

}  // namespace millrace::cli
