/// What a test of one reconciler stands on: a fake API, empty caches, and all that is borrowed.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "controllers/shell/act.h"
#include "controllers/shell/caches.h"
#include "controllers/shell/services.h"
#include "controllers/shell/trim.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/runtime/event_recorder.h"
#include "tests/support/fake_api.h"

namespace millrace::shell {

/// `object` in the shape the caches have it.
template <class T>
runtime::Ref<T> as_cached(const codec::Value& object) {
  auto decoded = codec::decode<T>(object.dump());
  MR_CHECK(decoded.ok());
  trim(*decoded);
  return std::make_shared<const T>(*std::move(decoded));
}

class Nowhere final : public LogSink {
 public:
  void write(const std::string&) override {}
};

/// Its caches hold what a test puts there; answers to our own writes come to `wrote`.
class ShellBed : public WriteObserver {
 public:
  support::ManualClock clock;
  support::SteppingPause pause{clock};
  support::FakeApi api{clock};
  MetricsRegistry metrics;
  Nowhere sink;
  Logger log{sink};
  runtime::Env env{clock, pause, metrics, log};
  runtime::EventRecorder events{api, {}, env};
  runtime::Store<crds::Pipeline> pipelines;
  runtime::Store<crds::PipelineRun> runs;
  runtime::Store<api::Job> jobs;
  runtime::Store<api::Pod> pods;
  runtime::Store<api::Deployment> deployments;
  runtime::Store<api::Service> services_store;
  runtime::Store<api::ControllerRevision> revisions;
  Caches caches{pipelines, runs, jobs, pods, deployments, services_store, revisions};
  ProgressBudget progress{clock};
  Services services;
  Actor actor{api, api, *this};

 protected:
  explicit ShellBed(logic::Config config = {})
      : services{api, clock, log, metrics, events, std::move(config), progress} {}
};

}  // namespace millrace::shell
