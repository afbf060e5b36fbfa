/// Question: what does it cost to decode one pod as a watch delivers it?
/// Baseline to beat: a whole document tree of the same bytes (`Value::parse`, nlohmann's parser
/// below it).
#include <benchmark/benchmark.h>

#include <string>

#include "kubeclient/api/pod.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/value.h"

namespace millrace {
namespace {

/// A pod of three steps with what the API server adds to it; about 3.5 kB, most of it nothing we
/// read.
std::string pod_text() {
  codec::Value pod;
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  codec::Value& meta = pod["metadata"];
  meta["name"] = "hello-run-build-1a2b3c-9f8e7";
  meta["namespace"] = "default";
  meta["uid"] = "4e7b1c52-7f50-4a0e-9b6d-0f6b3a1f2c11";
  meta["resourceVersion"] = "812345";
  meta["creationTimestamp"] = "2026-11-21T03:00:00Z";
  for (const char* label : {"pipeline", "pipeline-run", "k8s-app", "millrace.dev/run",
                            "millrace.dev/step", "batch.kubernetes.io/job-name", "job-name"}) {
    meta["labels"][label] = "hello-run-build-1a2b3c";
  }
  meta["ownerReferences"].push_back(
      codec::Value::object({{"apiVersion", "batch/v1"},
                            {"kind", "Job"},
                            {"name", "hello-run-build-1a2b3c"},
                            {"uid", "d0d9a3f0-2b0a-4f44-8d2f-77aa0c1b2d3e"},
                            {"controller", true}}));
  for (const char* manager : {"millrace", "kube-scheduler", "kubelet"}) {
    codec::Value entry;
    entry["manager"] = manager;
    entry["operation"] = "Update";
    entry["time"] = "2026-11-21T03:00:01Z";
    for (int i = 0; i < 12; ++i) {
      entry["fieldsV1"]["f:status"]["k:{\"type\":\"" + std::to_string(i) + "\"}"]
           ["f:lastProbeTime"] = codec::Value::object();
    }
    meta["managedFields"].push_back(std::move(entry));
  }
  for (int i = 0; i < 3; ++i) {
    codec::Value container;
    container["name"] = "build-step-" + std::to_string(i);
    container["image"] = "registry.example/team/step:1.0";
    container["args"] = codec::Value::array({"--bootstrap=kafka:9092", "--topic=stock"});
    container["env"].push_back(
        codec::Value::object({{"name", "HOME"}, {"value", "/builder/home"}}));
    container["terminationMessagePath"] = "/dev/termination-log";
    pod["spec"]["containers"].push_back(std::move(container));
    codec::Value status;
    status["name"] = "build-step-" + std::to_string(i);
    status["state"]["terminated"] = codec::Value::object(
        {{"exitCode", 0}, {"reason", "Completed"}, {"finishedAt", "2026-11-21T03:00:02Z"}});
    pod["status"]["initContainerStatuses"].push_back(std::move(status));
  }
  pod["spec"]["nodeName"] = "node-1";
  pod["status"]["phase"] = "Running";
  return pod.dump();
}

void TypedDecode(benchmark::State& state) {
  const std::string text = pod_text();
  for (auto _ : state) {
    auto pod = codec::decode<api::Pod>(text);
    benchmark::DoNotOptimize(pod);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(TypedDecode);

void DocumentTree(benchmark::State& state) {
  const std::string text = pod_text();
  for (auto _ : state) {
    auto value = codec::Value::parse(text);
    benchmark::DoNotOptimize(value);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(DocumentTree);

}  // namespace
}  // namespace millrace
