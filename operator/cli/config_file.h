/// The operator's configuration file: config/millrace.yaml and those like it.
#pragma once

#include <string>
#include <string_view>

#include "controllers/logic/config.h"
#include "kubeclient/base/result.h"

namespace millrace::cli {

/// Read the content of a configuration file; `file` is its name in messages. An empty file gives
/// the defaults. Errors: Invalid, one line for each complaint:
/// `file:line:column: field: what is wrong and what to do`.
Result<logic::Config> parse_config(std::string_view text, const std::string& file);

}  // namespace millrace::cli
