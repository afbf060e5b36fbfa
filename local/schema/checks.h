/// Validation of the built-in kinds, in the API server's words. All functions take objects that
/// were fitted and given their defaults. Source: Kubernetes, pkg/apis/*/validation, measured
/// against a real server.
#pragma once

#include <set>
#include <string>

#include "kubeclient/codec/value.h"
#include "local/schema/problems.h"

namespace millrace::schema {

/// What the parts of a pod may refer to.
struct PodNames {
  std::set<std::string> volumes;
  std::set<std::string> claims;
  bool host_network = false;
  std::int64_t grace_seconds = 30;
};

void check_pod_spec(Problems& problems, const Path& path, const codec::Value& spec);
void check_volumes(Problems& problems, const Path& path, const codec::Value& volumes,
                   PodNames& names);
/// The items of `containers`; `seen` holds the names used so far in the pod.
void check_containers(Problems& problems, const Path& path, const codec::Value& containers,
                      const PodNames& names, bool init, std::set<std::string>& seen);

void check_job(Problems& problems, const codec::Value& job);
void check_deployment(Problems& problems, const codec::Value& deployment);
void check_controller_revision(Problems& problems, const codec::Value& revision);
void check_service(Problems& problems, const codec::Value& service);
void check_config_map(Problems& problems, const codec::Value& map);
void check_secret(Problems& problems, const codec::Value& secret);
void check_lease(Problems& problems, const codec::Value& lease);
void check_node(Problems& problems, const codec::Value& node);
/// An Event in its stored (core/v1) shape; `group` tells that it came as an events.k8s.io one, of
/// which more is asked.
void check_event(Problems& problems, const codec::Value& event, bool group);

}  // namespace millrace::schema
