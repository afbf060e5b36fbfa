/// The Pipeline controller: gather, plan, act.
#pragma once

#include <functional>
#include <string>

#include "controllers/logic/pipeline.h"
#include "controllers/shell/act.h"
#include "controllers/shell/caches.h"
#include "controllers/shell/memory.h"
#include "controllers/shell/revision_cache.h"
#include "controllers/shell/services.h"
#include "controllers/shell/zone_files.h"
#include "kubeclient/runtime/controller.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::shell {

/// Memory of one Pipeline.
struct PipelineMemory {
  std::optional<Time> usage_changed;
  /// What the last trial found, until it is written: afterwards the condition counts, since another
  /// operator may have found something else.
  std::optional<logic::Admission> admission;
  std::string tried;          ///< revision of the last trial
  std::string trial_ordered;  ///< revision that the trial controller was given; it sees to repeats
  bool trial_admitted = false;  ///< its turn among all Pipelines has come
  int trials_unsettled = 0;     ///< in a row
};

/// Tells whether runs can start, freezes specs, fires schedules. Meaning is in
/// logic::plan_pipeline.
class PipelineReconciler final : public runtime::Reconciler {
 public:
  PipelineReconciler(const Services& services, const Caches& caches, Actor& actor,
                     Memory<PipelineMemory>& memory, RevisionCache& revisions, ZoneFiles& zones,
                     runtime::WorkQueue& trials);

  Result<runtime::Outcome> reconcile(const ObjectKey& key,
                                     const runtime::ReconcileContext& context) override;

 private:
  /// Order the trial that `plan` asks for, unless that is done already.
  void order_trial(const crds::Pipeline& pipeline, const std::string& revision,
                   const logic::PipelinePlan& plan);
  /// The pipelines that its steps start, as far as they are there, and those these start.
  std::vector<runtime::Ref<crds::Pipeline>> children_of(const crds::Pipeline& pipeline) const;
  Result<runtime::Outcome> act(const crds::Pipeline& pipeline, const logic::PipelinePlan& plan,
                               const std::stop_token& stop);
  Result<void> check_claims(const crds::Pipeline& pipeline, const logic::PipelinePlan& plan,
                            const std::stop_token& stop) const;
  Result<void> create_scheduled(const crds::Pipeline& pipeline, const std::string& version,
                                const logic::PipelinePlan::ScheduleStep& step,
                                const std::stop_token& stop);

  const Services& services_;
  const Caches& caches_;
  Actor& actor_;
  Memory<PipelineMemory>& memory_;
  RevisionCache& revisions_;
  ZoneFiles& zones_;
  runtime::WorkQueue& trials_;
  Histogram& lateness_;
};

}  // namespace millrace::shell
