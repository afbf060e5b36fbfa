/// The program: reads the world (arguments, environment, files), wires the parts, handles signals.
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "controllers/logic/trial.h"
#include "controllers/shell/trial_runner.h"
#include "controllers/shell/zone_files.h"
#include "operator/bin/cluster.h"
#include "operator/bin/local_commands.h"
#include "operator/bin/run_operator.h"
#include "operator/cli/cli.h"

namespace {

constexpr const char* kZoneDir = "/usr/share/zoneinfo";

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  // glibc would give each thread an arena of its own, which thirty mostly idle threads do not need.
  mallopt(M_ARENA_MAX, 2);
  // A peer that hangs up is an error of write(), not a reason to die.
  signal(SIGPIPE, SIG_IGN);
  const millrace::SystemClock clock;
  millrace::shell::ZoneFiles zones(kZoneDir);
  millrace::cli::Environment environment{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .clock = clock,
      .read_file = millrace::cli::read_file,
      .variable = variable,
      .load_zone = [&](const std::string& name) { return zones.find(name); },
      .run_operator =
          [&](const millrace::cli::OperatorOptions& options) {
            return millrace::bin::run_operator(options, clock);
          },
  };
  environment.local = millrace::bin::local_commands(environment);
  environment.connect = millrace::bin::connect_to_cluster(environment);
  environment.try_pipeline = [](millrace::cli::Cluster& cluster,
                                const millrace::crds::Pipeline& pipeline,
                                const millrace::logic::Config& config) {
    millrace::shell::UserObjects objects(cluster.reader(), cluster.writer());
    const auto revision = millrace::logic::freeze(pipeline);
    return millrace::shell::run_trials(millrace::logic::plan_trials(pipeline, revision, config),
                                       cluster.writer(), objects, cluster.stop());
  };
  environment.http_get = [&](const std::string& base, const std::string& path) {
    return millrace::bin::http_get(base, path, clock);
  };
  environment.terminal = isatty(STDOUT_FILENO) == 1;
  return millrace::cli::run(argc, argv, environment);
}
