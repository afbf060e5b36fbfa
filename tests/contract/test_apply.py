"""Server-side apply and metadata.managedFields: who owns what, who may take it, what goes when it is let go."""
import pytest

from kit.samples import MINIMAL, config, job, pod, sample


def fields(answer, manager, subresource=None):
    """fieldsV1 of one manager's entry."""
    for entry in answer.ok["metadata"].get("managedFields", []):
        if entry["manager"] == manager and entry.get("subresource") == subresource:
            return entry["fieldsV1"]
    return None


@pytest.mark.parametrize("plural", list(MINIMAL))
def test_create_and_repeat(api, plural):
    first = api.apply(plural, sample(plural, "a", labels={"l": "1"}))
    assert first.status == 201 and fields(first, "applier") is not None
    again = api.apply(plural, sample(plural, "a", labels={"l": "1"}))
    assert again.status == 200 and again.version == first.version, "the same applied again changes nothing"
    api.apply(plural, sample(plural, "a", annotations={"n": "1"}))
    assert "l" not in api.get(plural, "a").ok["metadata"].get("labels", {}), "what is no longer applied goes"


def test_conflict_and_force(api):
    api.apply("configmaps", config("a", {"x": "1", "y": "1"}), "one")
    api.apply("configmaps", config("a", {"x": "1"}), "two")
    clash = api.apply("configmaps", config("a", {"x": "2", "y": "2"}), "two")
    assert clash.reason == (409, "Conflict") and len(clash.json["details"]["causes"]) == 2
    taken = api.apply("configmaps", config("a", {"x": "2"}), "two", force=True)
    assert taken.ok["data"]["x"] == "2" and "f:x" not in fields(taken, "one").get("f:data", {})
    assert api.apply("configmaps", config("a", {"x": "1", "y": "1"}), "one").status == 409
    given_up = api.apply("configmaps", config("a", {}), "one")
    assert given_up.ok["data"] == {"x": "2"}
    assert "data" not in api.apply("configmaps", config("a"), "two").ok


def test_shared_field_stays_until_the_last_owner_leaves(api):
    api.apply("configmaps", config("a", {"x": "1"}), "one")
    api.apply("configmaps", config("a", {"x": "1"}), "two")
    assert api.apply("configmaps", config("a"), "one").ok["data"] == {"x": "1"}
    assert "data" not in api.apply("configmaps", config("a"), "two").ok


def test_updates_own_what_they_change(api):
    api.create("configmaps", config("a", {"x": "1", "y": "1"}), fieldManager="maker")
    api.patch("configmaps", "a", {"data": {"x": "2"}}, fieldManager="patcher")
    changed = api.get("configmaps", "a").ok
    changed["data"]["z"] = "3"
    api.replace("configmaps", changed, fieldManager="replacer")
    with api.quiet():  # the order of the complaints is that of the managers' times
        clash = api.apply("configmaps", config("a", {"x": "9", "y": "9", "z": "9", "new": "9"}), "applier")
    api.note("conflicts", sorted(cause["field"] + " " + cause["message"] for cause in clash.json["details"]["causes"]))
    assert clash.status == 409 and len(clash.json["details"]["causes"]) == 3
    api.apply("configmaps", config("a", {"x": "9", "y": "9", "z": "9"}), "applier", force=True)
    api.patch("configmaps", "a", {"data": {"x": None}}, fieldManager="patcher")
    api.patch("configmaps", "a", [{"op": "remove", "path": "/data/y"}], "json", fieldManager="patcher")
    api.patch("configmaps", "a", {"data": {"z": "4"}}, "strategic", fieldManager="patcher")


def test_same_manager_by_update_and_by_apply(api):
    api.create("configmaps", config("a", {"x": "1"}), fieldManager="me")
    api.apply("configmaps", config("a", {"x": "1", "y": "1"}), "me")
    api.apply("configmaps", config("a", {"y": "1"}), "me")
    assert api.apply("configmaps", config("a", {"x": "2"}), "me").status == 409


POD = {"containers": [{"name": "a", "image": "one", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80}]}]}


def template(**spec):
    return sample("deployments", "a", {"spec": {**MINIMAL["deployments"]["spec"], "template": {
        "metadata": {"labels": {"app": "a"}}, "spec": {**POD, **spec}}}})


def test_lists_with_keys(api):
    api.apply("deployments", template(), "one")
    side = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": {
        "containers": [{"name": "side", "image": "two"}, {"name": "a", "env": [{"name": "Y", "value": "2"}]}]}}}}
    both = api.apply("deployments", side, "two")
    assert [item["name"] for item in both.ok["spec"]["template"]["spec"]["containers"]] == ["side", "a"]
    assert api.apply("deployments", template(containers=[{"name": "a", "image": "x", "ports": [{"containerPort": 81}]}]), "one").status == 200
    clash = {**side, "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "other"}]}}}}
    assert api.apply("deployments", clash, "two").status == 409
    side["spec"]["template"]["spec"]["containers"].pop(0)
    assert len(api.apply("deployments", side, "two").ok["spec"]["template"]["spec"]["containers"]) == 1


def test_order_of_keyed_items(api):
    items = [{"name": name, "image": "i"} for name in "abc"]
    api.apply("deployments", template(containers=items), "one")
    api.apply("deployments", template(containers=[items[2], items[0]]), "one")
    extra = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": {
        "containers": [{"name": "z", "image": "i"}, {"name": "a"}, {"name": "y", "image": "i"}]}}}}
    api.apply("deployments", extra, "two")
    api.apply("deployments", template(containers=[items[0], {"name": "new", "image": "i"}, items[2]]), "one")


LISTS = {
    "duplicate-name": {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]},
    "no-name": {"containers": [{"image": "x"}]},
    "duplicate-port": {"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]}]},
    "ports-two-protocols": {"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}]},
    "duplicate-env": {"containers": [{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}]},
    "null-item": {"containers": [None]},
    "null-list": {"containers": [{"name": "a", "image": "x"}], "volumes": None},
    "mounts": {"containers": [{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]}],
               "volumes": [{"name": "v", "emptyDir": {}}]},
    "tolerations": {"containers": [{"name": "a", "image": "x"}], "tolerations": [{"key": "a"}, {"key": "b", "operator": "Exists"}]},
    "pull-secrets": {"containers": [{"name": "a", "image": "x"}], "imagePullSecrets": [{"name": "p"}]},
    "selector-atomic": {"containers": [{"name": "a", "image": "x"}], "nodeSelector": {"a": "b", "c": "d"}},
    "resources": {"containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "0.5"}}}]},
    "affinity": {"containers": [{"name": "a", "image": "x"}], "affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Exists"}]}]}}}},
    "unknown": {"containers": [{"name": "a", "image": "x", "imagee": "y"}]},
    "wrong-type": {"containers": [{"name": "a", "image": 3}]},
    "list-as-map": {"containers": {"name": "a"}},
}


@pytest.mark.parametrize("case", list(LISTS))
def test_lists(api, case):
    api.apply("deployments", template(**LISTS[case]))
    api.made("pods", pod("p"))
    api.apply("pods", sample("pods", "p", {"spec": LISTS[case]}), force=True)


def test_custom_kinds(api):
    pipeline = sample("pipelines", "p", {"spec": {"batchJob": {
        "input": {"apiServer": {"url": "u"}}, "processors": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}],
        "outputs": [{"name": "files", "ftp": {"topic": "t"}}]}}})
    api.apply("pipelines", pipeline, "one")
    part = {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": {"strategy": {"suspend": True}}}
    api.apply("pipelines", part, "two")
    part["spec"]["batchJob"] = {"processors": [{"name": "b", "image": "other"}]}
    api.apply("pipelines", part, "two")
    api.apply("pipelines", part, "two", force=True)
    del pipeline["spec"]["batchJob"]["processors"]
    api.apply("pipelines", pipeline, "one")
    api.apply("pipelines", {**part, "spec": {"bogus": 1}}, "two")


def test_status_through_its_own_address(api):
    api.made("pipelineruns", sample("pipelineruns", "a"))
    status = {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "a"},
              "status": {"steps": "1/2", "conditions": [{"type": "Succeeded", "status": "Unknown", "reason": "Running", "message": "m",
                                                         "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}
    first = api.apply("pipelineruns", status, "operator", sub="status")
    assert fields(first, "operator", "status") is not None and first.ok["status"]["steps"] == "1/2"
    status["status"]["conditions"][0]["status"] = "True"
    api.apply("pipelineruns", status, "operator", sub="status")
    api.apply("pipelineruns", {**status, "spec": {"cancel": True}}, "operator", sub="status")
    api.apply("pipelineruns", {**status, "status": {}}, "operator", sub="status")
    api.apply("pipelineruns", status, "other")
    api.made("jobs", job("j"))
    api.apply("jobs", {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "status": {"active": 2, "ready": 1}}, "operator", sub="status")
    api.made("pods", pod("p"))
    api.apply("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True"}], "containerStatuses": [{"name": "a", "ready": True, "restartCount": 0, "image": "i",
                                                                    "imageID": "", "state": {"running": {}}}]}}, "kubelet", sub="status")


REFUSED = {
    "no-manager": (config("a"), {}), "empty-manager": (config("a"), {"fieldManager": ""}),
    "long-manager": (config("a"), {"fieldManager": "m" * 129}), "odd-manager": (config("a"), {"fieldManager": "a\nb"}),
    "other-name": (config("b"), {"fieldManager": "m"}), "no-name": ({"apiVersion": "v1", "kind": "ConfigMap"}, {"fieldManager": "m"}),
    "no-kind": ({"apiVersion": "v1", "metadata": {"name": "a"}}, {"fieldManager": "m"}),
    "no-version": ({"kind": "ConfigMap", "metadata": {"name": "a"}}, {"fieldManager": "m"}),
    "other-kind": ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}, {"fieldManager": "m"}),
    "other-version": ({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}}, {"fieldManager": "m"}),
    "managed-fields": (config("a", managedFields=[]), {"fieldManager": "m"}),
    "managed-fields-full": (config("a", managedFields=[{"manager": "x", "operation": "Apply", "apiVersion": "v1"}]), {"fieldManager": "m"}),
    "uid": (config("a", uid="11111111-1111-1111-1111-111111111111"), {"fieldManager": "m"}),
    "version": (config("a", resourceVersion="1"), {"fieldManager": "m"}),
    "generate-name": ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a"}}, {"fieldManager": "m"}),
    "force-on-merge": (config("a"), {"fieldManager": "m", "force": "maybe"}),
    "bad-name": (config("A_b"), {"fieldManager": "m"}),
    "namespace": (config("a", namespace="elsewhere"), {"fieldManager": "m"}),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_apply_refuses(api, case):
    body, query = REFUSED[case]
    for there in (False, True):
        if there:
            with api.quiet():
                api.create("configmaps", config("a"))
        assert api.patch("configmaps", "A_b" if case == "bad-name" else "a", body, "apply", **query).status in (200, 201, 400, 404, 409, 415, 422)


def test_force_belongs_to_apply(api):
    api.made("configmaps", config("a"))
    assert api.patch("configmaps", "a", {"data": {"a": "b"}}, "merge", force=True).reason == (422, "Invalid")


def test_managed_fields_can_be_emptied_but_not_forged(api):
    api.create("configmaps", config("a", {"x": "1"}))
    api.patch("configmaps", "a", {"metadata": {"managedFields": [{}]}})
    api.patch("configmaps", "a", {"data": {"y": "1"}})
    api.apply("configmaps", config("a", {"x": "2"}), "one")
    api.patch("configmaps", "a", {"metadata": {"managedFields": None}})
    body = api.get("configmaps", "a").ok
    body["metadata"]["managedFields"] = [{"manager": "forged", "operation": "Apply", "apiVersion": "v1", "time": "2020-01-01T00:00:00Z",
                                          "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:x": {}}}}]
    api.replace("configmaps", body)
    body = api.get("configmaps", "a").ok
    body["metadata"]["managedFields"] = []
    api.replace("configmaps", body)


def test_field_manager_of_other_verbs(api):
    api.create("configmaps", config("a"), fieldManager="m" * 129)
    api.create("configmaps", config("a"), fieldManager="a\tb")
    api.create("configmaps", config("a", {"x": "1"}), fieldManager="ünïcode")
    api.request("PATCH", api.path("configmaps", "a"), {"data": {"y": "1"}}, content_type="application/merge-patch+json",
                headers={"User-Agent": "tool/v1.2 (linux/amd64) extra"})
    api.request("PATCH", api.path("configmaps", "a"), {"data": {"z": "1"}}, content_type="application/merge-patch+json",
                headers={"User-Agent": ""})


@pytest.mark.parametrize("plural", ["deployments", "jobs", "pods", "pipelines"])
def test_apply_after_create(api, plural):
    api.create(plural, sample(plural, "a"), fieldManager="kubectl-create")
    api.apply(plural, sample(plural, "a", labels={"l": "1"}), "kubectl")
    api.get(plural, "a")
