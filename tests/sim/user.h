/// Users of the simulated cluster: they apply, start, edit, cancel, delete, and forge.
#pragma once

#include <string>
#include <vector>

#include "kubeclient/client/client.h"
#include "kubeclient/codec/value.h"
#include "tests/sim/auditor.h"
#include "tests/sim/kubelet.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"
#include "tests/support/manual_clock.h"

namespace millrace::sim {

/// What users of one simulation do at all.
struct Habits {
  bool batch = true;
  bool schedule = false;
  bool stream = false;
  bool graph = false;    ///< pipelines of steps
  bool jobs = false;     ///< Jobs of their own; nobody but us runs them
  bool deletes = false;  ///< runs, pods, Jobs
  bool edits = false;    ///< pipelines that are in use
  bool forges = false;   ///< labels of ours on objects of theirs
  bool clock = false;    ///< somebody sets the wall clock
};

/// One thread. Writes through an honest client.
class User {
 public:
  User(client::Writer& writer, support::ManualClock& clock, Auditor& auditor, Kubelet& kubelet,
       Random random, Trace& trace, Habits habits);

  /// There are several operators at once.
  void expect_company() { alone_ = false; }
  /// Pipelines and what they need.
  void begin();
  /// Do something.
  void act();
  /// Decide what somebody waits for; false when nobody does. For when everything is to end.
  bool decide();
  /// End the schedules, so that everything comes to rest.
  void stop_schedules();
  /// Delete everything.
  void delete_all();

 private:
  void create(const api::ApiResource& resource, const std::string& json);
  void merge(const api::ApiResource& resource, const ObjectKey& key, const std::string& json);
  void remove(const api::ApiResource& resource, const ObjectKey& key, bool force = false);
  void start_run();
  void cancel_run();
  void delete_run();
  void delete_pod();
  void delete_job();
  void edit_pipeline();
  void forge();
  void approve();
  void draw_graphs();
  std::string draw_graph(int number);
  void give(const crds::PipelineRun& run, const std::string& step, bool yes);
  void create_job();
  void set_clock();
  /// Some run, or null.
  const crds::PipelineRun* some_run();
  bool on_record(const PodFacts& pod) const;
  std::string processors(int count);

  client::Writer& writer_;
  support::ManualClock& clock_;
  Auditor& auditor_;
  Kubelet& kubelet_;
  Random random_;
  Trace& trace_;
  Habits habits_;
  int counter_ = 0;
  int graphs_ = 0;  ///< pipelines g0, g1, ...; the last one is a belt
  bool alone_ = true;
};

}  // namespace millrace::sim
