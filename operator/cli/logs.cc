#include <algorithm>

#include "controllers/logic/names.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/client/typed.h"
#include "operator/cli/command_tree.h"
#include "operator/cli/log_text.h"
#include "operator/cli/session.h"

namespace millrace::cli {
namespace {

using crds::StepState;

constexpr const char* kJobNameLabel = "batch.kubernetes.io/job-name";
constexpr std::chrono::seconds kRead{60};

/// Prints the logs of steps, one after another.
class LogPrinter {
 public:
  LogPrinter(Session& session, const crds::PipelineRun& run, client::LogOptions options)
      : session_(session), run_(run), options_(std::move(options)) {}

  /// All logs of one step; false when there was none.
  bool print(const GraphStep& step, const StepState& state) {
    const auto summary = step_summary(step, state, run_);
    const int attempt = session_.args().attempt;
    if (!summary.empty() && (attempt == 0 || attempt == state.attempt)) {
      const bool began = state.state != crds::StepPhase::Pending;
      if (!began) return complain(state.name, no_log(step, state));
      for (const std::string& line : summary) put(state.name, line);
      return true;
    }
    std::string pod = state.pod_name;
    if (attempt > 0 && attempt != state.attempt) {
      const auto found = pod_of_attempt(state, attempt);
      if (!found.ok()) return complain(state.name, found.error().message);
      pod = *found;
    }
    if (pod.empty()) return complain(state.name, no_log(step, state));
    const auto containers = step.containers.size() > 1 || !state.of.empty()
                                ? step.containers
                                : std::vector{own_container(step, state)};
    bool any = false;
    for (const std::string& container : containers) {
      const std::string label = containers.size() > 1 ? state.name + "/" + container : state.name;
      any = print_container(label, pod, logic::container_name(container), state) || any;
    }
    return any;
  }

 private:
  static std::string own_container(const GraphStep& step, const StepState& state) {
    return step.containers.empty() ? state.name : step.containers.front();
  }

  bool print_container(const std::string& label, const std::string& pod,
                       const std::string& container, const StepState& state) {
    client::LogOptions options = options_;
    options.container = container;
    auto opened = session_.cluster().pod_logs({run_.metadata.ns, pod}, options, session_.call());
    if (!opened.ok()) {
      const bool gone = opened.error().code == Code::NotFound;
      const std::string detail = step_detail_of(state);
      return complain(label, gone ? "its pod " + pod + " is gone, and its log with it" +
                                        (detail.empty() ? "" : " (" + detail + ")")
                                  : opened.error().message);
    }
    std::string rest;
    for (;;) {
      auto piece = (*opened)->read(session_.env().clock.steady() + kRead);
      if (!piece.ok() && piece.error().code == Code::Timeout) continue;
      if (!piece.ok()) return complain(label, "its log broke off: " + piece.error().message);
      if (piece->empty()) break;
      rest += *piece;
      std::size_t start = 0;
      for (std::size_t end; (end = rest.find('\n', start)) != std::string::npos; start = end + 1) {
        put(label, std::string_view(rest).substr(start, end - start));
      }
      rest.erase(0, start);
    }
    if (!rest.empty()) put(label, rest);
    return true;
  }

  static std::string step_detail_of(const StepState& state) {
    std::string detail(codec::enum_name(state.state));
    if (!state.message.empty()) detail += ": " + one_line(state.message);
    return detail;
  }

  /// The pod of an earlier attempt, by the Job that the history names.
  Result<std::string> pod_of_attempt(const StepState& state, int attempt) {
    const std::string which = "attempt " + std::to_string(attempt);
    if (run_.status.retry_status) {
      for (const crds::AttemptRecord& record : run_.status.retry_status->history_build) {
        if (record.attempt != attempt || record.build_name.empty()) continue;
        if (!record.step.empty() && record.step != state.name) continue;
        const auto pods = client::list<api::Pod>(
            session_.reader(), run_.metadata.ns,
            {.label_selector = kJobNameLabel + ("=" + record.build_name)}, session_.call());
        if (!pods.ok()) return fail(pods.error());
        if (pods->items.empty()) {
          return fail(Code::NotFound, "the pod of " + which + " (Job " + record.build_name +
                                          ") is gone, and its log with it");
        }
        return pods->items.front().metadata.name;
      }
    }
    return fail(Code::NotFound, "there was no " + which + "; the latest is " +
                                    std::to_string(std::max(state.attempt, 1)));
  }

  void put(const std::string& label, std::string_view line) {
    std::ostream& out = session_.env().out;
    if (session_.args().words.size() < 2) {
      out << tinted(session_.look(), Tint::Dim, "[" + label + "]") << " ";
    }
    out << line << "\n";
  }
  bool complain(const std::string& label, const std::string& message) {
    session_.env().err << "step " << label << ": " << message << "\n";
    return false;
  }

  Session& session_;
  const crds::PipelineRun& run_;
  const client::LogOptions options_;
};

std::string unknown_step(const std::string& wanted, const std::vector<StepLine>& lines) {
  std::vector<std::string> names;
  for (const StepLine& line : lines) names.push_back(line.state.name);
  std::string message = "there is no step \"" + wanted + "\" in this run";
  const std::string meant = suggest(wanted, names);
  if (!meant.empty()) return message + "; did you mean " + meant + "?";
  return names.size() > 20 ? message : message + "; there are: " + joined(names, "none yet");
}

bool knows(const std::vector<StepLine>& lines, const std::string& wanted) {
  return std::any_of(lines.begin(), lines.end(), [&](const StepLine& line) {
    return line.state.name == wanted ||
           std::any_of(line.combinations.begin(), line.combinations.end(),
                       [&](const StepState& state) { return state.name == wanted; });
  });
}

int print_all(Session& session, const crds::PipelineRun& run, const std::vector<StepLine>& lines,
              const std::string& wanted, const client::LogOptions& options) {
  LogPrinter printer(session, run, options);
  bool any = false;
  for (const StepLine& line : lines) {
    const bool whole = wanted.empty() || line.state.name == wanted;
    if (whole && line.combinations.empty()) any = printer.print(line.step, line.state) || any;
    for (const StepState& combination : line.combinations) {
      if (!whole && combination.name != wanted) continue;
      any = printer.print(line.step, combination) || any;
    }
  }
  return any || wanted.empty() ? kSuccess : kFailure;
}

}  // namespace

int logs(Session& session) {
  const ClusterArguments& args = session.args();
  if (args.words.empty() || args.words.size() > 2) {
    return session.usage("give one RUN, and maybe one STEP of it");
  }
  std::optional<Duration> since;
  if (!args.since.empty()) {
    const auto parsed = parse_duration(args.since);
    if (!parsed.ok() || *parsed <= Duration::zero()) {
      return session.usage("--since \"" + args.since + "\": expected a duration such as 5m");
    }
    since = *parsed;
  }
  const std::string wanted = args.words.size() == 2 ? args.words[1] : "";
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  auto run = session.run(args.words.front());
  if (!run.ok()) return session.fail_with(run.error().message);
  *run = session.restored(*std::move(run));
  const auto graph = session.graph(*run);
  const auto lines = step_lines(graph, run->status);
  if (!wanted.empty() && !knows(lines, wanted)) {
    return session.fail_with(unknown_step(wanted, lines));
  }
  if (args.follow) {
    FollowOptions options{.look = session.look(), .logs_only = true, .step = wanted};
    options.attempt = args.attempt;
    options.containers = containers_of(graph);
    options.timestamps = args.timestamps;
    if (args.tail >= 0) options.tail = args.tail;
    options.since = since;
    options.summary = [&](const StepState& state) {
      const GraphStep* step = find_step(graph, state.of.empty() ? state.name : state.of);
      std::string text;
      if (step == nullptr) return text;
      for (const std::string& line : step_summary(*step, state, *run)) text += line + "\n";
      return text;
    };
    return session.cluster().follow(*run, options);
  }
  if (lines.empty()) {
    session.env().err << session.path() << ": " << run->metadata.name
                      << " has no steps yet; see: " << session.program() << " why "
                      << run->metadata.name << "\n";
    return kSuccess;
  }
  client::LogOptions options{.timestamps = args.timestamps};
  if (args.tail >= 0) options.tail_lines = args.tail;
  if (since) {
    options.since_seconds =
        std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(*since).count());
  }
  return print_all(session, *run, lines, wanted, options);
}

}  // namespace millrace::cli
