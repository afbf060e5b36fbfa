#include <algorithm>
#include <cctype>

#include "local/schema/checks.h"
#include "local/schema/names.h"

namespace millrace::schema {
namespace {

using codec::Value;

/// The real server calls the place of the template's labels by this shorter path.
void check_template(Problems& problems, const Path& path, const Value& pod_template) {
  check_labels(problems, path / "labels", at(at(pod_template, "metadata"), "labels"));
  check_pod_spec(problems, path / "spec", at(pod_template, "spec"));
}

void check_managed_by(Problems& problems, const Path& path, const Value& value) {
  if (value.is_null()) return;
  constexpr std::size_t kLongest = 63;
  const std::string& text = value.as_string();
  if (text.empty()) return problems.required(path);
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size()) {
    problems.invalid(path, value, "must be a domain-prefixed path (such as \"acme.io/foo\")");
  } else {
    const std::string domain = text.substr(0, slash);
    add_faults(problems, path, domain, dns_subdomain_faults(domain));
    const std::string rest = text.substr(slash + 1);
    const bool right = std::all_of(rest.begin(), rest.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("-._~%!$&'()*+,;=:/").find(c) != std::string_view::npos;
    });
    if (!right) problems.invalid(path, rest, "Invalid path");
  }
  if (text.size() > kLongest) problems.too_long(path, kLongest);
}

void check_failure_policy(Problems& problems, const Path& path, const Value& policy) {
  std::size_t index = 0;
  for (const Value& rule : at(policy, "rules").items()) {
    const Path place = (path / "rules")[index++];
    if (at(rule, "action").as_string().empty()) problems.required(place / "action");
    check_choice(problems, place / "action", at(rule, "action"),
                 {"Count", "FailIndex", "FailJob", "Ignore"});
    const Value& codes = at(rule, "onExitCodes");
    std::size_t number = 0;
    for (const Value& code : at(codes, "values").items()) {
      const Path code_path = (place / "onExitCodes" / "values")[number++];
      if (at(codes, "operator").as_string() == "In" && code.as_int() == 0) {
        problems.invalid(code_path, code, "must not be 0 for the In operator");
      }
    }
  }
}

void check_job_numbers(Problems& problems, const Path& path, const Value& spec) {
  for (const char* part : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
                           "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"}) {
    check_at_least(problems, path / part, at(spec, part), 0);
  }
  const bool indexed = at(spec, "completionMode").as_string() == "Indexed";
  check_choice(problems, path / "completionMode", at(spec, "completionMode"),
               {"NonIndexed", "Indexed"});
  const Value& limit = at(spec, "backoffLimitPerIndex");
  const Value& most = at(spec, "maxFailedIndexes");
  if (!most.is_null() && limit.is_null()) {
    problems.required(path / "backoffLimitPerIndex", "when maxFailedIndexes is specified");
  }
  if (!indexed && !limit.is_null()) {
    problems.invalid(path / "backoffLimitPerIndex", limit, "requires indexed completion mode");
  }
  if (!indexed && !most.is_null()) {
    problems.invalid(path / "maxFailedIndexes", most, "requires indexed completion mode");
  }
  if (indexed && at(spec, "completions").is_null()) {
    problems.required(path / "completions", "when completion mode is Indexed");
  }
}

void check_percent(Problems& problems, const Path& path, const Value& value) {
  if (value.is_null()) return;
  if (!value.is_string()) return check_at_least(problems, path, value, 0);
  const std::string& text = value.as_string();
  const bool percent = text.size() > 1 && text.size() < 9 && text.back() == '%' &&
                       std::all_of(text.begin(), text.end() - 1, [](char c) {
                         return std::isdigit(static_cast<unsigned char>(c)) != 0;
                       });
  if (!percent) {
    problems.invalid(path, value,
                     "a valid percent string must be a numeric string followed by an ending '%' "
                     "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
  }
}

bool is_nothing(const Value& value) {
  return value.is_null() || value == Value(0) || value == Value("0%");
}

void check_strategy(Problems& problems, const Path& path, const Value& strategy) {
  const std::string& type = at(strategy, "type").as_string();
  const Value& rolling = at(strategy, "rollingUpdate");
  if (type == "Recreate") {
    if (!rolling.is_null()) {
      problems.forbidden(path / "rollingUpdate",
                         "may not be specified when strategy `type` is 'Recreate'");
    }
    return;
  }
  if (type != "RollingUpdate") {
    problems.unsupported(path, Value::object({{"Type", type}, {"RollingUpdate", Value()}}),
                         {"Recreate", "RollingUpdate"});
    return;
  }
  const Path place = path / "rollingUpdate";
  const Value& unavailable = at(rolling, "maxUnavailable");
  const Value& surge = at(rolling, "maxSurge");
  check_percent(problems, place / "maxUnavailable", unavailable);
  check_percent(problems, place / "maxSurge", surge);
  if (is_nothing(unavailable) && is_nothing(surge)) {
    problems.invalid(place / "maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0");
  }
  const std::string& text = unavailable.as_string();
  if (text.size() > 4 || (text.size() == 4 && text > "100%")) {
    problems.invalid(place / "maxUnavailable", unavailable, "must not be greater than 100%");
  }
}

void check_match(Problems& problems, const Path& path, const Value& spec) {
  const Value& labels = at(at(at(spec, "template"), "metadata"), "labels");
  const Value& selector = at(spec, "selector");
  if (!selector.is_null() && selector_matches(selector, labels)) return;
  problems.invalid(path / "template" / "metadata" / "labels", labels,
                   "`selector` does not match template `labels`");
}

}  // namespace

void check_job(Problems& problems, const Value& job) {
  const Path path("spec");
  const Value& spec = at(job, "spec");
  check_job_numbers(problems, path, spec);
  check_managed_by(problems, path / "managedBy", at(spec, "managedBy"));
  check_choice(problems, path / "podReplacementPolicy", at(spec, "podReplacementPolicy"),
               {"Failed", "TerminatingOrFailed"});
  const Value& policy = at(spec, "podFailurePolicy");
  check_failure_policy(problems, path / "podFailurePolicy", policy);
  check_template(problems, path / "template", at(spec, "template"));
  const Path restart = path / "template" / "spec" / "restartPolicy";
  const Value& wanted = at(at(at(spec, "template"), "spec"), "restartPolicy");
  if (wanted.is_null() || wanted.as_string() == "Always" || wanted.as_string().empty()) {
    problems.required(restart, "valid values: \"OnFailure\", \"Never\"");
  } else if (!policy.is_null() && wanted.as_string() != "Never") {
    problems.invalid(restart, wanted,
                     "only \"Never\" is supported when podFailurePolicy is specified");
  }
  if (!at(spec, "manualSelector").as_bool()) return;  // else the server makes the selector
  if (at(spec, "selector").is_null()) problems.required(path / "selector");
  check_match(problems, path, spec);
}

void check_deployment(Problems& problems, const Value& deployment) {
  const Path path("spec");
  const Value& spec = at(deployment, "spec");
  check_at_least(problems, path / "replicas", at(spec, "replicas"), 0);
  const Value& selector = at(spec, "selector");
  const Path selector_path = path / "selector";
  if (selector.is_null()) {
    problems.required(selector_path);
    check_match(problems, path, spec);
  } else {
    const std::size_t before = problems.list().size();
    check_selector(problems, selector_path, selector);
    const bool well_formed = problems.list().size() == before;
    if (at(selector, "matchLabels").members().empty() &&
        at(selector, "matchExpressions").items().empty()) {
      problems.invalid(selector_path, selector, "empty selector is invalid for deployment");
    }
    if (well_formed) {
      check_match(problems, path, spec);
    } else {
      problems.invalid(selector_path, selector, "invalid label selector");
    }
  }
  const Value& pod_template = at(spec, "template");
  check_template(problems, path / "template", pod_template);
  const Path pod = path / "template" / "spec";
  const Value& restart = at(at(pod_template, "spec"), "restartPolicy");
  if (!restart.is_null() && restart.as_string() != "Always") {
    problems.unsupported(pod / "restartPolicy", restart, {"Always"});
  }
  if (!at(at(pod_template, "spec"), "activeDeadlineSeconds").is_null()) {
    problems.forbidden(pod / "activeDeadlineSeconds",
                       "activeDeadlineSeconds in ReplicaSet is not Supported");
  }
  check_strategy(problems, path / "strategy", at(spec, "strategy"));
  const Value ready =
      at(spec, "minReadySeconds").is_null() ? Value(0) : at(spec, "minReadySeconds");
  check_at_least(problems, path / "minReadySeconds", ready, 0);
  check_at_least(problems, path / "revisionHistoryLimit", at(spec, "revisionHistoryLimit"), 0);
  const Value& deadline = at(spec, "progressDeadlineSeconds");
  check_at_least(problems, path / "progressDeadlineSeconds", deadline, 0);
  if (!deadline.is_null() && deadline.as_int() <= ready.as_int()) {
    problems.invalid(path / "progressDeadlineSeconds", deadline,
                     "must be greater than minReadySeconds");
  }
}

void check_controller_revision(Problems& problems, const Value& revision) {
  if (at(revision, "data").is_null()) {
    problems.required(Path("data"), "data is mandatory");
  } else if (!at(revision, "data").is_object()) {
    problems.required(Path("data"), "data must be a valid JSON object");
  }
  check_at_least(problems, Path("revision"), at(revision, "revision"), 0);
}

}  // namespace millrace::schema
