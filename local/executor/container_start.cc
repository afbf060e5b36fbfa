// From the spec of a container to a process.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "kubeclient/base/log.h"
#include "local/executor/engine.h"
#include "local/executor/kubelet.h"

namespace millrace::executor {
namespace {

namespace fs = std::filesystem;
using codec::Value;

constexpr api::ApiResource kConfigMaps{"", "v1", "configmaps", "ConfigMap", true};
constexpr api::ApiResource kSecrets{"", "v1", "secrets", "Secret", true};
constexpr const char* kConfigError = "CreateContainerConfigError";

std::string text_of(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  return value == nullptr ? std::string() : value->as_string();
}

void close_both(const std::array<int, 2>& pipe) {
  ::close(pipe[0]);
  ::close(pipe[1]);
}

std::vector<std::string> entries(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::vector<std::string> out;
  for (const auto& [name, value] : pairs) out.push_back(name + "=" + value);
  return out;
}

/// The folder for the files of one container of a pod.
std::string folder_of(const PodRun& run, std::size_t i) {
  return run.folder + "/" + run.spec.containers[i].name;
}

}  // namespace

Lookup Kubelet::lookup_in(const std::string& ns) {
  return [this, ns](Source source, const std::string& name) -> Result<KeyValues> {
    if (name.empty()) return fail(Code::NotFound, "no name is given");
    const auto text =
        reader_.get_text(source == Source::Secret ? kSecrets : kConfigMaps, {ns, name}, {});
    if (!text.ok() && text.error().code == Code::NotFound) {
      return fail(Code::NotFound, "not found");
    }
    MR_TRY(text);
    MR_ASSIGN(const Value object, Value::parse(*text));
    return data_of(source, object);
  };
}

PodFacts Kubelet::facts_of(const PodRun& run) const {
  PodFacts facts;
  facts.meta = &run.object->metadata;
  facts.spec = &run.spec;
  facts.node_name = options_.node_name;
  facts.cpus = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  facts.memory = std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  return facts;
}

void Kubelet::start(PodRun& run, std::size_t i) {
  const Result<void> started = try_start(run, i);
  if (started.ok()) return;
  const bool config = started.error().code == Code::Invalid;
  const std::string reason = config ? kConfigError : "CreateContainerError";
  const std::string& message = started.error().message;
  if (run.state.containers[i].wait_message != message) tell(run, "Warning", "Failed", message);
  note_refused(run.state, i, reason, message, env_.clock.steady());
}

Result<void> Kubelet::make_volumes(PodRun& run, const PodFacts& facts, const Lookup& lookup) {
  if (run.volumes_made) return {};
  for (std::size_t v = 0; v < run.spec.volumes.items().size(); ++v) {
    const Value& volume = run.spec.volumes.items()[v];
    const std::string name = text_of(volume, "name");
    const std::string at = "spec.volumes[" + std::to_string(v) + "] " + name;
    if (!is_safe_name(name)) return fail(Code::Invalid, at + ": cannot be the name of a folder");
    MR_ASSIGN(VolumePlan plan, plan_volume(volume, facts, nullptr, lookup).with(at));
    MR_ASSIGN(run.sources[name], write_volume(plan, run.folder + "/volumes/" + name).with(at));
    plan.files.clear();  // written; secrets need not stay in memory
    run.plans[name] = std::move(plan);
  }
  std::error_code error;
  fs::create_directories(run.folder + "/home", error);
  if (error) return fail(Code::Unavailable, run.folder + ": " + error.message());
  run.volumes_made = true;
  return {};
}

Result<void> Kubelet::try_start(PodRun& run, std::size_t i) {
  ContainerProcess process;
  process.id = ++last_id_;
  MR_ASSIGN(process.request, make_request(run, i, process));
  return launch(run, i, std::move(process));
}

Result<SpawnRequest> Kubelet::make_request(PodRun& run, std::size_t i, ContainerProcess& process) {
  const ContainerSpec& container = run.spec.containers[i];
  const PodFacts facts = facts_of(run);
  const Lookup lookup = lookup_in(run.key.ns);
  MR_TRY(make_volumes(run, facts, lookup));
  std::error_code ignored;
  fs::create_directories(folder_of(run, i), ignored);
  process.termination_file =
      folder_of(run, i) + "/termination-" + std::to_string(run.state.containers[i].restarts);
  const int fd =
      ::open(process.termination_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    return fail(Code::Unavailable, process.termination_file + ": " + std::strerror(errno));
  }
  ::close(fd);

  const bool engine = !mode_.engine.empty();
  const std::string hostname = run.spec.hostname.empty() ? run.key.name : run.spec.hostname;
  std::vector<std::pair<std::string, std::string>> base;
  if (!engine) base = {{"PATH", mode_.path}, {"HOME", run.folder + "/home"}};
  base.emplace_back("HOSTNAME", hostname);
  MR_ASSIGN(auto environment, environment_of(facts, container, base, lookup));
  MR_ASSIGN(std::vector<Mount> mounts, mounts_of(container, environment, run.sources, run.plans));
  for (const Mount& mount : mounts) MR_TRY(prepare_mount(mount));
  if (is_safe_path("." + container.termination_path) && container.termination_path != "/") {
    mounts.push_back({process.termination_file, container.termination_path, false});
  }
  // Added last: a pod cannot take our marks off its processes.
  environment.emplace_back("MILLRACE_POD_UID", run.object->metadata.uid);
  environment.emplace_back("MILLRACE_INSTANCE", mode_.instance);
  const auto known = options_.image_commands.find(container.image);
  const bool has_entry_point = !engine && known != options_.image_commands.end();
  const Command command = command_of(container, environment,
                                     has_entry_point ? known->second : std::vector<std::string>());

  SpawnRequest request;
  if (engine) {
    process.engine_name = "millrace-" + run.object->metadata.uid + "-" + container.name + "-" +
                          std::to_string(process.id);
    request.argv = run_arguments({mode_.engine, process.engine_name, run.object->metadata.uid,
                                  mode_.instance, &container, environment, command.command,
                                  command.args, text_of(container.body, "workingDir"), mounts});
    for (const auto& [name, value] : environment) {
      if (!is_for_client(name)) request.environment.push_back(name + "=" + value);
    }
    for (const char* name : {"PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "CONTAINER_HOST"}) {
      if (const char* value = std::getenv(name)) {
        request.environment.push_back(std::string(name) + "=" + value);
      }
    }
    return request;
  }
  if (command.command.empty()) {
    return fail(Code::Invalid, "container " + container.name +
                                   ": command is not set; the image's entry point is not known "
                                   "where commands run as plain processes: set command, or give "
                                   "image " +
                                   container.image + " one under imageCommands (--config)");
  }
  request.argv = command.command;
  request.argv.insert(request.argv.end(), command.args.begin(), command.args.end());
  request.working_dir = text_of(container.body, "workingDir");
  environment.emplace_back("MILLRACE_TERMINATION_LOG",
                           mode_.sandbox ? container.termination_path : process.termination_file);
  request.environment = entries(environment);
  if (mode_.sandbox) {
    request.root = options_.data_dir + "/root";
    request.mounts = std::move(mounts);
    return request;
  }
  for (std::string& word : request.argv) word = rewrite_paths(word, mounts);
  for (std::string& entry : request.environment) {
    const std::size_t value = entry.find('=') + 1;
    entry = entry.substr(0, value) + rewrite_paths(std::string_view(entry).substr(value), mounts);
  }
  request.working_dir = rewrite_paths(request.working_dir, mounts);
  return request;
}

Result<void> Kubelet::launch(PodRun& run, std::size_t i, ContainerProcess process) {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0) {
    return fail(Code::Unavailable, std::string("pipe: ") + std::strerror(errno));
  }
  if (::pipe2(err.data(), O_CLOEXEC) != 0) {
    close_both(out);
    return fail(Code::Unavailable, std::string("pipe: ") + std::strerror(errno));
  }
  const std::uint64_t id = process.id;
  const Result<void> spawned = spawner_.spawn(id, process.request, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  if (!spawned.ok()) {
    ::close(out[0]);
    ::close(err[0]);
    return spawned;
  }
  const std::string& uid = run.object->metadata.uid;
  const int n = run.state.containers[i].restarts;
  owners_[id] = {uid, i, -1};
  pump_->add(id, out[0], err[0], logs_.write(run.key, uid, run.spec.containers[i].name, n));
  const auto before = run.processes.find(i);
  if (before != run.processes.end()) owners_.erase(before->second.id);
  run.processes[i] = std::move(process);
  return {};
}

}  // namespace millrace::executor
