/// `millrace validate --server`: what a server would say, without storing anything.
#pragma once

#include <string>

#include "operator/cli/cli.h"
#include "operator/cli/cluster.h"

namespace millrace::cli {

/// Apply our kinds of `text` as a dry run, and, by `Environment::render`, what their runs would
/// create. Refusals go to `err` as "file:line:column: error: ...", what could not be checked as
/// warnings. Gives false when anything was refused.
bool validate_on_server(const std::string& text, const std::string& file, Cluster& cluster,
                        const Environment& environment);

}  // namespace millrace::cli
