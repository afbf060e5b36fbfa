/// The HTTP services of the simulated world, and the caller of one process of the operator.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controllers/shell/call_maker.h"
#include "kubeclient/base/clock.h"
#include "tests/sim/graph_auditor.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"

namespace millrace::sim {

/// One process's calls: they die with it, whatever the services have done by then. One thread.
class Calls final : public shell::CallMaker {
 public:
  Calls(const Clock& clock, GraphAuditor& auditor, Random random, Trace& trace, std::string name);

  /// How often `begin` is hindered for a while, of a thousand.
  int hinder = 0;

  Result<void> begin(const std::string& run_uid, const std::string& ns,
                     const logic::CallOrder& order, std::function<void()> on_done,
                     const std::stop_token& stop) override;
  std::map<std::string, logic::CallState> states(const std::string& run_uid) const override;
  void forget(const std::string& run_uid, const std::string& key) override;
  void forget_run(const std::string& run_uid) override;
  void forget_waiting(const std::string&) override {}  // all are sent at once

  /// Let the next call that is due end; false when none is.
  bool step();
  std::optional<SteadyTime> next_due() const;

 private:
  struct Call {
    logic::CallState state;
    logic::CallResult to_come;
    std::function<void()> on_done;
    SteadyTime due;
  };

  /// What a service makes of `order`, and when; whatever comes first, its answer or the timeout.
  Call answer_to(const logic::CallOrder& order);

  const Clock& clock_;
  GraphAuditor& auditor_;
  Random random_;
  Trace& trace_;
  std::string name_;
  std::map<std::pair<std::string, std::string>, Call> calls_;  ///< by run UID and key
};

}  // namespace millrace::sim
