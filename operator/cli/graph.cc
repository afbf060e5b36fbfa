#include "operator/cli/graph.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "controllers/logic/compile.h"
#include "controllers/logic/index_set.h"

namespace millrace::cli {
namespace {

using crds::StepPhase;
using crds::StepState;

std::string name_in(const codec::Value& container) {
  const codec::Value* name = container.find("name");
  return name == nullptr ? std::string() : name->as_string();
}

/// What the action of a node says beyond its kind.
struct Describe {
  GraphStep& out;
  void operator()(const logic::PodStep& pod) const {
    out.action = ActionKind::Pod;
    for (const logic::PodContainer& c : pod.containers) out.containers.push_back(c.name);
  }
  void operator()(const logic::Stream&) const { out.action = ActionKind::Stream; }
  void operator()(const logic::HttpStep& http) const {
    out.action = ActionKind::Http;
    const bool plain = http.call.method.empty() && http.call.body.is_null();
    out.detail = (plain                      ? "GET"
                  : http.call.method.empty() ? "POST"
                                             : http.call.method) +
                 " " + http.call.url;
  }
  void operator()(const logic::ManifestStep& step) const {
    out.action = ActionKind::Manifest;
    const codec::Value* kind = step.manifest.object.find("kind");
    if (kind != nullptr) out.detail = kind->as_string();
  }
  void operator()(const logic::ApprovalStep& step) const {
    out.action = ActionKind::Approval;
    out.detail = step.approval.message;
    out.approvers = step.approval.approvers;
  }
  void operator()(const logic::ChildStep& step) const {
    out.action = ActionKind::Child;
    out.detail = step.child.name;
  }
  void operator()(const logic::WaitStep& step) const {
    out.action = ActionKind::Wait;
    out.detail = step.duration;
  }
};

std::vector<GraphStep> from_plan(const logic::Plan& plan) {
  std::vector<GraphStep> graph;
  for (const logic::Node& node : plan.nodes) {
    GraphStep step{.name = node.name,
                   .after = node.after,
                   .group = node.group,
                   .stage = node.stage,
                   .when = node.when,
                   .position = static_cast<int>(graph.size())};
    std::visit(Describe{step}, node.action);
    graph.push_back(std::move(step));
  }
  return graph;
}

void append_steps(const std::vector<crds::Step>& steps, logic::Group group,
                  std::vector<GraphStep>& graph) {
  for (const crds::Step& step : steps) {
    GraphStep out{.name = step.name,
                  .after = step.depends_on,
                  .group = group,
                  .stage = step.stage,
                  .when = step.when,
                  .position = static_cast<int>(graph.size())};
    if (!step.container.is_null()) out.containers = {step.name};
    for (const codec::Value& container : step.containers) {
      out.containers.push_back(name_in(container));
    }
    Describe describe{out};
    if (step.http) describe(logic::HttpStep{.call = *step.http, .belt = false, .job = {}});
    if (step.manifest)
      describe(logic::ManifestStep{.manifest = *step.manifest, .service_account_name = {}});
    if (step.approval) describe(logic::ApprovalStep{.approval = *step.approval});
    if (step.pipeline) describe(logic::ChildStep{.child = *step.pipeline});
    if (step.wait) describe(logic::WaitStep{.duration = step.wait->duration});
    graph.push_back(std::move(out));
  }
}

/// The steps as they are written, for a spec that does not compile.
std::vector<GraphStep> as_written(const crds::PipelineSpec& spec) {
  std::vector<GraphStep> graph;
  append_steps(spec.steps, logic::Group::Main, graph);
  append_steps(spec.on_error, logic::Group::OnError, graph);
  append_steps(spec.finally_steps, logic::Group::Finally, graph);
  return graph;
}

/// A batch body: one pod, its containers are the steps.
std::vector<GraphStep> chain_of(const crds::PipelineSpec& spec) {
  std::vector<GraphStep> graph;
  for (const std::string& name : logic::step_names(spec)) {
    GraphStep step{.name = name};
    if (!graph.empty()) step.after = {graph.back().name};
    step.containers = {name};
    graph.push_back(std::move(step));
  }
  return graph;
}

}  // namespace

std::string_view to_string(ActionKind kind) {
  switch (kind) {
    case ActionKind::Pod:
      return "container";
    case ActionKind::Stream:
      return "service";
    case ActionKind::Http:
      return "http";
    case ActionKind::Manifest:
      return "manifest";
    case ActionKind::Approval:
      return "approval";
    case ActionKind::Child:
      return "pipeline";
    case ActionKind::Wait:
      return "wait";
  }
  return "";
}

std::vector<GraphStep> graph_of(const crds::PipelineSpec& spec) {
  if (spec.batch_job) return chain_of(spec);
  std::vector<GraphStep> graph;
  if (spec.stream_job) {
    for (const crds::MicroService& service : spec.stream_job->micro_services) {
      graph.push_back({.name = service.name, .action = ActionKind::Stream});
    }
    return graph;
  }
  if (!logic::is_graph(spec)) return graph;
  const auto plan = logic::compile_graph(spec);
  return plan.ok() ? from_plan(*plan) : as_written(spec);
}

const GraphStep* find_step(const std::vector<GraphStep>& graph, std::string_view name) {
  const auto found = std::find_if(graph.begin(), graph.end(),
                                  [&](const GraphStep& step) { return step.name == name; });
  return found == graph.end() ? nullptr : &*found;
}

std::vector<StepLine> step_lines(const std::vector<GraphStep>& graph,
                                 const crds::PipelineRunStatus& status) {
  std::unordered_map<std::string_view, const StepState*> known;
  std::unordered_map<std::string_view, std::vector<StepState>> combinations;
  for (const StepState& state : status.step_states) {
    if (state.of.empty()) {
      known.emplace(state.name, &state);
    } else {
      combinations[state.of].push_back(state);
    }
  }
  const auto archive = status.archive.value_or(crds::StepArchive{});
  const auto succeeded = logic::IndexSet::parse(archive.succeeded);
  const auto skipped = logic::IndexSet::parse(archive.skipped);
  std::vector<StepLine> lines;
  std::unordered_set<std::string_view> in_graph;
  for (const GraphStep& step : graph) {
    in_graph.insert(step.name);
    StepLine line{.step = step, .state = {}, .combinations = combinations[step.name]};
    line.state.name = step.name;
    if (const auto found = known.find(step.name); found != known.end()) {
      line.state = *found->second;
    } else if (step.position >= 0 && succeeded.contains(step.position)) {
      line.state.state = StepPhase::Succeeded;
      line.archived = true;
    } else if (step.position >= 0 && skipped.contains(step.position)) {
      line.state.state = StepPhase::Skipped;
      line.archived = true;
    }
    lines.push_back(std::move(line));
  }
  for (const StepState& state : status.step_states) {
    if (!state.of.empty() || in_graph.contains(state.name)) continue;
    lines.push_back(
        {.step = {.name = state.name}, .state = state, .combinations = combinations[state.name]});
  }
  return lines;
}

}  // namespace millrace::cli
