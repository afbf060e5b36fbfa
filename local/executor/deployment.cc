#include "local/executor/deployment.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "kubeclient/base/hash.h"
#include "kubeclient/base/time_format.h"

namespace millrace::executor {
namespace {

using codec::Value;
using std::chrono::seconds;

std::int64_t int_at(const Value& object, std::string_view key, std::int64_t fallback) {
  const Value* value = object.find(key);
  return value == nullptr ? fallback : value->as_int(fallback);
}

std::string text_at(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  return value == nullptr ? std::string() : value->as_string();
}

/// IntOrString: a number, or a share of `total`.
int share(const Value* value, const char* fallback, int total, bool up) {
  if (value != nullptr && value->is_int()) return static_cast<int>(value->as_int());
  const std::string text = value == nullptr ? fallback : value->as_string();
  int percent = 0;
  std::from_chars(text.data(), text.data() + text.size(), percent);
  const double exact = percent * total / 100.0;
  return static_cast<int>(up ? std::ceil(exact) : std::floor(exact));
}

Value sorted(const Value& value) {
  if (value.is_array()) {
    Value out = Value::array();
    for (const Value& item : value.items()) out.push_back(sorted(item));
    return out;
  }
  if (!value.is_object()) return value;
  Value::Object members;
  for (const auto& [key, item] : value.members()) members.emplace_back(key, sorted(item));
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return Value(std::move(members));
}

const Value* condition_of(const Value& status, std::string_view type) {
  const Value* list = status.find("conditions");
  if (list == nullptr) return nullptr;
  for (const Value& item : list->items()) {
    if (text_at(item, "type") == type) return &item;
  }
  return nullptr;
}

/// When the pod became ready; nothing while it is not.
std::optional<Time> ready_since(const PodObject& pod) {
  const Value* ready = condition_of(pod.status, "Ready");
  if (ready == nullptr || text_at(*ready, "status") != "True") return std::nullopt;
  const Result<Time> since = parse_time(text_at(*ready, "lastTransitionTime"));
  return since.ok() ? *since : Time{};
}

/// The pods of a Deployment by what they are.
struct Pods {
  std::vector<const PodObject*> current;  ///< of the present template, alive
  std::vector<const PodObject*> old;      ///< of earlier ones, alive
  std::vector<const PodObject*> ended;    ///< to be replaced
  bool leaving = false;                   ///< some are being deleted
  std::set<std::string> names;
};

class Planner {
 public:
  explicit Planner(const DeploymentInput& input)
      : input_(input),
        spec_(input.deployment->spec),
        desired_(static_cast<int>(std::max<std::int64_t>(0, int_at(spec_, "replicas", 1)))) {
    const Value* pod_template = spec_.find("template");
    if (pod_template != nullptr) template_ = pod_template;
    hash_ = template_hash(*template_);
    sort_pods();
    const Value* rolling = spec_.at_path({"strategy", "rollingUpdate"});
    const auto part = [&](std::string_view key) {
      return rolling == nullptr ? nullptr : rolling->find(key);
    };
    surge_ = share(part("maxSurge"), "25%", desired_, true);
    unavailable_ = share(part("maxUnavailable"), "25%", desired_, false);
    if (surge_ == 0 && unavailable_ == 0) unavailable_ = 1;
    const Value* type = spec_.at_path({"strategy", "type"});
    recreate_ = type != nullptr && type->as_string() == "Recreate";
    if (recreate_) {
      surge_ = 0;
      unavailable_ = desired_;
    }
  }

  DeploymentPlan plan() {
    if (input_.deployment->metadata.deletion_timestamp) return {};
    plan_.remove = pods_.ended;
    const Value* paused = spec_.find("paused");
    if (paused != nullptr && paused->as_bool()) {
      scale_paused();
    } else if (recreate_) {
      recreate();
    } else {
      roll();
    }
    write_status();
    return std::move(plan_);
  }

 private:
  void sort_pods() {
    for (const PodObject* pod : input_.pods) {
      pods_.names.insert(pod->metadata.name);
      if (pod->metadata.deletion_timestamp) {
        pods_.leaving = true;
      } else if (pod->has_ended()) {
        pods_.ended.push_back(pod);
      } else if (pod->metadata.label(kTemplateHashLabel) == hash_) {
        pods_.current.push_back(pod);
      } else {
        pods_.old.push_back(pod);
      }
    }
    // Those to go first stand last: not ready, then young.
    const auto order = [&](const PodObject* a, const PodObject* b) {
      const auto rank = [&](const PodObject* pod) {
        return std::make_tuple(!is_available(*pod), !ready_since(*pod),
                               pod->metadata.creation_timestamp.value_or(Time{}),
                               pod->metadata.name);
      };
      return rank(a) < rank(b);
    };
    std::sort(pods_.current.begin(), pods_.current.end(), order);
    std::sort(pods_.old.begin(), pods_.old.end(), order);
  }

  bool is_available(const PodObject& pod) const {
    const auto since = ready_since(pod);
    return since && input_.now >= *since + seconds(int_at(spec_, "minReadySeconds", 0));
  }
  int count_available(const std::vector<const PodObject*>& pods) const {
    return static_cast<int>(std::count_if(
        pods.begin(), pods.end(), [&](const PodObject* pod) { return is_available(*pod); }));
  }
  static int count(const std::vector<const PodObject*>& pods) {
    return static_cast<int>(pods.size());
  }

  /// Take `n` of `pods`, the least useful first.
  void remove(std::vector<const PodObject*>& pods, int n) {
    for (; n > 0 && !pods.empty(); --n) {
      plan_.remove.push_back(pods.back());
      pods.pop_back();
    }
  }

  void create(int n) {
    for (; n > 0; --n) plan_.create.push_back(pod_body());
  }

  void scale_current() {
    remove(pods_.current, count(pods_.current) - desired_);
    create(desired_ - count(pods_.current));
  }

  /// No rollout: only the number is kept, with pods of whatever template there is.
  void scale_paused() {
    const int surplus = count(pods_.current) + count(pods_.old) - desired_;
    const int from_old = std::min(surplus, count(pods_.old));
    remove(pods_.old, from_old);
    remove(pods_.current, surplus - std::max(0, from_old));
    create(-surplus);
  }

  void recreate() {
    const bool gone = pods_.old.empty() && !pods_.leaving;
    const bool first = pods_.current.empty();
    remove(pods_.old, count(pods_.old));
    if (gone || !first) scale_current();
  }

  void roll() {
    remove(pods_.current, count(pods_.current) - desired_);
    const int total = count(pods_.current) + count(pods_.old);
    const int room = desired_ + surge_ - total;
    create(std::min(desired_ - count(pods_.current), std::max(0, room)));
    const int least = desired_ - unavailable_;
    const int unready_new = count(pods_.current) - count_available(pods_.current);
    int may_go = total - least - unready_new;
    // Old pods that do not work are no loss.
    const int broken = count(pods_.old) - count_available(pods_.old);
    const int cleaned = std::clamp(may_go, 0, broken);
    remove(pods_.old, cleaned);
    may_go = count_available(pods_.current) + count_available(pods_.old) - least;
    if (count(pods_.old) == count_available(pods_.old)) {
      remove(pods_.old, std::clamp(may_go, 0, count(pods_.old)));
    }
  }

  std::string new_name() {
    const api::ObjectMeta& meta = input_.deployment->metadata;
    // Room for "-" and the hash, and "-" and five digits, in 63 bytes.
    const std::string base = meta.name.substr(0, 63 - 17) + "-" + hash_ + "-";
    for (int n = 0;; ++n) {
      const std::string name =
          base + hex(stable_hash(meta.uid + "/" + hash_ + "/" + std::to_string(n)), 5);
      if (pods_.names.insert(name).second) return name;
    }
  }

  Value pod_body() {
    const api::ObjectMeta& meta = input_.deployment->metadata;
    Value body = Value::object({{"apiVersion", "v1"}, {"kind", "Pod"}});
    Value& metadata = body["metadata"];
    metadata = Value::object({{"name", new_name()}, {"namespace", meta.ns}});
    for (const char* part : {"labels", "annotations"}) {
      const Value* given = template_->at_path({"metadata", part});
      if (given != nullptr && !given->empty()) metadata[part] = *given;
    }
    metadata["labels"][kTemplateHashLabel] = hash_;
    metadata["ownerReferences"] = Value::array({Value::object({{"apiVersion", "apps/v1"},
                                                               {"kind", "Deployment"},
                                                               {"name", meta.name},
                                                               {"uid", meta.uid},
                                                               {"controller", true},
                                                               {"blockOwnerDeletion", true}})});
    const Value* spec = template_->find("spec");
    body["spec"] = spec == nullptr ? Value::object() : *spec;
    return body;
  }

  Value condition(std::string_view type, bool holds, const char* reason, const std::string& message,
                  bool progressed) const {
    const Value* before = condition_of(input_.deployment->status, type);
    const std::string status = holds ? "True" : "False";
    const std::string now = format_time(input_.now);
    const bool same = before != nullptr && text_at(*before, "status") == status;
    const bool same_reason = same && text_at(*before, "reason") == reason && !progressed;
    return Value::object(
        {{"type", type},
         {"status", status},
         {"reason", reason},
         {"message", message},
         {"lastUpdateTime", same_reason ? text_at(*before, "lastUpdateTime") : now},
         {"lastTransitionTime", same ? text_at(*before, "lastTransitionTime") : now}});
  }

  Value progressing(bool complete, bool progressed) {
    const std::string& name = input_.deployment->metadata.name;
    if (complete) {
      return condition("Progressing", true, "NewReplicaSetAvailable",
                       "Deployment \"" + name + "\" has successfully progressed.", false);
    }
    const auto limit = seconds(int_at(spec_, "progressDeadlineSeconds", 600));
    const Value* before = condition_of(input_.deployment->status, "Progressing");
    if (before != nullptr && !progressed &&
        text_at(*before, "reason") != "NewReplicaSetAvailable") {
      const Result<Time> since = parse_time(text_at(*before, "lastUpdateTime"));
      if (since.ok() && input_.now >= *since + limit) {
        return condition("Progressing", false, "ProgressDeadlineExceeded",
                         "Deployment \"" + name + "\" has timed out progressing.", false);
      }
      if (since.ok()) look_again(*since + limit - input_.now);
    } else {
      look_again(limit);
    }
    return condition("Progressing", true, "ReplicaSetUpdated",
                     "Deployment \"" + name + "\" is progressing.", progressed);
  }

  void look_again(Duration delay) {
    plan_.recheck = std::min(plan_.recheck.value_or(delay), delay);
  }

  /// As it was when this plan was made: what the plan does is seen in the next one.
  void write_status() {
    const DeploymentObject& deployment = *input_.deployment;
    int replicas = 0;
    int updated = 0;
    int ready = 0;
    int available = 0;
    for (const PodObject* pod : input_.pods) {
      if (pod->has_ended() || pod->metadata.deletion_timestamp) continue;
      ++replicas;
      if (pod->metadata.label(kTemplateHashLabel) == hash_) ++updated;
      const auto since = ready_since(*pod);
      if (since) ++ready;
      if (is_available(*pod)) ++available;
      const auto least = seconds(int_at(spec_, "minReadySeconds", 0));
      if (since && !is_available(*pod)) look_again(*since + least - input_.now);
    }
    const Value& before = deployment.status;
    const std::pair<const char*, int> numbers[] = {
        {"replicas", replicas},
        {"updatedReplicas", updated},
        {"readyReplicas", ready},
        {"availableReplicas", available},
        {"unavailableReplicas", std::max(0, desired_ - available)}};
    Value status = Value::object({{"observedGeneration", deployment.metadata.generation}});
    bool changed = int_at(before, "observedGeneration", 0) != deployment.metadata.generation;
    const bool progressed = changed || int_at(before, "updatedReplicas", 0) != updated ||
                            int_at(before, "readyReplicas", 0) != ready ||
                            int_at(before, "availableReplicas", 0) != available;
    for (const auto& [key, number] : numbers) {
      changed = changed || int_at(before, key, 0) != number;
      status[key] = number == 0 ? Value() : Value(number);  // as the API leaves zeros out
    }
    const bool enough = available >= desired_ - unavailable_;
    const bool complete = updated == desired_ && replicas == desired_ && available == desired_;
    status["conditions"] =
        Value::array({condition("Available", enough,
                                enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                                enough ? "Deployment has minimum availability."
                                       : "Deployment does not have minimum availability.",
                                false),
                      progressing(complete, progressed)});
    const Value* conditions = before.find("conditions");
    changed = changed || conditions == nullptr || *conditions != status["conditions"];
    if (changed) plan_.status = std::move(status);
  }

  const DeploymentInput& input_;
  const Value& spec_;
  int desired_;
  Value none_ = Value::object();
  const Value* template_ = &none_;
  std::string hash_;
  Pods pods_;
  int surge_ = 0;
  int unavailable_ = 0;
  bool recreate_ = false;
  DeploymentPlan plan_;
};

}  // namespace

std::string template_hash(const Value& pod_template) {
  return hex(stable_hash(sorted(pod_template).dump()), 10);
}

DeploymentPlan plan_deployment(const DeploymentInput& input) { return Planner(input).plan(); }

}  // namespace millrace::executor
