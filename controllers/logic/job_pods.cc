#include <charconv>

#include "controllers/logic/job_many.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"

namespace millrace::logic {
namespace {

using api::Job;
using api::Pod;
using codec::Value;

constexpr const char* kIndexVariable = "JOB_COMPLETION_INDEX";
constexpr std::size_t kHostLimit = 63;

void copy_members(Value& target, const Value& pod_template, std::string_view part) {
  const Value* value = pod_template.at_path({"metadata", part});
  if (value == nullptr) return;
  for (const auto& [key, item] : value->members()) target[key] = item;
}

/// The labels by which kubectl and others find the pods of a Job; the API server puts them into
/// the template of most Jobs.
void add_job_labels(Value& labels, const Job& job) {
  const auto add = [&](std::string_view key, const std::string& value) {
    if (labels.find(key) == nullptr) labels[key] = value;
  };
  add("batch.kubernetes.io/controller-uid", job.metadata.uid);
  add("batch.kubernetes.io/job-name", job.metadata.name);
  add("controller-uid", job.metadata.uid);
  add("job-name", job.metadata.name);
}

void add_index_variable(Value& spec, const std::string& index) {
  for (const char* list : {"initContainers", "containers"}) {
    Value* containers = spec.find(list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (Value& container : containers->items()) {
      bool named = false;
      if (const Value* env = container.find("env")) {
        for (const Value& item : env->items()) {
          const Value* name = item.find("name");
          named = named || (name != nullptr && name->as_string() == kIndexVariable);
        }
      }
      if (named) continue;
      container["env"].push_back(Value::object({{"name", kIndexVariable}, {"value", index}}));
    }
  }
}

}  // namespace

std::optional<PodSlot> parse_slot(std::string_view text) {
  PodSlot out;
  const char* end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, out.slot);
  if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
  const auto [rest, second] = std::from_chars(dot + 1, end, out.attempt);
  if (second != std::errc() || rest != end || out.slot < 0 || out.attempt < 0) return std::nullopt;
  return out;
}

std::optional<PodSlot> slot_of(const Pod& pod) {
  return parse_slot(pod.metadata.annotation(kSlotAnnotation));
}

Action create_slot_pod(const Job& job, PodSlot slot, int failures) {
  const api::ApiResource& kind = Pod::kResource;
  const bool indexed = job.spec.completion_mode == "Indexed";
  const std::string index = std::to_string(slot.slot);
  Action action;
  action.verb = Action::Verb::Create;
  action.resource = kind;
  action.key = {job.metadata.ns,
                slot_pod_name(job.metadata.name, job.metadata.uid, slot.slot, slot.attempt)};
  action.owner_uid = job.metadata.uid;
  action.body = object_head(kind, action.key);
  Value labels = Value::object();
  Value annotations = Value::object();
  copy_members(labels, job.spec.pod_template, "labels");
  copy_members(annotations, job.spec.pod_template, "annotations");
  add_job_labels(labels, job);
  annotations[kSlotAnnotation] = index + "." + std::to_string(slot.attempt);
  if (indexed) {
    labels[kIndexAnnotation] = index;
    annotations[kIndexAnnotation] = index;
    if (job.spec.backoff_limit_per_index) {
      annotations[kIndexFailuresAnnotation] = std::to_string(failures);
    }
  }
  Value& metadata = action.body["metadata"];
  metadata["labels"] = std::move(labels);
  metadata["annotations"] = std::move(annotations);
  metadata["ownerReferences"] = Value::array({controller_reference(Job::kResource, job.metadata)});
  const Value* found = job.spec.pod_template.find("spec");
  Value spec = found == nullptr ? Value::object() : *found;
  if (indexed) {
    spec["hostname"] = shorten(job.metadata.name, kHostLimit - index.size() - 1) + "-" + index;
    add_index_variable(spec, index);
  }
  action.body["spec"] = std::move(spec);
  return action;
}

}  // namespace millrace::logic
