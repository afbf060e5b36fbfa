#include <algorithm>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/job.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using codec::Value;
using crds::StepPhase;
using crds::StepState;

/// End everything but `finally`, or only that; true once nothing of it runs any more.
bool Graph::stop_all(bool last, const char* reason, const std::string& message) {
  const auto meant = [&](const Unit& unit) {
    return (node_of(unit).group == Group::Finally) == last;
  };
  bool quiet = true;
  stopping_ = true;
  const bool over = std::all_of(units_.begin(), units_.end(),
                                [&](const auto& unit) { return !meant(*unit) || ended(*unit); });
  // What a cache does not show yet would go on for ever, as nobody looks at the run again.
  if (!over && ask_workload()) return false;
  if (!over) adopt_combinations();
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (meant(*units_[i])) quiet = stop(*units_[i], reason, message) && quiet;
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Unit& unit = *units_[i];
    if (!meant(unit) || !is_matrix(unit) || !quiet) continue;
    if (unit.state.state != StepPhase::Running) continue;
    // All of it had succeeded before the time was over: steps may have been built on that.
    const std::vector<std::size_t> all = combinations(unit.node);
    const bool good = !all.empty() && std::all_of(all.begin(), all.end(), [&](std::size_t one) {
      return units_[one]->state.state == StepPhase::Succeeded;
    });
    if (good) {
      watch_matrix(unit);
    } else {
      end_failed(unit, reason, message, input_.now);
    }
  }
  return quiet;
}

void Graph::stop_child(Unit& unit, const crds::PipelineRun& child) {
  if (!child.spec.cancel) {
    plan_.actions.push_back(cancel_run(api::key_of(child.metadata), child.metadata.uid));
  }
  wait_for(unit, "Stopping", "its run is being cancelled");
  look_again(plan_, kSafetyRecheck);
}

bool Graph::stop(Unit& unit, const char* reason, const std::string& message) {
  StepState& state = unit.state;
  if (state.state == StepPhase::Pending) {
    const bool last = node_of(unit).group == Group::Finally;
    if (!stands(unit) && last && state.attempt > 1 && state.retries > 0) {
      // It has failed, and the attempt it waits for comes too late. That keeps its number: a step
      // never goes back to an earlier one.
      const std::string why = state.waiting ? ": " + state.waiting->message : "";
      end_failed(unit, reason, message + why, input_.now);
      return true;
    }
    if (!stands(unit)) {
      skip(unit, reason, message);
      return true;
    }
    state.state = StepPhase::Running;  // a crash came before the status that says so
    state.attempt = std::max(1, state.attempt);
    if (!state.started_at) state.started_at = truncate_to_second(input_.now);
  }
  if (state.state != StepPhase::Running) return true;
  if (is_matrix(unit)) return true;
  const auto end = [&] { end_failed(unit, reason, message, input_.now); };
  const NodeAction& action = node_of(unit).action;
  if (std::holds_alternative<PodStep>(action)) {
    const Attempt attempt = observe(unit);
    if (!attempt.exists()) {
      if (ask_workload()) return false;
      end();
      return true;
    }
    if (attempt.job != nullptr && !is_finished(*attempt.job) &&
        attempt.job->metadata.annotation(kStopAnnotation).empty() && attempt.succeeded == nullptr &&
        attempt.failed == nullptr) {
      plan_.actions.push_back(stop_job(*attempt.job, reason, message));
    }
    watch_pod(unit, std::get<PodStep>(action));
    return state.state != StepPhase::Running;
  }
  if (std::holds_alternative<ChildStep>(action)) {
    const crds::PipelineRun* child = child_of(unit);
    if (child != nullptr) state.run_name = child->metadata.name;
    if (child != nullptr && !is_terminal(*child)) {
      stop_child(unit, *child);
      return false;
    }
    end();
    return true;
  }
  end();  // calls are forgotten with the record of their end
  return true;
}

}  // namespace millrace::logic
