"""What a newcomer applies: the installation and the samples, on the real API server."""
import json
import pathlib
import re
import subprocess
import time

import pytest
import yaml

from conftest import is_local
from harness import Kube
from harness.kube import KubectlError
from harness.objects import API
from harness.ports import free_ports
from harness.web import send

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = sorted((ROOT / "manifests/samples").rglob("*.yaml"))
SYSTEM = "millrace-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:millrace-operator"


def kustomized(folder):
    done = subprocess.run(["kubectl", "kustomize", ROOT / folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def only(objects, kind):
    return [each for each in objects if each["kind"] == kind]


def apply_manifests(kube):
    return Kube(kube.cluster, SYSTEM).kubectl("apply", "--validate=strict", "-k", ROOT / "manifests")


@pytest.fixture
def installed(crds, request):
    """The cluster after `kubectl apply -k manifests`. Its pods are simulated, so the operators of other tests stay alone."""
    if is_local(request.config):
        pytest.skip("not in local mode: there are no definitions, roles and policies to install")

    def install():
        apply_manifests(crds)
    crds.cluster.once("manifests", install)
    return crds


def test_everything_is_applied_and_applying_again_changes_nothing(installed):
    again = apply_manifests(installed).strip().splitlines()
    assert len(again) == len(kustomized("manifests")) and not [line for line in again if line.endswith("created")]
    Kube(installed.cluster, SYSTEM).kubectl("diff", "-k", ROOT / "manifests")  # fails with what differs


def test_the_deployment_meets_the_strictest_pod_security(installed):
    """The namespace enforces the profile `restricted`; a pod made from the template is admitted by a dry run."""
    system = Kube(installed.cluster, SYSTEM)
    deployment = system.get("deployment", "millrace-operator")
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "labels": template["metadata"]["labels"]},
           "spec": template["spec"]}
    system.create(pod, "--dry-run=server")
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(KubectlError, match="restricted"):
        system.create(pod, "--dry-run=server")


def test_the_deployment_mounts_the_configuration_that_was_generated(installed):
    objects = kustomized("manifests")
    [config] = only(objects, "ConfigMap")
    [deployment] = only(objects, "Deployment")
    assert config["data"]["millrace.yaml"] == (ROOT / "config/millrace.yaml").read_text()
    [volume] = deployment["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == config["metadata"]["name"] != "millrace-config"
    assert config["metadata"]["namespace"] == SYSTEM


def test_the_deployment_starts_a_command_that_the_program_accepts(millrace):
    """The flags, ports and paths of the Deployment are those of the program: it gets past them, to the missing cluster."""
    [deployment] = only(kustomized("manifests"), "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    arguments = [argument.replace("/etc/millrace/", f"{ROOT}/config/").replace("$(POD_NAMESPACE)", SYSTEM)
                 for argument in container["args"] if not argument.startswith(("--metrics-address", "--webhook-address"))]
    done = subprocess.run([millrace, *arguments, "--metrics-address=0", "--webhook-address=127.0.0.1:0", "--kubeconfig=nowhere"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "nowhere" in done.stderr, done.stderr
    assert [argument for argument in container["args"] if "address" in argument] == [
        f"--{flag}-address=:{port['containerPort']}" for flag, port in zip(("metrics", "webhook"), container["ports"], strict=True)]


@pytest.mark.parametrize("service, flag", [("millrace-metrics", "metrics"), ("millrace-webhooks", "webhook")])
def test_a_service_leads_to_the_port_on_which_the_operator_listens(installed, service, flag):
    system = Kube(installed.cluster, SYSTEM)
    template = system.get("deployment", "millrace-operator")["spec"]["template"]
    spec = system.get("service", service)["spec"]
    [port], [container] = spec["ports"], template["spec"]["containers"]
    [listens] = [int(word.rpartition(":")[2]) for word in container["args"] if word.startswith(f"--{flag}-address=")]
    assert port["port"] == listens
    assert {each["name"]: each["containerPort"] for each in container["ports"]}[port["targetPort"]] == listens
    assert spec["selector"].items() <= template["metadata"]["labels"].items()


def test_the_operators_address_is_one_that_serves_webhooks(kube, start_operator, web):
    """The Deployment's flag, and the configuration of config/: what a pod behind the Service does."""
    port = free_ports(1)
    operator = start_operator(kube, config=(ROOT / "config/millrace.yaml").read_text(), args=[f"--webhook-address=127.0.0.1:{port}"])
    kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "hook"}, "spec": {
        "triggers": [{"type": "webhook"}], "steps": [{"name": "refused", "http": {"url": web.url}}]}})
    kube.wait_condition("pipeline", "hook", "Ready")
    reply = send(f"http://127.0.0.1:{port}/webhook/{kube.namespace}/hook")
    assert reply.status == 202
    done = kube.wait_completed(reply.headers["x-millrace-run"].partition("/")[2], "StepFailed")
    said = json.dumps(done["status"])  # the sample lets nothing in that is refused by default, and the message says what to write
    assert "127.0.0.0/8" in said and "http.allow" in said and web.count() == 0 and operator.alive()


def test_the_sample_configuration_has_every_setting_that_the_table_lists():
    table = (ROOT / "config/README.md").read_text()
    for section in ("http", "webhook"):
        rows = [line.split("|")[1] for line in table.splitlines() if line.startswith(f"| `{section}.")]
        listed = {word.split(".")[1] for row in rows for word in re.findall(r"`([a-zA-Z.]+)`", row)}
        assert listed == set(yaml.safe_load((ROOT / "config/millrace.yaml").read_text())[section])


def test_for_one_namespace_nothing_is_cluster_wide_and_the_rights_are_the_same():
    objects, everywhere = kustomized("manifests/namespaced"), kustomized("manifests")
    assert {each["metadata"].get("namespace") for each in objects} == {"pipelines"}
    assert not {each["kind"] for each in objects} & {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
    rules = {each["metadata"]["name"]: each["rules"] for each in only(objects, "Role")}
    [operator] = [each for each in only(everywhere, "ClusterRole") if each["metadata"]["name"] == "millrace-operator"]
    [lease] = only(everywhere, "Role")
    assert rules == {"millrace-operator": operator["rules"], "millrace-operator-lease": lease["rules"]}
    for binding in only(objects, "RoleBinding"):
        assert binding["roleRef"]["kind"] == "Role" and binding["roleRef"]["name"] == binding["metadata"]["name"]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "millrace-operator", "namespace": "pipelines"}]
    [deployment], [whole] = only(objects, "Deployment"), only(everywhere, "Deployment")
    [container], [other] = deployment["spec"]["template"]["spec"]["containers"], whole["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [*other["args"], "--namespace=$(POD_NAMESPACE)"]


def test_everything_ours_is_in_our_namespace_and_nothing_is_privileged():
    for each in kustomized("manifests"):
        namespace = each["metadata"].get("namespace")
        cluster_wide = each["kind"] in ("Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding")
        assert (namespace is None) if cluster_wide else (namespace == SYSTEM), each["metadata"]
        if each["kind"] in ("ClusterRole", "Role"):
            assert "*" not in json.dumps(each["rules"]), f"{each['metadata']['name']} has a wildcard"
            assert not re.search(r'"(escalate|bind)"', json.dumps(each["rules"]))
            for rule in each["rules"]:  # Secrets are read by name only, and only service accounts are acted for
                assert "secrets" not in rule["resources"] or rule["verbs"] == ["get"]
                assert "impersonate" not in rule["verbs"] or rule["resources"] == ["serviceaccounts"]


@pytest.mark.parametrize("verb,resource,allowed", [
    ("create", "jobs.batch", True), ("patch", "jobs.batch/status", True), ("create", "pods", True),
    ("patch", "pipelineruns.millrace.dev/status", True), ("create", "events.events.k8s.io", True),
    ("get", "secrets", True), ("list", "secrets", False), ("create", "secrets", False), ("impersonate", "serviceaccounts", True),
    ("impersonate", "users", False), ("impersonate", "groups", False), ("create", "pods/exec", False), ("delete", "pipelines.millrace.dev", False),
    ("update", "nodes", False), ("create", "clusterrolebindings.rbac.authorization.k8s.io", False),
])
def test_the_operator_may_do_its_work_and_no_more(installed, verb, resource, allowed):
    name, _, sub = resource.partition("/")
    words = ["auth", "can-i", verb, name, f"--as={ACCOUNT}", *([f"--subresource={sub}"] if sub else [])]
    assert (installed.kubectl(*words, check=False).strip() == "yes") == allowed


@pytest.mark.parametrize("role,verb,kind,allowed", [
    ("view", "get", "pipelines.millrace.dev", True), ("view", "create", "pipelineruns.millrace.dev", False),
    ("edit", "create", "pipelineruns.millrace.dev", True), ("edit", "delete", "pipelines.millrace.dev", True),
    ("admin", "create", "pipelines.millrace.dev", True),
])
def test_the_built_in_roles_cover_our_kinds(installed, role, verb, kind, allowed):
    installed.kubectl("create", "rolebinding", f"a-{role}", f"--clusterrole={role}", f"--user={role}-user")

    def may(*words):
        return installed.kubectl("auth", "can-i", *words, f"--as={role}-user", check=False).strip() == "yes"

    deadline = time.monotonic() + 30  # a controller adds our rules to the built-in roles
    while not may("get", "pipelines.millrace.dev"):
        assert time.monotonic() < deadline, f"the role {role} never got our kinds"
    assert may(verb, kind) == allowed
    assert not may("patch", "pipelineruns.millrace.dev", "--subresource=status")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem if path.parent.name == "samples" else f"{path.parent.name}-{path.stem}")
def test_a_sample_is_accepted_and_runs(kube, start_operator, millrace, sample):
    """Each sample is valid offline, is applied with strict validation, and its run comes to the end that its comments say."""
    done = subprocess.run([millrace, "validate", "--config", ROOT / "config/demo.yaml", sample], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(sample.read_text()) if document]
    for document in documents:  # what its simulated pods do
        if document["kind"] == "Pipeline":
            outcome = {"retry": "fail:1@build-step-flaky", "timeout": "hang"}.get(sample.stem)
            document["metadata"]["annotations"] = {"test.millrace.dev/outcome": outcome} if outcome else {}
        elif sample.stem == "timeout":
            document["spec"]["timeout"] = "2s"
    start_operator(kube, config=(ROOT / "config/demo.yaml").read_text())
    kube.apply(documents, "--validate=strict")
    for document in documents:
        if document["kind"] == "Pipeline":
            kube.wait_condition("pipeline", document["metadata"]["name"], "Ready", "True")
    runs = [document["metadata"]["name"] for document in documents if document["kind"] == "PipelineRun"]
    for name in runs:
        run = kube.wait_run(name, succeeded="False" if sample.stem in ("retry", "timeout") else "True")
        if sample.stem == "retry":
            assert run["status"]["retryStatus"]["retryCount"] == 2
    assert runs or sample.stem == "scheduled"
