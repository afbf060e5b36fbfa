"""Merge, JSON and strategic merge patches: what they do, what they refuse, what they may not touch."""
import json

import pytest

from kit.samples import MINIMAL, config, job, pod, sample


def deployment(name, **spec):
    return sample("deployments", name, {"spec": {**MINIMAL["deployments"]["spec"], **spec}})


MERGES = {
    "add": {"data": {"c": "3"}}, "change": {"data": {"a": "9"}}, "remove": {"data": {"a": None}}, "remove-missing": {"data": {"zz": None}},
    "remove-map": {"data": None}, "replace-with-scalar": {"data": "x"}, "nothing": {}, "nested-null": {"metadata": {"labels": {"x": None}}},
    "labels": {"metadata": {"labels": {"n": "1"}, "annotations": None}}, "wrong-version": {"metadata": {"resourceVersion": "1"}},
    "bad-version": {"metadata": {"resourceVersion": "x"}}, "kind": {"kind": "Secret"}, "api-version": {"apiVersion": "v2"},
    "uid": {"metadata": {"uid": "11111111-1111-1111-1111-111111111111"}}, "list": {"metadata": {"finalizers": ["example.com/a"]}},
    "empty-string": {"data": {"": "x"}}, "number": {"data": {"a": 1}}, "immutable-off": {"immutable": True},
}


@pytest.mark.parametrize("case", list(MERGES))
@pytest.mark.parametrize("how", ["merge", "strategic"])
def test_patches_of_a_map(api, how, case):
    api.made("configmaps", config("a", {"a": "1", "b": "2"}, labels={"x": "y"}, annotations={"n": "m"}))
    api.patch("configmaps", "a", MERGES[case], how)
    api.get("configmaps", "a")


def test_resource_version_in_a_patch_is_a_precondition(api):
    first = api.made("configmaps", config("a", {"a": "1"}))["metadata"]["resourceVersion"]
    for how in ("merge", "strategic"):
        assert api.patch("configmaps", "a", {"metadata": {"resourceVersion": first}, "data": {"h": how}}, how).status == \
            (200 if how == "merge" else 409)
    answer = api.patch("configmaps", "a", [{"op": "test", "path": "/metadata/resourceVersion", "value": first},
                                           {"op": "add", "path": "/data/x", "value": "y"}], "json")
    assert answer.status == 422
    assert api.patch("configmaps", "a", {"metadata": {"resourceVersion": first, "name": "a"}, "apiVersion": "v1", "kind": "ConfigMap"},
                     "apply", fieldManager="m").reason == (409, "Conflict")
    first = api.made("pipelineruns", sample("pipelineruns", "a"))["metadata"]["resourceVersion"]
    api.patch("pipelineruns", "a", {"metadata": {"labels": {"a": "b"}}})
    assert api.patch("pipelineruns", "a", {"metadata": {"resourceVersion": first, "labels": {"a": "c"}}}).reason == (409, "Conflict")
    assert api.patch("pipelineruns", "a", {"metadata": {"resourceVersion": first}, "status": {"steps": "1/1"}}, sub="status").status == 409


JSON_PATCHES = {
    "add": [{"op": "add", "path": "/data/c", "value": "3"}],
    "add-there": [{"op": "add", "path": "/data/a", "value": "3"}],
    "add-deep-missing": [{"op": "add", "path": "/metadata/labels/x/y", "value": "3"}],
    "add-no-parent": [{"op": "add", "path": "/binaryData/x", "value": "AA=="}],
    "add-list-end": [{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/b"}],
    "add-list-0": [{"op": "add", "path": "/metadata/finalizers/0", "value": "example.com/b"}],
    "add-list-far": [{"op": "add", "path": "/metadata/finalizers/7", "value": "example.com/b"}],
    "add-list-word": [{"op": "add", "path": "/metadata/finalizers/x", "value": "example.com/b"}],
    "add-list-negative": [{"op": "add", "path": "/metadata/finalizers/-1", "value": "example.com/b"}],
    "remove": [{"op": "remove", "path": "/data/a"}],
    "remove-missing": [{"op": "remove", "path": "/data/zz"}],
    "remove-list": [{"op": "remove", "path": "/metadata/finalizers/0"}],
    "remove-list-far": [{"op": "remove", "path": "/metadata/finalizers/5"}],
    "remove-data": [{"op": "remove", "path": "/data"}],
    "replace": [{"op": "replace", "path": "/data/a", "value": "9"}],
    "replace-missing": [{"op": "replace", "path": "/data/zz", "value": "9"}],
    "replace-all": [{"op": "replace", "path": "", "value": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}}],
    "move": [{"op": "move", "from": "/data/a", "path": "/data/z"}],
    "move-missing": [{"op": "move", "from": "/data/zz", "path": "/data/z"}],
    "copy": [{"op": "copy", "from": "/data/a", "path": "/data/z"}],
    "copy-missing": [{"op": "copy", "from": "/data/zz", "path": "/data/z"}],
    "test-good": [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "remove", "path": "/data/a"}],
    "test-bad": [{"op": "test", "path": "/data/a", "value": "2"}, {"op": "remove", "path": "/data/a"}],
    "test-missing": [{"op": "test", "path": "/data/zz", "value": "2"}],
    "test-null": [{"op": "test", "path": "/data/zz", "value": None}],
    "test-list": [{"op": "test", "path": "/metadata/finalizers", "value": ["example.com/a"]}],
    "escape": [{"op": "add", "path": "/metadata/annotations/example.com~1k~0k", "value": "x"}],
    "several": [{"op": "add", "path": "/data/c", "value": "3"}, {"op": "move", "from": "/data/c", "path": "/data/d"},
                {"op": "replace", "path": "/data/d", "value": "4"}],
    "half-then-fails": [{"op": "add", "path": "/data/c", "value": "3"}, {"op": "remove", "path": "/data/zz"}],
    "unknown-op": [{"op": "nonsense", "path": "/data/a"}],
    "no-op": [{"path": "/data/a", "value": "x"}],
    "no-path": [{"op": "add", "value": "x"}],
    "no-value": [{"op": "add", "path": "/data/a"}],
    "no-slash": [{"op": "add", "path": "data/a", "value": "x"}],
    "no-from": [{"op": "move", "path": "/data/a"}],
    "empty": [],
    "not-a-list": {"op": "add", "path": "/data/a", "value": "x"},
    "list-of-words": ["x"],
    "number-value": [{"op": "add", "path": "/data/a", "value": 3}],
    "rename": [{"op": "replace", "path": "/metadata/name", "value": "b"}],
    "upper-op": [{"op": "ADD", "path": "/data/a", "value": "x"}],
}


@pytest.mark.parametrize("case", list(JSON_PATCHES))
def test_json_patches(api, case):
    api.made("configmaps", config("a", {"a": "1", "b": "2"}, finalizers=["example.com/a"], annotations={"n": "m"}))
    api.patch("configmaps", "a", JSON_PATCHES[case], "json")
    got = api.get("configmaps", "a").ok
    if case in ("test-bad", "half-then-fails"):
        assert got["data"] == {"a": "1", "b": "2"}


def test_json_patch_on_a_custom_kind(api):
    api.made("pipelineruns", sample("pipelineruns", "a"))
    assert api.patch("pipelineruns", "a", [{"op": "add", "path": "/spec/cancel", "value": True}], "json").ok["spec"]["cancel"] is True
    api.patch("pipelineruns", "a", [{"op": "remove", "path": "/spec/refPipeline"}], "json")
    api.patch("pipelineruns", "a", [{"op": "add", "path": "/status", "value": {"steps": "1/2"}}], "json", sub="status")
    api.patch("pipelineruns", "a", [{"op": "test", "path": "/status/steps", "value": "1/2"}], "json", sub="status")


TWO = {"containers": [{"name": "a", "image": "one", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}], "args": ["1", "2"],
                       "ports": [{"containerPort": 80}, {"containerPort": 81, "name": "b"}]}, {"name": "b", "image": "two"}],
       "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "c"}}],
       "tolerations": [{"key": "t", "operator": "Exists"}], "imagePullSecrets": [{"name": "p"}, {"name": "q"}]}
STRATEGIC = {
    "item-by-key": {"containers": [{"name": "b", "image": "three"}]},
    "item-added": {"containers": [{"name": "c", "image": "three"}]},
    "item-deleted": {"containers": [{"name": "b", "$patch": "delete"}]},
    "item-deleted-missing": {"containers": [{"name": "zz", "$patch": "delete"}]},
    "item-replaced": {"containers": [{"name": "a", "$patch": "replace", "image": "x"}]},
    "list-replaced": {"containers": [{"$patch": "replace"}, {"name": "z", "image": "z"}]},
    "item-without-key": {"containers": [{"image": "three"}]},
    "order": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
    "order-and-change": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "x"}]},
    "order-missing-item": {"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a", "image": "x"}]},
    "env": {"containers": [{"name": "a", "env": [{"name": "Y", "value": "9"}, {"name": "Z", "value": "3"}]}]},
    "env-deleted": {"containers": [{"name": "a", "env": [{"name": "X", "$patch": "delete"}]}]},
    "ports": {"containers": [{"name": "a", "ports": [{"containerPort": 81, "name": "c"}, {"containerPort": 82}]}]},
    "args-atomic": {"containers": [{"name": "a", "args": ["3"]}]},
    "null-list": {"volumes": None},
    "volume-source": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
    "volume-retain-keys": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]},
    "tolerations": {"tolerations": [{"key": "u", "operator": "Exists"}]},
    "pull-secrets": {"imagePullSecrets": [{"name": "r"}, {"name": "p", "$patch": "delete"}]},
    "object-replaced": {"securityContext": {"$patch": "replace", "runAsUser": 1}},
    "object-deleted": {"securityContext": {"$patch": "delete"}},
    "unknown-directive": {"containers": [{"name": "a", "$patch": "nonsense"}]},
    "retain-keys-bad": {"volumes": [{"name": "v", "$retainKeys": ["name"], "hostPath": {"path": "/x"}}]},
    "node-selector": {"nodeSelector": {"a": "b", "c": None}},
}


@pytest.mark.parametrize("case", list(STRATEGIC))
def test_strategic_patches_of_a_pod_template(api, case):
    api.made("deployments", deployment("a", template={"metadata": {"labels": {"app": "a"}}, "spec": TWO}))
    api.patch("deployments", "a", {"spec": {"template": {"spec": STRATEGIC[case]}}}, "strategic")


OTHER_STRATEGIC = {
    "finalizers-merge": ("configmaps", {"metadata": {"finalizers": ["example.com/b"]}}),
    "finalizers-delete": ("configmaps", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}),
    "finalizers-order": ("configmaps", {"metadata": {"$setElementOrder/finalizers": ["example.com/c", "example.com/a"], "finalizers": ["example.com/c"]}}),
    "owners": ("configmaps", {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "owner-2", "uid": "u2"}]}}),
    "owner-deleted": ("configmaps", {"metadata": {"ownerReferences": [{"uid": "u1", "$patch": "delete"}]}}),
    "conditions": ("jobs", {"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}),
    "whole-replaced": ("configmaps", {"$patch": "replace", "metadata": {"name": "a"}, "data": {"z": "1"}}),
    "whole-deleted": ("configmaps", {"$patch": "delete"}),
    "custom-kind": ("pipelineruns", {"spec": {"cancel": True}}),
    "service-ports": ("services", {"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81, "name": "more"}]}}),
    "secret-string-data": ("secrets", {"stringData": {"a": "plain"}}),
    "deployment-strategy": ("deployments", {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    "deployment-strategy-plain": ("deployments", {"spec": {"strategy": {"type": "Recreate"}}}),
}


@pytest.mark.parametrize("case", list(OTHER_STRATEGIC))
def test_strategic_patches_elsewhere(api, case):
    plural, patch = OTHER_STRATEGIC[case]
    if plural == "configmaps":
        uids = {f"u{number}": api.made("secrets", sample("secrets", f"owner-{number}"))["metadata"]["uid"] for number in (1, 2)}
        api.made(plural, sample(plural, "a", finalizers=["example.com/a"], ownerReferences=[
            {"apiVersion": "v1", "kind": "Secret", "name": "owner-1", "uid": uids["u1"]}]))
        text = json.dumps(patch).replace('"u1"', json.dumps(uids["u1"])).replace('"u2"', json.dumps(uids["u2"]))
    else:
        api.made(plural, sample(plural, "a"))
        text = json.dumps(patch)
    answer = api.patch(plural, "a", text, "strategic")
    assert (answer.status == 415) == (case == "custom-kind")


@pytest.mark.parametrize("how", ["merge", "json", "strategic", "apply"])
def test_patches_of_the_wrong_shape(api, how):
    api.made("configmaps", config("a"))
    query = {"fieldManager": "m"} if how == "apply" else {}
    for body in ("[]", "{}", "3", '"x"', "null", "{", "true"):
        api.patch("configmaps", "a", body, how, **query)


def test_defaults_hold_after_a_patch(api):
    api.made("pods", pod("a"))
    api.patch("pods", "a", {"spec": {"terminationGracePeriodSeconds": None}})
    api.patch("pods", "a", {"spec": {"restartPolicy": "Never"}})
    api.patch("pods", "a", {"spec": {"containers": [{"name": "a", "image": "other"}]}}, "strategic")
    api.patch("pods", "a", {"spec": {"activeDeadlineSeconds": 5}})
    api.patch("pods", "a", {"spec": {"activeDeadlineSeconds": 50}})
    api.patch("pods", "a", {"spec": {"activeDeadlineSeconds": None}})
    api.made("jobs", job("a"))
    for spec in ({"backoffLimit": 2}, {"parallelism": None}, {"completions": 3}, {"suspend": True}, {"selector": {"matchLabels": {"a": "b"}}},
                 {"template": {"spec": {"containers": [{"name": "a", "image": "z"}]}}}, {"ttlSecondsAfterFinished": 5},
                 {"activeDeadlineSeconds": 9}, {"completionMode": "Indexed"}, {"managedBy": "example.com/me"}, {"backoffLimit": -1}):
        api.patch("jobs", "a", {"spec": spec}, "strategic")


def test_large_json_patch(api):
    api.made("configmaps", config("a", {}))
    body = json.dumps([{"op": "add", "path": "/metadata/labels", "value": {}}] * 10001)
    with api.quiet():
        assert api.patch("configmaps", "a", body, "json").status == 413
    api.patch("configmaps", "a", [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}] * 3, "json")
