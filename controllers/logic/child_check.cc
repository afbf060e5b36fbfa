#include "controllers/logic/child_check.h"

#include <algorithm>
#include <set>

#include "controllers/logic/compile_graph.h"
#include "controllers/logic/params.h"

namespace millrace::logic {
namespace {

using codec::FieldError;
using codec::Value;

constexpr std::string_view kMissing = "there is no Pipeline ";

/// A step that starts a pipeline.
struct ChildUse {
  std::string path;  ///< of `pipeline`
  const crds::PipelineAction* action = nullptr;
  bool always = false;  ///< nothing but a failure keeps it from running
};

std::vector<ChildUse> uses_of(const crds::PipelineSpec& spec) {
  std::vector<ChildUse> uses;
  for (const GraphStep& step : graph_steps(spec)) {
    if (step.step == nullptr || !step.step->pipeline || step.step->pipeline->name.empty()) continue;
    const bool always = step.step->when.empty() && step.group != Group::OnError;
    uses.push_back({step.path + ".pipeline", &*step.step->pipeline, always});
  }
  return uses;
}

bool is_templated(const Value& value) {
  if (value.is_string()) return value.as_string().find("{{") != std::string::npos;
  if (value.is_array()) {
    return std::any_of(value.items().begin(), value.items().end(), is_templated);
  }
  return std::any_of(value.members().begin(), value.members().end(), [](const auto& member) {
    return member.first.find("{{") != std::string::npos || is_templated(member.second);
  });
}

void check_child(const ChildUse& use, const crds::Pipeline& child,
                 std::vector<FieldError>& errors) {
  const std::string& name = use.action->name;
  if (child.spec.stream_job) {
    errors.push_back({use.path + ".name", "Pipeline " + name + " is a stream, which never ends"});
    return;
  }
  if (child.spec.batch_job) return;  // takes no notice of params
  std::set<std::string_view> known;
  std::string missing;
  for (const crds::Param& param : child.spec.params) {
    known.insert(param.name);
    const auto given = use.action->params.find(param.name);
    if (given == use.action->params.end() || given->second.is_null()) {
      if (param.default_value.is_null()) missing += (missing.empty() ? "" : ", ") + param.name;
      continue;
    }
    if (is_templated(given->second)) continue;
    const auto value = param_value(param, given->second);
    if (!value.ok()) {
      errors.push_back({use.path + ".params." + param.name, value.error().message});
    }
  }
  for (const auto& [param, value] : use.action->params) {
    if (known.contains(param)) continue;
    errors.push_back({use.path + ".params." + param, "Pipeline " + name + " has no such param"});
  }
  if (!missing.empty()) {
    errors.push_back({use.path + ".params", "Pipeline " + name + " needs a value for " + missing});
  }
}

/// Looks for a way from one pipeline back to itself over steps that always run.
class CircleSearch {
 public:
  CircleSearch(const std::string& goal, const PipelineLookup& find) : goal_(goal), find_(find) {}

  /// "b → c → goal", or empty.
  std::string from(const std::string& name) {
    if (name == goal_) return name;
    if (!seen_.insert(name).second) return {};
    const crds::Pipeline* pipeline = find_(name);
    if (pipeline == nullptr) return {};
    for (const ChildUse& use : uses_of(pipeline->spec)) {
      if (!use.always) continue;
      const std::string rest = from(use.action->name);
      if (!rest.empty()) return name + " → " + rest;
    }
    return {};
  }

 private:
  const std::string& goal_;
  const PipelineLookup& find_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<std::string> child_names(const crds::PipelineSpec& spec) {
  std::set<std::string> names;
  for (const auto* steps : {&spec.steps, &spec.on_error, &spec.finally_steps}) {
    for (const crds::Step& step : *steps) {
      if (step.pipeline && !step.pipeline->name.empty()) names.insert(step.pipeline->name);
    }
  }
  return {names.begin(), names.end()};
}

std::vector<FieldError> check_children(const crds::Pipeline& pipeline, const PipelineLookup& find) {
  std::vector<FieldError> errors;
  CircleSearch search(pipeline.metadata.name, find);
  for (const ChildUse& use : uses_of(pipeline.spec)) {
    const std::string& name = use.action->name;
    const crds::Pipeline* child = name == pipeline.metadata.name ? &pipeline : find(name);
    if (child == nullptr) {
      errors.push_back({use.path + ".name", std::string(kMissing) + name + " in this namespace"});
      continue;
    }
    check_child(use, *child, errors);
    const std::string circle = use.always ? search.from(name) : std::string();
    if (circle.empty()) continue;
    errors.push_back({use.path + ".name",
                      "pipelines that start one another without an end: " + pipeline.metadata.name +
                          " → " + circle + "; give one of these steps a condition (when)"});
  }
  return errors;
}

bool is_missing_child(const FieldError& error) { return error.message.starts_with(kMissing); }

}  // namespace millrace::logic
