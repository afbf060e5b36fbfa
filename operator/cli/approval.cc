#include "operator/cli/approval.h"

#include <algorithm>

#include "controllers/logic/run.h"
#include "kubeclient/codec/describe.h"
#include "kubeclient/codec/json_writer.h"
#include "operator/cli/text.h"
#include "operator/cli/why.h"

namespace millrace::cli {
namespace {

const crds::Approval* decision_about(const crds::PipelineRun& run, const std::string& step) {
  for (const crds::Approval& approval : run.spec.approvals) {
    if (approval.step == step) return &approval;
  }
  return nullptr;
}

bool waits_for_approval(const StepLine& line) {
  const crds::StepState& state = line.state;
  if (state.waiting && wait_kind(state.waiting->reason) == "approval") return true;
  return line.step.action == ActionKind::Approval && state.state == crds::StepPhase::Running;
}

}  // namespace

std::vector<StepLine> pending_approvals(const std::vector<StepLine>& lines,
                                        const crds::PipelineRun& run) {
  std::vector<StepLine> pending;
  if (logic::is_terminal(run)) return pending;
  for (const StepLine& line : lines) {
    if (waits_for_approval(line) && decision_about(run, line.state.name) == nullptr) {
      pending.push_back(line);
    }
  }
  return pending;
}

Result<StepLine> choose_approval(const std::vector<StepLine>& lines, const crds::PipelineRun& run,
                                 const std::string& wanted) {
  const std::string& name = run.metadata.name;
  const auto pending = pending_approvals(lines, run);
  std::vector<std::string> names;
  std::string list;
  for (const StepLine& line : pending) {
    names.push_back(line.state.name);
    list += "\n  " + line.state.name;
    if (!line.step.detail.empty()) list += ": " + one_line(line.step.detail);
  }
  if (wanted.empty()) {
    if (pending.size() == 1) return pending.front();
    if (pending.empty()) {
      return fail(Code::Invalid, logic::is_terminal(run)
                                     ? name + " has ended; there is nothing to decide"
                                     : "no step of " + name + " waits for a decision now");
    }
    return fail(Code::Invalid,
                "several steps of " + name + " wait for a decision; say which STEP:" + list);
  }
  for (const StepLine& line : pending) {
    if (line.state.name == wanted) return line;
  }
  if (const crds::Approval* decided = decision_about(run, wanted)) {
    return fail(Code::Invalid, "step " + wanted + " has been decided already: " +
                                   std::string(codec::enum_name(decided->decision)) + " by " +
                                   (decided->by.empty() ? "somebody" : decided->by));
  }
  for (const StepLine& line : lines) {
    if (line.state.name != wanted) continue;
    if (line.step.action != ActionKind::Approval) {
      return fail(Code::Invalid,
                  "step " + wanted + " is no approval; it does not wait for anybody");
    }
    return fail(Code::Invalid, "step " + wanted + " does not wait for a decision now; it is " +
                                   std::string(codec::enum_name(line.state.state)));
  }
  return fail(Code::Invalid, "there is no step \"" + wanted + "\" in " + name +
                                 "; steps that wait: " + joined(names, "none"));
}

Result<> check_approver(const GraphStep& step, const Self& self) {
  if (step.approvers.empty()) return {};
  for (const std::string& approver : step.approvers) {
    if (approver == self.user) return {};
    constexpr std::string_view kGroup = "group:";
    if (!approver.starts_with(kGroup)) continue;
    const std::string group = approver.substr(kGroup.size());
    if (std::find(self.groups.begin(), self.groups.end(), group) != self.groups.end()) return {};
  }
  return fail(Code::Denied, "you are " + self.user + ", who may not decide about step " +
                                step.name + "; its approvers are: " + joined(step.approvers));
}

codec::Value approval_patch(const crds::PipelineRun& run, const crds::Approval& decision) {
  codec::Value approvals = codec::Value::array();
  for (const crds::Approval& approval : run.spec.approvals) {
    approvals.push_back(codec::to_value(approval));
  }
  approvals.push_back(codec::to_value(decision));
  return codec::Value::object(
      {{"metadata", codec::Value::object({{"resourceVersion", run.metadata.resource_version}})},
       {"spec", codec::Value::object({{"approvals", std::move(approvals)}})}});
}

}  // namespace millrace::cli
