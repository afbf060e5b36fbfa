/// A toy API server, kubelet and shell for planner tests: it does what plans say, on a clock that
/// only tests move, and can die before any write.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controllers/logic/job.h"
#include "controllers/logic/run.h"
#include "controllers/logic/stream.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::logic {

/// Thrown in place of the write at which the operator is to die.
struct Crash {};

class World {
 public:
  World();

  Time now;
  Config config;
  bool expired = false;
  bool alone = false;  ///< there is no other Job controller
  bool may_report = true;
  /// The Pipeline as a cache that lags has it; a live read shows it as it is.
  std::optional<crds::Pipeline> outdated;
  /// Decides about each Create before it is done; no value: let it pass.
  std::function<std::optional<Error>(const Action&)> refuse;
  int writes = 0;                   ///< done so far by the shell
  std::optional<int> crash_at;      ///< the shell dies instead of doing this write (from 0)
  int reads = 0;                    ///< live gathers so far
  std::vector<Note> notes;          ///< in order
  std::vector<std::string> log;     ///< "Create Job x", in order
  std::map<std::string, int> made;  ///< "kind/name" → times created
  /// What a real API server would refuse of the Job statuses written.
  std::vector<std::string> complaints;

  /// Put an object as a user would; JSON with kind and metadata.name.
  void put(const std::string& json);
  void erase(const std::string& kind, const std::string& name);
  codec::Value* find(const std::string& kind, const std::string& name);
  std::vector<std::string> names(const std::string& kind) const;

  template <class T>
  T get(const std::string& name) {
    const codec::Value* object = find(std::string(T::kResource.kind), name);
    MR_CHECK(object != nullptr);
    auto decoded = codec::decode<T>(object->dump());
    if (!decoded.ok()) throw std::runtime_error(decoded.error().message);
    return *std::move(decoded);
  }
  template <class T>
  std::vector<T> all() {
    std::vector<T> out;
    for (const std::string& name : names(std::string(T::kResource.kind))) {
      out.push_back(get<T>(name));
    }
    return out;
  }

  /// The plan for run `name` as the shell would get it, live reads done; nothing is carried out.
  RunPlan plan(const std::string& name, std::optional<CreateFailure> failure = {});
  JobPlan plan_for_job(const std::string& name, std::optional<CreateFailure> failure = {});
  /// Plan and act once. True when something was written.
  bool reconcile_run(const std::string& name);
  bool reconcile_job(const std::string& name);
  /// Reconcile everything until nothing changes; rechecks of zero are followed, time stands still.
  void settle();
  /// Move the clock, settling at each recheck on the way.
  void advance(Duration duration);
  /// Forget all memory of the process, as after a restart.
  void restart();

  // The kubelet.
  std::string only_pod();
  /// The pod's containers up to `done` have exited 0 and the next one runs.
  void run_pod(const std::string& pod, std::size_t done = 0);
  void succeed_pod(const std::string& pod);
  /// Step number `step` (from 0) exits with `code`; the pod fails.
  void fail_pod(const std::string& pod, std::size_t step, int code,
                const std::string& reason = "Error", const std::string& message = "");
  void set_status(const std::string& kind, const std::string& name, const std::string& json);
  /// Pods that are being deleted end with 143.
  void finish_deletions();

  crds::PipelineRunStatus status(const std::string& run = "r");
  api::Condition condition(const std::string& type, const std::string& run = "r");
  std::string reason(const std::string& run = "r") { return condition("Succeeded", run).reason; }

 private:
  struct Memory {
    std::optional<Time> last_create;
    std::optional<Time> last_status_write;
    std::map<std::string, int> failures;
  };
  using Key = std::pair<std::string, std::string>;

  Result<void*> act(const Action& action, Memory& memory);
  void count_write(const std::string& what);
  std::optional<Error> create(const Action& action);
  void apply(const Action& action);
  void remove(const Action& action);
  void touch(codec::Value& object);
  std::vector<codec::Value*> containers(codec::Value& pod, const char* list);

  std::map<Key, codec::Value> objects_;
  std::map<std::string, Memory> memory_;
  std::map<std::string, std::int64_t> applied_;
  std::map<std::string, CreateFailure> pod_failures_;
  std::map<std::string, bool> pod_seen_;
  std::map<std::string, std::map<int, int>> slots_seen_;
  std::map<std::string, Time> job_writes_;
  std::map<std::string, Time> due_;
  int counter_ = 0;
};

/// A batch pipeline "p" with the steps input, clean and output--out.
extern const char* const kBatchPipeline;
/// The run "r" of it, with `spec` as further members, e.g. ",\"maxRetryCount\":2".
std::string batch_run(const std::string& spec = "", const std::string& name = "r");
/// What a server says no with.
Error refusal(Code code, std::string message);
/// Images for everything.
Config full_config();

}  // namespace millrace::logic
