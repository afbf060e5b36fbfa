/// The trial controller: asks the API server what it would say to the first run of a Pipeline.
#pragma once

#include "controllers/shell/caches.h"
#include "controllers/shell/memory.h"
#include "controllers/shell/pipeline_reconciler.h"
#include "controllers/shell/revision_cache.h"
#include "controllers/shell/services.h"
#include "controllers/shell/user_objects.h"
#include "kubeclient/runtime/backoff.h"
#include "kubeclient/runtime/controller.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::shell {

/// Keys come from the Pipeline controller, which writes down what is found: a trial takes as long
/// as admission webhooks like, and neither schedules nor `Ready` wait for it. For one worker.
class TrialReconciler final : public runtime::Reconciler {
 public:
  TrialReconciler(const Services& services, const Caches& caches, client::Writer& writer,
                  UserObjects& objects, Memory<PipelineMemory>& memory, RevisionCache& revisions,
                  runtime::WorkQueue& pipelines);

  Result<runtime::Outcome> reconcile(const ObjectKey& key,
                                     const runtime::ReconcileContext& context) override;

 private:
  const Services& services_;
  const Caches& caches_;
  client::Writer& writer_;
  UserObjects& objects_;
  Memory<PipelineMemory>& memory_;
  RevisionCache& revisions_;
  runtime::WorkQueue& pipelines_;
  runtime::TokenBucket bucket_;  ///< of trials: an upgrade finds thousands of Pipelines untried
};

}  // namespace millrace::shell
