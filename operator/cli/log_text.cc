#include "operator/cli/log_text.h"

#include "kubeclient/codec/describe.h"
#include "operator/cli/run_tree.h"
#include "operator/cli/text.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kMostBody = 2000;  ///< of a response's body [bytes]

std::vector<std::string> http_summary(const GraphStep& step, const crds::StepState& state) {
  std::vector<std::string> lines{"> " + one_line(step.detail)};
  if (const codec::Value* status = state.response.find("status")) {
    std::string answer = "< HTTP " + status->dump();
    if (const codec::Value* headers = state.response.find("headers")) {
      for (const auto& [name, values] : headers->members()) {
        if (name != "Content-Type") continue;  // the others may hold cookies and tokens
        const codec::Value* first = values.items().empty() ? &values : &values.items().front();
        answer += " " + one_line(first->as_string());
      }
    }
    lines.push_back(std::move(answer));
  }
  if (const codec::Value* body = state.response.find("body"); body != nullptr && !body->is_null()) {
    lines.push_back("< " +
                    one_line(body->is_string() ? body->as_string() : body->dump(), kMostBody));
  }
  return lines;
}

}  // namespace

std::map<std::string, std::vector<std::string>> containers_of(const std::vector<GraphStep>& graph) {
  std::map<std::string, std::vector<std::string>> out;
  for (const GraphStep& step : graph) {
    if (step.containers.empty()) continue;
    if (step.containers.size() > 1 || step.containers.front() != step.name) {
      out.emplace(step.name, step.containers);
    }
  }
  return out;
}

std::vector<std::string> step_summary(const GraphStep& step, const crds::StepState& state,
                                      const crds::PipelineRun& run) {
  std::vector<std::string> lines;
  switch (step.action) {
    case ActionKind::Pod:
    case ActionKind::Stream:
      return {};
    case ActionKind::Http:
      lines = http_summary(step, state);
      break;
    case ActionKind::Manifest:
      lines.push_back("applied " + (step.detail.empty() ? "an object" : step.detail));
      break;
    case ActionKind::Approval:
      // As it was asked; what stands in the pipeline is a template.
      if (state.waiting && state.waiting->reason == "Approval") {
        lines.push_back(one_line(state.waiting->message));
      } else if (state.state == crds::StepPhase::Succeeded && !state.message.empty()) {
        lines.push_back(one_line(state.message));
      } else if (!step.detail.empty() && step.detail.find("{{") == std::string::npos) {
        lines.push_back(one_line(step.detail));
      }
      for (const crds::Approval& approval : run.spec.approvals) {
        if (approval.step != state.name) continue;
        lines.push_back(std::string(codec::enum_name(approval.decision)) + " by " + approval.by +
                        (approval.comment.empty() ? "" : ": " + one_line(approval.comment)));
      }
      break;
    case ActionKind::Child:
      lines.push_back("run " + (state.run_name.empty() ? "of " + step.detail : state.run_name));
      break;
    case ActionKind::Wait:
      lines.push_back("waited " + step.detail);
      break;
  }
  if (state.state == crds::StepPhase::Failed) lines.push_back("failed: " + step_detail(state));
  return lines;
}

std::string no_log(const GraphStep& step, const crds::StepState& state) {
  switch (state.state) {
    case crds::StepPhase::Skipped:
      return "was skipped" + (state.message.empty() ? "" : ": " + one_line(state.message));
    case crds::StepPhase::Pending: {
      const std::string detail = step_detail(state);
      return "has not started" + (detail.empty() ? "" : ": " + detail);
    }
    case crds::StepPhase::Running:
    case crds::StepPhase::Succeeded:
    case crds::StepPhase::Failed:
      break;
  }
  if (step.action == ActionKind::Stream) return "is a service; ask for its pods with kubectl logs";
  const std::string detail = step_detail(state);
  return "has no pod on record" + (detail.empty() ? "" : ": " + detail);
}

}  // namespace millrace::cli
