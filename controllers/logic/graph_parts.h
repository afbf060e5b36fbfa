/// The pieces of plan_graph, for its files only: what is known of the steps, what expressions see,
/// and how each kind of step begins, is observed and is stopped.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controllers/expression/scope.h"
#include "controllers/logic/attempt.h"
#include "controllers/logic/graph.h"
#include "controllers/logic/index_set.h"
#include "controllers/logic/plan.h"

namespace millrace::logic {

inline constexpr const char* kWhenFalse = "WhenFalse";
inline constexpr const char* kDependencyFailed = "DependencyFailed";
inline constexpr const char* kMatrixStopped = "MatrixStopped";
inline constexpr const char* kBackoff = "Backoff";
/// Name of the call that tells X-Callback-URL of a success; no step can be called so.
inline constexpr const char* kCallbackStep = "x-callback-url";

/// Why an attempt of a step ended badly, and whether trying again may help.
struct StepFailure {
  std::string reason;
  std::string message;
  crds::RetryCause cause = crds::RetryCause::Failed;
  bool permanent = false;  ///< no retry, whatever the policy says
};

/// A Job of this run and its pods.
struct JobChildren {
  const api::Job* job = nullptr;
  std::vector<const api::Pod*> pods;
};

/// One thing that runs: a node, or one combination of its matrix.
struct Unit {
  std::string name;  ///< of the node, or "<node>.<number>"
  std::size_t node = 0;
  crds::StepState state;
  const crds::StepState* recorded = nullptr;  ///< as the status has it; null: it has not
};

/// The pause before attempt `next` (from 2) of a step.
Duration pause_before(const crds::Retry& retry, int next);

/// The Apply of the rendered object of a manifest step, as the run's service account. Errors:
/// Invalid, led by the field.
Result<Action> apply_manifest(codec::Value object, const ManifestStep& step,
                              const crds::PipelineRun& run);

/// All that plan_graph works on. Units of the nodes come first, in the plan's order; combinations
/// follow as they are known.
class Graph {
 public:
  Graph(const RunInput& input, const Revision& revision);

  RunPlan plan();

 private:
  friend class GraphScope;

  // graph_state.cc: what is known
  void read_status();
  void read_children();
  void reuse_retried();
  Unit& add_unit(std::string name, std::size_t node);
  const Node& node_of(const Unit& unit) const { return nodes_[unit.node]; }
  bool is_matrix(const Unit& unit) const;
  const Unit* find(std::string_view name) const;
  std::vector<std::size_t> combinations(std::size_t node) const;
  bool ended(const Unit& unit) const;
  bool done(const Unit& unit) const;    ///< what comes after it may go on
  bool failed(const Unit& unit) const;  ///< and that counts
  /// What the predecessors of a node say about it.
  enum class Turn { NotYet, Now, CutOff };  ///< CutOff: one failed, or was itself cut off
  Turn turn_of(const Node& node);
  const crds::PipelineRun* child_of(const Unit& unit) const;
  /// Something of the unit's current attempt runs although the status does not say so: a crash, or
  /// another's write, came before the status that would have.
  bool stands(const Unit& unit) const;
  std::string object_name(const Unit& unit) const;
  Attempt observe(const Unit& unit) const;

  // graph_scope.cc: what expressions see
  codec::Value run_value() const;
  const codec::Value& params_value() const;
  const codec::Value& belt_root() const;
  Result<codec::Value> evaluate(const Unit& unit, const std::string& text,
                                const codec::Value* own = nullptr) const;
  Result<bool> holds(const Unit& unit, const std::string& text,
                     const codec::Value* own = nullptr) const;
  Result<codec::Value> render(const Unit& unit, const codec::Value& document) const;
  Result<std::string> text(const Unit& unit, const std::string& templated) const;
  /// Work out `outputs` of the step, over its own result.
  Result<void> set_outputs(Unit& unit, const codec::Value& own) const;

  // graph_start.cc: how steps begin
  void start(Unit& unit);
  void expand(Unit& unit);
  Result<void> start_pod(Unit& unit, const PodStep& step);
  Result<void> start_http(Unit& unit, const HttpStep& step);
  Result<CallOrder> call_of(const Unit& unit, const HttpStep& step) const;
  Result<void> start_manifest(Unit& unit, const ManifestStep& step);
  Result<codec::Value> object_of(const Unit& unit, const ManifestStep& step) const;
  Result<void> start_child(Unit& unit, const ChildStep& step);
  Result<void> start_wait(Unit& unit, const WaitStep& step);
  void order_call(CallOrder order, bool needs_record);

  // graph_watch.cc: how steps that run are seen
  void watch(Unit& unit);
  void watch_pod(Unit& unit, const PodStep& step);
  void watch_http(Unit& unit, const HttpStep& step);
  void watch_manifest(Unit& unit, const ManifestStep& step);
  void watch_approval(Unit& unit, const ApprovalStep& step);
  void watch_child(Unit& unit);
  void watch_wait(Unit& unit, const WaitStep& step);
  void watch_matrix(Unit& unit);
  void succeed(Unit& unit, Time when);
  void fail_attempt(Unit& unit, const StepFailure& failure, Time when);
  void skip(Unit& unit, const char* reason, std::string message = {});
  void wait_for(Unit& unit, std::string reason, std::string message);
  void stop_waiting(Unit& unit);
  /// True when a live look at Jobs and pods is needed and was asked for.
  bool ask_workload();
  bool over_time(const Unit& unit, Time started);
  /// Bring what runs to its end, with `reason` for what it was stopped; true when nothing runs.
  bool stop(Unit& unit, const char* reason, const std::string& message);
  void stop_child(Unit& unit, const crds::PipelineRun& child);

  // graph.cc: the order of things
  bool take_place();
  void advance(Group group);
  bool makes_objects(const Unit& unit) const;
  bool all_ended(Group group) const;
  bool any_failed(Group group) const;
  std::optional<StepFailure> first_failure() const;
  bool stop_all(const char* reason, const std::string& message);
  void retry_run();
  void finally_turn();
  void finish();
  bool all_done() const;
  bool any_begun(Group group) const;
  bool all_ended_or_unwanted(Group group) const;
  void say_running();
  bool call_back();
  crds::PipelineRunStatus make_status() const;
  void archive(crds::PipelineRunStatus& status);
  void propose_going(const char* reason, std::string message);
  RunPlan take();

  const RunInput& input_;
  const Revision& revision_;
  const Plan& compiled_;
  const std::vector<Node>& nodes_;
  const crds::PipelineRun& run_;
  bool belt_ = false;

  std::vector<std::unique_ptr<Unit>> units_;  ///< nodes first
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::unordered_map<std::string, std::size_t> node_index_;
  IndexSet archived_done_;
  IndexSet archived_skipped_;
  std::unordered_map<std::string, JobChildren> jobs_;  ///< by the Job's name
  std::map<std::string, codec::Value> params_;
  std::optional<Error> params_problem_;
  crds::PipelineRunStatus status_;  ///< history and the like, as it will be written
  int running_ = 0;
  std::unordered_map<std::string, int> tries_;            ///< failed attempts on record, by step
  const std::vector<std::string>* same_after_ = nullptr;  ///< of the node that turn_of saw last
  Turn same_turn_ = Turn::Now;
  mutable std::optional<codec::Value> params_value_;
  mutable std::optional<codec::Value> belt_root_;
  bool stopping_ = false;  ///< no more attempts: what runs is being stopped
  /// A step ended in this plan by what only this process has seen: pods can be looked at again.
  bool fresh_ = false;
  bool held_ = false;        ///< a refused create holds up the others
  bool must_write_ = false;  ///< what was ordered may begin only after the status is written
  RunPlan plan_;
  LiveParts wants_;
};

}  // namespace millrace::logic
