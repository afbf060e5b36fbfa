"""The operator with exactly the rights that manifests/ gives it, and not one more."""
import json
import pathlib

import pytest

from harness.objects import pipeline, run, stream

pytestmark = pytest.mark.cluster_only("its only user may do everything")

MANIFESTS = pathlib.Path(__file__).resolve().parents[2] / "manifests"
ACCOUNT = "millrace-operator"
NAMESPACE = "millrace-system"


def own_kubeconfig(kube, folder):
    """A kubeconfig of the operator's service account, after its rights were installed."""
    def install():
        for name in ("namespace", "service_account", "cluster_role", "cluster_role_binding", "role", "role_binding"):
            kube.kubectl("apply", "-n", NAMESPACE, "-f", MANIFESTS / "operator" / f"{name}.yaml")
    kube.cluster.once("rbac", install)
    config = json.loads(kube.cluster.kubeconfig.read_text())
    token = kube.kubectl("create", "token", ACCOUNT, "-n", NAMESPACE).strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_the_installed_rights_are_enough(kube, start_operator, tmp_path, audit, job_controller):
    operator = start_operator(kube, kubeconfig=own_kubeconfig(kube, tmp_path), leader_elect=True, config={"jobController": job_controller})
    kube.apply([
        pipeline(outcomes={1: "fail:1@build-step-clean"}), run(maxRetryCount=1),
        pipeline("hanging", outcome="hang"), run("stopped", "hanging"),
        stream(), run("up", "s"),
        pipeline("ticking", strategy={"cronExpression": "@every 1s", "successfulRunsHistoryLimit": 1}),
        {**pipeline("finalized"), "metadata": {"name": "finalized", "finalizers": ["finalizer.ljchen.net"]}}])
    kube.wait_run("r")
    kube.wait_condition("pipelinerun", "up", "Succeeded", "True")
    kube.wait_list("pod", "pipeline-run=stopped", lambda found: found)
    kube.patch("pipelinerun", "stopped", {"spec": {"cancel": True}})
    kube.wait_completed("stopped", "Cancelled")
    first, *_ = kube.wait_list("pipelinerun", "pipeline=ticking", lambda found: found)
    kube.wait_gone("pipelinerun", first["metadata"]["name"])  # the history limit at work
    kube.patch("pipelinerun", "up", {"spec": {"cancel": True}})
    kube.wait_completed("up", "Cancelled")
    kube.delete("pipeline", "finalized", "--wait=false")
    kube.wait_gone("pipeline", "finalized")
    kube.wait_list("event", "", lambda found: any(each["reason"] == "Succeeded" for each in found), "events")
    assert operator.stop() == 0  # gives the Lease back, too
    denied = [call for call in audit.calls() if call.code in (401, 403) and call.namespace in (kube.namespace, NAMESPACE, "")]
    assert not denied, "\n".join(map(str, denied))
    assert not [line for line in operator.log() if "forbidden" in json.dumps(line).lower()]
    used = {call.user_agent for call in audit.calls(namespace=kube.namespace)}
    assert used, "the audit log saw the operator"
