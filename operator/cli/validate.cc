#include "operator/cli/validate.h"

#include <istream>
#include <iterator>
#include <optional>
#include <ostream>

#include "crds/validate.h"
#include "operator/cli/checks.h"
#include "operator/cli/config_file.h"
#include "operator/cli/validate_server.h"

namespace millrace::cli {
namespace {

Result<std::string> content_of(const std::string& file, const Environment& environment) {
  if (file != "-") return environment.read_file(file);
  return std::string(std::istreambuf_iterator<char>(environment.in), {});
}

std::string count_of(std::size_t n, const std::string& singular) {
  return std::to_string(n) + " " + singular + (n == 1 ? "" : "s");
}

/// What one line of `millrace validate` works with.
struct Work {
  const std::string& path;
  const crds::DeeperChecks& deeper;
  Cluster* cluster;  ///< null: without a server
  const logic::Config& config;
  const Environment& env;
};

/// Print what was found in one file; whether it is without errors.
bool validate_file(const std::string& file, const Work& work) {
  const std::string name = file == "-" ? "<stdin>" : file;
  const auto text = content_of(file, work.env);
  if (!text.ok()) {
    work.env.err << work.path << ": " << text.error().message << "\n";
    return false;
  }
  const crds::Report report = crds::check_manifest(*text, name, work.deeper);
  for (const crds::Finding& finding : report.findings) {
    work.env.err << crds::to_string(finding) << "\n";
  }
  if (!report.ok()) return false;
  if (work.cluster != nullptr &&
      !validate_on_server(*text, name, *work.cluster, work.config, work.env)) {
    return false;
  }
  work.env.out << name << ": " << count_of(report.pipelines.size(), "pipeline") << " and "
               << count_of(report.runs.size(), "run") << " without errors\n";
  return true;
}

}  // namespace

int validate_files(const ValidateRequest& request, const std::string& path,
                   const Environment& environment) {
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
  std::unique_ptr<Cluster> cluster;
  if (request.server) {
    auto connected = environment.connect(request.choice);
    if (!connected.ok()) {
      environment.err << path << ": --server: " << connected.error().message << "\n";
      return kFailure;
    }
    cluster = *std::move(connected);
  }
  const crds::DeeperChecks deeper = deeper_checks(environment, config ? &*config : nullptr);
  const logic::Config used = config.value_or(logic::Config{});
  const Work work{path, deeper, cluster.get(), used, environment};
  bool ok = true;
  for (const std::string& file : request.files) ok = validate_file(file, work) && ok;
  return ok ? kSuccess : kFailure;
}

}  // namespace millrace::cli
