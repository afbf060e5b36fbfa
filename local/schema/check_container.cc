#include <algorithm>
#include <cctype>

#include "local/schema/checks.h"
#include "local/schema/names.h"
#include "local/schema/quantity.h"

namespace millrace::schema {
namespace {

using codec::Value;

void check_ports(Problems& problems, const Path& path, const Value& ports, const PodNames& names) {
  std::set<std::string> seen;
  std::size_t index = 0;
  for (const Value& port : ports.items()) {
    const Path place = path[index++];
    const Value& name = at(port, "name");
    if (!name.as_string().empty()) {
      const Faults faults = port_name_faults(name.as_string());
      add_faults(problems, place / "name", name, faults);
      if (faults.empty() && !seen.insert(name.as_string()).second) {
        problems.duplicate(place / "name", name);
      }
    }
    const Value& number = at(port, "containerPort");
    if (number.as_int() == 0) {
      problems.required(place / "containerPort");
    } else {
      check_port(problems, place / "containerPort", number);
    }
    const Value& host = at(port, "hostPort");
    if (host.as_int() != 0) check_port(problems, place / "hostPort", host);
    check_choice(problems, place / "protocol", at(port, "protocol"), {"SCTP", "TCP", "UDP"});
    if (names.host_network && host.as_int() != number.as_int()) {
      problems.invalid(place / "hostPort", host,
                       "must match `containerPort` when `hostNetwork` is true");
    }
  }
}

void check_field_path(Problems& problems, const Path& path, const Value& field) {
  static const std::vector<std::string> known = {
      "metadata.name", "metadata.namespace",      "metadata.uid",
      "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
      "status.podIP",  "status.hostIPs",          "status.podIPs"};
  const Value& name = at(field, "fieldPath");
  const std::string& text = name.as_string();
  if (text.empty()) return problems.required(path / "fieldPath");
  const std::string plain = text.substr(0, text.find('['));
  const bool subscript =
      plain.size() < text.size() && (plain == "metadata.labels" || plain == "metadata.annotations");
  if (subscript || std::find(known.begin(), known.end(), text) != known.end()) return;
  problems.invalid(path / "fieldPath", name,
                   "error converting fieldPath: field label not supported: " + text);
}

void check_key_reference(Problems& problems, const Path& path, const Value& reference) {
  const Value& name = at(reference, "name");
  add_faults(problems, path / "name", name.is_null() ? Value("") : name,
             dns_subdomain_faults(name.as_string()));
  const Value& key = at(reference, "key");
  if (key.as_string().empty()) {
    problems.required(path / "key");
  } else {
    add_faults(problems, path / "key", key, config_key_faults(key.as_string()));
  }
}

void check_env_source(Problems& problems, const Path& path, const Value& env) {
  const Value& source = at(env, "valueFrom");
  if (source.is_null()) return;
  for (const auto& [kind, reference] : source.members()) {
    if (kind == "fieldRef") check_field_path(problems, path / kind, reference);
    if (kind == "secretKeyRef" || kind == "configMapKeyRef") {
      check_key_reference(problems, path / kind, reference);
    }
    if (kind == "resourceFieldRef") {
      const Value& resource = at(reference, "resource");
      if (resource.as_string().empty()) {
        problems.required(path / kind / "resource");
      } else if (resource.as_string().find(".hugepages-") == std::string::npos) {
        check_choice(problems, path / kind / "resource", resource,
                     {"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu",
                      "requests.ephemeral-storage", "requests.memory"});
      }
    }
  }
  if (source.members().empty()) {
    problems.invalid(path, "",
                     "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
                     "`secretKeyRef`");
  } else if (!at(env, "value").as_string().empty()) {
    problems.invalid(path, "", "may not be specified when `value` is not empty");
  } else if (source.members().size() > 1) {
    problems.invalid(path, "", "may not have more than one field specified at a time");
  }
}

void check_env(Problems& problems, const Path& path, const Value& container) {
  std::size_t index = 0;
  for (const Value& env : at(container, "env").items()) {
    const Path place = (path / "env")[index++];
    const Value& name = at(env, "name");
    if (name.as_string().empty()) {
      problems.required(place / "name");
    } else {
      add_faults(problems, place / "name", name, env_name_faults(name.as_string()));
    }
    check_env_source(problems, place / "valueFrom", env);
  }
  index = 0;
  const Path all = path / "envFrom";
  for (const Value& from : at(container, "envFrom").items()) {
    const Path place = all[index++];
    const Value& prefix = at(from, "prefix");
    add_faults(problems, place / "prefix", prefix, env_name_faults(prefix.as_string()));
    int sources = 0;
    for (const char* kind : {"configMapRef", "secretRef"}) {
      const Value& source = at(from, kind);
      if (source.is_null()) continue;
      ++sources;
      const Value& name = at(source, "name");
      if (name.as_string().empty()) {
        problems.required(place / kind / "name");
      } else {
        add_faults(problems, place / kind / "name", name, dns_subdomain_faults(name.as_string()));
      }
    }
    if (sources == 0) {
      problems.invalid(all, "", "must specify one of: `configMapRef` or `secretRef`");
    } else if (sources > 1) {
      problems.invalid(all, "", "may not have more than one field specified at a time");
    }
  }
}

void check_mounts(Problems& problems, const Path& path, const Value& mounts,
                  const PodNames& names) {
  std::set<std::string> seen;
  std::size_t index = 0;
  for (const Value& mount : mounts.items()) {
    const Path place = path[index++];
    const Value& name = at(mount, "name");
    if (name.as_string().empty()) problems.required(place / "name");
    if (names.volumes.count(name.as_string()) == 0) problems.not_found(place / "name", name);
    const Value& where = at(mount, "mountPath");
    if (where.as_string().empty()) problems.required(place / "mountPath");
    if (!seen.insert(where.as_string()).second) {
      problems.invalid(place / "mountPath", where, "must be unique");
    }
    // The real server leaves the index out of these paths.
    for (const char* part : {"subPath", "subPathExpr"}) {
      const Value& below = at(mount, part);
      const std::string& text = below.as_string();
      if (text.empty()) continue;
      if (text.front() == '/') problems.invalid(path / part, below, "must be a relative path");
      if (("/" + text + "/").find("/../") != std::string::npos) {
        problems.invalid(path / part, below, "must not contain '..'");
      }
    }
  }
}

bool is_whole(const Quantity& quantity) { return quantity.nano % 1'000'000'000 == 0; }

/// Resources of which a node can promise more than it has.
bool is_standard(const std::string& name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" ||
         name.rfind("hugepages-", 0) == 0;
}

void check_amounts(Problems& problems, const Path& path, const Value& amounts) {
  for (const auto& [name, amount] : amounts.members()) {
    const Path place = path.key(name);
    add_faults(problems, place, name, qualified_name_faults(name));
    if (name.find('/') == std::string::npos && !is_standard(name)) {
      problems.invalid(place, name, "must be a standard resource type or fully qualified");
      problems.invalid(place, name, "must be a standard resource for containers");
    }
    const Result<Quantity> quantity = parse_quantity(amount.as_string());
    if (!quantity.ok()) continue;
    if (quantity->nano < 0) {
      problems.invalid(place, amount, "must be greater than or equal to 0");
    }
    if (name.find('/') != std::string::npos && !is_whole(*quantity)) {
      problems.invalid(place, amount, "must be an integer");
    }
  }
}

void check_resources(Problems& problems, const Path& path, const Value& resources,
                     const PodNames& names) {
  const Value& limits = at(resources, "limits");
  const Value& requests = at(resources, "requests");
  std::size_t index = 0;
  for (const Value& claim : at(resources, "claims").items()) {
    const Path place = (path / "claims")[index++];
    const Value& name = at(claim, "name");
    if (name.as_string().empty()) {
      problems.required(place / "name");
    } else if (names.claims.count(name.as_string()) == 0) {
      const std::string rest =
          names.claims.empty()
              ? ": must be one of the names in pod.spec.resourceClaims which is empty"
              : ": must be one of the names in pod.spec.resourceClaims";
      problems.not_found(place, name, rest);
    }
  }
  check_amounts(problems, path / "limits", limits);
  check_amounts(problems, path / "requests", requests);
  for (const auto& [name, amount] : requests.members()) {
    const Result<Quantity> wanted = parse_quantity(amount.as_string());
    const Value& limit = at(limits, name);
    const Result<Quantity> most = parse_quantity(limit.as_string());
    if (!wanted.ok()) continue;
    if (limit.is_null() || !most.ok()) {
      const bool extended = name.find('/') != std::string::npos;
      if (extended) {
        problems.required(path / "limits", "Limit must be set for non overcommitable resources");
      }
      continue;
    }
    const bool exact = name.find('/') != std::string::npos || name.rfind("hugepages-", 0) == 0;
    if (exact && wanted->nano != most->nano) {
      problems.invalid(path / "requests", amount,
                       "must be equal to " + name + " limit of " + limit.as_string());
    } else if (!exact && wanted->nano > most->nano) {
      problems.invalid(path / "requests", amount,
                       "must be less than or equal to " + name + " limit of " + limit.as_string());
    }
  }
}

void check_http(Problems& problems, const Path& path, const Value& action) {
  if (at(action, "path").as_string().empty()) problems.required(path / "path");
  check_port_or_name(problems, path / "port", at(action, "port"));
  check_choice(problems, path / "scheme", at(action, "scheme"), {"HTTP", "HTTPS"});
  for (const Value& header : at(action, "httpHeaders").items()) {
    const std::string& name = at(header, "name").as_string();
    const bool right = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
    });
    if (!right) {
      problems.invalid(path / "httpHeaders", name,
                       "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                       "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')");
    }
  }
}

/// What a probe or a hook does: exactly one action.
void check_handler(Problems& problems, const Path& path, const Value& handler,
                   const PodNames& names) {
  bool first = true;
  for (const char* kind : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    const Value& action = at(handler, kind);
    if (action.is_null()) continue;
    const Path place = path / kind;
    if (!first) {
      problems.forbidden(place, "may not specify more than 1 handler type");
      continue;
    }
    first = false;
    const std::string_view name = kind;
    if (name == "exec") {
      if (at(action, "command").items().empty()) problems.required(place / "command");
    } else if (name == "httpGet") {
      check_http(problems, place, action);
    } else if (name == "tcpSocket") {
      check_port_or_name(problems, place / "port", at(action, "port"));
    } else if (name == "grpc") {
      check_port(problems, place / "port", at(action, "port"));
    } else {
      const Value& seconds = at(action, "seconds");
      if (seconds.as_int() < 0 || seconds.as_int() > names.grace_seconds) {
        problems.invalid(place, seconds,
                         "must be non-negative and less than terminationGracePeriodSeconds (" +
                             std::to_string(names.grace_seconds) + ")");
      }
    }
  }
  if (first) problems.required(path, "must specify a handler type");
}

void check_probe(Problems& problems, const Path& path, const Value& probe, const PodNames& names,
                 bool readiness) {
  if (probe.is_null()) return;
  check_handler(problems, path, probe, names);
  for (const char* number : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                             "successThreshold", "failureThreshold"}) {
    check_at_least(problems, path / number, at(probe, number), 0);
  }
  const Value& grace = at(probe, "terminationGracePeriodSeconds");
  if (readiness) {
    if (!grace.is_null()) {
      problems.invalid(path / "terminationGracePeriodSeconds", grace,
                       "must not be set for readinessProbes");
    }
    return;
  }
  const Value& success = at(probe, "successThreshold");
  if (!success.is_null() && success.as_int() != 1) {
    problems.invalid(path / "successThreshold", success, "must be 1");
  }
  check_at_least(problems, path / "terminationGracePeriodSeconds", grace, 1);
}

void check_hooks(Problems& problems, const Path& path, const Value& container,
                 const PodNames& names, bool plain_init) {
  if (plain_init) {
    for (const char* part : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"}) {
      if (at(container, part).is_null()) continue;
      problems.forbidden(path / part,
                         "may not be set for init containers without restartPolicy=Always");
    }
    return;
  }
  for (const char* hook : {"postStart", "preStop"}) {
    const Value& handler = at(at(container, "lifecycle"), hook);
    if (!handler.is_null()) check_handler(problems, path / "lifecycle" / hook, handler, names);
  }
  check_probe(problems, path / "livenessProbe", at(container, "livenessProbe"), names, false);
  check_probe(problems, path / "readinessProbe", at(container, "readinessProbe"), names, true);
  check_probe(problems, path / "startupProbe", at(container, "startupProbe"), names, false);
}

void check_user(Problems& problems, const Path& path, const Value& id) {
  if (id.is_null() || (id.as_int() >= 0 && id.as_int() <= 2147483647)) return;
  problems.invalid(path, id, "must be between 0 and 2147483647, inclusive");
}

void check_image(Problems& problems, const Path& path, const Value& image) {
  const std::string& text = image.as_string();
  if (text.empty()) return problems.required(path);
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  if (blank(text.front()) || blank(text.back())) {
    problems.invalid(path, image, "must not have leading or trailing whitespace");
  }
}

}  // namespace

void check_containers(Problems& problems, const Path& path, const Value& containers,
                      const PodNames& names, bool init, std::set<std::string>& seen) {
  std::size_t index = 0;
  for (const Value& container : containers.items()) {
    const Path place = path[index++];
    const Value& name = at(container, "name");
    if (name.as_string().empty()) {
      problems.required(place / "name");
    } else {
      add_faults(problems, place / "name", name, dns_label_faults(name.as_string()));
      if (!seen.insert(name.as_string()).second) problems.duplicate(place / "name", name);
    }
    check_image(problems, place / "image", at(container, "image"));
    check_choice(problems, place / "terminationMessagePolicy",
                 at(container, "terminationMessagePolicy"), {"File", "FallbackToLogsOnError"});
    check_choice(problems, place / "imagePullPolicy", at(container, "imagePullPolicy"),
                 {"Always", "IfNotPresent", "Never"});
    check_ports(problems, place / "ports", at(container, "ports"), names);
    check_env(problems, place, container);
    check_mounts(problems, place / "volumeMounts", at(container, "volumeMounts"), names);
    check_resources(problems, place / "resources", at(container, "resources"), names);
    const bool restarts = at(container, "restartPolicy").as_string() == "Always";
    check_hooks(problems, place, container, names, init && !restarts);
    const Path security = place / "securityContext";
    const Value& context = at(container, "securityContext");
    check_user(problems, security / "runAsUser", at(context, "runAsUser"));
    check_user(problems, security / "runAsGroup", at(context, "runAsGroup"));
  }
}

}  // namespace millrace::schema
