#include <algorithm>

#include "kubeclient/codec/value.h"
#include "local/schema/checks.h"
#include "local/schema/names.h"
#include "local/schema/scalars.h"

namespace millrace::schema {
namespace {

using codec::Value;

/// All the data of a ConfigMap or Secret.
constexpr std::size_t kMostData = 1024 * 1024;

const char* const kAddress = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

void check_service_ports(Problems& problems, const Path& path, const Value& spec) {
  std::set<std::string> names;
  std::set<std::string> addresses;
  const auto& ports = at(spec, "ports").items();
  const bool inside = at(spec, "type").as_string() == "ClusterIP";
  std::size_t index = 0;
  for (const Value& port : ports) {
    const Path place = path[index++];
    const Value& name = at(port, "name");
    if (name.as_string().empty()) {
      if (ports.size() > 1) problems.required(place / "name");
    } else {
      add_faults(problems, place / "name", name, dns_label_faults(name.as_string()));
      if (!names.insert(name.as_string()).second) problems.duplicate(place / "name", name);
    }
    const Value& number = at(port, "port");
    const Value& protocol = at(port, "protocol");
    check_port(problems, place / "port", number);
    check_choice(problems, place / "protocol", protocol, {"SCTP", "TCP", "UDP"});
    const Value& target = at(port, "targetPort");
    check_port_or_name(problems, place / "targetPort", target.is_null() ? Value(0) : target);
    if (inside && at(port, "nodePort").as_int() != 0) {
      problems.forbidden(place / "nodePort", "may not be used when `type` is 'ClusterIP'");
    }
    if (!addresses.insert(protocol.as_string() + "/" + number.dump()).second) {
      problems.duplicate(place, Value::object({{"Name", ""},
                                               {"Protocol", protocol},
                                               {"AppProtocol", Value()},
                                               {"Port", number},
                                               {"TargetPort", 0},
                                               {"NodePort", 0}}));
    }
  }
}

void check_key(Problems& problems, const Path& path, const std::string& key) {
  add_faults(problems, path.key(key), key, config_key_faults(key));
}

void require_key(Problems& problems, const Value& secret, const char* key) {
  if (at(at(secret, "data"), key).is_null()) problems.required(Path("data").key(key));
}

void check_text(Problems& problems, const Path& path, const Value& text, std::size_t limit) {
  if (text.as_string().size() <= limit) return;
  problems.invalid(path, "", "can have at most " + std::to_string(limit) + " characters");
}

}  // namespace

void check_service(Problems& problems, const Value& service) {
  const Path path("spec");
  const Value& spec = at(service, "spec");
  const std::string& type = at(spec, "type").as_string();
  const bool headless = at(spec, "clusterIP").as_string() == "None";
  if (at(spec, "ports").items().empty() && !headless && type != "ExternalName") {
    problems.required(path / "ports");
  }
  check_service_ports(problems, path / "ports", spec);
  check_labels(problems, path / "selector", at(spec, "selector"));
  check_choice(problems, path / "type", at(spec, "type"),
               {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
  check_choice(problems, path / "sessionAffinity", at(spec, "sessionAffinity"),
               {"ClientIP", "None"});
  check_choice(problems, path / "internalTrafficPolicy", at(spec, "internalTrafficPolicy"),
               {"Cluster", "Local"});
  constexpr std::int64_t kDay = 86400;
  const Value& seconds = at(at(at(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds");
  if (!seconds.is_null() && (seconds.as_int() <= 0 || seconds.as_int() > kDay)) {
    problems.invalid(path / "sessionAffinityConfig" / "clientIP" / "timeoutSeconds", seconds,
                     "must be greater than 0 and less than 86400");
  }
  const Value& outside = at(spec, "externalName");
  if (type == "ExternalName") {
    if (outside.as_string().empty()) {
      problems.required(path / "externalName");
    } else {
      add_faults(problems, path / "externalName", outside,
                 dns_subdomain_faults(outside.as_string()));
    }
  }
  std::size_t index = 0;
  for (const Value& address : at(spec, "externalIPs").items()) {
    const Path place = (path / "externalIPs")[index++];
    if (!is_address(address.as_string())) problems.invalid(place, address, kAddress);
  }
  const Value& own = at(spec, "clusterIP");
  if (!own.as_string().empty() && !headless && !is_address(own.as_string())) {
    problems.invalid((path / "clusterIPs")[0], own, kAddress);
  }
}

void check_config_map(Problems& problems, const Value& map) {
  std::size_t size = 0;
  const Value& bytes = at(map, "binaryData");
  for (const auto& [key, value] : at(map, "data").members()) {
    check_key(problems, Path("data"), key);
    if (!at(bytes, key).is_null()) {
      problems.invalid(Path("data").key(key), key, "duplicate of key present in binaryData");
    }
    size += value.as_string().size();
  }
  for (const auto& [key, value] : bytes.members()) {
    check_key(problems, Path("binaryData"), key);
    size += base64_size(value.as_string());
  }
  if (size > kMostData) problems.too_long(Path("[]"), kMostData);
}

void check_secret(Problems& problems, const Value& secret) {
  std::size_t size = 0;
  for (const auto& [key, value] : at(secret, "data").members()) {
    check_key(problems, Path("data"), key);
    size += base64_size(value.as_string());
  }
  if (size > kMostData) problems.too_long(Path("data"), kMostData);
  const std::string& type = at(secret, "type").as_string();
  if (type == "kubernetes.io/tls") {
    require_key(problems, secret, "tls.crt");
    require_key(problems, secret, "tls.key");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    require_key(problems, secret, ".dockerconfigjson");
  } else if (type == "kubernetes.io/dockercfg") {
    require_key(problems, secret, ".dockercfg");
  } else if (type == "kubernetes.io/ssh-auth") {
    require_key(problems, secret, "ssh-privatekey");
  } else if (type == "kubernetes.io/basic-auth") {
    const Value& data = at(secret, "data");
    if (at(data, "username").is_null() && at(data, "password").is_null()) {
      require_key(problems, secret, "username");
      require_key(problems, secret, "password");
    }
  } else if (type == "kubernetes.io/service-account-token") {
    const Value& annotations = at(at(secret, "metadata"), "annotations");
    const char* const account = "kubernetes.io/service-account.name";
    if (at(annotations, account).as_string().empty()) {
      problems.required(Path("metadata.annotations").key(account));
    }
  }
}

void check_lease(Problems& problems, const Value& lease) {
  const Value& spec = at(lease, "spec");
  check_at_least(problems, Path("spec.leaseDurationSeconds"), at(spec, "leaseDurationSeconds"), 1);
  check_at_least(problems, Path("spec.leaseTransitions"), at(spec, "leaseTransitions"), 0);
}

void check_node(Problems& problems, const Value& node) {
  std::size_t index = 0;
  for (const Value& taint : at(at(node, "spec"), "taints").items()) {
    const Path place = Path("metadata.taints")[index++];
    const Value& key = at(taint, "key");
    add_faults(problems, place / "key", key, qualified_name_faults(key.as_string()));
    check_choice(problems, place / "effect", at(taint, "effect"),
                 {"NoSchedule", "PreferNoSchedule", "NoExecute"});
  }
}

void check_event(Problems& problems, const Value& event, bool group) {
  const Value& ns = at(at(event, "metadata"), "namespace");
  const Value& about = at(at(event, "involvedObject"), "namespace");
  const bool with_time = !at(event, "eventTime").is_null();
  if (!group && !with_time) {  // the old way: hardly anything is asked
    if (!about.as_string().empty() && !(about == ns)) {
      problems.invalid(Path("involvedObject.namespace"), about, "does not match event.namespace");
    }
    return;
  }
  if (!with_time) problems.required(Path("eventTime"));
  const Path controller(group ? "reportingController" : "reportingComponent");
  const Value& name = at(event, "reportingComponent");
  if (name.as_string().empty()) problems.required(controller);
  add_faults(problems, controller, name.as_string(), qualified_name_faults(name.as_string()));
  for (const char* part : {"reportingInstance", "action", "reason"}) {
    constexpr std::size_t kLongest = 128;
    if (at(event, part).as_string().empty()) problems.required(Path(part));
    check_text(problems, Path(part), at(event, part), kLongest);
  }
  constexpr std::size_t kLongestMessage = 1024;
  check_text(problems, Path("message"), at(event, "message"), kLongestMessage);
  if (!group) return;
  const Value& type = at(event, "type");
  if (type.as_string() != "Normal" && type.as_string() != "Warning") {
    problems.invalid(Path("type"), "", "has invalid value: " + type.as_string());
  }
  if (const Value& series = at(event, "series"); !series.is_null()) {
    if (at(series, "count").as_int() < 2) {
      problems.invalid(Path("series.count"), "", "should be at least 2");
    }
    if (at(series, "lastObservedTime").is_null()) {
      problems.required(Path("series.lastObservedTime"));
    }
  }
  if (at(event, "count").as_int() != 0) {
    problems.invalid(Path("count"), "", "needs to be unset");
  }
  for (const char* part : {"firstTimestamp", "lastTimestamp"}) {
    if (!at(event, part).is_null()) problems.invalid(Path(part), "", "needs to be unset");
  }
  if (!at(event, "source").members().empty()) {
    problems.invalid(Path("source"), "", "needs to be unset");
  }
}

}  // namespace millrace::schema
