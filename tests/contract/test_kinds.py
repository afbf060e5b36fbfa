"""Every kind through every verb: what is stored, what defaults fill in, what the answers look like."""
import copy

import pytest

from kit.api import TABLE
from kit.samples import FULL, KINDS, sample

STATUS = ["pods", "services", "jobs", "deployments", "pipelines", "pipelineruns"]


@pytest.mark.parametrize("plural", KINDS)
def test_smallest_object_and_its_defaults(api, plural):
    made = api.create(plural, sample(plural, "a"))
    assert made.status == 201 and made.ok["metadata"]["name"] == "a" and made.ok["metadata"]["namespace"] == api.ns
    assert api.get(plural, "a").ok == made.ok


@pytest.mark.parametrize("plural", list(FULL))
def test_full_object_comes_back_whole(api, plural):
    made = api.create(plural, sample(plural, "full", FULL[plural], labels={"l": "1"}, annotations={"note": "ö"}))
    assert made.status == 201
    got = api.get(plural, "full")
    assert got.ok == made.ok


@pytest.mark.parametrize("plural", KINDS)
def test_life_of_an_object(api, plural):
    body = sample(plural, "life")
    first = api.create(plural, body)
    assert api.create(plural, body).reason == (409, "AlreadyExists")
    changed = copy.deepcopy(first.ok)
    changed["metadata"]["labels"] = {"step": "two"}
    second = api.replace(plural, changed)
    assert second.ok["metadata"]["labels"] == {"step": "two"} and second.version != first.version
    same = api.replace(plural, second.ok)
    assert same.version == second.version, "a write that changes nothing keeps its version"
    assert api.replace(plural, changed).reason == (409, "Conflict")
    listed = api.list(plural, labelSelector="step=two")
    assert [item["metadata"]["name"] for item in listed.ok["items"]] == ["life"]
    patched = api.patch(plural, "life", {"metadata": {"annotations": {"a": "b"}}})
    assert patched.ok["metadata"]["annotations"] == {"a": "b"}
    gone = api.delete(plural, "life")
    assert gone.status == 200
    api.until(lambda: api.get(plural, "life").status == 404)
    assert api.get(plural, "life").reason == (404, "NotFound")
    assert api.delete(plural, "life").reason == (404, "NotFound")
    assert api.replace(plural, sample(plural, "life")).status == (201 if plural in ("services", "leases", "events") else 404), \
        "a few kinds are created by replacing them"
    api.delete(plural, "life")
    api.until(lambda: api.get(plural, "life").status == 404)
    assert api.patch(plural, "life", {"metadata": {}}).reason == (404, "NotFound")


@pytest.mark.parametrize("plural", KINDS)
def test_replace_without_a_version(api, plural):
    api.create(plural, sample(plural, "a"))
    api.replace(plural, sample(plural, "a", labels={"x": "y"}))


@pytest.mark.parametrize("plural", KINDS)
def test_lists_of_every_form(api, plural):
    for name in ("b", "a"):
        api.made(plural, sample(plural, name, labels={"name": name}))
    assert [item["metadata"]["name"] for item in api.list(plural, labelSelector="name").ok["items"]] == ["a", "b"]
    everywhere = api.list(plural, ns="", labelSelector="name=a", fieldSelector=f"metadata.namespace={api.ns}")
    assert len(everywhere.ok["items"]) == 1


@pytest.mark.parametrize("plural", STATUS)
def test_status_is_apart(api, plural):
    status = {"pods": {"phase": "Running", "podIP": "10.0.0.1"}, "services": {"loadBalancer": {}}, "jobs": {"active": 1},
              "deployments": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1},
              "pipelines": {"revision": "r1"}, "pipelineruns": {"steps": "1/2"}}[plural]
    made = api.create(plural, {**sample(plural, "a"), "status": status}).ok
    through_main = api.patch(plural, "a", {"status": status}).ok
    assert through_main.get("status", {}) == made.get("status", {}), "the object's own address leaves status alone"
    through_status = api.patch(plural, "a", {"status": status, "metadata": {"labels": {"l": "1"}}}, sub="status").ok
    assert through_status["metadata"].get("labels", {}).get("l") in ("1", None)
    got = api.get(plural, "a", sub="status").ok
    assert got == through_status
    body = copy.deepcopy(got)
    body["spec"] = {}
    api.replace(plural, body, sub="status")
    assert api.get(plural, "missing", sub="status").reason == (404, "NotFound")


@pytest.mark.parametrize("plural", ["configmaps", "secrets", "leases", "controllerrevisions", "events", "serviceaccounts"])
def test_kinds_without_status(api, plural):
    api.made(plural, sample(plural, "a"))
    assert api.get(plural, "a", sub="status").reason == (404, "NotFound")
    assert api.patch(plural, "a", {"status": {}}, sub="status").reason == (404, "NotFound")


@pytest.mark.parametrize("plural", ["jobs", "deployments", "pipelines", "pods", "controllerrevisions", "services"])
def test_generation(api, plural):
    made = api.create(plural, sample(plural, "a")).ok
    labelled = api.patch(plural, "a", {"metadata": {"labels": {"a": "b"}}}).ok
    assert labelled["metadata"].get("generation") == made["metadata"].get("generation"), "labels are not the spec"
    change = {"jobs": {"spec": {"parallelism": 3}}, "deployments": {"spec": {"replicas": 3}},
              "pipelines": {"spec": {"batchJob": {"input": {"apiServer": {"url": "v"}}}}},
              "pods": {"spec": {"containers": [{"name": "a", "image": "busybox:2"}]}},
              "controllerrevisions": {"revision": 2}, "services": {"spec": {"selector": {"a": "b"}}}}[plural]
    changed = api.patch(plural, "a", change, "merge" if plural in ("pipelines", "controllerrevisions") else "strategic").ok
    if "generation" in made["metadata"]:
        assert changed["metadata"]["generation"] == made["metadata"]["generation"] + 1


def test_namespace(api):
    name = f"{api.ns}-n"
    made = api.create("namespaces", sample_namespace(name))
    assert made.ok["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    assert made.ok["spec"] == {"finalizers": ["kubernetes"]} and made.ok["status"] == {"phase": "Active"}
    assert api.create("namespaces", sample_namespace(name)).reason == (409, "AlreadyExists")
    api.patch("namespaces", name, {"metadata": {"labels": {"kubernetes.io/metadata.name": None, "a": "b"}}})
    api.patch("namespaces", name, {"spec": {"finalizers": None}})
    api.patch("namespaces", name, {"status": {"phase": "Terminating"}}, sub="status")
    api.create("namespaces", sample_namespace("UPPER"))
    api.create("namespaces", sample_namespace("dots.are.not.allowed"))


def sample_namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_node(api):
    name = f"{api.ns}-n"
    made = api.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"disk": "ssd"}}})
    assert made.status == 201
    status = {"capacity": {"cpu": "4", "memory": "1Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "m"}],
              "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "nodeInfo": {"kubeletVersion": "v1"}}
    api.patch("nodes", name, {"status": status}, sub="status")
    api.list("nodes", fieldSelector=f"metadata.name={name}")
    api.get("nodes", name, accept=TABLE)
    api.kubectl("get", "node", name, "-o", "wide")
    api.patch("nodes", name, {"spec": {"unschedulable": True}})
    assert api.delete("nodes", name).status == 200


def test_bodies_may_leave_kind_and_version_out(api):
    assert api.create("configmaps", {"metadata": {"name": "a"}}).status == 201
    assert api.create("pipelineruns", {"metadata": {"name": "a"}, "spec": {"refPipeline": "p"}}).status == 400
    assert api.create("configmaps", {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "b"}}).status == 400
    assert api.create("configmaps", {"kind": "ConfigMap", "apiVersion": "v2", "metadata": {"name": "b"}}).status == 400
    assert api.create("configmaps", {"kind": "ConfigMap", "apiVersion": "batch/v1", "metadata": {"name": "b"}}).status == 400
    assert api.create("jobs", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "b"}}).status == 400
    assert api.create("pipelineruns", {"kind": "Pipeline", "apiVersion": "millrace.dev/v1", "metadata": {"name": "b"},
                                       "spec": {}}).reason == (422, "Invalid")
    assert api.create("pipelineruns", {"kind": "PipelineRun", "apiVersion": "millrace.dev/v2", "metadata": {"name": "b"},
                                       "spec": {}}).status == 400


@pytest.mark.parametrize("plural", KINDS)
def test_bodies_of_the_wrong_shape(api, plural):
    for body in ("[]", '"text"', "3", "null", "{}", '{"metadata":[]}', '{"metadata":{"name":3}}', '{"metadata":{"labels":{"a":1}}}'):
        api.request("POST", api.path(plural), body, what=f"POST {body}")
