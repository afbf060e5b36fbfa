/// The CEL rules of our kinds, said once more in C++, for checks without an API server.
#pragma once

#include "kubeclient/codec/schema_check.h"

namespace millrace::crds {

/// The meaning of every rule that stands in a schema of ours, by its text; a test holds the two
/// sets equal, and the manifests under tests/golden/manifests hold their verdicts equal.
const codec::RuleTable& rule_table();

}  // namespace millrace::crds
