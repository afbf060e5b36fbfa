#include <algorithm>
#include <set>
#include <string_view>

#include "controllers/logic/compile.h"
#include "controllers/logic/graph_parts.h"
#include "controllers/logic/job.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using crds::StepPhase;
using crds::StepState;

Graph::Graph(const RunInput& input, const Revision& revision)
    : input_(input),
      revision_(revision),
      compiled_(**revision.plan),
      nodes_(compiled_.nodes),
      run_(*input.run) {
  belt_ = std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
    const auto* http = std::get_if<HttpStep>(&node.action);
    return http != nullptr && http->belt;
  });
  status_ = carried_status(input, revision.name);
  status_.params = run_.status.params;
  status_.concurrency_group = run_.status.concurrency_group;
  status_.archive = run_.status.archive;
  read_status();
  read_children();
}

Unit& Graph::add_unit(std::string name, std::size_t node) {
  auto unit = std::make_unique<Unit>();
  unit->name = std::move(name);
  unit->node = node;
  unit->state.name = unit->name;
  units_.push_back(std::move(unit));
  Unit& added = *units_.back();
  by_name_.emplace(added.name, units_.size() - 1);
  return added;
}

void Graph::read_status() {
  const std::size_t most = nodes_.size() + run_.status.step_states.size();
  units_.reserve(most);
  by_name_.reserve(most);
  for (std::size_t i = 0; i < nodes_.size(); ++i) add_unit(nodes_[i].name, i);
  if (const auto& archive = run_.status.archive) {
    archived_done_ = IndexSet::parse(archive->succeeded);
    archived_skipped_ = IndexSet::parse(archive->skipped);
    for (const int index : archived_done_.members()) {
      if (static_cast<std::size_t>(index) >= nodes_.size()) continue;
      units_[static_cast<std::size_t>(index)]->state.state = StepPhase::Succeeded;
    }
    for (const int index : archived_skipped_.members()) {
      if (static_cast<std::size_t>(index) >= nodes_.size()) continue;
      StepState& state = units_[static_cast<std::size_t>(index)]->state;
      state.state = StepPhase::Skipped;
      state.reason = kWhenFalse;
    }
  }
  if (run_.status.step_states.empty() && !run_.status.archive) reuse_retried();
  for (const StepState& state : run_.status.step_states) {
    const auto known = by_name_.find(state.name);
    if (known != by_name_.end()) {
      units_[known->second]->state = state;
      units_[known->second]->recorded = &state;
      continue;
    }
    const auto node = by_name_.find(state.of);
    if (node == by_name_.end() || node->second >= nodes_.size()) continue;
    Unit& unit = add_unit(state.name, node->second);
    unit.state = state;
    unit.recorded = &state;
  }
}

/// A retry of an ended run: what succeeded there need not run again.
void Graph::reuse_retried() {
  if (input_.retried == nullptr) return;
  for (const StepState& state : input_.retried->status.step_states) {
    const auto known = by_name_.find(state.name);
    if (known == by_name_.end() || !state.of.empty()) continue;
    Unit& unit = *units_[known->second];
    if (node_of(unit).group != Group::Main) continue;
    const bool skipped = state.state == StepPhase::Skipped && state.reason == kWhenFalse;
    if (state.state != StepPhase::Succeeded && !skipped) continue;
    unit.state = state;
    unit.state.waiting.reset();
    unit.state.waited.clear();
    unit.state.message = "taken over from run " + input_.retried->metadata.name;
    fresh_ = true;  // that run may be gone by the next plan
  }
}

void Graph::adopt_combinations() {
  const auto adopt = [&](const api::ObjectMeta& object) {
    const std::string& name = object.label(kStepLabel);
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos || find(name) != nullptr) return;
    const auto node = by_name_.find(std::string_view(name).substr(0, dot));
    if (node == by_name_.end() || node->second >= nodes_.size()) return;
    Unit& whole = *units_[node->second];
    if (!is_matrix(whole) || ended(whole)) return;
    if (whole.state.state == StepPhase::Pending) {
      whole.state.state = StepPhase::Running;
      whole.state.started_at = truncate_to_second(input_.now);
      stop_waiting(whole);
    }
    add_unit(name, node->second).state.of = whole.name;
  };
  for (const auto& [name, children] : jobs_) {
    if (children.job != nullptr) adopt(children.job->metadata);
  }
  for (const crds::PipelineRun* child : input_.children) adopt(child->metadata);
}

void Graph::read_children() {
  std::set<std::string_view> strangers;  // Jobs that only look like ours
  for (const api::Job* job : input_.jobs) {
    if (is_controlled_by(job->metadata, run_.metadata.uid)) {
      jobs_[job->metadata.name].job = job;
    } else {
      strangers.insert(job->metadata.uid);
    }
  }
  for (const api::Pod* pod : input_.pods) {
    // Labels alone prove nothing: anybody may write them.
    const api::OwnerReference* owner = pod->metadata.controller_ref();
    if (owner == nullptr || owner->kind != api::Job::kResource.kind) continue;
    if (pod->metadata.label(kRunUidLabel) != run_.metadata.uid) continue;
    if (strangers.contains(owner->uid)) continue;
    JobChildren& children = jobs_[owner->name];
    if (children.job != nullptr && children.job->metadata.uid != owner->uid) continue;
    children.pods.push_back(pod);
  }
}

bool Graph::is_matrix(const Unit& unit) const {
  return node_of(unit).matrix.has_value() && unit.name == node_of(unit).name;
}

const Unit* Graph::find(std::string_view name) const {
  const auto known = by_name_.find(name);
  return known == by_name_.end() ? nullptr : units_[known->second].get();
}

std::vector<std::size_t> Graph::combinations(std::size_t node) const {
  std::vector<std::size_t> found;
  for (std::size_t i = nodes_.size(); i < units_.size(); ++i) {
    if (units_[i]->node == node) found.push_back(i);
  }
  return found;
}

bool Graph::ended(const Unit& unit) const {
  const StepPhase state = unit.state.state;
  return state == StepPhase::Succeeded || state == StepPhase::Failed || state == StepPhase::Skipped;
}

bool Graph::done(const Unit& unit) const {
  switch (unit.state.state) {
    case StepPhase::Succeeded:
      return true;
    case StepPhase::Failed:
      return node_of(unit).continue_on_error;
    case StepPhase::Skipped:
      return unit.state.reason == kWhenFalse;
    case StepPhase::Pending:
    case StepPhase::Running:
      break;
  }
  return false;
}

bool Graph::failed(const Unit& unit) const {
  return unit.state.state == StepPhase::Failed && !node_of(unit).continue_on_error;
}

Graph::Turn Graph::turn_of(const Node& node) {
  // All steps of a stage come after the same ones: comparing the lists is a lot cheaper than
  // looking up each name. Predecessors stand before both nodes, so their turn is over.
  if (same_after_ != nullptr && *same_after_ == node.after) return same_turn_;
  Turn turn = Turn::Now;
  for (const std::string& name : node.after) {
    const Unit& unit = *units_[by_name_.at(name)];
    if (done(unit)) continue;
    if (ended(unit)) {
      turn = Turn::CutOff;
      break;
    }
    turn = Turn::NotYet;
  }
  same_after_ = &node.after;
  same_turn_ = turn;
  return turn;
}

std::string Graph::object_name(const Unit& unit) const {
  return step_object_name(run_.metadata.name, run_.metadata.uid, unit.name,
                          std::max(1, unit.state.attempt));
}

const crds::PipelineRun* Graph::child_of(const Unit& unit) const {
  if (input_.children.empty()) return nullptr;
  const std::string name = object_name(unit);
  for (const crds::PipelineRun* child : input_.children) {
    if (child->metadata.name == name) return child;
  }
  return nullptr;
}

bool Graph::stands(const Unit& unit) const {
  if (is_matrix(unit)) return false;
  if (!input_.calls.empty() &&
      input_.calls.contains(unit.name + "/" + std::to_string(std::max(1, unit.state.attempt)))) {
    return true;
  }
  const NodeAction& action = node_of(unit).action;
  if (std::holds_alternative<ChildStep>(action)) return child_of(unit) != nullptr;
  return std::holds_alternative<PodStep>(action) && !jobs_.empty() &&
         jobs_.contains(object_name(unit));
}

Attempt Graph::observe(const Unit& unit) const {
  Attempt attempt;
  attempt.number = std::max(1, unit.state.attempt);
  attempt.job_key = {run_.metadata.ns, object_name(unit)};
  const auto* step = std::get_if<PodStep>(&node_of(unit).action);
  if (step != nullptr) {
    for (const PodContainer& container : step->containers) {
      attempt.all_steps.push_back(container.name);
    }
  }
  attempt.steps = attempt.all_steps;
  const auto found = jobs_.find(attempt.job_key.name);
  if (found == jobs_.end()) return attempt;
  attempt.job = found->second.job;
  for (const api::Pod* pod : found->second.pods) add_pod(attempt, *pod, input_.now);
  if (attempt.job != nullptr) {
    attempt.started = start_of(*attempt.job);
  } else if (attempt.pod() != nullptr) {
    attempt.started = attempt.pod()->metadata.creation_timestamp.value_or(input_.now);
  }
  return attempt;
}

}  // namespace millrace::logic
