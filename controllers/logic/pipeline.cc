#include "controllers/logic/pipeline.h"

#include <algorithm>

#include "controllers/logic/check.h"
#include "controllers/logic/expire.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/run.h"
#include "controllers/logic/times.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::logic {
namespace {

using codec::Value;
using crds::PipelineRun;
using crds::PipelineStatus;

const std::string& pipeline_name(const PipelineInput& input) {
  return input.pipeline->metadata.name;
}

/// The pipeline's strategy, parsed; without a cron where none is in force.
ScheduleStrategy parse_strategy(const PipelineInput& input) {
  ScheduleStrategy out;
  const auto& spec = input.pipeline->spec;
  if (!spec.strategy || spec.stream_job) return out;
  const crds::Strategy& in = *spec.strategy;
  out.expression = in.cron_expression;
  out.time_zone = in.time_zone;
  out.concurrency = in.concurrency_policy;
  out.starting_deadline = in.starting_deadline;
  out.suspend = in.suspend;
  out.catch_up = in.catch_up;
  out.catch_up_limit = std::clamp(in.catch_up_limit.value_or(kCatchUpLimit), 1, kMostCatchUp);
  out.successful_runs_limit = in.successful_runs_history_limit;
  out.failed_runs_limit = in.failed_runs_history_limit;
  if (in.cron_expression.empty()) return out;
  auto cron = CronSchedule::parse(in.cron_expression);
  auto expire = parse_expire(in.expire);
  out.unreadable = cron.ok() && (!input.zone || !expire.ok());
  if (!cron.ok() || out.unreadable) return out;
  out.zone = *input.zone;
  out.cron = *std::move(cron);
  out.expire = *expire;
  return out;
}

ScheduleRun schedule_run(const PipelineRun& run) {
  ScheduleRun out;
  out.name = run.metadata.name;
  out.uid = run.metadata.uid;
  out.tick = tick_of(run);
  out.created = run.metadata.creation_timestamp.value_or(Time{});
  out.finished = is_terminal(run);
  const api::Condition* succeeded = api::find_condition(run.status.conditions, "Succeeded");
  out.succeeded = succeeded != nullptr && succeeded->status == "True";
  out.cancelling = run.spec.cancel;
  out.deleting = run.metadata.deletion_timestamp.has_value();
  return out;
}

Action create_run(const PipelineInput& input, const std::string& name, Time tick) {
  Action action;
  action.verb = Action::Verb::Create;
  action.resource = PipelineRun::kResource;
  action.key = {input.pipeline->metadata.ns, name};
  action.owner_uid = input.pipeline->metadata.uid;
  action.body = object_head(action.resource, action.key);
  Value& metadata = action.body["metadata"];
  const auto seconds = std::chrono::floor<std::chrono::seconds>(tick).time_since_epoch().count();
  metadata["labels"] = to_value({{kPipelineLabel, label_value(pipeline_name(input))},
                                 {kTriggerLabel, "schedule"},
                                 {kTickLabel, std::to_string(seconds)}});
  metadata["ownerReferences"] =
      Value::array({controller_reference(crds::Pipeline::kResource, input.pipeline->metadata)});
  action.body["spec"]["refPipeline"] = pipeline_name(input);
  return action;
}

Action delete_run(const PipelineInput& input, const ScheduleAction& step) {
  Action action;
  action.verb = Action::Verb::Delete;
  action.resource = PipelineRun::kResource;
  action.key = {input.pipeline->metadata.ns, step.run};
  action.uid = step.uid;
  return action;
}

void plan_ticks(const PipelineInput& input, PipelineStatus& status, PipelinePlan& plan) {
  ScheduleInput schedule;
  schedule.pipeline = pipeline_name(input);
  schedule.strategy = parse_strategy(input);
  schedule.now = input.now;
  if (status.schedule) schedule.ledger = *status.schedule;
  for (const PipelineRun* run : input.runs) schedule.runs.push_back(schedule_run(*run));
  SchedulePlan ticks = plan_schedule(schedule);
  if (ticks.ledger == ScheduleLedger{}) {
    status.schedule.reset();
  } else {
    status.schedule = std::move(ticks.ledger);
  }
  for (const ScheduleAction& step : ticks.actions) {
    switch (step.verb) {
      case ScheduleAction::Verb::WriteLedger:
        break;  // part of the status, written first
      case ScheduleAction::Verb::CancelRun:
        plan.after.push_back(
            {cancel_run({input.pipeline->metadata.ns, step.run}, step.uid), std::nullopt});
        break;
      case ScheduleAction::Verb::CreateRun:
        plan.after.push_back({create_run(input, step.run, *step.tick), step.tick});
        break;
      case ScheduleAction::Verb::DeleteRun:
        plan.after.push_back({delete_run(input, step), std::nullopt});
        break;
    }
  }
  if (ticks.wake) {
    plan.recheck = time_until(*ticks.wake, input.now);
  }
}

/// Runs under way, oldest first, and whether there is none.
void list_usage(const PipelineInput& input, PipelineStatus& status) {
  std::vector<const PipelineRun*> active;
  for (const PipelineRun* run : input.runs) {
    if (!is_terminal(*run)) active.push_back(run);
  }
  std::sort(active.begin(), active.end(), [](const PipelineRun* a, const PipelineRun* b) {
    const auto age = [](const PipelineRun* r) { return r->metadata.creation_timestamp; };
    return age(a) != age(b) ? age(a) < age(b) : a->metadata.name < b->metadata.name;
  });
  status.idle = active.empty();
  status.used_pipeline_run.clear();
  for (const PipelineRun* run : active) {
    if (status.used_pipeline_run.size() == kMostUsedRuns) break;
    status.used_pipeline_run.push_back({run->metadata.ns, run->metadata.name});
  }
}

/// Create the frozen copy ahead of its first run, and drop old ones that no run needs.
void plan_revisions(const PipelineInput& input, PipelinePlan& plan) {
  bool have = false;
  std::vector<const api::ControllerRevision*> unused;
  for (const api::ControllerRevision* revision : input.revisions) {
    if (revision->metadata.name == input.current->name) {
      have = true;
      continue;
    }
    const auto needs = [&](const PipelineRun* run) {
      return run->status.pipeline_revision == revision->metadata.name;
    };
    if (std::none_of(input.runs.begin(), input.runs.end(), needs)) unused.push_back(revision);
  }
  if (!have) plan.before.push_back(create_revision(*input.pipeline, *input.current));
  // A run that has not recorded its revision yet may be about to use any of them.
  const bool undecided =
      std::any_of(input.runs.begin(), input.runs.end(), [](const PipelineRun* run) {
        return !is_terminal(*run) && run->status.pipeline_revision.empty();
      });
  if (undecided || unused.size() <= kRevisionHistory) return;
  std::sort(unused.begin(), unused.end(), [](const auto* a, const auto* b) {
    return a->revision != b->revision ? a->revision < b->revision
                                      : a->metadata.name < b->metadata.name;
  });
  for (std::size_t i = 0; i + kRevisionHistory < unused.size(); ++i) {
    plan.before.push_back(delete_object(api::ControllerRevision::kResource, unused[i]->metadata));
  }
}

Action remove_finalizers(const crds::Pipeline& pipeline) {
  Action action;
  action.verb = Action::Verb::MergePatch;
  action.resource = crds::Pipeline::kResource;
  action.key = api::key_of(pipeline.metadata);
  Value& metadata = action.body["metadata"];
  metadata["resourceVersion"] = pipeline.metadata.resource_version;
  metadata["finalizers"] = Value::array();
  for (const std::string& finalizer : pipeline.metadata.finalizers) {
    if (!is_our_finalizer(finalizer)) metadata["finalizers"].push_back(finalizer);
  }
  return action;
}

/// What is known about `current` by way of trial: this process's memory, else the condition, which
/// counts for as long as status.revision has not moved on. None: a trial is due.
std::optional<Admission> known_admission(const PipelineInput& input) {
  const std::string& current = input.current->name;
  if (input.admission && input.admission->revision == current) return input.admission;
  const PipelineStatus& status = input.pipeline->status;
  const api::Condition* before = api::find_condition(status.conditions, kAdmitted);
  if (before != nullptr && before->reason != kChecking && status.revision == current) {
    return Admission{current, before->status, before->reason, before->message};
  }
  if (!has_trials(*input.current)) return admission_of({}, current);
  return std::nullopt;
}

api::Condition admitted_condition(const PipelineInput& input, const Admission& admission) {
  const crds::Pipeline& pipeline = *input.pipeline;
  const api::Condition* before = api::find_condition(pipeline.status.conditions, kAdmitted);
  api::Condition condition;
  condition.type = kAdmitted;
  condition.status = admission.status;
  condition.reason = admission.reason;
  condition.message = admission.message;
  condition.observed_generation = pipeline.metadata.generation;
  const bool same = before != nullptr && before->status == condition.status;
  condition.last_transition_time =
      same ? before->last_transition_time : std::optional<Time>(truncate_to_second(input.now));
  return condition;
}

/// Set `Admitted` and `Ready`; true when the spec is right, whatever the API server would say.
bool set_conditions(const PipelineInput& input, PipelineStatus& status, PipelinePlan& plan) {
  const crds::Pipeline& pipeline = *input.pipeline;
  CheckContext context;
  context.config = &input.config;
  context.zone_problem = [&](const std::string&) { return input.zone_error; };
  context.pipeline = [&](const std::string& name) -> const crds::Pipeline* {
    const auto found = input.children.find(name);
    return found == input.children.end() ? nullptr : found->second;
  };
  const auto errors = check_pipeline(pipeline, context);
  const api::Condition* before = api::find_condition(pipeline.status.conditions, "Ready");
  status.conditions.clear();
  std::optional<Admission> admission;
  if (errors.empty()) {
    admission = known_admission(input);
    if (!admission) {
      plan.trial = Duration::zero();
      admission = Admission{input.current->name, "Unknown", kChecking, "the API server is asked"};
    } else if (may_change(*admission)) {
      plan.trial = kFirstRetrial;
    }
    status.conditions.push_back(admitted_condition(input, *admission));
  }
  status.conditions.push_back(ready_condition(errors, admission ? &*admission : nullptr,
                                              pipeline.metadata.generation, before, input.now));
  return errors.empty();
}

/// Equal but for what may wait.
bool urgent(const PipelineStatus& before, PipelineStatus after) {
  after.idle = before.idle;
  after.used_pipeline_run = before.used_pipeline_run;
  return !(before == after);
}

}  // namespace

PipelinePlan plan_pipeline(const PipelineInput& input) {
  PipelinePlan plan;
  const crds::Pipeline& pipeline = *input.pipeline;
  if (pipeline.metadata.deletion_timestamp) {
    const auto& finalizers = pipeline.metadata.finalizers;
    if (std::any_of(finalizers.begin(), finalizers.end(),
                    [](const std::string& f) { return is_our_finalizer(f); })) {
      plan.before.push_back(remove_finalizers(pipeline));
    }
    return plan;
  }

  const api::Condition* before = api::find_condition(pipeline.status.conditions, "Ready");
  PipelineStatus status = pipeline.status;
  status.observed_generation = pipeline.metadata.generation;
  const bool valid = set_conditions(input, status, plan);
  status.revision = valid ? input.current->name : pipeline.status.revision;
  if (valid) plan_revisions(input, plan);
  list_usage(input, status);
  plan_ticks(input, status, plan);

  const api::Condition& now = status.conditions.back();
  if (before == nullptr || before->status != now.status || before->reason != now.reason) {
    const bool good = now.reason == kReadyReason;
    plan.notes.push_back({good ? Note::Type::Normal : Note::Type::Warning,
                          good ? "Ready" : now.reason, now.message});
  }
  if (urgent(pipeline.status, status)) {
    plan.status = std::move(status);
  } else if (!(status == pipeline.status)) {
    plan.usage_differs = true;
    const Time since = input.usage_changed.value_or(input.now);
    const Time due = since + std::chrono::duration_cast<Time::duration>(kUsageDelay);
    if (input.now >= due || input.now < since) {  // or the clock was set back
      plan.status = std::move(status);
    } else {
      plan.recheck = std::min<Duration>(plan.recheck.value_or(Duration::max()), due - input.now);
    }
  }
  return plan;
}

PipelineStatus refuse_tick(const crds::Pipeline& pipeline, Time tick) {
  PipelineStatus status = pipeline.status;
  if (status.schedule) status.schedule = give_up_tick(*std::move(status.schedule), tick);
  return status;
}

}  // namespace millrace::logic
