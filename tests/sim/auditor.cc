#include "tests/sim/auditor.h"

#include <algorithm>

#include "controllers/logic/job_many.h"
#include "controllers/logic/job_tally.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/pipeline.h"
#include "controllers/logic/pod_facts.h"
#include "controllers/logic/run.h"
#include "kubeclient/api/controller_revision.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"

namespace millrace::sim {
namespace {

using codec::Value;
using storage::EventType;

constexpr const char* kResources[] = {
    "pipelines.millrace.dev",   "pipelineruns.millrace.dev", "jobs.batch", "pods",
    "controllerrevisions.apps", "deployments.apps",          "services",   "events.events.k8s.io"};

template <class T>
T decode(const std::string& json) {
  auto decoded = codec::decode<T>(json);
  if (!decoded.ok()) throw std::runtime_error(decoded.error().message);
  return *std::move(decoded);
}

bool is_true(const std::vector<api::Condition>& conditions, const char* type) {
  const api::Condition* found = api::find_condition(conditions, type);
  return found != nullptr && found->status == "True";
}

std::string reason_of(const std::vector<api::Condition>& conditions, const char* type) {
  const api::Condition* found = api::find_condition(conditions, type);
  return found == nullptr ? "" : found->reason;
}

std::size_t history_of(const crds::PipelineRun& run) {
  return run.status.retry_status ? run.status.retry_status->history_build.size() : 0;
}

bool is_ours(const api::Job& job) {
  return job.spec.managed_by == logic::kJobController &&
         !job.metadata.label(logic::kRunUidLabel).empty() &&
         job.metadata.controller_ref() != nullptr;
}

}  // namespace

Auditor::Auditor(storage::Storage& storage, const Clock& clock, Trace& trace)
    : clock_(clock),
      trace_(trace),
      graphs_(
          clock, pods_, runs_, [this](const std::string& what) { complain(what); },
          [this] { look(); }) {
  for (const char* resource : kResources) {
    subscriptions_.push_back(storage.subscribe(resource, storage.version(), [] {}).value());
  }
}

void Auditor::complain(const std::string& what) {
  trace_.add("COMPLAINT " + what);
  if (complaints_.size() < 20) complaints_.push_back(what);
}

void Auditor::look() {
  // In the order of their versions: a child's owner is always seen first.
  std::vector<storage::Event> all;
  for (const auto& subscription : subscriptions_) {
    for (auto events = subscription->take(1000); !events.ok() || !events->empty();
         events = subscription->take(1000)) {
      if (!events.ok()) return complain("the auditor lost track: " + events.error().message);
      all.insert(all.end(), events->begin(), events->end());
    }
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.version < b.version; });
  for (const storage::Event& event : all) judge(event);
}

void Auditor::judge(const storage::Event& event) {
  const std::string& resource = event.now->key.resource;
  if (event.type == EventType::Added) {
    ++living_[resource];
    uids_.insert(event.now->uid);
    const auto head = decode<api::Job>(event.now->json);  // any kind: only its metadata counts
    if (const auto* owner = head.metadata.controller_ref()) {
      if (!uids_.contains(owner->uid)) complain(event.now->key.name + " is owned by nobody");
    }
  }
  if (event.type == EventType::Deleted) --living_[resource];
  judge_secrets(event);
  if (resource == "controllerrevisions.apps" && event.type != EventType::Deleted) {
    graphs_.saw_revision(event.now->key.name, event.now->json);
  }
  if (resource == "pods") judge_pod(event);
  if (resource == "jobs.batch") judge_job(event);
  if (resource == "pipelineruns.millrace.dev") judge_run(event);
  if (resource == "pipelines.millrace.dev") judge_pipeline(event);
}

void Auditor::judge_secrets(const storage::Event& event) {
  const std::string& json = event.now->json;
  const std::string& resource = event.now->key.resource;
  // Specs hold it by right, and come before the status.
  const bool is_event = resource == "events.events.k8s.io";
  const std::size_t from = is_event ? 0 : json.find(R"("status":{)");
  const bool told = from != std::string::npos && json.find(kSecret, from) != std::string::npos;
  if (told) complain("a secret value stands in " + resource + " " + event.now->key.name);
}

// Pods.

void Auditor::judge_pod(const storage::Event& event) {
  const auto pod = decode<api::Pod>(event.now->json);
  PodFacts& facts = pods_[pod.metadata.uid];
  const std::string before = facts.phase;
  facts.key = api::key_of(pod.metadata);
  facts.uid = pod.metadata.uid;
  facts.phase = pod.status.phase;
  facts.going = pod.metadata.deletion_timestamp;
  facts.gone = event.type == EventType::Deleted;
  facts.run_uid = pod.metadata.label(logic::kRunUidLabel);
  facts.attempt = std::atoi(pod.metadata.label(logic::kAttemptLabel).c_str());
  facts.slot = pod.metadata.annotation(logic::kSlotAnnotation);
  facts.step = pod.metadata.label(logic::kStepLabel);
  for (const api::ContainerStatus& status : pod.status.container_statuses) {
    if (!status.state.terminated) continue;
    const auto said = Value::parse(status.state.terminated->message);
    const Value* output = said.ok() ? said->find("v") : nullptr;
    if (output != nullptr) facts.output = output->as_string();
  }
  const auto* owner = pod.metadata.controller_ref();
  if (owner != nullptr && owner->kind == "Job") facts.job_uid = owner->uid;
  if ((before == "Succeeded" || before == "Failed") && before != facts.phase) {
    complain("pod " + facts.key.name + " was " + before + " and became " + facts.phase);
  }
  if (event.type == EventType::Added) judge_new_pod(facts);
}

void Auditor::judge_new_pod(const PodFacts& pod) {
  if (pod.job_uid.empty()) return;  // a user's
  const bool wanted =
      jobs_.contains(pod.job_uid) && (pod.run_uid.empty() || runs_.contains(pod.run_uid));
  const bool excused = excused_.contains(pod.key.name) || late_.contains(pod.key.name);
  if (++made_pods_[pod.key.name] > 1) {
    if (wanted && !excused) complain("pod " + pod.key.name + " was made twice");
    remade_.insert(pod.uid);
  }
  const auto job = jobs_.find(pod.job_uid);
  if (job == jobs_.end() || !wanted) return;
  if (late_.contains(pod.key.name)) return;
  // A user took the Job or pod away, and the operator that had not seen it made it again, beside
  // the attempt that the other one is at: nothing fences a create.
  const auto stray = [&](const PodFacts& p) {
    return company_ && (remade_.contains(p.job_uid) || remade_.contains(p.uid));
  };
  if (stray(pod)) return;
  graphs_.judge_pod(pod);
  if (company_ && !is_ours(job->second)) return;  // each may add one that the other has not seen
  int active = 0;
  for (const auto& [uid, other] : pods_) {
    if (!other.alive(clock_.now()) || stray(other)) continue;
    const bool same_run =
        !pod.run_uid.empty() && other.run_uid == pod.run_uid && other.step == pod.step;
    if (is_ours(job->second) ? same_run && !other.job_uid.empty()
                             : other.job_uid == pod.job_uid && !other.going) {
      ++active;
    }
  }
  const int limit = is_ours(job->second) ? 1 : job->second.spec.parallelism.value_or(1);
  if (active > limit) {
    complain("with pod " + pod.key.name + " there are " + std::to_string(active) + " at once");
  }
}

// Jobs.

void Auditor::judge_job(const storage::Event& event) {
  auto job = decode<api::Job>(event.now->json);
  const std::string uid = job.metadata.uid;
  if (event.type == EventType::Deleted) {
    jobs_.erase(uid);
    return;
  }
  const auto it = jobs_.find(uid);
  if (it == jobs_.end()) {
    judge_new_job(job, event.now->json);
  } else if (logic::is_finished(it->second)) {
    const bool same =
        is_true(it->second.status.conditions, "Complete") ==
            is_true(job.status.conditions, "Complete") &&
        is_true(it->second.status.conditions, "Failed") == is_true(job.status.conditions, "Failed");
    if (!same) complain("Job " + job.metadata.name + " changed its end");
  }
  jobs_.insert_or_assign(uid, std::move(job));
}

void Auditor::judge_new_job(const api::Job& job, const std::string& json) {
  if (!is_ours(job)) return;
  const std::string name = job.metadata.label(logic::kRunUidLabel) + " " +
                           job.metadata.label(logic::kStepLabel) + " attempt " +
                           job.metadata.label(logic::kAttemptLabel);
  // One whose run is gone is collected with it; a cache that lags may still make it.
  const bool wanted = runs_.contains(job.metadata.label(logic::kRunUidLabel));
  if (++made_jobs_[name] > 1 && wanted) {
    if (!excused_.contains(job.metadata.name)) {
      complain("Job " + job.metadata.name + " was made twice");
    }
    remade_.insert(job.metadata.uid);
  }
  graphs_.judge_job(job, json, remade_.contains(job.metadata.uid));
}

// Runs.

void Auditor::judge_run(const storage::Event& event) {
  auto run = decode<crds::PipelineRun>(event.now->json);
  const std::string uid = run.metadata.uid;
  if (event.type == EventType::Deleted) {
    runs_.erase(uid);
    return;
  }
  const std::string& tick = run.metadata.label(logic::kTickLabel);
  const auto* owner = run.metadata.controller_ref();
  if (event.type == EventType::Added && !tick.empty() && owner != nullptr) {
    if (++made_ticks_[owner->uid + " " + tick] > 1 && !excused_.contains(run.metadata.name)) {
      complain("tick " + tick + " has a second run, " + run.metadata.name);
    }
    ticks_[owner->uid].insert(std::atoll(tick.c_str()));
  }
  const bool is_step = owner != nullptr && owner->kind == crds::PipelineRun::kResource.kind;
  if (event.type == EventType::Added && is_step) {
    if (++made_children_[owner->uid + " " + run.metadata.name] > 1 && runs_.contains(owner->uid) &&
        !excused_.contains(run.metadata.name)) {
      complain("run " + run.metadata.name + " was made twice");
    }
    graphs_.judge_child(run);
  }
  const auto it = runs_.find(uid);
  if (it != runs_.end()) {
    const crds::PipelineRun before = std::exchange(it->second, run);
    judge_run_change(before, run);
    graphs_.judge_change(before, run);
  } else {
    runs_.emplace(uid, std::move(run));
  }
}

void Auditor::judge_run_change(const crds::PipelineRun& before, const crds::PipelineRun& now) {
  const std::string& name = now.metadata.name;
  if (logic::is_terminal(before) && !(before.status == now.status)) {
    complain("the status of run " + name + " changed after its end");
  }
  const std::size_t count = history_of(before);
  if (history_of(now) < count) return complain("run " + name + " lost attempts");
  for (std::size_t i = 0; i < count; ++i) {
    if (!(before.status.retry_status->history_build[i] ==
          now.status.retry_status->history_build[i])) {
      complain("run " + name + " rewrote attempt " + std::to_string(i + 1));
    }
  }
}

void Auditor::judge_pipeline(const storage::Event& event) {
  auto pipeline = decode<crds::Pipeline>(event.now->json);
  const std::string uid = pipeline.metadata.uid;
  if (event.type == EventType::Deleted) {
    judge_ticks(pipeline);
    pipelines_.erase(uid);
  } else {
    pipelines_.insert_or_assign(uid, std::move(pipeline));
  }
}

/// With policy Allow and catch-up All every tick up to the last one that was decided has a run.
void Auditor::judge_ticks(const crds::Pipeline& pipeline) {
  if (!pipeline.status.schedule || !pipeline.spec.strategy) return;
  const auto& schedule = *pipeline.status.schedule;
  if (pipeline.spec.strategy->concurrency_policy != crds::ConcurrencyPolicy::Allow) return;
  if (!schedule.last_tick || !schedule.anchor) return;
  constexpr std::int64_t kPeriod = 300;  // "*/5 * * * *"
  const auto seconds = [](Time time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  std::set<std::int64_t>
      claimed;  // on record: runs to be made, or skipped when the user suspended it
  for (const auto& tick : schedule.ticks) {
    if (tick.outcome == crds::TickOutcome::Claimed) claimed.insert(seconds(tick.time));
    if (tick.outcome != crds::TickOutcome::Skipped) continue;
    for (int i = 0; i < std::max(1, tick.count); ++i) {
      claimed.insert(seconds(tick.time) - i * kPeriod);
    }
  }
  const auto& had = ticks_[pipeline.metadata.uid];
  // During a pause ticks are skipped; how many is written when it ends.
  if (!schedule.paused.empty()) return;
  for (std::int64_t tick = (seconds(*schedule.anchor) / kPeriod + 1) * kPeriod;
       tick <= seconds(*schedule.last_tick); tick += kPeriod) {
    if (!had.contains(tick) && !claimed.contains(tick)) {
      complain("tick " + std::to_string(tick) + " of " + pipeline.metadata.name + " was lost");
    }
  }
}

// The end.

const PodFacts* Auditor::pod(const ObjectKey& key) const {
  for (const auto& [uid, pod] : pods_) {
    if (!pod.gone && pod.key == key) return &pod;
  }
  return nullptr;
}

std::vector<ObjectKey> Auditor::free_pods() const {
  std::vector<ObjectKey> out;
  for (const auto& [uid, pod] : pods_) {
    if (!pod.gone && pod.job_uid.empty()) out.push_back(pod.key);
  }
  return out;
}

std::vector<std::string> Auditor::unended() const {
  std::vector<std::string> out;
  for (const auto& [uid, run] : runs_) {
    if (logic::is_settled(run)) continue;
    for (const auto& [pipeline_uid, pipeline] : pipelines_) {
      if (pipeline.metadata.name != run.spec.ref_pipeline || pipeline.spec.stream_job) continue;
      out.push_back("run " + run.metadata.name + ": " +
                    reason_of(run.status.conditions, "Succeeded"));
    }
  }
  for (const auto& [uid, job] : jobs_) {
    const bool wanted = alone_ ? logic::is_run_by_us(job, true) : is_ours(job);
    if (wanted && !logic::is_finished(job) && !job.metadata.deletion_timestamp) {
      out.push_back("Job " + job.metadata.name);
    }
  }
  return out;
}

void Auditor::judge_ends() {
  for (const auto& [uid, run] : runs_) {
    if (!logic::is_terminal(run)) continue;
    if (graphs_.is_graph(run)) {
      graphs_.judge_end(run);
    } else {
      judge_run_end(run);
    }
  }
  for (const auto& [uid, job] : jobs_) {
    if (logic::is_finished(job)) judge_leftovers(job);
    if (is_ours(job)) {
      judge_one_pod_job(job);
    } else if (logic::is_finished(job)) {
      judge_many_pod_job(job);
    }
  }
  for (const auto& [uid, pipeline] : pipelines_) judge_ticks(pipeline);
}

/// The run's own word against those of its pods.
void Auditor::judge_run_end(const crds::PipelineRun& run) {
  if (run.status.start_time == std::nullopt) return;  // ended before its first attempt
  const std::string& name = run.metadata.name;
  const bool good = is_true(run.status.conditions, "Succeeded");
  const std::string reason = reason_of(run.status.conditions, "Succeeded");
  std::map<int, std::string> best;  // attempt → how its pods ended
  std::set<int> failed_again;  // attempts whose Job or pod a user took away, and the new one failed
  for (const auto& [uid, pod] : pods_) {
    if (pod.run_uid != run.metadata.uid || pod.job_uid.empty()) continue;
    const bool again = remade_.contains(pod.job_uid) || remade_.contains(pod.uid);
    if (again && pod.phase != "Succeeded") failed_again.insert(pod.attempt);
    std::string& phase = best[pod.attempt];
    if (phase != "Succeeded") phase = pod.phase;
  }
  if (!run.status.cluster || !run.status.cluster->deployment_names.empty()) return;
  const int last = best.empty() ? 0 : best.rbegin()->first;
  if (good && (last == 0 || best[last] != "Succeeded")) {
    complain("run " + name + " succeeded, its last pod did not");
  }
  if (static_cast<int>(history_of(run)) > run.spec.max_retry_count + 1) {
    complain("run " + name + " has more attempts than it may");
  }
  for (const auto& [attempt, phase] : best) {
    if (attempt > run.spec.max_retry_count + 1) complain("run " + name + ": one attempt too many");
  }
  const bool program = reason == "Fail" || reason == "Evicted";
  if (!good && program && !is_true(run.status.conditions, "Cancelled")) {
    // The end of a pod that was taken away unread is nobody's knowledge.
    if (last != 0 && best[last] == "Succeeded" && !failed_again.contains(last)) {
      complain("run " + name + " failed (" + reason + "), its last pod did not");
    }
    if (last < run.spec.max_retry_count + 1) {
      complain("run " + name + " gave up after attempt " + std::to_string(last) + " of " +
               std::to_string(run.spec.max_retry_count + 1) + ": " + reason);
    }
  }
}

/// No pod runs on for a Job that has ended.
void Auditor::judge_leftovers(const api::Job& job) {
  for (const auto& [uid, pod] : pods_) {
    if (pod.job_uid != job.metadata.uid || pod.gone || pod.ended() || pod.going) continue;
    complain("pod " + pod.key.name + " outlives its Job");
  }
}

void Auditor::judge_one_pod_job(const api::Job& job) {
  const bool complete = is_true(job.status.conditions, "Complete");
  bool succeeded = false;
  bool unread =
      false;  // a user took away the pod that succeeded, and another was made in its place
  for (const auto& [uid, pod] : pods_) {
    if (pod.job_uid != job.metadata.uid) continue;
    succeeded = succeeded || pod.phase == "Succeeded";
    unread = unread || (remade_.contains(uid) && pod.phase == "Failed");
  }
  if (complete && !succeeded) complain("Job " + job.metadata.name + " is Complete without a pod");
  const std::string reason = reason_of(job.status.conditions, "Failed");
  if (reason == "BackoffLimitExceeded" && succeeded && !unread) {
    complain("Job " + job.metadata.name + " has failed, its pod has not");
  }
}

void Auditor::judge_many_pod_job(const api::Job& job) {
  std::set<int> slots;
  for (const auto& [uid, pod] : pods_) {
    if (pod.job_uid != job.metadata.uid) continue;
    if (pod.phase == "Succeeded") slots.insert(logic::parse_slot(pod.slot)->slot);
  }
  const int wanted = job.spec.completions.value_or(1);
  const int have = static_cast<int>(slots.size());
  const bool complete = is_true(job.status.conditions, "Complete");
  if (complete && have < wanted) {
    complain("Job " + job.metadata.name + " is Complete with too few pods");
  }
  if (job.status.succeeded > have) {
    complain("Job " + job.metadata.name + " counts pods that did not succeed");
  }
  if (api::find_condition(job.status.conditions, logic::kPodsCondition) != nullptr) {
    complain("Job " + job.metadata.name + " keeps its record after its end");
  }
}

void Auditor::judge_emptiness() {
  for (const auto& [resource, count] : living_) {
    if (resource != "events.events.k8s.io" && count != 0) {
      complain(std::to_string(count) + " " + resource + " are left after everything was deleted");
    }
  }
}

}  // namespace millrace::sim
