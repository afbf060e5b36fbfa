/// Containers by podman or docker: what to call. Pure. Never run against a real engine yet.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "local/executor/pod_spec.h"
#include "local/executor/spawn_wire.h"

namespace millrace::executor {

/// One container for the engine's command line.
struct EngineContainer {
  std::string program;  ///< path of podman or docker
  std::string name;     ///< unique on this machine
  std::string pod_uid;
  std::string instance;
  const ContainerSpec* spec = nullptr;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<Mount> mounts;
};

/// A variable that means something to the engine's client itself; a container's is passed in argv.
bool is_for_client(std::string_view name);
/// `podman run` in the foreground: its outputs and exit code are the container's. Variables are
/// passed by name, their values in the environment of the client, so that no secret stands in argv.
std::vector<std::string> run_arguments(const EngineContainer& container);
/// `podman kill --signal X name`.
std::vector<std::string> kill_arguments(const std::string& program, const std::string& name,
                                        int signal);
/// `podman rm --force` of all containers of an instance cannot be said in one call: this lists
/// them.
std::vector<std::string> list_arguments(const std::string& program, const std::string& instance);
std::vector<std::string> remove_arguments(const std::string& program,
                                          const std::vector<std::string>& names);

}  // namespace millrace::executor
