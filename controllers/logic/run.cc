#include "controllers/logic/run.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "controllers/logic/batch.h"
#include "controllers/logic/compile.h"
#include "controllers/logic/graph.h"
#include "controllers/logic/job.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "controllers/logic/stream.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using codec::Value;

constexpr LiveParts kPipelineOnly{true, false, false};
constexpr LiveParts kRevisionOnly{false, true, false};
constexpr LiveParts kWorkloadOnly{false, false, true};

bool has_our_finalizer(const crds::PipelineRun& run) {
  const auto& finalizers = run.metadata.finalizers;
  return std::any_of(finalizers.begin(), finalizers.end(), is_our_finalizer);
}

Action patch_run(const crds::PipelineRun& run, std::string_view field, Value value) {
  Action action;
  action.verb = Action::Verb::MergePatch;
  action.resource = crds::PipelineRun::kResource;
  action.key = api::key_of(run.metadata);
  Value metadata = Value::object({{"resourceVersion", run.metadata.resource_version}});
  metadata[field] = std::move(value);
  action.body = Value::object({{"metadata", std::move(metadata)}});
  return action;
}

Action remove_finalizers(const crds::PipelineRun& run) {
  Value rest = Value::array();
  for (const std::string& finalizer : run.metadata.finalizers) {
    if (!is_our_finalizer(finalizer)) rest.push_back(finalizer);
  }
  return patch_run(run, "finalizers", std::move(rest));
}

/// The run's owners, and the Pipeline as its controller: deleting the Pipeline deletes its runs.
Value owners_with(const crds::PipelineRun& run, const crds::Pipeline& pipeline) {
  Value owners = Value::array();
  for (const api::OwnerReference& owner : run.metadata.owner_references) {
    owners.push_back(Value::object({{"apiVersion", owner.api_version},
                                    {"kind", owner.kind},
                                    {"name", owner.name},
                                    {"uid", owner.uid},
                                    {"blockOwnerDeletion", owner.block_owner_deletion}}));
  }
  owners.push_back(controller_reference(crds::Pipeline::kResource, pipeline.metadata));
  return owners;
}

/// Say on the run which revision it works from.
Action freeze_run(const crds::PipelineRun& run, const std::string& revision) {
  return patch_run(run, "annotations",
                   Value::object({{kFrozenAnnotation, run.metadata.uid + "/" + revision}}));
}

bool makes_something(const RunPlan& plan) {
  return std::any_of(plan.actions.begin(), plan.actions.end(), [](const Action& action) {
    return action.verb == Action::Verb::Create || action.verb == Action::Verb::Apply;
  });
}

/// The pipeline, unless it is on its way out.
const crds::Pipeline* usable_pipeline(const RunInput& input) {
  const crds::Pipeline* pipeline = input.pipeline;
  return pipeline == nullptr || pipeline->metadata.deletion_timestamp ? nullptr : pipeline;
}

RunPlan plan_without_pipeline(const RunInput& input) {
  const api::Condition* before = api::find_condition(input.run->status.conditions, "Succeeded");
  const bool known = before != nullptr && before->reason == "PipelineNotFound";
  if (input.pipeline == nullptr && !input.live.pipeline && !known) return ask_live(kPipelineOnly);
  crds::PipelineRunStatus status = carried_status(input, "");
  RunPlan plan;
  const std::string& name = input.run->spec.ref_pipeline;
  set_going(status, input, "PipelineNotFound",
            input.pipeline != nullptr
                ? "Pipeline " + name + " is being deleted"
                : "there is no Pipeline " + name + " in namespace " + input.run->metadata.ns +
                      "; the run starts when it appears");
  propose(plan, input, std::move(status));
  return plan;
}

/// The run was cancelled before it chose a revision, hence before it made anything.
RunPlan cancel_unstarted(const RunInput& input) {
  if (!input.live.workload) return ask_live(kWorkloadOnly);
  crds::PipelineRunStatus status = carried_status(input, "");
  set_cancelled(status, input, "Cancelled", "cancelled on request, before it started");
  set_end(status, input.now);
  RunPlan plan;
  propose(plan, input, std::move(status));
  return plan;
}

/// The line of the schedule's ledger by which another run has had the tick of this one: an operator
/// was held up between claim and create, and meanwhile the next one made that run, recorded it, and
/// removed it when it had ended.
const crds::TickRecord* other_of_the_tick(const crds::PipelineRun& run,
                                          const crds::Pipeline& pipeline) {
  const std::optional<Time> tick = tick_of(run);
  const api::OwnerReference* owner = run.metadata.controller_ref();
  if (!tick || !pipeline.status.schedule || owner == nullptr) return nullptr;
  if (owner->uid != pipeline.metadata.uid) return nullptr;
  for (const crds::TickRecord& record : pipeline.status.schedule->ticks) {
    const bool made = record.outcome == crds::TickOutcome::Created && record.time == *tick;
    if (made && record.uid != run.metadata.uid) return &record;
  }
  return nullptr;
}

RunPlan end_second_of_tick(const RunInput& input, const crds::TickRecord& first) {
  crds::PipelineRunStatus status = carried_status(input, "");
  set_cancelled(status, input, "DuplicateTick",
                "not started: the tick " + format_time(first.time) + " of the schedule had run " +
                    first.run + " with UID " + first.uid + "; to run a copy of that, leave out " +
                    "the label " + kTickLabel);
  set_end(status, input.now);
  RunPlan plan;
  propose(plan, input, std::move(status));
  return plan;
}

/// The frozen pipeline is gone, so nothing more can be planned from it.
RunPlan end_without_revision(const RunInput& input, const std::string& name) {
  if (!input.live.revision) return ask_live(kRevisionOnly);
  RunPlan plan;
  for (const api::Job* job : input.jobs) {
    if (!is_finished(*job) && !job->metadata.deletion_timestamp) {
      plan.actions.push_back(delete_object(api::Job::kResource, job->metadata));
    }
  }
  crds::PipelineRunStatus status = carried_status(input, name);
  status.step_states = input.run->status.step_states;
  status.cluster = input.run->status.cluster;
  set_failed(status, input, "RevisionLost",
             "the ControllerRevision " + name +
                 ", which holds the pipeline as this run started with it, is gone; create a new "
                 "run");
  set_end(status, input.now);
  propose(plan, input, std::move(status));
  return plan;
}

/// What is wrong with the body as a whole, or null.
const Error* body_problem(const Revision& revision) {
  static const Error no_body =
      compile(crds::PipelineSpec{}, Config{}).error();  // says which bodies there are
  const crds::PipelineSpec& spec = revision.frozen.spec;
  if (revision.plan) return revision.plan->ok() ? nullptr : &revision.plan->error();
  return spec.batch_job.has_value() == spec.stream_job.has_value() ? &no_body : nullptr;
}

/// The pipeline has a body that cannot be run at all.
RunPlan end_without_body(const RunInput& input, const Revision& revision, const Error& problem) {
  crds::PipelineRunStatus status = carried_status(input, revision.name);
  set_failed(status, input, "PipelineInvalid",
             problem.message + "; correct the pipeline and create a new run");
  set_end(status, input.now);
  RunPlan plan;
  propose(plan, input, std::move(status));
  return plan;
}

/// The server refused the frozen copy: without one nothing of a graph may begin, or an edit of the
/// pipeline would leave what has begun without its plan.
RunPlan wait_for_revision(const RunInput& input) {
  const CreateFailure& failure = *input.create_failure;
  const CreateVerdict verdict = judge(failure);
  crds::PipelineRunStatus status = input.run->status;
  const std::string what = failure.kind + " " + failure.key.name;
  RunPlan plan;
  if (verdict.permanent) {
    set_failed(status, input, verdict.reason, what + " was refused: " + failure.error.message);
    set_end(status, input.now);
  } else {
    set_going(status, input, verdict.reason,
              what + " cannot be made yet: " + failure.error.message);
    look_again(plan, verdict.pause);
  }
  propose(plan, input, std::move(status));
  return plan;
}

}  // namespace

Action cancel_run(const ObjectKey& key, const std::string& uid) {
  Action action;
  action.verb = Action::Verb::MergePatch;
  action.resource = crds::PipelineRun::kResource;
  action.key = key;
  action.body = Value::object(
      {{"metadata", Value::object({{"uid", uid}})}, {"spec", Value::object({{"cancel", true}})}});
  return action;
}

std::optional<Time> tick_of(const crds::PipelineRun& run) {
  const std::string& text = run.metadata.label(kTickLabel);
  std::int64_t seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Time{std::chrono::seconds(seconds)};
}

bool is_terminal(const crds::PipelineRun& run) {
  const api::Condition* completed = api::find_condition(run.status.conditions, "Completed");
  return completed != nullptr && completed->status == "True";
}

bool is_settled(const crds::PipelineRun& run) {
  if (run.metadata.deletion_timestamp) return !has_our_finalizer(run);
  return is_terminal(run);
}

RunPlan plan_run(const RunInput& input) {
  const crds::PipelineRun& run = *input.run;
  if (is_settled(run)) return {};
  if (run.metadata.deletion_timestamp) {
    RunPlan plan;
    plan.actions.push_back(remove_finalizers(run));
    return plan;
  }
  const crds::Pipeline* pipeline = usable_pipeline(input);
  const std::string chosen = chosen_revision(run, input.jobs);
  // Child runs that stand before the first status have to be cancelled too: plan_graph does.
  const bool has_children = !input.children.empty() && pipeline != nullptr;
  if (chosen.empty() && run.spec.cancel && !has_children) return cancel_unstarted(input);
  if (chosen.empty() && pipeline == nullptr) return plan_without_pipeline(input);
  if (chosen.empty()) {
    if (const auto* first = other_of_the_tick(run, *pipeline)) {
      return end_second_of_tick(input, *first);
    }
  }

  const std::string& name = chosen.empty() ? input.current->name : chosen;
  const bool cached = input.revision != nullptr && input.revision->name == name;
  const bool is_current = input.current != nullptr && input.current->name == name;
  if (!cached && !is_current) return end_without_revision(input, name);
  const Revision& revision = cached ? *input.revision : *input.current;

  const crds::PipelineSpec& spec = revision.frozen.spec;
  if (const Error* problem = body_problem(revision)) {
    return end_without_body(input, revision, *problem);
  }
  const bool refused = !cached && !run.status.start_time && input.create_failure &&
                       input.create_failure->key.name == revision.name;
  if (revision.plan && refused && !run.spec.cancel) return wait_for_revision(input);
  RunPlan plan = revision.plan    ? plan_graph(input, revision)
                 : spec.batch_job ? plan_batch(input, revision)
                                  : plan_stream(input, revision);
  if (plan.needs_live.any() || !plan.needs_objects.empty()) return plan;
  const bool ends = plan.status && plan.status->completion_time.has_value();
  const bool orphan = pipeline != nullptr && run.metadata.controller_ref() == nullptr;
  if (revision.plan && chosen.empty() && makes_something(plan)) {
    // Several objects come of a graph before its first status, and whoever takes over after a crash
    // may not see them all yet: without this, an edit of the pipeline in between would mix in.
    Action first = freeze_run(run, revision.name);
    if (orphan) first.body["metadata"]["ownerReferences"] = owners_with(run, *pipeline);
    plan.actions.insert(plan.actions.begin(), std::move(first));
  } else if (orphan) {
    plan.actions.push_back(patch_run(run, "ownerReferences", owners_with(run, *pipeline)));
  }
  if (!cached && pipeline != nullptr && !input.create_failure && !ends) {
    plan.actions.insert(plan.actions.begin(), create_revision(*pipeline, revision));
  }
  return plan;
}

}  // namespace millrace::logic
