/// `millrace local run`.
#pragma once

#include "operator/cli/cli.h"

namespace millrace::bin {

int local_run(const cli::LocalOptions& options, const cli::Environment& env);

}  // namespace millrace::bin
