#include "controllers/logic/retry_of.h"

#include <algorithm>

#include "controllers/logic/attempt.h"
#include "controllers/logic/objects.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {

void restore_steps(crds::PipelineRun& run, const api::ControllerRevision& object) {
  // Anybody may make an object of that name.
  if (!is_controlled_by(object.metadata, run.metadata.uid)) return;
  const codec::Value* steps = object.data.find("steps");
  if (steps == nullptr) return;
  for (const codec::Value& step : steps->items()) {
    auto state = codec::decode<crds::StepState>(step.dump());
    if (state.ok()) run.status.step_states.push_back(*std::move(state));
  }
}

std::vector<std::string> reused_steps(const crds::PipelineRun& ended,
                                      const std::vector<std::string>& all_steps) {
  std::vector<crds::AttemptRecord> history;
  if (ended.status.retry_status) history = ended.status.retry_status->history_build;
  // An attempt that was cancelled is in no history.
  crds::AttemptRecord last;
  for (const crds::StepState& state : ended.status.step_states) {
    last.attempt = std::max(last.attempt, state.attempt);
    if (state.state == crds::StepPhase::Succeeded) last.steps_succeeded.push_back(state.name);
  }
  if (history.empty() || last.attempt > history.back().attempt) history.push_back(std::move(last));
  const std::vector<std::string> rest = remaining_steps(all_steps, history);
  if (rest.empty()) return {};
  return {all_steps.begin(), all_steps.end() - static_cast<std::ptrdiff_t>(rest.size())};
}

}  // namespace millrace::logic
