#include "tests/unit/logic/graph_world.h"

#include <algorithm>
#include <stdexcept>

#include "controllers/logic/labels.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::logic {
namespace {

using codec::Value;

template <class T>
T decode(const std::string& json) {
  auto out = codec::decode<T>(json);
  if (!out.ok()) throw std::runtime_error(out.error().message + " in " + json);
  return *std::move(out);
}

bool over(const api::Pod& pod) {
  return pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
}

}  // namespace

GraphWorld::GraphWorld(const std::string& spec, const std::string& run_spec)
    : now(*parse_time("2026-11-21T03:00:00Z")) {
  pipeline = decode<crds::Pipeline>(
      R"({"kind":"Pipeline","metadata":{"name":"p","namespace":"ns","uid":"p-uid"},"spec":)" +
      spec + "}");
  run = decode<crds::PipelineRun>(
      R"({"kind":"PipelineRun","metadata":{"name":"r","namespace":"ns","uid":"r-uid","generation":1,
      "creationTimestamp":"2026-11-21T03:00:00Z","ownerReferences":[{"apiVersion":"v1","kind":
      "Pipeline","name":"p","uid":"p-uid","controller":true}]},"spec":{"refPipeline":"p")" +
      run_spec + "}}");
  revision = freeze(pipeline);
  if (!revision.plan || !revision.plan->ok()) {
    throw std::runtime_error(revision.plan ? revision.plan->error().message : "no plan");
  }
}

RunPlan GraphWorld::plan() {
  RunInput input;
  input.now = now;
  input.run = &run;
  input.pipeline = &pipeline;
  input.current = &revision;
  input.revision = &revision;
  for (const auto& job : jobs_) input.jobs.push_back(&job);
  for (const auto& pod : pods_) input.pods.push_back(&pod);
  for (const auto& child : children) input.children.push_back(&child);
  for (const auto& other : others) input.others.push_back(&other);
  if (retried) input.retried = &*retried;
  input.calls = calls;
  input.last_create = last_create_;
  input.may_report = may_report;
  input.create_failure = failure;
  input.looked = looked_;
  input.archive_held = archive_held_;
  for (int i = 0; i < 6; ++i) {
    RunPlan out = plan_run(input);
    if (out.needs_live.any()) {
      if (!out.actions.empty() || out.status || !out.calls.empty()) {
        throw std::runtime_error("a plan that asks for live parts does something");
      }
      input.live.workload |= out.needs_live.workload;
      input.live.siblings |= out.needs_live.siblings;
      input.live.revision |= out.needs_live.revision;
      continue;
    }
    if (out.needs_objects.empty()) return out;
    for (const ObjectRef& ref : out.needs_objects) {
      const auto at = objects.find(ref.kind + "/" + ref.key.name);
      ObjectState seen;
      if (at != objects.end()) seen.object = at->second;
      looked_[ref.node] = now;
      ++looks;
      input.objects.insert_or_assign(ref.node, seen);
    }
  }
  throw std::runtime_error("the planner asks for ever");
}

void GraphWorld::restart() {
  calls.clear();
  last_create_.reset();
  looked_.clear();
  archive_held_.reset();
}

void GraphWorld::note(const std::string& entry) {
  log.push_back(entry);
  if (begun) begun(entry);
}

void GraphWorld::act(const Action& action) {
  const std::string kind(action.resource.kind);
  if (action.verb == Action::Verb::Apply) {
    const std::string name = action.body.find("kind")->as_string() + "/" + action.key.name;
    note("apply " + name);
    if (!objects.contains(name)) objects[name] = action.body;
    return;
  }
  if (action.verb == Action::Verb::MergePatch && action.key.name == run.metadata.name) {
    for (const auto& [key, value] : action.body.at_path({"metadata", "annotations"})->members()) {
      run.metadata.annotations[key] = value.as_string();
    }
    return;  // no child: its revision is frozen
  }
  if (action.verb == Action::Verb::MergePatch && kind == "PipelineRun") {
    for (auto& list : {&children, &others}) {
      for (auto& child : *list) {
        if (child.metadata.name == action.key.name) child.spec.cancel = true;
      }
    }
    note("cancel " + action.key.name);
    return;
  }
  if (action.verb == Action::Verb::MergePatch) {  // of a Job: stop it
    for (auto& job : jobs_) {
      if (job.metadata.name != action.key.name) continue;
      for (const auto& [key, value] : action.body.at_path({"metadata", "annotations"})->members()) {
        job.metadata.annotations[key] = value.as_string();
      }
      note("stop " + step_of_[action.key.name]);
      for (auto& pod : pods_) {
        if (pod.metadata.name == action.key.name + "-pod" && !over(pod)) {
          end_pod(step_of_[action.key.name], 143);
        }
      }
    }
    return;
  }
  if (action.verb != Action::Verb::Create) return note("other");
  if (kind == "PipelineRun") {
    for (const auto& child : children) {
      if (child.metadata.name == action.key.name) return;
    }
    auto child = decode<crds::PipelineRun>(action.body.dump());
    child.metadata.uid = "c" + std::to_string(++counter_);
    child.metadata.creation_timestamp = now;
    children.push_back(std::move(child));
    return note("run " + children.back().metadata.label(kStepLabel));
  }
  if (kind == "ControllerRevision") {
    archives.push_back(decode<api::ControllerRevision>(action.body.dump()));
  }
  if (kind != "Job") return note("create " + kind);
  if (step_of_.contains(action.key.name)) return;
  auto job = decode<api::Job>(action.body.dump());
  job.metadata.uid = "j" + std::to_string(++counter_);
  job.metadata.creation_timestamp = now;
  const std::string step = job.metadata.label(kStepLabel);
  step_of_[action.key.name] = step;
  Value pod = Value::object();
  pod["metadata"] = Value::object({{"name", action.key.name + "-pod"}, {"namespace", "ns"}});
  pod["metadata"]["labels"] = Value::object({{kRunUidLabel, run.metadata.uid}});
  pod["metadata"]["creationTimestamp"] = format_time(now);
  pod["metadata"]["ownerReferences"].push_back(Value::object({{"apiVersion", "batch/v1"},
                                                              {"kind", "Job"},
                                                              {"name", action.key.name},
                                                              {"uid", job.metadata.uid},
                                                              {"controller", true}}));
  pod["status"]["phase"] = "Running";
  const Value* containers = action.body.at_path({"spec", "template", "spec", "containers"});
  for (const Value& container : containers->items()) {
    pod["status"]["containerStatuses"].push_back(Value::object(
        {{"name", *container.find("name")},
         {"state",
          Value::object({{"running", Value::object({{"startedAt", format_time(now)}})}})}}));
  }
  pods_.push_back(decode<api::Pod>(pod.dump()));
  jobs_.push_back(std::move(job));
  note("job " + step + "/" + std::to_string(++made_[step]));
}

bool GraphWorld::step() {
  RunPlan next = plan();
  failure.reset();
  const std::size_t before = log.size();
  std::size_t done = 0;
  while (done < next.actions.size()) {
    const Action& action = next.actions[done++];
    const auto error = refuse ? refuse(action) : std::nullopt;
    if (!error) {
      act(action);
      continue;
    }
    note("refused " + std::string(action.resource.kind));
    failure = CreateFailure{*error, std::string(action.resource.kind), action.key, 1};
    next = plan();
    failure.reset();
    done = 0;
  }
  recheck_ = next.recheck;
  if (next.hold_archive) {
    archive_held_ = now + std::chrono::ceil<std::chrono::microseconds>(*next.hold_archive);
  }
  bool lost = false;
  bool wrote = false;
  if (next.status) {
    lost = lose_status && lose_status();
    if (!lost) {
      run.status = decode<crds::PipelineRunStatus>(codec::encode(*next.status));
      run.metadata.resource_version = std::to_string(++counter_);
      wrote = true;
    }
  }
  if (!lost) {
    for (const std::string& key : next.forget_calls) calls.erase(key);
    for (const CallOrder& order : next.calls) {
      if (calls.contains(order.key)) throw std::runtime_error("called twice: " + order.key);
      calls[order.key] = {};
      orders.push_back(order);
      note("call " + order.key);
      if (!wrote) last_create_ = now;
    }
  }
  return lost || wrote || log.size() != before || next.recheck == Duration::zero();
}

void GraphWorld::settle() {
  for (int i = 0; i < 300; ++i) {
    if (!step()) return;
  }
  throw std::runtime_error("does not settle: " + states() + " " + reason() + " " + message());
}

void GraphWorld::advance(Duration duration) {
  const Time end = now + std::chrono::ceil<std::chrono::microseconds>(duration);
  settle();
  while (recheck_) {
    const Time next = now + std::chrono::ceil<std::chrono::microseconds>(*recheck_);
    if (next >= end) break;
    now = std::max(next, now + std::chrono::milliseconds(1));
    settle();
  }
  now = end;
  settle();
}

void GraphWorld::end_pod(const std::string& step, int code, const std::string& message) {
  for (auto pod = pods_.rbegin(); pod != pods_.rend(); ++pod) {
    const std::string& job = pod->metadata.controller_ref()->name;
    if (step_of_[job] != step || over(*pod)) continue;
    pod->status.phase = code == 0 ? "Succeeded" : "Failed";
    for (auto& container : pod->status.container_statuses) {
      container.state.running.reset();
      container.state.terminated.emplace();
      container.state.terminated->exit_code = code;
      container.state.terminated->message = message;
      container.state.terminated->started_at = now;
      container.state.terminated->finished_at = now;
    }
    return;
  }
  throw std::runtime_error("no pod of " + step);
}

void GraphWorld::answer(const std::string& key, int status, const std::string& body) {
  CallResult result;
  result.status = status;
  result.body = body;
  result.headers["Content-Type"] = {"application/json"};
  result.ended = now;
  calls.at(key).result = std::move(result);
}

void GraphWorld::no_answer(const std::string& key, Code code) {
  CallResult result;
  result.error.emplace();
  result.error->code = code;
  result.error->message = "no answer";
  result.ended = now;
  calls.at(key).result = std::move(result);
}

void GraphWorld::end_child(const std::string& step, bool good) {
  for (auto& child : children) {
    if (child.metadata.label(kStepLabel) != step || is_terminal(child)) continue;
    const auto set = [&](const char* type, const char* status) {
      api::Condition condition;
      condition.type = type;
      condition.status = status;
      child.status.conditions.push_back(condition);
    };
    set("Completed", "True");
    set("Succeeded", good ? "True" : "False");
    child.status.completion_time = now;
    return;
  }
  throw std::runtime_error("no child of " + step);
}

std::vector<std::string> GraphWorld::pods_alive() const {
  std::vector<std::string> out;
  for (const auto& pod : pods_) {
    if (!over(pod)) out.push_back(step_of_.at(pod.metadata.controller_ref()->name));
  }
  return out;
}

const crds::StepState& GraphWorld::state(const std::string& step) const {
  for (const auto& state : run.status.step_states) {
    if (state.name == step) return state;
  }
  throw std::runtime_error("no state of " + step + " in " + states());
}

std::string GraphWorld::states() const {
  std::string out;
  for (const auto& state : run.status.step_states) {
    out += (out.empty() ? "" : " ") + state.name + "=" + std::string(codec::enum_name(state.state));
  }
  return out;
}

std::string GraphWorld::reason() const {
  const auto* found = api::find_condition(run.status.conditions, "Succeeded");
  return found == nullptr ? "" : found->reason;
}

std::string GraphWorld::message() const {
  const auto* found = api::find_condition(run.status.conditions, "Succeeded");
  return found == nullptr ? "" : found->message;
}

std::size_t GraphWorld::count(const std::string& entry) const {
  return static_cast<std::size_t>(std::count(log.begin(), log.end(), entry));
}

}  // namespace millrace::logic
