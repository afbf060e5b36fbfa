/// `millrace local ...`: from flags to processes, files and sockets.
#pragma once

#include "operator/cli/cli.h"

namespace millrace::bin {

/// What `main` gives to the command line. `environment` outlives the result; only its streams,
/// clock and variables are used.
cli::LocalCommands local_commands(const cli::Environment& environment);

}  // namespace millrace::bin
