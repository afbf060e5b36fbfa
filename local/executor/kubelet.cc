#include "local/executor/kubelet.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <tuple>

#include "kubeclient/base/log.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/runtime/event_recorder.h"
#include "local/executor/prober.h"

namespace millrace::executor {
namespace {

namespace fs = std::filesystem;
using codec::Value;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Changes that come soon after each other go into one write; short pods need only their last.
constexpr Duration kWriteDelay = milliseconds(50);
constexpr Duration kWriteRetry = seconds(1);
/// A pod that waits longer for its turn says so.
constexpr Duration kWaitTold = seconds(1);
/// On the way out, processes get this long at most between TERM and KILL.
constexpr Duration kLeaveGrace = seconds(5);
constexpr std::size_t kMostTold = 1000;

void sooner(std::optional<SteadyTime>& due, SteadyTime at) { due = std::min(due.value_or(at), at); }

}  // namespace

Kubelet::Kubelet(client::Reader& reader, client::Writer& writer, Spawner& spawner,
                 const ExecutorOptions& options, RunMode mode, LogStore& logs,
                 runtime::EventRecorder& events, const runtime::Env& env)
    : reader_(reader),
      writer_(writer),
      spawner_(spawner),
      options_(options),
      mode_(std::move(mode)),
      logs_(logs),
      events_(events),
      env_(env),
      parallelism_(options.parallelism > 0
                       ? options.parallelism
                       : std::max(4, 2 * static_cast<int>(std::thread::hardware_concurrency()))),
      pods_folder_(options.data_dir + "/pods"),
      pump_(std::make_unique<LogPump>(
          env.clock,
          [this](std::uint64_t id) { post({.kind = KubeletEvent::Kind::LogsEnded, .id = id}); })),
      prober_(std::make_unique<Prober>([this](std::uint64_t id, std::string message) {
        post({.kind = KubeletEvent::Kind::Probed, .id = id, .message = std::move(message)});
      })) {}

Kubelet::~Kubelet() = default;

void Kubelet::post(KubeletEvent event) {
  inbox_.lock()->push_back(std::move(event));
  arrived_.notify_one();
}

PodRun* Kubelet::find(const std::string& uid) {
  const auto it = runs_.find(uid);
  return it == runs_.end() ? nullptr : it->second.get();
}

void Kubelet::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::deque<KubeletEvent> events;
    {
      auto inbox = inbox_.lock();
      const std::optional<SteadyTime> due = next_due();
      const Duration most = std::chrono::hours(1);
      const Duration left = due ? std::min(most, *due - env_.clock.steady()) : most;
      arrived_.wait_for(inbox.lock(), stop, std::max(left, Duration::zero()),
                        [&] { return !inbox->empty(); });
      events.swap(*inbox);
    }
    for (KubeletEvent& event : events) handle(event);
    admit();
    const SteadyTime now = env_.clock.steady();
    std::vector<std::string> due;
    for (const auto& [uid, run] : runs_) {
      if (run->due && *run->due <= now) due.push_back(uid);
      if (run->write_due && *run->write_due <= now) due.push_back(uid);
    }
    for (const std::string& uid : due) {
      if (PodRun* run = find(uid)) progress(*run);
    }
  }
  end_all();
}

std::optional<SteadyTime> Kubelet::next_due() const {
  std::optional<SteadyTime> due;
  for (const auto& [uid, run] : runs_) {
    if (run->due) sooner(due, *run->due);
    if (run->write_due) sooner(due, *run->write_due);
  }
  return due;
}

void Kubelet::handle(KubeletEvent& event) {
  switch (event.kind) {
    case KubeletEvent::Kind::Pod:
      take_pod(event.pod);
      break;
    case KubeletEvent::Kind::PodGone:
      pod_gone(*event.pod);
      break;
    case KubeletEvent::Kind::Process:
      note_process(event.process);
      break;
    case KubeletEvent::Kind::LogsEnded:
      note_logs_ended(event.id);
      break;
    case KubeletEvent::Kind::Probed:
      note_answer(event.id, event.message);
      break;
    case KubeletEvent::Kind::Wake:
      break;
  }
}

void Kubelet::take_pod(const runtime::Ref<PodObject>& pod) {
  const std::string& uid = pod->metadata.uid;
  if (PodRun* run = find(uid)) {
    run->object = pod;
    if (run->admitted || pod->metadata.deletion_timestamp) progress(*run);
    return;
  }
  // What the watch says of a pod that we have ended may be older than our last write.
  if (ended_.contains(uid) && !pod->has_ended()) return;
  const Value* node = pod->spec.find("nodeName");
  const std::string bound = node == nullptr ? std::string() : node->as_string();
  if (!pod->has_ended() && !bound.empty() && bound != options_.node_name) return;
  if (pod->has_ended()) {
    ended_.erase(uid);
    if (pod->metadata.deletion_timestamp) confirm_deletion(*pod);
    return;
  }
  const Value* gates = pod->spec.find("schedulingGates");
  if (gates != nullptr && !gates->empty() && !pod->metadata.deletion_timestamp) return;
  auto run = std::make_unique<PodRun>();
  run->key = api::key_of(pod->metadata);
  run->object = pod;
  run->arrived = env_.clock.steady();
  run->folder = pods_folder_ + "/" + LogStore::folder_name(run->key, uid);
  run->written = pod->status;
  Result<PodSpec> spec = read_pod_spec(pod->spec);
  const bool names = is_safe_name(run->key.ns) && is_safe_name(run->key.name) && is_safe_name(uid);
  if (!spec.ok() || !names) {
    write_status(*run,
                 refused_status("InvalidPod",
                                spec.ok() ? "its name cannot be a folder's" : spec.error().message,
                                env_.clock.now()));
    return;
  }
  run->spec = *std::move(spec);
  run->resumed = pod->status.find("startTime") != nullptr;
  run->state = run->resumed ? resumed_pod(run->spec, pod->status, env_.clock.now())
                            : new_pod(run->spec, env_.clock.now());
  run->due = run->arrived + kWaitTold;
  waiting_.emplace(pod->metadata.creation_timestamp.value_or(Time{}), run->key, uid);
  PodRun& held = *run;
  runs_.emplace(uid, std::move(run));
  if (held.object->metadata.deletion_timestamp) progress(held);
}

void Kubelet::pod_gone(const PodObject& pod) {
  const std::string& uid = pod.metadata.uid;
  ended_.erase(uid);
  PodRun* run = find(uid);
  if (run != nullptr && run->state.active()) {
    run->gone = true;
    progress(*run);
    return;
  }
  if (run != nullptr) {
    run->gone = true;
    finish(uid);
    return;
  }
  const ObjectKey key = api::key_of(pod.metadata);
  if (!is_safe_name(key.ns) || !is_safe_name(key.name) || !is_safe_name(uid)) return;
  logs_.forget(key, uid);
  std::error_code ignored;
  fs::remove_all(pods_folder_ + "/" + LogStore::folder_name(key, uid), ignored);
}

void Kubelet::admit() {
  int places = parallelism_;
  for (const auto& [uid, run] : runs_) {
    // Services run on and would take the places of work for ever.
    if (run->admitted && run->spec.restart_policy != RestartPolicy::Always) --places;
  }
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    PodRun* run = find(std::get<2>(*it));
    const bool service = run != nullptr && run->spec.restart_policy == RestartPolicy::Always;
    if (run != nullptr && !service && places <= 0) {
      ++it;
      continue;
    }
    it = waiting_.erase(it);
    if (run == nullptr) continue;
    if (!service) --places;
    run->admitted = true;
    run->due.reset();
    if (!run->resumed) run->state.start_time = env_.clock.now();
    bind(*run);
    tell_image_ignored(*run);
    if (run->resumed) {
      tell(*run, "Warning", "Resumed",
           "millrace local was ended while this pod ran; what had not ended is run again");
    }
    progress(*run);
  }
}

void Kubelet::follow_deletion(PodRun& run) {
  const PodMeta& meta = run.object->metadata;
  if (!run.gone && !meta.deletion_timestamp) return;
  seconds grace = run.spec.grace;
  if (meta.deletion_grace_seconds) grace = seconds(*meta.deletion_grace_seconds);
  // The first order counts from now; later ones only if they are shorter.
  const SteadyTime kill_at = env_.clock.steady() + grace;
  order_stop(run.state, {}, kill_at);
}

void Kubelet::progress(PodRun& run) {
  const SteadyTime now = env_.clock.steady();
  const std::string uid = run.object->metadata.uid;
  follow_deletion(run);
  if (!run.admitted && !run.state.stop) {  // it waits for its turn
    run.due.reset();
    const std::string text =
        "all " + std::to_string(parallelism_) +
        " places are taken by other pods; this one waits for its turn (see --parallelism)";
    if (now - run.arrived >= kWaitTold) {
      write_status(run, waiting_status(run.conditions, text, env_.clock.now()));
    } else {
      run.due = run.arrived + kWaitTold;
    }
    return;
  }
  while (true) {
    const PodStep step = advance(run.spec, run.state, env_.clock.now(), now);
    run.due = step.next;
    for (const PodAction& action : step.actions) {
      if (action.verb == PodAction::Verb::Start) start(run, action.container);
      if (action.verb == PodAction::Verb::Terminate) signal(run, action.container, SIGTERM);
      if (action.verb == PodAction::Verb::Kill) signal(run, action.container, SIGKILL);
    }
    if (step.actions.empty()) break;
  }
  for (auto& [i, process] : run.processes) run_probes(run, i);
  consider_write(run, now);
  if (run.write_due && *run.write_due <= now && !write(run)) return;
  if (run.state.finished && !run.write_due) finish(uid);
}

void Kubelet::consider_write(PodRun& run, SteadyTime now) {
  if (run.gone) {
    run.write_due.reset();
    return;
  }
  ConditionTimes times = run.conditions;
  const Value status = status_of(run.spec, run.state, times, env_.clock.now());
  if (status == run.written) {
    run.write_due.reset();
    return;
  }
  const bool retrying = run.write_due && *run.write_due > now + kWriteDelay;
  if (run.state.finished && !retrying) {
    run.write_due = std::min(run.write_due.value_or(now), now);
  } else if (!run.write_due) {
    run.write_due = now + kWriteDelay;
  }
}

bool Kubelet::write(PodRun& run) {
  const Value status = status_of(run.spec, run.state, run.conditions, env_.clock.now());
  return write_status(run, status);
}

bool Kubelet::write_status(PodRun& run, const Value& status) {
  Value body = Value::object(
      {{"metadata", Value::object({{"uid", run.object->metadata.uid}})}, {"status", status}});
  const auto answer = writer_.patch_text(PodObject::kResource, run.key, client::PatchType::Merge,
                                         body.dump(), {.subresource = "status"}, {});
  if (answer.ok()) {
    run.written = status;
    run.write_due.reset();
    return true;
  }
  const Code code = answer.error().code;
  if (code == Code::NotFound || code == Code::Conflict ||
      (code == Code::Invalid && is_replaced(run))) {
    run.gone = true;  // or another of its name stands there
    run.write_due.reset();
    run.due = env_.clock.steady();
    return true;
  }
  env_.log.warn("cannot write the status of a pod",
                {kv("object", run.key), kv("error", answer.error())});
  run.write_due = env_.clock.steady() + kWriteRetry;
  return false;
}

/// A patch with another UID is refused as Invalid, like one with a wrong body.
bool Kubelet::is_replaced(const PodRun& run) {
  const auto text = reader_.get_text(PodObject::kResource, run.key, {});
  if (!text.ok()) return text.error().code == Code::NotFound;
  const auto pod = codec::decode<PodObject>(*text);
  return pod.ok() && pod->metadata.uid != run.object->metadata.uid;
}

void Kubelet::bind(PodRun& run) {
  const Value* node = run.object->spec.find("nodeName");
  if (!can_bind_ || (node != nullptr && !node->as_string().empty())) return;
  const Value body =
      Value::object({{"metadata", Value::object({{"uid", run.object->metadata.uid}})},
                     {"spec", Value::object({{"nodeName", options_.node_name}})}});
  const auto answer = writer_.patch_text(PodObject::kResource, run.key, client::PatchType::Merge,
                                         body.dump(), {}, {});
  if (!answer.ok() && answer.error().code == Code::Invalid) {
    can_bind_ = false;
    env_.log.warn("the API server does not let pods be bound; their deletion will not wait",
                  {kv("error", answer.error())});
  }
}

void Kubelet::confirm_deletion(const PodObject& pod) {
  const auto answer = writer_.delete_text(
      PodObject::kResource, api::key_of(pod.metadata),
      {.uid = pod.metadata.uid, .resource_version = {}, .grace_seconds = 0}, {});
  if (!answer.ok() && answer.error().code != Code::NotFound &&
      answer.error().code != Code::Conflict) {
    env_.log.warn("cannot confirm the deletion of a pod",
                  {kv("object", api::key_of(pod.metadata)), kv("error", answer.error())});
  }
}

void Kubelet::finish(const std::string& uid) {
  const auto it = runs_.find(uid);
  if (it == runs_.end()) return;
  const std::unique_ptr<PodRun> run = std::move(it->second);
  runs_.erase(it);
  for (const auto& [i, process] : run->processes) owners_.erase(process.id);
  waiting_.erase({run->object->metadata.creation_timestamp.value_or(Time{}), run->key, uid});
  std::error_code ignored;
  if (run->gone) {
    logs_.forget(run->key, uid);
    fs::remove_all(run->folder, ignored);
    return;
  }
  if (!run->object->has_ended()) ended_.insert(uid);
  // The logs stay as long as the object; what the containers wrote does not.
  fs::remove_all(run->folder + "/volumes", ignored);
  fs::remove_all(run->folder + "/home", ignored);
  if (run->object->metadata.deletion_timestamp) confirm_deletion(*run->object);
}

void Kubelet::end_all() {
  stopping_ = true;
  const SteadyTime now = env_.clock.steady();
  for (const auto& [uid, run] : runs_) {
    order_stop(run->state, {}, now + std::min<Duration>(run->spec.grace, kLeaveGrace));
  }
  while (true) {
    bool active = false;
    std::optional<SteadyTime> due;
    for (const auto& [uid, run] : runs_) {
      const PodStep step = advance(run->spec, run->state, env_.clock.now(), env_.clock.steady());
      for (const PodAction& action : step.actions) {
        const bool kill = action.verb == PodAction::Verb::Kill;
        signal(*run, action.container, kill ? SIGKILL : SIGTERM);
      }
      if (step.next) sooner(due, *step.next);
      active = active || run->state.active();
    }
    if (!active) return;
    std::deque<KubeletEvent> events;
    {
      auto inbox = inbox_.lock();
      const Duration left = due ? *due - env_.clock.steady() : Duration(kLeaveGrace);
      arrived_.wait_for(inbox.lock(), std::max<Duration>(left, milliseconds(1)),
                        [&] { return !inbox->empty(); });
      events.swap(*inbox);
    }
    for (KubeletEvent& event : events) {
      const bool process =
          event.kind == KubeletEvent::Kind::Process || event.kind == KubeletEvent::Kind::LogsEnded;
      if (process) handle(event);
    }
  }
}

void Kubelet::tell(const PodRun& run, const char* type, const char* reason, std::string note) {
  events_.record({.regarding = runtime::reference_to(*run.object),
                  .type = type,
                  .reason = reason,
                  .action = "RunPod",
                  .note = std::move(note)});
}

void Kubelet::tell_image_ignored(const PodRun& run) {
  if (!mode_.engine.empty() || told_images_.size() > kMostTold) return;
  // An image with a command of its own here is not ignored.
  const auto& containers = run.spec.containers;
  const auto ignored =
      std::find_if(containers.rbegin(), containers.rend(), [this](const ContainerSpec& container) {
        return !options_.image_commands.contains(container.image);
      });
  if (ignored == containers.rend()) return;
  const PodMeta& meta = run.object->metadata;
  const std::string& owner =
      options_.run_label.empty() ? meta.name : meta.label(options_.run_label);
  const std::string& owner_uid = meta.label(options_.run_uid_label);
  const std::string& image = ignored->image;
  const std::string note =
      "no podman or docker is used: the command runs as a plain process of "
      "this machine, and the image " +
      image + " is ignored";
  if (told_images_.empty()) {
    env_.log.warn("images are ignored: commands run as plain processes of this machine",
                  {kv("object", run.key), kv("image", image)});
  }
  const bool by_run = !options_.run_kind.empty() && !owner.empty() && !owner_uid.empty();
  if (!told_images_.insert(by_run ? owner_uid : meta.uid).second) return;
  if (!by_run) return tell(run, "Normal", "ImageIgnored", note);
  events_.record(
      {.regarding = {options_.run_api_version, options_.run_kind, meta.ns, owner, owner_uid, ""},
       .type = "Normal",
       .reason = "ImageIgnored",
       .action = "RunPod",
       .note = note});
}

void Kubelet::remove_folders_except(const std::set<std::string>& known) {
  std::error_code error;
  for (fs::directory_iterator it(pods_folder_, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (!known.contains(it->path().filename().string())) fs::remove_all(it->path(), ignored);
  }
}

}  // namespace millrace::executor
