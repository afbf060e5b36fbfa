#include "controllers/logic/compile_graph.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "controllers/logic/compile.h"
#include "controllers/logic/graph_check.h"
#include "controllers/logic/names.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/hash.h"

namespace millrace::logic {
namespace {

using codec::Value;

constexpr Duration kHttpTimeout = std::chrono::seconds(30);

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

std::string at(const char* list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

/// `<stage>-<job>` as a DNS label that is not in `taken`, which gets it.
std::string belt_name(const crds::BeltJob& job, std::set<std::string>& taken) {
  constexpr std::size_t kHashed = 9;  // '-' and 8 hex digits
  std::string name;
  for (const char c : job.stage + "-" + job.name) {
    const char low = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool good = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
    if (good || (!name.empty() && name.back() != '-')) name += good ? low : '-';
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  const std::string whole = job.stage + "\n" + job.name;
  std::string candidate = name;
  for (int i = 0; candidate.empty() || candidate.size() > kMaxStepName || taken.contains(candidate);
       ++i) {
    candidate = name.substr(0, kMaxStepName - kHashed);
    while (!candidate.empty() && candidate.back() == '-') candidate.pop_back();
    candidate += (candidate.empty() ? "" : "-") +
                 hex(stable_hash(i == 0 ? whole : whole + "\n" + std::to_string(i)), 8);
  }
  taken.insert(candidate);
  return candidate;
}

/// Of a belt's job; what cannot be read was refused before.
std::optional<Duration> belt_timeout(const Value& given) {
  if (given.is_null()) return kHttpTimeout;
  if (!given.is_string()) return std::nullopt;
  const auto parsed = parse_duration(given.as_string());
  if (!parsed.ok() || *parsed <= Duration::zero()) return std::nullopt;
  return *parsed;
}

HttpStep belt_call(const crds::BeltJob& job) {
  HttpStep step;
  step.belt = true;
  step.job = job.name;
  step.call.method = job.action.http.method.empty() ? "GET" : upper(job.action.http.method);
  step.call.url = job.action.http.url;
  step.call.body = job.action.http.data;
  return step;
}

void set_pod(PodStep& step, const crds::PodTemplate& pod) {
  step.volumes = pod.volumes;
  step.service_account_name = pod.service_account_name;
  step.node_selector = pod.node_selector;
  step.affinity = pod.affinity;
  const auto list = [&](const char* key, const std::vector<Value>& items) {
    if (!items.empty()) step.pod[key] = Value(Value::Array(items));
  };
  list("tolerations", pod.tolerations);
  list("imagePullSecrets", pod.image_pull_secrets);
  if (!pod.security_context.is_null()) step.pod["securityContext"] = pod.security_context;
  if (!pod.priority_class_name.empty()) step.pod["priorityClassName"] = pod.priority_class_name;
  if (!pod.runtime_class_name.empty()) step.pod["runtimeClassName"] = pod.runtime_class_name;
  if (pod.resources.is_null()) return;
  for (PodContainer& container : step.containers) {
    const Value* own = container.container.find("resources");
    if (own == nullptr || own->empty()) container.container["resources"] = pod.resources;
  }
}

PodStep pod_step(const crds::Step& step, const crds::PipelineSpec& spec) {
  PodStep out;
  out.outputs = true;
  if (!step.container.is_null()) {
    out.containers.push_back({step.name, step.container});
  }
  for (const Value& container : step.containers) {
    const Value* name = container.find("name");
    out.containers.push_back({name == nullptr ? std::string() : name->as_string(), container});
  }
  for (PodContainer& container : out.containers) container.container.erase("name");
  if (spec.pod_template) set_pod(out, *spec.pod_template);
  return out;
}

NodeAction action_of(const crds::Step& step, const crds::PipelineSpec& spec) {
  if (step.http) {
    HttpStep http;
    http.call = *step.http;
    http.call.method = !http.call.method.empty()  ? upper(http.call.method)
                       : http.call.body.is_null() ? "GET"
                                                  : "POST";
    return http;
  }
  if (step.manifest) {
    return ManifestStep{*step.manifest, spec.pod_template ? spec.pod_template->service_account_name
                                                          : std::string()};
  }
  if (step.approval) return ApprovalStep{*step.approval};
  if (step.pipeline) return ChildStep{*step.pipeline};
  if (step.wait) return WaitStep{step.wait->duration};
  return pod_step(step, spec);
}

Node node_of(const GraphStep& from, const crds::PipelineSpec& spec) {
  Node node;
  node.name = from.name;
  node.group = from.group;
  node.stage = from.stage;
  node.path = from.path;
  if (from.job != nullptr) {
    node.action = belt_call(*from.job);
    node.timeout = belt_timeout(from.job->timeout);
    return node;
  }
  const crds::Step& step = *from.step;
  node.action = action_of(step, spec);
  node.when = step.when;
  node.timeout = step.timeout;
  if (step.http && !node.timeout) node.timeout = kHttpTimeout;
  if (node.timeout && *node.timeout <= Duration::zero()) node.timeout.reset();
  node.retry = step.retry;
  if (node.retry) {
    auto& unquoted = node.retry->on_unquoted;
    node.retry->on.insert(node.retry->on.end(), unquoted.begin(), unquoted.end());
    unquoted.clear();
  }
  node.continue_on_error = step.continue_on_error;
  node.matrix = step.matrix;
  node.outputs = step.outputs;
  return node;
}

}  // namespace

std::vector<GraphStep> graph_steps(const crds::PipelineSpec& spec) {
  std::vector<GraphStep> out;
  out.reserve(spec.steps.size() + spec.jobs.size() + spec.on_error.size() +
              spec.finally_steps.size() + 1);
  const auto add = [&](const char* list, const std::vector<crds::Step>& steps, Group group) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      out.push_back({&steps[i], nullptr, steps[i].name, group, at(list, i), steps[i].stage});
    }
  };
  add("spec.steps", spec.steps, Group::Main);
  std::set<std::string> taken = {"error", kReservedStepName};
  for (const auto* steps : {&spec.on_error, &spec.finally_steps}) {
    for (const crds::Step& step : *steps) taken.insert(step.name);
  }
  for (std::size_t i = 0; i < spec.jobs.size(); ++i) {
    const crds::BeltJob& job = spec.jobs[i];
    out.push_back(
        {nullptr, &job, belt_name(job, taken), Group::Main, at("spec.jobs", i), job.stage});
  }
  if (spec.error) out.push_back({nullptr, &*spec.error, "error", Group::OnError, "spec.error", ""});
  add("spec.onError", spec.on_error, Group::OnError);
  add("spec.finally", spec.finally_steps, Group::Finally);
  return out;
}

Result<Plan> compile_graph(const crds::PipelineSpec& spec) {
  const std::vector<GraphStep> steps = graph_steps(spec);
  const GraphShape shape(steps, spec.stages);
  const GraphFindings found = check_graph(spec, steps, shape);
  if (!found.errors.empty()) {
    Error error;
    error.code = Code::Invalid;
    error.message = codec::to_string(found.errors.front());
    error.reason = "PipelineInvalid";
    return fail(std::move(error));
  }
  Plan plan;
  plan.stages = spec.stages;
  plan.params = spec.params;
  plan.concurrency = spec.concurrency;
  plan.parallelism = spec.parallelism;
  plan.finally_timeout = spec.finally_timeout;
  plan.nodes.reserve(steps.size());
  for (const std::size_t i : shape.order()) {
    Node& node = plan.nodes.emplace_back(node_of(steps[i], spec));
    const std::vector<std::size_t> after = shape.after(i);
    node.after.reserve(after.size());
    for (const std::size_t other : after) node.after.push_back(steps[other].name);
    for (const std::size_t other : found.reads[i]) node.reads.push_back(steps[other].name);
  }
  return plan;
}

std::unordered_map<std::string_view, std::size_t> positions(const Plan& plan) {
  std::unordered_map<std::string_view, std::size_t> out;
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) out.emplace(plan.nodes[i].name, i);
  return out;
}

}  // namespace millrace::logic
