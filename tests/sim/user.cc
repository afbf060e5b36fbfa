#include "tests/sim/user.h"

#include "controllers/logic/job_many.h"
#include "controllers/logic/job_tally.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/run.h"

namespace millrace::sim {
namespace {

using codec::Value;

constexpr const char* kNamespace = "default";
constexpr api::ApiResource kSecrets{"", "v1", "secrets", "Secret", true};

}  // namespace

User::User(client::Writer& writer, support::ManualClock& clock, Auditor& auditor, Kubelet& kubelet,
           Random random, Trace& trace, Habits habits)
    : writer_(writer),
      clock_(clock),
      auditor_(auditor),
      kubelet_(kubelet),
      random_(random),
      trace_(trace),
      habits_(habits) {}

void User::create(const api::ApiResource& resource, const std::string& json) {
  const auto done = writer_.create_text(resource, kNamespace, json, {});
  trace_.add("user: creates " + std::string(resource.plural) +
             (done.ok() ? std::string() : ": " + done.error().message));
}

void User::merge(const api::ApiResource& resource, const ObjectKey& key, const std::string& json) {
  const auto done = writer_.patch_text(resource, key, client::PatchType::Merge, json, {}, {});
  trace_.add("user: patches " + std::string(resource.plural) + "/" + key.name + " " + json +
             (done.ok() ? std::string() : ": " + done.error().message));
}

void User::remove(const api::ApiResource& resource, const ObjectKey& key, bool force) {
  client::DeleteOptions options;
  if (force) options.grace_seconds = 0;
  const auto done = writer_.delete_text(resource, key, options, {});
  trace_.add("user: deletes " + std::string(resource.plural) + "/" + key.name +
             (force ? " by force" : "") +
             (done.ok() ? std::string() : ": " + done.error().message));
}

std::string User::processors(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    if (i > 0) out += ",";
    out += R"({"name":"s)" + std::to_string(i) + R"(","image":"demo:)" +
           std::to_string(random_.below(9)) + R"(","env":[{"name":"TOKEN","value":")" +
           std::string(kSecret) + R"("},{"name":"KEY","valueFrom":{"secretKeyRef":{"name":"s",
           "key":"k"}}}]})";
  }
  return out;
}

void User::begin() {
  create(kSecrets,
         R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"k":")" +
             std::string(kSecret) + R"("}})");
  const auto pipeline = [&](const std::string& name, const std::string& spec) {
    create(crds::Pipeline::kResource,
           R"({"apiVersion":"millrace.dev/v1","kind":"Pipeline","metadata":{"name":")" + name +
               R"(","labels":{"team":"x"}},"spec":{)" + spec + "}}");
  };
  if (habits_.batch) {
    pipeline("p", R"("batchJob":{"processors":[)" + processors(random_.between(1, 3)) + "]}");
  }
  if (habits_.schedule) {
    const char* policies[] = {"Allow", "Forbid", "Replace"};
    pipeline("tick", R"("batchJob":{"processors":[)" + processors(1) +
                         R"(]},"strategy":{"cronExpression":"*/5 * * * *","catchUp":"All",
        "catchUpLimit":100,"concurrencyPolicy":")" +
                         std::string(policies[random_.below(3)]) + R"("})");
  }
  if (habits_.stream) {
    pipeline("flow", R"("streamJob":{"microServices":[{"name":"a","replicas":2,"spec":{
        "containers":[{"name":"a","image":"i","ports":[{"containerPort":80}]}]}}]})");
  }
}

void User::act() {
  std::vector<void (User::*)()> choices;
  const auto add = [&](bool wanted, int weight, void (User::*what)()) {
    for (int i = 0; wanted && i < weight; ++i) choices.push_back(what);
  };
  add(habits_.batch || habits_.stream, 6, &User::start_run);
  add(true, 1, &User::cancel_run);
  add(habits_.jobs, 4, &User::create_job);
  add(habits_.deletes, 1, &User::delete_run);
  add(habits_.deletes, 4, &User::delete_pod);
  add(habits_.deletes, 1, &User::delete_job);
  add(habits_.edits, 2, &User::edit_pipeline);
  add(habits_.forges, 2, &User::forge);
  add(habits_.clock, 1, &User::set_clock);
  (this->*choices[static_cast<std::size_t>(random_.below(static_cast<int>(choices.size())))])();
}

void User::start_run() {
  const bool stream = habits_.stream && (!habits_.batch || random_.chance(300));
  std::string spec = R"("refPipeline":")" + std::string(stream ? "flow" : "p") + "\"";
  if (!stream) {
    spec += R"(,"maxRetryCount":)" + std::to_string(random_.below(4));
    const char* timeouts[] = {"30s", "2m", "10m", "0s"};
    if (random_.chance(500)) {
      spec += R"(,"timeout":")" + std::string(timeouts[random_.below(4)]) + "\"";
    }
  }
  create(crds::PipelineRun::kResource,
         R"({"apiVersion":"millrace.dev/v1","kind":"PipelineRun","metadata":{"name":"r)" +
             std::to_string(++counter_) + R"("},"spec":{)" + spec + "}}");
}

const crds::PipelineRun* User::some_run() {
  const auto& runs = auditor_.runs();
  if (runs.empty()) return nullptr;
  auto it = runs.begin();
  std::advance(it, random_.below(static_cast<int>(runs.size())));
  return &it->second;
}

void User::cancel_run() {
  const auto* run = some_run();
  if (run == nullptr || run->spec.cancel) return;
  merge(crds::PipelineRun::kResource, api::key_of(run->metadata), R"({"spec":{"cancel":true}})");
}

void User::delete_run() {
  if (const auto* run = some_run()) {
    auditor_.excuse_run(run->metadata.name);
    remove(crds::PipelineRun::kResource, api::key_of(run->metadata));
  }
}

/// Whether the operator wrote down that the pod exists. Before that a pod that goes while the
/// operator is dead is made again: nothing tells it from one that was never made.
bool User::on_record(const PodFacts& pod) const {
  const auto it = auditor_.jobs().find(pod.job_uid);
  if (it == auditor_.jobs().end()) return false;
  const api::Job& job = it->second;
  if (logic::is_one_pod(job)) return job.status.active > 0;
  const auto* kept = api::find_condition(job.status.conditions, logic::kPodsCondition);
  const auto slot = logic::parse_slot(pod.slot);
  if (kept == nullptr || !slot) return false;
  const auto record = logic::PodRecord::parse(kept->message);
  const auto tries = record.tries.find(slot->slot);
  return record.live.contains(slot->slot) &&
         slot->attempt == (tries == record.tries.end() ? 0 : tries->second);
}

void User::delete_pod() {
  const auto living = kubelet_.living();
  if (living.empty()) return;
  const ObjectKey& key =
      living[static_cast<std::size_t>(random_.below(static_cast<int>(living.size())))];
  const PodFacts* pod = auditor_.pod(key);
  if (pod == nullptr) return;
  // A second operator, or one that lags, may not have seen it yet, and makes it again.
  if (!alone_ || !on_record(*pod)) auditor_.excuse(key.name);
  remove(api::Pod::kResource, key, random_.chance(400));
}

void User::delete_job() {
  const auto& jobs = auditor_.jobs();
  if (jobs.empty()) return;
  auto it = jobs.begin();
  std::advance(it, random_.below(static_cast<int>(jobs.size())));
  auditor_.excuse_job(it->second.metadata.name);
  for (const auto& key : kubelet_.living()) auditor_.excuse(key.name);
  remove(api::Job::kResource, api::key_of(it->second.metadata));
}

void User::edit_pipeline() {
  if (habits_.batch) {
    merge(crds::Pipeline::kResource, {kNamespace, "p"},
          R"({"spec":{"batchJob":{"processors":[)" + processors(random_.between(1, 3)) + "]}}}");
  }
  if (habits_.stream && random_.chance(500)) {
    merge(crds::Pipeline::kResource, {kNamespace, "flow"},
          R"({"spec":{"streamJob":{"microServices":[{"name":"a","replicas":)" +
              std::to_string(random_.between(0, 3)) +
              R"(,"spec":{"containers":[{"name":"a","image":"i"}]}}]}}})");
  }
}

void User::forge() {
  const auto* run = some_run();
  if (run == nullptr) return;
  const std::string labels = R"("labels":{"millrace.dev/run":")" + run->metadata.name +
                             R"(","millrace.dev/run-uid":")" + run->metadata.uid +
                             R"(","millrace.dev/attempt":"1","millrace.dev/step":"s0"})";
  const std::string name = "forged-" + std::to_string(++counter_);
  if (random_.chance(500)) {
    create(api::Pod::kResource,
           R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + "\"," + labels +
               R"(},"spec":{"restartPolicy":"Never","containers":[{"name":"build-step-s0",
               "image":"i"}]}})");
  } else {
    create(api::Job::kResource,
           R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":")" + name + "\"," + labels +
               R"(},"spec":{"backoffLimit":0,"managedBy":"example.com/nobody","template":{"spec":{
               "restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})");
  }
}

void User::create_job() {
  std::string spec = R"("backoffLimit":)" + std::to_string(random_.below(5));
  const bool indexed = random_.chance(400);
  if (indexed) spec += R"(,"completionMode":"Indexed")";
  if (indexed || random_.chance(600)) {
    spec += R"(,"completions":)" + std::to_string(random_.between(1, 5));
  }
  spec += R"(,"parallelism":)" + std::to_string(random_.between(1, 3));
  if (indexed && random_.chance(400)) {
    spec += R"(,"backoffLimitPerIndex":)" + std::to_string(random_.below(3));
  }
  if (random_.chance(200)) spec += R"(,"podReplacementPolicy":"Failed")";
  if (random_.chance(200))
    spec += R"(,"ttlSecondsAfterFinished":)" + std::to_string(random_.below(90));
  if (random_.chance(200))
    spec += R"(,"activeDeadlineSeconds":)" + std::to_string(random_.between(5, 300));
  create(api::Job::kResource,
         R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j)" +
             std::to_string(++counter_) + R"("},"spec":{)" + spec +
             R"(,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c",
             "image":"i"}]}}}})");
}

void User::set_clock() {
  const int minutes = random_.between(-30, 90);
  trace_.add("user: sets the clock by " + std::to_string(minutes) + " min");
  clock_.shift_wall(std::chrono::minutes(minutes));
}

void User::stop_schedules() {
  if (!habits_.schedule) return;
  merge(crds::Pipeline::kResource, {kNamespace, "tick"},
        R"({"spec":{"strategy":{"suspend":true}}})");
}

void User::delete_all() {
  trace_.add("user: deletes everything");
  const auto runs = auditor_.runs();
  for (const auto& [uid, run] : runs) {
    remove(crds::PipelineRun::kResource, api::key_of(run.metadata));
  }
  const auto pipelines = auditor_.pipelines();
  for (const auto& [uid, pipeline] : pipelines) {
    remove(crds::Pipeline::kResource, api::key_of(pipeline.metadata));
  }
  const auto jobs = auditor_.jobs();
  for (const auto& [uid, job] : jobs) {
    const auto* owner = job.metadata.controller_ref();
    if (owner != nullptr) continue;
    remove(api::Job::kResource, api::key_of(job.metadata));
  }
  for (const ObjectKey& key : auditor_.free_pods()) remove(api::Pod::kResource, key);
}

}  // namespace millrace::sim
