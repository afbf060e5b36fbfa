#include "local/executor/engine.h"

namespace millrace::executor {

bool is_for_client(std::string_view name) {
  return name == "PATH" || name == "HOME" || name == "TMPDIR" || name.starts_with("XDG_") ||
         name.starts_with("DOCKER_") || name.starts_with("CONTAINER");
}

std::vector<std::string> run_arguments(const EngineContainer& container) {
  std::vector<std::string> out = {container.program,
                                  "run",
                                  "--rm",
                                  "--name=" + container.name,
                                  "--label=millrace.dev/pod-uid=" + container.pod_uid,
                                  "--label=millrace.dev/instance=" + container.instance,
                                  "--network=host"};
  for (const auto& [name, value] : container.environment) {
    out.push_back("--env=" + name + (is_for_client(name) ? "=" + value : ""));
  }
  for (const Mount& mount : container.mounts) {
    // Not --volume: there a ':' in a path would end it.
    out.push_back("--mount=type=bind,source=" + mount.source + ",target=" + mount.target +
                  (mount.read_only ? ",readonly" : ""));
  }
  if (!container.working_dir.empty()) out.push_back("--workdir=" + container.working_dir);
  const codec::Value* pull = container.spec->body.find("imagePullPolicy");
  if (pull != nullptr && pull->as_string() == "Always") out.push_back("--pull=always");
  if (pull != nullptr && pull->as_string() == "Never") out.push_back("--pull=never");
  // The entry point takes one word; the others go before the arguments.
  if (!container.command.empty()) out.push_back("--entrypoint=" + container.command.front());
  out.push_back(container.spec->image);
  for (std::size_t i = 1; i < container.command.size(); ++i) out.push_back(container.command[i]);
  out.insert(out.end(), container.args.begin(), container.args.end());
  return out;
}

std::vector<std::string> kill_arguments(const std::string& program, const std::string& name,
                                        int signal) {
  return {program, "kill", "--signal=" + std::to_string(signal), name};
}

std::vector<std::string> list_arguments(const std::string& program, const std::string& instance) {
  return {program, "ps", "--all", "--quiet", "--filter=label=millrace.dev/instance=" + instance};
}

std::vector<std::string> remove_arguments(const std::string& program,
                                          const std::vector<std::string>& names) {
  std::vector<std::string> out = {program, "rm", "--force"};
  out.insert(out.end(), names.begin(), names.end());
  return out;
}

}  // namespace millrace::executor
