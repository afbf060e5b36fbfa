/// Runs pods: the loop that brings the pod machine, the processes, the logs and the API together.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "kubeclient/base/guarded.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/store.h"
#include "local/executor/executor.h"
#include "local/executor/log_pump.h"
#include "local/executor/log_store.h"
#include "local/executor/pod_machine.h"
#include "local/executor/pod_status.h"
#include "local/executor/probes.h"
#include "local/executor/spawner.h"
#include "local/executor/volumes.h"

namespace millrace::runtime {
class EventRecorder;
}

namespace millrace::executor {

/// What the kubelet is told, by other threads.
struct KubeletEvent {
  enum class Kind { Pod, PodGone, Process, LogsEnded, Probed, Wake } kind = Kind::Wake;
  runtime::Ref<PodObject> pod = {};  ///< Pod: now; PodGone: as it was
  SpawnEvent process = {};
  std::uint64_t id = 0;      ///< LogsEnded, Probed
  std::string message = {};  ///< Probed: empty is success
};

/// What an attempt to run one container has come to.
struct ContainerProcess {
  std::uint64_t id = 0;
  std::string engine_name;  ///< with podman and docker
  std::optional<SpawnEvent> end;
  bool logs_ended = false;
  std::string termination_file;
  SpawnRequest request;  ///< for exec probes
  struct Asking {
    const Probe* probe = nullptr;
    ProbeState state;
    std::uint64_t id = 0;  ///< of the question under way, or 0
    std::optional<SteadyTime> give_up;
  };
  Asking probes[3];  ///< startup, readiness, liveness
};

/// One pod that has not ended.
struct PodRun {
  ObjectKey key;
  runtime::Ref<PodObject> object;
  PodSpec spec;
  PodState state;
  ConditionTimes conditions;
  std::string folder;
  bool admitted = false;
  bool gone = false;  ///< the object was removed while it ran
  bool resumed = false;
  SteadyTime arrived{};
  std::map<std::size_t, ContainerProcess> processes;  ///< by container
  bool volumes_made = false;
  std::map<std::string, std::string> sources;
  std::map<std::string, VolumePlan> plans;
  codec::Value written;  ///< the status the API has
  std::optional<SteadyTime> write_due;
  std::optional<SteadyTime> due;  ///< look again then
};

/// How containers are run here; decided once, at the start.
struct RunMode {
  std::string engine;          ///< program of podman or docker; empty: plain processes
  bool sandbox = false;        ///< processes get a root of their own
  std::string sandbox_reason;  ///< why not
  std::string instance;        ///< marks our processes
  std::string path;            ///< PATH of the processes
};

/// One thread runs it; `post` may be called from any.
class Kubelet {
 public:
  Kubelet(client::Reader& reader, client::Writer& writer, Spawner& spawner,
          const ExecutorOptions& options, RunMode mode, LogStore& logs,
          runtime::EventRecorder& events, const runtime::Env& env);
  ~Kubelet();
  Kubelet(const Kubelet&) = delete;
  Kubelet& operator=(const Kubelet&) = delete;

  void post(KubeletEvent event);
  /// Handle events until `stop`; then end all processes, without a word to the API.
  void run(const std::stop_token& stop);
  /// Remove the folders of pods that are not in `known` ("ns_name_uid").
  void remove_folders_except(const std::set<std::string>& known);

 private:
  struct ProcessOwner {
    std::string uid;
    std::size_t container = 0;
    int probe = -1;
  };

  // kubelet.cc: events, admission, status.
  void handle(KubeletEvent& event);
  void take_pod(const runtime::Ref<PodObject>& pod);
  void pod_gone(const PodObject& pod);
  void admit();
  void progress(PodRun& run);
  void follow_deletion(PodRun& run);
  void consider_write(PodRun& run, SteadyTime now);
  bool write(PodRun& run);
  bool write_status(PodRun& run, const codec::Value& status);
  bool is_replaced(const PodRun& run);
  void bind(PodRun& run);
  void confirm_deletion(const PodObject& pod);
  void finish(const std::string& uid);
  std::optional<SteadyTime> next_due() const;
  void end_all();
  void tell(const PodRun& run, const char* type, const char* reason, std::string note);
  void tell_image_ignored(const PodRun& run);

  // container_start.cc: from a container's spec to a process.
  void start(PodRun& run, std::size_t i);
  Result<void> try_start(PodRun& run, std::size_t i);
  Result<void> make_volumes(PodRun& run, const PodFacts& facts, const Lookup& lookup);
  Result<SpawnRequest> make_request(PodRun& run, std::size_t i, ContainerProcess& process);
  Result<void> launch(PodRun& run, std::size_t i, ContainerProcess process);
  Lookup lookup_in(const std::string& ns);
  PodFacts facts_of(const PodRun& run) const;

  // container_end.cc: what became of processes; probes.
  void signal(PodRun& run, std::size_t i, int number);
  void note_process(const SpawnEvent& event);
  void note_logs_ended(std::uint64_t id);
  void conclude(PodRun& run, std::size_t i);
  std::string engine_message(const PodRun& run, std::size_t i);
  std::string termination_message(const PodRun& run, std::size_t i, const ContainerProcess& process,
                                  int exit_code) const;
  void begin_probes(PodRun& run, std::size_t i);
  void run_probes(PodRun& run, std::size_t i);
  void ask_probe(PodRun& run, std::size_t i, int which);
  void note_answer(std::uint64_t id, const std::string& message);
  PodRun* find(const std::string& uid);

  client::Reader& reader_;
  client::Writer& writer_;
  Spawner& spawner_;
  const ExecutorOptions& options_;
  RunMode mode_;
  LogStore& logs_;
  runtime::EventRecorder& events_;
  runtime::Env env_;
  int parallelism_;
  std::string pods_folder_;
  std::unique_ptr<LogPump> pump_;
  std::map<std::string, std::unique_ptr<PodRun>> runs_;  ///< by UID
  std::set<std::string> ended_;  ///< UIDs of pods that we ended, until the watch says so, too
  std::set<std::tuple<Time, ObjectKey, std::string>> waiting_;  ///< not admitted: age, key, UID
  std::map<std::uint64_t, ProcessOwner> owners_;
  std::uint64_t last_id_ = 0;
  bool stopping_ = false;
  bool can_bind_ = true;
  std::set<std::string> told_images_;
  Guarded<std::deque<KubeletEvent>> inbox_;
  std::condition_variable_any arrived_;
  struct Prober;
  std::unique_ptr<Prober> prober_;
};

}  // namespace millrace::executor
