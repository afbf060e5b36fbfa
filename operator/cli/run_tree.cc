#include "operator/cli/run_tree.h"

#include <algorithm>

#include "controllers/logic/check.h"
#include "controllers/logic/run.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/describe.h"

namespace millrace::cli {
namespace {

using crds::PipelineRun;
using crds::StepPhase;
using crds::StepState;

constexpr std::size_t kMostEvents = 10;
constexpr std::size_t kMostRuns = 10;
constexpr std::size_t kNameColumn = 14;  ///< of "Pipeline:" and the like

/// "Pipeline:     hello\n"; nothing for an empty value.
std::string property(std::string_view name, std::string_view value) {
  if (value.empty()) return "";
  std::string line = std::string(name) + ":";
  line.append(line.size() < kNameColumn ? kNameColumn - line.size() : 1, ' ');
  return line + std::string(value) + "\n";
}

std::string value_text(const codec::Value& value) {
  return one_line(value.is_string() ? value.as_string() : value.dump(), 200);
}

/// Adds the steps of one heading.
class TreeRows {
 public:
  TreeRows(Table& table, Time now, Look look) : table_(table), now_(now), look_(look) {}

  void heading(const std::string& text) { table_.add({{text, Tint::Bold}}); }

  void line(const StepLine& line, std::size_t depth) {
    row(line.state, line.step, line.archived, std::string(depth * 2, ' '));
    for (std::size_t i = 0; i < line.combinations.size(); ++i) {
      const bool last = i + 1 == line.combinations.size();
      const std::string branch = look_ == Look::Plain ? "  " : last ? "└ " : "├ ";
      row(line.combinations[i], {}, false, std::string(depth * 2 + 2, ' ') + branch);
    }
  }

 private:
  void row(const StepState& state, const GraphStep& step, bool archived,
           const std::string& before) {
    const std::string mark = symbol(look_, state);
    std::string detail = step_detail(state);
    if (!state.matrix.is_null()) {
      detail = one_line(state.matrix.dump(), 120) + (detail.empty() ? "" : "  ") + detail;
    }
    if (archived) detail = "details archived";
    table_.add({{before + (mark.empty() ? "" : mark + " ") + state.name, tint_of(state.state)},
                {std::string(codec::enum_name(state.state)), tint_of(state.state)},
                {step_took(state, now_)},
                {state.attempt > 1 ? std::to_string(state.attempt) : ""},
                {joined_few(step.after), Tint::Dim},
                {detail}});
  }

  Table& table_;
  const Time now_;
  const Look look_;
};

std::string outputs_text(const std::vector<StepLine>& lines) {
  Table table({"", "", ""});
  const auto add = [&](const StepState& state) {
    for (const auto& [name, value] : state.outputs.members()) {
      table.add({{state.name + "." + name}, {"="}, {value_text(value)}});
    }
  };
  for (const StepLine& line : lines) {
    add(line.state);
    for (const StepState& combination : line.combinations) add(combination);
  }
  return table.empty() ? "" : "\nOutputs:\n" + table.text(Look::Plain, 2);
}

std::string attempts_text(const crds::PipelineRunStatus& status, Time now) {
  if (!status.retry_status || status.retry_status->history_build.empty()) return "";
  Table table({"ATTEMPT", "STEP", "AGO", "TOOK", "REASON", "MESSAGE"});
  for (const crds::AttemptRecord& record : status.retry_status->history_build) {
    if (record.attempt == 0) continue;  // what a retry took over
    std::string took;
    if (record.start_time && record.completion_time) {
      took = span(*record.start_time, *record.completion_time);
    }
    table.add({{std::to_string(record.attempt)},
               {record.step},
               {record.completion_time ? span(*record.completion_time, now) : ""},
               {took},
               {record.reason},
               {one_line(record.message)}});
  }
  if (table.empty()) return "";
  return "\nFailed attempts:\n" + table.text(Look::Plain, 2);
}

std::string conditions_text(const std::vector<api::Condition>& conditions, Time now, Look look) {
  if (conditions.empty()) return "";
  Table table({"TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"});
  for (const api::Condition& condition : conditions) {
    const bool bad =
        condition.status == "False" && (condition.type == "Succeeded" ||
                                        condition.type == "Ready" || condition.type == "Admitted");
    table.add({{condition.type},
               {condition.status, bad ? Tint::Red : Tint::None},
               {condition.last_transition_time ? span(*condition.last_transition_time, now) : ""},
               {condition.reason},
               {one_line(condition.message)}});
  }
  return "\nConditions:\n" + table.text(look, 2);
}

Time last_seen(const api::Event& event) {
  if (event.series) return event.series->last_observed_time.time;
  const Time time = event.event_time.time;
  if (time == Time{}) return event.metadata.creation_timestamp.value_or(Time{});
  return time;
}

std::string events_text(std::vector<api::Event> events, Time now, Look look) {
  if (events.empty()) return "";
  std::stable_sort(events.begin(), events.end(), [](const api::Event& a, const api::Event& b) {
    return last_seen(a) < last_seen(b);
  });
  if (events.size() > kMostEvents) {
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(kMostEvents));
  }
  Table table({"AGO", "TYPE", "REASON", "MESSAGE"});
  for (const api::Event& event : events) {
    const int count = event.series ? event.series->count : 1;
    table.add({{span(last_seen(event), now)},
               {event.type, event.type == "Warning" ? Tint::Yellow : Tint::None},
               {event.reason},
               {one_line(event.note) + (count > 1 ? " (x" + std::to_string(count) + ")" : "")}});
  }
  return "\nEvents:\n" + table.text(look, 2);
}

std::string params_text(const std::map<std::string, codec::Value>& params) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : params) texts.push_back(name + "=" + value_text(value));
  return joined(texts);
}

std::string ago(const std::optional<Time>& time, Time now) {
  return time ? format_time(*time) + " (" + span(*time, now) + " ago)" : "";
}

std::string schedule_text(const crds::Pipeline& pipeline, Time now) {
  if (!pipeline.spec.strategy || pipeline.spec.strategy->cron_expression.empty()) return "";
  const crds::Strategy& strategy = *pipeline.spec.strategy;
  std::string text = strategy.cron_expression;
  text += " (" + (strategy.time_zone.empty() ? "UTC" : strategy.time_zone) + ")";
  const auto& status = pipeline.status.schedule;
  if (strategy.suspend) text += ", suspended";
  if (status && !status->paused.empty() && !strategy.suspend) text += ", paused: " + status->paused;
  if (status && status->next_tick) {
    text +=
        ", next " + format_time(*status->next_tick) + " (in " + span(now, *status->next_tick) + ")";
  }
  return text;
}

std::string ticks_text(const crds::Pipeline& pipeline) {
  if (!pipeline.status.schedule || pipeline.status.schedule->ticks.empty()) return "";
  const auto& ticks = pipeline.status.schedule->ticks;
  Table table({"TICK", "OUTCOME", "RUN", "REASON"});
  const std::size_t first = ticks.size() > kMostRuns ? ticks.size() - kMostRuns : 0;
  for (std::size_t i = first; i < ticks.size(); ++i) {
    const crds::TickRecord& tick = ticks[i];
    std::string outcome(codec::enum_name(tick.outcome));
    if (tick.count > 1) outcome += " (x" + std::to_string(tick.count) + ")";
    table.add({{format_time(tick.time)}, {outcome}, {tick.run}, {tick.reason}});
  }
  return "\nLast ticks:\n" + table.text(Look::Plain, 2);
}

std::string declared_params(const std::vector<crds::Param>& params) {
  if (params.empty()) return "";
  Table table({"NAME", "TYPE", "DEFAULT", "ALLOWED", "DESCRIPTION"});
  for (const crds::Param& param : params) {
    std::vector<std::string> choices;
    for (const codec::Value& choice : param.choices) choices.push_back(value_text(choice));
    table.add({{param.name},
               {std::string(codec::enum_name(param.type))},
               {param.default_value.is_null() ? "(required)" : value_text(param.default_value)},
               {choices.empty() ? param.pattern : joined(choices)},
               {one_line(param.description)}});
  }
  return "\nParams:\n" + table.text(Look::Plain, 2);
}

std::string runs_text(std::vector<PipelineRun> runs, Time now, Look look) {
  if (runs.empty()) return "";
  std::stable_sort(runs.begin(), runs.end(), [](const PipelineRun& a, const PipelineRun& b) {
    return a.metadata.creation_timestamp > b.metadata.creation_timestamp;
  });
  if (runs.size() > kMostRuns) runs.resize(kMostRuns);
  Table table({"NAME", "STATUS", "STEPS", "AGO", "TOOK"});
  for (const PipelineRun& run : runs) {
    const auto& created = run.metadata.creation_timestamp;
    table.add({{run.metadata.name},
               {run_word(run), run_tint(run)},
               {run.status.steps},
               {created ? span(*created, now) : ""},
               {run_took(run, now)}});
  }
  return "\nLast runs:\n" + table.text(look, 2);
}

std::string graph_text(const std::vector<GraphStep>& graph, Look look) {
  if (graph.empty()) return "";
  Table table({"STEP", "ACTION", "AFTER", "WHEN", "DETAIL"});
  std::string stage;
  logic::Group group = logic::Group::Main;
  for (const GraphStep& step : graph) {
    if (step.group != group) {
      group = step.group;
      stage.clear();
      table.add({{group == logic::Group::OnError ? "onError" : "finally", Tint::Bold}});
    } else if (step.stage != stage) {
      stage = step.stage;
      table.add({{"stage " + stage, Tint::Bold}});
    }
    const bool below = group != logic::Group::Main || !stage.empty();
    table.add({{(below ? "  " : "") + step.name},
               {std::string(to_string(step.action))},
               {joined_few(step.after), Tint::Dim},
               {one_line(step.when, 60)},
               {one_line(step.detail, 80)}});
  }
  return "\nSteps:\n" + table.text(look, 2);
}

std::string body_of(const crds::PipelineSpec& spec) {
  if (spec.batch_job) return "batch job: steps one after another in one pod";
  if (spec.stream_job) return "stream job: services that are kept running";
  if (!spec.jobs.empty() || (!spec.stages.empty() && spec.steps.empty())) {
    return "stages of HTTP jobs";
  }
  return "steps";
}

std::string concurrency_of(const crds::PipelineSpec& spec) {
  if (!spec.concurrency) return "";
  const crds::Concurrency& c = *spec.concurrency;
  return "at most " + std::to_string(c.limit.value_or(1)) + " at once" +
         (c.group.empty() ? "" : " in group " + c.group) + ", then " +
         std::string(codec::enum_name(c.on_conflict));
}

}  // namespace

std::string step_detail(const StepState& step) {
  std::string detail;
  const auto add = [&](const std::string& text, const char* between = ", ") {
    if (!text.empty()) detail += (detail.empty() ? "" : between) + text;
  };
  if (step.exit_code && *step.exit_code != 0) {
    add("exit code " + std::to_string(*step.exit_code));
  }
  if (const codec::Value* status = step.response.find("status")) add("HTTP " + status->dump());
  if (step.waiting && (step.state == StepPhase::Pending || step.state == StepPhase::Running)) {
    add("waits: " + step.waiting->reason);
    add(one_line(step.waiting->message), ": ");
  }
  const bool says_more = !step.reason.empty() && step.reason != "Error" && step.reason != "Failed";
  if (says_more) add(step.reason);
  add(one_line(step.message), ": ");
  if (!step.run_name.empty()) add("run " + step.run_name);
  return detail;
}

std::string step_took(const StepState& step, Time now) {
  if (!step.started_at) return "";
  if (step.finished_at) return span(*step.started_at, *step.finished_at);
  return step.state == StepPhase::Running ? span(*step.started_at, now) : "";
}

std::string run_word(const PipelineRun& run) {
  const api::Condition* succeeded = api::find_condition(run.status.conditions, "Succeeded");
  if (succeeded == nullptr) return "New";
  if (!succeeded->reason.empty()) return succeeded->reason;
  return succeeded->status == "True" ? "Succeeded" : succeeded->status;
}

Tint run_tint(const PipelineRun& run) {
  const api::Condition* succeeded = api::find_condition(run.status.conditions, "Succeeded");
  if (succeeded == nullptr) return Tint::Dim;
  if (succeeded->status == "True") return Tint::Green;
  return succeeded->status == "False" ? Tint::Red : Tint::Yellow;
}

std::string run_took(const PipelineRun& run, Time now) {
  if (!run.status.start_time) return "";
  if (run.status.completion_time) return span(*run.status.start_time, *run.status.completion_time);
  return logic::is_terminal(run) ? "" : span(*run.status.start_time, now);
}

std::string step_tree(const std::vector<StepLine>& lines, Time now, Look look) {
  Table table({"STEP", "STATE", "TOOK", "ATTEMPT", "AFTER", "DETAIL"});
  TreeRows rows(table, now, look);
  logic::Group group = logic::Group::Main;
  std::string stage;
  for (const StepLine& line : lines) {
    if (line.step.group != group) {
      group = line.step.group;
      stage.clear();
      rows.heading(group == logic::Group::OnError ? "onError" : "finally");
    } else if (line.step.stage != stage) {
      stage = line.step.stage;
      rows.heading("stage " + stage);
    }
    rows.line(line, group != logic::Group::Main || !stage.empty() ? 1 : 0);
  }
  return table.text(look, 2);
}

std::string describe_run(const PipelineRun& run, const std::vector<GraphStep>& graph,
                         const std::vector<api::Event>& events, Time now, Look look) {
  const auto& status = run.status;
  std::string revision;
  if (!status.pipeline_revision.empty()) revision = " (revision " + status.pipeline_revision + ")";
  const api::Condition* succeeded = api::find_condition(status.conditions, "Succeeded");
  std::string word = tinted(look, run_tint(run), run_word(run));
  if (succeeded != nullptr && !succeeded->message.empty()) {
    word += ": " + one_line(succeeded->message);
  }
  const int retries = status.retry_status ? status.retry_status->retry_count : 0;
  std::string attempts;
  if (run.spec.max_retry_count > 0 || retries > 0) {
    attempts = std::to_string(retries + 1) + " of " + std::to_string(run.spec.max_retry_count + 1);
  }
  std::string text =
      property("Name", run.metadata.name) + property("Namespace", run.metadata.ns) +
      property("Pipeline", run.spec.ref_pipeline + revision) + property("Status", word) +
      property("Retry of", run.spec.retry_of) + property("Started", ago(status.start_time, now)) +
      property("Took", run_took(run, now)) + property("Attempt", attempts) +
      property("Steps done", status.steps) + property("Group", status.concurrency_group) +
      property("Params", params_text(status.params.empty() ? run.spec.params : status.params));
  if (const codec::Value* type = run.spec.trigger.find("type")) {
    const codec::Value* id = run.spec.trigger.find("id");
    text += property("Trigger",
                     type->as_string() + (id == nullptr ? "" : ", delivery " + id->as_string()));
  }
  for (const crds::Approval& approval : run.spec.approvals) {
    text += property("Decision", approval.step + ": " +
                                     std::string(codec::enum_name(approval.decision)) + " by " +
                                     approval.by + (approval.comment.empty() ? "" : ": ") +
                                     one_line(approval.comment));
  }
  const auto lines = step_lines(graph, status);
  if (!lines.empty()) text += "\nSteps:\n" + step_tree(lines, now, look);
  return text + outputs_text(lines) + attempts_text(status, now) +
         conditions_text(status.conditions, now, look) + events_text(events, now, look);
}

std::string describe_pipeline(const crds::Pipeline& pipeline, const std::vector<GraphStep>& graph,
                              const std::vector<PipelineRun>& runs,
                              const std::vector<api::Event>& events, Time now, Look look) {
  const auto& status = pipeline.status;
  const api::Condition* ready = api::find_condition(status.conditions, "Ready");
  std::string word = "not looked at by the operator yet";
  if (ready != nullptr) {
    const bool good = ready->status == "True";
    const bool refused = ready->reason == logic::kRefused;
    const bool plain = good && ready->reason == logic::kReadyReason;
    word = tinted(look,
                  plain  ? Tint::Green
                  : good ? Tint::Yellow
                         : Tint::Red,
                  good      ? "ready"
                  : refused ? "refused by the API server"
                            : "not ready");
    // Also what could not be checked, and what a run would wait for.
    if (!plain || ready->message.find(';') != std::string::npos) {
      word += ": " + printable(ready->message);
    }
  }
  std::vector<std::string> triggers;
  for (const crds::Trigger& trigger : pipeline.spec.triggers) {
    std::string text = trigger.type;
    if (trigger.type == "webhook") {
      text += " POST /webhook/" + pipeline.metadata.ns + "/" + pipeline.metadata.name;
      if (trigger.hmac) text += ", signed";
      if (trigger.token) text += ", with a token";
    }
    triggers.push_back(std::move(text));
  }
  std::string text =
      property("Name", pipeline.metadata.name) + property("Namespace", pipeline.metadata.ns) +
      property("Created", ago(pipeline.metadata.creation_timestamp, now)) +
      property("Status", word) + property("Body", body_of(pipeline.spec)) +
      property("Revision", status.revision) + property("Schedule", schedule_text(pipeline, now)) +
      property("Triggers", joined(triggers)) +
      property("Concurrency", concurrency_of(pipeline.spec));
  if (pipeline.spec.parallelism) {
    text += property("Parallelism", std::to_string(*pipeline.spec.parallelism) + " steps at once");
  }
  return text + declared_params(pipeline.spec.params) + graph_text(graph, look) +
         ticks_text(pipeline) + runs_text(runs, now, look) + events_text(events, now, look);
}

}  // namespace millrace::cli
