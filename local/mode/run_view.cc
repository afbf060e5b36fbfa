#include "local/mode/run_view.h"

#include <algorithm>

#include "kubeclient/base/duration.h"

namespace millrace::mode {
namespace {

using crds::StepPhase;

constexpr const char* kRed = "\x1b[31m";
constexpr const char* kGreen = "\x1b[32m";
constexpr const char* kYellow = "\x1b[33m";
constexpr const char* kDim = "\x1b[2m";
constexpr const char* kPlain = "\x1b[0m";

std::string id_of(const crds::StepState& step) {
  return std::to_string(step.attempt) + "/" + step.name;
}

/// Output of programs must not steer the terminal beyond its own colours; a carriage return would
/// write over our prefix.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\r') continue;
    out += static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\x1b' ? '?' : c;
  }
  return out;
}

/// "120ms", as a person would time it.
std::string rounded(Duration took) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  return ms.count() < 1 ? "1ms" : human_duration(ms);
}

/// Waiting for other steps, and what takes no time, is no news.
bool is_news(const std::string& reason) {
  return reason != "PodPending" && reason != "PodInitializing" && reason != "ContainerCreating" &&
         reason.find("Previous") == std::string::npos &&
         reason.find("Depend") == std::string::npos && reason.find("Stage") == std::string::npos;
}

std::string detail_of(const crds::StepState& step) {
  std::string detail;
  if (step.exit_code && *step.exit_code != 0) {
    detail = "exit code " + std::to_string(*step.exit_code);
  }
  const bool says_more = !step.reason.empty() && step.reason != "Error" && step.reason != "Failed";
  if (says_more) detail += (detail.empty() ? "" : ", ") + step.reason;
  if (!step.message.empty()) detail += (detail.empty() ? "" : ": ") + step.message;
  return detail;
}

}  // namespace

RunEnd end_of(const crds::PipelineRun& run) {
  const api::Condition* cancelled = api::find_condition(run.status.conditions, "Cancelled");
  const api::Condition* completed = api::find_condition(run.status.conditions, "Completed");
  const api::Condition* succeeded = api::find_condition(run.status.conditions, "Succeeded");
  if (completed == nullptr || completed->status != "True" || succeeded == nullptr) {
    return RunEnd::None;
  }
  if (succeeded->status == "True") return RunEnd::Succeeded;
  if (cancelled != nullptr && cancelled->status == "True") return RunEnd::Cancelled;
  const bool timed_out = succeeded->reason.find("Timeout") != std::string::npos ||
                         succeeded->reason.find("TimedOut") != std::string::npos;
  return timed_out ? RunEnd::TimedOut : RunEnd::Failed;
}

bool RunView::is_batch(const crds::PipelineRun& run) {
  return run.status.cluster && !run.status.cluster->build_name.empty();
}

bool RunView::is_over(const crds::StepState& step) {
  return step.state == StepPhase::Succeeded || step.state == StepPhase::Failed;
}

std::string RunView::painted(const char* colour, std::string_view text) const {
  if (colour_ == Colour::No || *colour == '\0') return std::string(text);
  return colour + std::string(text) + kPlain;
}

std::string RunView::line(const char* colour, std::string_view mark, std::string_view text) const {
  const std::string whose = prefix_ ? name_ + " " : "";
  return painted(colour, mark) + " " + whose + printable(text) + "\n";
}

std::string RunView::begun(const crds::PipelineRun& run) {
  name_ = run.metadata.name;
  if (telling_ == Telling::Logs) return "";
  return line(kDim, "▸", (prefix_ ? "" : name_ + ", ") + ("a run of " + run.spec.ref_pipeline));
}

std::string RunView::output(const std::string& step, std::string_view text) const {
  if (telling_ == Telling::Logs)
    return painted(kDim, "[" + step + "]") + " " + printable(text) + "\n";
  std::string label = (prefix_ ? name_ + " " : "") + step;
  if (step.size() < width_) label.append(width_ - step.size(), ' ');
  return painted(kDim, "  " + label + " | ") + printable(text) + "\n";
}

std::string RunView::news(const crds::PipelineRun& run, SteadyTime now) {
  std::string text;
  const bool batch = is_batch(run);
  for (const crds::StepState& step : run.status.step_states) {
    width_ = std::max(width_, step.name.size());
    if (step.state == StepPhase::Running) began_.try_emplace(id_of(step), now);
    if (telling_ == Telling::Logs) continue;
    if (!batch && step.attempt > 1 && attempts_[step.name] < step.attempt) {
      attempts_[step.name] = step.attempt;
      text += line(kYellow, "↻", step.name + ": attempt " + std::to_string(step.attempt));
    }
    if (batch && step.attempt > attempt_) {
      attempt_ = step.attempt;
      text += line(kYellow, "↻", "attempt " + std::to_string(attempt_));
    }
    if (!step.waiting || !is_news(step.waiting->reason)) continue;
    const std::string why = step.name + " waits: " + step.waiting->reason +
                            (step.waiting->message.empty() ? "" : ": " + step.waiting->message);
    if (why == waiting_[step.name]) continue;
    waiting_[step.name] = why;
    text += line(kYellow, "…", why);
  }
  return text;
}

std::string RunView::ended(const crds::StepState& step, SteadyTime now) {
  const std::string id = id_of(step);
  if (!told_.insert(id).second || telling_ == Telling::Logs) return "";
  if (step.state == StepPhase::Skipped) return line(kDim, "-", step.name + "  skipped");
  std::string text = step.name;
  const auto began = began_.find(id);
  if (step.started_at && step.finished_at &&
      *step.finished_at - *step.started_at >= std::chrono::seconds(1)) {
    text += "  " + human_duration(*step.finished_at - *step.started_at);
  } else if (began != began_.end()) {
    text += "  " + rounded(now - began->second);
  }
  if (const codec::Value* status = step.response.find("status")) text += "  HTTP " + status->dump();
  if (step.state == StepPhase::Succeeded) return line(kGreen, "✔", text);
  const std::string detail = detail_of(step);
  return line(kRed, "✘", text + (detail.empty() ? "" : "  " + detail));
}

std::string RunView::finished(const crds::PipelineRun& run, Duration took) const {
  if (telling_ == Telling::Logs) return "";
  const api::Condition* succeeded = api::find_condition(run.status.conditions, "Succeeded");
  const std::string after = " after " + rounded(took);
  if (end_of(run) == RunEnd::Succeeded) {
    return line(kGreen, "✔", (prefix_ ? "" : name_ + " ") + ("Succeeded" + after));
  }
  std::string why = succeeded == nullptr ? "did not end" : succeeded->reason;
  if (why.empty()) why = "Failed";
  std::string text = (prefix_ ? "" : name_ + " ") + why + after;
  if (succeeded != nullptr && !succeeded->message.empty()) text += ": " + succeeded->message;
  return line(kRed, "✘", text);
}

std::string RunView::remark(std::string_view text) const { return line(kYellow, "!", text); }

}  // namespace millrace::mode
