#include "controllers/shell/shard_work.h"

#include <utility>

#include "controllers/logic/labels.h"
#include "controllers/logic/run.h"
#include "controllers/logic/shard.h"
#include "controllers/shell/job_reconciler.h"
#include "kubeclient/base/log.h"

namespace millrace::shell {

ShardWork::ShardWork(const Caches& caches, CallMaker* calls, Memory<RunMemory>& runs,
                     Memory<PipelineMemory>& pipelines, const runtime::Env& env, Options options)
    : caches_(caches),
      calls_(calls),
      run_memory_(runs),
      pipeline_memory_(pipelines),
      env_(env),
      options_(std::move(options)),
      gate_(options_.count) {}

int ShardWork::of(const crds::Pipeline& pipeline) const {
  return logic::shard_of(pipeline.metadata.uid, gate_.count());
}

int ShardWork::of(const crds::PipelineRun& run) const {
  if (!many()) return 0;
  const auto pipeline = caches_.pipelines.get({run.metadata.ns, run.spec.ref_pipeline});
  return logic::shard_of(logic::shard_name(run, pipeline.get()), gate_.count());
}

/// That of its run: the two share what they remember.
int ShardWork::of(const api::Job& job) const {
  if (!many()) return 0;
  const std::string& run_uid = job.metadata.label(logic::kRunUidLabel);
  if (run_uid.empty()) return logic::shard_of(job.metadata.uid, gate_.count());
  const auto run = caches_.runs.get(run_of(job.metadata));
  if (run && run->metadata.uid == run_uid) return of(*run);
  return logic::shard_of(run_uid, gate_.count());
}

std::optional<int> ShardWork::of_pipeline(const ObjectKey& key) const {
  const auto found = caches_.pipelines.get(key);
  return found ? std::optional(of(*found)) : std::nullopt;
}

std::optional<int> ShardWork::of_run(const ObjectKey& key) const {
  const auto found = caches_.runs.get(key);
  return found ? std::optional(of(*found)) : std::nullopt;
}

std::optional<int> ShardWork::of_job(const ObjectKey& key) const {
  const auto found = caches_.jobs.get(key);
  return found ? std::optional(of(*found)) : std::nullopt;
}

bool ShardWork::may_call(const crds::PipelineRun& run) const {
  if (ending_ || gate_.is_shut()) return false;
  return !many() || !gate_.leaving(of(run));
}

void ShardWork::forget(const crds::PipelineRun& run) {
  run_memory_.forget(run.metadata.uid);
  if (calls_ != nullptr) calls_->forget_run(run.metadata.uid);
}

void ShardWork::gained(int shard) {
  gate_.open(shard);
  options_.begin(shard);
}

void ShardWork::leave(int shard) {
  gate_.begin_leaving(shard);
  deadlines_[static_cast<std::size_t>(shard)] = env_.clock.steady() + options_.drain;
  hurry_calls(shard);
}

bool ShardWork::left(int shard) {
  SteadyTime& deadline = deadlines_[static_cast<std::size_t>(shard)];
  const SteadyTime now = env_.clock.steady();
  if (gate_.owns(shard)) {
    if (calls_under_way(shard)) {
      if (now < deadline) return false;
      env_.log.warn("a shard is given up with calls under way, which its next owner sends again",
                    {kv("shard", shard)});
    }
    gate_.close(shard);
    deadline = now + options_.drain;
  }
  if (gate_.busy(shard) > 0) {
    if (now < deadline) return false;
    // As with a process that is paused: what still comes carries an old resourceVersion.
    env_.log.warn("a shard is given up with reconciles under way",
                  {kv("shard", shard), kv("reconciles", gate_.busy(shard))});
  }
  for (const auto& run : caches_.runs.list()) {
    if (!logic::is_settled(*run) && of(*run) == shard) forget(*run);
  }
  for (const auto& pipeline : caches_.pipelines.list()) {
    if (of(*pipeline) == shard) pipeline_memory_.forget(pipeline->metadata.uid);
  }
  return true;
}

void ShardWork::begin_ending() {
  ending_ = true;
  hurry_calls({});
}

template <class Visit>
void ShardWork::each_open_run(std::optional<int> shard, const Visit& visit) const {
  for (const auto& run : caches_.runs.list()) {
    if (!logic::is_settled(*run) && (!shard || of(*run) == *shard)) visit(*run);
  }
}

/// Answers are forgotten when a run is looked at after they went on record, which has no hurry
/// otherwise.
void ShardWork::hurry_calls(std::optional<int> shard) {
  if (calls_ == nullptr) return;
  each_open_run(shard, [&](const crds::PipelineRun& run) {
    if (!calls_->states(run.metadata.uid).empty()) options_.look(api::key_of(run.metadata));
  });
}

bool ShardWork::calls_under_way(std::optional<int> shard) {
  bool any = false;
  if (calls_ == nullptr) return any;
  each_open_run(shard, [&](const crds::PipelineRun& run) {
    calls_->forget_waiting(run.metadata.uid);
    any = any || !calls_->states(run.metadata.uid).empty();
  });
  return any;
}

void ShardWork::cut_calls() {
  if (calls_ == nullptr) return;
  int runs = 0;
  each_open_run({}, [&](const crds::PipelineRun& run) {
    if (calls_->states(run.metadata.uid).empty()) return;
    calls_->forget_run(run.metadata.uid);
    ++runs;
  });
  if (runs == 0) return;
  env_.log.warn("calls under way are cut, and will be sent again by the next operator",
                {kv("runs", runs)});
}

}  // namespace millrace::shell
