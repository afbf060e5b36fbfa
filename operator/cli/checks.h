/// What validate, import and local run check the same way.
#pragma once

#include <string_view>

#include "controllers/logic/config.h"
#include "crds/validate.h"
#include "operator/cli/cli.h"

namespace millrace::cli {

/// The checks beyond the schema. `config` (null: adapter images are not checked) and `env` outlive
/// them.
crds::DeeperChecks deeper_checks(const Environment& env, const logic::Config* config);

/// Pipeline or PipelineRun as a resource; null for other kinds.
const api::ApiResource* our_resource(std::string_view kind);

}  // namespace millrace::cli
