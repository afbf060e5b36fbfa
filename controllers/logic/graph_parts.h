/// The pieces of plan_graph, for its files only: what is known of the steps, what expressions see,
/// and how each kind of step begins, is observed and is stopped.
#pragma once

#include <functional>
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
/// How often to look again at something whose end should be an event.
inline constexpr std::chrono::seconds kSafetyRecheck{30};

/// Why an attempt of a step ended badly, and whether trying again may help.
struct StepFailure {
  std::string reason;
  std::string message;
  crds::RetryCause cause = crds::RetryCause::Failed;
  bool permanent = false;                    ///< no retry, whatever the policy says
  std::optional<Duration> retry_after = {};  ///< not before this has passed, says the service
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

/// The pause before a step is tried again for the `retries`-th time, from 1.
Duration pause_before(const crds::Retry& retry, int retries);
/// The longest pause that the policy allows; a Retry-After does not make it longer.
Duration longest_pause(const crds::Retry& retry);
/// "a, b, c and 2 more"; `more` are those that `names` has not.
std::string first_of(const std::vector<std::string>& names, std::size_t more = 0);
/// Where the webhook's caller wants to be told of success, or empty.
const std::string& callback_url(const crds::PipelineRun& run);

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
  /// Take in the combinations of a matrix whose objects stand although no status knows of them.
  void adopt_combinations();
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
  const codec::Value& run_value() const;
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
  const std::string& service_account(const ManifestStep& step) const;
  Result<void> start_child(Unit& unit, const ChildStep& step);
  Result<void> start_wait(Unit& unit, const WaitStep& step);
  void order_call(CallOrder order, bool needs_record);

  // graph_watch*.cc: how steps that run are seen
  void watch(Unit& unit);
  void watch_pod(Unit& unit, const PodStep& step);
  void succeed_pod(Unit& unit, const PodStep& step, const Attempt& attempt, Time end);
  void watch_http(Unit& unit, const HttpStep& step);
  void watch_manifest(Unit& unit, const ManifestStep& step);
  /// What `failure` and `success` of the step say of its object.
  void judge_object(Unit& unit, const ManifestStep& step, const codec::Value& object);
  void watch_approval(Unit& unit, const ApprovalStep& step);
  void watch_child(Unit& unit);
  void watch_wait(Unit& unit, const WaitStep& step);
  void watch_matrix(Unit& unit);

  // graph_change.cc: how the state of a step changes
  bool shows_again(const Unit& unit) const;
  void succeed(Unit& unit, Time when);
  void fail_attempt(Unit& unit, const StepFailure& failure, Time when);
  /// The step has failed for good.
  void end_failed(Unit& unit, const std::string& reason, const std::string& message, Time when);
  void skip(Unit& unit, const char* reason, std::string message = {});
  void wait_for(Unit& unit, std::string reason, std::string message);
  void stop_waiting(Unit& unit);
  /// True when a live look at Jobs and pods is needed and was asked for.
  bool ask_workload();
  /// When the next attempt of a step that pauses may begin. A pause that lies ahead was begun by a
  /// clock that was set back since: it begins again now, or it would last until that clock's time.
  Time settle_backoff(Unit& unit) const;
  bool over_time(const Unit& unit, Time started);

  // graph_stop.cc
  /// Bring what runs to its end, with `reason` for what it was stopped; true when nothing runs.
  bool stop(Unit& unit, const char* reason, const std::string& message);
  void stop_child(Unit& unit, const crds::PipelineRun& child);
  bool stop_all(bool last, const char* reason, const std::string& message);

  bool take_place();  // graph_place.cc

  // graph.cc: the order of things
  bool resolve();
  bool begin();
  void advance(Group group);
  void take_up(Group group);
  bool is_wanted(Unit& unit);
  bool may_start(Unit& unit, const std::unordered_map<std::size_t, int>& busy);
  bool makes_objects(const Unit& unit) const;
  bool all_ended(Group group) const;
  bool any_failed(Group group) const;
  bool go_on();
  bool wind_down(bool late, Duration timeout);
  void retry_run();
  std::optional<Time> finally_begun() const;
  void finally_turn();
  bool any_begun(Group group) const;
  bool all_ended_or_unwanted(Group group) const;
  bool asks() const { return wants_.any() || !plan_.needs_objects.empty(); }

  // graph_end.cc
  std::optional<StepFailure> first_failure() const;
  void finish();
  bool all_done() const;
  bool call_back();

  // graph_status.cc
  void say_running();
  /// The last thing a plan does with the states of the steps: they are moved out.
  crds::PipelineRunStatus make_status() const;
  /// Answers the bytes that `status` takes encoded.
  std::size_t archive(crds::PipelineRunStatus& status);
  bool archive_refused() const;
  bool archive_is_held();
  void move_to_archive(crds::PipelineRunStatus& status, std::vector<std::size_t>& sizes,
                       std::size_t& bytes, const std::function<bool(const crds::StepState&)>& keep);
  void write_archive(crds::PipelineRunStatus& status, const std::vector<crds::StepState>& moved);
  void forget_calls();
  RunPlan take();

  const RunInput& input_;
  const Revision& revision_;
  const Plan& compiled_;
  const std::vector<Node>& nodes_;
  const crds::PipelineRun& run_;
  bool belt_ = false;

  std::vector<std::unique_ptr<Unit>> units_;  ///< nodes first
  std::unordered_map<std::string_view, std::size_t> by_name_;
  IndexSet archived_done_;
  IndexSet archived_skipped_;
  std::unordered_map<std::string, JobChildren> jobs_;  ///< by the Job's name
  std::map<std::string, codec::Value> params_;
  std::optional<Error> params_problem_;
  crds::PipelineRunStatus status_;  ///< history and the like, as it will be written
  int running_ = 0;
  const std::vector<std::string>* same_after_ = nullptr;  ///< of the node that turn_of saw last
  Turn same_turn_ = Turn::Now;
  mutable std::optional<codec::Value> params_value_;
  mutable std::optional<codec::Value> belt_root_;
  mutable std::optional<codec::Value> run_value_;  ///< until a step fails
  bool stopping_ = false;                          ///< no more attempts: what runs is being stopped
  /// A step ended in this plan by what a later one may not see: pods can be looked at again.
  bool fresh_ = false;
  bool held_ = false;        ///< a refused create holds up the others
  bool retried_ = false;     ///< this plan begins the next attempt of the run
  bool early_ = false;       ///< of OnError only conveyor-belt's error job may begin
  bool must_write_ = false;  ///< what was ordered may begin only after the status is written
  RunPlan plan_;
  LiveParts wants_;
};

}  // namespace millrace::logic
