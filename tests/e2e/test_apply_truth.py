"""What a Pipeline's conditions, and `millrace validate --server`, say before the first run: quota, policy, pod security, limits, rights."""
import json
import subprocess
import time

import pytest

from harness.kube import condition_of
from harness.objects import API, run

POLICIES = ("quota", "limits", "pod-security", "policy")
WORDS = {"quota": "exceeded quota", "limits": "maximum cpu usage per Container is 100m", "pod-security": "violates PodSecurity",
         "policy": "no busybox here"}


def graph(container, name="g", **spec):
    return {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": name},
            "spec": {"steps": [{"name": "a", "container": container}], **spec}}


def busybox(**more):
    return {"image": "busybox:1", "resources": {"limits": {"cpu": "200m"}}, **more}


def raise_hurdle(kube, hurdle):
    """Lets the API server of this namespace refuse the pods of `busybox()`."""
    if hurdle == "quota":
        kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
        kube.wait("resourcequota", "none", lambda item: "hard" in item.get("status", {}), "being in force")
    elif hurdle == "limits":
        kube.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
                    "spec": {"limits": [{"type": "Container", "max": {"cpu": "100m"}}]}})
    elif hurdle == "pod-security":
        kube.kubectl("label", "namespace", kube.namespace, "pod-security.kubernetes.io/enforce=restricted")
    else:
        name = kube.namespace
        kube.apply([{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
            "validations": [{"expression": "!object.spec.containers.exists(c, c.image.startsWith('busybox'))", "message": "no busybox here"}]}},
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": {
                "policyName": name, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}}}])


@pytest.fixture
def hurdle(kube):
    """Raises hurdles, waits until admission has learned of them (by watches of its own), and takes policies away again."""
    raised = []

    def up(which):
        raised.append(which)
        raise_hurdle(kube, which)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
               "spec": {"containers": [{"name": "c", **busybox()}]}}
        until = time.monotonic() + 30
        while True:
            done = subprocess.run(["kubectl", "create", "--dry-run=server", "-n", kube.namespace, "-f", "-"], input=json.dumps(pod),
                                  capture_output=True, text=True, env=kube.cluster.environment(), timeout=30)
            if WORDS[which] in done.stderr:
                return
            assert time.monotonic() < until, done.stdout + done.stderr
            time.sleep(0.2)

    yield up
    if "policy" in raised:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            kube.kubectl("delete", kind, kube.namespace)


def admitted(kube, name="g", timeout=10):
    item = kube.wait("pipeline", name, lambda found: (condition_of(found, "Admitted") or {}).get("reason") not in (None, "Checking"),
                     "having been tried", timeout)
    return condition_of(item, "Admitted"), condition_of(item, "Ready")


def validate(millrace, kube, path, *words, environment=None):
    return subprocess.run([millrace, "validate", "--server", path, "-n", kube.namespace, *words], capture_output=True, text=True, timeout=60,
                          env=environment or kube.cluster.environment())


def nothing_was_stored(kube):
    assert kube.list("job") == kube.list("pod") == kube.list("deployment") == kube.list("service") == []


@pytest.mark.cluster_only("no admission there")
@pytest.mark.parametrize("which", POLICIES)
def test_ready_tells_what_the_api_server_would_refuse(kube, start_operator, hurdle, which):
    hurdle(which)
    start_operator(kube)
    kube.apply(graph(busybox()))
    said, ready = admitted(kube)
    quota = which == "quota"
    assert (said["status"], said["reason"]) == ("False", "QuotaExceeded" if quota else "Refused")
    assert said["message"].startswith("spec.steps[0]: the pod of step a would ") and WORDS[which] in said["message"]
    assert (ready["status"], ready["reason"]) == ("True" if quota else "False", said["reason"]) and ready["message"] == said["message"]
    shown = kube.kubectl("get", "pipeline", "g", "-o", "wide")
    assert WORDS[which] in shown
    nothing_was_stored(kube)
    kube.wait_list("event", "", lambda found: any(each["reason"] == said["reason"] and WORDS[which] in each["note"] for each in found), "an event")


@pytest.mark.cluster_only("no admission there")
def test_a_refusal_that_is_gone_is_forgotten_with_the_next_change(kube, start_operator, hurdle):
    hurdle("pod-security")
    start_operator(kube)
    kube.apply(graph(busybox()))
    assert admitted(kube)[1]["status"] == "False"
    good = busybox(securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 1000,
                                    "seccompProfile": {"type": "RuntimeDefault"}})
    kube.apply(graph(good))
    kube.wait_condition("pipeline", "g", "Admitted", "True", "Accepted")
    assert kube.wait_condition("pipeline", "g", "Ready", "True", "Valid")


@pytest.mark.cluster_only("no admission there")
def test_runs_of_a_refused_pipeline_start_and_say_why(kube, start_operator, hurdle):
    hurdle("quota")
    start_operator(kube)
    kube.apply(graph(busybox()))
    assert admitted(kube)[0]["reason"] == "QuotaExceeded"
    kube.create(run("r", "g"))
    kube.wait_condition("pipelinerun", "r", "Succeeded", "Unknown", "QuotaExceeded")
    kube.delete("resourcequota", "none")
    kube.wait_completed("r", "Succeeded")


def test_a_pipeline_that_is_fine_is_tried_once(kube, start_operator, audit):
    operator = start_operator(kube)
    kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "g"},
                "spec": {"batchJob": {"processors": [{"name": "a", "image": "busybox:1"}]}}})
    said, ready = admitted(kube)
    assert (said["status"], said["reason"]) == ("True", "Accepted") and said["message"].endswith("objects tried: 2")
    assert (ready["status"], ready["reason"], ready["message"]) == ("True", "Valid", "runs can start")
    nothing_was_stored(kube)
    tried = [(call.verb, call.resource) for call in audit.calls(namespace=kube.namespace) if call.dry_run]
    assert tried == [("create", "jobs"), ("create", "pods")]
    # Not after a restart, nor when only the schedule changes.
    assert operator.stop() == 0
    operator.start()
    kube.patch("pipeline", "g", {"spec": {"strategy": {"cronExpression": "@yearly", "suspend": True}}})
    kube.wait("pipeline", "g", lambda item: (condition_of(item, "Admitted") or {}).get("observedGeneration") == 2, "the second generation")
    assert len([call for call in audit.calls(namespace=kube.namespace) if call.dry_run]) == 2


def test_what_no_server_takes_is_refused_at_apply(kube, start_operator):
    start_operator(kube)
    kube.apply(graph(busybox(imagePullPolicy="Sometimes")))
    said, ready = admitted(kube)
    assert said["reason"] == ready["reason"] == "Refused" and ready["status"] == "False"
    assert said["message"].startswith("spec.steps[0]: the Job of step a would be refused: ") and "imagePullPolicy" in said["message"]


def test_what_only_a_run_knows_could_not_be_checked(kube, start_operator):
    start_operator(kube)
    kube.apply(graph({"image": "{{ params.image }}"}, params=[{"name": "image"}]))
    said, ready = admitted(kube)
    assert (said["status"], said["reason"]) == ("Unknown", "NotChecked")
    assert "container.image depends on params.image, which has no default" in said["message"]
    assert ready["status"] == "True" and "could not be checked" in ready["message"]
    kube.apply(graph({"image": "{{ params.image }}"}, params=[{"name": "image", "default": "busybox:1"}]))
    kube.wait_condition("pipeline", "g", "Admitted", "True", "Accepted")


def test_calls_alone_need_no_trial(kube, start_operator, audit):
    start_operator(kube)
    kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "g"},
                "spec": {"steps": [{"name": "a", "http": {"url": "http://example.org"}}]}})
    assert admitted(kube)[0]["reason"] == "NothingToTry"
    assert not [call for call in audit.calls(namespace=kube.namespace) if call.dry_run]


def account(kube, tmp_path, rules):
    """A kubeconfig of a service account with these rights in the namespace, and in all for reading what the operator reads."""
    name = "limited"
    kube.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules},
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
                 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                 "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": kube.namespace}]}])
    config = json.loads(kube.cluster.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"],
                        "user": {"token": kube.kubectl("create", "token", name, "-n", kube.namespace).strip()}}]
    path = tmp_path / "limited.kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.cluster_only("its only user may do everything")
def test_without_the_right_to_ask_it_could_not_be_checked(kube, start_operator, millrace, tmp_path):
    everything = {"verbs": ["*"], "resources": ["*"]}
    limited = account(kube, tmp_path, [
        {"apiGroups": ["millrace.dev", "batch", "apps", "events.k8s.io"], **everything},
        {"apiGroups": [""], "resources": ["services", "secrets"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]}])
    start_operator(kube, kubeconfig=limited)
    kube.apply(graph(busybox()))
    said, ready = admitted(kube)
    assert (said["status"], said["reason"]) == ("Unknown", "CheckFailed") and 'cannot create resource "pods"' in said["message"]
    assert ready["status"] == "True" and 'cannot create resource "pods"' in ready["message"]
    path = tmp_path / "g.yaml"
    path.write_text(json.dumps(graph(busybox())))
    done = validate(millrace, kube, path, "--kubeconfig", limited)
    assert done.returncode == 0 and "the Job of step a: ok" in done.stdout, done.stdout + done.stderr
    assert "warning: spec.steps[0]: the pod of step a: could not be checked: " in done.stderr and "cannot create resource" in done.stderr


@pytest.mark.cluster_only("its only user may do everything")
def test_the_rights_of_a_manifest_step_are_those_of_its_account(kube, start_operator):
    start_operator(kube)
    item = {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "g"}, "spec": {"steps": [{"name": "a", "manifest": {"object": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c-{{ run.name }}"}}}}]}}
    kube.apply(item)
    said, _ = admitted(kube)
    assert said["reason"] == "Refused" and f"system:serviceaccount:{kube.namespace}:default" in said["message"]
    kube.apply([{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "edit"},
                 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
                 "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": kube.namespace}]}])
    item["metadata"]["labels"] = {"tried": "again"}
    kube.apply(item)
    kube.wait_condition("pipeline", "g", "Admitted", "True", "Accepted")
    assert not [each for each in kube.list("configmap") if each["metadata"]["name"].startswith("c-")]


@pytest.mark.cluster_only("no admission there")
@pytest.mark.parametrize("which", POLICIES)
def test_validate_server_tells_what_the_cluster_would_refuse(crds, millrace, tmp_path, hurdle, which):
    path = tmp_path / "g.yaml"
    path.write_text(json.dumps(graph(busybox())))
    fine = validate(millrace, crds, path)
    assert fine.returncode == 0 and "g: the pod of step a: ok" in fine.stdout, fine.stdout + fine.stderr
    hurdle(which)
    done = validate(millrace, crds, path)
    assert done.returncode == 1 and "error: spec.steps[0]: the pod of step a: refused: " in done.stderr and WORDS[which] in done.stderr, done.stderr
    assert "g: the Job of step a: ok" in done.stdout
    nothing_was_stored(crds)
    assert crds.list("pipeline") == []
