/// What every reconciler needs besides its caches; everything outlives the reconcilers.
#pragma once

#include "controllers/logic/config.h"
#include "controllers/shell/progress_budget.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/client.h"

namespace millrace::runtime {
class EventRecorder;
}

namespace millrace::shell {

struct Services {
  client::Reader& reader;
  const Clock& clock;
  const Logger& log;
  MetricsRegistry& metrics;
  runtime::EventRecorder& events;
  logic::Config config;
  ProgressBudget& progress;
};

}  // namespace millrace::shell
