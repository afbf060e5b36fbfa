#include "controllers/shell/run_reconciler.h"

#include <algorithm>

#include "controllers/logic/expire.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/retry_of.h"
#include "controllers/logic/stream.h"
#include "controllers/shell/events.h"
#include "controllers/shell/live.h"
#include "controllers/shell/trim.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/json_writer.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::shell {

using logic::Action;
using logic::LiveParts;
using logic::RunInput;
using logic::RunPlan;

struct RunReconciler::Gathered {
  runtime::Ref<crds::PipelineRun> run;
  runtime::Ref<crds::Pipeline> pipeline;
  RevisionRef current;
  RevisionRef revision;
  std::vector<runtime::Ref<api::Job>> jobs;
  std::vector<runtime::Ref<api::Pod>> pods;
  std::vector<runtime::Ref<crds::PipelineRun>> siblings;
  std::vector<runtime::Ref<api::Deployment>> deployments;
  std::vector<runtime::Ref<api::Service>> services;
  std::vector<runtime::Ref<crds::PipelineRun>> children;
  std::vector<runtime::Ref<crds::PipelineRun>> others;
  runtime::Ref<crds::PipelineRun> retried;
  std::map<std::string, logic::CallState> calls;
  std::map<std::string, logic::ObjectState> objects;
  RunMemory memory;
  std::optional<logic::CreateFailure> create_failure;
  LiveParts live;
};

namespace {

template <class T>
std::vector<const T*> pointers(const std::vector<runtime::Ref<T>>& refs) {
  std::vector<const T*> out;
  out.reserve(refs.size());
  for (const auto& ref : refs) out.push_back(ref.get());
  return out;
}

/// A Job is to be made that was made before and is no longer in the cache. Perhaps its run is gone
/// and it was collected with it, which a cache of runs that lags does not tell: made again, it
/// would be collected again, as fast as the server answers.
bool repeats_create(const RunMemory& memory, const RunPlan& plan) {
  return std::any_of(plan.actions.begin(), plan.actions.end(), [&](const Action& action) {
    if (!makes_job(action)) return false;
    const auto known = memory.made_jobs.find(action.key.name);
    return known != memory.made_jobs.end() && known->second.made;
  });
}

/// Whether runs of other pipelines are steps of it.
bool starts_runs(const logic::Revision& revision) {
  if (!revision.plan || !revision.plan->ok()) return false;
  const auto& nodes = (*revision.plan)->nodes;
  return std::any_of(nodes.begin(), nodes.end(), [](const logic::Node& node) {
    return std::holds_alternative<logic::ChildStep>(node.action);
  });
}

/// How far the clock that stamps objects may be ahead of ours.
constexpr Duration kClockSlack = std::chrono::seconds(2);

/// A call is begun that is on record already, by the run's status or by its creation: this process
/// has just taken over. Perhaps the answer is on record too by now.
bool resumes_call(const crds::PipelineRun& run, const RunPlan& plan, Time taken_over) {
  if (plan.calls.empty() || plan.status) return false;
  const Time created = run.metadata.creation_timestamp.value_or(taken_over);
  return !run.status.conditions.empty() || created <= taken_over + kClockSlack;
}

constexpr Duration kPlaceRecheck = std::chrono::milliseconds(50);

bool is_stream(const crds::Pipeline& pipeline) { return pipeline.spec.stream_job.has_value(); }

}  // namespace

/// The right to take a place in a group, from the look at who has one to the write that takes it:
/// of two workers, one may have looked before the other stood in line, and be overtaken by it.
class RunReconciler::Place {
 public:
  Place(Guarded<std::set<std::string>>& deciding, const crds::PipelineRun& run)
      : deciding_(deciding) {
    const std::string& group = run.status.concurrency_group;
    if (group.empty() || run.status.start_time) return;
    name_ = run.metadata.ns + "/" + group;
    taken_ = !deciding_.lock()->insert(name_).second;
  }
  ~Place() {
    if (!name_.empty() && !taken_) deciding_.lock()->erase(name_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  bool taken() const { return taken_; }  ///< by another worker

 private:
  Guarded<std::set<std::string>>& deciding_;
  std::string name_;
  bool taken_ = false;
};

RunReconciler::RunReconciler(const Services& services, const Caches& caches, Actor& actor,
                             Memory<RunMemory>& memory, RevisionCache& revisions,
                             UserObjects& objects, CallMaker* calls, runtime::WorkQueue& queue)
    : services_(services),
      caches_(caches),
      actor_(actor),
      memory_(memory),
      revisions_(revisions),
      objects_(objects),
      calls_(calls),
      queue_(queue) {}

Result<runtime::Outcome> RunReconciler::reconcile(const ObjectKey& key,
                                                  const runtime::ReconcileContext& context) {
  Gathered gathered;
  gathered.run = caches_.runs.get(key);
  if (!gathered.run) return runtime::Done{};
  if (logic::is_settled(*gathered.run)) {
    memory_.forget(gathered.run->metadata.uid);
    if (calls_ != nullptr) calls_->forget_run(gathered.run->metadata.uid);
    return runtime::Done{};
  }
  const Place place(deciding_, *gathered.run);
  if (place.taken()) return runtime::RequeueAfter{kPlaceRecheck};
  gather_cached(*gathered.run, gathered);
  MR_ASSIGN(RunPlan first, plan(gathered, context.stop));
  return act(gathered, std::move(first), context.stop);
}

void RunReconciler::gather_cached(const crds::PipelineRun& run, Gathered& out) const {
  const std::string& ns = run.metadata.ns;
  const std::string& uid = run.metadata.uid;
  out.memory = memory_.get(uid);
  out.pipeline = caches_.pipelines.get({ns, run.spec.ref_pipeline});
  if (out.pipeline) out.current = revisions_.current(*out.pipeline);
  out.jobs = caches_.jobs.by_index(kByRunUid, index_value(ns, uid));
  out.pods = caches_.pods.by_index(kByRunUid, index_value(ns, uid));
  std::string chosen = logic::chosen_revision(run, pointers(out.jobs));
  if (chosen.empty() && out.current) chosen = out.current->name;
  if (!chosen.empty()) {
    if (const auto object = caches_.revisions.get({ns, chosen})) {
      if (auto revision = revisions_.read(*object); revision.ok()) out.revision = *revision;
    }
  }
  gather_graph(run, out);
  const bool stream = out.pipeline ? is_stream(*out.pipeline)
                                   : run.status.cluster.has_value() &&
                                         !run.status.cluster->deployment_names.empty();
  if (!stream) return;
  out.siblings = caches_.runs.by_index(kByPipeline, index_value(ns, run.spec.ref_pipeline));
  const std::string labelled = index_value(ns, logic::label_value(run.spec.ref_pipeline));
  out.deployments = caches_.deployments.by_index(kByPipeline, labelled);
  out.services = caches_.services.by_index(kByPipeline, labelled);
}

void RunReconciler::gather_graph(const crds::PipelineRun& run, Gathered& out) const {
  const logic::Revision* frozen = out.revision ? out.revision.get() : out.current.get();
  out.children.clear();
  out.others.clear();
  if (frozen == nullptr || !frozen->plan || !frozen->plan->ok()) return;
  const std::string& ns = run.metadata.ns;
  out.children = caches_.runs.by_index(kByOwnerUid, index_value(ns, run.metadata.uid));
  if (calls_ != nullptr) out.calls = calls_->states(run.metadata.uid);
  if (!(*frozen->plan)->concurrency || run.status.start_time) return;
  for (auto& other : caches_.runs.list(ns)) {
    if (!logic::is_terminal(*other)) out.others.push_back(std::move(other));
  }
}

/// The run that this one takes up again, whole: the cache keeps no steps of runs that have ended.
Result<void> RunReconciler::gather_retried(Gathered& out, const std::stop_token& stop) const {
  const crds::PipelineRun& run = *out.run;
  const crds::PipelineRunStatus& known = run.status;
  const bool begun = known.start_time || !known.step_states.empty() || known.archive;
  if (run.spec.retry_of.empty() || begun || out.retried) return {};
  client::CallOptions options;
  options.stop = stop;
  const std::string& ns = run.metadata.ns;
  auto found = client::get<crds::PipelineRun>(services_.reader, {ns, run.spec.retry_of}, options);
  if (!found.ok() && found.error().code == Code::NotFound) return {};
  MR_ASSIGN(crds::PipelineRun retried, std::move(found));
  const auto archive = retried.status.archive.value_or(crds::StepArchive{});
  for (const std::string& name : archive.revisions) {
    const auto object = client::get<api::ControllerRevision>(services_.reader, {ns, name}, options);
    if (object.ok()) {
      logic::restore_steps(retried, *object);
    } else if (object.error().code != Code::NotFound) {
      return fail(Error(object.error()));
    }
  }
  out.retried = std::make_shared<const crds::PipelineRun>(std::move(retried));
  return {};
}

Result<void> RunReconciler::gather_live(const LiveParts& parts, Gathered& out,
                                        const std::stop_token& stop) const {
  LiveReader live(services_.reader, stop);
  const std::string ns = out.run->metadata.ns;
  const std::string uid = out.run->metadata.uid;
  if (parts.workload) {
    MR_ASSIGN(auto run, live.find<crds::PipelineRun>({ns, out.run->metadata.name}));
    // Gone, or another object of the same name: the watch will say so, nothing to decide here.
    if (!run || run->metadata.uid != uid) return fail(Code::NotFound, "the run is gone");
    out.run = std::move(run);
    const std::string selector = std::string(logic::kRunUidLabel) + "=" + uid;
    MR_ASSIGN(out.jobs, live.list<api::Job>(ns, selector));
    MR_ASSIGN(out.pods, live.list<api::Pod>(ns, selector));
  }
  if (parts.pipeline) {
    MR_ASSIGN(out.pipeline, live.find<crds::Pipeline>({ns, out.run->spec.ref_pipeline}));
    out.current = out.pipeline ? revisions_.current(*out.pipeline) : nullptr;
  }
  if (parts.revision || parts.workload) {
    std::string chosen = logic::chosen_revision(*out.run, pointers(out.jobs));
    if (chosen.empty() && out.current) chosen = out.current->name;
    out.revision = nullptr;
    if (!chosen.empty()) {
      MR_ASSIGN(auto object, live.find<api::ControllerRevision>({ns, chosen}));
      if (object) {
        MR_ASSIGN(out.revision, revisions_.read(*object));
      }
    }
  }
  const logic::Revision* frozen = out.revision ? out.revision.get() : out.current.get();
  if (parts.workload && frozen != nullptr && frozen->frozen.spec.stream_job) {
    const auto children = logic::stream_children(out.run->spec.ref_pipeline, frozen->frozen);
    out.deployments.clear();
    for (const std::string& name : children.deployments) {
      MR_ASSIGN(auto found, live.find<api::Deployment>({ns, name}));
      if (found) out.deployments.push_back(std::move(found));
    }
    out.services.clear();
    for (const std::string& name : children.services) {
      MR_ASSIGN(auto found, live.find<api::Service>({ns, name}));
      if (found) out.services.push_back(std::move(found));
    }
  }
  if (parts.siblings) {
    MR_ASSIGN(auto runs, live.list<crds::PipelineRun>(ns, ""));
    out.others.clear();
    for (auto& other : runs) {
      if (!logic::is_terminal(*other)) out.others.push_back(std::move(other));
    }
  }
  if (parts.workload) {
    out.children.clear();
    if (frozen != nullptr && starts_runs(*frozen)) {
      const std::string selector =
          std::string(logic::kRunLabel) + "=" + logic::label_value(out.run->metadata.name);
      MR_ASSIGN(auto runs, live.list<crds::PipelineRun>(ns, selector));
      for (auto& child : runs) {  // also those that no cache knows yet
        const api::OwnerReference* owner = child->metadata.controller_ref();
        if (owner != nullptr && owner->uid == uid) out.children.push_back(std::move(child));
      }
    }
  }
  out.live.siblings |= parts.siblings;
  out.live.pipeline |= parts.pipeline;
  out.live.revision |= parts.revision;
  out.live.workload |= parts.workload;
  return {};
}

RunInput RunReconciler::input_of(const Gathered& gathered) const {
  RunInput input;
  input.now = services_.clock.now();
  input.live = gathered.live;
  input.run = gathered.run.get();
  input.pipeline = gathered.pipeline.get();
  if (gathered.pipeline && gathered.pipeline->spec.strategy) {
    const auto expire = logic::parse_expire(gathered.pipeline->spec.strategy->expire);
    input.expired = expire.ok() && logic::is_expired(*expire, input.now);
  }
  input.current = gathered.current.get();
  input.revision = gathered.revision.get();
  input.config = services_.config;
  input.jobs = pointers(gathered.jobs);
  input.pods = pointers(gathered.pods);
  input.siblings = pointers(gathered.siblings);
  input.deployments = pointers(gathered.deployments);
  input.services = pointers(gathered.services);
  input.children = pointers(gathered.children);
  input.others = pointers(gathered.others);
  input.retried = gathered.retried.get();
  input.calls = gathered.calls;
  input.objects = gathered.objects;
  input.applied = gathered.memory.applied;
  input.last_create = gathered.memory.last_create;
  input.last_status_write = gathered.memory.last_status_write;
  input.may_report = services_.progress.has_token();
  input.create_failure = gathered.create_failure;
  input.pod_failure = gathered.memory.pod_failure;
  input.looked = gathered.memory.looked;
  input.archive_held = gathered.memory.archive_held;
  return input;
}

Result<RunPlan> RunReconciler::plan(Gathered& gathered, const std::stop_token& stop) const {
  MR_TRY(gather_retried(gathered, stop));
  RunPlan plan = logic::plan_run(input_of(gathered));
  // Each round adds a part or objects, so that few rounds see everything.
  constexpr int kMostRounds = 12;
  for (int round = 0; round < kMostRounds; ++round) {
    LiveParts needed = plan.needs_live;
    needed.workload |= !gathered.live.workload &&
                       (repeats_create(gathered.memory, plan) ||
                        resumes_call(*gathered.run, plan, Time(Time::duration(taken_over_))));
    if (!needed.any() && plan.needs_objects.empty()) return plan;
    if (needed.any()) MR_TRY(gather_live(needed, gathered, stop));
    for (const logic::ObjectRef& ref : plan.needs_objects) {
      gathered.objects[ref.node] = objects_.look(ref, stop);
      gathered.memory.looked[ref.node] = services_.clock.now();
    }
    plan = logic::plan_run(input_of(gathered));
  }
  MR_CHECK(!plan.needs_live.any() && plan.needs_objects.empty());
  return plan;
}

Result<runtime::Outcome> RunReconciler::act(Gathered& gathered, RunPlan todo,
                                            const std::stop_token& stop) {
  const ObjectKey key = api::key_of(gathered.run->metadata);
  const std::string uid = gathered.run->metadata.uid;
  if (!gathered.objects.empty() || todo.hold_archive) {
    memory_.update(uid, [&](RunMemory& m) {
      m.looked = gathered.memory.looked;
      if (todo.hold_archive) {
        m.archive_held =
            services_.clock.now() + std::chrono::ceil<Time::duration>(*todo.hold_archive);
      }
    });
  }
  std::string version = gathered.run->metadata.resource_version;
  for (const Action& action : todo.actions) {
    Result<ActionResult> done = ActionResult{};
    if (makes_job(action)) {  // before it is there for the Job controller to see
      memory_.update(uid, [&](RunMemory& m) { ++m.made_jobs[action.key.name].tries; });
    }
    if (!action.service_account.empty()) {
      const auto applied = objects_.apply(action, stop);
      if (!applied.ok()) done = fail(Error(applied.error()));
    } else {
      done = actor_.perform(action, stop);
    }
    if (!done.ok()) {
      const bool makes = action.verb == Action::Verb::Create || action.verb == Action::Verb::Apply;
      if (!makes || !is_refusal(done.error()) || gathered.create_failure) {
        return fail(std::move(done).error());
      }
      logic::CreateFailure failure{std::move(done).error(), std::string(action.resource.kind),
                                   action.key, 1};
      memory_.update(uid, [&](RunMemory& m) { failure.count = ++m.create_failures; });
      services_.log.warn("create refused",
                         {kv("controller", "run"), kv("object", key), kv("child", action.key.name),
                          kv("code", to_string(failure.error.code)), kv("error", failure.error)});
      // What was written before the refusal is in the caches by now.
      gathered.run = caches_.runs.get(key);
      if (!gathered.run || gathered.run->metadata.uid != uid) return runtime::Done{};
      gather_cached(*gathered.run, gathered);
      gathered.live = {};
      gathered.create_failure = std::move(failure);
      MR_ASSIGN(RunPlan second, plan(gathered, stop));
      return act(gathered, std::move(second), stop);
    }
    const Time now = services_.clock.now();
    if (action.verb == Action::Verb::Create) {
      memory_.update(uid, [&](RunMemory& m) {
        m.last_create = now;
        if (!makes_job(action)) return;
        MadeJob& job = m.made_jobs[action.key.name];
        job.made = true;
        if (done->existed) ++job.tries;
      });
    }
    if (action.verb == Action::Verb::Create || action.verb == Action::Verb::Apply) {
      memory_.update(uid, [&](RunMemory& m) { m.create_failures = 0; });
    }
    if (action.verb == Action::Verb::Apply &&
        action.resource.plural == api::Deployment::kResource.plural) {
      memory_.update(uid,
                     [&](RunMemory& m) { m.applied[action.key.name] = done->version.generation; });
    }
    if (action.verb == Action::Verb::MergePatch &&
        action.resource.plural == crds::PipelineRun::kResource.plural && action.key == key) {
      version = done->version.resource_version;
    }
  }
  if (todo.status) {
    auto written = actor_.write_status(crds::PipelineRun::kResource, key, version,
                                       codec::encode(*todo.status), stop);
    if (!written.ok()) return fail(std::move(written).error());
    if (todo.reports) services_.progress.spend();
    const Time now = services_.clock.now();
    memory_.update(uid, [&](RunMemory& m) { m.last_status_write = now; });
    count_outcome(*gathered.run, *todo.status);
    record(*gathered.run, todo.notes);
  }
  MR_TRY(make_calls(*gathered.run, todo, stop));
  if (!todo.calls.empty() && !todo.status) {
    const Time now = services_.clock.now();
    memory_.update(uid, [&](RunMemory& m) { m.last_create = now; });
  }
  if (!todo.recheck) return runtime::Done{};
  return runtime::RequeueAfter{*todo.recheck};
}

Result<void> RunReconciler::make_calls(const crds::PipelineRun& run, const RunPlan& todo,
                                       const std::stop_token& stop) {
  if (calls_ == nullptr) return {};
  const std::string& uid = run.metadata.uid;
  for (const std::string& key : todo.forget_calls) calls_->forget(uid, key);
  if (may_call && !may_call(run)) return {};
  const ObjectKey name = api::key_of(run.metadata);
  for (const logic::CallOrder& order : todo.calls) {
    MR_TRY(calls_->begin(
        uid, run.metadata.ns, order, [this, name] { queue_.add(name); }, stop));
  }
  return {};
}

void RunReconciler::record(const crds::PipelineRun& run,
                           const std::vector<logic::Note>& notes) const {
  for (const logic::Note& note : notes) {
    services_.log.info("run transition",
                       {kv("controller", "run"), kv("object", api::key_of(run.metadata)),
                        kv("reason", note.reason), kv("note", note.message)});
    record_note(services_.events, crds::PipelineRun::kResource, run.metadata, note);
  }
}

void RunReconciler::count_outcome(const crds::PipelineRun& run,
                                  const crds::PipelineRunStatus& after) const {
  if (!after.completion_time) return;
  const api::Condition* cancelled = api::find_condition(after.conditions, "Cancelled");
  const api::Condition* succeeded = api::find_condition(after.conditions, "Succeeded");
  const char* outcome = cancelled != nullptr && cancelled->status == "True"   ? "cancelled"
                        : succeeded != nullptr && succeeded->status == "True" ? "succeeded"
                                                                              : "failed";
  services_.metrics
      .counter("millrace_runs_total", "Runs that ended, by outcome.", {{"outcome", outcome}})
      .add();
  if (run.metadata.creation_timestamp) {
    const auto took =
        std::chrono::duration<double>(*after.completion_time - *run.metadata.creation_timestamp);
    services_.metrics
        .histogram("millrace_run_seconds", "From a run's creation to its end.",
                   {{"outcome", outcome}})
        .observe(took.count());
  }
}

}  // namespace millrace::shell
