#include "bench/micro/samples.h"

#include "kubeclient/codec/value.h"

namespace millrace::bench {

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

std::string job_text(int i) {
  const std::string id = std::to_string(100000 + i);
  std::string out = R"({"metadata":{"name":"hello-run-)" + id + R"(-step-1","namespace":"team-a",)";
  out += R"("uid":"5f2b5c1e-0000-4000-8000-000000)" + id + R"(","resourceVersion":")" + id + '"';
  out += R"(,"generation":1,"creationTimestamp":"2026-11-21T03:04:05Z","labels":{)";
  out += R"("pipeline":"hello","pipeline-run":"hello-run-)" + id + R"(","k8s-app":"hello",)";
  out += R"("millrace.dev/run":"hello-run-)" + id + R"(","millrace.dev/step":"build",)";
  out += R"("millrace.dev/attempt":"0"},"ownerReferences":[{"apiVersion":"millrace.dev/v1",)";
  out += R"("kind":"PipelineRun","name":"hello-run-)" + id;
  out += R"(","uid":"5f2b5c1e-1111-4000-8000-000000)" + id + R"(","controller":true}],)";
  out += R"("managedFields":[{"manager":"millrace","fieldsV1":{"f:metadata":{)";
  for (int f = 0; f < 40; ++f) out += R"("f:field-)" + std::to_string(f) + R"(":{".":{}},)";
  out += R"("f:last":{}}}}]},"spec":{"completions":1,"parallelism":1,"backoffLimit":0,)";
  out += R"("managedBy":"millrace.dev/job-controller","template":{"spec":{"containers":[{)";
  out +=
      R"("name":"main","image":"registry.local/team/tool:1.2.3","command":["/bin/tool"],"env":[)";
  for (int e = 0; e < 20; ++e) {
    out += R"({"name":"VARIABLE_)" + std::to_string(e) + R"(","value":"some value"},)";
  }
  out += R"({"name":"LAST","value":""}]}],"restartPolicy":"Never"}}},"status":{"succeeded":1,)";
  out += R"("startTime":"2026-11-21T03:04:05Z","completionTime":"2026-11-21T03:04:06Z",)";
  out += R"("conditions":[{"type":"Complete","status":"True",)";
  out += R"("lastTransitionTime":"2026-11-21T03:04:06Z"}]}})";
  return out;
}

std::string event_of(const std::string& object) {
  return R"({"type":"MODIFIED","object":)" + object + "}";
}

}  // namespace millrace::bench
