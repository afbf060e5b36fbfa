#include "controllers/shell/operator.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "controllers/logic/child_check.h"
#include "controllers/logic/job_many.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/pod_facts.h"
#include "controllers/shell/act.h"
#include "controllers/shell/caches.h"
#include "controllers/shell/job_reconciler.h"
#include "controllers/shell/pipeline_reconciler.h"
#include "controllers/shell/run_reconciler.h"
#include "controllers/shell/shard_work.h"
#include "controllers/shell/trial_reconciler.h"
#include "controllers/shell/trim.h"
#include "controllers/shell/webhook_sink.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/runtime/event_recorder.h"
#include "kubeclient/runtime/informer.h"
#include "kubeclient/runtime/shard_keeper.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::shell {
namespace {

using runtime::Informer;
using runtime::Ref;

/// Runs come and go in bursts; their Pipeline looks at them all at once, this much later.
constexpr Duration kPipelineDelay = std::chrono::seconds(1);

/// From how many Pipelines on a new run of a schedule waits for their ticks; about what one takes,
/// and the longest wait.
constexpr std::size_t kManyTicks = 16;
constexpr Duration kTickTime = std::chrono::milliseconds(6);
constexpr Duration kTicksFirst = std::chrono::seconds(6);

constexpr const char* kLeaseName = "millrace-operator";

/// How often to compare the clocks, and what difference is a jump: of the wall clock, or of a
/// machine that slept, during which delays stand still.
constexpr Duration kClockCheck = std::chrono::seconds(30);
constexpr Duration kClockJump = std::chrono::seconds(2);

/// How often to ask, at the end, whether the calls under way are on record.
constexpr Duration kCallCheck = std::chrono::milliseconds(50);

/// The longest backoff: after an outage of the API server everything goes on within this time.
constexpr runtime::BackoffPolicy kBackoff = {.max = std::chrono::minutes(1)};

template <class T>
runtime::InformerOptions<T> informer_options(const OperatorSettings& settings,
                                             std::string label_selector) {
  runtime::InformerOptions<T> options;
  if (!settings.namespaces.empty()) options.namespaces = settings.namespaces;
  options.label_selector = std::move(label_selector);
  options.trim = [](T& object) { trim(object); };
  options.protocol.seed = settings.seed;
  return options;
}

runtime::ShardOptions shard_options(const OperatorSettings& settings) {
  runtime::ShardOptions options;
  options.lease = {settings.lease_namespace, kLeaseName};
  options.shards = settings.shards;
  options.identity = settings.identity;
  options.times = settings.lease_times;
  options.seed = settings.seed;
  return options;
}

runtime::EventRecorderOptions event_options(const OperatorSettings& settings) {
  runtime::EventRecorderOptions options;
  options.series.component = "millrace.dev/operator";
  options.series.instance = settings.identity;
  options.seed = settings.seed;
  return options;
}

runtime::QueueOptions queue_options(const OperatorSettings& settings, const char* name) {
  runtime::QueueOptions options;
  options.name = name;
  options.backoff = kBackoff;
  options.seed = settings.seed;
  return options;
}

/// What restricts the caches of Jobs and pods: with no other Job controller, nothing.
std::string job_selector(const OperatorSettings& settings) {
  return settings.config.run_unmanaged_jobs ? "" : logic::kRunUidLabel;
}

template <class T>
std::vector<std::string> labelled_pipeline(const T& object) {
  const std::string& label = object.metadata.label(logic::kPipelineLabel);
  if (label.empty()) return {};
  return {index_value(object.metadata.ns, label)};
}

int count_active(const Ref<crds::PipelineRun>& run) {
  return run && !logic::is_terminal(*run) ? 1 : 0;
}

Duration difference(const Clock& clock) {
  return std::chrono::duration_cast<Duration>(clock.now().time_since_epoch() -
                                              clock.steady().time_since_epoch());
}

/// The one version of an object that events name: the newer one.
template <class T>
const T& latest(const Ref<T>& old, const Ref<T>& now) {
  return now ? *now : *old;
}

/// The Job that controls the pod, or null.
const api::OwnerReference* owning_job(const api::Pod& pod) {
  const api::OwnerReference* owner = pod.metadata.controller_ref();
  return owner != nullptr && owner->kind == api::Job::kResource.kind ? owner : nullptr;
}

/// Whether the pod still counts for the same Job and run.
bool same_owner(const api::Pod& old, const api::Pod& now) {
  const api::OwnerReference* was = old.metadata.controller_ref();
  const api::OwnerReference* is = now.metadata.controller_ref();
  const bool job = was == nullptr || is == nullptr ? was == is : was->uid == is->uid;
  return job && old.metadata.label(logic::kRunUidLabel) == now.metadata.label(logic::kRunUidLabel);
}

/// While one lives, its thread puts the answer to a write of ours into a cache.
class AnswerScope {
 public:
  AnswerScope() { here_ = true; }
  ~AnswerScope() { here_ = false; }
  AnswerScope(const AnswerScope&) = delete;
  AnswerScope& operator=(const AnswerScope&) = delete;
  static bool here() { return here_; }

 private:
  static thread_local bool here_;
};
thread_local bool AnswerScope::here_ = false;

}  // namespace

struct Operator::Impl final : WriteObserver {
  Impl(client::Reader& reader, client::Writer& writer, OperatorSettings options,
       const runtime::Env& environment, CallMaker* calls);

  /// Handlers must be quiet before what they add to is gone.
  ~Impl() override {
    each_informer([](auto& informer) { informer.stop(); });
  }

  std::optional<Version> wrote(const api::ApiResource& resource, const std::string& json) override;
  void connect();
  /// Drop from the caches what belongs to `run`, if that has ended: finished Jobs, and pods that
  /// have ended whose Job is finished or dropped. They would take most of the memory, and nobody
  /// asks for them. Should a Job turn up late and miss its pod, it meets it when it creates it, and
  /// then reads it live.
  void release(const crds::PipelineRun& run);
  /// The same for the run that `child` belongs to.
  void release_run_of(const api::ObjectMeta& child);
  /// The same for all runs, once everything is listed: a pod whose Job was let go while the lists
  /// came in was kept, as its Job might still have followed.
  void release_all();
  /// The shard of a key of `queue`; nothing when its object is not there.
  std::optional<int> shard_of(const runtime::WorkQueue& queue, const ObjectKey& key) const;
  /// Tell a queue of `key`, if this process works on it. One that waits for the lease, or has other
  /// shards, must not gather the keys of all that ever happened.
  void wake(runtime::WorkQueue& queue, const ObjectKey& key, Duration delay = {});
  /// How long a run may wait to be looked at after this change.
  Duration patience_with(const Ref<crds::PipelineRun>& old,
                         const Ref<crds::PipelineRun>& now) const;
  /// True when the run of `job` was told of the end of its pod: the Job's own end adds nothing.
  bool end_is_known(const api::Job& job) const;
  /// Tell the run that a Job or pod belongs to, if it says so.
  void wake_run_of(const api::ObjectMeta& child, Duration delay = {});
  /// `left` has given up its place in its concurrency group: tell those that wait for one.
  void wake_queued(const crds::PipelineRun& left);
  /// A Pipeline came, changed or went: tell those whose steps start it, and those that start these.
  void wake_parents(const ObjectKey& child);
  /// The pod, as it was last, is gone, or belongs to others now: tell its Job and its run.
  void pod_left(const api::Pod& pod);
  /// The shard of `run` may be another one now: tell its Jobs if it is ours, and forget what we
  /// know of it if not.
  void moved(const crds::PipelineRun& run);
  /// Tell the queues of all that there may be something to do about; in one shard, or in all of
  /// ours.
  void wake_all(std::optional<int> shard = {});
  /// Run the controllers until `stop`, then let them finish what is ready. Once `lost`, somebody
  /// else may be at it: nothing more is begun, and what is under way is cut.
  void work(const std::stop_token& stop, const std::stop_token& lost);
  /// Begin no more HTTP calls, and wait until the answers of those under way are on record.
  void finish_calls(const std::stop_token& lost);
  /// From now on changes in `shard` are told, and all there is to do is queued.
  void begin_work(int shard);
  /// Wait until a shard is ours; false when `stop` came first.
  bool wait_begun(const std::stop_token& stop);
  /// Look at everything again if the clock has jumped since the last look.
  void check_clock();
  /// Wait for `stop`; meanwhile look whether the clock has jumped.
  void wait(const std::stop_token& stop);
  /// Of `step`: take, renew or give up leases, if that is due; false when it is not.
  bool keep_leases();
  /// The same until `stop`; an error when a lease was lost.
  Result<void> hold_leases(const std::stop_token& stop);
  bool synced() const;
  bool wait_synced(const std::stop_token& stop) const;

  template <class Visit>
  void each_informer(const Visit& visit) {
    visit(pipelines);
    visit(revisions);
    visit(jobs);
    visit(pods);
    visit(deployments);
    visit(services_informer);
    visit(runs);
  }
  template <class Visit>
  void each_informer(const Visit& visit) const {
    const_cast<Impl*>(this)->each_informer([&](const auto& informer) { visit(informer); });
  }

  OperatorSettings settings;
  runtime::Env env;
  client::Reader& reader;
  client::Writer& writer;

  Informer<crds::Pipeline> pipelines;
  Informer<crds::PipelineRun> runs;
  Informer<api::Job> jobs;
  Informer<api::Pod> pods;
  Informer<api::Deployment> deployments;
  Informer<api::Service> services_informer;
  Informer<api::ControllerRevision> revisions;
  Caches caches;

  runtime::EventRecorder events;
  ProgressBudget progress{env.clock};
  Services services;
  Actor actor;
  Memory<RunMemory> run_memory;
  Memory<JobMemory> job_memory;
  Memory<PipelineMemory> pipeline_memory;
  RevisionCache revision_cache;
  ZoneFiles zones;

  std::atomic<bool> working{false};
  Duration clock_difference{};  ///< of wall and steady clock at the last look
  std::mutex begun_lock;
  std::condition_variable_any begun;
  // Of `step` only.
  SteadyTime next_clock_look{};
  std::optional<SteadyTime> next_lease_look;  ///< once the caches are synced
  bool lease_lost = false;
  std::atomic<std::int64_t> active_runs{0};
  runtime::WorkQueue pipeline_queue;
  runtime::WorkQueue run_queue;
  runtime::WorkQueue job_queue;
  runtime::WorkQueue trial_queue;
  ShardWork shard_work;
  PipelineReconciler pipeline_reconciler;
  UserObjects user_objects;
  RunReconciler run_reconciler;
  JobReconciler job_reconciler;
  TrialReconciler trial_reconciler;
  ShardedReconciler sharded_pipelines;
  ShardedReconciler sharded_runs;
  ShardedReconciler sharded_jobs;
  ShardedReconciler sharded_trials;
  runtime::Controller pipeline_controller;
  runtime::Controller run_controller;
  runtime::Controller job_controller;
  runtime::Controller trial_controller;
  std::optional<WebhookSink> webhook_sink;
  std::optional<runtime::ShardKeeper> keeper;  ///< none without leader election
};

Operator::Impl::Impl(client::Reader& api_reader, client::Writer& api_writer,
                     OperatorSettings options, const runtime::Env& environment, CallMaker* calls)
    : settings(std::move(options)),
      env(environment),
      reader(api_reader),
      writer(api_writer),
      pipelines(reader, informer_options<crds::Pipeline>(settings, ""), env),
      runs(reader, informer_options<crds::PipelineRun>(settings, ""), env),
      jobs(reader, informer_options<api::Job>(settings, job_selector(settings)), env),
      pods(reader, informer_options<api::Pod>(settings, job_selector(settings)), env),
      deployments(reader, informer_options<api::Deployment>(settings, logic::kPipelineRunLabel),
                  env),
      services_informer(reader, informer_options<api::Service>(settings, logic::kPipelineRunLabel),
                        env),
      revisions(reader,
                informer_options<api::ControllerRevision>(
                    settings, "app.kubernetes.io/managed-by=" + std::string(logic::kFieldManager)),
                env),
      caches{pipelines.store(), runs.store(),        jobs.store(),
             pods.store(),      deployments.store(), services_informer.store(),
             revisions.store()},
      events(writer, event_options(settings), env),
      services{reader, env.clock, env.log, env.metrics, events, settings.config, progress},
      actor(reader, writer, *this),
      zones(settings.zone_dir),
      pipeline_queue(queue_options(settings, "pipeline"), env.clock, env.metrics),
      run_queue(queue_options(settings, "run"), env.clock, env.metrics),
      job_queue(queue_options(settings, "job"), env.clock, env.metrics),
      trial_queue(queue_options(settings, "trial"), env.clock, env.metrics),
      shard_work(caches, calls, run_memory, pipeline_memory, env,
                 {settings.shards, settings.drain_timeout, [this](int k) { begin_work(k); },
                  [this](const ObjectKey& run) { run_queue.add(run); }}),
      pipeline_reconciler(services, caches, actor, pipeline_memory, revision_cache, zones,
                          trial_queue),
      user_objects(api_reader, api_writer),
      run_reconciler(services, caches, actor, run_memory, revision_cache, user_objects, calls,
                     run_queue),
      job_reconciler(services, caches, actor, job_memory, run_memory, run_queue),
      trial_reconciler(services, caches, api_writer, user_objects, pipeline_memory, revision_cache,
                       pipeline_queue),
      sharded_pipelines(pipeline_reconciler, shard_work.gate(),
                        [this](const ObjectKey& key) { return shard_work.of_pipeline(key); }),
      sharded_runs(run_reconciler, shard_work.gate(),
                   [this](const ObjectKey& key) { return shard_work.of_run(key); }),
      sharded_jobs(job_reconciler, shard_work.gate(),
                   [this](const ObjectKey& key) { return shard_work.of_job(key); }),
      sharded_trials(trial_reconciler, shard_work.gate(),
                     [this](const ObjectKey& key) { return shard_work.of_pipeline(key); }),
      pipeline_controller({.name = "pipeline", .workers = settings.workers}, pipeline_queue,
                          sharded_pipelines, env),
      run_controller({.name = "run", .workers = settings.workers}, run_queue, sharded_runs, env),
      job_controller({.name = "job", .workers = settings.workers}, job_queue, sharded_jobs, env),
      trial_controller({.name = "trial", .workers = 1}, trial_queue, sharded_trials, env) {
  MR_CHECK(settings.shards == 1 || settings.leader_elect);
  connect();
  run_reconciler.may_call = [this](const auto& run) { return shard_work.may_call(run); };
  if (settings.leader_elect) {
    keeper.emplace(reader, writer, shard_options(settings), env, shard_work);
  }
  if (!settings.webhooks) return;
  WebhookSinkOptions sink_options;
  sink_options.config = *settings.webhooks;
  webhook_sink.emplace(services, caches, actor, revision_cache, std::move(sink_options),
                       [this] { return synced(); });
}

/// Event handlers: from any object to the keys of those who care. They only add to queues,
/// and let go of what nobody needs any more.
void Operator::Impl::connect() {
  pipelines.add_index(kByChild, [](const crds::Pipeline& pipeline) {
    std::vector<std::string> children = logic::child_names(pipeline.spec);
    for (std::string& name : children) name = index_value(pipeline.metadata.ns, name);
    return children;
  });
  runs.add_index(kByPipeline, [](const crds::PipelineRun& run) {
    return std::vector<std::string>{index_value(run.metadata.ns, run.spec.ref_pipeline)};
  });
  runs.add_index(kByOwnerUid, by_owner_uid<crds::PipelineRun>);
  jobs.add_index(kByRunUid, by_run_uid<api::Job>);
  pods.add_index(kByRunUid, by_run_uid<api::Pod>);
  pods.add_index(kByOwnerUid, by_owner_uid<api::Pod>);
  deployments.add_index(kByPipeline, labelled_pipeline<api::Deployment>);
  services_informer.add_index(kByPipeline, labelled_pipeline<api::Service>);
  revisions.add_index(kByOwnerUid, by_owner_uid<api::ControllerRevision>);

  pipelines.on_change([this](const auto& old, const auto& now) {
    const crds::Pipeline& pipeline = latest(old, now);
    const ObjectKey key = api::key_of(pipeline.metadata);
    wake(pipeline_queue, key);
    if (!now) {
      pipeline_memory.forget(pipeline.metadata.uid);
      revision_cache.forget(pipeline.metadata.uid);
    }
    // Runs that wait for it, and streams that follow its replicas. Status writes concern no run.
    if (old && now && old->metadata.generation == now->metadata.generation) return;
    wake_parents(key);
    for (const auto& run : runs.store().by_index(kByPipeline, index_value(key.ns, key.name))) {
      if (logic::is_settled(*run)) continue;
      wake(run_queue, api::key_of(run->metadata));
      if (shard_work.many()) moved(*run);  // perhaps by this change
    }
  });
  runs.on_change([this](const auto& old, const auto& now) {
    const crds::PipelineRun& run = latest(old, now);
    active_runs += count_active(now) - count_active(old);
    wake(run_queue, api::key_of(run.metadata), patience_with(old, now));
    // A Job may have been seen before its run, and before its shard was known.
    const bool may_move =
        shard_work.many() && now && (!old || shard_work.of(*old) != shard_work.of(*now));
    if (may_move && !logic::is_settled(*now)) moved(*now);
    if (!now) run_memory.forget(run.metadata.uid);
    if (now) release(*now);
    // A run that is a step of another, and those that wait for a place in its group.
    const api::OwnerReference* parent = run.metadata.controller_ref();
    if (parent != nullptr && parent->kind == crds::PipelineRun::kResource.kind) {
      wake(run_queue, {run.metadata.ns, parent->name});
    }
    const bool left = !now || (logic::is_terminal(*now) && !(old && logic::is_terminal(*old)));
    if (left && !run.status.concurrency_group.empty()) wake_queued(run);
    // Only coming, going and ending matter to the Pipeline.
    if (old && now && logic::is_terminal(*old) == logic::is_terminal(*now)) return;
    wake(pipeline_queue, {run.metadata.ns, run.spec.ref_pipeline}, kPipelineDelay);
    const auto pipeline = pipelines.store().get({run.metadata.ns, run.spec.ref_pipeline});
    if (!pipeline || !pipeline->spec.stream_job) return;
    // A run of a stream takes over from its elders, and they have to notice.
    for (const auto& sibling :
         runs.store().by_index(kByPipeline, index_value(run.metadata.ns, run.spec.ref_pipeline))) {
      if (!logic::is_settled(*sibling)) wake(run_queue, api::key_of(sibling->metadata));
    }
  });
  jobs.on_change([this](const auto& old, const auto& now) {
    const api::Job& job = latest(old, now);
    const bool finished = now && logic::is_finished(*now);
    // The Job controller has no more to do; `old`, as those that are finished are trimmed.
    const bool over =
        finished && old && !job.spec.ttl_seconds_after_finished && logic::is_one_pod(*old);
    if (!over) wake(job_queue, api::key_of(job.metadata));
    const bool calm = now && !now->metadata.deletion_timestamp && (!finished || end_is_known(*now));
    wake_run_of(job.metadata, calm ? progress.calm_delay() : Duration::zero());
    if (!now || over) job_memory.forget(job.metadata.uid);
    if (finished) release_run_of(now->metadata);
  });
  pods.on_change([this](const auto& old, const auto& now) {
    // A pod that is gone, or has been given to somebody else.
    if (old && (!now || !same_owner(*old, *now))) pod_left(*old);
    if (now) {
      const bool calm = !logic::has_ended(*now) && !now->metadata.deletion_timestamp;
      const Duration delay = calm ? progress.calm_delay() : Duration::zero();
      if (const api::OwnerReference* owner = owning_job(*now)) {
        wake(job_queue, {now->metadata.ns, owner->name}, delay);
      }
      wake_run_of(now->metadata, delay);
    }
    if (now && logic::has_ended(*now)) release_run_of(now->metadata);
  });
  const auto child_of_stream = [this](const auto& old, const auto& now) {
    const auto& child = latest(old, now);
    const api::OwnerReference* owner = child.metadata.controller_ref();
    if (owner == nullptr || owner->kind != crds::PipelineRun::kResource.kind) return;
    wake(run_queue, {child.metadata.ns, owner->name});
  };
  deployments.on_change(child_of_stream);
  services_informer.on_change(child_of_stream);
  revisions.on_change([this](const auto& old, const auto& now) {
    const api::ControllerRevision& revision = latest(old, now);
    if (!now) revision_cache.forget(revision.metadata.uid);
    const api::OwnerReference* owner = revision.metadata.controller_ref();
    if (owner != nullptr && !now) wake(pipeline_queue, {revision.metadata.ns, owner->name});
  });

  env.metrics.computed("millrace_runs_active", "Runs that have not ended.", {},
                       [this] { return static_cast<double>(active_runs); });
}

std::optional<int> Operator::Impl::shard_of(const runtime::WorkQueue& queue,
                                            const ObjectKey& key) const {
  if (&queue == &run_queue) return shard_work.of_run(key);
  if (&queue == &job_queue) return shard_work.of_job(key);
  return shard_work.of_pipeline(key);
}

void Operator::Impl::wake(runtime::WorkQueue& queue, const ObjectKey& key, Duration delay) {
  if (!working) return;
  if (shard_work.many()) {
    const std::optional<int> shard = shard_of(queue, key);
    if (!shard || !shard_work.gate().owns(*shard)) return;
  }
  queue.add_after(key, delay);
}

void Operator::Impl::pod_left(const api::Pod& pod) {
  if (const api::OwnerReference* owner = owning_job(pod)) {
    // It must be remembered as having been there, if its Job was not looked at until then.
    const auto job = jobs.store().get({pod.metadata.ns, owner->name});
    if (job && !logic::is_finished(*job)) {
      job_memory.update(owner->uid, [&](JobMemory& m) {
        m.pod_seen = true;
        if (const auto slot = logic::slot_of(pod)) note_slot(m, *slot);
      });
    }
    wake(job_queue, {pod.metadata.ns, owner->name});
  }
  wake_run_of(pod.metadata, Duration::zero());
}

void Operator::Impl::moved(const crds::PipelineRun& run) {
  if (!shard_work.gate().owns(shard_work.of(run))) return shard_work.forget(run);
  const std::string uid = index_value(run.metadata.ns, run.metadata.uid);
  for (const auto& job : jobs.store().by_index(kByRunUid, uid)) {
    if (!logic::is_finished(*job)) wake(job_queue, api::key_of(job->metadata));
  }
}

Duration Operator::Impl::patience_with(const Ref<crds::PipelineRun>& old,
                                       const Ref<crds::PipelineRun>& now) const {
  if (!now || now->metadata.deletion_timestamp) return {};
  if (!old) {
    // Many schedules fire at once: all ticks get their runs before these take the API server up.
    const bool ticked = !now->metadata.label(logic::kTickLabel).empty();
    const std::size_t due = ticked ? pipeline_queue.depth() : 0;
    return due < kManyTicks ? Duration{} : std::min<Duration>(due * kTickTime, kTicksFirst);
  }
  // A status of ours, which the plan that wrote it foresaw: nothing follows from it at once. A
  // cancellation or an approval changes the generation. Who may make no calls is about to go, and
  // waits for this look, which forgets those on record.
  const bool report = AnswerScope::here() && old->metadata.generation == now->metadata.generation;
  return report && shard_work.may_call(*now) ? progress.calm_delay() : Duration{};
}

bool Operator::Impl::end_is_known(const api::Job& job) const {
  const std::string uid = index_value(job.metadata.ns, job.metadata.uid);
  const auto ended = pods.store().by_index(kByOwnerUid, uid);
  return std::any_of(ended.begin(), ended.end(),
                     [](const auto& pod) { return logic::has_ended(*pod); });
}

void Operator::Impl::wake_run_of(const api::ObjectMeta& child, Duration delay) {
  const ObjectKey run = run_of(child);
  if (!run.name.empty()) wake(run_queue, run, delay);
}

void Operator::Impl::wake_queued(const crds::PipelineRun& left) {
  for (const auto& run : runs.store().list(left.metadata.ns)) {
    const bool waits = !run->status.start_time && !logic::is_settled(*run) &&
                       run->status.concurrency_group == left.status.concurrency_group;
    if (waits) wake(run_queue, api::key_of(run->metadata));
  }
}

void Operator::Impl::wake_parents(const ObjectKey& child) {
  std::set<std::string> seen = {child.name};
  std::vector<std::string> names = {child.name};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string value = index_value(child.ns, names[i]);
    for (const auto& parent : pipelines.store().by_index(kByChild, value)) {
      if (!seen.insert(parent->metadata.name).second) continue;
      names.push_back(parent->metadata.name);
      wake(pipeline_queue, api::key_of(parent->metadata));
    }
  }
}

void Operator::Impl::wake_all(std::optional<int> shard) {
  const auto wanted = [&](const auto& object) { return !shard || shard_work.of(object) == *shard; };
  for (const auto& pipeline : pipelines.store().list()) {
    if (wanted(*pipeline)) wake(pipeline_queue, api::key_of(pipeline->metadata));
  }
  for (const auto& run : runs.store().list()) {
    if (!logic::is_settled(*run) && wanted(*run)) wake(run_queue, api::key_of(run->metadata));
  }
  for (const auto& job : jobs.store().list()) {
    const bool expires = job->spec.ttl_seconds_after_finished.has_value();
    const bool open = expires || !logic::is_finished(*job);
    if (open && wanted(*job)) wake(job_queue, api::key_of(job->metadata));
  }
}

void Operator::Impl::release(const crds::PipelineRun& run) {
  if (!logic::is_terminal(run)) return;
  const std::string uid = index_value(run.metadata.ns, run.metadata.uid);
  for (const auto& pod : pods.store().by_index(kByRunUid, uid)) {
    if (!logic::has_ended(*pod)) continue;
    const api::OwnerReference* owner = pod->metadata.controller_ref();
    const auto job = owner ? jobs.store().get({pod->metadata.ns, owner->name}) : nullptr;
    // Until the first list of Jobs is in, a Job that is not known may be one that needs its pod.
    const bool over = job ? logic::is_finished(*job) : jobs.has_synced();
    if (over) pods.drop(api::key_of(pod->metadata));
  }
  for (const auto& job : jobs.store().by_index(kByRunUid, uid)) {
    if (!logic::is_finished(*job) || job->spec.ttl_seconds_after_finished) continue;
    jobs.drop(api::key_of(job->metadata));
    job_memory.forget(job->metadata.uid);
  }
}

void Operator::Impl::release_run_of(const api::ObjectMeta& child) {
  const auto run = runs.store().get(run_of(child));
  if (run && run->metadata.uid == child.label(logic::kRunUidLabel)) release(*run);
}

void Operator::Impl::release_all() {
  for (const auto& pod : pods.store().list()) {
    if (logic::has_ended(*pod)) release_run_of(pod->metadata);
  }
  runtime::return_free_memory();
}

std::optional<Version> Operator::Impl::wrote(const api::ApiResource& resource,
                                             const std::string& json) {
  bool known = false;
  std::optional<Version> version;
  each_informer([&](auto& informer) {
    using Store = std::remove_cvref_t<decltype(informer.store())>;
    using T = std::remove_cvref_t<decltype(*informer.store().get({}))>;
    static_assert(std::is_same_v<Store, runtime::Store<T>>);
    if (known || !(T::kResource == resource)) return;
    known = true;
    const AnswerScope scope;
    const auto observed = informer.observe_text(json);
    if (observed.ok()) {
      const api::ObjectMeta& metadata = (*observed)->metadata;
      version = Version{metadata.resource_version, metadata.generation};
    } else {
      env.log.warn("answer of a write cannot be read",
                   {kv("resource", resource.plural), kv("error", observed.error())});
    }
  });
  return version;
}

bool Operator::Impl::synced() const {
  bool all = true;
  each_informer([&](const auto& informer) { all = all && informer.has_synced(); });
  return all;
}

void Operator::Impl::check_clock() {
  const Duration before = std::exchange(clock_difference, difference(env.clock));
  const Duration jump = clock_difference - before;
  if (std::chrono::abs(jump) <= kClockJump) return;
  env.log.warn("the clock has jumped, looking at everything again",
               {kv("seconds", std::chrono::duration<double>(jump).count())});
  wake_all();
}

void Operator::Impl::wait(const std::stop_token& stop) {
  while (env.pause.wait(kClockCheck, stop)) check_clock();
}

void Operator::Impl::begin_work(int shard) {
  // In this order: what changes from now on is told, what changed before is in the stores.
  const bool first = !working;
  if (first) clock_difference = difference(env.clock);
  run_reconciler.took_over(env.clock.now());
  {
    const std::lock_guard lock(begun_lock);
    working = true;
  }
  begun.notify_all();
  wake_all(shard);
  if (!first) return;
  env.log.info("reconciling", {kv("pipelines", std::uint64_t{pipelines.store().size()}),
                               kv("runs", std::uint64_t{runs.store().size()})});
}

bool Operator::Impl::wait_begun(const std::stop_token& stop) {
  std::unique_lock lock(begun_lock);
  return begun.wait(lock, stop, [this] { return working.load(); });
}

void Operator::Impl::finish_calls(const std::stop_token& lost) {
  const SteadyTime deadline = env.clock.steady() + settings.drain_timeout;
  shard_work.begin_ending();
  bool told = false;
  while (shard_work.calls_under_way() && env.clock.steady() < deadline) {
    if (!std::exchange(told, true)) env.log.info("waiting for calls under way");
    if (!env.pause.wait(kCallCheck, lost)) return;
  }
}

void Operator::Impl::work(const std::stop_token& stop, const std::stop_token& lost) {
  events.start();
  pipeline_controller.start();
  run_controller.start();
  job_controller.start();
  trial_controller.start();
  const std::stop_callback cut(lost, [this] {
    shard_work.gate().shut();
    trial_controller.cut();
    pipeline_controller.cut();
    run_controller.cut();
    job_controller.cut();
  });
  wait(stop);
  if (!lost.stop_requested()) finish_calls(lost);
  const SteadyTime now = env.clock.steady();
  const SteadyTime deadline = lost.stop_requested() ? now : now + settings.drain_timeout;
  trial_controller.stop(now);
  pipeline_controller.stop(deadline);
  run_controller.stop(deadline);
  job_controller.stop(deadline);
  shard_work.cut_calls();  // before the lease is given up: nobody else sends them while we do
  events.stop(deadline);
}

bool Operator::Impl::keep_leases() {
  if (lease_lost || !next_lease_look || env.clock.steady() < *next_lease_look) return false;
  const Result<Duration> next = keeper->step({});
  lease_lost = !next.ok();
  if (next.ok()) next_lease_look = env.clock.steady() + *next;
  return true;
}

Result<void> Operator::Impl::hold_leases(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    MR_ASSIGN(const Duration next, keeper->step(stop));
    env.pause.wait(next, stop);
  }
  return {};
}

bool Operator::Impl::wait_synced(const std::stop_token& stop) const {
  bool all = true;
  each_informer([&](const auto& informer) {
    while (all && !informer.has_synced()) {
      if (stop.stop_requested()) {
        all = false;
      } else if (!informer.wait_synced(stop, env.clock.steady() + std::chrono::minutes(1)) &&
                 !stop.stop_requested()) {
        using T = std::remove_cvref_t<decltype(*informer.store().get({}))>;
        env.log.warn("still waiting for the first list; the warnings before this one say why",
                     {kv("resource", T::kResource.plural), kv("group", T::kResource.group)});
      }
    }
  });
  return all;
}

Operator::Operator(client::Reader& reader, client::Writer& writer, OperatorSettings settings,
                   const runtime::Env& env, CallMaker* calls)
    : impl_(std::make_unique<Impl>(reader, writer, std::move(settings), env, calls)) {}

Operator::~Operator() = default;

bool Operator::ready() const { return impl_->synced(); }

std::string Operator::note() const { return impl_->keeper ? impl_->keeper->blocked() : ""; }

delivery::DeliverySink* Operator::deliveries() {
  return impl_->webhook_sink ? &*impl_->webhook_sink : nullptr;
}

bool Operator::working() const { return impl_->working; }
bool Operator::holds(int shard) const { return impl_->keeper && impl_->keeper->holds(shard); }
bool Operator::lease_lost() const { return impl_->lease_lost; }

int Operator::parts() { return 14; }

bool Operator::step(int part) {
  Impl& o = *impl_;
  int number = 0;
  bool did = false;
  o.each_informer([&](auto& informer) {
    if (number++ == part) did = informer.advance();
  });
  if (part < number) return did;
  if (!o.working) {
    if (!o.synced()) return false;
    if (!o.next_lease_look) {
      o.release_all();
      o.next_lease_look = o.env.clock.steady();
    }
    if (!o.keeper) {
      o.begin_work(0);
    } else {
      o.keep_leases();
    }
    o.next_clock_look = o.env.clock.steady() + kClockCheck;
    return o.working;
  }
  switch (part - number) {
    case 0:
      return o.pipeline_controller.work_once();
    case 1:
      return o.run_controller.work_once();
    case 2:
      return o.job_controller.work_once();
    case 3:
      return o.trial_controller.work_once();
    case 4:
      return o.events.work_once();
    case 5:
      return o.keeper && o.keep_leases();
    default:
      break;
  }
  if (o.env.clock.steady() < o.next_clock_look) return false;
  o.next_clock_look = o.env.clock.steady() + kClockCheck;
  o.check_clock();
  return true;
}

SteadyTime Operator::next_due() const {
  const Impl& o = *impl_;
  SteadyTime next = SteadyTime::max();
  o.each_informer([&](const auto& informer) { next = std::min(next, informer.next_due()); });
  if (o.keeper && o.next_lease_look) next = std::min(next, *o.next_lease_look);
  if (!o.working) return next;
  for (const auto* queue : {&o.pipeline_queue, &o.run_queue, &o.job_queue, &o.trial_queue}) {
    if (const auto due = queue->next_due()) next = std::min(next, *due);
  }
  if (const auto due = o.events.next_due()) next = std::min(next, *due);
  return std::min(next, o.next_clock_look);
}

namespace {

/// Decides on webhooks while it lives; in every replica, as names of runs are the same in all.
class WebhookService {
 public:
  explicit WebhookService(std::optional<WebhookSink>& sink) : sink_(sink) {
    if (sink_) sink_->start();
  }
  ~WebhookService() {
    if (sink_) sink_->stop();
  }
  WebhookService(const WebhookService&) = delete;
  WebhookService& operator=(const WebhookService&) = delete;

 private:
  std::optional<WebhookSink>& sink_;
};

}  // namespace

OperatorEnd Operator::run(const std::stop_token& stop) {
  Impl& o = *impl_;
  o.each_informer([](auto& informer) { informer.start(); });
  const WebhookService webhooks(o.webhook_sink);
  // Caches fill while another one leads, so that a take-over starts at once.
  if (!o.wait_synced(stop)) return OperatorEnd::Stopped;
  o.release_all();
  if (!o.keeper) {
    o.begin_work(0);
    o.work(stop, {});
    return OperatorEnd::Stopped;
  }

  // Leases are renewed until the workers have drained; then they are given up.
  o.keeper->renew_on_threads();
  std::stop_source hold_stop;
  std::stop_source work_stop;
  std::stop_source lost;
  const std::stop_callback forward(stop, [&] { work_stop.request_stop(); });
  const std::stop_callback close(work_stop.get_token(), [&] { o.keeper->take_no_more(); });
  Result<void> held;
  std::thread holder([&] {
    runtime::name_this_thread("mr-lease");
    held = o.hold_leases(hold_stop.get_token());
    if (!held.ok()) lost.request_stop();
    work_stop.request_stop();
  });
  if (o.wait_begun(work_stop.get_token())) {
    o.work(work_stop.get_token(), lost.get_token());
  }
  hold_stop.request_stop();
  holder.join();
  if (!held.ok()) {
    o.env.log.error("the lease is lost", {kv("error", held.error())});
    return OperatorEnd::LeaseLost;
  }
  o.keeper->release();
  return OperatorEnd::Stopped;
}

}  // namespace millrace::shell
