#include "controllers/logic/graph.h"

#include <algorithm>

#include "controllers/logic/compile.h"
#include "controllers/logic/graph_parts.h"
#include "controllers/logic/job.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "controllers/logic/params.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/hash.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::logic {

using codec::Value;
using crds::StepPhase;
using crds::StepState;

namespace {

/// Up to so many steps the status lists all of them, whatever their state.
constexpr std::size_t kListAll = 200;
/// Above so many bytes ended steps move into the archive; half of it stays.
constexpr std::size_t kArchiveAbove = kStatusBudget / 2;
/// An answer's body above this is dropped once nobody will read it.
constexpr std::size_t kKeptBody = 4096;
constexpr std::chrono::seconds kQueueRecheck{5};
constexpr Duration kCallbackTimeout = std::chrono::seconds(30);

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) {
    out += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) out += " and " + std::to_string(names.size() - kShown) + " more";
  return out;
}

std::string callback_url(const crds::PipelineRun& run) {
  const Value* url = run.spec.trigger.find("callbackUrl");
  return url == nullptr ? std::string() : url->as_string();
}

}  // namespace

// ---- a place in the concurrency group ----

/// True when the run may start, or has started; else the plan says what it waits for or its end.
bool Graph::take_place() {
  if (!compiled_.concurrency || status_.start_time) return true;
  const crds::Concurrency& concurrency = *compiled_.concurrency;
  Result<std::string> group = concurrency.group.empty()
                                  ? Result<std::string>(run_.spec.ref_pipeline)
                                  : text(*units_.front(), concurrency.group);
  if (!group.ok()) {
    set_failed(status_, input_, "ExpressionError",
               "spec.concurrency.group: " + group.error().message);
    set_end(status_, input_.now);
    return false;
  }
  status_.concurrency_group = *group;
  if (run_.status.concurrency_group != *group) {
    // First it stands in the line for all to see, then it looks who else does: of two that begin
    // at the same time one at least sees the other.
    set_going(status_, input_, "Pending", "about to take a place in concurrency group " + *group);
    must_write_ = true;
    look_again(plan_, Duration::zero());
    return false;
  }
  const auto limit = static_cast<std::size_t>(std::max(1, concurrency.limit.value_or(1)));
  std::vector<const crds::PipelineRun*> holders;
  std::size_t before_us = 0;
  for (const crds::PipelineRun* other : input_.others) {
    if (other->metadata.uid == run_.metadata.uid || is_terminal(*other)) continue;
    if (other->status.concurrency_group != *group) continue;
    if (other->status.start_time) {
      holders.push_back(other);
    } else if (!other->metadata.deletion_timestamp) {
      const auto order = [](const crds::PipelineRun& run) {
        return std::pair(run.metadata.creation_timestamp.value_or(Time{}), run.metadata.name);
      };
      if (order(*other) < order(run_)) ++before_us;
    }
  }
  if (holders.size() + before_us < limit) {
    if (!input_.live.siblings) {
      wants_.siblings = true;  // a place is taken on what the server says, not on a cache
      return false;
    }
    return true;
  }
  std::sort(holders.begin(), holders.end(), [](const auto* a, const auto* b) {
    return std::pair(a->status.start_time, a->metadata.name) <
           std::pair(b->status.start_time, b->metadata.name);
  });
  const std::string full =
      "concurrency group " + *group + " is full (" + std::to_string(limit) + " at once)";
  if (concurrency.on_conflict == crds::OnConflict::Reject) {
    set_failed(status_, input_, "ConcurrencyLimit", full);
    set_end(status_, input_.now);
    return false;
  }
  if (concurrency.on_conflict == crds::OnConflict::Replace) {
    for (std::size_t i = 0; i + limit <= holders.size(); ++i) {
      if (holders[i]->spec.cancel) continue;
      Action cancel;
      cancel.verb = Action::Verb::MergePatch;
      cancel.resource = crds::PipelineRun::kResource;
      cancel.key = api::key_of(holders[i]->metadata);
      cancel.body = Value::object({{"spec", Value::object({{"cancel", true}})}});
      plan_.actions.push_back(std::move(cancel));
    }
  }
  std::string who;
  if (!holders.empty()) who = "; " + holders.front()->metadata.name + " is the oldest in it";
  look_again(plan_, kQueueRecheck);
  set_going(status_, input_, "Queued", full + who);
  return false;
}

// ---- the order of things ----

bool Graph::all_ended(Group group) const {
  return std::all_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group != group || ended(*unit);
  });
}

bool Graph::any_failed(Group group) const {
  return std::any_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group == group && unit->state.of.empty() && failed(*unit);
  });
}

std::optional<StepFailure> Graph::first_failure() const {
  const Unit* first = nullptr;
  for (const auto& unit : units_) {
    if (!unit->state.of.empty() || !failed(*unit)) continue;
    if (first == nullptr || unit->state.finished_at < first->state.finished_at) first = unit.get();
  }
  if (first == nullptr) return std::nullopt;
  return StepFailure{first->state.reason, "step " + first->name + " failed (" +
                                              first->state.reason + "): " + first->state.message};
}

/// It begins with an object of its own, which outlives a crash, and not with a call or a record.
bool Graph::makes_objects(const Unit& unit) const {
  const NodeAction& action = node_of(unit).action;
  return std::holds_alternative<PodStep>(action) || std::holds_alternative<ChildStep>(action) ||
         std::holds_alternative<ManifestStep>(action);
}

/// Observe what runs in `group`, and start what may start.
void Graph::advance(Group group) {
  const auto in_group = [&](const Unit& unit) { return node_of(unit).group == group; };
  same_after_ = nullptr;
  // A Job that stands although the status does not say so yet: the write was still to come.
  for (std::size_t i = 0; i < units_.size(); ++i) {
    Unit& unit = *units_[i];
    if (!in_group(unit) || unit.state.state != StepPhase::Pending || !stands(unit)) continue;
    unit.state.attempt = std::max(1, unit.state.attempt);
    unit.state.state = StepPhase::Running;
    if (!unit.state.started_at) unit.state.started_at = truncate_to_second(input_.now);
    stop_waiting(unit);
  }
  // By index: a matrix adds units while we go.
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (in_group(*units_[i]) && units_[i]->state.state == StepPhase::Running) watch(*units_[i]);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Unit& unit = *units_[i];
    if (in_group(unit) && is_matrix(unit) && unit.state.state == StepPhase::Running) {
      watch_matrix(unit);
    }
  }
  if (wants_.any()) return;
  const int limit = compiled_.parallelism.value_or(0);
  std::unordered_map<std::size_t, int> busy;  // combinations that run, by node
  for (std::size_t i = nodes_.size(); i < units_.size(); ++i) {
    if (units_[i]->state.state == StepPhase::Running) ++busy[units_[i]->node];
  }
  for (std::size_t i = 0; i < units_.size(); ++i) {
    Unit& unit = *units_[i];
    if (!in_group(unit) || unit.state.state != StepPhase::Pending) continue;
    const Node& node = node_of(unit);
    if (unit.state.of.empty()) {
      const Turn turn = turn_of(node);
      if (turn == Turn::CutOff) skip(unit, kDependencyFailed);
      if (turn != Turn::Now) continue;
    } else if (node.matrix && node.matrix->max_parallel &&
               busy[unit.node] >= *node.matrix->max_parallel) {
      continue;
    }
    if (unit.state.waiting && unit.state.waiting->reason == kBackoff && node.retry) {
      const int tries = 1 + tries_[unit.name];
      const Time until =
          unit.state.waiting->since.value_or(input_.now) +
          std::chrono::ceil<std::chrono::microseconds>(pause_before(*node.retry, tries));
      if (input_.now < until) {
        look_again(plan_, until - input_.now);
        continue;
      }
      // The attempt before has to be on record before the next begins.
      if (unit.recorded == nullptr || unit.state != *unit.recorded) continue;
    }
    if (limit > 0 && running_ >= limit && !is_matrix(unit)) {
      wait_for(unit, "Parallelism", "");
      continue;
    }
    if (held_) continue;
    if (fresh_ && makes_objects(unit)) {
      // What it may build on is on no record yet but in this process: that first, or a crash
      // would leave an object that nothing explains.
      must_write_ = true;
      look_again(plan_, Duration::zero());
      continue;
    }
    start(unit);
    if (unit.state.state == StepPhase::Running && !unit.state.of.empty()) ++busy[unit.node];
    if (is_matrix(unit)) {  // some of its combinations may run already
      for (const std::size_t one : combinations(unit.node)) {
        if (units_[one]->state.state == StepPhase::Running) ++busy[unit.node];
      }
    }
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Unit& unit = *units_[i];
    if (in_group(unit) && is_matrix(unit) && unit.state.state == StepPhase::Running) {
      watch_matrix(unit);
    }
  }
}

/// End everything but `finally`; true once nothing runs any more.
bool Graph::stop_all(const char* reason, const std::string& message) {
  bool quiet = true;
  stopping_ = true;
  const bool over = std::all_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group == Group::Finally || ended(*unit);
  });
  // What a cache does not show yet would go on for ever, as nobody looks at the run again.
  if (!over && ask_workload()) return false;
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (node_of(*units_[i]).group == Group::Finally) continue;
    quiet = stop(*units_[i], reason, message) && quiet;
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Unit& unit = *units_[i];
    if (node_of(unit).group == Group::Finally || !is_matrix(unit) || !quiet) continue;
    if (unit.state.state != StepPhase::Running) continue;
    unit.state.state = StepPhase::Failed;
    unit.state.reason = reason;
    unit.state.message = cut(message, kMessageLimit);
    unit.state.finished_at = truncate_to_second(input_.now);
  }
  return quiet;
}

/// The run is tried again: what failed, and what that held up.
void Graph::retry_run() {
  auto& retries = status_.retry_status ? *status_.retry_status : status_.retry_status.emplace();
  const auto failure = first_failure();
  std::vector<std::string> names;
  for (const auto& owned : units_) {
    Unit& unit = *owned;
    if (node_of(unit).group != Group::Main) continue;
    StepState& state = unit.state;
    // Combinations that were left out when their step failed and that was tolerated.
    if (!state.of.empty() && done(*units_[unit.node])) continue;
    const bool held_up = state.state == StepPhase::Skipped && state.reason != kWhenFalse;
    const bool tolerated = state.state == StepPhase::Failed && !failed(unit);
    if (tolerated || (state.state != StepPhase::Failed && !held_up)) continue;
    if (state.state == StepPhase::Failed) {
      crds::AttemptRecord record;
      record.step = unit.name;
      record.build_name = state.job_name;
      record.attempt = state.attempt;
      record.start_time = state.started_at;
      record.completion_time = state.finished_at;
      record.reason = state.reason;
      record.message = state.message;
      if (!is_matrix(unit)) {
        retries.history_build.push_back(std::move(record));
        names.push_back(unit.name);
      }
    }
    StepState next;
    next.name = state.name;
    next.of = state.of;
    next.matrix = state.matrix;
    next.attempt =
        state.state == StepPhase::Failed && !is_matrix(unit) ? state.attempt + 1 : state.attempt;
    // Its combinations are known: it goes on with those that have not succeeded.
    if (is_matrix(unit) && !combinations(unit.node).empty()) next.state = StepPhase::Running;
    state = std::move(next);
  }
  ++retries.retry_count;
  set_going(status_, input_, "BuildRetry",
            (failure ? failure->message : std::string()) + "; trying again with " + list_of(names));
  must_write_ = true;
  look_again(plan_, Duration::zero());
}

/// Tell X-Callback-URL of the success; true when that is done, or is not wanted.
bool Graph::call_back() {
  const std::string url = callback_url(run_);
  if (url.empty()) return true;
  const std::string key = std::string(kCallbackStep) + "/1";
  const auto known = input_.calls.find(key);
  if (known != input_.calls.end() && known->second.result) {
    const CallResult& result = *known->second.result;
    if (result.error) {
      plan_.notes.push_back({Note::Type::Warning, "CallbackFailed", result.error->message});
    }
    return true;
  }
  if (known == input_.calls.end()) {
    const Value& root = belt_root();
    Value responses = Value::object();
    for (const auto& [stage, jobs] : root.find("Response")->members()) {
      for (const auto& [job, response] : jobs.members()) {
        responses[stage][job] = Value::object({{"status", *response.find("Status")},
                                               {"headers", *response.find("Headers")},
                                               {"body", *response.find("Body")}});
      }
    }
    const Time start = status_.start_time.value_or(input_.now);
    const auto total = std::chrono::duration_cast<std::chrono::milliseconds>(input_.now - start);
    Value times = Value::object(
        {{"start", format_milli_time(start)}, {"total", static_cast<std::int64_t>(total.count())}});
    CallOrder order;
    order.key = key;
    order.method = "POST";
    order.url = url;
    order.has_body = true;
    order.body = Value::object({{"name", run_.spec.ref_pipeline},
                                {"response", responses.empty() ? Value() : std::move(responses)},
                                {"stages", *root.find("Stages")},
                                {"executionTime", std::move(times)}})
                     .dump();
    order.timeout = kCallbackTimeout;
    order.headers.push_back({"Content-Type", "application/json", std::nullopt});
    const std::string seed = run_.metadata.uid + "/" + key;
    order.headers.push_back({"Idempotency-Key",
                             hex(stable_hash(seed), 16) + hex(stable_hash(seed + "#"), 16),
                             std::nullopt});
    order_call(std::move(order), true);
  }
  set_going(status_, input_, "CallingBack", "all steps succeeded; the callback is under way");
  return false;
}

/// Everything has ended.
void Graph::finish() {
  const auto failure = first_failure();
  std::size_t good = 0;
  std::size_t skipped = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (units_[i]->state.state == StepPhase::Succeeded) ++good;
    if (units_[i]->state.state == StepPhase::Skipped && node_of(*units_[i]).group == Group::Main) {
      ++skipped;
    }
  }
  // As this plan may have said just now.
  const api::Condition* before = api::find_condition(status_.conditions, "Succeeded");
  const bool timed_out = before != nullptr && before->reason == "RunTimeout";
  if (run_.spec.cancel && !all_done()) {
    set_cancelled(status_, input_, "Cancelled",
                  "cancelled on request, with " + std::to_string(good) + " of " +
                      std::to_string(nodes_.size()) + " steps succeeded");
  } else if (timed_out) {
    set_failed(status_, input_, "RunTimeout", std::string(before->message));
  } else if (failure) {
    set_failed(status_, input_, "StepFailed", failure->message);
  } else {
    if (!call_back()) return;
    std::string message = std::to_string(good) + (good == 1 ? " step" : " steps") + " succeeded";
    if (skipped > 0) message += ", " + std::to_string(skipped) + " skipped";
    set_succeeded(status_, input_, message);
  }
  Time end = input_.now;
  std::optional<Time> last;
  for (const auto& unit : units_) {
    if (unit->state.finished_at) last = std::max(last.value_or(Time{}), *unit->state.finished_at);
  }
  set_end(status_, last.value_or(end));
}

bool Graph::all_done() const {
  return std::all_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group != Group::Main || done(*unit);
  });
}

// ---- the status ----

crds::PipelineRunStatus Graph::make_status() const {
  crds::PipelineRunStatus status = status_;
  const bool all = nodes_.size() <= kListAll;
  std::size_t good = 0;
  std::size_t total = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Unit& unit = *units_[i];
    if (node_of(unit).group == Group::Main) {
      ++total;
      if (unit.state.state == StepPhase::Succeeded) ++good;
    }
  }
  status.steps = std::to_string(good) + "/" + std::to_string(total);
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const Unit& unit = *units_[i];
    const auto index = static_cast<int>(i);
    if (i < nodes_.size() &&
        (archived_done_.contains(index) || archived_skipped_.contains(index)) &&
        unit.recorded == nullptr) {
      continue;
    }
    const StepState& state = unit.state;
    const bool idle = state.state == StepPhase::Pending && state.attempt <= 1 &&
                      (!state.waiting || state.waiting->reason == "Parallelism");
    const bool derived = state.state == StepPhase::Skipped && state.reason == kDependencyFailed;
    if (!all && (idle || derived) && state.of.empty()) continue;
    status.step_states.push_back(state);
  }
  return status;
}

namespace {

/// Leave out of steps that go on what is seen anew in each plan anyway.
void trim_going(crds::PipelineRunStatus& status) {
  for (StepState& state : status.step_states) {
    if (state.state != StepPhase::Running) continue;
    state.job_name.clear();
    state.pod_name.clear();
    if (state.waiting && state.waiting->reason != "Stopping") state.waiting.reset();
  }
}

}  // namespace

/// Move details of ended steps that nobody will read any more into a ControllerRevision.
void Graph::archive(crds::PipelineRunStatus& status) {
  if (codec::encode(status).size() <= kArchiveAbove) return;
  std::unordered_map<std::string_view, bool> read;
  const int retries = status_.retry_status ? status_.retry_status->retry_count : 0;
  const bool may_repeat = retries < run_.spec.max_retry_count;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (ended(*units_[i]) && (done(*units_[i]) || !may_repeat)) continue;
    for (const std::string& name : nodes_[i].reads) read[name] = true;
  }
  const bool belt_goes_on = belt_ && !all_ended(Group::Main);
  const auto wanted = [&](const StepState& state) {
    return read.contains(state.name) || read.contains(state.of) || belt_goes_on ||
           (belt_ && !callback_url(run_).empty());
  };
  for (StepState& state : status.step_states) {
    const Value* body = state.response.find("body");
    if (body == nullptr || wanted(state)) continue;
    if (body->dump().size() > kKeptBody) state.response["body"] = "(not kept: over 4 KiB)";
  }
  if (codec::encode(status).size() <= kArchiveAbove) return;
  std::vector<StepState> moved;
  std::vector<StepState> kept;
  std::size_t bytes = codec::encode(status).size();
  for (StepState& state : status.step_states) {
    const auto at = node_index_.find(state.of.empty() ? state.name : state.of);
    const bool over = at != node_index_.end() && ended(*units_[at->second]);
    const bool good = state.state == StepPhase::Succeeded ||
                      (state.state == StepPhase::Skipped && state.reason == kWhenFalse);
    if (bytes <= kArchiveAbove / 2 || !over || !good || wanted(state)) {
      kept.push_back(std::move(state));
      continue;
    }
    bytes -= std::min(bytes, codec::encode(state).size() + 1);
    if (state.of.empty()) {
      const int index = static_cast<int>(at->second);
      (state.state == StepPhase::Succeeded ? archived_done_ : archived_skipped_).insert(index);
    }
    moved.push_back(std::move(state));
  }
  status.step_states = std::move(kept);
  if (bytes > kStatusBudget) trim_going(status);
  if (moved.empty()) return;
  crds::StepArchive& archive = status.archive ? *status.archive : status.archive.emplace();
  Action create;
  create.resource = api::ControllerRevision::kResource;
  const std::string number = std::to_string(archive.revisions.size() + 1);
  create.key = {run_.metadata.ns,
                shorten(run_.metadata.name + "-steps-" + number, 50) + "-" +
                    hex(stable_hash(run_.metadata.uid + number + moved.front().name + "/" +
                                    moved.back().name + "/" + std::to_string(moved.size())),
                        10)};
  create.owner_uid = run_.metadata.uid;
  create.body = object_head(create.resource, create.key);
  create.body["metadata"]["ownerReferences"] =
      Value::array({controller_reference(crds::PipelineRun::kResource, run_.metadata)});
  create.body["metadata"]["labels"] = to_value({{kRunLabel, label_value(run_.metadata.name)}});
  Value steps = Value::array();
  for (const StepState& state : moved) steps.push_back(codec::to_value(state));
  create.body["data"] = Value::object({{"steps", std::move(steps)}});
  create.body["revision"] = static_cast<std::int64_t>(archive.revisions.size() + 1);
  archive.revisions.push_back(create.key.name);
  archive.succeeded = archived_done_.str();
  archive.skipped = archived_skipped_.str();
  plan_.actions.push_back(std::move(create));
  must_write_ = true;  // it and the status belong together
}

void Graph::propose_going(const char* reason, std::string message) {
  set_going(status_, input_, reason, message);
}

/// What is written into the condition while steps run.
void Graph::say_running() {
  std::vector<std::string> running;
  std::vector<std::string> waiting;
  const Unit* first = nullptr;
  for (const auto& unit : units_) {
    if (is_matrix(*unit)) continue;
    const StepState& state = unit->state;
    const bool held_up = state.waiting && state.waiting->reason != "PodPending" &&
                         state.waiting->reason != "ContainerCreating";
    if (held_up && (state.state == StepPhase::Running || state.waiting->reason != "Parallelism")) {
      if (first == nullptr) first = unit.get();
      waiting.push_back(unit->name);
    } else if (state.state == StepPhase::Running) {
      running.push_back(unit->name);
    }
  }
  if (running.empty() && first != nullptr) {
    std::string message = first->name + " waits: " + first->state.waiting->message;
    if (waiting.size() > 1)
      message += " (and " + std::to_string(waiting.size() - 1) + " more wait)";
    propose_going(first->state.waiting->reason.c_str(), message);
    return;
  }
  propose_going("Running", running.empty() ? "starting" : "running: " + list_of(running));
}

RunPlan Graph::take() {
  if (wants_.any()) return ask_live(wants_);
  if (!plan_.needs_objects.empty()) {
    RunPlan only;
    only.needs_objects = std::move(plan_.needs_objects);
    return only;
  }
  crds::PipelineRunStatus status = make_status();
  archive(status);
  IndexSet archived;  // on record already
  if (run_.status.archive && !input_.calls.empty()) {
    archived = IndexSet::parse(run_.status.archive->succeeded);
    for (const int index : IndexSet::parse(run_.status.archive->skipped).members()) {
      archived.insert(index);
    }
  }
  for (const auto& [key, state] : input_.calls) {
    const std::string name = key.substr(0, key.rfind('/'));
    const int attempt = std::atoi(key.c_str() + key.rfind('/') + 1);
    const Unit* unit = find(name);
    // A combination that is not known any more was archived with its step.
    const Unit* whole = unit != nullptr ? unit : find(name.substr(0, name.find('.')));
    if (whole == nullptr) continue;
    const StepState* recorded = unit == nullptr ? nullptr : unit->recorded;
    const bool over = recorded == nullptr
                          ? archived.contains(static_cast<int>(whole->node))
                          : recorded->attempt > attempt || (recorded->state != StepPhase::Running &&
                                                            recorded->state != StepPhase::Pending);
    if (over) plan_.forget_calls.push_back(key);
  }
  std::vector<Note> notes = std::move(plan_.notes);
  plan_.notes.clear();
  if (must_write_ && status != run_.status) {
    fit_budget(status);
    plan_.notes = transition_notes(run_.status, status);
    plan_.status = std::move(status);
  } else {
    propose(plan_, input_, std::move(status));
  }
  plan_.notes.insert(plan_.notes.end(), notes.begin(), notes.end());
  return std::move(plan_);
}

RunPlan Graph::plan() {
  if (run_.status.params.empty() && !status_.start_time) {
    auto resolved = resolve_params(compiled_.params, run_.spec.params);
    if (!resolved.ok()) {
      set_failed(status_, input_, "ParamsInvalid", resolved.error().message);
      set_end(status_, input_.now);
      return take();
    }
    status_.params = *std::move(resolved);
  }
  params_ = status_.params;
  if (!status_.start_time) {
    if (input_.expired) {
      set_cancelled(status_, input_, "PipelineExpired",
                    "Pipeline is expired; change spec.strategy.expire of the pipeline and create "
                    "a new run");
      set_end(status_, input_.now);
      return take();
    }
    if (run_.spec.cancel && jobs_.empty() && input_.calls.empty() && input_.children.empty()) {
      if (!input_.live.workload) {
        wants_.workload = true;
        return take();
      }
      set_cancelled(status_, input_, "Cancelled", "cancelled on request, before it started");
      set_end(status_, input_.now);
      return take();
    }
    if (!take_place()) return take();
    status_.start_time = truncate_to_second(input_.now);
    if (run_.metadata.creation_timestamp) {
      status_.start_time = std::max(*status_.start_time, *run_.metadata.creation_timestamp);
    }
  }
  const Duration timeout = run_.spec.timeout.value_or(Duration::zero());
  const Time deadline =
      *status_.start_time + std::chrono::duration_cast<std::chrono::microseconds>(timeout);
  const bool late = timeout > Duration::zero() && input_.now >= deadline;
  if (timeout > Duration::zero() && !late) look_again(plan_, deadline - input_.now);
  bool quiet = true;
  if (run_.spec.cancel || late) {
    const std::string why = run_.spec.cancel
                                ? "cancelled on request"
                                : "the run did not end within " + format_duration(timeout) +
                                      " (spec.timeout of the run)";
    const bool over = all_ended(Group::Main) && all_ended_or_unwanted(Group::OnError);
    quiet = stop_all(run_.spec.cancel ? "Cancelled" : "RunTimeout", why);
    if (wants_.any()) return take();
    if (!over || !quiet) {
      if (run_.spec.cancel) {
        set_stopping(status_, input_, why);
      } else {
        propose_going("RunTimeout", why);
      }
    }
  } else {
    advance(Group::Main);
    if (wants_.any() || !plan_.needs_objects.empty()) return take();
    quiet = all_ended(Group::Main);
    const bool bad = any_failed(Group::Main);
    const int retries = status_.retry_status ? status_.retry_status->retry_count : 0;
    if (quiet && bad && retries < run_.spec.max_retry_count && !any_begun(Group::OnError) &&
        !any_begun(Group::Finally)) {
      retry_run();
      return take();
    }
    if (bad && (quiet || belt_)) {
      advance(Group::OnError);
      quiet = quiet && all_ended(Group::OnError);
    } else if (quiet) {
      for (const auto& unit : units_) {
        if (node_of(*unit).group == Group::OnError && !ended(*unit)) {
          skip(*unit, kWhenFalse, "no step failed");
        }
      }
    }
    if (wants_.any() || !plan_.needs_objects.empty()) return take();
  }
  if (quiet) {
    finally_turn();
    if (wants_.any() || !plan_.needs_objects.empty()) return take();
    if (all_ended(Group::Finally)) {
      finish();
      return take();
    }
  }
  if (!run_.spec.cancel && !late) say_running();
  return take();
}

/// The steps that always run, within their time.
void Graph::finally_turn() {
  const Duration budget = compiled_.finally_timeout.value_or(std::chrono::minutes(10));
  std::optional<Time> begun;
  for (const auto& unit : units_) {
    if (node_of(*unit).group != Group::Finally || !unit->state.started_at) continue;
    begun = std::min(begun.value_or(*unit->state.started_at), *unit->state.started_at);
  }
  if (begun && budget > Duration::zero()) {
    const Duration left = *begun + budget - input_.now;
    if (left <= Duration::zero()) {
      stopping_ = true;
      if (!all_ended(Group::Finally) && ask_workload()) return;
      for (std::size_t i = 0; i < units_.size(); ++i) {
        if (node_of(*units_[i]).group != Group::Finally || ended(*units_[i])) continue;
        stop(*units_[i], "FinallyTimeout",
             "the finally steps did not end within " + format_duration(budget));
      }
      return;
    }
    look_again(plan_, left);
  }
  advance(Group::Finally);
}

bool Graph::any_begun(Group group) const {
  return std::any_of(units_.begin(), units_.end(), [&](const auto& unit) {
    return node_of(*unit).group == group && unit->state.state != StepPhase::Pending;
  });
}

bool Graph::all_ended_or_unwanted(Group group) const {
  return all_ended(group) || !any_begun(group);
}

RunPlan plan_graph(const RunInput& input, const Revision& revision) {
  return Graph(input, revision).plan();
}

}  // namespace millrace::logic
