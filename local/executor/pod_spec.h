/// Pods and what of their spec decides how they are run. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kubeclient/api/meta.h"
#include "kubeclient/codec/value.h"

namespace millrace::executor {

/// ObjectMeta with the one field more that a kubelet needs.
struct PodMeta : api::ObjectMeta {
  std::optional<std::int64_t> deletion_grace_seconds;

  bool operator==(const PodMeta&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    api::ObjectMeta::describe(v, self);
    v.field("deletionGracePeriodSeconds", self.deletion_grace_seconds);
  }
};

/// core/v1 Pod as the executor caches it: whole, until it has ended.
struct PodObject {
  static constexpr api::ApiResource kResource{"", "v1", "pods", "Pod", true};
  PodMeta metadata;
  codec::Value spec;
  codec::Value status;

  bool operator==(const PodObject&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
    v.field("status", self.status);
  }
  /// status.phase, or empty.
  const std::string& phase() const;
  bool has_ended() const;
};

/// Leave of an ended pod what tells that it ended.
void trim(PodObject& pod);

enum class RestartPolicy { Always, OnFailure, Never };
enum class Role {
  Init,     ///< runs to its end before the next begins
  Sidecar,  ///< an init container with restartPolicy Always: keeps running
  Main
};

/// core/v1 Probe.
struct Probe {
  enum class Kind { Exec, Http, Tcp } kind = Kind::Exec;
  std::vector<std::string> command;
  std::string host;  ///< empty: this machine
  std::string port;  ///< a number, or the name of one of the container's ports
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::seconds initial_delay{0};
  std::chrono::seconds period{10};
  std::chrono::seconds timeout{1};
  int success_threshold = 1;
  int failure_threshold = 3;
};

struct ContainerSpec {
  std::string name;
  Role role = Role::Main;
  std::string image;
  std::string termination_path = "/dev/termination-log";
  bool logs_as_message = false;  ///< terminationMessagePolicy FallbackToLogsOnError
  std::optional<Probe> readiness;
  std::optional<Probe> liveness;
  std::optional<Probe> startup;
  codec::Value body;  ///< the container as it was written
};

struct PodSpec {
  std::vector<ContainerSpec> containers;  ///< init containers first, in order
  RestartPolicy restart_policy = RestartPolicy::Always;
  std::optional<std::chrono::seconds> active_deadline;
  std::chrono::seconds grace{30};
  std::string service_account;
  std::string hostname;  ///< empty: the pod's name
  codec::Value volumes;
};

/// Read what matters. Errors: Invalid, with the field's path: no containers, names that cannot be
/// folder names.
Result<PodSpec> read_pod_spec(const codec::Value& spec);

/// True for a name that is one part of a path and stays where it is put: not empty, no '/', not
/// "." or "..", no zero byte, at most 253 bytes.
bool is_safe_name(std::string_view name);
/// True for a relative path without ".." parts, e.g. a subPath or the path of an item.
bool is_safe_path(std::string_view path);

}  // namespace millrace::executor
