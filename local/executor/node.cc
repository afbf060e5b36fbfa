#include "local/executor/node.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <thread>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/value.h"

namespace millrace::executor {
namespace {

using codec::Value;

constexpr api::ApiResource kNodes{"", "v1", "nodes", "Node", false};

}  // namespace

std::string node_body(const std::string& name, int cpus, std::int64_t memory, Time now) {
  utsname host{};
  ::uname(&host);
  const Value capacity = Value::object({{"cpu", std::to_string(cpus)},
                                        {"memory", std::to_string(memory / 1024) + "Ki"},
                                        {"pods", "1000"}});
  const std::string time = format_time(now);
  Value status = Value::object({{"capacity", capacity}, {"allocatable", capacity}});
  status["conditions"] = Value::array({Value::object(
      {{"type", "Ready"},
       {"status", "True"},
       {"lastHeartbeatTime", time},
       {"lastTransitionTime", time},
       {"reason", "ExecutorReady"},
       {"message", "millrace local runs pods on this machine; no heartbeat is written"}})});
  status["addresses"] =
      Value::array({Value::object({{"type", "InternalIP"}, {"address", "127.0.0.1"}}),
                    Value::object({{"type", "Hostname"}, {"address", name}})});
  status["nodeInfo"] = Value::object({{"machineID", ""},
                                      {"systemUUID", ""},
                                      {"bootID", ""},
                                      {"kernelVersion", host.release},
                                      {"osImage", ""},
                                      {"containerRuntimeVersion", "process://1"},
                                      {"kubeletVersion", "millrace"},
                                      {"kubeProxyVersion", ""},
                                      {"operatingSystem", "linux"},
                                      {"architecture", host.machine}});
  Value node = Value::object({{"apiVersion", "v1"}, {"kind", "Node"}});
  node["metadata"] = Value::object({{"name", name},
                                    {"labels", Value::object({{"kubernetes.io/hostname", name},
                                                              {"kubernetes.io/os", "linux"}})}});
  node["status"] = std::move(status);
  return node.dump();
}

void register_node(client::Writer& writer, const std::string& name, const runtime::Env& env) {
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  const std::int64_t memory = std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  const auto made =
      writer.create_text(kNodes, "", node_body(name, cpus, memory, env.clock.now()), {});
  if (!made.ok() && made.error().code != Code::AlreadyExists &&
      made.error().code != Code::NotFound) {
    env.log.warn("cannot register the node", {kv("error", made.error())});
  }
}

}  // namespace millrace::executor
