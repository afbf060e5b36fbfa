"""The operator with exactly the rights that manifests/ gives it, and not one more."""
import json
import os
import pathlib

import pytest
import yaml

from harness import Kube
from harness.objects import API, pipeline, run, stream
from harness.ports import free_ports
from harness.web import send

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
    return kubeconfig_of(kube, NAMESPACE, folder)


def kubeconfig_of(kube, namespace, folder):
    config = json.loads(kube.cluster.kubeconfig.read_text())
    token = kube.kubectl("create", "token", ACCOUNT, "-n", namespace).strip()
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
    assert_nothing_was_denied(operator, audit, kube.namespace, NAMESPACE, "")


def assert_nothing_was_denied(operator, audit, *namespaces):
    denied = [call for call in audit.calls() if call.code in (401, 403) and call.namespace in namespaces]
    assert not denied, "\n".join(map(str, denied))
    assert not [line for line in operator.log() if "forbidden" in json.dumps(line).lower()]
    assert audit.calls(namespace=namespaces[0]), "the audit log saw the operator"


def graph(web, namespace):
    """A secret in a header, a container, an object, an approval and a child; started by a webhook with a token."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made-{{ run.name }}"}, "data": {"k": "v"}}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"header": "Bearer s3cret", "hook": "open"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "maker"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "maker"},
         "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "maker"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "maker"}, "subjects": [{"kind": "ServiceAccount", "name": "maker", "namespace": namespace}]},
        {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "child"}, "spec": {"steps": [{"name": "w", "wait": {"duration": "0s"}}]}},
        {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "g"}, "spec": {
            "triggers": [{"type": "webhook", "bearerTokenFrom": {"name": "keys", "key": "hook"}}], "podTemplate": {"serviceAccountName": "maker"},
            "steps": [
                {"name": "call", "http": {"url": f"{web.url}/call", "headers": [
                    {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "header"}}}]}},
                {"name": "work", "dependsOn": ["call"], "container": {"image": "busybox:1"}},
                {"name": "object", "dependsOn": ["call"], "manifest": {"object": made}},
                {"name": "child", "dependsOn": ["object"], "pipeline": {"name": "child"}}],
            "finally": [{"name": "last", "wait": {"duration": "0s"}}]}}]


def run_graph(kube, base, web):
    kube.apply(graph(web, kube.namespace))
    kube.wait_condition("pipeline", "g", "Ready")
    reply = send(f"{base}/{kube.namespace}/g", {"n": 1}, headers={"Authorization": "Bearer open"})
    assert reply.status == 202, reply
    name = reply.headers["x-millrace-run"].partition("/")[2]
    kube.wait_completed(name, "Succeeded")
    assert web.seen("/call")[0].headers["authorization"] == "Bearer s3cret"
    assert kube.get("configmap", f"made-{name}")["data"] == {"k": "v"}


def webhook_config(port):
    return {"webhook": {"address": f"127.0.0.1:{port}"}, "http": {"allow": ["127.0.0.0/8"]}}


def test_the_installed_rights_are_enough_for_a_graph_and_a_webhook(kube, start_operator, tmp_path, audit, web):
    port = free_ports(1)
    operator = start_operator(kube, kubeconfig=own_kubeconfig(kube, tmp_path), leader_elect=True, config=webhook_config(port))
    run_graph(kube, f"http://127.0.0.1:{port}/webhook", web)
    assert operator.stop() == 0
    assert_nothing_was_denied(operator, audit, kube.namespace, NAMESPACE, "")


# --- one namespace only ---


@pytest.fixture
def confined(crds, tmp_path):
    """A kubeconfig of the operator that manifests/namespaced makes in the test's namespace."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": crds.namespace,
        "resources": [os.path.relpath(MANIFESTS / "namespaced", folder.resolve())]}))
    crds.kubectl("apply", "--validate=strict", "-k", folder)
    return kubeconfig_of(crds, crds.namespace, tmp_path)


def test_an_operator_of_one_namespace_does_everything_there(kube, confined, start_operator, audit, web):
    port = free_ports(1)
    operator = start_operator(kube, kubeconfig=confined, leader_elect=True, config=webhook_config(port), args=["--lease-namespace", kube.namespace])
    kube.apply([pipeline(outcomes={1: "fail:1@build-step-clean"}), run(maxRetryCount=1), stream(), run("up", "s"),
                pipeline("ticking", strategy={"cronExpression": "@every 1s", "successfulRunsHistoryLimit": 1})])
    kube.wait_run("r")
    kube.wait_condition("pipelinerun", "up", "Succeeded", "True")
    first, *_ = kube.wait_list("pipelinerun", "pipeline=ticking", lambda found: found)
    kube.wait_gone("pipelinerun", first["metadata"]["name"])
    run_graph(kube, f"http://127.0.0.1:{port}/webhook", web)
    assert kube.get("lease", "millrace-operator")["spec"]["holderIdentity"]
    assert operator.stop() == 0
    assert_nothing_was_denied(operator, audit, kube.namespace, "")


def test_operators_of_one_namespace_share_the_work_with_rights_in_that_one_only(kube, confined, start_operator, audit, web):
    ports = [free_ports(1) for _ in range(2)]
    operators = [start_operator(kube, kubeconfig=confined, leader_elect=True, config={"shards": 3, **webhook_config(port)},
                                args=["--lease-namespace", kube.namespace]) for port in ports]
    kube.wait_list("lease", "", lambda found: len(found) == 3 and len({each["spec"]["holderIdentity"] for each in found}) == 2, "shared")
    names = [f"r{n}" for n in range(12)]
    approved = {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "asks"}, "spec": {"steps": [{"name": "ok", "approval": {"message": "fine?"}}]}}
    kube.apply([pipeline(), stream(), run("up", "s"), approved, run("asked", "asks"), *(run(name) for name in names)])
    for name in names:
        kube.wait_run(name)
    kube.patch("pipelinerun", "asked", {"spec": {"approvals": [{"step": "ok", "decision": "Approve", "by": "me"}]}})
    kube.wait_completed("asked", "Succeeded")
    kube.wait_condition("pipelinerun", "up", "Succeeded", "True")
    run_graph(kube, f"http://127.0.0.1:{ports[1]}/webhook", web)
    for operator in operators:
        assert operator.metric("millrace_shards_held") >= 1
        assert operator.stop() == 0
        assert_nothing_was_denied(operator, audit, kube.namespace, "")


def test_an_operator_of_one_namespace_sees_nothing_of_another(kube, confined, start_operator):
    elsewhere = Kube(kube.cluster, f"{kube.namespace}-b")
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere.namespace}})
    port = free_ports(1)
    operator = start_operator(kube, kubeconfig=confined, config=webhook_config(port))
    child = {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "child"}, "spec": {
        "triggers": [{"type": "webhook"}], "steps": [{"name": "w", "wait": {"duration": "0s"}}]}}
    elsewhere.apply([child, run("theirs", "child")])
    kube.apply([child, run("ours", "child")])
    kube.wait_completed("ours", "Succeeded")
    assert "status" not in elsewhere.get("pipelinerun", "theirs") and "status" not in elsewhere.get("pipeline", "child")
    assert send(f"http://127.0.0.1:{port}/webhook/{elsewhere.namespace}/child").status == 404
    account = f"--as=system:serviceaccount:{kube.namespace}:{ACCOUNT}"
    for verb, resource in (("get", "secrets"), ("list", "pipelines.millrace.dev"), ("create", "pods"), ("impersonate", "serviceaccounts"),
                           ("patch", "pipelineruns.millrace.dev")):
        answers = [kube.kubectl("auth", "can-i", verb, resource, account, "-n", namespace, check=False).strip()
                   for namespace in (kube.namespace, elsewhere.namespace)]
        assert answers == ["yes", "no"], (verb, resource)
    assert operator.stop() == 0
    kube.kubectl("delete", "namespace", elsewhere.namespace, "--wait=false")


def test_an_operator_that_is_told_of_a_namespace_without_rights_says_so(kube, confined, start_operator):
    elsewhere = Kube(kube.cluster, f"{kube.namespace}-b")
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere.namespace}})
    operator = start_operator(kube, start=False, kubeconfig=confined, namespaces=[kube.namespace, elsewhere.namespace]).start(ready=False)
    line = operator.wait_log(lambda each: "forbidden" in json.dumps(each) and elsewhere.namespace in json.dumps(each), "a refusal with the namespace")
    assert line["level"] in ("warn", "error")
    assert operator.http("/readyz")[0] != 200
    kube.kubectl("delete", "namespace", elsewhere.namespace, "--wait=false")
