#include "tests/sim/graph_auditor.h"

#include <algorithm>

#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/pod_facts.h"
#include "kubeclient/api/controller_revision.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::sim {
namespace {

using codec::Value;
using crds::StepPhase;
using crds::StepState;
using logic::Group;

constexpr const char* kCallback = "x-callback-url";

bool ended(const StepState& state) {
  return state.state != StepPhase::Pending && state.state != StepPhase::Running;
}

bool done(const StepState& state, bool tolerated) {
  return state.state == StepPhase::Succeeded || (state.state == StepPhase::Failed && tolerated) ||
         (state.state == StepPhase::Skipped && state.reason == "WhenFalse");
}

const StepState* find_state(const crds::PipelineRun& run, const std::string& unit) {
  for (const StepState& state : run.status.step_states) {
    if (state.name == unit) return &state;
  }
  return nullptr;
}

bool belongs(const std::string& unit, const std::string& step) {
  return unit == step || (unit.starts_with(step) && unit[step.size()] == '.');
}

bool is_stopped(const crds::PipelineRun& run) {
  return run.spec.cancel || run.spec.timeout || logic::is_terminal(run);
}

bool has_record(const crds::PipelineRun& run, const std::string& unit, int attempt) {
  if (!run.status.retry_status) return false;
  const auto& history = run.status.retry_status->history_build;
  return std::any_of(history.begin(), history.end(), [&](const crds::AttemptRecord& record) {
    return record.step == unit && record.attempt == attempt;
  });
}

std::string shown(const StepState* state) {
  return state == nullptr ? "on no record" : std::string(codec::enum_name(state->state));
}

}  // namespace

bool PodFacts::alive(Time now) const {
  if (gone || ended()) return false;
  return !going || now < *going + logic::kLostAfter;
}

bool GraphAuditor::Step::is_pod() const {
  return step != nullptr && (!step->container.is_null() || !step->containers.empty());
}
bool GraphAuditor::Step::is_call() const { return step == nullptr || step->http; }

const GraphAuditor::Step* GraphAuditor::Spec::find(const std::string& unit) const {
  for (const Step& step : steps) {
    if (belongs(unit, step.name)) return &step;
  }
  return nullptr;
}

GraphAuditor::GraphAuditor(const Clock& clock, const Pods& pods, const Runs& runs,
                           Complain complain, std::function<void()> look)
    : clock_(clock),
      pods_(pods),
      runs_(runs),
      complain_(std::move(complain)),
      look_(std::move(look)) {}

void GraphAuditor::saw_revision(const std::string& name, const std::string& json) {
  if (specs_.contains(name)) return;
  const auto object = codec::decode<api::ControllerRevision>(json);
  if (!object.ok() || object->data.find("spec") == nullptr) return;
  auto read = logic::read_revision(*object);
  if (!read.ok() || read->plan == nullptr) return;
  auto spec = std::make_shared<Spec>();
  spec->frozen = std::move(read->frozen);
  const crds::PipelineSpec& body = spec->frozen.spec;
  spec->belt = body.steps.empty();
  const auto steps = logic::graph_steps(body);
  for (const logic::GraphStep& one : steps) {
    Step step{one.name, one.group, one.step, {}};
    if (one.step != nullptr) step.after = one.step->depends_on;
    // The nearest stage before its own that has any steps.
    auto at = std::find(body.stages.begin(), body.stages.end(), one.stage);
    if (at == body.stages.end()) at = body.stages.begin();
    for (bool found = false; at != body.stages.begin() && !found;) {
      --at;
      for (const logic::GraphStep& other : steps) {
        if (other.stage != *at || other.group != one.group) continue;
        found = true;
        step.after.push_back(other.name);
      }
    }
    spec->steps.push_back(std::move(step));
  }
  specs_.emplace(name, std::move(spec));
}

bool GraphAuditor::is_graph(const crds::PipelineRun& run) const {
  return histories_.contains(run.metadata.uid) || specs_.contains(run.status.pipeline_revision);
}

GraphAuditor::History* GraphAuditor::history_of(const std::string& run_uid,
                                                const std::string& revision) {
  const auto known = histories_.find(run_uid);
  const auto spec = specs_.find(revision);
  if (known != histories_.end()) {
    if (spec != specs_.end() && spec->second != known->second.spec) {
      complain_("run " + run_uid + " works from two revisions");
    }
    return &known->second;
  }
  if (spec == specs_.end()) return nullptr;
  History& made = histories_[run_uid];
  made.spec = spec->second;
  return &made;
}

bool GraphAuditor::is_alive(const crds::PipelineRun& run, const Step& step) const {
  for (const auto& [uid, pod] : pods_) {
    if (pod.run_uid == run.metadata.uid && !pod.job_uid.empty() && belongs(pod.step, step.name) &&
        pod.alive(clock_.now())) {
      return true;
    }
  }
  for (const auto& [uid, child] : runs_) {
    const auto* owner = child.metadata.controller_ref();
    if (owner != nullptr && owner->uid == run.metadata.uid && !logic::is_terminal(child) &&
        belongs(child.metadata.label(logic::kStepLabel), step.name)) {
      return true;
    }
  }
  // Calls of a run that is being stopped are let go of, not awaited.
  if (!step.is_call() || is_stopped(run)) return false;
  return std::any_of(run.status.step_states.begin(), run.status.step_states.end(),
                     [&](const StepState& state) {
                       return belongs(state.name, step.name) && state.state == StepPhase::Running;
                     });
}

void GraphAuditor::require_over(const crds::PipelineRun& run, const Step& step,
                                const Step& before) {
  const std::string what =
      run.metadata.name + ": step " + step.name + " begins, but " + before.name;
  if (is_alive(run, before)) return complain_(what + " still runs");
  const StepState* state = find_state(run, before.name);
  if (state != nullptr && done(*state, before.tolerated())) return;
  if (before.tolerated() || run.status.archive) return;
  if (before.is_pod()) {
    for (const auto& [uid, pod] : pods_) {
      if (pod.run_uid == run.metadata.uid && belongs(pod.step, before.name) &&
          pod.phase == "Succeeded") {
        return;
      }
    }
  }
  complain_(what + " is " + shown(state));
}

void GraphAuditor::begin(History& history, const crds::PipelineRun& run, const std::string& unit,
                         int attempt) {
  const Step* step = history.spec->find(unit);
  if (step == nullptr) return complain_(run.metadata.name + " has no step " + unit);
  int& last = history.begun[unit];
  if (attempt <= last) return;
  last = attempt;
  // Nothing fences what a second operator does that has not heard of the end yet.
  const bool late = company_ && is_stopped(run);
  const std::string what =
      run.metadata.name + ": step " + unit + " attempt " + std::to_string(attempt);
  if (step->step != nullptr && step->step->when == "false") {
    complain_(what + " begins, its condition is false");
  }
  if (history.closed.contains(step->name) && !late) {
    complain_(what + " begins after what comes after it");
  }
  if (attempt > 1 && !has_record(run, unit, attempt - 1)) {
    complain_(what + " begins, the one before is on no record");
  }
  for (const Step& other : history.spec->steps) {
    const bool named =
        std::find(step->after.begin(), step->after.end(), other.name) != step->after.end();
    const bool earlier = step->group == Group::Finally ? other.group != Group::Finally
                         : step->group == Group::OnError
                             ? other.group == Group::Main && !history.spec->belt
                             : false;
    if (!named && !earlier) continue;
    history.closed.insert(other.name);
    if (late) continue;
    if (named) require_over(run, *step, other);
    if (earlier && is_alive(run, other)) complain_(what + " begins, but " + other.name + " runs");
  }
}

void GraphAuditor::judge_job(const api::Job& job, const std::string& json, bool again) {
  const auto run = runs_.find(job.metadata.label(logic::kRunUidLabel));
  if (run == runs_.end()) return;
  History* history = history_of(run->first, job.metadata.annotation(logic::kRevisionAnnotation));
  if (history == nullptr || again) return;
  const std::string& unit = job.metadata.label(logic::kStepLabel);
  if (logic::is_terminal(run->second) && !company_) {
    complain_("Job " + job.metadata.name + " is made after its run's end");
  }
  begin(*history, run->second, unit, std::atoi(job.metadata.label(logic::kAttemptLabel).c_str()));
  const Value whole = Value::parse(json).value();
  const Value* containers = whole.at_path({"spec", "template", "spec", "containers"});
  for (const Value& container : containers->items()) {
    const Value* env = container.find("env");
    if (env == nullptr) continue;
    for (const Value& variable : env->items()) {
      const std::string& name = variable.find("name")->as_string();
      if (!name.starts_with("V_") && !name.starts_with("S_")) continue;
      const Value* value = variable.find("value");
      history->inputs.push_back({unit, name, value == nullptr ? "" : value->as_string()});
    }
  }
}

void GraphAuditor::judge_child(const crds::PipelineRun& child) {
  const auto* owner = child.metadata.controller_ref();
  const auto run = owner == nullptr ? runs_.end() : runs_.find(owner->uid);
  if (run == runs_.end()) return;
  History* history = history_of(run->first, run->second.status.pipeline_revision);
  if (history == nullptr) return;
  const std::string& unit = child.metadata.label(logic::kStepLabel);
  constexpr int kMost = 50;
  for (int attempt = 1; attempt <= kMost; ++attempt) {
    if (logic::step_object_name(run->second.metadata.name, run->first, unit, attempt) !=
        child.metadata.name) {
      continue;
    }
    if (logic::is_terminal(run->second) && !company_) {
      complain_("run " + child.metadata.name + " is made after its parent's end");
    }
    return begin(*history, run->second, unit, attempt);
  }
  complain_("run " + child.metadata.name + " has a name of its own");
}

void GraphAuditor::judge_call(const std::string& run_uid, const logic::CallOrder& order) {
  look_();
  const auto known = runs_.find(run_uid);
  if (known == runs_.end()) return;  // deleted a moment ago
  const crds::PipelineRun& run = known->second;
  const std::string unit = order.key.substr(0, order.key.rfind('/'));
  const int attempt = std::atoi(order.key.c_str() + order.key.rfind('/') + 1);
  if (unit == kCallback) return;
  const std::string what = run.metadata.name + ": call " + order.key;
  History* history = history_of(run_uid, run.status.pipeline_revision);
  if (history == nullptr) return complain_(what + " is sent before anything is on record");
  std::string request = order.method + " " + order.url + " " + order.body;
  for (const auto& header : order.headers) request += " " + header.name + "=" + header.value;
  Sent& sent = history->calls[order.key];
  if (sent.request.empty()) sent.request = request;
  if (sent.request != request) complain_(what + " is sent again with another request");
  const StepState* state = find_state(run, unit);
  const int recorded = state == nullptr ? 0 : std::max(1, state->attempt);
  const bool under_way =
      state != nullptr && recorded == attempt && state->state == StepPhase::Running;
  // Another operator may have got an answer that this one has not heard of.
  const bool over =
      state != nullptr && (recorded > attempt || (recorded == attempt && ended(*state)));
  if (!under_way && !(over && company_)) {
    return complain_(what + " is sent while its step is " + shown(state) + ", attempt " +
                     std::to_string(recorded));
  }
  if (under_way) begin(*history, run, unit, attempt);
  const auto body = Value::parse(order.body);
  if (!body.ok() || !body->is_object()) return;
  for (const auto& [name, value] : body->members()) {
    if (name.size() > 2 && name[1] == '_') {
      history->inputs.push_back({unit, name, value.as_string()});
    }
  }
}

void GraphAuditor::note_answer(const std::string& run_uid, const std::string& key,
                               const logic::CallResult& result) {
  const auto history = histories_.find(run_uid);
  if (history != histories_.end()) history->second.calls[key].answers.push_back(result);
}

void GraphAuditor::judge_pod(const PodFacts& pod) {
  const auto found = histories_.find(pod.run_uid);
  if (found == histories_.end() || company_) return;
  const crds::PipelineSpec& spec = found->second.spec->frozen.spec;
  const Step* step = found->second.spec->find(pod.step);
  int all = 0;
  int same = 0;
  for (const auto& [uid, other] : pods_) {
    if (other.run_uid != pod.run_uid || other.job_uid.empty() || !other.alive(clock_.now()))
      continue;
    ++all;
    if (step != nullptr && belongs(other.step, step->name)) ++same;
  }
  if (spec.parallelism && all > *spec.parallelism) {
    complain_("with pod " + pod.key.name + " " + std::to_string(all) + " steps run at once");
  }
  const bool limited = step != nullptr && step->step != nullptr && step->step->matrix &&
                       step->step->matrix->max_parallel;
  if (limited && same > *step->step->matrix->max_parallel) {
    complain_("with pod " + pod.key.name + " too many combinations run at once");
  }
}

// ---- what a status says ----

void GraphAuditor::judge_change(const crds::PipelineRun& before, const crds::PipelineRun& now) {
  History* history = history_of(now.metadata.uid, now.status.pipeline_revision);
  if (history == nullptr) return;
  const auto retries = [](const crds::PipelineRun& run) {
    return run.status.retry_status ? run.status.retry_status->retry_count : 0;
  };
  const bool retried = retries(now) > retries(before);
  if (retries(now) > now.spec.max_retry_count || retries(now) > retries(before) + 1) {
    complain_(now.metadata.name + " is tried again more often than it may");
  }
  for (const StepState& state : now.status.step_states) {
    const StepState* old = find_state(before, state.name);
    static const StepState none;
    judge_step_change(*history, now, old == nullptr ? none : *old, state, retried);
    judge_tries(*history, now, state, retried);
  }
  for (const StepState& state : before.status.step_states) {
    if (find_state(now, state.name) == nullptr && !now.status.archive && !retried) {
      complain_(now.metadata.name + " forgets step " + state.name);
    }
  }
  if (!before.status.start_time && now.status.start_time) judge_places(now);
  if (logic::is_terminal(before) || !logic::is_terminal(now) || company_) return;
  for (const Step& step : history->spec->steps) {
    if (is_alive(now, step)) {
      complain_(now.metadata.name + " ends, but step " + step.name + " still runs");
    }
  }
}

void GraphAuditor::judge_step_change(const History& history, const crds::PipelineRun& now,
                                     const StepState& before, const StepState& state,
                                     bool retried) {
  const std::string what = now.metadata.name + ": step " + state.name;
  if (state.attempt < before.attempt && !retried) complain_(what + " goes back an attempt");
  if (ended(before)) {
    if (state == before) return;
    const bool may =
        retried && (before.state == StepPhase::Failed || before.state == StepPhase::Skipped);
    if (!may) {
      complain_(what + " has ended and changes: " + codec::encode(before) + " " +
                codec::encode(state));
    }
    if (!ended(state)) return;
  }
  if (ended(state)) judge_step_end(history, now, state);
}

/// In each attempt of the run a step is tried `retry.limit` times again, and says how often it was.
void GraphAuditor::judge_tries(History& history, const crds::PipelineRun& run,
                               const StepState& state, bool retried) {
  const Step* step = history.spec->find(state.name);
  if (step == nullptr || state.message.starts_with("taken over")) return;
  const int attempt = std::max(1, state.attempt);
  int& first = history.first.try_emplace(state.name, 1).first->second;
  if (retried && !ended(state)) first = attempt;  // those that have ended stay as they are
  const int limit = step->step != nullptr && step->step->retry ? step->step->retry->limit : 0;
  const std::string what = run.metadata.name + ": step " + state.name;
  if (attempt - first > limit) complain_(what + " has more attempts than it may");
  if (attempt - first != state.retries) {
    complain_(what + " says " + std::to_string(state.retries) + " retries, there were " +
              std::to_string(attempt - first));
  }
}

void GraphAuditor::judge_step_end(const History& history, const crds::PipelineRun& run,
                                  const StepState& state) {
  const Step* step = history.spec->find(state.name);
  const std::string what = run.metadata.name + ": step " + state.name;
  if (step == nullptr) return complain_(what + " is none of its pipeline");
  if (state.message.starts_with("taken over")) return;
  const bool whole = step->step != nullptr && step->step->matrix && state.of.empty();
  const bool good = state.state == StepPhase::Succeeded;
  if (whole || state.state == StepPhase::Skipped) return;
  const int attempt = std::max(1, state.attempt);
  if (good && has_record(run, state.name, attempt)) {
    complain_(what + " succeeds in an attempt that had failed");
  }
  const Value* told = state.outputs.find("v");
  if (step->is_pod()) {
    bool any = false;
    bool same = told == nullptr;
    for (const auto& [uid, pod] : pods_) {
      if (pod.run_uid != run.metadata.uid || pod.step != state.name || pod.attempt != attempt ||
          pod.job_uid.empty() || pod.phase != "Succeeded") {
        continue;
      }
      any = true;
      same = same || pod.output == told->as_string();
    }
    if (good && !any) complain_(what + " succeeds without a pod");
    if (good && any && !same) complain_(what + " gives what no pod of it said");
    if (!good && any && (state.reason == "Fail" || state.reason == "Evicted") && !company_) {
      complain_(what + " fails (" + state.reason + "), its pod did not");
    }
    return;
  }
  if (step->is_call()) {
    const auto sent = history.calls.find(state.name + "/" + std::to_string(attempt));
    const bool no_answer = state.reason == "TimedOut" || state.reason == "Unreachable";
    const bool bad = state.reason == "HttpStatus";
    if (!good && !no_answer && !bad) return;
    bool any = false;
    for (const auto& answer :
         sent == history.calls.end() ? std::vector<logic::CallResult>() : sent->second.answers) {
      if (answer.error) {
        any = any || no_answer;
        continue;
      }
      const bool fits = good ? history.spec->belt || answer.status < 400 : bad;
      const bool same = told == nullptr || answer.body == Value::object({{"v", *told}}).dump();
      any = any || (fits && same);
    }
    if (!any) complain_(what + " ended (" + state.reason + ") as no answer of it said");
    return;
  }
  if (step->step->wait && good && !jumps_) {
    const auto length = parse_duration(step->step->wait->duration);
    if (!state.started_at || *state.finished_at - *state.started_at < *length) {
      complain_(what + " did not wait");
    }
  }
  if (step->step->approval) {
    const auto& given = run.spec.approvals;
    const auto wanted = good ? crds::Decision::Approve : crds::Decision::Reject;
    const bool said = std::any_of(given.begin(), given.end(), [&](const crds::Approval& approval) {
      return approval.step == state.name && approval.decision == wanted;
    });
    if ((good || state.reason == "Rejected") && !said) complain_(what + " ends as nobody decided");
  }
  if (step->step->pipeline && (good || state.reason == "RunFailed")) {
    for (const auto& [uid, child] : runs_) {
      if (child.metadata.name != state.run_name) continue;
      const auto* how = api::find_condition(child.status.conditions, "Succeeded");
      const char* wanted = good ? "True" : "False";
      if (how == nullptr || how->status != wanted) complain_(what + " ends unlike its run");
    }
  }
}

/// Of a concurrency group no more than its limit hold a place.
void GraphAuditor::judge_places(const crds::PipelineRun& run) {
  const History& history = histories_.at(run.metadata.uid);
  const auto& concurrency = history.spec->frozen.spec.concurrency;
  if (!concurrency || logic::is_terminal(run)) return;
  int holders = 1;
  for (const auto& [uid, other] : runs_) {
    if (uid != run.metadata.uid && other.status.start_time && !logic::is_terminal(other) &&
        other.status.concurrency_group == run.status.concurrency_group) {
      ++holders;
    }
  }
  if (holders > concurrency->limit.value_or(1)) {
    complain_("with run " + run.metadata.name + " " + std::to_string(holders) +
              " hold a place in group " + run.status.concurrency_group);
  }
}

void GraphAuditor::judge_inputs(const History& history, const crds::PipelineRun& run) {
  for (const Input& input : history.inputs) {
    const StepState* state = find_state(run, input.name.substr(2));
    if (state == nullptr) continue;
    const Value* output = state->outputs.find("v");
    std::string wanted = std::string(codec::enum_name(state->state));
    if (input.name.starts_with("V_")) wanted = output == nullptr ? "\"none\"" : output->dump();
    if (input.value != wanted) {
      complain_(run.metadata.name + ": step " + input.unit + " was told " + input.name + "=" +
                input.value + ", it is " + wanted);
    }
  }
}

void GraphAuditor::judge_end(const crds::PipelineRun& run) {
  const auto found = histories_.find(run.metadata.uid);
  if (found == histories_.end() || !run.status.start_time) return;
  const History& history = found->second;
  const auto* how = api::find_condition(run.status.conditions, "Succeeded");
  if (how != nullptr && how->reason == "PipelineInvalid") return;
  bool main_failed = false;
  bool failed = false;
  for (const Step& step : history.spec->steps) {
    const StepState* state = find_state(run, step.name);
    const std::string what = run.metadata.name + ": step " + step.name;
    if (state == nullptr || !ended(*state)) {
      if (!run.status.archive) complain_(what + " is " + shown(state) + " at the end");
      continue;
    }
    const bool bad = state->state == StepPhase::Failed && !step.tolerated();
    failed = failed || bad;
    main_failed = main_failed || (bad && step.group == Group::Main);
    const bool silent = state->state == StepPhase::Skipped && state->message == "no step failed";
    if (step.group == Group::OnError && silent == main_failed && !is_stopped(run)) {
      complain_(what + " is " + shown(state) + (main_failed ? ", a step failed" : ", none failed"));
    }
    if (step.group == Group::Finally && state->state == StepPhase::Skipped &&
        state->reason != "WhenFalse" && state->reason != "DependencyFailed" &&
        state->reason != "FinallyTimeout") {
      complain_(what + " of finally is skipped: " + state->reason);
    }
    if (state->state == StepPhase::Skipped || (company_ && run.spec.cancel)) continue;
    for (const std::string& name : step.after) {
      const StepState* before = find_state(run, name);
      if (before == nullptr || !done(*before, history.spec->find(name)->tolerated())) {
        complain_(what + " ran, although " + name + " is " + shown(before));
      }
    }
  }
  const bool good = how != nullptr && how->status == "True";
  const bool stopped =
      how != nullptr && (how->reason == "RunTimeout" || how->reason == "Cancelled");
  if (!stopped && good == failed) {
    complain_("run " + run.metadata.name + " is " + (good ? "good" : "bad") +
              ", its steps are not");
  }
  judge_inputs(history, run);
}

}  // namespace millrace::sim
