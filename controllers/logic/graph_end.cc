#include <algorithm>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/hash.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using codec::Value;
using crds::StepPhase;

namespace {

constexpr Duration kCallbackTimeout = std::chrono::seconds(30);

}  // namespace

const std::string& callback_url(const crds::PipelineRun& run) {
  static const std::string none;
  const Value* url = run.spec.trigger.find("callbackUrl");
  return url == nullptr ? none : url->as_string();
}

std::optional<StepFailure> Graph::first_failure() const {
  const Unit* first = nullptr;
  for (const auto& unit : units_) {
    if (!unit->state.of.empty() || !failed(*unit)) continue;
    if (first == nullptr || unit->state.finished_at < first->state.finished_at) first = unit.get();
  }
  if (first == nullptr) return std::nullopt;
  return StepFailure{first->state.reason, "step " + first->name + " failed (" +
                                              first->state.reason + "): " + first->state.message};
}

/// Tell X-Callback-URL of the success; true when that is done, or is not wanted.
bool Graph::call_back() {
  const std::string& url = callback_url(run_);
  if (url.empty()) return true;
  const std::string key = std::string(kCallbackStep) + "/1";
  const auto known = input_.calls.find(key);
  if (known != input_.calls.end() && known->second.result) {
    const CallResult& result = *known->second.result;
    if (result.error) {
      plan_.notes.push_back({Note::Type::Warning, "CallbackFailed", result.error->message});
    }
    return true;
  }
  if (known == input_.calls.end()) {
    const Value& root = belt_root();
    Value responses = Value::object();
    for (const auto& [stage, jobs] : root.find("Response")->members()) {
      for (const auto& [job, response] : jobs.members()) {
        responses[stage][job] = Value::object({{"status", *response.find("Status")},
                                               {"headers", *response.find("Headers")},
                                               {"body", *response.find("Body")}});
      }
    }
    const Time start = status_.start_time.value_or(input_.now);
    const auto total = std::chrono::duration_cast<std::chrono::milliseconds>(input_.now - start);
    Value times = Value::object(
        {{"start", format_milli_time(start)}, {"total", static_cast<std::int64_t>(total.count())}});
    CallOrder order;
    order.key = key;
    order.method = "POST";
    order.url = url;
    order.has_body = true;
    order.body = Value::object({{"name", run_.spec.ref_pipeline},
                                {"response", responses.empty() ? Value() : std::move(responses)},
                                {"stages", *root.find("Stages")},
                                {"executionTime", std::move(times)}})
                     .dump();
    order.timeout = kCallbackTimeout;
    order.headers.push_back({"Content-Type", "application/json", std::nullopt});
    const std::string seed = run_.metadata.uid + "/" + key;
    order.headers.push_back({"Idempotency-Key",
                             hex(stable_hash(seed), 16) + hex(stable_hash(seed + "#"), 16),
                             std::nullopt});
    order_call(std::move(order), true);
  }
  set_going(status_, input_, "CallingBack", "all steps succeeded; the callback is under way");
  return false;
}

/// Everything has ended.
void Graph::finish() {
  const auto failure = first_failure();
  std::size_t good = 0;
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (units_[i]->state.state == StepPhase::Succeeded) ++good;
    if (units_[i]->state.state == StepPhase::Skipped && node_of(*units_[i]).group == Group::Main) {
      ++skipped;
    }
  }
  // As this plan may have said just now.
  const api::Condition* before = api::find_condition(status_.conditions, "Succeeded");
  const bool timed_out = before != nullptr && before->reason == "RunTimeout";
  if (run_.spec.cancel && !all_done()) {
    set_cancelled(status_, input_, "Cancelled",
                  "cancelled on request, with " + std::to_string(good) + " of " +
                      std::to_string(nodes_.size()) + " steps succeeded");
  } else if (timed_out) {
    set_failed(status_, input_, "RunTimeout", std::string(before->message));
  } else if (failure) {
    set_failed(status_, input_, "StepFailed", failure->message);
  } else {
    if (!call_back()) return;
    std::string message = std::to_string(good) + (good == 1 ? " step" : " steps") + " succeeded";
    if (skipped > 0) message += ", " + std::to_string(skipped) + " skipped";
    set_succeeded(status_, input_, message);
  }
  Time end = input_.now;
  std::optional<Time> last;
  for (const auto& unit : units_) {
    if (unit->state.finished_at) last = std::max(last.value_or(Time{}), *unit->state.finished_at);
  }
  set_end(status_, last.value_or(end));
}

bool Graph::all_done() const {
  return std::all_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group != Group::Main || done(*unit);
  });
}

}  // namespace millrace::logic
