/// A small pure world for tests of plan_graph: it does what plans say to one run of one pipeline,
/// on a clock that only tests move. Pods, calls and child runs end when a test says so.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/logic/run.h"

namespace millrace::logic {

class GraphWorld {
 public:
  /// `spec` of the Pipeline "p" as JSON, and members of the run's spec, e.g. `,"cancel":true`.
  explicit GraphWorld(const std::string& spec, const std::string& run_spec = "");
  GraphWorld(const GraphWorld&) = delete;

  Time now;
  crds::Pipeline pipeline;
  crds::PipelineRun run;
  Revision revision;
  std::deque<crds::PipelineRun> children;
  std::deque<crds::PipelineRun> others;
  std::optional<crds::PipelineRun> retried;
  std::map<std::string, CallState> calls;       ///< what this process knows of
  std::map<std::string, codec::Value> objects;  ///< by "<kind>/<name>"
  std::vector<api::ControllerRevision> archives;
  int looks = 0;  ///< at objects
  bool may_report = true;
  std::vector<std::string> log;          ///< "job a/1", "call a/1", "apply x", "run a/1", ...
  std::vector<CallOrder> orders;         ///< all calls begun
  std::optional<CreateFailure> failure;  ///< of the next plan alone
  std::function<bool()> lose_status;     ///< true: a conflict, this write is not done
  /// The server refuses this create: an error.
  std::function<std::optional<Error>(const Action&)> refuse;
  std::function<void(const std::string&)> begun;  ///< told of each entry of `log`

  RunPlan plan();
  /// Plan and act once; true when something was done, or a plan is due at once.
  bool step();
  void settle();
  /// Move the clock, planning whenever a plan asked for it.
  void advance(Duration duration);
  /// All memory of the process is gone.
  void restart();

  /// The container of the step's last Job ends.
  void end_pod(const std::string& step, int code, const std::string& message = "");
  void answer(const std::string& key, int status, const std::string& body = "");
  void no_answer(const std::string& key, Code code);
  void end_child(const std::string& step, bool good);
  /// Names of steps whose pod, or call that was begun, has not ended.
  std::vector<std::string> pods_alive() const;

  const crds::StepState& state(const std::string& step) const;
  /// "a=Succeeded b=Skipped", in the order of the status.
  std::string states() const;
  std::string reason() const;
  std::string message() const;
  bool ended() const { return is_terminal(run); }
  std::size_t count(const std::string& entry) const;

 private:
  void act(const Action& action);
  void note(const std::string& entry);

  std::deque<api::Job> jobs_;
  std::deque<api::Pod> pods_;
  std::map<std::string, std::string> step_of_;  ///< job name → step
  std::map<std::string, int> made_;             ///< jobs per step
  std::optional<Time> last_create_;  ///< as the shell remembers it: of calls without a status
  std::map<std::string, Time> looked_;
  std::optional<Time> archive_held_;
  std::optional<Duration> recheck_;
  int counter_ = 0;
};

}  // namespace millrace::logic
