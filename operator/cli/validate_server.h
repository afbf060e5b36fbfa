/// `millrace validate --server`: what a server would say, without storing anything.
#pragma once

#include <string>

#include "operator/cli/cli.h"
#include "operator/cli/cluster.h"

namespace millrace::cli {

/// Apply our kinds of `text` as a dry run, and, by `Environment::try_pipeline`, what their runs
/// would create. What would be accepted goes to `out`, refusals go to `err` as
/// "file:line:column: error: ...", what could not be checked as warnings. Gives false when anything
/// was refused.
bool validate_on_server(const std::string& text, const std::string& file, Cluster& cluster,
                        const logic::Config& config, const Environment& environment);

}  // namespace millrace::cli
