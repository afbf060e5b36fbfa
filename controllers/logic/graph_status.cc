#include <algorithm>
#include <cstdlib>
#include <unordered_set>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/hash.h"
#include "kubeclient/codec/json_writer.h"
#include "kubeclient/codec/value_writer.h"

namespace millrace::logic {

using codec::Value;
using crds::StepPhase;
using crds::StepState;

namespace {

/// Names in a message.
constexpr std::size_t kShown = 3;

}  // namespace

std::string first_of(const std::vector<std::string>& names, std::size_t more) {
  std::string out;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) {
    out += (i == 0 ? "" : ", ") + names[i];
  }
  more += names.size() - std::min(kShown, names.size());
  if (more > 0) out += " and " + std::to_string(more) + " more";
  return out;
}

namespace {

/// Up to so many steps the status lists all of them, whatever their state.
constexpr std::size_t kListAll = 200;
/// Above so many bytes ended steps move into the archive; half of it stays.
constexpr std::size_t kArchiveAbove = kStatusBudget / 2;
/// An answer's body above this is dropped once nobody will read it.
constexpr std::size_t kKeptBody = 4096;
constexpr const char* kNotKept = "(not kept: over 4 KiB)";
/// About so many bytes of steps are in one object of the archive.
constexpr std::size_t kArchivePiece = 512 * 1024;
/// An object of the archive that was refused is not tried again before this, or this if it was
/// refused for good; meanwhile the steps stay in the status.
constexpr Duration kArchivePause = std::chrono::seconds(30);
constexpr Duration kArchiveLongPause = std::chrono::minutes(5);

/// What a status takes, encoded [bytes].
struct Sizes {
  std::size_t whole = 0;
  std::vector<std::size_t> steps;  ///< of each of step_states
};

/// Encodes everything once: of 2,000 steps that is the dearest part of a plan.
Sizes measure(crds::PipelineRunStatus& status) {
  Sizes sizes;
  std::vector<StepState> states;
  std::swap(states, status.step_states);
  std::string text = codec::encode(status);
  sizes.whole = text.size() + std::string_view(R"("stepStates":[],)").size();
  sizes.steps.reserve(states.size());
  for (const StepState& state : states) {
    text.clear();
    codec::JsonWriter(text).value(state);
    sizes.steps.push_back(text.size());
    sizes.whole += text.size() + 1;
  }
  std::swap(states, status.step_states);
  return sizes;
}

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

crds::PipelineRunStatus Graph::make_status() const {
  crds::PipelineRunStatus status = status_;
  const bool all = nodes_.size() <= kListAll;
  status.step_states.reserve(all ? units_.size() : run_.status.step_states.size() + kListAll);
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
    Unit& unit = *units_[i];
    const auto index = static_cast<int>(i);
    if (i < nodes_.size() &&
        (archived_done_.contains(index) || archived_skipped_.contains(index)) &&
        unit.recorded == nullptr) {
      continue;
    }
    StepState& state = unit.state;
    const bool idle = state.state == StepPhase::Pending && state.attempt <= 1 &&
                      (!state.waiting || state.waiting->reason == "Parallelism");
    const bool derived = state.state == StepPhase::Skipped && state.reason == kDependencyFailed;
    if (!all && (idle || derived) && state.of.empty()) continue;
    status.step_states.push_back(std::move(state));
    // What `done` and `ended` look at stays behind.
    if (unit.state.state == StepPhase::Skipped) {
      unit.state.reason = status.step_states.back().reason;
    }
  }
  return status;
}

/// Move details of ended steps that nobody will read any more into ControllerRevisions.
std::size_t Graph::archive(crds::PipelineRunStatus& status) {
  Sizes sizes = measure(status);
  if (sizes.whole <= kArchiveAbove) return sizes.whole;
  std::unordered_set<std::string_view> read;
  const int retries = status_.retry_status ? status_.retry_status->retry_count : 0;
  const bool may_repeat = retries < run_.spec.max_retry_count;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (ended(*units_[i]) && (done(*units_[i]) || !may_repeat)) continue;
    read.insert(nodes_[i].reads.begin(), nodes_[i].reads.end());
  }
  const bool all_wanted = belt_ && (!all_ended(Group::Main) || !callback_url(run_).empty());
  const auto wanted = [&](const StepState& state) {
    return all_wanted || read.contains(state.name) || read.contains(state.of);
  };
  for (std::size_t i = 0; i < sizes.steps.size(); ++i) {
    StepState& state = status.step_states[i];
    const Value* body = sizes.steps[i] <= kKeptBody ? nullptr : state.response.find("body");
    if (body == nullptr || wanted(state)) continue;
    const std::size_t bytes = body->dump().size();
    if (bytes <= kKeptBody) continue;
    state.response["body"] = kNotKept;
    const std::size_t less = bytes - std::string_view(kNotKept).size() - 2;
    sizes.steps[i] -= less;
    sizes.whole -= less;
  }
  if (sizes.whole > kArchiveAbove && !archive_is_held()) {
    move_to_archive(status, sizes.steps, sizes.whole, wanted);
  }
  if (sizes.whole <= kStatusBudget) return sizes.whole;
  trim_going(status);
  return measure(status).whole;
}

/// The server has just refused an object of the archive.
bool Graph::archive_refused() const {
  const auto& failure = input_.create_failure;
  return failure && failure->kind == api::ControllerRevision::kResource.kind &&
         failure->key.name != revision_.name;
}

bool Graph::archive_is_held() {
  if (archive_refused()) {
    const CreateVerdict verdict = judge(*input_.create_failure);
    plan_.hold_archive =
        verdict.permanent ? kArchiveLongPause : std::max(verdict.pause, kArchivePause);
    look_again(plan_, *plan_.hold_archive);
    return true;
  }
  if (!input_.archive_held || input_.now >= *input_.archive_held) return false;
  look_again(plan_, *input_.archive_held - input_.now);
  return true;
}

void Graph::move_to_archive(crds::PipelineRunStatus& status, std::vector<std::size_t>& sizes,
                            std::size_t& bytes, const std::function<bool(const StepState&)>& keep) {
  std::vector<StepState> moved;
  std::vector<StepState> kept;
  kept.reserve(status.step_states.size());
  std::size_t piece = 0;
  const auto write = [&] {
    if (!moved.empty()) write_archive(status, moved);
    moved.clear();
    piece = 0;
  };
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    StepState& state = status.step_states[i];
    const auto at = by_name_.find(state.of.empty() ? state.name : state.of);
    const bool over = at != by_name_.end() && ended(*units_[at->second]);
    const bool good = state.state == StepPhase::Succeeded ||
                      (state.state == StepPhase::Skipped && state.reason == kWhenFalse);
    if (bytes <= kArchiveAbove / 2 || !over || !good || keep(state)) {
      kept.push_back(std::move(state));
      continue;
    }
    bytes -= std::min(bytes, sizes[i] + 1);
    piece += sizes[i];
    if (state.of.empty()) {
      const int index = static_cast<int>(at->second);
      (state.state == StepPhase::Succeeded ? archived_done_ : archived_skipped_).insert(index);
    }
    moved.push_back(std::move(state));
    if (piece > kArchivePiece) write();
  }
  write();
  status.step_states = std::move(kept);
}

/// One object with the states `moved`.
void Graph::write_archive(crds::PipelineRunStatus& status, const std::vector<StepState>& moved) {
  crds::StepArchive& archive = status.archive ? *status.archive : status.archive.emplace();
  std::string content = run_.metadata.uid;
  for (const StepState& state : moved) {
    content += "\n" + state.name + "/" + std::to_string(state.attempt);
  }
  const std::size_t number = archive.revisions.size() + 1;
  Action create;
  create.resource = api::ControllerRevision::kResource;
  // The name follows from the content: what a crash left behind is met again, or is another one.
  create.key = {run_.metadata.ns,
                shorten(run_.metadata.name + "-steps-" + std::to_string(number), 50) + "-" +
                    hex(stable_hash(content), 10)};
  create.owner_uid = run_.metadata.uid;
  create.body = object_head(create.resource, create.key);
  create.body["metadata"]["ownerReferences"] =
      Value::array({controller_reference(crds::PipelineRun::kResource, run_.metadata)});
  create.body["metadata"]["labels"] = to_value({{kRunLabel, label_value(run_.metadata.name)}});
  create.body["data"]["steps"] = codec::ValueWriter::value(moved);
  create.body["revision"] = static_cast<std::int64_t>(number);
  archive.revisions.push_back(create.key.name);
  archive.succeeded = archived_done_.str();
  archive.skipped = archived_skipped_.str();
  plan_.actions.push_back(std::move(create));
  must_write_ = true;  // it and the status belong together
}

/// What is written into the condition while steps run.
void Graph::say_running() {
  std::vector<std::string> running;  // the first few
  std::size_t more = 0;
  std::size_t waiting = 0;
  const Unit* first = nullptr;
  for (const auto& unit : units_) {
    const StepState& state = unit->state;
    if (ended(*unit) || is_matrix(*unit)) continue;
    const bool held_up = state.waiting && state.waiting->reason != "PodPending" &&
                         state.waiting->reason != "ContainerCreating";
    if (held_up && (state.state == StepPhase::Running || state.waiting->reason != "Parallelism")) {
      if (first == nullptr) first = unit.get();
      ++waiting;
    } else if (state.state == StepPhase::Running) {
      if (running.size() < kShown) {
        running.push_back(unit->name);
      } else {
        ++more;
      }
    }
  }
  if (running.empty() && first != nullptr) {
    std::string message = first->name + " waits: " + first->state.waiting->message;
    if (waiting > 1) message += " (and " + std::to_string(waiting - 1) + " more wait)";
    set_going(status_, input_, first->state.waiting->reason, message);
    return;
  }
  set_going(status_, input_, "Running",
            running.empty() ? "starting" : "running: " + first_of(running, more));
}

/// Calls whose end is on record need not be remembered.
void Graph::forget_calls() {
  if (input_.calls.empty()) return;
  IndexSet archived;  // on record already
  if (run_.status.archive) {
    archived = IndexSet::parse(run_.status.archive->succeeded);
    for (const int index : IndexSet::parse(run_.status.archive->skipped).members()) {
      archived.insert(index);
    }
  }
  for (const auto& [key, state] : input_.calls) {
    const std::string_view name = std::string_view(key).substr(0, key.rfind('/'));
    const int attempt = std::atoi(key.c_str() + name.size() + 1);
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
}

RunPlan Graph::take() {
  if (wants_.any()) return ask_live(wants_);
  if (!plan_.needs_objects.empty()) {
    RunPlan only;
    only.needs_objects = std::move(plan_.needs_objects);
    return only;
  }
  crds::PipelineRunStatus status = make_status();
  const std::size_t bytes = archive(status);
  forget_calls();
  std::vector<Note> notes = std::move(plan_.notes);
  plan_.notes.clear();
  if (must_write_ && status != run_.status) {
    fit_budget(status, bytes);
    plan_.notes = transition_notes(run_.status, status);
    plan_.status = std::move(status);
  } else {
    propose(plan_, input_, std::move(status), bytes);
  }
  plan_.notes.insert(plan_.notes.end(), notes.begin(), notes.end());
  return std::move(plan_);
}

}  // namespace millrace::logic
