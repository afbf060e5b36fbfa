#include <algorithm>

#include "local/schema/checks.h"
#include "local/schema/names.h"

namespace millrace::schema {
namespace {

using codec::Value;

void check_id(Problems& problems, const Path& path, const Value& id) {
  if (id.is_null() || (id.as_int() >= 0 && id.as_int() <= 2147483647)) return;
  problems.invalid(path, id, "must be between 0 and 2147483647, inclusive");
}

void check_tolerations(Problems& problems, const Path& path, const Value& tolerations) {
  std::size_t index = 0;
  for (const Value& toleration : tolerations.items()) {
    const Path place = path[index++];
    const Value& key = at(toleration, "key");
    const std::string& op = at(toleration, "operator").as_string();
    const Value& value = at(toleration, "value");
    const Value& effect = at(toleration, "effect");
    if (!key.as_string().empty()) {
      add_faults(problems, place / "key", key, qualified_name_faults(key.as_string()));
    } else if (op != "Exists") {
      problems.invalid(place / "operator", op,
                       "operator must be Exists when `key` is empty, which means \"match all "
                       "values and all keys\"");
    }
    if (!at(toleration, "tolerationSeconds").is_null() && effect.as_string() != "NoExecute") {
      problems.invalid(place / "effect", effect.as_string(),
                       "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (op.empty() || op == "Equal") {
      add_faults(problems, place / "operator", value, label_value_faults(value.as_string()));
    } else if (op != "Exists") {
      problems.unsupported(place / "operator", op, {"Equal", "Exists"});
    } else if (!value.as_string().empty()) {
      problems.invalid(place / "operator", value,
                       "value must be empty when `operator` is 'Exists'");
    }
    if (!effect.as_string().empty()) {
      check_choice(problems, place / "effect", effect,
                   {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    }
  }
}

void check_node_term(Problems& problems, const Path& path, const Value& term) {
  std::size_t index = 0;
  for (const Value& wanted : at(term, "matchExpressions").items()) {
    const Path place = (path / "matchExpressions")[index++];
    const std::string& op = at(wanted, "operator").as_string();
    const std::size_t values = at(wanted, "values").items().size();
    if (op == "In" || op == "NotIn") {
      if (values == 0) {
        problems.required(place / "values", "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (values > 0) {
        problems.forbidden(place / "values",
                           "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else if (op == "Gt" || op == "Lt") {
      if (values != 1) {
        problems.required(place / "values",
                          "must be specified single value when `operator` is 'Lt' or 'Gt'");
      }
    } else {
      problems.invalid(place / "operator", op, "not a valid selector operator");
    }
    const Value& key = at(wanted, "key");
    add_faults(problems, place / "key", key, qualified_name_faults(key.as_string()));
  }
}

void check_pod_term(Problems& problems, const Path& path, const Value& term) {
  check_selector(problems, path / "labelSelector", at(term, "labelSelector"));
  const Value& key = at(term, "topologyKey");
  if (key.as_string().empty()) problems.required(path / "topologyKey", "can not be empty");
  add_faults(problems, path / "topologyKey", key.is_null() ? Value("") : key,
             qualified_name_faults(key.as_string()));
}

void check_weight(Problems& problems, const Path& path, const Value& term) {
  const Value& weight = at(term, "weight");
  if (weight.as_int() >= 1 && weight.as_int() <= 100) return;
  problems.invalid(path / "weight", weight, "must be in the range 1-100");
}

constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view kPreferred = "preferredDuringSchedulingIgnoredDuringExecution";

void check_affinity(Problems& problems, const Path& path, const Value& affinity) {
  const Value& node = at(affinity, "nodeAffinity");
  const Path node_path = path / "nodeAffinity";
  if (const Value& wanted = at(node, kRequired); !wanted.is_null()) {
    const Path terms = node_path / kRequired / "nodeSelectorTerms";
    std::size_t index = 0;
    for (const Value& term : at(wanted, "nodeSelectorTerms").items()) {
      check_node_term(problems, terms[index++], term);
    }
    if (index == 0) problems.required(terms, "must have at least one node selector term");
  }
  std::size_t index = 0;
  for (const Value& term : at(node, kPreferred).items()) {
    const Path place = (node_path / kPreferred)[index++];
    check_weight(problems, place, term);
    check_node_term(problems, place / "preference", at(term, "preference"));
  }
  for (const char* kind : {"podAffinity", "podAntiAffinity"}) {
    const Value& pods = at(affinity, kind);
    index = 0;
    for (const Value& term : at(pods, kRequired).items()) {
      check_pod_term(problems, (path / kind / kRequired)[index++], term);
    }
    index = 0;
    for (const Value& term : at(pods, kPreferred).items()) {
      const Path place = (path / kind / kPreferred)[index++];
      check_weight(problems, place, term);
      check_pod_term(problems, place / "podAffinityTerm", at(term, "podAffinityTerm"));
    }
  }
}

void check_spread(Problems& problems, const Path& path, const Value& constraints) {
  std::size_t index = 0;
  for (const Value& constraint : constraints.items()) {
    const Path place = path[index++];
    const Value& skew = at(constraint, "maxSkew");
    if (skew.as_int() <= 0) problems.invalid(place / "maxSkew", skew, "must be greater than zero");
    if (at(constraint, "topologyKey").as_string().empty()) {
      problems.required(place / "topologyKey", "can not be empty");
    }
    check_choice(problems, place / "whenUnsatisfiable", at(constraint, "whenUnsatisfiable"),
                 {"DoNotSchedule", "ScheduleAnyway"});
    check_selector(problems, place / "labelSelector", at(constraint, "labelSelector"));
  }
}

void check_host_aliases(Problems& problems, const Path& path, const Value& aliases) {
  std::size_t index = 0;
  for (const Value& alias : aliases.items()) {
    const Path place = path[index++];
    const Value& address = at(alias, "ip");
    if (!is_address(address.as_string())) {
      problems.invalid(place / "ip", address,
                       "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
    std::size_t name = 0;
    for (const Value& host : at(alias, "hostnames").items()) {
      add_faults(problems, (place / "hostnames")[name++], host,
                 dns_subdomain_faults(host.as_string()));
    }
  }
}

void check_names(Problems& problems, const Path& path, const Value& spec) {
  for (const char* part :
       {"serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"}) {
    const Value& name = at(spec, part);
    if (!name.as_string().empty()) {
      add_faults(problems, path / part, name, dns_subdomain_faults(name.as_string()));
    }
  }
  for (const char* part : {"hostname", "subdomain"}) {
    const Value& name = at(spec, part);
    if (!name.as_string().empty()) {
      add_faults(problems, path / part, name, dns_label_faults(name.as_string()));
    }
  }
  std::size_t index = 0;
  for (const Value& gate : at(spec, "readinessGates").items()) {
    const Value& type = at(gate, "conditionType");
    add_faults(problems, (path / "readinessGates")[index++] / "conditionType", type,
               qualified_name_faults(type.as_string()));
  }
}

void check_policies(Problems& problems, const Path& path, const Value& spec) {
  check_choice(problems, path / "restartPolicy", at(spec, "restartPolicy"),
               {"Always", "OnFailure", "Never"});
  check_choice(problems, path / "dnsPolicy", at(spec, "dnsPolicy"),
               {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"});
  check_labels(problems, path / "nodeSelector", at(spec, "nodeSelector"));
  if (at(spec, "dnsPolicy").as_string() == "None" &&
      at(at(spec, "dnsConfig"), "nameservers").items().empty()) {
    if (at(spec, "dnsConfig").is_null()) {
      problems.required(path / "dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None");
    } else {
      problems.required(path / "dnsConfig" / "nameservers",
                        "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
  }
  const Value& deadline = at(spec, "activeDeadlineSeconds");
  if (!deadline.is_null() && (deadline.as_int() < 1 || deadline.as_int() > 2147483647)) {
    problems.invalid(path / "activeDeadlineSeconds", deadline,
                     "must be between 1 and 2147483647, inclusive");
  }
  const Value& os = at(at(spec, "os"), "name");
  check_choice(problems, path / "os", os, {"linux", "windows"});
  const Value& context = at(spec, "securityContext");
  for (const char* part : {"fsGroup", "runAsUser", "runAsGroup"}) {
    check_id(problems, path / "securityContext" / part, at(context, part));
  }
  const Value& shared = at(spec, "shareProcessNamespace");
  if (shared.as_bool() && at(spec, "hostPID").as_bool()) {
    problems.invalid(path / "securityContext" / "shareProcessNamespace", shared,
                     "ShareProcessNamespace and HostPID cannot both be enabled");
  }
}

}  // namespace

void check_pod_spec(Problems& problems, const Path& path, const Value& spec) {
  PodNames names;
  names.host_network = at(spec, "hostNetwork").as_bool();
  names.grace_seconds = at(spec, "terminationGracePeriodSeconds").as_int(30);
  for (const Value& claim : at(spec, "resourceClaims").items()) {
    names.claims.insert(at(claim, "name").as_string());
  }
  check_volumes(problems, path / "volumes", at(spec, "volumes"), names);
  std::set<std::string> seen;
  if (at(spec, "containers").items().empty()) problems.required(path / "containers");
  check_containers(problems, path / "containers", at(spec, "containers"), names, false, seen);
  check_containers(problems, path / "initContainers", at(spec, "initContainers"), names, true,
                   seen);
  check_policies(problems, path, spec);
  check_names(problems, path, spec);
  check_tolerations(problems, path / "tolerations", at(spec, "tolerations"));
  check_affinity(problems, path / "affinity", at(spec, "affinity"));
  check_spread(problems, path / "topologySpreadConstraints", at(spec, "topologySpreadConstraints"));
  check_host_aliases(problems, path / "hostAliases", at(spec, "hostAliases"));
}

}  // namespace millrace::schema
