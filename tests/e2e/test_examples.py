"""Files as users of pipeline-operator have them, unchanged but for their apiVersion, on the real node; the files are in examples/."""
import pathlib
import subprocess

import yaml

from harness import LocalCluster
from harness.kube import GC_TIME, condition_of
from harness.objects import container_names

EXAMPLES = pathlib.Path(__file__).resolve().parent / "examples"


def test_the_batch_example_runs(real_kube, start_operator, job_controller):
    start_operator(real_kube, config={"jobController": job_controller})
    real_kube.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tidy-rules"}, "data": {"a": "no dust"}},
                     {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "parts-runner"}}])
    real_kube.kubectl("apply", "-f", EXAMPLES / "batch.yaml")
    done = real_kube.wait_run("parts-list-now", timeout=120)
    assert done["status"]["steps"] == "8/8"
    [pod] = real_kube.list("pod", "pipeline-run=parts-list-now")
    assert container_names(pod) == ["build-step-input", "build-step-tidy", *(
        f"build-step-output--{name}" for name in ("archive", "shop", "copy", "supplier", "letter", "mine"))]
    assert real_kube.logs(pod["metadata"]["name"], "-c", "build-step-input").splitlines() == [
        "adapter: --es-address=http://search.test:9200", "adapter: --index=parts", "adapter: --topic=parts-raw"]
    assert "adapter: --thorough" in real_kube.logs(pod["metadata"]["name"], "-c", "build-step-tidy")
    assert "image" not in real_kube.logs(pod["metadata"]["name"], "-c", "build-step-output--mine")
    assert real_kube.get("pipeline", "parts-list")["status"]["schedule"]["nextTick"]
    real_kube.kubectl("delete", "-f", EXAMPLES / "batch.yaml", "--ignore-not-found", f"--timeout={GC_TIME:.0f}s")


def test_the_stream_example_comes_up_and_serves(real_kube, start_operator):
    start_operator(real_kube)
    real_kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ledger"}})
    real_kube.kubectl("apply", "-f", EXAMPLES / "stream.yaml")
    up = real_kube.wait_condition("pipelinerun", "live-stock-1", "Succeeded", "True", timeout=120)
    assert up["status"]["cluster"]["serviceNames"] == ["counter", "ledger"]
    pods = real_kube.list("pod", "k8s-app=live-stock-deploy-counter")
    assert len(pods) == 2 and all(condition_of(pod, "Ready")["status"] == "True" for pod in pods)
    assert "serving on 9000" in real_kube.logs(pods[0]["metadata"]["name"])
    # A container that dies is an outage, and its end is too.
    real_kube.kubectl("delete", "pod", pods[0]["metadata"]["name"], "--force", "--grace-period=0")
    if not isinstance(real_kube.cluster, LocalCluster):  # there the next one runs within milliseconds, too soon to be worth a word
        real_kube.wait_condition("pipelinerun", "live-stock-1", "Succeeded", "Unknown", "Degraded", timeout=60)
    real_kube.wait_list("pod", "k8s-app=live-stock-deploy-counter", lambda found: len(found) == 2 and all(
        pod["metadata"]["uid"] != pods[0]["metadata"]["uid"] for pod in found), "another pod in its place", 60)
    real_kube.wait_condition("pipelinerun", "live-stock-1", "Succeeded", "True", timeout=60)
    real_kube.kubectl("delete", "-f", EXAMPLES / "stream.yaml", "--ignore-not-found", f"--timeout={GC_TIME:.0f}s")
    for kind, name in (("deployment", "live-stock-deploy-counter"), ("deployment", "live-stock-deploy-ledger"), ("service", "counter")):
        real_kube.wait_gone(kind, name, GC_TIME)


def test_the_examples_are_valid_offline(millrace):
    for path in sorted(EXAMPLES.glob("*.yaml")):
        done = subprocess.run([millrace, "validate", path], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stdout + done.stderr
        kinds = [item["kind"] for item in yaml.safe_load_all(path.read_text())]
        assert kinds == ["Pipeline", "PipelineRun"]
