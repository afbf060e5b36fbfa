#include "operator/cli/checks.h"

#include "controllers/logic/check.h"
#include "crds/custom_resource.h"

namespace millrace::cli {

crds::DeeperChecks deeper_checks(const Environment& env, const logic::Config* config) {
  const logic::CheckContext context{.config = config,
                                    .zone_problem = [&env](const std::string& name) {
                                      const auto zone = env.load_zone(name);
                                      return zone.ok() ? std::string() : zone.error().message;
                                    }};
  return {
      .pipeline = [context](const crds::Pipeline& p) { return logic::check_pipeline(p, context); },
      .run = [](const crds::PipelineRun& run) { return logic::check_run(run); }};
}

const api::ApiResource* our_resource(std::string_view kind) {
  const crds::KindInfo* info = crds::find_kind(kind);
  return info == nullptr ? nullptr : &info->resource;
}

}  // namespace millrace::cli
