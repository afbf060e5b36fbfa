/// What `millrace local run` prints: pure, one piece of text per event.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "crds/pipeline_run.h"
#include "kubeclient/base/clock.h"

namespace millrace::mode {

enum class Colour { No, Yes };

/// Logs: only the lines of the logs, each after its "[step]".
enum class Telling { Progress, Logs };

/// How a run ended, or that it did not yet.
enum class RunEnd { None, Succeeded, Failed, Cancelled, TimedOut };
RunEnd end_of(const crds::PipelineRun& run);

/// What there is to show of a step's log.
struct LogPart {
  std::string text;  ///< lines, as RunView::output makes them
  bool complete = true;
};

/// Follows one run. Steps are told when they end and their log has been printed.
class RunView {
 public:
  /// `prefix`: lines begin with the run's name, for several runs at once.
  RunView(Colour colour, bool prefix, Telling telling = Telling::Progress)
      : colour_(colour), prefix_(prefix), telling_(telling) {}

  /// "hello-x7k2p  a run of hello"
  std::string begun(const crds::PipelineRun& run);
  /// One line of a container's output.
  std::string output(const std::string& step, std::string_view line) const;
  /// What is new in `run` at `now`: attempts, waiting, and step by step what `log(step)` gives (its
  /// new output, and whether that was all) and its end. A step that is over but whose log is not
  /// complete holds back those after it.
  template <class Log>
  std::string progress(const crds::PipelineRun& run, SteadyTime now, const Log& log) {
    std::string text = news(run, now);
    for (const crds::StepState& step : run.status.step_states) {
      const LogPart part = log(step);
      text += part.text;
      if (!is_over(step)) {
        if (step.state == crds::StepPhase::Skipped && !is_batch(run)) text += ended(step, now);
        continue;
      }
      if (!part.complete) break;
      text += ended(step, now);
    }
    return text;
  }
  /// The last line: "✔ hello-x7k2p succeeded after 41ms".
  std::string finished(const crds::PipelineRun& run, Duration took) const;
  /// A remark of ours: cancelling, time over.
  std::string remark(std::string_view text) const;

  /// It will not run again in this attempt.
  static bool is_over(const crds::StepState& step);
  /// Its steps are containers of one pod, and are tried again together.
  static bool is_batch(const crds::PipelineRun& run);

 private:
  std::string news(const crds::PipelineRun& run, SteadyTime now);
  std::string ended(const crds::StepState& step, SteadyTime now);
  std::string line(const char* colour, std::string_view mark, std::string_view text) const;
  std::string painted(const char* colour, std::string_view text) const;

  const Colour colour_;
  const bool prefix_;
  const Telling telling_;
  std::string name_;
  std::size_t width_ = 0;  ///< of the longest step name
  int attempt_ = 1;
  std::map<std::string, SteadyTime> began_;     ///< by "attempt/step", when we saw it run
  std::set<std::string> told_;                  ///< ends of steps, by "attempt/step"
  std::map<std::string, int> attempts_;         ///< the last one told, by step; not for batch
  std::map<std::string, std::string> waiting_;  ///< the last reason told, by step
};

}  // namespace millrace::mode
