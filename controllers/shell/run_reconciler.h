/// The PipelineRun controller: gather, plan, act.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controllers/logic/run.h"
#include "controllers/shell/act.h"
#include "controllers/shell/caches.h"
#include "controllers/shell/call_maker.h"
#include "controllers/shell/memory.h"
#include "controllers/shell/revision_cache.h"
#include "controllers/shell/services.h"
#include "controllers/shell/user_objects.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/runtime/controller.h"

namespace millrace::shell {

/// Brings each run to its end. Meaning is in logic::plan_run; here are only reads and writes.
class RunReconciler final : public runtime::Reconciler {
 public:
  RunReconciler(const Services& services, const Caches& caches, Actor& actor,
                Memory<RunMemory>& memory, RevisionCache& revisions, UserObjects& objects,
                CallMaker* calls, runtime::WorkQueue& queue);

  Result<runtime::Outcome> reconcile(const ObjectKey& key,
                                     const runtime::ReconcileContext& context) override;

  /// Runs that were made until `now` were somebody else's: their first calls are begun only after a
  /// live look. Any thread.
  void took_over(Time now) { taken_over_ = now.time_since_epoch().count(); }

  /// Whether new calls of a run may be begun; without it all may. A call that is on record and not
  /// begun is begun by whoever looks at the run next.
  std::function<bool(const crds::PipelineRun&)> may_call;

 private:
  class Place;

  /// All that is observed of one run; owns what the planner's input points to.
  struct Gathered;

  void gather_cached(const crds::PipelineRun& run, Gathered& out) const;
  Result<void> gather_live(const logic::LiveParts& parts, Gathered& out,
                           const std::stop_token& stop) const;
  logic::RunInput input_of(const Gathered& gathered) const;
  Result<logic::RunPlan> plan(Gathered& gathered, const std::stop_token& stop) const;
  Result<runtime::Outcome> act(Gathered& gathered, logic::RunPlan plan,
                               const std::stop_token& stop);
  void gather_graph(const crds::PipelineRun& run, Gathered& out) const;
  Result<void> gather_retried(Gathered& out, const std::stop_token& stop) const;
  Result<void> make_calls(const crds::PipelineRun& run, const logic::RunPlan& todo,
                          const std::stop_token& stop);
  void record(const crds::PipelineRun& run, const std::vector<logic::Note>& notes) const;
  void count_outcome(const crds::PipelineRun& run, const crds::PipelineRunStatus& after) const;

  const Services& services_;
  const Caches& caches_;
  Actor& actor_;
  Memory<RunMemory>& memory_;
  RevisionCache& revisions_;
  UserObjects& objects_;
  CallMaker* calls_;  ///< null: this process makes none
  runtime::WorkQueue& queue_;
  std::atomic<Time::rep> taken_over_{Time::min().time_since_epoch().count()};
  Guarded<std::set<std::string>> deciding_;  ///< groups in which a place is being taken
};

}  // namespace millrace::shell
