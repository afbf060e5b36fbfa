/// Planning for PipelineRun: from everything observed of a run to the next writes and its status.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controllers/logic/action.h"
#include "controllers/logic/config.h"
#include "controllers/logic/revision.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/deployment.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"

namespace millrace::logic {

/// Parts of a gather that came, or have to come, from the API server instead of the cache. A
/// decision that cannot be taken back is never made on absence in a cache, or on time, alone.
struct LiveParts {
  bool pipeline = false;  ///< the Pipeline
  bool revision = false;  ///< the ControllerRevision
  bool workload = false;  ///< the run itself; Jobs and pods with label millrace.dev/run-uid; for
                          ///< streams the Deployments and Services by name (stream_children)
  bool siblings = false;  ///< `others`
  bool any() const { return pipeline || revision || workload || siblings; }
  bool operator==(const LiveParts&) const = default;
};

/// What came of a call of an HTTP service.
struct CallResult {
  std::optional<Error> error;  ///< no answer: Timeout, Unavailable, Denied (target), Invalid, ...
  int status = 0;
  std::map<std::string, std::vector<std::string>> headers;  ///< canonical name → values
  std::string body;
  Time ended{};
  std::optional<Duration> retry_after = {};  ///< as the answer asks for, from `ended` on
};

/// A call that this process has begun and not forgotten.
struct CallState {
  std::optional<CallResult> result;  ///< none: under way
};

/// A call to begin, with everything rendered. Secrets are read by the shell, just before.
struct CallOrder {
  std::string key;  ///< "<node>/<attempt>", unique in the run
  std::string method;
  std::string url;
  std::vector<crds::HttpHeader> headers;  ///< Idempotency-Key among them
  std::string body;
  bool has_body = false;
  bool follow_redirects = true;
  std::size_t max_response_bytes = 65536;
  std::optional<crds::SecretKey> ca;
  std::optional<Duration> timeout;  ///< none: no limit
  bool operator==(const CallOrder&) const = default;
};

/// An object of a manifest step, to be looked at.
struct ObjectRef {
  std::string node;         ///< node or instance of a matrix
  std::string api_version;  ///< "apps/v1"
  std::string kind;
  ObjectKey key;
  std::string run_ns;           ///< namespace of the service account
  std::string service_account;  ///< as whom
  bool operator==(const ObjectRef&) const = default;
};

/// What was found where an ObjectRef points.
struct ObjectState {
  std::optional<codec::Value> object;  ///< none: not there
  std::optional<Error> error;          ///< it could not be looked at
};

/// All that a plan depends on. Pointers are borrowed for the call.
struct RunInput {
  Time now{};
  LiveParts live;                            ///< which parts below were read live
  const crds::PipelineRun* run = nullptr;    ///< never null
  const crds::Pipeline* pipeline = nullptr;  ///< spec.refPipeline; null: not there
  bool expired = false;                      ///< the pipeline's strategy.expire has passed
  /// The pipeline as it is now (freeze); null when `pipeline` is null.
  const Revision* current = nullptr;
  /// The cached revision named by chosen_revision(run, jobs), or by `current` when nothing is
  /// chosen yet; null when the cache has none of that name.
  const Revision* revision = nullptr;
  Config config;

  // Batch: Jobs and pods with the label millrace.dev/run-uid of this run, in any order.
  std::vector<const api::Job*> jobs;
  std::vector<const api::Pod*> pods;

  // Stream: may be left empty for batch pipelines.
  /// Runs of the same pipeline, this one may be among them.
  std::vector<const crds::PipelineRun*> siblings;
  /// Those with the label pipeline=<refPipeline> in the namespace, and those named by
  /// stream_children, whoever owns them.
  std::vector<const api::Deployment*> deployments;
  std::vector<const api::Service*> services;
  /// Deployment name → metadata.generation that our last Apply answered, from this process's
  /// memory. A name that is missing is applied again (harmless).
  std::map<std::string, std::int64_t> applied;

  // Graphs: may be left empty for other pipelines.
  std::vector<const crds::PipelineRun*> children;  ///< runs controlled by this run
  /// Other runs of the namespace that have not ended and hold, or wait for, a place in a group
  /// (status.concurrencyGroup, or not started yet); read live when `live.siblings`.
  std::vector<const crds::PipelineRun*> others;
  /// The run that spec.retryOf names, with the steps it has archived; needed, for batch pipelines
  /// too, until the first status.
  const crds::PipelineRun* retried = nullptr;
  std::map<std::string, CallState> calls;      ///< by CallOrder::key
  std::map<std::string, ObjectState> objects;  ///< by ObjectRef::node

  // Memory of this process; all empty after a restart, which only costs a write or two.
  std::optional<Time> last_create;        ///< of an object, or begin of calls without a status
  std::optional<Time> last_status_write;  ///< when its status was last written
  bool may_report = true;                 ///< may a status be written that only shows progress?
  std::optional<CreateFailure> create_failure;  ///< the plan before this one met it
  std::optional<CreateFailure> pod_failure;  ///< the Job controller's last, for a Job of this run
  std::map<std::string, Time> looked;        ///< by ObjectRef::node: when it was last looked at
  std::optional<Time> archive_held;          ///< until when RunPlan::hold_archive asked to wait
};

/// What to do next. When `needs_live` asks for anything all else is empty: gather those parts live
/// and plan again.
struct RunPlan {
  LiveParts needs_live;
  /// Objects that have to be looked at before anything can be planned: gather them and plan again.
  std::vector<ObjectRef> needs_objects;
  std::vector<Action> actions;
  /// The whole status, present only when it is to be written now, after the actions, under the
  /// run's resourceVersion (after a MergePatch of the run: the one that patch answered).
  std::optional<crds::PipelineRunStatus> status;
  bool reports = false;  ///< `status` only shows progress
  /// Plan again after this long even if nothing happens; zero: right after the writes.
  std::optional<Duration> recheck;
  std::vector<CallOrder> calls;           ///< to begin once the status is written, if there is one
  std::vector<std::string> forget_calls;  ///< keys: ended or cancelled, their results are on record
  std::vector<Note> notes;                ///< events to record once the status is written
  /// An object of the archive was refused: remember that none is to be tried for so long.
  std::optional<Duration> hold_archive;
};

/// Plan the next step. Total: every input has a plan. Terminal runs get an empty one.
/// Deletion: only foreign finalizers are removed.
RunPlan plan_run(const RunInput& input);

/// Ask the run with this UID to end.
Action cancel_run(const ObjectKey& key, const std::string& uid);

/// The tick of its Pipeline's schedule that the run was made for.
std::optional<Time> tick_of(const crds::PipelineRun& run);

/// True when the run has ended for good (condition Completed is True). Gather nothing for it.
bool is_terminal(const crds::PipelineRun& run);

/// True when there is nothing to plan, whatever else is observed: terminal or being deleted, and
/// no finalizer of ours on it. The cheap first look of the shell.
bool is_settled(const crds::PipelineRun& run);

}  // namespace millrace::logic
