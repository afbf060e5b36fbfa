"""The harness itself, without an operator: if one of these fails, look here before looking at the product."""
import json
import re
import time
import urllib.request
import ssl

import pytest

from harness import AuditLog, Operator
from harness.cluster import RECIPE
from harness.kube import KubectlError, condition_of


def pod(name, outcome=None, inits=(), mains=("main",), delay=None, labels=None, **spec):
    notes = {"test.millrace.dev/outcome": outcome, "test.millrace.dev/delay": delay}
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels or {},
                         "annotations": {key: value for key, value in notes.items() if value}},
            "spec": {"restartPolicy": "Never", "initContainers": [{"name": each, "image": "any"} for each in inits],
                     "containers": [{"name": each, "image": "any"} for each in mains], **spec}}


def states(item):
    """Container name → exit code, or the word for its state."""
    status = item["status"]
    found = {}
    for entry in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        [(word, detail)] = entry["state"].items()
        found[entry["name"]] = detail["exitCode"] if word == "terminated" else detail.get("reason", word)
    return found


JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "three"}, "spec": {"template": {"spec": {
    "restartPolicy": "Never", "initContainers": [{"name": "a", "image": "any"}, {"name": "b", "image": "any"}],
    "containers": [{"name": "c", "image": "any"}]}}}}


@pytest.mark.cluster_only("is about the simulated node of the test cluster")
def test_simulated_job_completes_in_two_updates(kube, audit):
    kube.apply(JOB)
    job = kube.wait_condition("job", "three", "Complete")
    assert job["status"]["succeeded"] == 1
    [done] = kube.list("pod", "job-name=three")
    assert done["status"]["phase"] == "Succeeded"
    assert states(done) == {"a": 0, "b": 0, "c": 0}
    assert audit.count(user_agent="kwok", namespace=kube.namespace)[("patch", "pods/status")] == 2


@pytest.mark.cluster_only("is about the simulated node of the test cluster")
@pytest.mark.parametrize("outcome, phase, want", [
    (None, "Running", {"a": 0, "b": 0, "main": "running"}),
    ("succeed", "Succeeded", {"a": 0, "b": 0, "main": 0}),
    ("fail:3", "Failed", {"a": 0, "b": 0, "main": 3}),
    ("fail:4@b", "Failed", {"a": 0, "b": 4, "main": "PodInitializing"}),
    ("fail:5@a", "Failed", {"a": 5, "b": "PodInitializing", "main": "PodInitializing"}),
    ("oom@b", "Failed", {"a": 0, "b": 137, "main": "PodInitializing"}),
    ("hang", "Running", {"a": 0, "b": 0, "main": "running"}),
    ("hang@a", "Pending", {"a": "running", "b": "PodInitializing", "main": "PodInitializing"}),
    ("pull", "Pending", {"a": 0, "b": 0, "main": "ErrImagePull"}),
    ("pull@b", "Pending", {"a": 0, "b": "ErrImagePull", "main": "PodInitializing"}),
])
def test_simulated_pod_does_what_its_annotation_says(kube, outcome, phase, want):
    kube.apply(pod("p", outcome, inits=("a", "b")))
    seen = kube.wait("pod", "p", lambda item: item["status"]["phase"] == phase and states(item) == want, f"{phase} {want}")
    assert seen["spec"]["nodeName"] == "kwok-0"


@pytest.mark.cluster_only("is about the simulated node of the test cluster")
def test_simulated_pod_can_be_evicted_unready_and_pending(kube):
    kube.apply([pod("evicted", "evict"), pod("unready", "unready"), pod("pending", "pending")])
    evicted = kube.wait("pod", "evicted", lambda item: item["status"]["phase"] == "Failed")
    assert evicted["status"]["reason"] == "Evicted"
    unready = kube.wait("pod", "unready", lambda item: item["status"]["phase"] == "Running")
    assert condition_of(unready, "Ready")["status"] == "False"
    pending = kube.wait_condition("pod", "pending", "PodScheduled")
    assert pending["status"]["phase"] == "Pending" and states(pending) == {}


@pytest.mark.cluster_only("is about the simulated node of the test cluster")
def test_simulated_outcome_can_differ_by_attempt(kube):
    for attempt in ("1", "2"):
        item = pod(f"p{attempt}", "succeed", labels={"millrace.dev/attempt": attempt})
        item["metadata"]["annotations"]["test.millrace.dev/outcome-attempt-1"] = "fail:7"
        kube.apply(item)
    kube.wait("pod", "p1", lambda item: states(item) == {"main": 7})
    kube.wait("pod", "p2", lambda item: states(item) == {"main": 0})


@pytest.mark.cluster_only("is about the simulated node of the test cluster")
def test_simulated_delay_keeps_a_pod_running_that_long(kube):
    kube.apply(pod("slow", "succeed", delay="1s"))
    kube.wait("pod", "slow", lambda item: item["status"]["phase"] == "Running")
    begun = time.monotonic()
    kube.wait("pod", "slow", lambda item: item["status"]["phase"] == "Succeeded")
    assert time.monotonic() - begun > 0.5


def test_waiting_fails_with_the_last_state_in_the_message(kube):
    kube.apply(pod("stays", "hang"))
    with pytest.raises(AssertionError, match="(?s)did not get to: an end.*phase: Running"):
        kube.wait("pod", "stays", lambda item: item["status"]["phase"] == "Succeeded", "an end", timeout=1)


def test_waiting_for_lists_and_for_things_to_go(kube):
    kube.apply([pod("one", labels={"group": "g"}), pod("two", labels={"group": "g"})])
    kube.wait_list("pod", "group=g", lambda items: sum(item["status"]["phase"] == "Running" for item in items) == 2, "both running")
    kube.delete("pod", "one", "--wait=false")
    kube.wait_gone("pod", "one")
    assert [item["metadata"]["name"] for item in kube.list("pod", "group=g")] == ["two"]


def test_refusals_are_reported_in_the_servers_words(kube):
    assert "spec.containers" in kube.refused({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "empty"}, "spec": {"containers": []}})
    with pytest.raises(KubectlError):
        kube.apply("kind: Nothing")


def test_kubectl_is_the_pinned_one(kube):
    assert re.search(r"Client Version: v1\.34\.", kube.kubectl("version"))


@pytest.mark.cluster_only("is about the audit log of the test cluster")
def test_audit_log_tells_callers_and_namespaces_apart(kube, audit):
    kube.apply(pod("seen"))
    assert ("create", "pods") in audit.count(user_agent="kubectl", namespace=kube.namespace)
    assert not audit.calls(user_agent="kubectl", namespace="another")
    assert not audit.calls(namespace=kube.namespace)  # no operator here
    audit.mark()
    assert not audit.calls(user_agent="kubectl", namespace=kube.namespace)
    assert AuditLog(kube.cluster).offset > 0


def test_fault_proxy_passes_counts_refuses_and_cuts(kube, fault_proxy):
    from harness.proxy import Cut
    config = json.loads(fault_proxy.kubeconfig.read_text())
    target = config["clusters"][0]["cluster"]
    tls = ssl.create_default_context(cafile=target["certificate-authority"])
    pods = f"{target['server']}/api/v1/namespaces/{kube.namespace}/configmaps"

    def call(method, path="", body=None):
        request = urllib.request.Request(pods + path, method=method, data=body and json.dumps(body).encode(), headers={
            "Authorization": f"Bearer {config['users'][0]['user']['token']}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=tls, timeout=10) as answer:
            return answer.status

    def config_map(name):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}

    assert call("POST", body=config_map("passed")) == 201
    assert call("GET") == 200
    assert [(request.method, request.write) for request in fault_proxy.writes()] == [("POST", 1)]
    fault_proxy.before = lambda request: (429, {"Retry-After": "1"}, "{}")
    with pytest.raises(urllib.error.HTTPError, match="429"):
        call("GET")

    def cut(*_):
        raise Cut
    fault_proxy.before = cut
    with pytest.raises(OSError):
        call("POST", body=config_map("never-arrives"))
    fault_proxy.before, fault_proxy.after = (lambda request: None), cut
    with pytest.raises(OSError):
        call("POST", body=config_map("arrives-unheard"))
    fault_proxy.after = lambda request, status: None
    assert kube.get("configmap", "never-arrives") is None
    assert kube.get("configmap", "arrives-unheard") is not None


def test_operator_process_is_driven_as_promised(kube, tmp_path):
    """Against a stand-in that keeps to the command line's contract, so that the class is tested without the product."""
    stand_in = tmp_path / "millrace"
    stand_in.write_text("""#!/usr/bin/env python3
import http.server, json, signal, sys, threading
args = sys.argv[1:]
assert args[0] == "operator" and "--kubeconfig" in args and "--config" in args, args
host, port = args[args.index("--metrics-address") + 1].split(":")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'# HELP x\\nruns_total{outcome="Succeeded"} 2\\nruns_total{outcome="Failed"} 1\\n'
        self.send_response(200); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
print(json.dumps({"msg": "started", "namespace": args[args.index("--namespace") + 1]}), flush=True)
server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
""")
    stand_in.chmod(0o755)
    operator = Operator(stand_in, kube, tmp_path).start()
    assert operator.metric("runs_total") == 3 and operator.metric("runs_total", outcome="Failed") == 1
    assert operator.wait_log(lambda line: line.get("msg") == "started", "start")["namespace"] == kube.namespace
    assert operator.resident_bytes() > 0 and operator.cpu_seconds() >= 0
    operator.kill()
    assert not operator.alive()
    operator.start()
    assert operator.stop() == 0
    assert sum(line.get("msg") == "started" for line in operator.log()) == 2
    assert operator.sanitizer_reports() == []


# --- the real node ---


@pytest.mark.cluster_only("is about the real node of the test cluster")
def test_real_pod_runs_shares_a_volume_and_tells_its_exit_code(real_kube):
    work = [{"name": "work", "mountPath": "/work"}]
    item = pod("p", inits=("write",), mains=("read",), volumes=[{"name": "work", "emptyDir": {}}])
    item["spec"]["initContainers"][0].update(image="busybox", command=["sh", "-c", "echo hello >/work/file"], volumeMounts=work)
    item["spec"]["containers"][0].update(image="busybox", imagePullPolicy="Always", volumeMounts=work,
                                         command=["sh", "-c", "cat /work/file; exit 7"])
    real_kube.apply(item)
    done = real_kube.wait("pod", "p", lambda item: item["status"]["phase"] == "Failed", timeout=60)
    assert states(done) == {"write": 0, "read": 7}
    assert done["spec"]["nodeName"] == "real-0"
    assert real_kube.logs("p", "-c", "read") == "hello\n"


@pytest.mark.cluster_only("is about the real node of the test cluster")
def test_real_pod_is_told_to_end_and_may_say_goodbye(real_kube):
    item = pod("p", terminationGracePeriodSeconds=20)
    item["spec"]["containers"][0].update(image="busybox", command=[
        "sh", "-c", "trap 'echo goodbye; exit 9' TERM; echo up; while :; do sleep 0.1; done"])
    real_kube.apply(item)
    real_kube.wait("pod", "p", lambda item: states(item) == {"main": "running"}, timeout=60)
    real_kube.delete("pod", "p", "--wait=false")
    assert real_kube.logs("p", "--follow").endswith("goodbye\n")
    real_kube.wait_gone("pod", "p")


@pytest.mark.cluster_only("is about the real node of the test cluster")
def test_real_pod_over_its_memory_limit_is_killed(real_kube):
    item = pod("p")
    item["spec"]["containers"][0].update(image="busybox", resources={"limits": {"memory": "32Mi"}},
                                         command=["sh", "-c", "x=a; while :; do x=$x$x; done"])
    real_kube.apply(item)
    done = real_kube.wait("pod", "p", lambda item: item["status"]["phase"] == "Failed", timeout=60)
    assert done["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


@pytest.mark.cluster_only("is about the real node of the test cluster")
def test_real_images_of_adapters_and_services(real_kube):
    adapters = pod("adapters", inits=("in", "clean"), mains=("out",))
    for container, image in zip([*adapters["spec"]["initContainers"], *adapters["spec"]["containers"]],
                                ["demo/adapter:0.3", "demo/cleaner:1.0", "millrace.test/adapter:1"]):
        container.update(image=image, imagePullPolicy="Always", args=["--topic=stock"])
    adapters["spec"]["containers"][0]["args"].append("--exit=4")
    service = pod("service")
    service["spec"]["containers"][0].update(image="demo/reader:1")
    missing = pod("missing")
    missing["spec"]["containers"][0].update(image="demo/nothing:1")
    real_kube.apply([adapters, service, missing])
    done = real_kube.wait("pod", "adapters", lambda item: item["status"]["phase"] == "Failed", timeout=60)
    assert states(done) == {"in": 0, "clean": 0, "out": 4}
    assert real_kube.logs("adapters", "-c", "in") == "adapter: --topic=stock\n"
    real_kube.wait_condition("pod", "service", "Ready", timeout=60)
    real_kube.wait("pod", "missing", lambda item: states(item)["main"] in ("ErrImagePull", "ImagePullBackOff"), timeout=60)


def test_recipe_explains_itself():
    import subprocess
    done = subprocess.run([RECIPE, "nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "usage: cluster build" in done.stdout
