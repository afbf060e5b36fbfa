#include <algorithm>
#include <utility>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/names.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using codec::Value;
using crds::RetryCause;
using crds::StepPhase;

namespace {

bool may_approve(const crds::ApprovalAction& approval, const crds::Approval& given) {
  if (approval.approvers.empty()) return true;
  return std::any_of(
      approval.approvers.begin(), approval.approvers.end(), [&](const std::string& who) {
        if (!who.starts_with("group:")) return who == given.by;
        const std::string group = who.substr(6);
        return std::find(given.groups.begin(), given.groups.end(), group) != given.groups.end();
      });
}

}  // namespace

void Graph::watch(Unit& unit) {
  if (is_matrix(unit)) return;  // after its combinations
  ++running_;
  const auto look = [&](const auto& step) {
    using Step = std::decay_t<decltype(step)>;
    if constexpr (std::is_same_v<Step, PodStep>) watch_pod(unit, step);
    if constexpr (std::is_same_v<Step, HttpStep>) watch_http(unit, step);
    if constexpr (std::is_same_v<Step, ManifestStep>) watch_manifest(unit, step);
    if constexpr (std::is_same_v<Step, ApprovalStep>) watch_approval(unit, step);
    if constexpr (std::is_same_v<Step, ChildStep>) watch_child(unit);
    if constexpr (std::is_same_v<Step, WaitStep>) watch_wait(unit, step);
  };
  std::visit(look, node_of(unit).action);
  if (unit.state.state != StepPhase::Running) --running_;
}

void Graph::watch_approval(Unit& unit, const ApprovalStep& step) {
  const crds::ApprovalAction& approval = step.approval;
  std::string refused;
  for (const crds::Approval& given : run_.spec.approvals) {
    if (given.step != unit.name) continue;
    if (!may_approve(approval, given)) {
      refused = "; the decision of " + (given.by.empty() ? "nobody" : given.by) +
                " does not count, as only those in " + node_of(unit).path +
                ".approval.approvers may decide";
      continue;
    }
    unit.state.outputs = Value::object({{"by", given.by}, {"comment", given.comment}});
    if (given.decision == crds::Decision::Approve) {
      std::string asked = text(unit, approval.message).value_or(std::string());
      succeed(unit, input_.now);
      unit.state.message = cut(asked, kMessageLimit);  // what was agreed to
    } else {
      fail_attempt(unit,
                   {"Rejected",
                    "rejected by " + given.by +
                        (given.comment.empty() ? std::string() : ": " + given.comment),
                    RetryCause::Failed, true},
                   input_.now);
    }
    return;
  }
  const Time started = unit.state.started_at.value_or(input_.now);
  if (approval.expires && *approval.expires > Duration::zero()) {
    const Duration left = started + *approval.expires - input_.now;
    if (left <= Duration::zero()) {
      fail_attempt(
          unit,
          {"ApprovalExpired", "nobody decided within " + format_duration(*approval.expires),
           RetryCause::TimedOut, true},
          input_.now);
      return;
    }
    look_again(plan_, left);
  }
  Result<std::string> message = text(unit, approval.message);
  if (!message.ok()) {
    fail_attempt(
        unit,
        {"ExpressionError", node_of(unit).path + ".approval.message: " + message.error().message,
         RetryCause::Failed, true},
        input_.now);
    return;
  }
  std::string asked = message->empty() ? "waits for an approval" : *message;
  if (!refused.empty() && unit.state.waiting && unit.state.waiting->message != asked + refused) {
    stop_waiting(unit);
  }
  wait_for(unit, "Approval", asked + refused);
}

void Graph::watch_child(Unit& unit) {
  const std::string name = object_name(unit);
  const crds::PipelineRun* child = child_of(unit);
  if (child == nullptr) {
    if (!unit.recorded || ask_workload()) return;
    fail_attempt(unit,
                 {"RunLost", "the run " + name + " is gone; somebody deleted it while it ran",
                  RetryCause::Infrastructure, false},
                 input_.now);
    return;
  }
  unit.state.run_name = name;
  if (!is_terminal(*child)) {
    if (over_time(unit, child->metadata.creation_timestamp.value_or(input_.now))) {
      stop_child(unit, *child);
      return;
    }
    const api::Condition* how = api::find_condition(child->status.conditions, "Succeeded");
    wait_for(unit, "ChildRun", how == nullptr ? "" : "run " + name + ": " + how->reason);
    return;
  }
  const api::Condition* how = api::find_condition(child->status.conditions, "Succeeded");
  const Time end = child->status.completion_time.value_or(input_.now);
  if (how != nullptr && how->status == "True") {
    unit.state.outputs = Value::object({{"run", name}});
    succeed(unit, end);
    return;
  }
  const auto& timeout = node_of(unit).timeout;
  if (child->spec.cancel && !stopping_ && timeout && *timeout > Duration::zero() &&
      end - child->metadata.creation_timestamp.value_or(end) >= *timeout) {
    fail_attempt(
        unit,
        {"StepTimeout",
         "run " + name + " did not end within " + format_duration(*timeout) + " and was cancelled",
         RetryCause::TimedOut, false},
        end);
    return;
  }
  fail_attempt(
      unit,
      {"RunFailed", "run " + name + " failed: " + (how == nullptr ? std::string() : how->message),
       RetryCause::Failed, false},
      end);
}

void Graph::watch_wait(Unit& unit, const WaitStep&) {
  const Value* given = unit.state.outputs.find("duration");
  const auto length = parse_duration(given == nullptr ? "0s" : given->as_string());
  // Only whole seconds of the start are kept: one more, so that it is never too short.
  Duration whole = length.ok() ? *length : Duration::zero();
  if (whole > Duration::zero() && unit.recorded) whole += std::chrono::seconds(1);
  // Begun by a clock that was set back since: it begins again, or it would last until that time.
  auto& started = unit.state.started_at;
  if (started && *started > input_.now) {
    started = truncate_to_second(input_.now);
    if (unit.state.waiting) unit.state.waiting->message.clear();
  }
  const Time end = started.value_or(input_.now) + std::chrono::ceil<Time::duration>(whole);
  if (input_.now >= end) {
    unit.state.outputs = Value();
    succeed(unit, input_.now);
    return;
  }
  wait_for(unit, "Wait", "until " + format_time(end));
  look_again(plan_, end - input_.now);
}

/// A step with a matrix is as its combinations are.
void Graph::watch_matrix(Unit& unit) {
  const Node& node = node_of(unit);
  const std::vector<std::size_t> all = combinations(unit.node);
  const bool fail_fast = node.matrix->fail_fast.value_or(true);
  std::size_t going = 0;
  std::size_t good = 0;
  const Unit* bad = nullptr;
  for (const std::size_t i : all) {
    const Unit& one = *units_[i];
    if (one.state.state == StepPhase::Failed && bad == nullptr) bad = &one;
    if (one.state.state == StepPhase::Succeeded) ++good;
    if (!ended(one)) ++going;
  }
  if (bad != nullptr && fail_fast) {
    for (const std::size_t i : all) {
      if (units_[i]->state.state != StepPhase::Pending) continue;
      skip(*units_[i], kMatrixStopped, bad->name + " failed");
      --going;
    }
  }
  if (going > 0) {
    unit.state.message = std::to_string(good) + " of " + std::to_string(all.size()) + " succeeded";
    return;
  }
  if (bad != nullptr) {
    end_failed(unit, bad->state.reason, bad->name + ": " + bad->state.message, input_.now);
    return;
  }
  Value outputs = Value::object();
  for (const std::size_t i : all) {
    // Const: else one without outputs would get empty ones, after its end.
    for (const auto& [key, value] : std::as_const(units_[i]->state.outputs).members()) {
      outputs[key].push_back(value);
    }
  }
  if (!outputs.empty()) unit.state.outputs = std::move(outputs);
  succeed(unit, input_.now);
}

}  // namespace millrace::logic
