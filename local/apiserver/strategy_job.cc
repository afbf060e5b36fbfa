// Jobs and Deployments. Source: Kubernetes, pkg/registry/batch/job/strategy.go and
// pkg/apis/{batch,apps}/validation.
#include <algorithm>
#include <set>
#include <utility>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using schema::Path;

constexpr std::string_view kControllerUid = "batch.kubernetes.io/controller-uid";
constexpr std::string_view kJobName = "batch.kubernetes.io/job-name";
constexpr std::string_view kOldControllerUid = "controller-uid";
constexpr std::string_view kOldJobName = "job-name";

bool has_manual_selector(const Value& job) {
  const Value* flag = job.at_path({"spec", "manualSelector"});
  return flag != nullptr && flag->as_bool();
}

void add_label(Value& labels, std::string_view key, const std::string& value) {
  if (labels.find(key) == nullptr) labels[key] = value;
}

Value shown_labels(const Value& job) {
  const Value* labels = job.at_path({"spec", "template", "metadata", "labels"});
  if (labels == nullptr || labels->empty()) return Value();
  Value::Object members = labels->members();
  std::sort(members.begin(), members.end(),
            [](const Value::Member& a, const Value::Member& b) { return a.first < b.first; });
  return Value(std::move(members));
}

/// Selectors of Jobs are plain matchLabels mostly; expressions are taken for met.
bool selector_matches(const Value& job) {
  const Value* wanted = job.at_path({"spec", "selector", "matchLabels"});
  const Value* labels = job.at_path({"spec", "template", "metadata", "labels"});
  if (wanted == nullptr) return job.at_path({"spec", "selector", "matchExpressions"}) != nullptr;
  return std::all_of(
      wanted->members().begin(), wanted->members().end(), [labels](const Value::Member& member) {
        const Value* value = labels == nullptr ? nullptr : labels->find(member.first);
        return value != nullptr && *value == member.second;
      });
}

void check_generated_labels(schema::Problems& out, const Value& job) {
  const std::string uid = text_at(job, {"metadata", "uid"});
  const std::string name = text_at(job, {"metadata", "name"});
  const Path path = Path("spec") / "template" / "metadata" / "labels";
  const std::pair<std::string_view, const std::string&> wanted[] = {
      {kOldControllerUid, uid}, {kOldJobName, name}, {kControllerUid, uid}, {kJobName, name}};
  for (const auto& [key, value] : wanted) {
    if (text_at(job, {"spec", "template", "metadata", "labels", key}) == value) continue;
    out.invalid(path.key(key), shown_labels(job), "must be '" + value + "'");
  }
}

void check_selector(schema::Problems& out, const Value& job) {
  const Value* selector = job.at_path({"spec", "selector"});
  const Path spec("spec");
  if (selector == nullptr || selector->is_null()) {
    out.required(spec / "selector");
  } else if (!has_manual_selector(job)) {
    const Value* labels = selector->find("matchLabels");
    const std::string uid = text_at(job, {"metadata", "uid"});
    const bool generated =
        labels != nullptr && labels->members().size() == 1 &&
        selector->find("matchExpressions") == nullptr &&
        (text_at(*labels, {kControllerUid}) == uid || text_at(*labels, {kOldControllerUid}) == uid);
    if (!generated) out.invalid(spec / "selector", *selector, "`selector` not auto-generated");
  }
  if (selector == nullptr || selector->is_null() || !selector_matches(job)) {
    out.invalid(spec / "template" / "metadata" / "labels", shown_labels(job),
                "`selector` does not match template `labels`");
  }
}

/// The template with what may change while a Job is suspended and not started put back.
Value fixed_template(const Value& job, const Value& old) {
  const Value* now = job.at_path({"spec", "template"});
  Value result = now == nullptr ? Value::object() : *now;
  const Value* suspended = old.at_path({"spec", "suspend"});
  const Value* before = old.at_path({"spec", "template"});
  const bool open =
      suspended != nullptr && suspended->as_bool() && text_at(old, {"status", "startTime"}).empty();
  if (!open || before == nullptr) return result;
  if (const Value* spec = before->find("spec")) {
    for (const char* member : {"affinity", "nodeSelector", "tolerations", "schedulingGates"}) {
      copy_member(result["spec"], *spec, member);
    }
  }
  static const Value kNone = Value::object();
  const Value* metadata = before->find("metadata");
  for (const char* member : {"annotations", "labels"}) {
    copy_member(result["metadata"], metadata == nullptr ? kNone : *metadata, member);
  }
  return result;
}

void check_completions(schema::Problems& out, const Value& job, const Value& old) {
  const Value* now = job.at_path({"spec", "completions"});
  const Value* parallelism = job.at_path({"spec", "parallelism"});
  // An indexed Job may grow and shrink with its parallelism.
  const bool elastic = text_at(job, {"spec", "completionMode"}) == "Indexed" && now != nullptr &&
                       parallelism != nullptr && *now == *parallelism;
  if (!elastic) check_immutable(out, job, old, {"spec", "completions"});
}

bool is_true(const Value& job, std::string_view condition) {
  const Value* conditions = job.at_path({"status", "conditions"});
  if (conditions == nullptr) return false;
  return std::any_of(
      conditions->items().begin(), conditions->items().end(), [condition](const Value& one) {
        return text_at(one, {"type"}) == condition && text_at(one, {"status"}) == "True";
      });
}

void check_uncounted(schema::Problems& out, const Value& job) {
  std::set<std::string> seen;
  for (const char* list : {"succeeded", "failed"}) {
    const Value* uids = job.at_path({"status", "uncountedTerminatedPods", list});
    if (uids == nullptr) continue;
    const Path path = Path("status") / "uncountedTerminatedPods" / list;
    for (std::size_t i = 0; i < uids->items().size(); ++i) {
      const std::string& uid = uids->items()[i].as_string();
      if (uid.empty()) {
        out.invalid(path[i], uid, "must not be empty");
      } else if (!seen.insert(uid).second) {
        out.duplicate(path[i], uid);
      }
    }
  }
}

/// Collects complaints in order; those about conditions show no value.
class StatusComplaints {
 public:
  void conditions(std::string_view detail) {
    flush();
    all_.push_back(
        {"status.conditions", "FieldValueInvalid", "Invalid value: " + std::string(detail)});
  }
  schema::Problems& other() { return other_; }
  Problems take() {
    flush();
    return std::move(all_);
  }

 private:
  void flush() {
    for (auto& problem : other_.take()) all_.push_back(std::move(problem));
    other_ = {};
  }
  Problems all_;
  schema::Problems other_;
};

void check_completion_time(StatusComplaints& out, const Value& job, bool complete) {
  const std::string start = text_at(job, {"status", "startTime"});
  const std::string end = text_at(job, {"status", "completionTime"});
  const Path path = Path("status") / "completionTime";
  if (!complete && !end.empty()) {
    out.other().invalid(path, end,
                        "cannot set completionTime when there is no Complete=True condition");
  }
  if (complete && end.empty()) {
    out.other().required(path, "completionTime is required for Complete jobs");
  }
  const auto started = parse_time(start);
  const auto ended = parse_time(end);
  if (started.ok() && ended.ok() && *ended < *started) {
    out.other().invalid(path, end, "must be equal to or after `startTime`");
  }
}

void check_finished(StatusComplaints& out, const Value& job, bool finished) {
  const Path status("status");
  if (finished && text_at(job, {"status", "startTime"}).empty()) {
    out.other().required(status / "startTime", "startTime is required for finished job");
  }
  for (const char* counter : {"active", "terminating"}) {
    const std::int64_t count = number_at(job, {"status", counter});
    if (!finished || count <= 0) continue;
    out.other().invalid(status / counter, count,
                        std::string(counter) + ">0 is invalid for finished job");
  }
  const std::int64_t ready = number_at(job, {"status", "ready"});
  if (ready > number_at(job, {"status", "active"})) {
    out.other().invalid(status / "ready", ready, "cannot set more ready pods than active");
  }
}

void check_indexes(StatusComplaints& out, const Value& job) {
  const std::string completed = text_at(job, {"status", "completedIndexes"});
  if (!completed.empty() && text_at(job, {"spec", "completionMode"}) != "Indexed") {
    out.other().invalid(Path("status") / "completedIndexes", completed,
                        "cannot set non-empty completedIndexes when non-indexed completion mode");
  }
  const Value* failed = job.at_path({"status", "failedIndexes"});
  if (failed != nullptr && !failed->is_null() &&
      job.at_path({"spec", "backoffLimitPerIndex"}) == nullptr) {
    out.other().invalid(Path("status") / "failedIndexes", *failed,
                        "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
  }
}

void check_story(StatusComplaints& out, const Value& job) {
  const bool complete = is_true(job, "Complete");
  const bool failed = is_true(job, "Failed");
  const bool success = is_true(job, "SuccessCriteriaMet");
  const bool target = is_true(job, "FailureTarget");
  if (complete && failed) out.conditions("cannot set Complete=True and Failed=true conditions");
  if (complete && target) {
    out.conditions("cannot set Complete=True and FailureTarget=true conditions");
  }
  check_completion_time(out, job, complete);
  if (failed && !target) {
    out.conditions("cannot set Failed=True condition without the FailureTarget=true condition");
  }
  if (complete && !success) {
    out.conditions(
        "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
  }
  check_finished(out, job, complete || failed);
  check_indexes(out, job);
  if (success && failed) {
    out.conditions("cannot set SuccessCriteriaMet=True and Failed=true conditions");
  }
  if (success && target) {
    out.conditions("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
  }
}

void check_times_kept(StatusComplaints& out, const Value& job, const Value& old) {
  const std::string start = text_at(old, {"status", "startTime"});
  const Value* suspended = job.at_path({"spec", "suspend"});
  const bool may_restart = suspended != nullptr && suspended->as_bool();
  if (!start.empty() && !may_restart && start != text_at(job, {"status", "startTime"})) {
    out.other().required(Path("status") / "startTime",
                         "startTime cannot be removed for unsuspended job");
  }
  const std::string end = text_at(old, {"status", "completionTime"});
  const std::string now = text_at(job, {"status", "completionTime"});
  if (!end.empty() && !now.empty() && end != now) {
    out.other().invalid(Path("status") / "completionTime", now, "field is immutable");
  }
}

void check_nothing_taken_back(StatusComplaints& out, const Value& job, const Value& old) {
  check_times_kept(out, job, old);
  for (const char* terminal : {"Failed", "Complete", "FailureTarget"}) {
    if (!is_true(old, terminal) || is_true(job, terminal)) continue;
    out.conditions("cannot disable the terminal " + std::string(terminal) + "=True condition");
  }
  if (is_true(old, "SuccessCriteriaMet") && !is_true(job, "SuccessCriteriaMet")) {
    out.conditions("cannot disable the SuccessCriteriaMet=True condition");
  }
  for (const char* counter : {"failed", "succeeded"}) {
    const std::int64_t count = number_at(job, {"status", counter});
    if (count >= number_at(old, {"status", counter})) continue;
    out.other().invalid(Path("status") / counter, count,
                        "cannot decrease the " + std::string(counter) + " counter");
  }
}

}  // namespace

void prepare_new_job(Value& job) {
  if (has_manual_selector(job)) return;
  const std::string uid = text_at(job, {"metadata", "uid"});
  const std::string name = text_at(job, {"metadata", "name"});
  // These do not overwrite what a client set; validation speaks about that.
  Value& labels = job["spec"]["template"]["metadata"]["labels"];
  add_label(labels, kControllerUid, uid);
  add_label(labels, kJobName, name);
  add_label(labels, kOldControllerUid, uid);
  add_label(labels, kOldJobName, name);
  const Value shown = shown_labels(job);
  labels = shown;
  Value& wanted = job["spec"]["selector"]["matchLabels"];
  if (wanted.find(kOldControllerUid) == nullptr) add_label(wanted, kControllerUid, uid);
}

void settle_new_job(Value& job) {
  const Value* own = job.at_path({"metadata", "labels"});
  const Value* of_pods = job.at_path({"spec", "template", "metadata", "labels"});
  if (of_pods == nullptr || !of_pods->is_object()) return;
  const auto is_of_pods = [of_pods](const Value::Member& label) {
    const Value* same = of_pods->find(label.first);
    return same != nullptr && *same == label.second;
  };
  // Those that were filled in by default are the template's, but for the generated four.
  const bool default_ones = own == nullptr || !own->is_object() ||
                            (own->members().size() + 4 == of_pods->members().size() &&
                             std::all_of(own->members().begin(), own->members().end(), is_of_pods));
  if (!default_ones) return;
  const Value shown = *of_pods;
  job["metadata"]["labels"] = shown;
}

void check_new_job(schema::Problems& out, const Value& job) {
  check_selector(out, job);
  if (has_manual_selector(job)) return;
  // With a wrong selector the labels have been spoken about.
  if (out.empty()) check_generated_labels(out, job);
  const std::string name = text_at(job, {"metadata", "name"});
  if (name.size() > 63) {
    const Path path = Path("spec") / "template" / "labels";
    out.invalid(path, name, "must be no more than 63 characters");
    out.invalid(path, name, "must be no more than 63 characters");
  }
}

void check_job_update(schema::Problems& out, const Value& job, const Value& old) {
  check_selector(out, job);
  check_completions(out, job, old);
  check_immutable(out, job, old, {"spec", "selector"});
  const Value now = fixed_template(job, old);
  if (const Value* before = old.at_path({"spec", "template"}); !same(&now, before)) {
    // Deviation: the real server shows the template by the names of its Go fields.
    out.invalid(Path("spec") / "template", now, "field is immutable");
  }
  for (const char* member : {"completionMode", "podFailurePolicy", "backoffLimitPerIndex",
                             "managedBy", "successPolicy"}) {
    check_immutable(out, job, old, {"spec", member});
  }
}

Problems check_job_status(const Value& job, const Value& old) {
  StatusComplaints out;
  if (same(job.find("status"), old.find("status"))) return {};
  for (const char* counter : {"active", "succeeded", "failed", "ready", "terminating"}) {
    check_not_negative(out.other(), job, {"status", counter});
  }
  check_uncounted(out.other(), job);
  check_story(out, job);
  check_nothing_taken_back(out, job, old);
  return out.take();
}

void check_deployment_status(schema::Problems& out, const Value& deployment) {
  const Path status("status");
  for (const char* member : {"observedGeneration", "replicas", "updatedReplicas", "readyReplicas",
                             "availableReplicas", "unavailableReplicas", "terminatingReplicas"}) {
    check_not_negative(out, deployment, {"status", member});
  }
  const std::int64_t all = number_at(deployment, {"status", "replicas"});
  for (const char* member : {"updatedReplicas", "readyReplicas", "availableReplicas"}) {
    const std::int64_t count = number_at(deployment, {"status", member});
    if (count > all) {
      out.invalid(status / member, count, "cannot be greater than status.replicas");
    }
  }
  const std::int64_t available = number_at(deployment, {"status", "availableReplicas"});
  if (available <= all && available > number_at(deployment, {"status", "readyReplicas"})) {
    out.invalid(status / "availableReplicas", available, "cannot be greater than readyReplicas");
  }
}

}  // namespace millrace::apiserver
