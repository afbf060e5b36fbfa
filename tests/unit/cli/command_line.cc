#include "tests/unit/cli/command_line.h"

#include <sstream>

namespace millrace::cli {
namespace {

class FixedClock final : public Clock {
 public:
  explicit FixedClock(Time now) : now_(now) {}
  Time now() const override { return now_; }
  SteadyTime steady() const override { return {}; }

 private:
  Time now_;
};

/// A TZif file of version 2 with no transitions and the footer `rule`.
std::string tzif(std::string_view rule) {
  // One local time type: offset 0, no daylight saving, abbreviation "X" (RFC 9636, section 3).
  const std::string counts("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2", 24);
  const std::string block =
      "TZif2" + std::string(15, '\0') + counts + std::string(6, '\0') + "X" + std::string(1, '\0');
  return block + block + "\n" + std::string(rule) + "\n";
}

Result<logic::TimeZone> load_zone(const std::string& name) {
  if (name == "Test/East") return logic::TimeZone::parse(name, tzif("<+0530>-5:30"));
  if (name == "Europe/Berlin")
    return logic::TimeZone::parse(name, tzif("CET-1CEST,M3.5.0,M10.5.0/3"));
  return fail(Code::NotFound, "no time zone \"" + name + "\"");
}

}  // namespace

Outcome run_line(const std::vector<std::string>& arguments, const World& world) {
  Outcome outcome;
  std::istringstream in(world.input);
  std::ostringstream out;
  std::ostringstream err;
  const FixedClock clock(world.now);
  const auto local = [&](const char* name) {
    return [&outcome, name](const LocalOptions& options) {
      outcome.local_command = name;
      outcome.local = options;
      return 0;
    };
  };
  const Environment environment{
      .in = in,
      .out = out,
      .err = err,
      .clock = clock,
      .read_file = [&](const std::string& path) -> Result<std::string> {
        const auto found = world.files.find(path);
        if (found == world.files.end()) return fail(Code::NotFound, path + ": no such file");
        return found->second;
      },
      .variable = [&](const char* name) -> std::optional<std::string> {
        const auto found = world.variables.find(name);
        if (found == world.variables.end()) return std::nullopt;
        return found->second;
      },
      .load_zone = load_zone,
      .run_operator =
          [&](const OperatorOptions& options) {
            outcome.started = options;
            return 0;
          },
      .local = {.up = local("up"),
                .down = local("down"),
                .status = local("status"),
                .kubeconfig = local("kubeconfig"),
                .run = local("run")},
      .connect = [&](const ClusterChoice& choice) -> Result<std::unique_ptr<Cluster>> {
        if (world.cluster == nullptr) return fail(Code::NotFound, "no kubeconfig");
        return connect_to(*world.cluster, choice);
      },
      .http_get = [&](const std::string& base, const std::string& path) -> Result<std::string> {
        const auto found = world.files.find(base + path);
        if (found == world.files.end()) return fail(Code::Unavailable, base + ": nobody there");
        return found->second;
      },
      .try_pipeline = world.try_pipeline,
      .terminal = world.terminal,
  };
  std::vector<const char*> argv{world.program.c_str()};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  outcome.code = run(static_cast<int>(argv.size()), argv.data(), environment);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

}  // namespace millrace::cli
