#include "operator/cli/get_text.h"

#include "kubeclient/base/time_format.h"
#include "operator/cli/run_tree.h"

namespace millrace::cli {
namespace {

std::string age(const std::optional<Time>& time, Time now) { return time ? span(*time, now) : ""; }

/// A table that keeps its columns although they are empty, as kubectl's do.
struct Columns {
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> rows;

  std::string text(const GetOptions& options) const {
    Table table(options.header ? header : std::vector<std::string>(header.size()));
    for (auto row : rows) {
      for (Cell& cell : row) {
        if (cell.text.empty()) cell = {"-", Tint::Dim};
      }
      table.add(std::move(row));
    }
    return table.empty() ? "" : table.text(options.look);
  }
};

template <class T>
void begin(std::vector<Cell>& row, const T& object, const GetOptions& options) {
  if (options.namespaces) row.push_back({object.metadata.ns});
  row.push_back({object.metadata.name});
}

std::vector<std::string> with_namespace(std::vector<std::string> header,
                                        const GetOptions& options) {
  if (options.namespaces) header.insert(header.begin(), "NAMESPACE");
  return header;
}

}  // namespace

std::string table_of(const std::vector<crds::PipelineRun>& runs, Time now,
                     const GetOptions& options) {
  Columns columns;
  columns.header = with_namespace(
      {"NAME", "PIPELINE", "STATUS", "STEPS", "RETRIES", "STARTED", "DURATION"}, options);
  if (options.wide) {
    columns.header.insert(columns.header.end(), {"REVISION", "MESSAGE"});
  }
  for (const crds::PipelineRun& run : runs) {
    const auto& status = run.status;
    const api::Condition* succeeded = api::find_condition(status.conditions, "Succeeded");
    std::vector<Cell> row;
    begin(row, run, options);
    row.push_back({run.spec.ref_pipeline});
    row.push_back({run_word(run), run_tint(run)});
    row.push_back({status.steps});
    row.push_back({status.retry_status ? std::to_string(status.retry_status->retry_count) : "0"});
    row.push_back({age(status.start_time, now)});
    row.push_back({run_took(run, now)});
    if (options.wide) {
      row.push_back({status.pipeline_revision});
      row.push_back({succeeded == nullptr ? "" : one_line(succeeded->message)});
    }
    columns.rows.push_back(std::move(row));
  }
  return columns.text(options);
}

std::string table_of(const std::vector<crds::Pipeline>& pipelines, Time now,
                     const GetOptions& options) {
  Columns columns;
  columns.header = with_namespace(
      {"NAME", "READY", "REASON", "SCHEDULE", "SUSPEND", "LAST", "NEXT", "IDLE", "AGE"}, options);
  if (options.wide) {
    columns.header.insert(columns.header.end(), {"ZONE", "REVISION", "MESSAGE"});
  }
  for (const crds::Pipeline& pipeline : pipelines) {
    const auto& status = pipeline.status;
    const api::Condition* ready = api::find_condition(status.conditions, "Ready");
    const crds::Strategy strategy = pipeline.spec.strategy.value_or(crds::Strategy{});
    const auto schedule = status.schedule.value_or(crds::ScheduleStatus{});
    const bool good = ready != nullptr && ready->status == "True";
    std::vector<Cell> row;
    begin(row, pipeline, options);
    row.push_back({ready == nullptr ? "" : ready->status, good ? Tint::Green : Tint::Red});
    row.push_back({ready == nullptr ? "" : ready->reason});
    row.push_back({strategy.cron_expression});
    row.push_back({strategy.cron_expression.empty() ? "" : strategy.suspend ? "true" : "false"});
    row.push_back({age(schedule.last_tick, now)});
    row.push_back({schedule.next_tick ? "in " + span(now, *schedule.next_tick) : ""});
    row.push_back({status.idle ? (*status.idle ? "true" : "false") : ""});
    row.push_back({age(pipeline.metadata.creation_timestamp, now)});
    if (options.wide) {
      row.push_back({strategy.time_zone});
      row.push_back({status.revision});
      row.push_back({ready == nullptr ? "" : one_line(ready->message)});
    }
    columns.rows.push_back(std::move(row));
  }
  return columns.text(options);
}

}  // namespace millrace::cli
