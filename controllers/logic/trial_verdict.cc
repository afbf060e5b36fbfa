#include <algorithm>

#include "controllers/logic/run_status.h"
#include "controllers/logic/trial.h"

namespace millrace::logic {
namespace {

using Kind = TrialFinding::Kind;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// RBAC: `pods is forbidden: User "x" cannot create resource "pods" ...`. Admission plugins name
/// the object instead: `pods "p" is forbidden: ...`. Measured on Kubernetes 1.34.
bool is_rbac(std::string_view message) {
  if (message.starts_with("forbidden: User ")) return true;  // a path, such as that of discovery
  const std::size_t at = message.find(" is forbidden: ");
  if (at == std::string_view::npos || message.substr(0, at).find('"') != std::string_view::npos) {
    return false;
  }
  return message.substr(at).starts_with(" is forbidden: User \"");
}

Kind kind_of(const Trial& trial, const Error& error) {
  const std::string& message = error.message;
  const bool as_account = !trial.action.service_account.empty();
  // A webhook chooses the status of its refusal, 5xx included; a policy may say 401 or 413.
  if (contains(message, "denied the request") || contains(message, "denied request:")) {
    return Kind::Refused;
  }
  switch (error.code) {
    case Code::Invalid:
      if (contains(message, "does not support dry run")) return Kind::Unknown;
      // The server has no such kind: an earlier step may bring it.
      if (error.http_status == 0) return Kind::Unknown;
      return error.http_status >= 400 ? Kind::Refused : Kind::Failed;
    case Code::Throttled:
      return contains(message, "exceeded quota") ? Kind::Quota : Kind::Failed;
    case Code::Denied:
      if (error.http_status != 403 || contains(message, "is being terminated")) return Kind::Failed;
      if (contains(message, "cannot impersonate resource")) return Kind::Failed;
      // The account of a run lacks a right: so would the run. We lack one: nothing is known.
      return is_rbac(message) && !as_account ? Kind::Failed : Kind::Refused;
    case Code::NotFound:
      return as_account ? Kind::Unknown : Kind::Failed;
    default:
      return Kind::Failed;
  }
}

const char* verb_of(Kind kind) {
  switch (kind) {
    case Kind::Refused:
      return " would be refused: ";
    case Kind::Quota:
      return " would have to wait: ";
    case Kind::Failed:
    case Kind::Unknown:
      break;
  }
  return " could not be checked: ";
}

std::string line_of(const TrialFinding& finding) {
  return (finding.path.empty() ? "" : finding.path + ": ") + finding.what + verb_of(finding.kind) +
         finding.message;
}

/// What was found of `kind`, in order.
std::string describe(const std::vector<TrialFinding>& findings, Kind kind) {
  constexpr int kShown = 3;
  const auto all = static_cast<int>(
      std::count_if(findings.begin(), findings.end(),
                    [&](const TrialFinding& finding) { return finding.kind == kind; }));
  const std::size_t room = (kMessageLimit - 100) / static_cast<std::size_t>(std::clamp(all, 1, 3));
  std::string text;
  int count = 0;
  for (const TrialFinding& finding : findings) {
    if (finding.kind != kind || ++count > kShown) continue;
    text += (count == 1 ? "" : "; ") + cut(line_of(finding), room);
  }
  if (count > kShown) text += "; and " + std::to_string(count - kShown) + " more";
  return text;
}

}  // namespace

std::optional<TrialFinding> judge_trial(const Trial& trial, const Error& error) {
  // Admission comes before the look whether the name is taken.
  if (error.code == Code::AlreadyExists) return std::nullopt;
  TrialFinding finding{kind_of(trial, error), trial.what, trial.path, error.message};
  if (finding.kind == Kind::Refused && !trial.samples.empty()) {
    finding.message += " (tried with a sample for ";
    for (std::size_t i = 0; i < trial.samples.size(); ++i) {
      finding.message += (i == 0 ? "" : ", ") + trial.samples[i];
    }
    finding.message += ")";
  }
  return finding;
}

Admission admission_of(const TrialReport& report, const std::string& revision) {
  const auto has = [&](Kind kind) {
    return std::any_of(report.findings.begin(), report.findings.end(),
                       [&](const TrialFinding& finding) { return finding.kind == kind; });
  };
  const auto of = [&](const char* status, const char* reason, Kind kind) {
    return Admission{revision, status, reason, describe(report.findings, kind)};
  };
  Admission out;
  if (has(Kind::Refused)) {
    out = of("False", kRefused, Kind::Refused);
  } else if (has(Kind::Quota)) {
    out = of("False", kQuotaExceeded, Kind::Quota);
  } else if (has(Kind::Failed)) {
    out = of("Unknown", kCheckFailed, Kind::Failed);
  } else if (has(Kind::Unknown)) {
    out = of("Unknown", kNotChecked, Kind::Unknown);
  } else if (report.tried == 0) {
    out = {revision, "True", kNothingToTry, "its steps make no objects"};
  } else {
    out = {revision, "True", kAccepted,
           "the API server would take what its steps make; objects tried: " +
               std::to_string(report.tried)};
  }
  if (report.left_out > 0) {
    out.message += "; templates that were not tried: " + std::to_string(report.left_out);
  }
  out.message = cut(out.message, kMessageLimit);
  return out;
}

bool may_change(const Admission& admission) {
  return admission.status == "False" || admission.reason == kCheckFailed;
}

}  // namespace millrace::logic
