#include "tests/sim/calls.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace::sim {

using std::chrono::milliseconds;

Calls::Calls(const Clock& clock, GraphAuditor& auditor, Random random, Trace& trace,
             std::string name)
    : clock_(clock), auditor_(auditor), random_(random), trace_(trace), name_(std::move(name)) {}

Calls::Call Calls::answer_to(const logic::CallOrder& order) {
  Call call;
  call.to_come.headers["Content-Type"] = {"application/json"};
  Duration takes = milliseconds(random_.below(random_.chance(700) ? 400 : 20000));
  const int dice = random_.below(100);
  if (dice < 72) {
    call.to_come.status = 200;
    call.to_come.body = R"({"v":"h)" + std::to_string(random_.below(1000000)) + "\"}";
  } else if (dice < 80) {
    call.to_come.status = 404;
  } else if (dice < 90) {
    call.to_come.status = 503;
    call.to_come.body = "come back later";
  } else {
    call.to_come.error.emplace();
    call.to_come.error->code = Code::Unavailable;
    call.to_come.error->message = "connection refused";
    if (dice >= 96) takes = std::chrono::hours(1);  // it hangs until somebody gives up
  }
  if (order.timeout && takes > *order.timeout) {
    takes = *order.timeout;
    call.to_come.error.emplace();
    call.to_come.error->code = Code::Timeout;
    call.to_come.error->message = "no answer in time";
  }
  call.due = clock_.steady() + takes;
  return call;
}

Result<void> Calls::begin(const std::string& run_uid, const std::string&,
                          const logic::CallOrder& order, std::function<void()> on_done,
                          const std::stop_token&) {
  const std::pair id(run_uid, order.key);
  if (calls_.contains(id)) return {};
  if (random_.chance(hinder)) return fail(Code::Unavailable, "a Secret cannot be read");
  trace_.add(name_ + " calls " + order.key);
  auditor_.judge_call(run_uid, order);
  Call call = answer_to(order);
  call.on_done = std::move(on_done);
  calls_.emplace(id, std::move(call));
  return {};
}

std::map<std::string, logic::CallState> Calls::states(const std::string& run_uid) const {
  std::map<std::string, logic::CallState> out;
  for (const auto& [id, call] : calls_) {
    if (id.first == run_uid) out.emplace(id.second, call.state);
  }
  return out;
}

void Calls::forget(const std::string& run_uid, const std::string& key) {
  calls_.erase({run_uid, key});
}

void Calls::forget_run(const std::string& run_uid) {
  std::erase_if(calls_, [&](const auto& entry) { return entry.first.first == run_uid; });
}

bool Calls::step() {
  const SteadyTime now = clock_.steady();
  for (auto& [id, call] : calls_) {
    if (call.state.result || call.due > now) continue;
    call.to_come.ended = clock_.now();
    trace_.add(name_ + " has the answer of " + id.second + ": " +
               (call.to_come.error ? call.to_come.error->message
                                   : std::to_string(call.to_come.status) + call.to_come.body));
    auditor_.note_answer(id.first, id.second, call.to_come);
    call.state.result = std::move(call.to_come);
    call.on_done();
    return true;
  }
  return false;
}

std::optional<SteadyTime> Calls::next_due() const {
  std::optional<SteadyTime> next;
  for (const auto& [id, call] : calls_) {
    if (!call.state.result) next = std::min(next.value_or(call.due), call.due);
  }
  return next;
}

}  // namespace millrace::sim
