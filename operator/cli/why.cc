#include "operator/cli/why.h"

#include <algorithm>

#include "controllers/logic/names.h"
#include "controllers/logic/run.h"
#include "kubeclient/codec/describe.h"
#include "operator/cli/run_tree.h"

namespace millrace::cli {
namespace {

using crds::StepPhase;
using crds::StepState;
using std::chrono::milliseconds;

/// A concluded wait that is shorter is noise: times of pods are whole seconds.
constexpr std::chrono::seconds kShortestConclusion{1};

struct KindOf {
  std::string_view part;  ///< in the reason
  std::string_view kind;
};

/// The first that fits counts.
constexpr KindOf kKinds[] = {
    {"PreviousAttempt", "backoff"},
    {"Previous", "dependency"},
    {"Depend", "dependency"},
    {"Stage", "dependency"},
    {"Concurrency", "concurrency"},
    {"Group", "concurrency"},
    {"Quota", "quota"},
    {"Forbidden", "quota"},
    {"Throttl", "quota"},
    {"Approv", "approval"},
    {"Image", "image"},
    {"Pull", "image"},
    {"chedul", "node"},
    {"Node", "node"},
    {"Parallel", "queue"},
    {"Queue", "queue"},
    {"Backoff", "backoff"},
    {"BackOff", "backoff"},
    {"Retry", "backoff"},
    {"Object", "object"},
    {"When", "condition"},
    {"Condition", "condition"},
    {"Container", "start"},
    {"PodInit", "start"},
    {"Pod", "start"},
    {"Pending", "start"},
    {"Timer", "time"},
    {"Wait", "time"},
    {"Child", "child"},
    {"Run", "child"},
};

const api::Pod* pod_of(const StepState& state, const WhyFacts& facts) {
  if (state.pod_name.empty()) return nullptr;
  for (const api::Pod& pod : facts.pods) {
    if (pod.metadata.name == state.pod_name) return &pod;
  }
  return nullptr;
}

const api::Job* job_of(const StepState& state, const WhyFacts& facts) {
  if (state.job_name.empty()) return nullptr;
  for (const api::Job& job : facts.jobs) {
    if (job.metadata.name == state.job_name) return &job;
  }
  return nullptr;
}

const api::ContainerStatus* container_of(const api::Pod& pod, const std::string& step) {
  const std::string name = logic::container_name(step);
  for (const auto* list : {&pod.status.init_container_statuses, &pod.status.container_statuses}) {
    for (const api::ContainerStatus& status : *list) {
      if (status.name == name) return &status;
    }
  }
  return nullptr;
}

/// The latest warning about an object.
const api::Event* warning_about(std::string_view kind, const std::string& name,
                                const WhyFacts& facts) {
  const api::Event* last = nullptr;
  for (const api::Event& event : facts.events) {
    if (event.type != "Warning" || event.regarding.kind != kind || event.regarding.name != name) {
      continue;
    }
    if (last == nullptr || last->event_time.time <= event.event_time.time) last = &event;
  }
  return last;
}

const StepLine* find_line(const std::vector<StepLine>& lines, const std::string& name) {
  for (const StepLine& line : lines) {
    if (line.state.name == name) return &line;
  }
  return nullptr;
}

bool is_over(const StepState& state) {
  return state.state == StepPhase::Succeeded || state.state == StepPhase::Failed ||
         state.state == StepPhase::Skipped;
}

/// "fetch (Running for 12s), convert (Pending)": what stands in the way of a step.
std::string missing_dependencies(const StepLine& line, const std::vector<StepLine>& lines,
                                 Time now) {
  std::vector<std::string> texts;
  for (const std::string& name : line.step.after) {
    const StepLine* other = find_line(lines, name);
    if (other == nullptr || is_over(other->state)) continue;
    std::string text = name + " (" + std::string(codec::enum_name(other->state.state));
    const std::string took = step_took(other->state, now);
    texts.push_back(text + (took.empty() ? "" : " for " + took) + ")");
  }
  return joined_few(texts);
}

/// When the step before in the same pod ended, or none.
std::optional<Time> ended_before(const StepLine& line, const std::vector<StepLine>& lines) {
  std::optional<Time> last;
  for (const std::string& name : line.step.after) {
    const StepLine* other = find_line(lines, name);
    if (other == nullptr || !other->state.finished_at) continue;
    if (!last || *other->state.finished_at > *last) last = other->state.finished_at;
  }
  return last;
}

/// What the times of a step's pod tell, where the operator recorded nothing.
std::vector<Wait> concluded(const StepLine& line, const std::vector<StepLine>& lines,
                            const crds::PipelineRun& run, const WhyFacts& facts) {
  std::vector<Wait> waits;
  const auto add = [&](const char* kind, Time from, Time to) {
    if (to - from >= kShortestConclusion) {
      waits.push_back({.kind = kind, .reason = {}, .detail = {}, .length = to - from});
    }
  };
  const StepState& state = line.state;
  const api::Pod* pod = pod_of(state, facts);
  const auto before = ended_before(line, lines);
  if (run.status.start_time && before) add("dependency", *run.status.start_time, *before);
  if (pod == nullptr || !pod->metadata.creation_timestamp || !state.started_at) return waits;
  // In one pod with the step before: node and first image are not this step's story.
  const bool shares = before && *before >= *pod->metadata.creation_timestamp;
  if (shares) {
    add("image", *before, *state.started_at);
    return waits;
  }
  const api::Condition* scheduled = api::find_condition(pod->status.conditions, "PodScheduled");
  Time from = *pod->metadata.creation_timestamp;
  if (scheduled != nullptr && scheduled->status == "True" && scheduled->last_transition_time) {
    add("node", from, *scheduled->last_transition_time);
    from = *scheduled->last_transition_time;
  }
  add("image", from, *state.started_at);
  return waits;
}

/// Since when a step that has not started waits: the end of what it came after.
std::optional<Duration> waiting_for(const StepLine& line, const std::vector<StepLine>& lines,
                                    const crds::PipelineRun& run, Time now) {
  if (line.state.waiting && line.state.waiting->since) return now - *line.state.waiting->since;
  if (const auto before = ended_before(line, lines)) return now - *before;
  const auto& start =
      run.status.start_time ? run.status.start_time : run.metadata.creation_timestamp;
  if (start) return now - *start;
  return std::nullopt;
}

/// More about a wait, from Job and pod.
std::string facts_about(const StepState& state, const WhyFacts& facts) {
  if (const api::Pod* pod = pod_of(state, facts)) {
    const api::ContainerStatus* container = container_of(*pod, state.name);
    if (container != nullptr && container->state.waiting &&
        !container->state.waiting->message.empty()) {
      return container->state.waiting->message;
    }
    const api::Condition* scheduled = api::find_condition(pod->status.conditions, "PodScheduled");
    if (scheduled != nullptr && scheduled->status == "False") return scheduled->message;
    if (const api::Event* event = warning_about("Pod", pod->metadata.name, facts)) {
      return event->note;
    }
    return "";
  }
  if (job_of(state, facts) != nullptr) {
    if (const api::Event* event = warning_about("Job", state.job_name, facts)) return event->note;
  }
  return "";
}

Wait current_wait(const StepLine& line, const std::vector<StepLine>& lines,
                  const crds::PipelineRun& run, const WhyFacts& facts, Time now) {
  const StepState& state = line.state;
  Wait wait{.kind = {}, .reason = {}, .detail = {}, .length = {}, .now = true};
  const std::string missing = missing_dependencies(line, lines, now);
  if (state.waiting) {
    wait.reason = state.waiting->reason;
    wait.kind = wait_kind(wait.reason);
    wait.detail = state.waiting->message;
  } else {
    const bool earlier = line.step.group != logic::Group::Main;
    wait.kind = !missing.empty() || earlier ? "dependency" : "start";
    if (missing.empty() && earlier) wait.detail = "the steps before it";
  }
  if (wait.kind == "dependency" && !missing.empty()) wait.detail = missing;
  if (wait.kind == "approval" && wait.detail.empty()) wait.detail = line.step.detail;
  if (wait.detail.empty()) wait.detail = facts_about(state, facts);
  wait.length = waiting_for(line, lines, run, now);
  // What comes after others waits for them since the run began.
  if (wait.kind == "dependency" && run.status.start_time &&
      !(state.waiting && state.waiting->since)) {
    wait.length = now - *run.status.start_time;
  }
  return wait;
}

std::string wait_text(const Wait& wait) {
  std::string text = wait.kind;
  if (wait.length) text += " " + span(*wait.length);
  if (!wait.detail.empty()) text += " (" + one_line(wait.detail) + ")";
  return text;
}

/// "waits for quota since 34s (Exceeded): exceeded quota ..."
std::string now_text(const Wait& wait) {
  std::string text = "waits for " + wait.kind;
  if (wait.length) text += " since " + span(*wait.length);
  if (!wait.reason.empty() && wait.reason != wait.kind) text += ", " + wait.reason;
  if (!wait.detail.empty()) text += ": " + one_line(wait.detail);
  return text;
}

void add_step(const StepLine& line, const std::vector<StepLine>& lines,
              const crds::PipelineRun& run, const WhyFacts& facts, Time now, Look look,
              Table& table) {
  const std::string mark = symbol(look, line.state);
  const std::string name = (mark.empty() ? "" : mark + " ") + line.state.name;
  std::string story;
  std::vector<std::string> past;
  for (const Wait& wait : waits_of(line, lines, run, facts, now)) {
    if (wait.now) {
      story = now_text(wait);
    } else {
      past.push_back(wait_text(wait));
    }
  }
  if (story.empty()) {
    const std::string took = step_took(line.state, now);
    if (!took.empty()) story = (is_over(line.state) ? "took " : "runs since ") + took;
    const std::string detail = step_detail(line.state);
    if (!detail.empty()) story += (story.empty() ? "" : ": ") + detail;
    if (line.archived) story = "details archived";
  }
  table.add({{name, tint_of(line.state.state)},
             {std::string(codec::enum_name(line.state.state)), tint_of(line.state.state)},
             {joined(past, "-"), past.empty() ? Tint::Dim : Tint::None},
             {story, line.state.waiting ? Tint::Yellow : Tint::None}});
}

}  // namespace

std::string wait_kind(std::string_view reason) {
  for (const KindOf& entry : kKinds) {
    if (reason.find(entry.part) != std::string_view::npos) return std::string(entry.kind);
  }
  return std::string(reason);
}

std::vector<Wait> waits_of(const StepLine& line, const std::vector<StepLine>& lines,
                           const crds::PipelineRun& run, const WhyFacts& facts, Time now) {
  std::vector<Wait> waits;
  for (const crds::StepWaited& waited : line.state.waited) {
    waits.push_back({.kind = wait_kind(waited.reason),
                     .reason = waited.reason,
                     .detail = {},
                     .length = milliseconds(waited.milliseconds)});
  }
  if (waits.empty() && line.state.state != StepPhase::Skipped) {
    waits = concluded(line, lines, run, facts);
  }
  const bool pending = line.state.state == StepPhase::Pending || line.state.waiting;
  if (pending && !is_over(line.state) && !logic::is_terminal(run)) {
    // Concluded waits for others are the same as the one that goes on.
    if (line.state.waited.empty()) waits.clear();
    waits.push_back(current_wait(line, lines, run, facts, now));
  }
  return waits;
}

std::string why_text(const crds::PipelineRun& run, const std::vector<GraphStep>& graph,
                     const WhyFacts& facts, const std::string& step, Time now, Look look) {
  const api::Condition* succeeded = api::find_condition(run.status.conditions, "Succeeded");
  std::string text = run.metadata.name + "  " + tinted(look, run_tint(run), run_word(run));
  const std::string took = run_took(run, now);
  if (!took.empty()) text += (logic::is_terminal(run) ? " after " : " for ") + took;
  if (succeeded != nullptr && !succeeded->message.empty()) {
    text += ": " + one_line(succeeded->message);
  } else if (succeeded == nullptr) {
    text +=
        ": the operator has not looked at it yet; is it running, and does it look after this "
        "namespace?";
  }
  text += "\n";
  if (run.status.start_time && run.metadata.creation_timestamp) {
    const Duration before = *run.status.start_time - *run.metadata.creation_timestamp;
    if (before >= kShortestConclusion) text += "it waited " + span(before) + " before it began\n";
  }
  const auto lines = step_lines(graph, run.status);
  Table table({"STEP", "STATE", "WAITED FOR", "NOW"});
  for (const StepLine& line : lines) {
    if (!step.empty() && line.state.name != step) continue;
    add_step(line, lines, run, facts, now, look, table);
    for (const StepState& combination : line.combinations) {
      const StepLine part{.step = line.step, .state = combination, .combinations = {}};
      add_step(part, lines, run, facts, now, look, table);
    }
  }
  return table.empty() ? text : text + "\n" + table.text(look);
}

}  // namespace millrace::cli
