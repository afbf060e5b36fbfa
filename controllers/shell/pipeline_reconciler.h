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

namespace millrace::shell {

/// Memory of one Pipeline.
struct PipelineMemory {
  std::optional<Time> usage_changed;
};

/// Tells whether runs can start, freezes specs, fires schedules. Meaning is in
/// logic::plan_pipeline.
class PipelineReconciler final : public runtime::Reconciler {
 public:
  PipelineReconciler(const Services& services, const Caches& caches, Actor& actor,
                     Memory<PipelineMemory>& memory, RevisionCache& revisions, ZoneFiles& zones);

  Result<runtime::Outcome> reconcile(const ObjectKey& key,
                                     const runtime::ReconcileContext& context) override;

 private:
  Result<runtime::Outcome> act(const crds::Pipeline& pipeline, const logic::PipelinePlan& plan,
                               const std::stop_token& stop);
  Result<void> create_scheduled(const crds::Pipeline& pipeline, const std::string& version,
                                const logic::PipelinePlan::ScheduleStep& step,
                                const std::stop_token& stop);

  const Services& services_;
  const Caches& caches_;
  Actor& actor_;
  Memory<PipelineMemory>& memory_;
  RevisionCache& revisions_;
  ZoneFiles& zones_;
  Histogram& lateness_;
};

}  // namespace millrace::shell
