#include "controllers/shell/pipeline_reconciler.h"

#include <algorithm>
#include <set>

#include "controllers/logic/child_check.h"
#include "controllers/shell/events.h"
#include "controllers/shell/live.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::shell {

using logic::Action;
using logic::PipelinePlan;

PipelineReconciler::PipelineReconciler(const Services& services, const Caches& caches, Actor& actor,
                                       Memory<PipelineMemory>& memory, RevisionCache& revisions,
                                       ZoneFiles& zones, runtime::WorkQueue& trials)
    : services_(services),
      caches_(caches),
      actor_(actor),
      memory_(memory),
      revisions_(revisions),
      zones_(zones),
      trials_(trials),
      lateness_(services.metrics.histogram("millrace_tick_lateness_seconds",
                                           "From a tick of a schedule to its run's creation.")) {}

std::vector<runtime::Ref<crds::Pipeline>> PipelineReconciler::children_of(
    const crds::Pipeline& pipeline) const {
  std::vector<runtime::Ref<crds::Pipeline>> found;
  std::set<std::string> seen;
  const auto add = [&](const crds::PipelineSpec& spec) {
    for (const std::string& name : logic::child_names(spec)) {
      if (!seen.insert(name).second) continue;
      if (auto child = caches_.pipelines.get({pipeline.metadata.ns, name})) {
        found.push_back(std::move(child));
      }
    }
  };
  add(pipeline.spec);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto child = found[i];
    add(child->spec);
  }
  return found;
}

Result<runtime::Outcome> PipelineReconciler::reconcile(const ObjectKey& key,
                                                       const runtime::ReconcileContext& context) {
  const auto pipeline = caches_.pipelines.get(key);
  if (!pipeline) return runtime::Done{};
  const std::string& uid = pipeline->metadata.uid;
  const auto runs = caches_.runs.by_index(kByPipeline, index_value(key.ns, key.name));
  const auto revisions = caches_.revisions.by_index(kByOwnerUid, index_value(key.ns, uid));
  const RevisionRef current = revisions_.current(*pipeline);

  logic::PipelineInput input;
  input.now = services_.clock.now();
  input.pipeline = pipeline.get();
  input.current = current.get();
  const auto children = children_of(*pipeline);
  for (const auto& child : children) input.children.emplace(child->metadata.name, child.get());
  for (const auto& run : runs) input.runs.push_back(run.get());
  for (const auto& revision : revisions) input.revisions.push_back(revision.get());
  auto zone = zones_.find(pipeline->spec.strategy ? pipeline->spec.strategy->time_zone : "");
  if (zone.ok()) {
    input.zone = *std::move(zone);
  } else {
    input.zone_error = zone.error().message;
  }
  input.config = services_.config;
  const PipelineMemory memory = memory_.get(uid);
  input.usage_changed = memory.usage_changed;
  input.admission = memory.admission;

  const PipelinePlan plan = logic::plan_pipeline(input);
  memory_.update(uid, [&](PipelineMemory& m) {
    m.usage_changed = !plan.usage_differs || plan.status
                          ? std::nullopt
                          : std::optional<Time>(m.usage_changed.value_or(input.now));
  });
  auto done = act(*pipeline, plan, context.stop);
  if (!done.ok()) return done;
  memory_.update(uid, [&](PipelineMemory& m) {
    if (m.admission == memory.admission) m.admission.reset();
  });
  order_trial(*pipeline, current->name, plan);
  return done;
}

void PipelineReconciler::order_trial(const crds::Pipeline& pipeline, const std::string& revision,
                                     const PipelinePlan& plan) {
  bool ordered = false;
  memory_.update(pipeline.metadata.uid, [&](PipelineMemory& m) {
    const std::string wanted = plan.trial ? revision : std::string();
    ordered = !wanted.empty() && m.trial_ordered != wanted;
    // What is settled, or wrong, may be ordered anew when it comes back.
    m.trial_ordered = wanted;
  });
  if (ordered) trials_.add_after(api::key_of(pipeline.metadata), *plan.trial);
}

Result<runtime::Outcome> PipelineReconciler::act(const crds::Pipeline& pipeline,
                                                 const PipelinePlan& plan,
                                                 const std::stop_token& stop) {
  const ObjectKey key = api::key_of(pipeline.metadata);
  for (const Action& action : plan.before) {
    auto done = actor_.perform(action, stop);
    if (done.ok()) continue;
    // A revision that cannot be frozen ahead must hold up neither the status nor the schedule: the
    // run that needs it tries again, and says why it waits.
    if (action.verb != Action::Verb::Create || !is_refusal(done.error())) {
      return fail(std::move(done).error());
    }
    services_.log.warn("create refused", {kv("controller", "pipeline"), kv("object", key),
                                          kv("child", action.key.name), kv("error", done.error())});
  }
  std::optional<Error> kept;
  std::string version = pipeline.metadata.resource_version;
  if (plan.status) {
    MR_ASSIGN(ActionResult written, actor_.write_status(crds::Pipeline::kResource, key, version,
                                                        codec::encode(*plan.status), stop));
    version = written.version.resource_version;
    for (const logic::Note& note : plan.notes) {
      record_note(services_.events, crds::Pipeline::kResource, pipeline.metadata, note);
    }
  }
  if (!plan.status) MR_TRY(check_claims(pipeline, plan, stop));
  for (const PipelinePlan::ScheduleStep& step : plan.after) {
    if (step.tick) {
      MR_TRY(create_scheduled(pipeline, version, step, stop));
      continue;
    }
    auto done = actor_.perform(step.action, stop);
    if (done.ok()) continue;
    // A run that is kept for too long must not hold up the next one.
    if (step.action.verb != Action::Verb::Delete) return fail(std::move(done).error());
    services_.log.warn("run not deleted",
                       {kv("controller", "pipeline"), kv("object", key),
                        kv("run", step.action.key.name), kv("error", done.error())});
    kept = std::move(done).error();
  }
  if (kept) return fail(*std::move(kept));
  if (!plan.recheck) return runtime::Done{};
  return runtime::RequeueAfter{*plan.recheck};
}

/// Runs of claims that are on record for longer: no write before them tells that the cache is old.
Result<void> PipelineReconciler::check_claims(const crds::Pipeline& pipeline,
                                              const PipelinePlan& plan,
                                              const std::stop_token& stop) const {
  const auto creates = [](const PipelinePlan::ScheduleStep& step) { return step.tick.has_value(); };
  if (std::none_of(plan.after.begin(), plan.after.end(), creates)) return {};
  const LiveReader live(services_.reader, stop);
  MR_ASSIGN(const auto now, live.find<crds::Pipeline>(api::key_of(pipeline.metadata)));
  if (now && now->metadata.resource_version == pipeline.metadata.resource_version) return {};
  return fail(Code::Conflict, "the pipeline has changed since its tick was claimed");
}

Result<void> PipelineReconciler::create_scheduled(const crds::Pipeline& pipeline,
                                                  const std::string& version,
                                                  const PipelinePlan::ScheduleStep& step,
                                                  const std::stop_token& stop) {
  const ObjectKey key = api::key_of(pipeline.metadata);
  auto created = actor_.perform(step.action, stop);
  if (created.ok()) {
    const auto late = std::chrono::duration<double>(services_.clock.now() - *step.tick);
    lateness_.observe(late.count());
    services_.log.info("tick fired",
                       {kv("controller", "pipeline"), kv("object", key),
                        kv("run", step.action.key.name), kv("lateness_seconds", late.count())});
    return {};
  }
  const Code code = created.error().code;
  if (code != Code::Invalid && code != Code::AlreadyExists) return fail(std::move(created).error());
  services_.log.warn("run of a tick refused",
                     {kv("controller", "pipeline"), kv("object", key),
                      kv("run", step.action.key.name), kv("error", created.error())});
  // The claim is in the cached status by now: it was written, and observed, before this create.
  const auto latest = caches_.pipelines.get(key);
  if (!latest || latest->metadata.resource_version != version) {
    return fail(Code::Conflict, "the pipeline changed while its tick was refused");
  }
  MR_TRY(actor_.write_status(crds::Pipeline::kResource, key, version,
                             codec::encode(logic::refuse_tick(*latest, *step.tick)), stop));
  return {};
}

}  // namespace millrace::shell
