#include "tests/unit/logic/job_rules.h"

#include <algorithm>

#include "controllers/logic/index_set.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using codec::Value;

struct View {
  explicit View(const Value& job) : job_(job) {}
  std::int64_t number(const char* name) const {
    const Value* value = job_.at_path({"status", name});
    return value == nullptr ? 0 : value->as_int();
  }
  std::string text(const char* name) const {
    const Value* value = job_.at_path({"status", name});
    return value == nullptr ? "" : value->as_string();
  }
  bool is(const char* type) const {
    const Value* list = job_.at_path({"status", "conditions"});
    if (list == nullptr) return false;
    return std::any_of(list->items().begin(), list->items().end(), [&](const Value& c) {
      return c.find("type")->as_string() == type && c.find("status")->as_string() == "True";
    });
  }
  bool finished() const { return is("Complete") || is("Failed"); }
  const Value* spec(const char* name) const { return job_.at_path({"spec", name}); }

 private:
  const Value& job_;
};

}  // namespace

std::vector<std::string> job_status_complaints(const Value& before, const Value& after) {
  const View old(before);
  const View now(after);
  std::vector<std::string> out;
  const auto refuse = [&](bool wrong, const char* what) {
    if (wrong) out.push_back(std::string(what) + ": " + after.find("status")->dump());
  };
  for (const char* name : {"active", "ready", "terminating", "succeeded", "failed"}) {
    refuse(now.number(name) < 0, name);
  }
  const bool complete = now.is("Complete");
  const bool finished = now.finished();
  refuse(complete && now.is("Failed"), "Complete and Failed");
  refuse(complete && now.is("FailureTarget"), "Complete and FailureTarget");
  refuse(now.is("SuccessCriteriaMet") && (now.is("Failed") || now.is("FailureTarget")),
         "SuccessCriteriaMet and failure");
  refuse(complete && !now.is("SuccessCriteriaMet"), "Complete without SuccessCriteriaMet");
  refuse(now.is("Failed") && !now.is("FailureTarget"), "Failed without FailureTarget");
  refuse(complete != !now.text("completionTime").empty(), "completionTime without Complete");
  refuse(finished && now.number("active") > 0, "finished with active pods");
  refuse(finished && now.number("terminating") > 0, "finished with terminating pods");
  refuse(finished && now.text("startTime").empty(), "finished without startTime");
  refuse(now.number("ready") > now.number("active"), "more ready than active");
  refuse(old.finished(), "written after the end");
  for (const char* type : {"Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"}) {
    refuse(old.is(type) && !now.is(type), "a terminal condition taken back");
  }
  if (!now.text("completionTime").empty()) {
    refuse(*parse_time(now.text("completionTime")) < *parse_time(now.text("startTime")),
           "completed before it began");
  }
  const Value* suspend = now.spec("suspend");
  const bool suspended = suspend != nullptr && suspend->as_bool();
  refuse(!suspended && !old.text("startTime").empty() &&
             old.text("startTime") != now.text("startTime"),
         "startTime of a Job that is not suspended");
  const Value* mode = now.spec("completionMode");
  const bool indexed = mode != nullptr && mode->as_string() == "Indexed";
  const Value* completions = now.spec("completions");
  const Value* parallelism = now.spec("parallelism");
  const bool elastic = indexed && completions && parallelism && *completions == *parallelism;
  refuse(!elastic && now.number("succeeded") < old.number("succeeded"), "succeeded decreased");
  refuse(now.number("failed") < old.number("failed"), "failed decreased");
  refuse(!indexed && !now.text("completedIndexes").empty(), "completedIndexes without Indexed");
  refuse(now.spec("backoffLimitPerIndex") == nullptr && !now.text("failedIndexes").empty(),
         "failedIndexes without a limit per index");
  const IndexSet done = IndexSet::parse(now.text("completedIndexes"));
  refuse(done.common(IndexSet::parse(now.text("failedIndexes"))) > 0, "completed and failed");
  refuse(indexed && done.size() != now.number("succeeded"), "succeeded is not completedIndexes");
  return out;
}

}  // namespace millrace::logic
