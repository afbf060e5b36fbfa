#include "controllers/shell/trial_runner.h"

#include <set>
#include <string>
#include <utility>

namespace millrace::shell {
namespace {

using logic::Trial;
using logic::TrialFinding;

/// Of one request; admission webhooks have up to 30 s each, but nobody waits for this answer.
constexpr Duration kTrialTimeout = std::chrono::seconds(15);

class Runner {
 public:
  Runner(client::Writer& writer, UserObjects& objects, const std::stop_token& stop)
      : writer_(writer), objects_(objects) {
    options_.stop = stop;
    options_.timeout = kTrialTimeout;
    options_.dry_run = true;
  }

  /// The object as the server gave it back, or nothing when it was refused.
  std::string attempt(const Trial& trial) {
    const std::string kind(trial.action.resource.plural);  // empty for manifests
    if (barred_.contains(kind + " " + trial.action.service_account)) return {};
    ++report.tried;
    if (!trial.action.service_account.empty()) {
      const auto applied = objects_.apply(trial.action, options_);
      note(trial, applied.ok() ? nullptr : &applied.error());
      return {};
    }
    auto created = writer_.create_text(trial.action.resource, trial.action.key.ns,
                                       trial.action.body.dump(), options_);
    note(trial, created.ok() ? nullptr : &created.error());
    return created.ok() ? *std::move(created) : std::string();
  }

  logic::TrialReport report;
  bool cancelled = false;
  bool pointless = false;  ///< the server cannot be asked now

 private:
  void note(const Trial& trial, const Error* error) {
    cancelled = cancelled || (error != nullptr && error->code == Code::Cancelled);
    auto finding = error == nullptr ? std::nullopt : logic::judge_trial(trial, *error);
    if (!finding) {
      report.accepted.push_back(trial.what);
      return;
    }
    if (finding->kind == TrialFinding::Kind::Failed) {
      if (error->code == Code::Denied) {
        barred_.insert(std::string(trial.action.resource.plural) + " " +
                       trial.action.service_account);
      } else {
        pointless = true;
      }
    }
    report.findings.push_back(*std::move(finding));
  }

  client::Writer& writer_;
  UserObjects& objects_;
  client::CallOptions options_;
  std::set<std::string> barred_;  ///< kinds that we may not ask about, each with as whom
};

}  // namespace

Result<logic::TrialReport> run_trials(const logic::TrialPlan& plan, client::Writer& writer,
                                      UserObjects& objects, const std::stop_token& stop) {
  Runner runner(writer, objects, stop);
  for (const Trial& trial : plan.trials) {
    const std::string answer = runner.attempt(trial);
    const auto pod = logic::pod_trial(trial, answer);
    if (pod && !runner.pointless && !runner.cancelled) runner.attempt(*pod);
    if (runner.cancelled) return fail(Code::Cancelled, "the trial was cancelled");
    if (runner.pointless) break;
  }
  runner.report.left_out = plan.left_out;
  for (const TrialFinding& finding : plan.untried) runner.report.findings.push_back(finding);
  return std::move(runner.report);
}

}  // namespace millrace::shell
