#include "tests/sim/user.h"

#include "controllers/logic/job_many.h"
#include "controllers/logic/job_tally.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/run.h"
#include "kubeclient/codec/json_writer.h"
#include "tests/support/random_graph.h"

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
  if (habits_.graph) draw_graphs();
  if (habits_.stream) {
    pipeline("flow", R"("streamJob":{"microServices":[{"name":"a","replicas":2,"spec":{
        "containers":[{"name":"a","image":"i","ports":[{"containerPort":80}]}]}}]})");
  }
}

/// The spec of graph number `number`, with null for what it does not have, as a merge wants it.
std::string User::draw_graph(int number) {
  const auto dice = [this](unsigned n) {
    return static_cast<unsigned>(random_.below(static_cast<int>(n)));
  };
  if (number + 1 == graphs_) return support::draw_belt(dice);
  support::GraphChoices choices;
  choices.people = choices.manifests = choices.matrices = choices.stages = choices.limits = true;
  choices.data = true;
  if (number > 0) choices.children.push_back("g" + std::to_string(number - 1));
  if (habits_.batch) choices.children.push_back("p");
  Value spec = Value::parse(support::draw_graph(choices, dice).spec).value();
  for (const char* field : {"stages", "onError", "finally", "parallelism", "finallyTimeout"}) {
    if (spec.find(field) == nullptr) spec[field] = Value();
  }
  return spec.dump();
}

void User::draw_graphs() {
  graphs_ = random_.between(2, 4);
  for (int i = 0; i < graphs_; ++i) {
    Value pipeline = Value::object({{"apiVersion", "millrace.dev/v1"}, {"kind", "Pipeline"}});
    pipeline["metadata"] = Value::object({{"name", "g" + std::to_string(i)}});
    Value& spec = pipeline["spec"] = Value::parse(draw_graph(i)).value();
    std::erase_if(spec.members(), [](const auto& member) { return member.second.is_null(); });
    if (random_.chance(200)) {
      const char* policies[] = {"Queue", "Reject", "Replace"};
      spec["concurrency"] = Value::object(
          {{"limit", random_.between(1, 2)}, {"onConflict", policies[random_.below(3)]}});
    }
    create(crds::Pipeline::kResource, pipeline.dump());
  }
}

void User::give(const crds::PipelineRun& run, const std::string& step, bool yes) {
  Value approvals = Value::array();
  for (const crds::Approval& approval : run.spec.approvals) {
    if (approval.step != step) approvals.push_back(codec::to_value(approval));
  }
  approvals.push_back(
      Value::object({{"step", step}, {"decision", yes ? "Approve" : "Reject"}, {"by", "alice"}}));
  merge(crds::PipelineRun::kResource, api::key_of(run.metadata),
        Value::object({{"spec", Value::object({{"approvals", std::move(approvals)}})}}).dump());
}

namespace {

bool is_decided(const crds::PipelineRun& run, const std::string& step) {
  for (const crds::Approval& approval : run.spec.approvals) {
    if (approval.step == step) return true;
  }
  return false;
}

}  // namespace

bool User::decide() {
  for (const auto& [uid, run] : auditor_.runs()) {
    if (logic::is_terminal(run) || run.spec.cancel || run.metadata.deletion_timestamp) continue;
    for (const crds::StepState& state : run.status.step_states) {
      if (!state.waiting || state.waiting->reason != "Approval" || is_decided(run, state.name)) {
        continue;
      }
      give(run, state.name, random_.chance(700));
      return true;
    }
  }
  return false;
}

/// Decide about a step that waits for it, or that may come to wait for it.
void User::approve() {
  if (random_.chance(700)) {
    decide();
    return;
  }
  const auto* run = some_run();
  if (run == nullptr || logic::is_terminal(*run)) return;
  for (const auto& [uid, pipeline] : auditor_.pipelines()) {
    if (pipeline.metadata.name != run->spec.ref_pipeline) continue;
    for (const crds::Step& step : pipeline.spec.steps) {
      if (step.approval && !is_decided(*run, step.name)) return give(*run, step.name, true);
    }
  }
}

void User::act() {
  std::vector<void (User::*)()> choices;
  const auto add = [&](bool wanted, int weight, void (User::*what)()) {
    for (int i = 0; wanted && i < weight; ++i) choices.push_back(what);
  };
  add(habits_.batch || habits_.stream || habits_.graph, 6, &User::start_run);
  add(habits_.graph, 3, &User::approve);
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
  std::vector<std::string> choices;
  if (habits_.batch) choices.insert(choices.end(), 2, "p");
  if (habits_.stream) choices.emplace_back("flow");
  for (int i = 0; i < graphs_; ++i) choices.push_back("g" + std::to_string(i));
  const std::string pipeline =
      choices[static_cast<std::size_t>(random_.below(static_cast<int>(choices.size())))];
  std::string spec = R"("refPipeline":")" + pipeline + "\"";
  const auto* other = pipeline[0] == 'g' && random_.chance(150) ? some_run() : nullptr;
  if (other != nullptr && other->spec.ref_pipeline == pipeline && logic::is_terminal(*other)) {
    spec += R"(,"retryOf":")" + other->metadata.name + "\"";
  }
  if (pipeline != "flow") {
    spec += R"(,"maxRetryCount":)" + std::to_string(random_.below(4));
    const char* timeouts[] = {"30s", "2m", "10m", "0s"};
    if (random_.chance(pipeline == "p" ? 500 : 200)) {
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
    for (const auto& [uid, child] : auditor_.runs()) {
      const auto* owner = child.metadata.controller_ref();
      if (owner != nullptr && owner->uid == run->metadata.uid) {
        auditor_.excuse_run(child.metadata.name);
      }
    }
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
  if (graphs_ > 0 && random_.chance(500)) {
    const int number = random_.below(graphs_);
    merge(crds::Pipeline::kResource, {kNamespace, "g" + std::to_string(number)},
          R"({"spec":)" + draw_graph(number) + "}");
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
