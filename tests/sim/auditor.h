/// Looks at every write that reaches the storage, and complains when a promise is broken.
/// The promises: docs/guarantees.md.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/logic/job.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "local/storage/storage.h"
#include "tests/sim/graph_auditor.h"
#include "tests/sim/pod_facts.h"
#include "tests/sim/trace.h"

namespace millrace::sim {

/// Stands in every pipeline's environment; must never leave it.
inline constexpr const char* kSecret = "hunter2-do-not-tell";

/// One thread; follows the storage from its beginning.
class Auditor {
 public:
  Auditor(storage::Storage& storage, const Clock& clock, Trace& trace);

  /// There is no other Job controller: all Jobs have to end.
  void expect_all_jobs() { alone_ = true; }
  /// Judge what was written since the last look.
  void look();
  /// Somebody takes this pod away before it was on record: it may be made again.
  void excuse(const std::string& pod_name) { excused_.insert(pod_name); }
  /// Somebody deletes this Job himself.
  void excuse_job(const std::string& job_name) { excused_.insert(job_name); }
  /// Somebody deletes this run himself, perhaps before its tick's record has its UID.
  void excuse_run(const std::string& run_name) { excused_.insert(run_name); }
  /// There are several operators at once.
  void expect_company() {
    company_ = true;
    graphs_.expect_company();
  }
  /// What concerns steps of graphs.
  GraphAuditor& graphs() { return graphs_; }
  /// This pod may be made by an operator that stood still: again, or beside another. It has to go.
  void excuse_late(const std::string& pod_name) { late_.insert(pod_name); }
  void complain(const std::string& what);
  const std::vector<std::string>& complaints() const { return complaints_; }

  /// At rest: everything has ended as its pods have.
  void judge_ends();
  /// After everything was deleted: nothing is left.
  void judge_emptiness();
  /// Whether all runs that exist, and whose pipeline exists, have ended, and all Jobs.
  bool all_ended() const { return unended().empty(); }
  /// Those that have not, for people.
  std::vector<std::string> unended() const;

  const std::map<std::string, crds::PipelineRun>& runs() const { return runs_; }
  const std::map<std::string, api::Job>& jobs() const { return jobs_; }
  const std::map<std::string, crds::Pipeline>& pipelines() const { return pipelines_; }
  const PodFacts* pod(const ObjectKey& key) const;
  /// Pods that exist and belong to nobody.
  std::vector<ObjectKey> free_pods() const;

 private:
  void judge(const storage::Event& event);
  void judge_pod(const storage::Event& event);
  void judge_new_pod(const PodFacts& pod);
  void judge_job(const storage::Event& event);
  void judge_new_job(const api::Job& job, const std::string& json);
  void judge_run(const storage::Event& event);
  void judge_run_change(const crds::PipelineRun& before, const crds::PipelineRun& now);
  void judge_pipeline(const storage::Event& event);
  void judge_secrets(const storage::Event& event);
  void judge_run_end(const crds::PipelineRun& run);
  void judge_leftovers(const api::Job& job);
  void judge_one_pod_job(const api::Job& job);
  void judge_many_pod_job(const api::Job& job);
  void judge_ticks(const crds::Pipeline& pipeline);

  const Clock& clock_;
  Trace& trace_;
  std::vector<std::unique_ptr<storage::Subscription>> subscriptions_;
  std::map<std::string, int> living_;                    ///< objects that exist, by resource
  std::map<std::string, PodFacts> pods_;                 ///< by UID
  std::map<std::string, api::Job> jobs_;                 ///< that exist, by UID
  std::map<std::string, crds::PipelineRun> runs_;        ///< that exist, by UID
  std::map<std::string, crds::Pipeline> pipelines_;      ///< that exist, by UID
  std::set<std::string> uids_;                           ///< of all that ever existed
  std::map<std::string, int> made_pods_;                 ///< by name, those with a Job
  std::map<std::string, int> made_jobs_;                 ///< by run UID, step and attempt
  std::map<std::string, int> made_children_;             ///< by run UID and name
  std::map<std::string, int> made_ticks_;                ///< by pipeline UID and tick
  std::map<std::string, std::set<std::int64_t>> ticks_;  ///< pipeline UID → ticks that had a run
  GraphAuditor graphs_;
  std::set<std::string> excused_;
  std::set<std::string> remade_;  ///< UIDs of Jobs and pods made a second time
  std::set<std::string> late_;    ///< pods whose create may come late
  bool alone_ = false;
  bool company_ = false;
  std::vector<std::string> complaints_;
};

}  // namespace millrace::sim
