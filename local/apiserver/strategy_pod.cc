// Pods. Source: Kubernetes, pkg/registry/core/pod/strategy.go and pkg/apis/core/validation.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <limits>

#include "local/apiserver/strategy_parts.h"
#include "local/schema/quantity.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using schema::Path;

const Value::Array& items_of(const Value& object, std::string_view member) {
  static const Value::Array none;
  const Value* list = object.find(member);
  return list == nullptr ? none : list->items();
}

struct Resources {
  bool any = false;        ///< some container asks for CPU or memory
  bool guaranteed = true;  ///< all have limits for both, and requests equal to them
};

bool equal_amounts(const Value* a, const Value* b) {
  const auto left = schema::parse_quantity(a->as_string());
  const auto right = schema::parse_quantity(b->as_string());
  return left.ok() && right.ok() && left->nano == right->nano;
}

bool is_positive(const Value* amount) {
  if (amount == nullptr) return false;
  const auto quantity = schema::parse_quantity(amount->as_string());
  return quantity.ok() && quantity->nano > 0;
}

void look_at_container(Resources& sum, const Value& container) {
  for (const char* name : {"cpu", "memory"}) {
    const Value* request = container.at_path({"resources", "requests", name});
    const Value* limit = container.at_path({"resources", "limits", name});
    if (is_positive(request) || is_positive(limit)) sum.any = true;
    if (!is_positive(limit)) sum.guaranteed = false;
    // A limit alone stands for the request too.
    if (is_positive(limit) && is_positive(request) && !equal_amounts(request, limit)) {
      sum.guaranteed = false;
    }
  }
}

std::string qos_class(const Value& pod) {
  Resources sum;
  const Value* spec = pod.find("spec");
  if (spec != nullptr) {
    for (const char* list : {"containers", "initContainers"}) {
      for (const Value& container : items_of(*spec, list)) look_at_container(sum, container);
    }
  }
  if (!sum.any) return "BestEffort";
  return sum.guaranteed ? "Guaranteed" : "Burstable";
}

bool check_container_lists(schema::Problems& out, const Value& now, const Value& before) {
  for (const char* list : {"containers", "initContainers"}) {
    if (items_of(now, list).size() == items_of(before, list).size()) continue;
    out.forbidden(Path("spec") / list, "pod updates may not add or remove containers");
    return false;
  }
  return true;
}

void check_images(schema::Problems& out, const Value& spec) {
  for (const char* list : {"containers", "initContainers"}) {
    const auto& containers = items_of(spec, list);
    for (std::size_t i = 0; i < containers.size(); ++i) {
      if (text_at(containers[i], {"image"}).empty()) {
        out.required((Path("spec") / list)[i] / "image");
      }
    }
  }
}

void check_deadline(schema::Problems& out, const Value& now, const Value& before) {
  const Value* value = now.find("activeDeadlineSeconds");
  const Value* old = before.find("activeDeadlineSeconds");
  const Path path = Path("spec") / "activeDeadlineSeconds";
  if (value != nullptr && !value->is_null()) {
    if (value->as_int() < 1 || value->as_int() > std::numeric_limits<std::int32_t>::max()) {
      out.invalid(path, *value, "must be between 1 and 2147483647, inclusive");
    } else if (old != nullptr && value->as_int() > old->as_int()) {
      out.invalid(path, *value, "must be less than or equal to previous value");
    }
  } else if (old != nullptr && !old->is_null()) {
    out.invalid(path, Value(), "must not update from a positive integer to nil value");
  }
}

/// Every toleration that was there is still there, its seconds apart.
void check_tolerations(schema::Problems& out, const Value& now, const Value& before) {
  const auto bare = [](Value toleration) {
    toleration.erase("tolerationSeconds");
    return toleration;
  };
  const auto& tolerations = items_of(now, "tolerations");
  for (const Value& old : items_of(before, "tolerations")) {
    const bool kept = std::any_of(tolerations.begin(), tolerations.end(),
                                  [&](const Value& one) { return bare(one) == bare(old); });
    if (kept) continue;
    out.forbidden(Path("spec") / "tolerations",
                  "existing toleration can not be modified except its tolerationSeconds");
    return;
  }
}

/// `spec` with what may change put back to what it was.
Value with_fixed_parts(Value spec, const Value& before) {
  for (const char* list : {"containers", "initContainers"}) {
    const auto& old = items_of(before, list);
    if (old.empty()) continue;
    Value::Array& now = spec[list].items();
    for (std::size_t i = 0; i < now.size() && i < old.size(); ++i) {
      copy_member(now[i], old[i], "image");
    }
  }
  for (const char* member : {"activeDeadlineSeconds", "tolerations"}) {
    copy_member(spec, before, member);
  }
  const Value* grace = before.find("terminationGracePeriodSeconds");
  const Value* now = spec.find("terminationGracePeriodSeconds");
  if (grace != nullptr && grace->as_int() < 0 && now != nullptr && now->as_int() == 1) {
    copy_member(spec, before, "terminationGracePeriodSeconds");
  }
  // A pod may lose gates before it is scheduled, never gain any.
  const auto& gates = items_of(spec, "schedulingGates");
  const auto& old_gates = items_of(before, "schedulingGates");
  const bool fewer = std::all_of(gates.begin(), gates.end(), [&](const Value& gate) {
    return std::find(old_gates.begin(), old_gates.end(), gate) != old_gates.end();
  });
  if (fewer) copy_member(spec, before, "schedulingGates");
  return spec;
}

/// Containers that ended for good stay so.
void check_states(schema::Problems& out, const Value& pod, const Value& old,
                  std::string_view list) {
  const std::string policy = text_at(pod, {"spec", "restartPolicy"});
  if (policy == "Always") return;
  const Value* now = pod.at_path({"status", list});
  const Value* before = old.at_path({"status", list});
  if (now == nullptr || before == nullptr) return;
  for (const Value& status : before->items()) {
    const Value* ended = status.at_path({"state", "terminated"});
    if (ended == nullptr || ended->is_null()) continue;
    if (policy == "OnFailure" && number_at(*ended, {"exitCode"}) != 0) continue;
    for (std::size_t i = 0; i < now->items().size(); ++i) {
      const Value& candidate = now->items()[i];
      if (text_at(candidate, {"name"}) != text_at(status, {"name"})) continue;
      const Value* state = candidate.at_path({"state", "terminated"});
      if (state == nullptr || state->is_null()) {
        out.forbidden((Path("status") / list)[i] / "state",
                      "may not be transitioned to non-terminated state");
      }
    }
  }
}

}  // namespace

void prepare_new_pod(Value& pod) {
  // What admission gives: after the fields were counted as their writer's, so that nobody owns it.
  Value& spec = pod["spec"];
  const auto fill = [&spec](std::string_view member, Value value) {
    const Value* there = spec.find(member);
    if (there == nullptr || there->is_null()) spec[member] = std::move(value);
  };
  fill("serviceAccountName", "default");
  fill("serviceAccount", spec["serviceAccountName"]);
  fill("priority", 0);
  fill("preemptionPolicy", "PreemptLowerPriority");
  pod["status"] = Value::object({{"phase", "Pending"}, {"qosClass", qos_class(pod)}});
}

void prepare_pod_update(Value& pod, const Value& old) {
  const Value* before = old.find("spec");
  Value* spec = pod.find("spec");
  if (before == nullptr || spec == nullptr || !spec->is_object()) return;
  for (const char* member : {"priority", "preemptionPolicy"}) {
    const Value* there = spec->find(member);
    if (there == nullptr || there->is_null()) copy_member(*spec, *before, member);
  }
}

void prepare_pod_status(Value& pod, const Value& old) {
  if (text_at(pod, {"status", "qosClass"}).empty()) {
    const std::string before = text_at(old, {"status", "qosClass"});
    if (!before.empty()) pod["status"]["qosClass"] = before;
  }
  // The old name of the first address stands for the list.
  const std::string ip = text_at(pod, {"status", "podIP"});
  const Value* ips = pod.at_path({"status", "podIPs"});
  if (!ip.empty() && (ips == nullptr || ips->empty())) {
    pod["status"]["podIPs"] = Value::array({Value::object({{"ip", ip}})});
  } else if (ip.empty() && ips != nullptr && !ips->empty()) {
    pod["status"]["podIP"] = text_at(ips->items().front(), {"ip"});
  }
}

void check_pod_update(schema::Problems& out, const Value& pod, const Value& old) {
  static const Value kNone = Value::object();
  const Value* spec = pod.find("spec");
  const Value* before = old.find("spec");
  const Value& now = spec == nullptr ? kNone : *spec;
  const Value& was = before == nullptr ? kNone : *before;
  if (!check_container_lists(out, now, was)) return;
  const std::size_t count = out.list().size();
  check_images(out, now);
  check_deadline(out, now, was);
  check_tolerations(out, now, was);
  const Value fixed = with_fixed_parts(now, was);
  if (out.list().size() != count || same(&fixed, &was)) return;
  // Deviation: the real server adds the difference of the two specs as text.
  out.forbidden(Path("spec"),
                "pod updates may not change fields other than "
                "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
                "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
                "was previously negative)");
}

namespace {
void check_addresses(schema::Problems& out, const Value& pod) {
  const Value* ips = pod.at_path({"status", "podIPs"});
  if (ips == nullptr) return;
  std::array<unsigned char, 16> bytes{};
  std::size_t index = 0;
  for (const Value& item : ips->items()) {
    const std::string ip = text_at(item, {"ip"});
    const Path path = (Path("status") / "podIPs")[index++];
    if (::inet_pton(AF_INET, ip.c_str(), bytes.data()) == 1) continue;
    if (::inet_pton(AF_INET6, ip.c_str(), bytes.data()) == 1) continue;
    out.invalid(path, ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
  }
}
}  // namespace

void check_pod_status(schema::Problems& out, const Value& pod, const Value& old) {
  check_immutable(out, pod, old, {"status", "qosClass"});
  check_states(out, pod, old, "containerStatuses");
  check_states(out, pod, old, "initContainerStatuses");
  check_addresses(out, pod);
}

std::int64_t pod_grace(const Value& pod, std::optional<std::int64_t> wanted) {
  const std::string phase = text_at(pod, {"status", "phase"});
  if (text_at(pod, {"spec", "nodeName"}).empty() || phase == "Succeeded" || phase == "Failed") {
    return 0;
  }
  constexpr std::int64_t kDefault = 30;
  const Value* declared = pod.at_path({"spec", "terminationGracePeriodSeconds"});
  const std::int64_t grace = wanted                ? *wanted
                             : declared != nullptr ? declared->as_int(kDefault)
                                                   : kDefault;
  return grace < 0 ? 1 : grace;
}

}  // namespace millrace::apiserver
