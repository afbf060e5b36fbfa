#include "local/executor/executor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "kubeclient/base/hash.h"
#include "kubeclient/base/log.h"
#include "kubeclient/client/child_process.h"
#include "kubeclient/runtime/event_recorder.h"
#include "kubeclient/runtime/informer.h"
#include "local/executor/deployment_controller.h"
#include "local/executor/engine.h"
#include "local/executor/kubelet.h"
#include "local/executor/node.h"
#include "local/executor/process_tree.h"

namespace millrace::executor {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr Duration kEngineAnswer = seconds(2);
constexpr Duration kSyncWait = seconds(60);
constexpr Duration kEventFlush = std::chrono::milliseconds(500);

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void write_line(const std::string& path, const std::string& line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const std::string text = line + "\n";
  [[maybe_unused]] const ssize_t n = ::write(fd, text.data(), text.size());
  ::close(fd);
}

/// A name that marks the processes of this data folder, whichever program runs on it.
std::string instance_of(const std::string& data_dir) {
  const std::string path = data_dir + "/instance";
  std::string name = read_line(path);
  if (name.size() == 32) return name;
  std::random_device random;
  name.clear();
  for (int i = 0; i < 4; ++i) name += hex(random(), 8);
  write_line(path, name);
  return name;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string find_on_path(const std::string& program, const std::string& path) {
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string file = path.substr(at, end - at) + "/" + program;
    if (end > at && ::access(file.c_str(), X_OK) == 0) return file;
    at = end + 1;
  }
  return {};
}

/// Ask the engine something; what it printed, or an error when it does not work here.
Result<std::string> ask_engine(std::vector<std::string> argv, const std::stop_token& stop) {
  client::Child child;
  child.argv = std::move(argv);
  for (const char* name : {"PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "CONTAINER_HOST"}) {
    const std::string value = variable(name);
    if (!value.empty()) child.environment.push_back(std::string(name) + "=" + value);
  }
  const SystemClock clock;
  MR_ASSIGN(const client::ChildEnd end,
            client::run_child(child, stop, clock.steady() + kEngineAnswer));
  if (end.exit_code != 0) return fail(Code::Unavailable, end.how() + ": " + end.err.substr(0, 500));
  return end.out;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

struct Executor::Impl {
  Impl(client::Reader& r, client::Writer& w, Spawner& s, ExecutorOptions o, const runtime::Env& e)
      : reader(r),
        writer(w),
        spawner(s),
        options(std::move(o)),
        env(e),
        log_store(options.data_dir + "/pods", {}) {}

  Result<void> make_folders();
  RunMode choose_mode(const std::stop_token& stop);
  std::string choose_engine(const std::string& path, const std::stop_token& stop);
  void sweep(const RunMode& mode, const std::stop_token& stop);
  std::set<std::string> known_folders(const runtime::Store<PodObject>& pods) const;
  void serve(const std::stop_token& stop);

  client::Reader& reader;
  client::Writer& writer;
  Spawner& spawner;
  ExecutorOptions options;
  runtime::Env env;
  LogStore log_store;
  std::atomic<bool> synced = false;
  Guarded<Kubelet*> kubelet{nullptr};  ///< while it runs
};

Result<void> Executor::Impl::make_folders() {
  std::error_code error;
  for (const char* name : {"/pods", "/root"}) {
    fs::create_directories(options.data_dir + name, error);
    if (error) {
      return fail(Code::Unavailable, options.data_dir + name + ": " + error.message() +
                                         "; choose another folder with --data");
    }
  }
  options.data_dir = fs::canonical(options.data_dir, error).string();
  ::chmod((options.data_dir + "/pods").c_str(), 0700);
  return {};
}

std::string Executor::Impl::choose_engine(const std::string& path, const std::stop_token& stop) {
  const std::pair<Runtime, const char*> engines[] = {{Runtime::Podman, "podman"},
                                                     {Runtime::Docker, "docker"}};
  for (const auto& [runtime, name] : engines) {
    if (options.runtime != Runtime::Auto && options.runtime != runtime) continue;
    const std::string program = find_on_path(name, path);
    if (program.empty()) continue;
    const auto answer = ask_engine({program, "ps", "--quiet"}, stop);
    if (answer.ok()) return program;
    env.log.warn("a container engine is installed but does not answer",
                 {kv("program", program), kv("error", answer.error())});
  }
  if (options.runtime == Runtime::Podman || options.runtime == Runtime::Docker) {
    env.log.error("the container engine that was asked for is not usable; using plain processes");
  }
  return {};
}

RunMode Executor::Impl::choose_mode(const std::stop_token& stop) {
  RunMode mode;
  mode.instance = instance_of(options.data_dir);
  mode.path = options.path.empty() ? variable("PATH") : options.path;
  if (mode.path.empty()) mode.path = kDefaultPath;
  if (options.runtime != Runtime::Process) mode.engine = choose_engine(mode.path, stop);
  if (!mode.engine.empty()) return mode;
  mode.sandbox_reason = spawner.try_sandbox(options.data_dir + "/root");
  mode.sandbox = mode.sandbox_reason.empty();
  if (!mode.sandbox) {
    env.log.warn("no mount namespaces here: paths of volumes are replaced in commands instead",
                 {kv("error", mode.sandbox_reason)});
  }
  return mode;
}

/// End what an earlier process left behind, if it did not end in good order.
void Executor::Impl::sweep(const RunMode& mode, const std::stop_token& stop) {
  if (::access((options.data_dir + "/running").c_str(), F_OK) == 0) {
    const int killed = kill_marked("MILLRACE_INSTANCE=" + mode.instance);
    if (killed > 0) {
      env.log.warn("killed processes of an earlier millrace local", {kv("processes", killed)});
    }
    if (!mode.engine.empty()) {
      const auto names = ask_engine(list_arguments(mode.engine, mode.instance), stop);
      if (names.ok() && !words_of(*names).empty()) {
        (void)ask_engine(remove_arguments(mode.engine, words_of(*names)), stop);
      }
    }
  }
  write_line(options.data_dir + "/running", std::to_string(::getpid()));
}

std::set<std::string> Executor::Impl::known_folders(const runtime::Store<PodObject>& pods) const {
  std::set<std::string> out;
  for (const auto& pod : pods.list()) {
    out.insert(LogStore::folder_name(api::key_of(pod->metadata), pod->metadata.uid));
  }
  return out;
}

void Executor::Impl::serve(const std::stop_token& stop) {
  runtime::EventRecorderOptions recording;
  recording.series.component = "millrace.dev/executor";
  recording.series.instance = options.node_name;
  runtime::EventRecorder events(writer, recording, env);
  events.start();
  // Listens before anything is asked of it, the sandbox's probe included.
  spawner.start([this](const SpawnEvent& event) {
    // Posting locks the inbox under this lock; nothing takes the two the other way round.
    auto current = kubelet.lock();
    if (*current != nullptr)
      (*current)->post({.kind = KubeletEvent::Kind::Process, .process = event});
  });
  const RunMode mode = choose_mode(stop);
  sweep(mode, stop);
  Kubelet loop(reader, writer, spawner, options, mode, log_store, events, env);
  *kubelet.lock() = &loop;

  runtime::InformerOptions<PodObject> pod_options;
  pod_options.trim = [](PodObject& pod) { trim(pod); };
  runtime::Informer<PodObject> pods(reader, pod_options, env);
  DeploymentController deployments(reader, writer, pods, env);
  pods.on_change([&](const runtime::Ref<PodObject>& old, const runtime::Ref<PodObject>& now) {
    if (now) loop.post({.kind = KubeletEvent::Kind::Pod, .pod = now});
    if (!now && old) loop.post({.kind = KubeletEvent::Kind::PodGone, .pod = old});
    deployments.pod_changed(old, now);
  });
  pods.start();
  deployments.start();
  if (pods.wait_synced(stop, env.clock.steady() + kSyncWait)) {
    loop.remove_folders_except(known_folders(pods.store()));
    register_node(writer, options.node_name, env);
    synced = true;
  }
  loop.run(stop);
  synced = false;
  deployments.stop();
  pods.stop();
  *kubelet.lock() = nullptr;
  spawner.stop_listening();  // it outlives this object
  events.stop(env.clock.steady() + kEventFlush);
  ::unlink((options.data_dir + "/running").c_str());
}

Executor::Executor(client::Reader& reader, client::Writer& writer, Spawner& spawner,
                   ExecutorOptions options, const runtime::Env& env)
    : impl_(std::make_unique<Impl>(reader, writer, spawner, std::move(options), env)) {}

Executor::~Executor() = default;

void Executor::run(const std::stop_token& stop) {
  runtime::name_this_thread("mr-executor");
  const Result<void> made = impl_->make_folders();
  if (!made.ok()) {
    impl_->env.log.error("the executor cannot use its data folder", {kv("error", made.error())});
    return;
  }
  impl_->serve(stop);
}

bool Executor::ready() const { return impl_->synced; }

void Executor::wake() {
  auto kubelet = impl_->kubelet.lock();
  if (*kubelet != nullptr) (*kubelet)->post({.kind = KubeletEvent::Kind::Wake});
}

apiserver::LogSource& Executor::logs() { return impl_->log_store; }

}  // namespace millrace::executor
