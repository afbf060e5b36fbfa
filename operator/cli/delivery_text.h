/// `millrace deliveries`: what the operator's gateway says of webhooks, as a table. Pure.
#pragma once

#include <string>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "operator/cli/text.h"

namespace millrace::cli {

/// Those of the gateway's answer that are of this namespace and pipeline; "" means any. Errors:
/// Malformed.
Result<codec::Value> choose_deliveries(const std::string& json, const std::string& ns,
                                       const std::string& pipeline);

/// A row each; "" for none.
std::string deliveries_table(const codec::Value& deliveries, Time now, Look look);

}  // namespace millrace::cli
