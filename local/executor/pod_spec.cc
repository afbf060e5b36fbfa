#include "local/executor/pod_spec.h"

namespace millrace::executor {
namespace {

using codec::Value;
using std::chrono::seconds;

const std::string& text_of(const Value& object, std::string_view key) {
  static const std::string empty;
  const Value* value = object.find(key);
  return value == nullptr ? empty : value->as_string();
}

std::int64_t int_of(const Value& object, std::string_view key, std::int64_t fallback) {
  const Value* value = object.find(key);
  return value == nullptr ? fallback : value->as_int(fallback);
}

/// IntOrString.
std::string port_of(const Value& object) {
  const Value* port = object.find("port");
  if (port == nullptr) return {};
  return port->is_int() ? std::to_string(port->as_int()) : port->as_string();
}

std::optional<Probe> read_probe(const Value& container, std::string_view key) {
  const Value* value = container.find(key);
  if (value == nullptr || !value->is_object()) return std::nullopt;
  Probe probe;
  if (const Value* exec = value->find("exec")) {
    if (const Value* command = exec->find("command")) {
      for (const Value& word : command->items()) probe.command.push_back(word.as_string());
    }
  } else if (const Value* http = value->find("httpGet")) {
    probe.kind = Probe::Kind::Http;
    probe.host = text_of(*http, "host");
    probe.port = port_of(*http);
    probe.path = text_of(*http, "path");
    if (const Value* headers = http->find("httpHeaders")) {
      for (const Value& header : headers->items()) {
        probe.headers.emplace_back(text_of(header, "name"), text_of(header, "value"));
      }
    }
  } else if (const Value* tcp = value->find("tcpSocket")) {
    probe.kind = Probe::Kind::Tcp;
    probe.host = text_of(*tcp, "host");
    probe.port = port_of(*tcp);
  } else {
    return std::nullopt;
  }
  probe.initial_delay = seconds(int_of(*value, "initialDelaySeconds", 0));
  probe.period = seconds(std::max<std::int64_t>(1, int_of(*value, "periodSeconds", 10)));
  probe.timeout = seconds(std::max<std::int64_t>(1, int_of(*value, "timeoutSeconds", 1)));
  probe.success_threshold = static_cast<int>(int_of(*value, "successThreshold", 1));
  probe.failure_threshold = static_cast<int>(int_of(*value, "failureThreshold", 3));
  return probe;
}

ContainerSpec read_container(const Value& value, Role role) {
  ContainerSpec out;
  out.name = text_of(value, "name");
  out.role = role;
  if (role == Role::Init && text_of(value, "restartPolicy") == "Always") out.role = Role::Sidecar;
  out.image = text_of(value, "image");
  if (!text_of(value, "terminationMessagePath").empty()) {
    out.termination_path = text_of(value, "terminationMessagePath");
  }
  out.logs_as_message = text_of(value, "terminationMessagePolicy") == "FallbackToLogsOnError";
  if (out.role != Role::Init) {
    out.readiness = read_probe(value, "readinessProbe");
    out.liveness = read_probe(value, "livenessProbe");
    out.startup = read_probe(value, "startupProbe");
  }
  out.body = value;
  return out;
}

}  // namespace

const std::string& PodObject::phase() const {
  static const std::string empty;
  const Value* value = status.find("phase");
  return value == nullptr ? empty : value->as_string();
}

bool PodObject::has_ended() const { return phase() == "Succeeded" || phase() == "Failed"; }

void trim(PodObject& pod) {
  pod.metadata.annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
  if (!pod.has_ended()) return;
  pod.status = Value::object({{"phase", pod.phase()}});
  pod.spec = {};
  pod.metadata.annotations.clear();
  const api::OwnerReference* owner = pod.metadata.controller_ref();
  if (owner == nullptr || owner->kind != "Deployment") pod.metadata.labels.clear();
}

bool is_safe_name(std::string_view name) {
  return !name.empty() && name.size() <= 253 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos) {
    return false;
  }
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (path.substr(0, end) == "..") return false;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return true;
}

Result<PodSpec> read_pod_spec(const Value& spec) {
  PodSpec out;
  const std::pair<const char*, Role> lists[] = {{"initContainers", Role::Init},
                                                {"containers", Role::Main}};
  for (const auto& [key, role] : lists) {
    const Value* list = spec.find(key);
    if (list == nullptr) continue;
    for (std::size_t i = 0; i < list->items().size(); ++i) {
      out.containers.push_back(read_container(list->items()[i], role));
      if (!is_safe_name(out.containers.back().name)) {
        return fail(Code::Invalid, std::string("spec.") + key + "[" + std::to_string(i) +
                                       "].name: cannot be the name of a folder");
      }
    }
  }
  if (out.containers.empty() || out.containers.back().role != Role::Main) {
    return fail(Code::Invalid, "spec.containers: must have one");
  }
  const std::string& policy = text_of(spec, "restartPolicy");
  if (policy == "Never") out.restart_policy = RestartPolicy::Never;
  if (policy == "OnFailure") out.restart_policy = RestartPolicy::OnFailure;
  if (const Value* deadline = spec.find("activeDeadlineSeconds")) {
    if (deadline->is_int()) out.active_deadline = seconds(deadline->as_int());
  }
  out.grace = seconds(int_of(spec, "terminationGracePeriodSeconds", 30));
  out.service_account = text_of(spec, "serviceAccountName");
  out.hostname = text_of(spec, "hostname");
  if (const Value* volumes = spec.find("volumes")) out.volumes = *volumes;
  return out;
}

}  // namespace millrace::executor
