/// The Deployment and the Service of one service of a stream, as they are applied.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controllers/logic/plan.h"
#include "controllers/logic/run.h"

namespace millrace::logic {

/// What a Service is compared by.
struct ServiceBody {
  std::map<std::string, std::string> selector;
  std::vector<api::Service::Port> ports;  ///< named and unique, in the containers' order
  bool operator==(const ServiceBody&) const = default;
};

/// The labels that the pods get and both selectors ask for. The selector of a Deployment cannot be
/// changed, so that of `existing` (or null) is kept: a run that takes over a stream keeps its pods
/// running, and they keep the label pipeline-run of the run that made the Deployment.
std::map<std::string, std::string> pod_labels(const RunInput& input, const Revision& revision,
                                              const StreamService& service,
                                              const api::Deployment* existing);

ServiceBody service_body(const RunInput& input, const Revision& revision,
                         const StreamService& service, const api::Deployment* existing);

/// The Apply of the Deployment, with `replicas` pods.
Action apply_deployment(const RunInput& input, const Revision& revision,
                        const StreamService& service, int replicas,
                        const api::Deployment* existing);

/// The Apply of the headless Service.
Action apply_service(const RunInput& input, const Revision& revision, const StreamService& service,
                     const ServiceBody& body);

}  // namespace millrace::logic
