/// The Job controller, for Jobs that name us in spec.managedBy and, in local mode, for those that
/// name nobody: gather, plan, act.
#pragma once

#include <memory>
#include <vector>

#include "controllers/logic/job.h"
#include "controllers/shell/act.h"
#include "controllers/shell/caches.h"
#include "controllers/shell/memory.h"
#include "controllers/shell/services.h"
#include "kubeclient/runtime/controller.h"

namespace millrace::runtime {
class WorkQueue;
}

namespace millrace::shell {

/// Makes the pods of our Jobs and writes the Jobs' status. Meaning is in logic::plan_job.
class JobReconciler final : public runtime::Reconciler {
 public:
  /// `runs` is told when a pod was refused, which a run reports in its status.
  JobReconciler(const Services& services, const Caches& caches, Actor& actor,
                Memory<JobMemory>& memory, Memory<RunMemory>& run_memory, runtime::WorkQueue& runs);

  Result<runtime::Outcome> reconcile(const ObjectKey& key,
                                     const runtime::ReconcileContext& context) override;

 private:
  struct Gathered;
  /// What is known of `job`, with `pods` noted.
  JobMemory remember(const api::Job& job, const std::vector<runtime::Ref<api::Pod>>& pods) const;
  /// Whether its pod may have been made by somebody else, or by an earlier try.
  bool is_shared(const Gathered& gathered) const;
  void note_done(const Gathered& gathered, const logic::Action& action) const;
  logic::JobInput input_of(const Gathered& gathered) const;
  Result<void> gather_live(Gathered& gathered, const std::stop_token& stop) const;
  Result<logic::JobPlan> plan(Gathered& gathered, const std::stop_token& stop) const;
  Result<runtime::Outcome> act(Gathered& gathered, const logic::JobPlan& plan,
                               const std::stop_token& stop);
  void tell_run(const api::Job& job, std::optional<logic::CreateFailure> failure) const;

  const Services& services_;
  const Caches& caches_;
  Actor& actor_;
  Memory<JobMemory>& memory_;
  Memory<RunMemory>& run_memory_;
  runtime::WorkQueue& runs_;
};

/// Note that a pod of `slot` exists or existed.
void note_slot(JobMemory& memory, logic::PodSlot slot);

/// The run that a Job or pod of ours belongs to.
ObjectKey run_of(const api::ObjectMeta& child);

}  // namespace millrace::shell
