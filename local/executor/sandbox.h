/// A root file system of its own for one process: this machine's, with a pod's volumes mounted.
#pragma once

#include <string>
#include <vector>

#include "local/executor/spawn_wire.h"

namespace millrace::executor {

/// Move the calling process, which must have one thread, into new namespaces (mount, and user
/// unless it may mount anyway). There "/" is a fresh tmpfs on `root` that shows every top-level
/// entry of the old one, and each mount at its target; folders that the targets need are made on
/// the tmpfs, never on this machine's disk, except inside of other mounts. User and group stay who
/// they are. Empty on success, else what failed and why. Afterwards the process can only exec or
/// end.
std::string enter_sandbox(const std::string& root, const std::vector<Mount>& mounts);

}  // namespace millrace::executor
