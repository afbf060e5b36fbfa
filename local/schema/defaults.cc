#include <algorithm>
#include <string>
#include <string_view>

#include "local/schema/fit.h"
#include "local/schema/scalars.h"

namespace millrace::schema {
namespace {

using codec::Value;

bool is_zero(const Value& value, const Type& type) {
  if (value.is_null()) return true;
  if (type.shape == Shape::Any) return false;
  if (value.is_bool()) return !value.as_bool();
  if (value.is_number()) return value.as_double() == 0;
  return value.is_string() ? value.as_string().empty() : value.empty();
}

bool is_text(const Value* value, std::string_view text) {
  return value != nullptr && value->as_string() == text;
}

bool is_missing(const Value* value) { return value == nullptr || value->is_null(); }

/// Lower case, but for the registry in front.
bool is_image_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos && name.substr(0, slash).find_first_of(".:") < slash) {
    name.remove_prefix(slash + 1);
  }
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '/';
  });
}

/// The tag of an image name; "latest" when there is neither tag nor digest. None of what is no
/// name.
std::string_view tag_of(std::string_view image) {
  const bool digest = image.find('@') != std::string_view::npos;
  image = image.substr(0, image.find('@'));
  const std::size_t slash = image.rfind('/');
  const std::size_t colon = image.rfind(':');
  const bool tagged =
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  if (!is_image_name(tagged ? image.substr(0, colon) : image)) return "";
  return tagged ? image.substr(colon + 1) : digest ? "" : "latest";
}

std::string_view pull_policy(const Value* image) {
  return image != nullptr && tag_of(image->as_string()) == "latest" ? "Always" : "IfNotPresent";
}

// What the API server fills in beyond constant values. Source of all of these: Kubernetes,
// pkg/apis/{core,batch,apps}/v1/defaults.go and conversion.go, and its admission plugins
// ServiceAccount and Priority.

void set_if_missing(Value& object, std::string_view name, Value value) {
  if (is_missing(object.find(name))) object[name] = std::move(value);
}

void container(Value& object) {
  set_if_missing(object, "imagePullPolicy", pull_policy(object.find("image")));
}

void volume(Value& object) {
  if (Value* image = object.find("image"); image != nullptr && image->is_object()) {
    set_if_missing(*image, "pullPolicy", pull_policy(image->find("reference")));
  }
  const auto& members = object.members();
  const bool has_source =
      std::any_of(members.begin(), members.end(), [](const Value::Member& member) {
        return member.first != "name" && !member.second.is_null();
      });
  if (!has_source) object["emptyDir"] = Value::object();
}

/// Both names of the account say the same.
void pod_spec(Value& object) {
  const Value* name = object.find("serviceAccountName");
  const Value* old_name = object.find("serviceAccount");
  if (!is_missing(name)) {
    object["serviceAccount"] = Value(*name);
  } else if (!is_missing(old_name)) {
    object["serviceAccountName"] = Value(*old_name);
  }
}

void requests_from_limits(Value& containers) {
  for (Value& item : containers.items()) {
    Value* resources = item.find("resources");
    const Value* limits = resources == nullptr ? nullptr : resources->find("limits");
    if (is_missing(limits)) continue;
    const Value wanted = *limits;
    for (const auto& [name, amount] : wanted.members()) {
      set_if_missing((*resources)["requests"], name, amount);
    }
  }
}

void host_ports(Value& containers) {
  for (Value& item : containers.items()) {
    Value* ports = item.find("ports");
    if (is_missing(ports)) continue;
    for (Value& port : ports->items()) {
      const Value* number = port.find("containerPort");
      if (number != nullptr) set_if_missing(port, "hostPort", Value(*number));
    }
  }
}

void pod(Value& object) {
  Value* spec = object.find("spec");
  if (is_missing(spec)) return;
  const Value* grace = spec->find("terminationGracePeriodSeconds");
  if (grace != nullptr && grace->as_int() < 0) (*spec)["terminationGracePeriodSeconds"] = 1;
  const Value* host = spec->find("hostNetwork");
  for (const char* list : {"containers", "initContainers"}) {
    Value* containers = spec->find(list);
    if (is_missing(containers)) continue;
    requests_from_limits(*containers);
    if (host != nullptr && host->as_bool()) host_ports(*containers);
  }
  set_if_missing(*spec, "enableServiceLinks", true);
  pod_spec(*spec);
}

void service_port(Value& object) {
  const Value* target = object.find("targetPort");
  const Value* port = object.find("port");
  const bool unset = is_missing(target) || *target == Value(0) || *target == Value("");
  if (unset && port != nullptr) object["targetPort"] = Value(*port);
}

void service_spec(Value& object) {
  constexpr int kAffinitySeconds = 10800;
  if (is_text(object.find("sessionAffinity"), "None")) object.erase("sessionAffinityConfig");
  if (is_text(object.find("sessionAffinity"), "ClientIP")) {
    const Value* seconds = object.at_path({"sessionAffinityConfig", "clientIP", "timeoutSeconds"});
    if (is_missing(seconds)) {
      object["sessionAffinityConfig"] = Value::object(
          {{"clientIP", Value::object({{"timeoutSeconds", Value(kAffinitySeconds)}})}});
    }
  }
  const Value* type = object.find("type");
  const bool balanced = is_text(type, "LoadBalancer");
  const bool outside = balanced || is_text(type, "NodePort") || object.find("externalIPs");
  if (outside) set_if_missing(object, "externalTrafficPolicy", "Cluster");
  if (!is_text(object.find("type"), "ExternalName")) {
    set_if_missing(object, "internalTrafficPolicy", "Cluster");
  }
  if (balanced) set_if_missing(object, "allocateLoadBalancerNodePorts", true);
}

/// Plain text moves to where it is kept.
void secret(Value& object) {
  const Value* plain = object.find("stringData");
  if (plain == nullptr) return;
  const Value text = *plain;
  object.erase("stringData");
  for (const auto& [key, value] : text.members()) {
    object["data"][key] = Value(encode_base64(value.as_string()));
  }
}

void name_space(Value& object) {
  const Value* name = object.at_path({"metadata", "name"});
  if (is_missing(name) || name->as_string().empty()) return;
  const Value copy = *name;
  object["metadata"]["labels"]["kubernetes.io/metadata.name"] = copy;
}

void node_status(Value& object) {
  const Value* capacity = object.find("capacity");
  if (!is_missing(capacity)) set_if_missing(object, "allocatable", Value(*capacity));
}

void job_spec(Value& object) {
  constexpr int kNoLimit = 2147483647;
  if (is_missing(object.find("completions")) && is_missing(object.find("parallelism"))) {
    object["completions"] = 1;
  }
  set_if_missing(object, "parallelism", 1);
  const bool per_index = !is_missing(object.find("backoffLimitPerIndex"));
  set_if_missing(object, "backoffLimit", per_index ? kNoLimit : 6);
  const bool policy = !is_missing(object.find("podFailurePolicy"));
  set_if_missing(object, "podReplacementPolicy", policy ? "Failed" : "TerminatingOrFailed");
}

/// A Job without labels has those of its pods.
void job(Value& object) {
  const Value* labels = object.at_path({"spec", "template", "metadata", "labels"});
  if (is_missing(labels)) return;
  const Value copy = *labels;
  Value& own = object["metadata"]["labels"];
  if (own.empty()) own = copy;
}

void deployment_strategy(Value& object) {
  if (!is_text(object.find("type"), "RollingUpdate")) return;
  Value& rolling = object["rollingUpdate"];
  set_if_missing(rolling, "maxUnavailable", "25%");
  set_if_missing(rolling, "maxSurge", "25%");
}

using Hook = void (*)(Value&);

/// By the type's name, sorted.
constexpr std::pair<std::string_view, Hook> kHooks[] = {
    {"io.k8s.api.apps.v1.DeploymentStrategy", &deployment_strategy},
    {"io.k8s.api.batch.v1.Job", &job},
    {"io.k8s.api.batch.v1.JobSpec", &job_spec},
    {"io.k8s.api.core.v1.Container", &container},
    {"io.k8s.api.core.v1.EphemeralContainer", &container},
    {"io.k8s.api.core.v1.Namespace", &name_space},
    {"io.k8s.api.core.v1.NodeStatus", &node_status},
    {"io.k8s.api.core.v1.Pod", &pod},
    {"io.k8s.api.core.v1.PodSpec", &pod_spec},
    {"io.k8s.api.core.v1.Secret", &secret},
    {"io.k8s.api.core.v1.ServicePort", &service_port},
    {"io.k8s.api.core.v1.ServiceSpec", &service_spec},
    {"io.k8s.api.core.v1.Volume", &volume},
};

Hook hook_of(const Type& type) {
  const auto* found = std::lower_bound(
      std::begin(kHooks), std::end(kHooks), type.name,
      [](const auto& entry, const std::string& name) { return entry.first < name; });
  return found != std::end(kHooks) && found->first == type.name ? found->second : nullptr;
}

void fill(Value& value, const Type& type);

void fill_object(Value& value, const Type& type) {
  for (const Field& field : type.fields) {
    Value* member = value.find(field.name);
    if (member != nullptr && (member->is_null() || (field.written == Written::IfNotZero &&
                                                    is_zero(*member, *field.type)))) {
      value.erase(field.name);
      member = nullptr;
    }
    if (member == nullptr && !field.default_value.is_null()) {
      member = &(value[field.name] = field.default_value);
    } else if (member == nullptr && field.written == Written::Always) {
      member = &(value[field.name] = zero_value(*field.type));
    }
    if (member != nullptr) fill(*member, *field.type);
  }
  if (const Hook hook = hook_of(type)) hook(value);
}

void fill(Value& value, const Type& type) {
  if (type.shape == Shape::Object && value.is_object()) {
    fill_object(value, type);
  } else if (type.shape == Shape::Map && value.is_object()) {
    if (type.element->fields.empty() && type.element->element == nullptr) return;
    for (auto& [key, member] : value.members()) fill(member, *type.element);
  } else if (type.shape == Shape::List && value.is_array()) {
    if (type.element->fields.empty() && type.element->element == nullptr) return;
    for (Value& item : value.items()) fill(item, *type.element);
  }
}

}  // namespace

void apply_defaults(Value& object, const Kind& kind) {
  if (!object.is_object()) return;
  fill(object, *kind.type);
}

}  // namespace millrace::schema
