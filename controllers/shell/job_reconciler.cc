#include "controllers/shell/job_reconciler.h"

#include <algorithm>

#include "controllers/logic/job_many.h"
#include "controllers/logic/labels.h"
#include "controllers/shell/live.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::shell {

using logic::Action;
using logic::JobPlan;

struct JobReconciler::Gathered {
  runtime::Ref<api::Job> job;
  std::vector<runtime::Ref<api::Pod>> pods;
  runtime::Ref<crds::PipelineRun> run;  ///< what stands where logic::run_of_job points
  JobMemory memory;
  std::optional<logic::CreateFailure> create_failure;
  bool live = false;
};

void note_slot(JobMemory& memory, logic::PodSlot slot) {
  const auto [it, fresh] = memory.slots_seen.try_emplace(slot.slot, slot.attempt);
  if (!fresh) it->second = std::max(it->second, slot.attempt);
}

ObjectKey run_of(const api::ObjectMeta& child) {
  const std::string& full = child.annotation(logic::kRunAnnotation);
  return {child.ns, full.empty() ? child.label(logic::kRunLabel) : full};
}

JobReconciler::JobReconciler(const Services& services, const Caches& caches, Actor& actor,
                             Memory<JobMemory>& memory, Memory<RunMemory>& run_memory,
                             runtime::WorkQueue& runs)
    : services_(services),
      caches_(caches),
      actor_(actor),
      memory_(memory),
      run_memory_(run_memory),
      runs_(runs) {}

Result<runtime::Outcome> JobReconciler::reconcile(const ObjectKey& key,
                                                  const runtime::ReconcileContext& context) {
  Gathered gathered;
  gathered.job = caches_.jobs.get(key);
  if (!gathered.job) return runtime::Done{};
  const std::string& uid = gathered.job->metadata.uid;
  if (logic::is_finished(*gathered.job)) memory_.forget(uid);
  gathered.pods = caches_.pods.by_index(kByOwnerUid, index_value(key.ns, uid));
  if (const api::OwnerReference* run = logic::run_of_job(*gathered.job)) {
    gathered.run = caches_.runs.get({key.ns, run->name});
  }
  gathered.memory = remember(*gathered.job, gathered.pods);
  MR_ASSIGN(const JobPlan first, plan(gathered, context.stop));
  return act(gathered, first, context.stop);
}

JobMemory JobReconciler::remember(const api::Job& job,
                                  const std::vector<runtime::Ref<api::Pod>>& pods) const {
  const std::string& uid = job.metadata.uid;
  const bool many = !logic::is_one_pod(job);
  JobMemory known = memory_.get(uid);
  if (pods.empty() || logic::is_finished(job) || (known.pod_seen && !many)) return known;
  memory_.update(uid, [&](JobMemory& m) {
    m.pod_seen = true;
    for (const auto& pod : pods) {
      if (const auto slot = logic::slot_of(*pod)) note_slot(m, *slot);
    }
    known = m;
  });
  return known;
}

void JobReconciler::note_done(const Gathered& gathered, const Action& action) const {
  const std::string& uid = gathered.job->metadata.uid;
  if (action.verb == Action::Verb::Create) {
    const codec::Value* text =
        action.body.at_path({"metadata", "annotations", logic::kSlotAnnotation});
    const auto slot = text ? logic::parse_slot(text->as_string()) : std::nullopt;
    memory_.update(uid, [&](JobMemory& m) {
      m.pod_seen = true;
      m.create_failures = 0;
      if (slot) note_slot(m, *slot);
    });
    tell_run(*gathered.job, std::nullopt);
  } else if (action.verb == Action::Verb::PatchStatus && !logic::is_one_pod(*gathered.job)) {
    memory_.update(uid, [&](JobMemory& m) { m.last_status_write = services_.clock.now(); });
  }
}

bool JobReconciler::is_shared(const Gathered& gathered) const {
  const api::ObjectMeta& job = gathered.job->metadata;
  if (!gathered.pods.empty() || gathered.memory.tried) return true;
  return run_memory_.read(job.label(logic::kRunUidLabel), [&](const RunMemory& m) {
    const auto known = m.made_jobs.find(job.name);
    return known == m.made_jobs.end() || known->second.tries > 1;
  });
}

logic::JobInput JobReconciler::input_of(const Gathered& gathered) const {
  logic::JobInput input;
  input.now = services_.clock.now();
  input.live = gathered.live;
  input.job = gathered.job.get();
  for (const auto& pod : gathered.pods) input.pods.push_back(pod.get());
  input.run = gathered.run.get();
  input.alone = services_.config.run_unmanaged_jobs;
  input.pod_seen = gathered.memory.pod_seen;
  input.shared = is_shared(gathered);
  input.slots_seen = gathered.memory.slots_seen;
  input.last_status_write = gathered.memory.last_status_write;
  input.may_report = services_.progress.has_token();
  input.create_failure = gathered.create_failure;
  return input;
}

Result<void> JobReconciler::gather_live(Gathered& gathered, const std::stop_token& stop) const {
  const LiveReader live(services_.reader, stop);
  const std::string uid = gathered.job->metadata.uid;
  MR_ASSIGN(auto job, live.find<api::Job>(api::key_of(gathered.job->metadata)));
  if (!job || job->metadata.uid != uid) return fail(Code::NotFound, "the Job is gone");
  const std::string selector = "batch.kubernetes.io/controller-uid=" + uid;
  MR_ASSIGN(gathered.pods, live.list<api::Pod>(job->metadata.ns, selector));
  if (const api::OwnerReference* run = logic::run_of_job(*job)) {
    MR_ASSIGN(gathered.run, live.find<crds::PipelineRun>({job->metadata.ns, run->name}));
  }
  gathered.job = std::move(job);
  gathered.live = true;
  return {};
}

Result<JobPlan> JobReconciler::plan(Gathered& gathered, const std::stop_token& stop) const {
  JobPlan plan = logic::plan_job(input_of(gathered));
  if (!plan.needs_live) return plan;
  MR_TRY(gather_live(gathered, stop));
  plan = logic::plan_job(input_of(gathered));
  MR_CHECK(!plan.needs_live);
  return plan;
}

Result<runtime::Outcome> JobReconciler::act(Gathered& gathered, const JobPlan& todo,
                                            const std::stop_token& stop) {
  const std::string uid = gathered.job->metadata.uid;
  bool met = false;
  for (const Action& action : todo.actions) {
    if (action.verb == Action::Verb::Create) {
      memory_.update(uid, [](JobMemory& m) { m.tried = true; });
    }
    auto done = actor_.perform(action, stop);
    if (done.ok()) {
      met = met || done->existed;
      note_done(gathered, action);
      continue;
    }
    if (action.verb != Action::Verb::Create || !is_refusal(done.error()) ||
        gathered.create_failure) {
      return fail(std::move(done).error());
    }
    logic::CreateFailure failure{std::move(done).error(), std::string(action.resource.kind),
                                 action.key, 1};
    memory_.update(uid, [&](JobMemory& m) { failure.count = ++m.create_failures; });
    services_.log.warn("create refused",
                       {kv("controller", "job"), kv("object", api::key_of(gathered.job->metadata)),
                        kv("child", action.key.name), kv("code", to_string(failure.error.code)),
                        kv("error", failure.error)});
    tell_run(*gathered.job, failure);
    gathered.create_failure = std::move(failure);
    gathered.live = false;
    MR_ASSIGN(const JobPlan second, plan(gathered, stop));
    return act(gathered, second, stop);
  }
  if (todo.reports) services_.progress.spend();
  // A pod that was there before us may have left the cache for good, and then raises no event.
  if (met) return runtime::RequeueAfter{};
  if (!todo.recheck) return runtime::Done{};
  return runtime::RequeueAfter{*todo.recheck};
}

void JobReconciler::tell_run(const api::Job& job,
                             std::optional<logic::CreateFailure> failure) const {
  const std::string& run_uid = job.metadata.label(logic::kRunUidLabel);
  if (run_uid.empty()) return;
  bool changed = false;
  run_memory_.update(run_uid, [&](RunMemory& m) {
    changed = m.pod_failure.has_value() || failure.has_value();
    m.pod_failure = std::move(failure);
  });
  if (changed) runs_.add(run_of(job.metadata));
}

}  // namespace millrace::shell
