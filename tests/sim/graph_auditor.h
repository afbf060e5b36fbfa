/// The promises about graphs of steps: nothing begins before what it depends on, nothing twice, a
/// call only once it is on record, `finally` last, and a status that tells what happened.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/logic/compile_graph.h"
#include "controllers/logic/revision.h"
#include "controllers/logic/run.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/job.h"
#include "tests/sim/pod_facts.h"

namespace millrace::sim {

/// Judges what concerns steps; fed by the Auditor and by the callers. One thread.
class GraphAuditor {
 public:
  using Pods = std::map<std::string, PodFacts>;           ///< by UID
  using Runs = std::map<std::string, crds::PipelineRun>;  ///< by UID, as they stand in the storage
  using Complain = std::function<void(const std::string&)>;

  /// `look`: have all writes so far been seen. All outlive it.
  GraphAuditor(const Clock& clock, const Pods& pods, const Runs& runs, Complain complain,
               std::function<void()> look);

  void expect_company() { company_ = true; }
  /// Users set the wall clock.
  void expect_jumps() { jumps_ = true; }

  /// A ControllerRevision was written.
  void saw_revision(const std::string& name, const std::string& json);
  /// The run's pipeline is a graph, as far as anybody has said.
  bool is_graph(const crds::PipelineRun& run) const;

  /// A Job of ours was made, `json` as a whole. `again`: somebody took its first one away.
  void judge_job(const api::Job& job, const std::string& json, bool again);
  /// A run that is a step of another was made.
  void judge_child(const crds::PipelineRun& child);
  /// A process is about to send a call; asks for `look` first.
  void judge_call(const std::string& run_uid, const logic::CallOrder& order);
  /// What that process got.
  void note_answer(const std::string& run_uid, const std::string& key,
                   const logic::CallResult& result);
  void judge_change(const crds::PipelineRun& before, const crds::PipelineRun& now);
  void judge_pod(const PodFacts& pod);
  /// At rest.
  void judge_end(const crds::PipelineRun& run);

 private:
  struct Step {
    std::string name;
    logic::Group group = logic::Group::Main;
    const crds::Step* step = nullptr;  ///< null: a job of conveyor-belt
    std::vector<std::string> after;
    bool is_pod() const;
    bool is_call() const;
    bool tolerated() const { return step != nullptr && step->continue_on_error; }
  };
  /// A pipeline as it was frozen.
  struct Spec {
    logic::FrozenPipeline frozen;
    std::vector<Step> steps;
    bool belt = false;
    const Step* find(const std::string& unit) const;
  };
  /// What one step was told of others.
  struct Input {
    std::string unit;
    std::string name;  ///< V_<step> or S_<step>
    std::string value;
  };
  struct Sent {
    std::string request;
    std::vector<logic::CallResult> answers;
  };
  struct History {
    std::shared_ptr<const Spec> spec;
    std::map<std::string, int> begun;   ///< unit → highest attempt
    std::map<std::string, int> first;   ///< unit → its first one in this attempt of the run
    std::set<std::string> closed;       ///< steps that something begun builds on
    std::map<std::string, Sent> calls;  ///< by key
    std::vector<Input> inputs;
  };

  History* history_of(const std::string& run_uid, const std::string& revision);
  void begin(History& history, const crds::PipelineRun& run, const std::string& unit, int attempt);
  void require_over(const crds::PipelineRun& run, const Step& step, const Step& before);
  bool is_alive(const crds::PipelineRun& run, const Step& step) const;
  void judge_step_change(const History& history, const crds::PipelineRun& now,
                         const crds::StepState& before, const crds::StepState& state, bool retried);
  void judge_tries(History& history, const crds::PipelineRun& run, const crds::StepState& state,
                   bool retried);
  void judge_step_end(const History& history, const crds::PipelineRun& run,
                      const crds::StepState& state);
  void judge_places(const crds::PipelineRun& run);
  void judge_inputs(const History& history, const crds::PipelineRun& run);

  const Clock& clock_;
  const Pods& pods_;
  const Runs& runs_;
  Complain complain_;
  std::function<void()> look_;
  std::map<std::string, std::shared_ptr<const Spec>> specs_;  ///< by revision
  std::map<std::string, History> histories_;                  ///< by run UID
  bool company_ = false;
  bool jumps_ = false;
};

}  // namespace millrace::sim
