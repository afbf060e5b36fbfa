#include "controllers/logic/stream.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "controllers/logic/compile.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "controllers/logic/stream_body.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using api::Deployment;
using api::Service;
using crds::PipelineRunStatus;
using crds::StepPhase;

constexpr LiveParts kWorkload{false, false, true};
constexpr LiveParts kPipelineAndWorkload{true, false, true};
/// How often to look whether a foreign object is out of the way.
constexpr Duration kConflictRecheck = std::chrono::seconds(10);
/// How often to try again what was refused for good: only a changed policy can help.
constexpr Duration kRefusedRecheck = std::chrono::minutes(5);

template <class T>
const T* find_object(const std::vector<const T*>& objects, const ObjectKey& key) {
  for (const T* object : objects) {
    if (api::key_of(object->metadata) == key) return object;
  }
  return nullptr;
}

/// Who owns a child, as seen by this run.
enum class Ownership { Ours, Sibling, Foreign };

/// Sibling: another run of the same pipeline, or one that is gone.
Ownership ownership(const RunInput& input, const api::ObjectMeta& child) {
  const api::OwnerReference* owner = child.controller_ref();
  if (owner != nullptr && owner->uid == input.run->metadata.uid) return Ownership::Ours;
  const bool from_run = owner == nullptr || (owner->kind == crds::PipelineRun::kResource.kind &&
                                             owner->api_version.starts_with("millrace.dev/"));
  const bool same_pipeline =
      child.label(kPipelineLabel) == label_value(input.run->spec.ref_pipeline) &&
      !child.label(kRunLabel).empty();
  return from_run && same_pipeline ? Ownership::Sibling : Ownership::Foreign;
}

bool is_newer(const crds::PipelineRun& a, const crds::PipelineRun& b) {
  return std::tuple(a.metadata.creation_timestamp.value_or(Time{}), a.metadata.uid) >
         std::tuple(b.metadata.creation_timestamp.value_or(Time{}), b.metadata.uid);
}

/// The newest run that wants the stream instead of this one, or null.
const crds::PipelineRun* find_successor(const RunInput& input) {
  const crds::PipelineRun* newest = nullptr;
  for (const crds::PipelineRun* other : input.siblings) {
    if (other->metadata.uid == input.run->metadata.uid || is_terminal(*other) ||
        other->metadata.deletion_timestamp || other->spec.cancel ||
        other->spec.ref_pipeline != input.run->spec.ref_pipeline || !is_newer(*other, *input.run)) {
      continue;
    }
    if (newest == nullptr || is_newer(*other, *newest)) newest = other;
  }
  return newest;
}

/// How many pods of a service are wanted: the live pipeline's word counts, if it still has the
/// service; everything else stays as frozen.
int wanted_replicas(const RunInput& input, const StreamService& service) {
  if (input.pipeline == nullptr || !input.pipeline->spec.stream_job) return service.replicas;
  for (const crds::MicroService& live : input.pipeline->spec.stream_job->micro_services) {
    if (live.name == service.name) return live.replicas.value_or(1);
  }
  return service.replicas;
}

/// One service of the stream: what is wanted, and what is there.
struct Child {
  const StreamService* service = nullptr;
  int replicas = 1;
  ObjectKey deployment_key;
  ObjectKey service_key;
  const Deployment* deployment = nullptr;
  const Service* net = nullptr;

  bool is_available() const {
    if (deployment == nullptr || deployment->metadata.deletion_timestamp) return false;
    const auto& status = deployment->status;
    return status.observed_generation >= deployment->metadata.generation &&
           deployment->spec.replicas.value_or(1) == replicas &&
           status.updated_replicas >= replicas && status.available_replicas >= replicas;
  }
  int available() const {
    return deployment == nullptr ? 0 : deployment->status.available_replicas;
  }
};

std::vector<Child> observe(const RunInput& input, const Stream& stream) {
  std::vector<Child> children;
  const std::string& ns = input.run->metadata.ns;
  for (const StreamService& service : stream.services) {
    Child child;
    child.service = &service;
    child.replicas = wanted_replicas(input, service);
    child.deployment_key = {ns, deployment_name(input.run->spec.ref_pipeline, service.name)};
    child.service_key = {ns, service.name};
    child.deployment = find_object(input.deployments, child.deployment_key);
    child.net = find_object(input.services, child.service_key);
    children.push_back(std::move(child));
  }
  return children;
}

/// The Deployment is as our last Apply left it.
bool is_in_order(const RunInput& input, const Child& child) {
  const auto applied = input.applied.find(child.deployment_key.name);
  return child.deployment != nullptr && applied != input.applied.end() &&
         applied->second == child.deployment->metadata.generation &&
         child.deployment->spec.replicas.value_or(1) == child.replicas &&
         ownership(input, child.deployment->metadata) == Ownership::Ours;
}

bool is_in_order(const RunInput& input, const Child& child, const ServiceBody& wanted) {
  if (child.net == nullptr || ownership(input, child.net->metadata) != Ownership::Ours) {
    return false;
  }
  return child.net->spec.cluster_ip == "None" && child.net->spec.selector == wanted.selector &&
         child.net->spec.ports == wanted.ports;
}

/// It was in order once: somebody has changed it since, or what is wanted has changed.
bool has_changed(const RunInput& input, const Child& child) {
  return child.deployment != nullptr && input.applied.contains(child.deployment_key.name) &&
         !is_in_order(input, child);
}

/// "Deployment x, which belongs to ReplicaSet y": the first object that is in the way.
std::string find_conflict(const RunInput& input, const std::vector<Child>& children) {
  const auto describe = [](const char* kind, const api::ObjectMeta& object) {
    const api::OwnerReference* owner = object.controller_ref();
    return std::string(kind) + " " + object.name +
           (owner == nullptr ? ", which was made by somebody else"
                             : ", which belongs to " + owner->kind + " " + owner->name);
  };
  for (const Child& child : children) {
    const auto foreign = [&](const api::ObjectMeta& object) {
      return ownership(input, object) == Ownership::Foreign;
    };
    if (child.deployment != nullptr && foreign(child.deployment->metadata)) {
      return describe("Deployment", child.deployment->metadata);
    }
    if (child.net != nullptr && foreign(child.net->metadata)) {
      return describe("Service", child.net->metadata);
    }
  }
  return {};
}

PipelineRunStatus make_status(const RunInput& input, const Revision& revision,
                              const std::vector<Child>& children) {
  PipelineRunStatus status = carried_status(input, revision.name);
  status.cluster = crds::RunCluster{input.run->metadata.ns, "", {}, {}};
  std::size_t available = 0;
  for (const Child& child : children) {
    status.cluster->deployment_names.push_back(child.deployment_key.name);
    status.cluster->service_names.push_back(child.service_key.name);
    crds::StepState state;
    state.name = child.service->name;
    state.state = child.is_available() ? StepPhase::Running : StepPhase::Pending;
    if (child.is_available()) {
      ++available;
    } else {
      state.waiting = crds::StepWaiting{"Progressing", std::to_string(child.available()) + " of " +
                                                           std::to_string(child.replicas) +
                                                           " replicas available"};
    }
    status.step_states.push_back(std::move(state));
  }
  status.steps = std::to_string(available) + "/" + std::to_string(children.size());
  if (!status.start_time) status.start_time = truncate_to_second(input.now);
  return status;
}

/// Children of this run, or of earlier runs of the pipeline, that `wanted` does not name.
std::vector<Action> remove_leftovers(const RunInput& input, const StreamChildren& wanted) {
  std::vector<Action> actions;
  const auto visit = [&](const api::ApiResource& kind, const api::ObjectMeta& object,
                         const std::vector<std::string>& names) {
    if (object.ns != input.run->metadata.ns || object.deletion_timestamp) return;
    if (std::find(names.begin(), names.end(), object.name) != names.end()) return;
    if (ownership(input, object) == Ownership::Foreign) return;
    actions.push_back(delete_object(kind, object));
  };
  for (const Deployment* object : input.deployments) {
    visit(Deployment::kResource, object->metadata, wanted.deployments);
  }
  for (const Service* object : input.services) {
    visit(Service::kResource, object->metadata, wanted.services);
  }
  return actions;
}

RunPlan end_stream(const RunInput& input, PipelineRunStatus status) {
  for (crds::StepState& state : status.step_states) {
    state.waiting.reset();
    state.state = StepPhase::Skipped;
  }
  set_end(status, input.now);
  RunPlan plan;
  propose(plan, input, std::move(status));
  return plan;
}

/// Delete what belongs to the run and wait until it is gone, pods included.
RunPlan cancel_stream(const RunInput& input, const Revision& revision,
                      const std::vector<Child>& children) {
  RunPlan plan;
  bool gone = true;
  const auto visit = [&](const api::ApiResource& kind, const api::ObjectMeta& object) {
    if (ownership(input, object) != Ownership::Ours) return;
    gone = false;
    if (object.deletion_timestamp) return;
    // In the foreground, so that a Deployment stays until its pods have ended.
    plan.actions.push_back(delete_object(kind, object, Action::Propagation::Foreground));
  };
  for (const Deployment* object : input.deployments) visit(Deployment::kResource, object->metadata);
  for (const Service* object : input.services) visit(Service::kResource, object->metadata);
  if (gone && !input.live.workload) return ask_live(kWorkload);
  PipelineRunStatus status = make_status(input, revision, children);
  if (gone) {
    set_cancelled(status, input, "Cancelled", "cancelled on request; the services are deleted");
    return end_stream(input, std::move(status));
  }
  set_stopping(status, input, "cancelled on request; waiting for the services to end");
  propose(plan, input, std::move(status));
  return plan;
}

std::string progress(const std::vector<Child>& children) {
  std::string text;
  for (const Child& child : children) {
    if (child.is_available()) continue;
    if (!text.empty()) text += "; ";
    text += child.service->name + ": " + std::to_string(child.available()) + " of " +
            std::to_string(child.replicas) + " replicas available";
  }
  return text;
}

/// Succeeded says whether all services are available right now.
void set_availability(PipelineRunStatus& status, const RunInput& input,
                      const std::vector<Child>& children) {
  const bool all = std::all_of(children.begin(), children.end(),
                               [](const Child& child) { return child.is_available(); });
  if (all) {
    set_up(status, input, "all services are available");
    return;
  }
  const api::Condition* before = api::find_condition(input.run->status.conditions, "Succeeded");
  const bool was_up =
      before != nullptr && (before->status == "True" || before->reason == "Degraded");
  set_going(status, input, was_up ? "Degraded" : "Progressing", progress(children));
}

/// The server refused a child: say which and why. Another run, of a corrected pipeline, takes over.
RunPlan explain_refusal(const RunInput& input, PipelineRunStatus status) {
  const CreateFailure& failure = *input.create_failure;
  const CreateVerdict verdict = judge(failure);
  const std::string child = failure.kind + " " + failure.key.name;
  RunPlan plan;
  if (verdict.permanent) {
    set_blocked(status, input, verdict.reason,
                child + " was refused: " + failure.error.message +
                    "; correct the pipeline and create a new run");
    look_again(plan, kRefusedRecheck);
  } else {
    set_going(status, input, verdict.reason,
              child + " cannot be made yet: " + failure.error.message);
    look_again(plan, verdict.pause);
  }
  propose(plan, input, std::move(status));
  return plan;
}

/// Bring the children in order.
RunPlan tend(const RunInput& input, const Revision& revision, const std::vector<Child>& children) {
  RunPlan plan;
  for (const Child& child : children) {
    // An object that the cache does not have may be one that it does not watch.
    const bool missing = child.deployment == nullptr || child.net == nullptr;
    if (missing && !input.live.workload) return ask_live(kWorkload);
    // Perhaps another operator has done what caches here do not show yet: two of them would undo
    // each other's changes as fast as the server answers.
    const bool live = input.live.workload && input.live.pipeline;
    if (has_changed(input, child) && !live) return ask_live(kPipelineAndWorkload);
  }
  PipelineRunStatus status = make_status(input, revision, children);
  if (const std::string conflict = find_conflict(input, children); !conflict.empty()) {
    set_going(status, input, "OwnershipConflict",
              "in the way: " + conflict + "; delete or rename it, or rename the service");
    look_again(plan, kConflictRecheck);
    propose(plan, input, std::move(status));
    return plan;
  }
  if (input.create_failure) return explain_refusal(input, std::move(status));
  for (const Child& child : children) {
    // A name that is still being deleted cannot be made anew; its end is an event.
    const bool ending =
        (child.deployment != nullptr && child.deployment->metadata.deletion_timestamp) ||
        (child.net != nullptr && child.net->metadata.deletion_timestamp);
    if (ending) continue;
    const ServiceBody net = service_body(input, revision, *child.service, child.deployment);
    if (!is_in_order(input, child)) {
      plan.actions.push_back(
          apply_deployment(input, revision, *child.service, child.replicas, child.deployment));
    }
    if (!is_in_order(input, child, net)) {
      plan.actions.push_back(apply_service(input, revision, *child.service, net));
    }
  }
  for (Action& action :
       remove_leftovers(input, stream_children(input.run->spec.ref_pipeline, revision.frozen))) {
    plan.actions.push_back(std::move(action));
  }
  set_availability(status, input, children);
  propose(plan, input, std::move(status));
  return plan;
}

}  // namespace

StreamChildren stream_children(const std::string& pipeline, const FrozenPipeline& frozen) {
  StreamChildren children;
  if (!frozen.spec.stream_job) return children;
  for (const crds::MicroService& service : frozen.spec.stream_job->micro_services) {
    children.deployments.push_back(deployment_name(pipeline, service.name));
    children.services.push_back(service.name);
  }
  return children;
}

RunPlan plan_stream(const RunInput& input, const Revision& revision) {
  const Result<Plan> compiled = compile(revision.frozen.spec, input.config);
  if (!compiled.ok()) {
    PipelineRunStatus status = carried_status(input, revision.name);
    set_failed(status, input, compiled.error().reason, compiled.error().message);
    return end_stream(input, std::move(status));
  }
  const Stream& stream = std::get<Stream>(compiled->nodes.front().action);
  const std::vector<Child> children = observe(input, stream);
  if (input.run->spec.cancel) return cancel_stream(input, revision, children);
  if (const crds::PipelineRun* successor = find_successor(input)) {
    PipelineRunStatus status = make_status(input, revision, children);
    set_cancelled(status, input, "Superseded",
                  "run " + successor->metadata.name + " has taken over the stream");
    return end_stream(input, std::move(status));
  }
  return tend(input, revision, children);
}

}  // namespace millrace::logic
