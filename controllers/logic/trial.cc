#include "controllers/logic/trial.h"

#include <set>
#include <utility>

#include "controllers/logic/compile.h"
#include "controllers/logic/graph_parts.h"
#include "controllers/logic/job.h"
#include "controllers/logic/job_body.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/stream_body.h"
#include "controllers/logic/trial_values.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {
namespace {

using codec::Value;
using Kind = TrialFinding::Kind;

/// Of the run that the objects would belong to; never that of an object which exists.
constexpr const char* kSampleUid = "00000000-0000-4000-8000-000000000000";

/// What of a pod's template may decide whether it is taken: without names, and for `shape` without
/// what programs are told.
std::string template_key(const Value& job, bool shape) {
  const Value* found = job.at_path({"spec", "template", "spec"});
  Value spec = found == nullptr ? Value() : *found;
  for (const char* list : {"initContainers", "containers"}) {
    Value* containers = spec.find(list);
    if (containers == nullptr) continue;
    for (Value& container : containers->items()) {
      container.erase("name");
      if (!shape) continue;
      container.erase("command");
      container.erase("args");
      if (Value* env = container.find("env"); env != nullptr && env->is_array()) {
        for (Value& item : env->items()) item.erase("value");
      }
    }
  }
  return spec.dump();
}

class Trials {
 public:
  Trials(const crds::Pipeline& pipeline, const Revision& revision, const Config& config)
      : revision_(revision) {
    run_.metadata.ns = pipeline.metadata.ns;
    run_.metadata.name = shorten(pipeline.metadata.name + "-dry-run", 63);
    run_.metadata.uid = kSampleUid;
    run_.spec.ref_pipeline = pipeline.metadata.name;
    input_.run = &run_;
    input_.config = config;
  }

  TrialPlan plan() {
    const Result<Plan> compiled = revision_.plan ? Result<Plan>(*revision_.plan)
                                                 : compile(revision_.frozen.spec, input_.config);
    if (!compiled.ok()) {
      plan_.untried.push_back({Kind::Unknown, "the pipeline", "", compiled.error().message});
      return std::move(plan_);
    }
    for (const Node& node : compiled->nodes) add(node, compiled->params);
    plan_.trials = std::move(firsts_);
    for (Trial& trial : others_) {
      if (plan_.trials.size() < kMostTrials) {
        plan_.trials.push_back(std::move(trial));
      } else {
        ++plan_.left_out;
      }
    }
    return std::move(plan_);
  }

 private:
  void add(const Node& node, const std::vector<crds::Param>& params) {
    if (const auto* pod = std::get_if<PodStep>(&node.action)) {
      add_pods(node, *pod, params);
    } else if (const auto* stream = std::get_if<Stream>(&node.action)) {
      for (const StreamService& service : stream->services) add_service(service);
    } else if (const auto* manifest = std::get_if<ManifestStep>(&node.action)) {
      add_manifests(node, *manifest, params);
    }
  }

  static std::string path_of(const Node& node) {
    return node.path.empty() ? "spec.batchJob" : node.path;
  }

  void add_pods(const Node& node, const PodStep& step, const std::vector<crds::Param>& params) {
    const bool graph = revision_.plan != nullptr;
    const std::string what = graph ? "the Job of step " + node.name : "the Job";
    const auto combinations = sample_matrix(node, params, run_);
    for (std::size_t i = 0; i < combinations.size(); ++i) {
      const SampleScope scope(params, run_, combinations[i]);
      Node rendered = node;
      if (node.matrix) rendered.name += "." + std::to_string(i);
      PodStep pod = step;
      std::vector<std::string> names;
      std::set<std::string> samples;
      std::string problem;
      for (std::size_t c = 0; c < pod.containers.size(); ++c) {
        names.push_back(pod.containers[c].name);
        if (!graph) continue;  // batchJob has no templates
        Rendered one = render_sample(pod.containers[c].container, Place::Container, scope);
        pod.containers[c].container = std::move(one.value);
        samples.merge(one.samples);
        if (!one.problem.empty() && problem.empty()) {
          const bool alone = pod.containers.size() == 1;
          problem = (alone ? "container." : "containers[" + std::to_string(c) + "].") + one.problem;
        }
      }
      if (!problem.empty()) {
        plan_.untried.push_back({Kind::Unknown, what, path_of(node), problem});
        return;
      }
      rendered.action = std::move(pod);
      keep({what,
            path_of(node),
            create_job(input_, revision_, rendered, 1, names),
            {samples.begin(), samples.end()}});
    }
  }

  void add_service(const StreamService& service) {
    const std::string path = "spec.streamJob.microServices";
    Action deployment = apply_deployment(input_, revision_, service, service.replicas, nullptr);
    Action headless = apply_service(input_, revision_, service,
                                    service_body(input_, revision_, service, nullptr));
    // An Apply would change the one that may run by that name; a name that is taken is no matter.
    deployment.verb = Action::Verb::Create;
    headless.verb = Action::Verb::Create;
    keep({"the Deployment of " + service.name, path, std::move(deployment), {}});
    others_.push_back({"the Service of " + service.name, path, std::move(headless), {}});
  }

  void add_manifests(const Node& node, const ManifestStep& step,
                     const std::vector<crds::Param>& params) {
    const std::string what = "the object of step " + node.name;
    for (const SampleMatrix& matrix : sample_matrix(node, params, run_)) {
      const SampleScope scope(params, run_, matrix);
      Rendered object = render_sample(step.manifest.object, Place::Decides, scope);
      auto action = object.problem.empty()
                        ? apply_manifest(std::move(object.value), step, run_)
                        : Result<Action>(fail(Code::Invalid, "manifest.object." + object.problem));
      if (!action.ok()) {
        plan_.untried.push_back({Kind::Unknown, what, path_of(node), action.error().message});
        return;
      }
      if (!seen_.insert(action->body.dump()).second) continue;
      put(true, {what, path_of(node), *std::move(action), {}});
    }
  }

  /// Of a Job or Deployment, unless the same is there.
  void keep(Trial trial) {
    if (!seen_.insert(template_key(trial.action.body, false)).second) return;
    const bool first = shapes_.insert(template_key(trial.action.body, true)).second;
    put(first, std::move(trial));
  }

  void put(bool first, Trial trial) {
    std::vector<Trial>& list = first && firsts_.size() < kMostTrials ? firsts_ : others_;
    if (list.size() < kMostTrials) {
      list.push_back(std::move(trial));
    } else {
      ++plan_.left_out;
    }
  }

  const Revision& revision_;
  crds::PipelineRun run_;
  RunInput input_;
  TrialPlan plan_;
  std::set<std::string> seen_;
  std::set<std::string> shapes_;
  std::vector<Trial> firsts_;  ///< one of each shape
  std::vector<Trial> others_;
};

/// The pod that a ReplicaSet of the Deployment would make.
Action deployment_pod(const Trial& owner, const Value& deployment) {
  const std::string& name = owner.action.key.name;
  Action action;
  action.verb = Action::Verb::Create;
  action.resource = api::Pod::kResource;
  action.key = {owner.action.key.ns, shorten(name, 57) + "-trial"};
  action.body = object_head(action.resource, action.key);
  for (const char* part : {"labels", "annotations"}) {
    const Value* value = deployment.at_path({"spec", "template", "metadata", part});
    if (value != nullptr && !value->empty()) action.body["metadata"][part] = *value;
  }
  const Value* spec = deployment.at_path({"spec", "template", "spec"});
  action.body["spec"] = spec == nullptr ? Value::object() : *spec;
  return action;
}

}  // namespace

TrialPlan plan_trials(const crds::Pipeline& pipeline, const Revision& revision,
                      const Config& config) {
  return Trials(pipeline, revision, config).plan();
}

bool has_trials(const Revision& revision) {
  if (!revision.plan) return true;
  if (!revision.plan->ok()) return false;
  for (const Node& node : (*revision.plan)->nodes) {
    if (std::holds_alternative<PodStep>(node.action)) return true;
    if (std::holds_alternative<ManifestStep>(node.action)) return true;
  }
  return false;
}

std::optional<Trial> pod_trial(const Trial& owner, std::string_view answer) {
  const bool job = owner.action.resource == api::Job::kResource;
  if (!job && owner.action.resource != api::Deployment::kResource) return std::nullopt;
  auto answered = Value::parse(answer);
  const Value object =
      answered.ok() && answered->is_object() ? *std::move(answered) : owner.action.body;
  Trial pod;
  pod.path = owner.path;
  pod.samples = owner.samples;
  const std::size_t of = owner.what.find(" of ");
  pod.what = "the pod" + (of == std::string::npos ? std::string() : owner.what.substr(of));
  if (!job) {
    pod.action = deployment_pod(owner, object);
    return pod;
  }
  auto decoded = codec::decode<api::Job>(object.dump());
  if (!decoded.ok()) return std::nullopt;
  if (decoded->metadata.uid.empty()) decoded->metadata.uid = kSampleUid;
  pod.action = create_job_pod(*decoded);
  return pod;
}

}  // namespace millrace::logic
