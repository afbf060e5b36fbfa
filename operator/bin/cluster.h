/// The cluster behind the commands: kubeconfig, connection, signals.
#pragma once

#include "operator/cli/cli.h"

namespace millrace::bin {

/// What `main` gives to the command line as Environment::connect. `environment` outlives what it
/// connects to; only its streams and clock are used.
cli::Connect connect_to_cluster(const cli::Environment& environment);

/// GET without credentials, for Environment::http_get.
Result<std::string> http_get(const std::string& base, const std::string& path, const Clock& clock);

}  // namespace millrace::bin
