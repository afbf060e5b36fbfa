"""What a cluster's administrator does under a running operator. README.md has the table of scenarios and invariants."""
import json

import auditor
from api import PATIENCE
from auditor import is_true, name_of
from conftest import ROOT
from harness.kube import Kube, condition_of
from harness.objects import API, SHELL_IMAGE, notes, run
from load import Load
from test_pods import runs_now, running_pods


def test_quota_exhausted_and_raised(arena):
    """Runs wait and say why; when there is room they go on, and end as drawn."""
    def quota(pods, jobs):
        return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": pods, "count/jobs.batch": jobs}}}
    tight = arena.rng.choice([("1", "100"), ("2", "100"), ("100", "2")])
    arena.api.create(quota(*tight))
    arena.operator()
    arena.begin(streams=tight[0] == "100", hang=0.3)

    def held():
        return any((condition_of(item, "Succeeded") or {}).get("reason") == "QuotaExceeded" or
                   any((step.get("waiting") or {}).get("reason") == "QuotaExceeded" for step in (item.get("status") or {}).get("stepStates") or [])
                   for item in arena.recorder.latest("pipelineruns").values())
    arena.recorder.wait(held, "a run that says that the quota is used up")
    arena.at(arena.rng.uniform(3.0, 8.0))
    arena.api.patch("resourcequota", "q", quota("1000", "1000"))
    arena.finish()


def test_namespace_deleted_mid_run(arena):
    """It goes away whole, nothing holds it up, and the runs of another one end as drawn."""
    doomed = Kube(arena.cluster, f"{arena.kube.namespace}-doomed", PATIENCE)
    arena.api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": doomed.namespace}})
    doomed.wait("serviceaccount", "default", lambda _: True, "being there")
    operator = arena.operator(namespaces=[arena.kube.namespace, doomed.namespace])
    there = type(arena.api)(doomed)
    other = Load(arena.rng, arena.web, prefix="d-", span=0.5, hang=1.0)
    arena.begin()
    other.start(there)
    other.created()
    arena.at(arena.rng.uniform(0.5, 4.0))
    doomed.wait_list("pod", "", lambda pods: any(runs_now(pod) and auditor.label(pod, "pipeline-run") in other.expected for pod in pods),
                     "a pod of a doomed run runs", timeout=PATIENCE)
    arena.api.call("DELETE", f"/api/v1/namespaces/{doomed.namespace}")
    arena.note("the namespace is deleted")
    doomed.wait_gone("namespace", doomed.namespace, timeout=PATIENCE)
    arena.note("the namespace is gone")
    arena.load.calls = _Only(arena.load.calls, "/d-")
    arena.finish()
    assert operator.process.returncode == 0


class _Only:
    """The calls of one of two loads."""

    def __init__(self, calls, without):
        self._calls, self._without = calls, without

    def seen(self):
        return [each for each in self._calls.seen() if not each[0].startswith(self._without)]


def test_crd_deleted_and_created_again(arena):
    """Runs and what belongs to them go with their kind; the operator stays, and does its work when the kind is there again."""
    operator = arena.operator()
    first = Load(arena.rng, arena.web, prefix="old-", span=1.0, hang=4.0, size=2)
    arena.recorder.start()
    first.start(arena.api)
    first.created()
    arena.last(arena.rng.uniform(0.0, 2.0))
    arena.recorder.wait(lambda: any(auditor.label(pod, "pipeline-run") in first.expected for pod in running_pods(arena)), "a pod of an old run runs")
    which = arena.rng.choice([["pipelineruns"], ["pipelines", "pipelineruns"]])
    for plural in which:
        arena.kube.kubectl("delete", "crd", f"{plural}.millrace.dev", f"--timeout={PATIENCE:g}s")
    arena.last(arena.rng.uniform(0.0, 3.0))
    arena.kube.kubectl("apply", "-f", str(ROOT / "manifests/crds"))
    for plural in which:
        arena.kube.wait_condition("crd", f"{plural}.millrace.dev", "Established")
    for item in first.pipelines:  # those that have stayed begin nothing any more
        arena.api.call("DELETE", arena.api.path("pipeline", name_of(item)), wanted=(404,))
    arena.begin_again()
    arena.load.calls = _Only(arena.load.calls, "/old-")
    arena.finish()
    assert operator.process.returncode == 0


def test_objects_of_a_megabyte(arena):
    """Pipelines, runs and pods close to what etcd takes: they work or say why not, and the small ones beside them end as drawn."""
    operator = arena.operator()
    arena.begin()
    big = arena.rng.randint(900_000, 1_000_000)
    steps = [{"name": f"s{number}", **({"dependsOn": [f"s{number - 1}"]} if number else {}),
              "container": {"image": SHELL_IMAGE, "command": ["true"], "env": [{"name": "E", "value": "x" * (big // 10)}]}} for number in range(10)]
    arena.api.create({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "wide"}, "spec": {"steps": steps}})
    arena.api.create({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "one"}, "spec": {"steps": [
        {"name": "s", "container": {"image": SHELL_IMAGE, "command": ["true"], "env": [{"name": "E", "value": "y" * big}]}}]}})
    work = {"steps": [{"name": "s", "container": {"image": SHELL_IMAGE, "command": ["true"]}}]}
    arena.api.create({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "asks"}, "spec": {**work, "params": [{"name": "p"}]}})
    arena.api.create({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "talks", "annotations": notes(outcome="hang")}, "spec": work})
    reasons = {}
    for number in range(arena.rng.randint(2, 4)):
        for of, reason in (("wide", "Succeeded"), ("one", "Succeeded"), ("asks", "ParamsInvalid"), ("talks", "StepFailed")):
            arena.api.create(run(f"{of}-{number}", of, **({"params": {"p": "z" * big}} if of == "asks" else {})))
            reasons[f"{of}-{number}"] = reason

    def talking():
        return [name_of(pod) for pod in arena.recorder.latest("pods").values()
                if auditor.label(pod, "pipeline") == "talks" and (pod.get("status") or {}).get("phase") == "Running"]
    arena.recorder.wait(lambda: len(talking()) == number + 1, "the pods that will talk run")
    for pod in talking():  # its kubelet says a great deal
        arena.api.patch("pod", pod, {"status": {"message": "m" * big}}, "/status")
        arena.api.patch("pod", pod, {"status": {"phase": "Failed", "message": "n" * big}}, "/status")

    def said():
        runs = arena.recorder.latest("pipelineruns")
        return {name: condition_of(runs.get(name, {}), "Succeeded") for name in reasons}
    arena.recorder.wait(lambda: all(is_true(arena.recorder.latest("pipelineruns").get(name, {}), "Completed") for name in reasons),
                        "the large runs end", describe=lambda: str({name: each and each["reason"] for name, each in said().items()}))
    assert {name: each["reason"] for name, each in said().items()} == reasons, said()
    for name in reasons:
        status = arena.recorder.latest("pipelineruns")[name]["status"]
        assert len(json.dumps(status)) <= 256 * 1024, f"the status of {name} is beyond its budget"
    arena.finish()
    assert operator.process.returncode == 0
