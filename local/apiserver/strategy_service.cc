// Services. Source: Kubernetes, pkg/registry/core/service and pkg/apis/core/validation.
#include <arpa/inet.h>

#include <array>

#include "kubeclient/base/hash.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using schema::Path;

// 10.96.0.0/12, as kubeadm has it; its first addresses are for the API server and DNS.
constexpr std::uint32_t kNetwork = (10U << 24) | (96U << 16);
constexpr std::uint32_t kHosts = 1U << 20;
constexpr std::uint32_t kReserved = 256;
constexpr std::uint32_t kFirstNodePort = 30000;
constexpr std::uint32_t kNodePorts = 2768;

bool is_external_name(const Value& service) {
  return text_at(service, {"spec", "type"}) == "ExternalName";
}

std::string dotted(std::uint32_t address) {
  return std::to_string(address >> 24) + "." + std::to_string(address >> 16 & 255) + "." +
         std::to_string(address >> 8 & 255) + "." + std::to_string(address & 255);
}

/// A free address, from the UID on.
std::string pick_address(const std::string& uid,
                         const std::function<bool(std::string_view)>& taken) {
  const std::uint64_t start = stable_hash(uid);
  for (std::uint32_t i = 0; i < kHosts - kReserved - 1; ++i) {
    const auto host =
        static_cast<std::uint32_t>((start + i) % (kHosts - kReserved - 1)) + kReserved;
    std::string address = dotted(kNetwork + host);
    if (taken == nullptr || !taken(address)) return address;
  }
  return "";
}

void set_if_missing(Value& object, std::string_view name, Value value) {
  const Value* present = object.find(name);
  if (present == nullptr || present->is_null() || present->empty()) object[name] = std::move(value);
}

/// What goes with an address.
void fill_in(Value& spec) {
  const std::string address = text_at(spec, {"clusterIP"});
  set_if_missing(spec, "clusterIPs", Value::array({address}));
  set_if_missing(spec, "ipFamilies", Value::array({"IPv4"}));
  set_if_missing(spec, "ipFamilyPolicy", "SingleStack");
  set_if_missing(spec, "internalTrafficPolicy", "Cluster");
}

void give_node_ports(Value& service, const std::string& uid) {
  const std::string type = text_at(service, {"spec", "type"});
  Value* ports = service["spec"].find("ports");
  if (ports == nullptr || (type != "NodePort" && type != "LoadBalancer")) return;
  std::uint64_t port = stable_hash(uid + "/ports");
  for (Value& one : ports->items()) {
    if (number_at(one, {"nodePort"}) != 0) continue;
    one["nodePort"] = static_cast<std::int64_t>(kFirstNodePort + port % kNodePorts);
    ++port;
  }
  set_if_missing(service["spec"], "externalTrafficPolicy", "Cluster");
}

void give_address(Value& service, const std::string& uid,
                  const std::function<bool(std::string_view)>& taken) {
  Value& spec = service["spec"];
  if (is_external_name(service)) {
    for (const char* member : {"clusterIP", "clusterIPs"}) {
      if (text_at(spec, {"clusterIP"}).empty()) spec.erase(member);
    }
    return;
  }
  if (text_at(spec, {"clusterIP"}).empty()) {
    if (const Value* list = spec.find("clusterIPs"); list != nullptr && !list->items().empty()) {
      return;  // validation speaks about it
    }
    spec["clusterIP"] = pick_address(uid, taken);
  }
  fill_in(spec);
  give_node_ports(service, uid);
}

}  // namespace

void prepare_new_service(Value& service, const Creation& creation) {
  give_address(service, creation.uid, creation.address_taken);
  service["status"] = Value::object({{"loadBalancer", Value::object()}});
}

void prepare_service_update(Value& service, const Value& old) {
  if (is_external_name(service)) return;
  Value& spec = service["spec"];
  const Value* before = old.find("spec");
  if (before != nullptr && !is_external_name(old)) {
    // A change of the one address alone stands for the list.
    const std::string address = text_at(spec, {"clusterIP"});
    if (!address.empty() && address != text_at(*before, {"clusterIP"}) &&
        same(spec.find("clusterIPs"), before->find("clusterIPs"))) {
      spec["clusterIPs"] = Value::array({address});
    }
    for (const char* member : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) {
      const Value* now = spec.find(member);
      if (now == nullptr || now->is_null() || now->empty()) copy_member(spec, *before, member);
    }
  }
  give_address(service, text_at(old, {"metadata", "uid"}), nullptr);
}

void check_new_service(schema::Problems& out, const Value& service) {
  const Value* list = service.at_path({"spec", "clusterIPs"});
  const std::string first = text_at(service, {"spec", "clusterIP"});
  const Path path = Path("spec") / "clusterIPs";
  if (list == nullptr || list->items().empty()) return;
  if (first.empty()) {
    out.invalid(path, *list, "must be empty when `clusterIP` is not specified");
    return;
  }
  if (first == "None") return;
  std::array<unsigned char, 16> address{};
  const bool v4 = ::inet_pton(AF_INET, first.c_str(), address.data()) == 1;
  if (!v4 && ::inet_pton(AF_INET6, first.c_str(), address.data()) != 1) {
    out.invalid(path[0], first, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    return;
  }
  if (!v4 || address[0] != 10 || (address[1] & 0xf0) != 96) {
    out.invalid(path, *list,
                "failed to allocate IP " + first +
                    ": the provided network does not match the current range");
  }
}

void check_service_update(schema::Problems& out, const Value& service, const Value& old) {
  if (is_external_name(service) || is_external_name(old)) return;
  const Value* now = service.at_path({"spec", "clusterIPs"});
  const Value* before = old.at_path({"spec", "clusterIPs"});
  if (now == nullptr || before == nullptr || same(now, before)) return;
  out.invalid((Path("spec") / "clusterIPs")[0], *now, "may not change once set");
}

}  // namespace millrace::apiserver
