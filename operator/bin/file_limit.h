/// The process's limit of open files: each outbound call and each connection takes one.
#pragma once

#include <cstdint>

#include "controllers/logic/config.h"
#include "kubeclient/base/log.h"

namespace millrace::bin {

/// How many files this configuration may have open at once, at most; connections that wait idle to
/// be used again are not counted, since they are closed when there is need. `others`: what the rest
/// of the process may open.
std::uint64_t files_needed(const logic::Config& config, std::uint64_t others);

/// Raise the soft limit to the hard one, and say so in the log when even that is less than
/// `needed`. Processes forked before keep the old limit: those that run users' programs have to be.
void raise_file_limit(std::uint64_t needed, const Logger& log);

}  // namespace millrace::bin
