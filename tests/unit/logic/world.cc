#include "tests/unit/logic/world.h"

#include <algorithm>
#include <stdexcept>

#include "controllers/logic/job_many.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "kubeclient/codec/json_writer.h"
#include "tests/unit/logic/job_rules.h"

namespace millrace::logic {
namespace {

using codec::Value;

constexpr Duration kGrace = std::chrono::seconds(30);

Value parse(const std::string& json) {
  auto value = Value::parse(json);
  if (!value.ok()) throw std::runtime_error(value.error().message + " in " + json);
  return *std::move(value);
}

/// RFC 7396.
void merge(Value& target, const Value& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = Value::object();
  for (const auto& [key, value] : patch.members()) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      merge(target[key], value);
    }
  }
}

const std::string& text(const Value& object, std::initializer_list<std::string_view> path) {
  static const std::string none;
  const Value* value = object.at_path(path);
  return value == nullptr ? none : value->as_string();
}

bool ended(const Value& pod) {
  const std::string& phase = text(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}

std::string controller_uid(const Value& object) {
  const Value* owners = object.at_path({"metadata", "ownerReferences"});
  if (owners == nullptr) return {};
  for (const Value& owner : owners->items()) {
    if (owner.find("controller") && owner.find("controller")->as_bool()) {
      return text(owner, {"uid"});
    }
  }
  return {};
}

const char* verb_name(Action::Verb verb) {
  switch (verb) {
    case Action::Verb::Create:
      return "Create";
    case Action::Verb::MergePatch:
      return "Patch";
    case Action::Verb::PatchStatus:
      return "PatchStatus";
    case Action::Verb::Apply:
      return "Apply";
    case Action::Verb::Delete:
      return "Delete";
  }
  return "";
}

}  // namespace

const char* const kBatchPipeline = R"({"kind":"Pipeline","metadata":{"name":"p",
  "labels":{"team":"retail"},"annotations":{"note":"copied"}},
  "spec":{"batchJob":{"input":{"elasticSearch":{"b":"2","a":"1"}},
  "processors":[{"name":"clean","image":"demo/clean:1"}],
  "outputs":[{"name":"out","custom":{"image":"demo/out:1","topic":"t"}}]}}})";

std::string batch_run(const std::string& spec, const std::string& name) {
  return R"({"kind":"PipelineRun","metadata":{"name":")" + name +
         R"("},"spec":{"refPipeline":"p")" + spec + "}}";
}

Error refusal(Code code, std::string message) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  return error;
}

Config full_config() {
  Config config;
  config.adapter_images = {"img/es",  "img/api-in", "img/api", "img/ftp",
                           "img/as2", "img/kafka",  "img/mail"};
  return config;
}

World::World() : now(*parse_time("2026-11-21T03:00:00.5Z")), config(full_config()) {}

void World::touch(Value& object) {
  object["metadata"]["resourceVersion"] = std::to_string(++counter_);
}

void World::put(const std::string& json) {
  Value object = parse(json);
  const Key key{text(object, {"kind"}), text(object, {"metadata", "name"})};
  Value& metadata = object["metadata"];
  metadata["namespace"] = "ns";
  if (metadata.find("uid") == nullptr) metadata["uid"] = "uid-" + std::to_string(++counter_);
  if (metadata.find("creationTimestamp") == nullptr) {
    metadata["creationTimestamp"] = format_time(now);
  }
  metadata["generation"] = 1;
  touch(object);
  objects_[key] = std::move(object);
}

void World::erase(const std::string& kind, const std::string& name) {
  objects_.erase({kind, name});
}

Value* World::find(const std::string& kind, const std::string& name) {
  const auto it = objects_.find({kind, name});
  return it == objects_.end() ? nullptr : &it->second;
}

std::vector<std::string> World::names(const std::string& kind) const {
  std::vector<std::string> out;
  for (const auto& [key, object] : objects_) {
    if (key.first == kind) out.push_back(key.second);
  }
  return out;
}

RunPlan World::plan(const std::string& name, std::optional<CreateFailure> failure) {
  const auto run = get<crds::PipelineRun>(name);
  std::vector<crds::Pipeline> pipelines;
  if (find("Pipeline", run.spec.ref_pipeline) != nullptr) {
    pipelines.push_back(get<crds::Pipeline>(run.spec.ref_pipeline));
  }
  const auto jobs = all<api::Job>();
  const auto pods = all<api::Pod>();
  const auto deployments = all<api::Deployment>();
  const auto services = all<api::Service>();
  const auto runs = all<crds::PipelineRun>();
  RunInput input;
  input.now = now;
  input.run = &run;
  input.expired = expired;
  input.config = config;
  Revision current;
  if (!pipelines.empty()) {
    current = freeze(pipelines.front());
    input.pipeline = outdated ? &*outdated : &pipelines.front();
    input.current = &current;
  }
  for (const auto& job : jobs) {
    if (job.metadata.label(kRunUidLabel) == run.metadata.uid) input.jobs.push_back(&job);
  }
  for (const auto& pod : pods) {
    if (pod.metadata.label(kRunUidLabel) == run.metadata.uid) input.pods.push_back(&pod);
  }
  for (const auto& item : deployments) input.deployments.push_back(&item);
  for (const auto& item : services) input.services.push_back(&item);
  for (const auto& item : runs) {
    input.siblings.push_back(&item);
    const bool wanted = !run.spec.retry_of.empty() && !run.status.start_time;
    if (wanted && item.metadata.name == run.spec.retry_of) input.retried = &item;
  }
  std::string revision_name = chosen_revision(run, input.jobs);
  if (revision_name.empty()) revision_name = current.name;
  Revision revision;
  if (find("ControllerRevision", revision_name) != nullptr) {
    revision = *read_revision(get<api::ControllerRevision>(revision_name));
    input.revision = &revision;
  }
  const Memory& memory = memory_[name];
  input.last_create = memory.last_create;
  input.last_status_write = memory.last_status_write;
  input.applied = applied_;
  input.create_failure = std::move(failure);
  for (const api::Job* job : input.jobs) {
    const auto it = pod_failures_.find(job->metadata.name);
    if (it != pod_failures_.end()) input.pod_failure = it->second;
  }
  RunPlan out = plan_run(input);
  for (int i = 0; i < 3 && out.needs_live.any(); ++i) {
    ++reads;
    input.live.pipeline |= out.needs_live.pipeline;
    if (input.live.pipeline && !pipelines.empty()) input.pipeline = &pipelines.front();
    input.live.revision |= out.needs_live.revision;
    input.live.workload |= out.needs_live.workload;
    out = plan_run(input);
  }
  MR_CHECK(!out.needs_live.any());
  return out;
}

JobPlan World::plan_for_job(const std::string& name, std::optional<CreateFailure> failure) {
  const auto job = get<api::Job>(name);
  const auto pods = all<api::Pod>();
  std::optional<crds::PipelineRun> run;
  const api::OwnerReference* run_owner = run_of_job(job);
  if (run_owner != nullptr && find("PipelineRun", run_owner->name) != nullptr) {
    run = get<crds::PipelineRun>(run_owner->name);
  }
  JobInput input;
  input.now = now;
  input.job = &job;
  if (run) input.run = &*run;
  for (const auto& pod : pods) {
    const api::OwnerReference* owner = pod.metadata.controller_ref();
    if (owner != nullptr && owner->uid == job.metadata.uid) input.pods.push_back(&pod);
  }
  if (!input.pods.empty()) pod_seen_[job.metadata.uid] = true;
  std::map<int, int>& seen = slots_seen_[job.metadata.uid];
  for (const api::Pod* pod : input.pods) {
    if (const auto slot = slot_of(*pod))
      seen[slot->slot] = std::max(seen[slot->slot], slot->attempt);
  }
  input.slots_seen = seen;
  input.alone = alone;
  input.may_report = may_report;
  const auto written = job_writes_.find(job.metadata.uid);
  if (written != job_writes_.end()) input.last_status_write = written->second;
  input.pod_seen = pod_seen_[job.metadata.uid];
  input.create_failure = std::move(failure);
  JobPlan out = plan_job(input);
  if (out.needs_live) {
    ++reads;
    input.live = true;
    out = plan_job(input);
  }
  MR_CHECK(!out.needs_live);
  return out;
}

void World::count_write(const std::string& what) {
  if (crash_at && writes == *crash_at) throw Crash{};
  ++writes;
  log.push_back(what);
}

std::optional<Error> World::create(const Action& action) {
  if (refuse) {
    if (auto error = refuse(action)) return error;
  }
  const std::string kind(action.resource.kind);
  if (const Value* live = find(kind, action.key.name)) {
    if (controller_uid(*live) == action.owner_uid) return std::nullopt;
    return refusal(Code::AlreadyExists, kind + " \"" + action.key.name + "\" already exists");
  }
  ++made[kind + "/" + action.key.name];
  put(action.body.dump());
  Value& object = *find(kind, action.key.name);
  if (kind == "Job") {  // as the API server does
    Value& labels = object["spec"]["template"]["metadata"]["labels"];
    labels["batch.kubernetes.io/job-name"] = action.key.name;
    labels["controller-uid"] = text(object, {"metadata", "uid"});
  }
  if (kind == "Pod") set_status(kind, action.key.name, R"({"phase":"Pending"})");
  return std::nullopt;
}

void World::apply(const Action& action) {
  const std::string kind(action.resource.kind);
  Value* object = find(kind, action.key.name);
  if (object == nullptr) {
    ++made[kind + "/" + action.key.name];
    put(action.body.dump());
    object = find(kind, action.key.name);
  } else {
    const Value spec = (*object)["spec"];
    merge(*object, action.body);
    if (!(spec == (*object)["spec"])) {
      (*object)["metadata"]["generation"] = (*object)["metadata"]["generation"].as_int() + 1;
    }
    touch(*object);
  }
  if (kind == "Deployment") {
    applied_[action.key.name] = (*object)["metadata"]["generation"].as_int();
  }
}

void World::remove(const Action& action) {
  const std::string kind(action.resource.kind);
  Value* object = find(kind, action.key.name);
  if (object == nullptr || text(*object, {"metadata", "uid"}) != action.uid) return;
  if (kind == "Pod" && !ended(*object)) {
    (*object)["metadata"]["deletionTimestamp"] =
        format_time(now + std::chrono::duration_cast<std::chrono::microseconds>(kGrace));
    touch(*object);
    return;
  }
  erase(kind, action.key.name);
}

Result<void*> World::act(const Action& action, Memory& memory) {
  count_write(std::string(verb_name(action.verb)) + " " + std::string(action.resource.kind) + " " +
              action.key.name);
  const std::string kind(action.resource.kind);
  switch (action.verb) {
    case Action::Verb::Create: {
      if (auto error = create(action)) return fail(*std::move(error));
      memory.last_create = now;
      return nullptr;
    }
    case Action::Verb::Apply:
      if (refuse) {
        if (auto error = refuse(action)) return fail(*std::move(error));
      }
      apply(action);
      return nullptr;
    case Action::Verb::Delete:
      remove(action);
      return nullptr;
    case Action::Verb::MergePatch:
    case Action::Verb::PatchStatus:
      break;
  }
  Value* object = find(kind, action.key.name);
  if (object == nullptr) return fail(Code::NotFound, kind);
  const std::string& version = text(action.body, {"metadata", "resourceVersion"});
  if (!version.empty() && version != text(*object, {"metadata", "resourceVersion"})) {
    return fail(Code::Conflict, kind + " " + action.key.name);
  }
  const Value before = *object;
  merge(*object, action.body);
  touch(*object);
  if (kind == "Job" && action.verb == Action::Verb::PatchStatus) {
    job_writes_[text(*object, {"metadata", "uid"})] = now;
    for (std::string& complaint : job_status_complaints(before, *object)) {
      complaints.push_back(std::move(complaint));
    }
  }
  return nullptr;
}

bool World::reconcile_run(const std::string& name) {
  Memory& memory = memory_[name];
  std::optional<CreateFailure> failure;
  bool wrote = false;
  for (int round = 0; round < 2; ++round) {
    const RunPlan next = plan(name, failure);
    if (next.recheck) {
      due_["run/" + name] =
          now + std::chrono::ceil<std::chrono::microseconds>(std::max(*next.recheck, Duration(1)));
    } else {
      due_.erase("run/" + name);
    }
    failure.reset();
    for (const Action& action : next.actions) {
      const Result<void*> done = act(action, memory);
      wrote = true;
      if (done.ok()) continue;
      if (action.verb != Action::Verb::Create && action.verb != Action::Verb::Apply) {
        return true;  // gathered again at the next call
      }
      failure = CreateFailure{done.error(), std::string(action.resource.kind), action.key,
                              ++memory.failures[action.key.name]};
      break;
    }
    if (failure) continue;
    if (!next.status) return wrote;
    count_write("Status " + name);
    Value& object = *find("PipelineRun", name);
    object["status"] = codec::to_value(*next.status);
    touch(object);
    memory.last_status_write = now;
    notes.insert(notes.end(), next.notes.begin(), next.notes.end());
    if (next.recheck == Duration::zero()) return reconcile_run(name), true;
    return true;
  }
  return wrote;
}

bool World::reconcile_job(const std::string& name) {
  Memory& memory = memory_["job/" + name];
  std::optional<CreateFailure> failure;
  bool wrote = false;
  for (int round = 0; round < 2; ++round) {
    const JobPlan next = plan_for_job(name, failure);
    if (next.recheck) {
      due_["job/" + name] =
          now + std::chrono::ceil<std::chrono::microseconds>(std::max(*next.recheck, Duration(1)));
    } else {
      due_.erase("job/" + name);
    }
    failure.reset();
    for (const Action& action : next.actions) {
      const Result<void*> done = act(action, memory);
      wrote = true;
      if (done.ok()) {
        if (action.verb == Action::Verb::Create) pod_failures_.erase(name);
        continue;
      }
      if (action.verb != Action::Verb::Create) return true;
      failure = CreateFailure{done.error(), "Pod", action.key, ++memory.failures[name]};
      pod_failures_.insert_or_assign(name, *failure);
      break;
    }
    if (!failure) return wrote;
  }
  return false;  // refused: nothing changed
}

void World::settle() {
  for (int i = 0; i < 50; ++i) {
    const auto before = objects_;
    for (const std::string& name : names("PipelineRun")) reconcile_run(name);
    for (const std::string& name : names("Job")) reconcile_job(name);
    if (before == objects_) return;
  }
  throw std::runtime_error("does not settle");
}

void World::advance(Duration duration) {
  const Time end = now + std::chrono::ceil<std::chrono::microseconds>(duration);
  settle();
  while (true) {
    Time next = end;
    for (const auto& [key, due] : due_) next = std::min(next, std::max(due, now));
    if (next >= end) break;
    now = std::max(next, now + std::chrono::microseconds(1));
    settle();
  }
  now = end;
  settle();
}

void World::restart() {
  memory_.clear();
  applied_.clear();
  pod_failures_.clear();
  pod_seen_.clear();
  slots_seen_.clear();
  job_writes_.clear();
  due_.clear();
  crash_at.reset();
}

std::string World::only_pod() {
  std::string found;
  for (const std::string& name : names("Pod")) {
    if (!ended(*find("Pod", name))) {
      MR_CHECK(found.empty());
      found = name;
    }
  }
  MR_CHECK(!found.empty());
  return found;
}

std::vector<Value*> World::containers(Value& pod, const char* list) {
  std::vector<Value*> out;
  if (Value* items = pod["spec"].find(list)) {
    for (Value& item : items->items()) out.push_back(&item);
  }
  return out;
}

void World::set_status(const std::string& kind, const std::string& name, const std::string& json) {
  Value& object = *find(kind, name);
  object["status"] = parse(json);
  touch(object);
}

namespace {

Value terminated(Time now, int code, const std::string& reason, const std::string& message) {
  return Value::object({{"terminated", Value::object({{"exitCode", code},
                                                      {"reason", reason},
                                                      {"message", message},
                                                      {"startedAt", format_time(now)},
                                                      {"finishedAt", format_time(now)}})}});
}

}  // namespace

void World::run_pod(const std::string& pod_name_, std::size_t done) {
  Value& pod = *find("Pod", pod_name_);
  Value status = Value::object({{"phase", "Running"}});
  std::size_t index = 0;
  for (const auto& [list, key] : {std::pair{"initContainers", "initContainerStatuses"},
                                  std::pair{"containers", "containerStatuses"}}) {
    for (const Value* container : containers(pod, list)) {
      Value item = Value::object({{"name", text(*container, {"name"})}});
      if (index < done) {
        item["state"] = terminated(now, 0, "Completed", "");
      } else if (index == done) {
        item["state"] =
            Value::object({{"running", Value::object({{"startedAt", format_time(now)}})}});
      } else {
        item["state"] =
            Value::object({{"waiting", Value::object({{"reason", "PodInitializing"}})}});
      }
      status[key].push_back(std::move(item));
      ++index;
    }
  }
  pod["status"] = std::move(status);
  touch(pod);
}

void World::succeed_pod(const std::string& name) {
  run_pod(name, 1000);
  (*find("Pod", name))["status"]["phase"] = "Succeeded";
}

void World::fail_pod(const std::string& name, std::size_t step, int code, const std::string& reason,
                     const std::string& message) {
  run_pod(name, step);
  Value& status = (*find("Pod", name))["status"];
  status["phase"] = "Failed";
  for (const char* key : {"initContainerStatuses", "containerStatuses"}) {
    for (Value& item : status[key].items()) {
      if (item["state"].find("running")) item["state"] = terminated(now, code, reason, message);
    }
  }
}

void World::finish_deletions() {
  for (const std::string& name : names("Pod")) {
    Value& pod = *find("Pod", name);
    if (pod["metadata"].find("deletionTimestamp") == nullptr) continue;
    if (ended(pod)) {
      erase("Pod", name);
    } else {
      std::size_t done = 0;
      for (const char* key : {"initContainerStatuses", "containerStatuses"}) {
        const Value* list = pod["status"].find(key);
        if (list == nullptr) continue;
        for (const Value& item : list->items()) {
          if (item.at_path({"state", "terminated"})) ++done;
        }
      }
      fail_pod(name, done, 143);
    }
  }
}

crds::PipelineRunStatus World::status(const std::string& run) {
  return get<crds::PipelineRun>(run).status;
}

api::Condition World::condition(const std::string& type, const std::string& run) {
  const auto current = status(run);
  const api::Condition* found = api::find_condition(current.conditions, type);
  return found == nullptr ? api::Condition{} : *found;
}

}  // namespace millrace::logic
