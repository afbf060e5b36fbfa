#include "controllers/shell/trial_reconciler.h"

#include <algorithm>
#include <utility>

#include "controllers/logic/trial.h"
#include "controllers/shell/trial_runner.h"

namespace millrace::shell {
namespace {

constexpr double kTrialsPerSecond = 20;  ///< of all Pipelines together
constexpr double kTrialBurst = 40;
constexpr Duration kLongestWait = std::chrono::minutes(10);

/// The pause before the next trial after `count` >= 1 that were not settled.
Duration pause_after(int count) {
  const int doublings = std::clamp(count - 1, 0, 10);
  return std::min<Duration>(logic::kFirstRetrial * (1 << doublings), logic::kLongestRetrial);
}

/// False where the spec is wrong (there is no condition then), and where another operator has
/// settled it meanwhile.
bool wants_trial(const crds::Pipeline& pipeline, const std::string& revision) {
  const api::Condition* known = api::find_condition(pipeline.status.conditions, logic::kAdmitted);
  if (known == nullptr) return false;
  if (pipeline.status.revision != revision || known->reason == logic::kChecking) return true;
  return logic::may_change({revision, known->status, known->reason, ""});
}

}  // namespace

TrialReconciler::TrialReconciler(const Services& services, const Caches& caches,
                                 client::Writer& writer, UserObjects& objects,
                                 Memory<PipelineMemory>& memory, RevisionCache& revisions,
                                 runtime::WorkQueue& pipelines)
    : services_(services),
      caches_(caches),
      writer_(writer),
      objects_(objects),
      memory_(memory),
      revisions_(revisions),
      pipelines_(pipelines),
      bucket_(kTrialsPerSecond, kTrialBurst) {}

Result<runtime::Outcome> TrialReconciler::reconcile(const ObjectKey& key,
                                                    const runtime::ReconcileContext& context) {
  const auto pipeline = caches_.pipelines.get(key);
  if (!pipeline || pipeline->metadata.deletion_timestamp) return runtime::Done{};
  const RevisionRef current = revisions_.current(*pipeline);
  if (!wants_trial(*pipeline, current->name)) return runtime::Done{};
  const std::string& uid = pipeline->metadata.uid;
  if (!memory_.get(uid).trial_admitted) {
    memory_.update(uid, [](PipelineMemory& m) { m.trial_admitted = true; });
    const Duration wait = bucket_.reserve(services_.clock.steady(), kLongestWait);
    if (wait > Duration::zero()) return runtime::RequeueAfter{wait};
  }
  const logic::TrialPlan plan = logic::plan_trials(*pipeline, *current, services_.config);
  MR_ASSIGN(const logic::TrialReport report, run_trials(plan, writer_, objects_, context.stop));
  logic::Admission found = logic::admission_of(report, current->name);
  const bool again = logic::may_change(found);
  services_.log.info("objects tried", {kv("controller", "trial"), kv("object", key),
                                       kv("tried", static_cast<std::uint64_t>(report.tried)),
                                       kv("reason", found.reason)});
  int count = 0;
  memory_.update(uid, [&](PipelineMemory& m) {
    const bool same = m.tried == found.revision;
    m.tried = found.revision;
    m.trials_unsettled = !again ? 0 : same ? m.trials_unsettled + 1 : 1;
    count = m.trials_unsettled;
    m.trial_admitted = false;
    m.admission = std::move(found);
  });
  pipelines_.add(key);
  if (!again) return runtime::Done{};
  return runtime::RequeueAfter{pause_after(count)};
}

}  // namespace millrace::shell
