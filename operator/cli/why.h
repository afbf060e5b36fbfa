/// `millrace why`: per step what it waits or waited for, and how long. Pure: facts → text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crds/pipeline_run.h"
#include "kubeclient/api/event.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"
#include "operator/cli/graph.h"
#include "operator/cli/text.h"

namespace millrace::cli {

/// What is known beyond the status: Jobs and pods of the run, and what was said about them.
struct WhyFacts {
  std::vector<api::Job> jobs;
  std::vector<api::Pod> pods;
  std::vector<api::Event> events;  ///< regarding run, Jobs and pods, in any order
};

/// The kind of a reason, as one of: dependency, condition, concurrency, quota, node, image,
/// approval, backoff, queue, start, time, child; or the reason itself.
std::string wait_kind(std::string_view reason);

/// One wait.
struct Wait {
  std::string kind;    ///< as wait_kind gives it
  std::string reason;  ///< the API's word; empty when it was concluded from times
  std::string detail;  ///< for people; may be empty
  std::optional<Duration> length;
  bool now = false;  ///< it still waits
  bool operator==(const Wait&) const = default;
};

/// What `line`'s step waited for, in order; a wait that goes on is the last. `lines` are all steps.
std::vector<Wait> waits_of(const StepLine& line, const std::vector<StepLine>& lines,
                           const crds::PipelineRun& run, const WhyFacts& facts, Time now);

/// The whole answer, for `step` only unless that is empty.
std::string why_text(const crds::PipelineRun& run, const std::vector<GraphStep>& graph,
                     const WhyFacts& facts, const std::string& step, Time now, Look look);

}  // namespace millrace::cli
