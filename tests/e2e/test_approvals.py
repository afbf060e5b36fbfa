"""The policy of manifests/approvals: who decides about an approval step can write no name but their own."""
import json
import pathlib
import subprocess
import time

import pytest
import yaml

from harness.kube import KubectlError, condition_of
from harness.objects import API, run

pytestmark = pytest.mark.cluster_only("admission policies are not evaluated there")

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "manifests/approvals"
NAME = "approvals.millrace.dev"


def approval(by, step="agree", decision="Approve", **more):
    return {"step": step, "decision": decision, "by": by, **more}


def decisions(*items):
    return {"spec": {"approvals": list(items)}}


def graph(approvers=()):
    return {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "g"}, "spec": {
        "steps": [{"name": "agree", "approval": {"approvers": list(approvers)} if approvers else {}},
                  {"name": "other", "approval": {}}]}}


@pytest.fixture
def guarded(crds):
    """The namespace with the policy bound to it alone (other tests' decisions stay free), and users who may change runs there."""
    kube = crds
    kube.cluster.once("approvals", lambda: kube.kubectl("apply", "--validate=strict", "-f", FOLDER / "policy.yaml"))
    binding = yaml.safe_load((FOLDER / "binding.yaml").read_text())
    binding["metadata"]["name"] = f"approvals-{kube.namespace}"
    binding["spec"]["matchResources"] = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": kube.namespace}}}
    rules = [{"apiGroups": ["millrace.dev"], "resources": ["pipelineruns", "pipelines"], "verbs": ["get", "list", "create", "patch"]},
             {"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ["get", "list"]}]
    kube.apply([
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "deciders"}, "rules": rules},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "deciders"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deciders"},
         "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name} for name in ("alice", "mallory")] +
                     [{"kind": "ServiceAccount", "name": "robot", "namespace": kube.namespace}]},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}, binding])
    deadline = time.monotonic() + 30  # the server takes policies up within a second or so
    while True:
        try:
            kube.create({**run("probe", "g"), **{"spec": {"refPipeline": "g", **decisions(approval("nobody"))["spec"]}}}, "--dry-run=server")
        except KubectlError as error:
            assert "by has to be the user" in error.stderr
            break
        assert time.monotonic() < deadline, "the policy is never in force"
    yield kube
    kube.kubectl("delete", "validatingadmissionpolicybinding", binding["metadata"]["name"])


def patch(kube, name, user, *items, groups=()):
    """As that user."""
    return kube.kubectl("patch", "pipelinerun", name, "--type=merge", "-p", json.dumps(decisions(*items)), f"--as={user}",
                        *(f"--as-group={group}" for group in groups))


def refused(kube, *arguments, **more):
    with pytest.raises(KubectlError) as caught:
        patch(kube, *arguments, **more)
    assert "Forbidden" in caught.value.stderr and NAME in caught.value.stderr, caught.value.stderr
    return caught.value.stderr


def waiting(kube, item):
    kube.apply(item)
    kube.wait_condition("pipeline", "g", "Ready")
    kube.create(run("r", "g"))
    kube.wait_condition("pipelinerun", "r", "Succeeded", "Unknown", "Approval")


def test_a_decision_under_another_name_is_refused_and_under_the_own_one_counts(guarded, start_operator):
    start_operator(guarded)
    waiting(guarded, graph(["alice"]))
    assert "here mallory" in refused(guarded, "r", "mallory", approval("alice"))
    assert "here mallory" in refused(guarded, "r", "mallory", {"step": "agree", "decision": "Approve"})
    patch(guarded, "r", "alice", approval("alice"))
    guarded.wait("pipelinerun", "r", lambda item: any(each["name"] == "agree" and each["state"] == "Succeeded" for each in item["status"]["stepStates"]),
                 "alice's decision counting")


def test_groups_have_to_be_ones_of_the_user(guarded, start_operator):
    start_operator(guarded)
    waiting(guarded, graph(["group:ops"]))
    assert "groups of mallory" in refused(guarded, "r", "mallory", approval("mallory", groups=["ops"]))
    patch(guarded, "r", "alice", approval("alice", groups=["ops"]), groups=["ops", "other"])
    guarded.wait("pipelinerun", "r", lambda item: any(each["name"] == "agree" and each["state"] == "Succeeded" for each in item["status"]["stepStates"]),
                 "the decision of somebody of the group counting")


def test_decisions_that_were_made_stay(guarded, start_operator):
    start_operator(guarded)
    waiting(guarded, graph())
    patch(guarded, "r", "alice", approval("alice", comment="yes"))
    for changed in ([approval("alice", decision="Reject", comment="yes")], [approval("mallory", comment="yes")], [],
                    [approval("mallory", "other")]):
        assert "neither changed nor taken back" in refused(guarded, "r", "mallory", *changed)
    patch(guarded, "r", "mallory", approval("alice", comment="yes"), approval("mallory", "other"))
    done = guarded.wait_completed("r", "Succeeded")  # the operator's own patches pass
    assert [each["by"] for each in done["spec"]["approvals"]] == ["alice", "mallory"]


def test_a_run_cannot_be_made_with_another_ones_decision(guarded):
    kube, item = guarded, {**run("made", "g")}
    item["spec"].update(decisions(approval("alice"))["spec"])
    with pytest.raises(KubectlError, match="by has to be the user"):
        kube.create(item, "--as=mallory")
    kube.create(item, "--as=alice")


def test_millrace_approve_writes_the_name_that_the_policy_wants(guarded, start_operator, millrace, tmp_path):
    """With a token of a service account, whose name is no word of the kubeconfig."""
    start_operator(guarded)
    waiting(guarded, graph())
    config = json.loads(guarded.cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": guarded.kubectl("create", "token", "robot").strip()}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    for step, flags in (("agree", []), ("other", ["--reject", "--comment", "no"])):
        done = subprocess.run([millrace, "approve", "r", step, *flags, "-n", guarded.namespace, "--kubeconfig", tmp_path / "kubeconfig"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    done = guarded.wait_completed("r", "StepFailed")
    assert {each["by"] for each in done["spec"]["approvals"]} == {f"system:serviceaccount:{guarded.namespace}:robot"}
    assert "no" in condition_of(done, "Succeeded")["message"]


def test_what_is_shipped_binds_the_policy_everywhere_and_is_accepted(crds):
    crds.kubectl("apply", "--validate=strict", "--dry-run=server", "-k", FOLDER)
    binding = yaml.safe_load((FOLDER / "binding.yaml").read_text())
    assert binding["spec"] == {"policyName": NAME, "validationActions": ["Deny"]}
