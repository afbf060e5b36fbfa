#include "controllers/logic/stream_body.h"

#include <algorithm>
#include <set>
#include <utility>

#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"

namespace millrace::logic {
namespace {

using api::Service;
using codec::Value;

/// `wanted`, or with "-2", "-3", ... if that name is taken; a port's name has at most 63 bytes in a
/// Service.
std::string unique_name(const std::string& wanted, std::set<std::string>& taken) {
  std::string name = wanted;
  for (int i = 2; !taken.insert(name).second; ++i) name = wanted + "-" + std::to_string(i);
  return name;
}

/// One port for each (number, protocol) that a container declares.
std::vector<Service::Port> service_ports(const Value& pod_spec) {
  std::vector<Service::Port> ports;
  std::set<std::pair<int, std::string>> seen;
  std::set<std::string> names;
  const Value* containers = pod_spec.find("containers");
  if (containers == nullptr) return ports;
  for (const Value& container : containers->items()) {
    const Value* declared = container.find("ports");
    if (declared == nullptr) continue;
    for (const Value& item : declared->items()) {
      const Value* number = item.find("containerPort");
      const Value* protocol = item.find("protocol");
      const Value* name = item.find("name");
      if (number == nullptr) continue;
      Service::Port port;
      port.port = static_cast<int>(number->as_int());
      port.protocol =
          protocol == nullptr || protocol->as_string().empty() ? "TCP" : protocol->as_string();
      if (!seen.emplace(port.port, port.protocol).second) continue;
      std::string fallback = "port-" + std::to_string(port.port);
      port.name = unique_name(
          name == nullptr || name->as_string().empty() ? fallback : name->as_string(), names);
      ports.push_back(std::move(port));
    }
  }
  return ports;
}

/// Metadata that both children share; labels differ in nothing.
Action apply_head(const RunInput& input, const Revision& revision, const StreamService& service,
                  const api::ApiResource& kind, ObjectKey key) {
  const crds::PipelineRun& run = *input.run;
  std::map<std::string, std::string> labels =
      workload_labels(revision.frozen.labels, run.spec.ref_pipeline, run.metadata.name,
                      deployment_name(run.spec.ref_pipeline, service.name));
  labels[kRunLabel] = label_value(run.metadata.name);
  labels[kRunUidLabel] = run.metadata.uid;
  labels[kStepLabel] = label_value(service.name);
  std::map<std::string, std::string> annotations = revision.frozen.annotations;
  annotations[kRevisionAnnotation] = revision.name;
  Action action;
  action.verb = Action::Verb::Apply;
  action.resource = kind;
  action.key = std::move(key);
  action.body = object_head(kind, action.key);
  Value& metadata = action.body["metadata"];
  metadata["labels"] = to_value(labels);
  metadata["annotations"] = to_value(annotations);
  metadata["ownerReferences"] =
      Value::array({controller_reference(crds::PipelineRun::kResource, run.metadata)});
  return action;
}

}  // namespace

std::map<std::string, std::string> pod_labels(const RunInput& input, const Revision& revision,
                                              const StreamService& service,
                                              const api::Deployment* existing) {
  const crds::PipelineRun& run = *input.run;
  std::map<std::string, std::string> labels =
      workload_labels(revision.frozen.labels, run.spec.ref_pipeline, run.metadata.name,
                      deployment_name(run.spec.ref_pipeline, service.name));
  if (existing == nullptr) return labels;
  const auto& selector = existing->spec.selector.match_labels;
  return selector.empty() ? labels : selector;
}

ServiceBody service_body(const RunInput& input, const Revision& revision,
                         const StreamService& service, const api::Deployment* existing) {
  return {pod_labels(input, revision, service, existing), service_ports(service.pod_spec)};
}

Action apply_deployment(const RunInput& input, const Revision& revision,
                        const StreamService& service, int replicas,
                        const api::Deployment* existing) {
  const std::string name = deployment_name(input.run->spec.ref_pipeline, service.name);
  Action action = apply_head(input, revision, service, api::Deployment::kResource,
                             {input.run->metadata.ns, name});
  const Value labels = to_value(pod_labels(input, revision, service, existing));
  Value pod_metadata = Value::object({{"labels", labels}});
  if (!revision.frozen.annotations.empty()) {
    pod_metadata["annotations"] = to_value(revision.frozen.annotations);
  }
  action.body["spec"] = Value::object(
      {{"replicas", replicas},
       {"selector", Value::object({{"matchLabels", labels}})},
       {"template",
        Value::object({{"metadata", std::move(pod_metadata)}, {"spec", service.pod_spec}})}});
  return action;
}

Action apply_service(const RunInput& input, const Revision& revision, const StreamService& service,
                     const ServiceBody& body) {
  Action action = apply_head(input, revision, service, api::Service::kResource,
                             {input.run->metadata.ns, service.name});
  Value spec = Value::object(
      {{"type", "ClusterIP"}, {"clusterIP", "None"}, {"selector", to_value(body.selector)}});
  if (!body.ports.empty()) {
    Value ports = Value::array();
    for (const Service::Port& port : body.ports) {
      ports.push_back(
          Value::object({{"name", port.name}, {"port", port.port}, {"protocol", port.protocol}}));
    }
    spec["ports"] = std::move(ports);
  }
  action.body["spec"] = std::move(spec);
  return action;
}

}  // namespace millrace::logic
