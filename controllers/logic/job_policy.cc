#include "controllers/logic/job_policy.h"

#include <algorithm>

namespace millrace::logic {
namespace {

using api::ContainerStatus;
using codec::Value;

const std::string& text(const Value& object, std::string_view key) {
  static const std::string none;
  const Value* value = object.find(key);
  return value == nullptr ? none : value->as_string();
}

const Value::Array& list(const Value& object, std::string_view key) {
  static const Value::Array none;
  const Value* value = object.find(key);
  return value == nullptr ? none : value->items();
}

bool exit_code_fits(const Value& rule, int code) {
  if (code == 0) return false;  // a container that ended well is no cause
  const auto& values = list(rule, "values");
  const bool listed = std::any_of(values.begin(), values.end(),
                                  [&](const Value& value) { return value.as_int() == code; });
  return text(rule, "operator") == "NotIn" ? !listed : listed;
}

/// Why the rule on exit codes fits; empty when it does not.
std::string fit_exit_codes(const Value& rule, const api::Pod& pod) {
  const std::string& wanted = text(rule, "containerName");
  for (const auto* statuses :
       {&pod.status.init_container_statuses, &pod.status.container_statuses}) {
    for (const ContainerStatus& status : *statuses) {
      if (!status.state.terminated || (!wanted.empty() && status.name != wanted)) continue;
      const int code = status.state.terminated->exit_code;
      if (!exit_code_fits(rule, code)) continue;
      return "Container " + status.name + " for pod " + api::key_of(pod.metadata).str() +
             " failed with exit code " + std::to_string(code);
    }
  }
  return {};
}

std::string fit_conditions(const Value::Array& patterns, const api::Pod& pod) {
  for (const Value& pattern : patterns) {
    const api::Condition* condition =
        api::find_condition(pod.status.conditions, text(pattern, "type"));
    const std::string& wanted = text(pattern, "status");
    if (condition != nullptr && condition->status == (wanted.empty() ? "True" : wanted)) {
      return "Pod " + api::key_of(pod.metadata).str() + " has condition " + condition->type;
    }
  }
  return {};
}

FailureAction action_of(const std::string& name) {
  if (name == "FailJob") return FailureAction::FailJob;
  if (name == "FailIndex") return FailureAction::FailIndex;
  if (name == "Ignore") return FailureAction::Ignore;
  return FailureAction::Count;
}

}  // namespace

FailureVerdict judge_pod_failure(const Value& policy, const api::Pod& pod) {
  const auto& rules = list(policy, "rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Value& rule = rules[i];
    const Value* codes = rule.find("onExitCodes");
    const std::string why = codes != nullptr && !codes->is_null()
                                ? fit_exit_codes(*codes, pod)
                                : fit_conditions(list(rule, "onPodConditions"), pod);
    if (why.empty()) continue;
    const std::string& action = text(rule, "action");
    return {action_of(action), why + " matching " + action + " rule at index " + std::to_string(i)};
  }
  return {};
}

std::optional<int> met_success_rule(const Value& policy, const IndexSet& done) {
  const auto& rules = list(policy, "rules");
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const std::string& indexes = text(rules[i], "succeededIndexes");
    const Value* count = rules[i].find("succeededCount");
    const bool counted = count != nullptr && !count->is_null();
    if (indexes.empty() && !counted) continue;
    const IndexSet wanted = IndexSet::parse(indexes);
    const std::int64_t have = indexes.empty() ? done.size() : done.common(wanted);
    if (have >= (counted ? count->as_int() : wanted.size())) return static_cast<int>(i);
  }
  return std::nullopt;
}

}  // namespace millrace::logic
