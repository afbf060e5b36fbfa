#include "operator/cli/validate.h"

#include <istream>
#include <iterator>
#include <optional>
#include <ostream>

#include "controllers/logic/check.h"
#include "crds/validate.h"
#include "operator/cli/config_file.h"

namespace millrace::cli {
namespace {

Result<std::string> content_of(const std::string& file, const Environment& environment) {
  if (file != "-") return environment.read_file(file);
  return std::string(std::istreambuf_iterator<char>(environment.in), {});
}

std::string count_of(std::size_t n, const std::string& singular) {
  return std::to_string(n) + " " + singular + (n == 1 ? "" : "s");
}

/// Print what was found in one file; whether it is without errors.
bool validate_file(const std::string& file, const crds::DeeperChecks& deeper,
                   const Environment& environment) {
  const std::string name = file == "-" ? "<stdin>" : file;
  const auto text = content_of(file, environment);
  if (!text.ok()) {
    environment.err << "millrace validate: " << text.error().message << "\n";
    return false;
  }
  const crds::Report report = crds::check_manifest(*text, name, deeper);
  for (const crds::Finding& finding : report.findings) {
    environment.err << crds::to_string(finding) << "\n";
  }
  if (!report.ok()) return false;
  environment.out << name << ": " << count_of(report.pipelines.size(), "pipeline") << " and "
                  << count_of(report.runs.size(), "run") << " without errors\n";
  return true;
}

}  // namespace

int validate_files(const ValidateRequest& request, const Environment& environment) {
  std::optional<logic::Config> config;
  if (!request.config_file.empty()) {
    const auto text = environment.read_file(request.config_file);
    auto parsed = text.ok() ? parse_config(*text, request.config_file)
                            : Result<logic::Config>(fail(text.error()));
    if (!parsed.ok()) {
      environment.err << parsed.error().message << "\n";
      return kFailure;
    }
    config = *std::move(parsed);
  }
  const logic::CheckContext context{.config = config ? &*config : nullptr,
                                    .zone_problem = [&](const std::string& name) {
                                      const auto zone = environment.load_zone(name);
                                      return zone.ok() ? std::string() : zone.error().message;
                                    }};
  const crds::DeeperChecks deeper{
      .pipeline = [&](const crds::Pipeline& p) { return logic::check_pipeline(p, context); },
      .run = [](const crds::PipelineRun& run) { return logic::check_run(run); }};
  bool ok = true;
  for (const std::string& file : request.files) {
    ok = validate_file(file, deeper, environment) && ok;
  }
  return ok ? kSuccess : kFailure;
}

}  // namespace millrace::cli
