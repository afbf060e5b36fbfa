/// What a run of a Pipeline would create, to be created by way of trial (a server's dry run), and
/// what the answers mean. So quota, policy and admission refusals show before the first run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/logic/action.h"
#include "controllers/logic/config.h"
#include "controllers/logic/revision.h"
#include "crds/pipeline.h"

namespace millrace::logic {

/// Most templates that are tried of one pipeline; each is up to two requests.
inline constexpr std::size_t kMostTrials = 40;

/// An object that a run would create or apply.
struct Trial {
  std::string what;                  ///< for people: "the Job of step load"
  std::string path;                  ///< the field it comes from, e.g. "spec.steps[3]"
  Action action;                     ///< Create, or Apply as a service account; whole
  std::vector<std::string> samples;  ///< what is not known yet and was made up: "params.file"
  bool operator==(const Trial&) const = default;
};

/// What became of one object, unless it would be taken.
struct TrialFinding {
  enum class Kind {
    Refused,  ///< by policy, admission, validation or, of manifests, missing rights
    Quota,    ///< a quota is used up; a run would wait
    Failed,   ///< the server could not be asked; trying again may help
    Unknown,  ///< cannot be known before a run
  };
  Kind kind = Kind::Unknown;
  std::string what;
  std::string path;
  std::string message;
  bool operator==(const TrialFinding&) const = default;
};

/// What there is to try.
struct TrialPlan {
  std::vector<Trial> trials;          ///< no two alike; those that differ most come first
  std::vector<TrialFinding> untried;  ///< all Unknown: why they cannot be tried
  std::size_t left_out = 0;           ///< templates beyond kMostTrials
};

/// Render what a first attempt of each step would create, by the code that runs use: Jobs,
/// Deployments and Services, objects of manifest steps. Params have their defaults. Where there is
/// none, and for results of other steps, a sample stands in `command`, `args` and values of `env`;
/// elsewhere the value may decide, and the object is untried. Total; a pipeline that does not
/// compile gives one finding. `name` and `ns` of the pipeline must be set.
TrialPlan plan_trials(const crds::Pipeline& pipeline, const Revision& revision,
                      const Config& config);

/// True when plan_trials would give anything; cheap.
bool has_trials(const Revision& revision);

/// The pod that follows from a Job or Deployment, made as its controller makes it; none for other
/// objects. `answer` is the object as the server gave it back, with defaults and the changes of
/// admission webhooks; empty where it was refused: then as it was sent.
std::optional<Trial> pod_trial(const Trial& owner, std::string_view answer);

/// What the server's refusal of `trial` means; none: it is fine (a name that is taken).
/// RBAC's own refusals, of rights that we lack, are told from those of admission by their words.
std::optional<TrialFinding> judge_trial(const Trial& trial, const Error& error);

/// All that was learned about a pipeline.
struct TrialReport {
  std::vector<TrialFinding> findings;
  std::vector<std::string> accepted;  ///< Trial::what
  std::size_t tried = 0;              ///< objects
  std::size_t left_out = 0;
};

/// The condition `Admitted` that follows, but for times.
struct Admission {
  std::string revision;  ///< that of Revision::name which was tried
  std::string status;
  std::string reason;
  std::string message;
  bool operator==(const Admission&) const = default;
};

inline constexpr const char* kAdmitted = "Admitted";
// Reasons of Admitted.
inline constexpr const char* kAccepted = "Accepted";            ///< True
inline constexpr const char* kNothingToTry = "NothingToTry";    ///< True
inline constexpr const char* kRefused = "Refused";              ///< False; also of Ready
inline constexpr const char* kQuotaExceeded = "QuotaExceeded";  ///< False; also of Ready, True then
inline constexpr const char* kChecking = "Checking";            ///< Unknown: the answer is to come
inline constexpr const char* kCheckFailed = "CheckFailed";      ///< Unknown; tried again
inline constexpr const char* kNotChecked = "NotChecked";        ///< Unknown; not tried again

Admission admission_of(const TrialReport& report, const std::string& revision);

/// Trying again may change the answer.
bool may_change(const Admission& admission);

}  // namespace millrace::logic
