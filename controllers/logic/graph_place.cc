#include <algorithm>

#include "controllers/logic/graph_parts.h"
#include "controllers/logic/outcome.h"

namespace millrace::logic {

using codec::Value;

namespace {

constexpr std::chrono::seconds kQueueRecheck{5};

}  // namespace

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
      plan_.actions.push_back(
          cancel_run(api::key_of(holders[i]->metadata), holders[i]->metadata.uid));
    }
  }
  std::string who;
  if (!holders.empty()) who = "; " + holders.front()->metadata.name + " is the oldest in it";
  look_again(plan_, kQueueRecheck);
  set_going(status_, input_, "Queued", full + who);
  return false;
}

}  // namespace millrace::logic
