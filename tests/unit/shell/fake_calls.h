/// A CallMaker whose calls are answered by the test.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "controllers/shell/call_maker.h"
#include "kubeclient/base/guarded.h"

namespace millrace::shell {

/// Safe from any thread. Keys must differ among all runs of a test.
class FakeCalls final : public CallMaker {
 public:
  /// Let `begin` block until it is asked to stop, as a read that hangs; it gives up after 10 s.
  bool hang = false;

  Result<void> begin(const std::string& run_uid, const std::string&, const logic::CallOrder& order,
                     std::function<void()> on_done, const std::stop_token& stop) override {
    auto state = state_.lock();
    const bool fresh = state->calls[run_uid].try_emplace(order.key).second;
    if (!fresh) return {};
    state->begun.push_back(order.key);
    state->on_done[order.key] = std::move(on_done);
    changed_.notify_all();
    if (!hang) return {};
    changed_.wait_for(state.lock(), stop, kPatience, [] { return false; });
    state->cut = stop.stop_requested();
    return fail(Code::Cancelled, "a read that hangs");
  }
  std::map<std::string, logic::CallState> states(const std::string& run_uid) const override {
    const auto state = state_.lock();
    const auto run = state->calls.find(run_uid);
    return run == state->calls.end() ? std::map<std::string, logic::CallState>() : run->second;
  }
  void forget(const std::string& run_uid, const std::string& key) override {
    state_.lock()->calls[run_uid].erase(key);
  }
  void forget_run(const std::string& run_uid) override { state_.lock()->calls.erase(run_uid); }
  void forget_waiting(const std::string& run_uid) override {
    const auto state = state_.lock();
    for (const std::string& key : state->waiting) state->calls[run_uid].erase(key);
  }

  /// A call that waits its turn.
  void add_waiting(const std::string& run_uid, const std::string& key) {
    const auto state = state_.lock();
    state->calls[run_uid].try_emplace(key);
    state->waiting.push_back(key);
  }
  /// Answer with 200.
  void answer(const std::string& key) {
    std::function<void()> on_done;
    {
      const auto state = state_.lock();
      for (auto& [uid, calls] : state->calls) {
        const auto call = calls.find(key);
        if (call == calls.end()) continue;
        call->second.result.emplace().status = 200;
        on_done = state->on_done[key];
      }
    }
    if (on_done) on_done();
  }
  /// False when not so many were begun within 10 s.
  bool wait_begun(std::size_t count) {
    auto state = state_.lock();
    return changed_.wait_for(state.lock(), kPatience, [&] { return state->begun.size() >= count; });
  }
  std::vector<std::string> begun() const { return state_.lock()->begun; }
  bool none_known() const {
    const auto state = state_.lock();
    for (const auto& [uid, calls] : state->calls) {
      if (!calls.empty()) return false;
    }
    return true;
  }
  /// A `begin` that hung was asked to stop.
  bool cut() const { return state_.lock()->cut; }

 private:
  static constexpr std::chrono::seconds kPatience{10};
  struct State {
    std::map<std::string, std::map<std::string, logic::CallState>> calls;  ///< by run UID
    std::map<std::string, std::function<void()>> on_done;
    std::vector<std::string> begun;
    std::vector<std::string> waiting;
    bool cut = false;
  };
  Guarded<State> state_;
  std::condition_variable_any changed_;
};

}  // namespace millrace::shell
