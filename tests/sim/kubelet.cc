#include "tests/sim/kubelet.h"

#include <algorithm>

#include "kubeclient/api/deployment.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/base/time_format.h"

namespace millrace::sim {
namespace {

using codec::Value;
using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string& text(const Value& object, std::initializer_list<std::string_view> path) {
  static const std::string none;
  const Value* value = object.at_path(path);
  return value == nullptr ? none : value->as_string();
}

std::vector<std::string> names(const Value& pod, const char* list) {
  std::vector<std::string> out;
  if (const Value* items = pod.at_path({"spec", list})) {
    for (const Value& item : items->items()) out.push_back(text(item, {"name"}));
  }
  return out;
}

}  // namespace

Kubelet::Kubelet(storage::Storage& storage, client::Writer& client, const Clock& clock,
                 Random random, Trace& trace)
    : storage_(storage), client_(client), clock_(clock), random_(random), trace_(trace) {
  pods_ = storage.subscribe("pods", storage.version(), [] {}).value();
  deployments_ = storage.subscribe("deployments.apps", storage.version(), [] {}).value();
}

Duration Kubelet::soon() {
  // Mostly at once, as with simulated pods; sometimes long.
  if (random_.chance(600)) return milliseconds(random_.below(300));
  return milliseconds(random_.below(random_.chance(150) ? 60000 : 5000));
}

void Kubelet::look() {
  for (auto events = pods_->take(1000); events.ok() && !events->empty();
       events = pods_->take(1000)) {
    for (const storage::Event& event : *events) {
      if (event.type == storage::EventType::Deleted) {
        lives_.erase(event.now->uid);
      } else if (!lives_.contains(event.now->uid) ||
                 event.now->json.find("\"deletionTimestamp\"") != std::string::npos) {
        meet(Value::parse(event.now->json).value());
      }
    }
  }
  for (auto events = deployments_->take(1000); events.ok() && !events->empty();
       events = deployments_->take(1000)) {
    for (const storage::Event& event : *events) {
      const ObjectKey key{event.now->key.ns, event.now->key.name};
      if (event.type == storage::EventType::Deleted) {
        rollouts_.erase(key);
      } else {
        meet_deployment(Value::parse(event.now->json).value());
      }
    }
  }
}

void Kubelet::meet(const Value& pod) {
  const std::string& uid = text(pod, {"metadata", "uid"});
  const auto [it, fresh] = lives_.try_emplace(uid);
  Life& life = it->second;
  if (fresh) {
    life.key = {text(pod, {"metadata", "namespace"}), text(pod, {"metadata", "name"})};
    life.uid = uid;
    life.init = names(pod, "initContainers");
    life.main = names(pod, "containers");
    const int dice = random_.below(100);
    life.fate = dice < 55 || calm_ ? Fate::Succeed
                : dice < 83        ? Fate::Fail
                : dice < 92        ? Fate::Evicted
                                   : Fate::Hang;
    life.fails_at = static_cast<std::size_t>(
        random_.below(static_cast<int>(life.init.size() + life.main.size())));
    life.exit_code = random_.between(1, 3) == 3 ? 137 : random_.between(1, 9);
    if (!random_.chance(100)) life.word = "o" + std::to_string(random_.below(1000000));
    life.pulls = random_.chance(60);
    life.silent = random_.chance(40) && !calm_;
    life.bound = !text(pod, {"spec", "nodeName"}).empty();
    life.due = clock_.steady() + soon();
  }
  const bool going = pod.at_path({"metadata", "deletionTimestamp"}) != nullptr;
  if (going && !life.leaving) {
    life.leaving = true;
    // A silent node confirms nothing for longer than anybody waits.
    const Duration wait = life.silent && life.bound && !life.ended
                              ? Duration(seconds(random_.between(100, 400)))
                              : soon();
    life.due = clock_.steady() + wait;
  }
}

void Kubelet::meet_deployment(const Value& deployment) {
  const Value* wanted = deployment.at_path({"spec", "replicas"});
  const std::int64_t replicas = wanted == nullptr ? 1 : wanted->as_int();
  const std::int64_t generation = deployment.at_path({"metadata", "generation"})->as_int();
  const Value* seen = deployment.at_path({"status", "observedGeneration"});
  if (seen != nullptr && seen->as_int() == generation) return;
  Value status = Value::object({{"observedGeneration", generation},
                                {"replicas", replicas},
                                {"updatedReplicas", replicas},
                                {"readyReplicas", replicas},
                                {"availableReplicas", replicas}});
  status["conditions"] = Value::array({Value::object({{"type", "Available"},
                                                      {"status", "True"},
                                                      {"reason", "MinimumReplicasAvailable"},
                                                      {"message", "all are available"}})});
  const ObjectKey key{text(deployment, {"metadata", "namespace"}),
                      text(deployment, {"metadata", "name"})};
  rollouts_.insert_or_assign(key, std::pair{clock_.steady() + soon(), std::move(status)});
}

std::optional<SteadyTime> Kubelet::next_due() const {
  std::optional<SteadyTime> next;
  const auto add = [&](SteadyTime due) { next = std::min(next.value_or(due), due); };
  for (const auto& [uid, life] : lives_) {
    if (life.due != SteadyTime::max()) add(life.due);
  }
  for (const auto& [key, rollout] : rollouts_) add(rollout.first);
  return next;
}

bool Kubelet::step() {
  look();
  const SteadyTime now = clock_.steady();
  for (auto it = rollouts_.begin(); it != rollouts_.end(); ++it) {
    if (it->second.first > now) continue;
    const Value patch = Value::object({{"status", std::move(it->second.second)}});
    const ObjectKey key = it->first;
    rollouts_.erase(it);
    trace_.add("kubelet: rolls out " + key.name);
    (void)client_.patch_text(api::Deployment::kResource, key, client::PatchType::Merge,
                             patch.dump(), {.subresource = "status"}, {});
    return true;
  }
  Life* next = nullptr;
  for (auto& [uid, life] : lives_) {
    if (life.due <= now && (next == nullptr || life.due < next->due)) next = &life;
  }
  if (next == nullptr) return false;
  if (next->leaving) {
    leave(*next);
  } else {
    act(*next);
  }
  return true;
}

Value Kubelet::statuses(const std::vector<std::string>& list, std::size_t first, const Life& life,
                        std::optional<int> exit_code) const {
  Value out = Value::array();
  const std::string now = format_time(clock_.now());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::size_t index = first + i;
    Value state;
    if (index < life.stage) {
      state["terminated"] = Value::object(
          {{"exitCode", 0}, {"reason", "Completed"}, {"startedAt", now}, {"finishedAt", now}});
      if (!life.word.empty()) {
        state["terminated"]["message"] = Value::object({{"v", life.word}}).dump();
      }
    } else if (index == life.stage && exit_code) {
      state["terminated"] = Value::object({{"exitCode", *exit_code},
                                           {"reason", *exit_code == 137 ? "OOMKilled" : "Error"},
                                           {"startedAt", now},
                                           {"finishedAt", now}});
    } else if (index == life.stage) {
      state["running"] = Value::object({{"startedAt", now}});
    } else {
      state["waiting"] = Value::object({{"reason", "PodInitializing"}});
    }
    Value status = Value::object({{"name", list[i]},
                                  {"ready", state.find("running") != nullptr},
                                  {"restartCount", 0},
                                  {"image", "i"},
                                  {"imageID", ""}});
    status["state"] = std::move(state);
    out.push_back(std::move(status));
  }
  return out;
}

void Kubelet::report(const Life& life, const char* phase, std::optional<int> exit_code,
                     const char* reason) {
  Value status = Value::object({{"phase", phase}, {"startTime", format_time(clock_.now())}});
  const bool evicted = *reason != '\0';
  if (evicted) {
    status["reason"] = reason;
    status["message"] = "The node was low on resource: memory.";
  } else {
    if (!life.init.empty()) {
      status["initContainerStatuses"] = statuses(life.init, 0, life, exit_code);
    }
    status["containerStatuses"] = statuses(life.main, life.init.size(), life, exit_code);
  }
  const Value patch = Value::object({{"status", std::move(status)}});
  trace_.add("kubelet: " + life.key.name + " " + phase + " " + std::to_string(life.stage) +
             (exit_code ? " exit " + std::to_string(*exit_code) : "") + reason);
  const auto done = client_.patch_text(api::Pod::kResource, life.key, client::PatchType::Merge,
                                       patch.dump(), {.subresource = "status"}, {});
  if (!done.ok()) trace_.add("kubelet: refused: " + done.error().message);
}

/// The scheduler's part. The embedded server has no subresource "binding", and updates may not name
/// a node, so this one goes past it.
void Kubelet::bind(const Life& life) {
  trace_.add("kubelet: binds " + life.key.name);
  const storage::RecordRef record = storage_.get({"pods", life.key.ns, life.key.name}).value();
  if (record == nullptr || record->uid != life.uid) return;
  Value pod = Value::parse(record->json).value();
  pod["spec"]["nodeName"] = "node-" + std::to_string(random_.below(3));
  const auto done = storage_.update(record->key, record->version, [&](std::uint64_t version) {
    pod["metadata"]["resourceVersion"] = std::to_string(version);
    return storage::Draft{record->uid, pod.dump(), record->attributes};
  });
  if (!done.ok()) throw std::runtime_error(done.error().message);
}

void Kubelet::act(Life& life) {
  life.due = clock_.steady() + soon();
  if (!life.bound) {
    life.bound = true;
    return bind(life);
  }
  if (life.pulls) {
    life.pulls = false;
    Value waiting = Value::object({{"name", life.main.front()}, {"image", "i"}, {"imageID", ""}});
    waiting["ready"] = false;
    waiting["restartCount"] = 0;
    waiting["state"]["waiting"] =
        Value::object({{"reason", "ImagePullBackOff"}, {"message", "Back-off pulling image"}});
    Value patch;
    patch["status"]["phase"] = "Pending";
    patch["status"]["containerStatuses"] = Value::array({std::move(waiting)});
    trace_.add("kubelet: " + life.key.name + " waits for its image");
    (void)client_.patch_text(api::Pod::kResource, life.key, client::PatchType::Merge, patch.dump(),
                             {.subresource = "status"}, {});
    return;
  }
  const std::size_t count = life.init.size() + life.main.size();
  if (!life.running) {
    life.running = true;
    return report(life, life.init.empty() ? "Running" : "Pending", std::nullopt);
  }
  const bool at_fate = life.stage == life.fails_at;
  if (life.fate == Fate::Hang && !calm_ && at_fate) {
    life.due = SteadyTime::max();  // until it is deleted, or things calm down
    return;
  }
  if (life.fate == Fate::Fail && at_fate) {
    life.ended = true;
    life.due = SteadyTime::max();
    return report(life, "Failed", life.exit_code);
  }
  if (life.fate == Fate::Evicted && at_fate) {
    life.ended = true;
    life.due = SteadyTime::max();
    return report(life, "Failed", std::nullopt, "Evicted");
  }
  ++life.stage;
  if (life.stage == count) {
    life.ended = true;
    life.due = SteadyTime::max();
    return report(life, "Succeeded", std::nullopt);
  }
  report(life, life.stage < life.init.size() ? "Pending" : "Running", std::nullopt);
}

/// The pod is to go: it ends first, as real ones do, then its object is removed.
void Kubelet::leave(Life& life) {
  if (!life.ended && life.bound && !random_.chance(100)) {
    life.ended = true;
    life.due = clock_.steady() + soon();
    // Some come to a good end while they are told to stop.
    if (life.running && random_.chance(150)) {
      life.stage = life.init.size() + life.main.size();
      return report(life, "Succeeded", std::nullopt);
    }
    return report(life, "Failed", 143);
  }
  life.due = SteadyTime::max();
  trace_.add("kubelet: removes " + life.key.name);
  (void)client_.delete_text(api::Pod::kResource, life.key, {.uid = life.uid, .grace_seconds = 0},
                            {});
}

void Kubelet::calm_down() {
  calm_ = true;
  for (auto& [uid, life] : lives_) {
    if (!life.ended && life.due == SteadyTime::max()) life.due = clock_.steady();
  }
}

std::vector<ObjectKey> Kubelet::living() const {
  std::vector<ObjectKey> out;
  for (const auto& [uid, life] : lives_) {
    if (!life.ended && !life.leaving) out.push_back(life.key);
  }
  return out;
}

}  // namespace millrace::sim
