#include "local/apiserver/pod_row.h"

#include <algorithm>
#include <optional>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/age_text.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

const Value::Array& items_at(const Value& object, std::initializer_list<std::string_view> path) {
  static const Value::Array none;
  const Value* list = object.at_path(path);
  return list == nullptr ? none : list->items();
}

const Value* state_of(const Value& status, std::string_view state) {
  const Value* value = status.at_path({"state", state});
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool flag_at(const Value& object, std::string_view member) {
  const Value* value = object.find(member);
  return value != nullptr && value->as_bool();
}

bool condition_is_true(const Value& pod, std::string_view type) {
  const auto& conditions = items_at(pod, {"status", "conditions"});
  return std::any_of(conditions.begin(), conditions.end(), [type](const Value& one) {
    return text_at(one, {"type"}) == type && text_at(one, {"status"}) == "True";
  });
}

/// "Signal:9" or "ExitCode:1", for an end without a reason.
std::string end_of(const Value& terminated) {
  const std::int64_t signal = number_at(terminated, {"signal"});
  if (signal != 0) return "Signal:" + std::to_string(signal);
  return "ExitCode:" + std::to_string(number_at(terminated, {"exitCode"}));
}

/// Restarts, and when the last one was.
struct Restarts {
  std::int64_t count = 0;
  std::optional<Time> last = {};

  void add(const Value& status) {
    count += number_at(status, {"restartCount"});
    const auto end = parse_time(text_at(status, {"lastState", "terminated", "finishedAt"}));
    if (end.ok() && (!last || *end > *last)) last = *end;
  }
};

class Summary {
 public:
  Summary(const Value& pod, Time now) : pod_(pod), now_(now) {}

  PodSummary make() {
    reason_ = text_at(pod_, {"status", "reason"});
    if (reason_.empty()) reason_ = text_at(pod_, {"status", "phase"});
    for (const Value& one : items_at(pod_, {"status", "conditions"})) {
      if (text_at(one, {"type"}) == "PodScheduled" &&
          text_at(one, {"reason"}) == "SchedulingGated") {
        reason_ = "SchedulingGated";
      }
    }
    const bool initializing = look_at_init_containers();
    if (!initializing || condition_is_true(pod_, "Initialized")) look_at_containers();
    look_at_deletion();
    return {std::to_string(ready_) + "/" + std::to_string(total()), reason_, restarts_text()};
  }

 private:
  bool is_sidecar(const std::string& name) const {
    const auto& containers = items_at(pod_, {"spec", "initContainers"});
    return std::any_of(containers.begin(), containers.end(), [&name](const Value& one) {
      return text_at(one, {"name"}) == name && text_at(one, {"restartPolicy"}) == "Always";
    });
  }

  /// Whether the pod is still busy with them.
  bool look_at_init_containers() {
    const auto& statuses = items_at(pod_, {"status", "initContainerStatuses"});
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      const Value& status = statuses[i];
      const bool sidecar = is_sidecar(text_at(status, {"name"}));
      restarts_.add(status);
      if (sidecar) sidecar_restarts_.add(status);
      const Value* terminated = state_of(status, "terminated");
      const Value* waiting = state_of(status, "waiting");
      if (terminated != nullptr && number_at(*terminated, {"exitCode"}) == 0) continue;
      if (sidecar && flag_at(status, "started")) {
        if (flag_at(status, "ready")) ++ready_;
        continue;
      }
      if (terminated != nullptr) {
        const std::string why = text_at(*terminated, {"reason"});
        reason_ = "Init:" + (why.empty() ? end_of(*terminated) : why);
      } else if (waiting != nullptr && !text_at(*waiting, {"reason"}).empty() &&
                 text_at(*waiting, {"reason"}) != "PodInitializing") {
        reason_ = "Init:" + text_at(*waiting, {"reason"});
      } else {
        reason_ = "Init:" + std::to_string(i) + "/" +
                  std::to_string(items_at(pod_, {"spec", "initContainers"}).size());
      }
      return true;
    }
    return false;
  }

  void look_at_containers() {
    restarts_ = sidecar_restarts_;
    bool running = false;
    const auto& statuses = items_at(pod_, {"status", "containerStatuses"});
    for (auto it = statuses.rbegin(); it != statuses.rend(); ++it) {
      restarts_.add(*it);
      const Value* waiting = state_of(*it, "waiting");
      const Value* terminated = state_of(*it, "terminated");
      if (waiting != nullptr && !text_at(*waiting, {"reason"}).empty()) {
        reason_ = text_at(*waiting, {"reason"});
      } else if (terminated != nullptr) {
        const std::string why = text_at(*terminated, {"reason"});
        reason_ = why.empty() ? end_of(*terminated) : why;
      } else if (flag_at(*it, "ready") && state_of(*it, "running") != nullptr) {
        running = true;
        ++ready_;
      }
    }
    // One container that is done does not make a pod that is.
    if (reason_ == "Completed" && running) {
      reason_ = condition_is_true(pod_, "Ready") ? "Running" : "NotReady";
    }
  }

  void look_at_deletion() {
    if (text_at(pod_, {"metadata", "deletionTimestamp"}).empty()) return;
    const std::string phase = text_at(pod_, {"status", "phase"});
    if (text_at(pod_, {"status", "reason"}) == "NodeLost") {
      reason_ = "Unknown";
    } else if (phase != "Succeeded" && phase != "Failed") {
      reason_ = "Terminating";
    }
  }

  std::size_t total() const {
    const auto& init = items_at(pod_, {"spec", "initContainers"});
    const auto sidecars = std::count_if(init.begin(), init.end(), [](const Value& one) {
      return text_at(one, {"restartPolicy"}) == "Always";
    });
    return items_at(pod_, {"spec", "containers"}).size() + static_cast<std::size_t>(sidecars);
  }

  std::string restarts_text() const {
    std::string text = std::to_string(restarts_.count);
    if (restarts_.count != 0 && restarts_.last) {
      text += " (" + human_duration(now_ - *restarts_.last) + " ago)";
    }
    return text;
  }

  const Value& pod_;
  Time now_;
  std::string reason_;
  std::size_t ready_ = 0;
  Restarts restarts_;
  Restarts sidecar_restarts_;
};

}  // namespace

PodSummary summarize_pod(const Value& pod, Time now) { return Summary(pod, now).make(); }

}  // namespace millrace::apiserver
