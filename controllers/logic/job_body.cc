#include "controllers/logic/job_body.h"

#include <algorithm>
#include <utility>

#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using codec::Value;

constexpr const char* kOutputsVariable = "MILLRACE_OUTPUTS";
constexpr const char* kHomeVolume = "home";
constexpr const char* kHomePath = "/builder/home";
constexpr const char* kWorkspaceVolume = "workspace";
constexpr const char* kWorkspacePath = "/workspace";

/// The item of a list whose member `key` is `wanted`, or null.
const Value* find_item(const Value* list, std::string_view key, std::string_view wanted) {
  if (list == nullptr) return nullptr;
  for (const Value& item : list->items()) {
    const Value* value = item.find(key);
    if (value != nullptr && value->as_string() == wanted) return &item;
  }
  return nullptr;
}

void add_mount(Value& container, const char* volume, const char* path) {
  if (find_item(container.find("volumeMounts"), "mountPath", path) != nullptr) return;
  container["volumeMounts"].push_back(Value::object({{"name", volume}, {"mountPath", path}}));
}

/// The container of a step with what every step gets, unless it brings its own.
Value step_container(const PodContainer& step, bool outputs) {
  Value container = Value::object({{"name", container_name(step.name)}});
  for (const auto& [key, value] : step.container.members()) container[key] = value;
  if (container.find("workingDir") == nullptr) container["workingDir"] = kWorkspacePath;
  if (find_item(container.find("env"), "name", "HOME") == nullptr) {
    Value env = Value::array({Value::object({{"name", "HOME"}, {"value", kHomePath}})});
    if (const Value* own = container.find("env")) {
      for (const Value& item : own->items()) env.push_back(item);
    }
    container["env"] = std::move(env);
  }
  if (outputs && find_item(container.find("env"), "name", kOutputsVariable) == nullptr) {
    const Value* path = container.find("terminationMessagePath");
    const std::string where = path == nullptr ? kOutputsPath : path->as_string();
    container["env"].push_back(Value::object({{"name", kOutputsVariable}, {"value", where}}));
  }
  add_mount(container, kHomeVolume, kHomePath);
  add_mount(container, kWorkspaceVolume, kWorkspacePath);
  return container;
}

/// Ours are added unless the pipeline declares a volume of that name, which then takes its place.
Value volumes(const PodStep& step) {
  Value out = Value(step.volumes);
  for (const char* name : {kHomeVolume, kWorkspaceVolume}) {
    if (find_item(&out, "name", name) == nullptr) {
      out.push_back(Value::object({{"name", name}, {"emptyDir", Value::object()}}));
    }
  }
  return out;
}

Value pod_spec(const RunInput& input, const PodStep& step, const std::vector<std::string>& steps) {
  Value spec = Value::object({{"restartPolicy", "Never"}});
  Value containers = Value::array();
  for (const PodContainer& container : step.containers) {
    if (std::find(steps.begin(), steps.end(), container.name) == steps.end()) continue;
    containers.push_back(step_container(container, step.outputs));
  }
  MR_CHECK(!containers.empty());
  Value last = std::move(containers.items().back());
  containers.items().pop_back();
  if (!containers.empty()) spec["initContainers"] = std::move(containers);
  spec["containers"] = Value::array({std::move(last)});
  spec["volumes"] = volumes(step);
  const std::string& account = input.run->spec.service_account_name.empty()
                                   ? step.service_account_name
                                   : input.run->spec.service_account_name;
  if (!account.empty()) spec["serviceAccountName"] = account;
  if (!step.node_selector.empty()) spec["nodeSelector"] = to_value(step.node_selector);
  if (!step.affinity.empty()) spec["affinity"] = step.affinity;
  for (const auto& [key, value] : step.pod.members()) spec[key] = value;
  return spec;
}

}  // namespace

Action create_job(const RunInput& input, const Revision& revision, const Node& node, int attempt,
                  const std::vector<std::string>& steps) {
  const api::ApiResource& kind = api::Job::kResource;
  const crds::PipelineRun& run = *input.run;
  const std::string& pipeline = run.spec.ref_pipeline;
  Action action;
  action.verb = Action::Verb::Create;
  action.resource = kind;
  const bool graph = revision.plan != nullptr;
  action.key = {run.metadata.ns,
                graph ? step_object_name(run.metadata.name, run.metadata.uid, node.name, attempt)
                      : job_name(run.metadata.name, run.metadata.uid, node.name, attempt)};
  action.owner_uid = run.metadata.uid;

  std::map<std::string, std::string> labels =
      workload_labels(revision.frozen.labels, pipeline, run.metadata.name, action.key.name);
  labels[kRunLabel] = label_value(run.metadata.name);
  labels[kRunUidLabel] = run.metadata.uid;
  labels[kStepLabel] = label_value(node.name);
  labels[kAttemptLabel] = std::to_string(attempt);
  std::map<std::string, std::string> annotations = revision.frozen.annotations;
  const Value pod_annotations = to_value(annotations);
  annotations[kRevisionAnnotation] = revision.name;
  annotations[kStartedAnnotation] = format_micro_time(input.now);
  if (label_value(run.metadata.name) != run.metadata.name) {
    annotations[kRunAnnotation] = run.metadata.name;
  }
  if (label_value(pipeline) != pipeline) annotations[kPipelineAnnotation] = pipeline;

  action.body = object_head(kind, action.key);
  Value& metadata = action.body["metadata"];
  metadata["labels"] = to_value(labels);
  metadata["annotations"] = to_value(annotations);
  metadata["ownerReferences"] =
      Value::array({controller_reference(crds::PipelineRun::kResource, run.metadata)});

  Value pod_metadata = Value::object({{"labels", to_value(labels)}});
  if (!pod_annotations.empty()) pod_metadata["annotations"] = pod_annotations;
  Value spec = Value::object({{"backoffLimit", 0}, {"completions", 1}, {"parallelism", 1}});
  if (input.config.job_controller == JobController::Millrace) spec["managedBy"] = kJobController;
  spec["template"] = Value::object({{"metadata", std::move(pod_metadata)}});
  spec["template"]["spec"] = pod_spec(input, std::get<PodStep>(node.action), steps);
  action.body["spec"] = std::move(spec);
  return action;
}

}  // namespace millrace::logic
