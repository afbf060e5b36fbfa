/// `millrace operator`: from flags to a running operator.
#pragma once

#include "kubeclient/base/clock.h"
#include "operator/cli/operator_options.h"

namespace millrace::bin {

/// Run until SIGTERM or SIGINT (exit code 0), or until the lease is lost or the start fails (1).
int run_operator(const cli::OperatorOptions& options, const Clock& clock);

}  // namespace millrace::bin
