/// `millrace local run`: apply, start, show, wait.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "local/mode/run_plan.h"
#include "local/mode/run_view.h"

namespace millrace::mode {

/// How it came out; the values are exit codes.
enum class RunResult {
  Succeeded = 0,
  Failed = 1,   ///< a run failed, or could not be started
  Stopped = 3,  ///< timed out, cancelled, or left
};

/// Opens the log of a container of a pod.
using OpenLog = std::function<Result<std::unique_ptr<client::ByteStream>>(
    const ObjectKey& pod, const client::LogOptions&, const client::CallOptions&)>;

/// The server, and where the text goes.
struct RunSurroundings {
  client::Reader& reader;
  client::Writer& writer;
  OpenLog open_log;
  runtime::Env env;
  std::function<void(std::string_view)> print;     ///< progress and logs
  std::function<void(std::string_view)> complain;  ///< what went wrong, one line
};

struct RunOptions {
  std::optional<Duration> timeout = {};  ///< of all runs together; then they are cancelled
  Colour colour = Colour::No;
  Telling telling = Telling::Progress;
  std::string step = {};  ///< show the logs of this one only; empty: of all
  int attempt = 0;        ///< and of this attempt only; 0: of any
  /// Step → the steps of containers in its pod, where it is not one named after the step.
  std::map<std::string, std::vector<std::string>> containers = {};
  /// What there is to print of an ended step that has no log, in lines; none: nothing.
  std::function<std::string(const crds::StepState&)> summary = {};
  std::stop_token cancel = {};  ///< the first Ctrl-C: cancel the runs and wait for their end
  std::stop_token leave = {};   ///< the second one: do not wait
};

/// Show runs that exist until all have ended. Blocks.
RunResult follow_runs(std::vector<crds::PipelineRun> runs, const RunOptions& options,
                      const RunSurroundings& surroundings);

/// Do all of `plan`. Prints through the surroundings, on this thread only. Blocks.
RunResult run_all(const RunPlan& plan, const RunOptions& options,
                  const RunSurroundings& surroundings);

}  // namespace millrace::mode
