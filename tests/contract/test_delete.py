"""Deletion: preconditions, finalizers, grace periods, propagation, collections; and the garbage collector behind it."""
import pytest

from kit.samples import config, job, pod, sample

HOLD = ["example.com/hold"]
GHOST = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "11111111-1111-1111-1111-111111111111"}


def owner(item, **more):
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "name": item["metadata"]["name"], "uid": item["metadata"]["uid"], **more}


def test_answer_of_a_deletion(api):
    made = api.made("configmaps", config("a"))
    status = api.delete("configmaps", "a").json
    assert status["status"] == "Success" and status["details"]["uid"] == made["metadata"]["uid"]
    api.made("pipelineruns", sample("pipelineruns", "a"))
    assert api.delete("pipelineruns", "a").json["details"]["group"] == "millrace.dev"
    api.made("pods", pod("p"))
    assert api.delete("pods", "p").json["kind"] == "Pod", "a pod is shown as it goes"
    api.made("services", sample("services", "s"))
    api.delete("services", "s")
    api.made("serviceaccounts", sample("serviceaccounts", "s"))
    api.delete("serviceaccounts", "s")


def test_preconditions(api):
    made = api.made("configmaps", config("a"))["metadata"]
    assert api.delete("configmaps", "a", {"preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}}).reason == (409, "Conflict")
    assert api.delete("configmaps", "a", {"preconditions": {"resourceVersion": "1"}}).reason == (409, "Conflict")
    assert api.delete("configmaps", "a", {"preconditions": {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}}).status == 200
    assert api.delete("configmaps", "a", {"preconditions": {"uid": made["uid"]}}).status == 404
    made = api.made("pipelineruns", sample("pipelineruns", "a"))["metadata"]
    assert api.delete("pipelineruns", "a", {"preconditions": {"resourceVersion": "1"}}).status == 409
    assert api.delete("pipelineruns", "a", {"preconditions": {"uid": made["uid"]}}).status == 200


def test_finalizers_hold_it(api):
    api.made("configmaps", config("a", {"x": "1"}, finalizers=HOLD))
    held = api.delete("configmaps", "a").ok
    assert held["metadata"]["deletionTimestamp"] and held["metadata"]["deletionGracePeriodSeconds"] == 0
    assert api.delete("configmaps", "a").status == 200
    assert api.create("configmaps", config("a")).status == 409
    assert api.patch("configmaps", "a", {"metadata": {"finalizers": HOLD + ["example.com/new"]}}).status == 422
    assert api.patch("configmaps", "a", {"data": {"x": "2"}}).ok["data"]["x"] == "2"
    assert api.patch("configmaps", "a", {"metadata": {"deletionTimestamp": None}}).ok["metadata"]["deletionTimestamp"]
    last = api.patch("configmaps", "a", {"metadata": {"finalizers": None}})
    assert last.status == 200 and api.get("configmaps", "a").status == 404


def test_finalizers_of_a_custom_kind(api):
    api.made("pipelineruns", sample("pipelineruns", "a", finalizers=HOLD))
    before = api.get("pipelineruns", "a").ok["metadata"]["generation"]
    held = api.delete("pipelineruns", "a").ok
    assert held["metadata"]["generation"] == before + 1
    api.patch("pipelineruns", "a", {"status": {"steps": "1/2"}}, sub="status")
    body = api.get("pipelineruns", "a").ok
    del body["metadata"]["finalizers"]
    api.replace("pipelineruns", body)
    assert api.get("pipelineruns", "a").status == 404


def test_finalizer_removed_by_json_patch_and_by_apply(api):
    api.made("configmaps", config("a", finalizers=HOLD))
    api.delete("configmaps", "a")
    api.patch("configmaps", "a", [{"op": "remove", "path": "/metadata/finalizers"}], "json")
    assert api.get("configmaps", "a").status == 404
    api.apply("configmaps", config("b", finalizers=HOLD))
    api.delete("configmaps", "b")
    api.apply("configmaps", config("b"))
    assert api.get("configmaps", "b").status == 404


OPTIONS = {
    "empty": {}, "kind": {"kind": "DeleteOptions", "apiVersion": "v1"}, "kind-of-group": {"kind": "DeleteOptions", "apiVersion": "batch/v1"},
    "kind-meta": {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}, "other-kind": {"kind": "Pod", "apiVersion": "v1"},
    "background": {"propagationPolicy": "Background"}, "foreground": {"propagationPolicy": "Foreground"}, "orphan": {"propagationPolicy": "Orphan"},
    "unknown-policy": {"propagationPolicy": "Sideways"}, "orphan-dependents": {"orphanDependents": True},
    "no-orphan-dependents": {"orphanDependents": False}, "both": {"orphanDependents": True, "propagationPolicy": "Orphan"},
    "grace-0": {"gracePeriodSeconds": 0}, "grace-5": {"gracePeriodSeconds": 5}, "grace-negative": {"gracePeriodSeconds": -1},
    "grace-text": {"gracePeriodSeconds": "5"}, "unknown-field": {"bogus": 1}, "list": [], "text": "x", "precondition-text": {"preconditions": "x"},
}


@pytest.mark.parametrize("case", list(OPTIONS))
@pytest.mark.parametrize("plural", ["configmaps", "pods", "pipelineruns"])
def test_delete_options(api, plural, case):
    api.made(plural, sample(plural, "a", finalizers=HOLD))
    api.delete(plural, "a", OPTIONS[case])
    with api.quiet():
        got = api.get(plural, "a").ok["metadata"]
    api.note("deleted", {"deletion": "deletionTimestamp" in got, "grace": got.get("deletionGracePeriodSeconds")})


QUERIES = {"foreground": {"propagationPolicy": "Foreground"}, "grace": {"gracePeriodSeconds": 3}, "grace-bad": {"gracePeriodSeconds": "x"},
           "policy-bad": {"propagationPolicy": "x"}, "orphan": {"orphanDependents": "true"}}


@pytest.mark.parametrize("case", list(QUERIES))
def test_delete_options_in_the_query(api, case):
    api.made("configmaps", config("a", finalizers=HOLD))
    api.delete("configmaps", "a", **QUERIES[case])


def test_grace_of_pods(api):
    api.made("pods", pod("unbound"))
    assert api.delete("pods", "unbound").status == 200
    assert api.get("pods", "unbound").status == 404, "nobody runs it: gone at once"
    api.made("pods", pod("bound", {"nodeName": "n", "terminationGracePeriodSeconds": 7}))
    first = api.delete("pods", "bound").ok["metadata"]
    assert first["deletionGracePeriodSeconds"] == 7
    assert api.delete("pods", "bound").ok["metadata"]["deletionGracePeriodSeconds"] == 7
    assert api.delete("pods", "bound", {"gracePeriodSeconds": 100}).ok["metadata"]["deletionGracePeriodSeconds"] == 7
    assert api.delete("pods", "bound", {"gracePeriodSeconds": 2}).ok["metadata"]["deletionGracePeriodSeconds"] == 2
    assert api.delete("pods", "bound", {"gracePeriodSeconds": 0}).status == 200
    assert api.get("pods", "bound").status == 404
    api.made("pods", pod("ended", {"nodeName": "n"}))
    api.patch("pods", "ended", {"status": {"phase": "Succeeded"}}, sub="status")
    api.delete("pods", "ended")
    assert api.get("pods", "ended").status == 404, "it has ended: gone at once"


def test_delete_collection(api):
    for name, group in (("a", "x"), ("b", "x"), ("c", "y")):
        api.made("configmaps", config(name, labels={"g": group}))
    assert [item["metadata"]["name"] for item in api.delete_all("configmaps", labelSelector="g=x").ok["items"]] == ["a", "b"]
    assert [item["metadata"]["name"] for item in api.list("configmaps", labelSelector="g").ok["items"]] == ["c"]
    api.delete_all("configmaps", fieldSelector="metadata.name=c")
    for name in ("a", "b"):
        api.made("pipelineruns", sample("pipelineruns", name))
    api.delete_all("pipelineruns", {"propagationPolicy": "Background"})
    assert api.list("pipelineruns").ok["items"] == []
    assert api.delete_all("pipelineruns").ok["items"] == []
    assert api.delete_all("pipelineruns", labelSelector="a b").status == 400
    assert api.request("DELETE", "/api/v1/namespaces").status == 405
    api.made("pods", pod("p", {"nodeName": "n"}, labels={"g": "x"}))
    api.delete_all("pods", {"gracePeriodSeconds": 3}, labelSelector="g=x")
    assert api.request("DELETE", "/api/v1/configmaps").status == 405


# --- what the garbage collector does ---


def collector_has_seen_the_secrets(api):
    """Until the garbage collector knows of the secrets so far: it reads them in order, and this one without an owner ends by its hand."""
    api.made("secrets", sample("secrets", "canary", ownerReferences=[GHOST]))
    api.until(lambda: api.get("secrets", "canary").status == 404, timeout=60)


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_children(api, policy):
    parent = api.made("configmaps", config("parent"))
    for name in ("one", "two"):
        api.made("secrets", sample("secrets", name, ownerReferences=[owner(parent, blockOwnerDeletion=True)]))
    collector_has_seen_the_secrets(api)
    api.delete("configmaps", "parent", {"propagationPolicy": policy})
    api.until(lambda: api.get("configmaps", "parent").status == 404)
    if policy == "Orphan":
        for name in ("one", "two"):
            assert "ownerReferences" not in api.get("secrets", name).ok["metadata"]
    else:
        api.until(lambda: api.get("secrets", "one").status == 404 and api.get("secrets", "two").status == 404)
    api.list("secrets")


def test_foreground_waits_for_children(api):
    parent = api.made("configmaps", config("parent"))
    api.made("secrets", sample("secrets", "child", ownerReferences=[owner(parent, blockOwnerDeletion=True)], finalizers=HOLD))
    collector_has_seen_the_secrets(api)
    waiting = api.delete("configmaps", "parent", {"propagationPolicy": "Foreground"}).ok["metadata"]
    assert waiting["finalizers"] == ["foregroundDeletion"]
    api.until(lambda: "deletionTimestamp" in api.get("secrets", "child").ok["metadata"])
    assert api.get("configmaps", "parent").status == 200
    api.patch("secrets", "child", {"metadata": {"finalizers": None}})
    api.until(lambda: api.get("configmaps", "parent").status == 404)


def test_chain_and_two_parents(api):
    one, two = api.made("configmaps", config("one")), api.made("configmaps", config("two"))
    child = api.made("pipelineruns", sample("pipelineruns", "child", ownerReferences=[owner(one)]))
    api.made("secrets", sample("secrets", "grandchild", ownerReferences=[owner(child)]))
    api.made("secrets", sample("secrets", "shared", ownerReferences=[owner(one), owner(two)]))
    api.delete("configmaps", "one", {"propagationPolicy": "Background"})
    api.until(lambda: api.get("secrets", "grandchild").status == 404, timeout=90)
    left = api.until(lambda: (refs := api.get("secrets", "shared").ok["metadata"]["ownerReferences"]) and len(refs) == 1 and refs, timeout=90)
    assert left[0]["name"] == "two"
    api.get("secrets", "shared")
    api.delete("configmaps", "two")
    api.until(lambda: api.get("secrets", "shared").status == 404, timeout=90)


def test_child_whose_parent_never_was(api):
    api.made("secrets", sample("secrets", "child", ownerReferences=[GHOST]))
    api.until(lambda: api.get("secrets", "child").status == 404)


def test_parent_of_the_same_name_with_another_uid(api):
    api.made("configmaps", config("parent"))
    api.made("secrets", sample("secrets", "child", ownerReferences=[
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": "11111111-1111-1111-1111-111111111111"}]))
    api.until(lambda: api.get("secrets", "child").status == 404)
    assert api.get("configmaps", "parent").status == 200


def test_default_propagation(api):
    for plural in ("jobs", "deployments", "pipelines"):
        parent = api.made(plural, sample(plural, "parent"))
        api.made("configmaps", config(f"of-{plural}", ownerReferences=[owner(parent)]))
        api.made("configmaps", config("canary", ownerReferences=[GHOST]))
        api.until(lambda: api.get("configmaps", "canary").status == 404, timeout=60)  # now the collector knows of the one before
        api.delete(plural, "parent")
        api.until(lambda: api.get(plural, "parent").status == 404)
        if plural == "jobs":
            api.until(lambda: "ownerReferences" not in api.get("configmaps", f"of-{plural}").ok["metadata"])
        else:
            # The real collector looks for new kinds of owners twice a minute only.
            api.until(lambda: api.get("configmaps", f"of-{plural}").status == 404, timeout=90)
    api.list("configmaps", labelSelector="!none", fieldSelector="metadata.name=of-jobs")


def test_job_with_its_pods(api):
    parent = api.made("jobs", job("j"))
    api.made("pods", pod("j-1", ownerReferences=[owner(parent, controller=True, blockOwnerDeletion=True)]))
    api.made("pods", pod("canary", ownerReferences=[GHOST]))
    api.until(lambda: api.get("pods", "canary").status == 404, timeout=60)  # now the collector knows of the one before
    api.delete("jobs", "j", {"propagationPolicy": "Foreground"})
    api.until(lambda: api.get("jobs", "j").status == 404)
    assert api.get("pods", "j-1").status == 404


def test_namespace_goes_with_all_in_it(api):
    name = f"{api.ns}-x"
    api.made("namespaces", {"metadata": {"name": name}})
    inside = f"/api/v1/namespaces/{name}"
    with api.quiet():
        for path, body in ((f"{inside}/configmaps", config("held", finalizers=HOLD)), (f"{inside}/secrets", sample("secrets", "s")),
                           (f"/apis/millrace.dev/v1/namespaces/{name}/pipelineruns", sample("pipelineruns", "r"))):
            assert api.request("POST", path, body).status == 201
    assert api.delete("namespaces", name).json["status"]["phase"] == "Terminating"
    refused = api.request("POST", f"{inside}/secrets", sample("secrets", "late"))
    assert refused.reason == (403, "Forbidden") and refused.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert api.request("POST", f"/apis/millrace.dev/v1/namespaces/{name}/pipelineruns", sample("pipelineruns", "late")).status == 403
    api.until(lambda: api.request("GET", f"{inside}/secrets/s").status == 404, timeout=60)
    api.until(lambda: "deletionTimestamp" in api.request("GET", f"{inside}/configmaps/held").ok["metadata"], timeout=60)
    assert api.request("GET", f"{inside}/configmaps/held").ok["metadata"]["deletionTimestamp"]
    assert api.request("PATCH", f"{inside}/configmaps/held", {"data": {"a": "b"}}, content_type="application/merge-patch+json").status == 200
    api.request("PATCH", f"{inside}/configmaps/held", {"metadata": {"finalizers": None}}, content_type="application/merge-patch+json")
    api.until(lambda: api.get("namespaces", name).status == 404, timeout=60)
    assert api.request("GET", f"/apis/millrace.dev/v1/namespaces/{name}/pipelineruns/r").status == 404


def test_default_namespaces_are_there(api):
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        with api.quiet():
            status = api.get("namespaces", name).status
        api.note(name, status)
    assert api.delete("namespaces", "default").reason == (403, "Forbidden")
    assert api.delete("namespaces", "kube-system").reason == (403, "Forbidden")
