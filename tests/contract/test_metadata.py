"""Names, generated names, labels, annotations, owners, finalizers: what metadata may say."""
import pytest

from kit.samples import config, sample

NAMES = ["Upper", "-dash", "dash-", "a_b", "a..b", "a.b", "ü", "a" * 63, "a" * 64, "a" * 253, "a" * 254, "a b", "a/b", "..", ".", "%41"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names(api, name):
    for plural in ("configmaps", "services", "jobs", "pipelines", "pods", "serviceaccounts"):
        api.create(plural, sample(plural, name))


@pytest.mark.parametrize("name", ["", None])
def test_no_name_at_all(api, name):
    assert api.create("configmaps", config(name)).reason == (422, "Invalid")
    assert api.create("pipelines", sample("pipelines", name)).status == 422
    api.create("jobs", sample("jobs", name))


@pytest.mark.parametrize("plural", ["configmaps", "pods", "jobs", "pipelineruns", "events"])
def test_generate_name(api, plural):
    body = sample(plural, "x")
    del body["metadata"]["name"]
    body["metadata"]["generateName"] = "made-"
    first = api.create(plural, body).ok["metadata"]
    second = api.create(plural, body).ok["metadata"]
    assert first["name"] != second["name"] and first["name"].startswith("made-") and len(first["name"]) == len("made-") + 5
    both = sample(plural, "own", generateName="made-")
    assert api.create(plural, both).ok["metadata"]["name"] == "own"
    body["metadata"]["generateName"] = "Bad_"
    assert api.create(plural, body).status == (201 if plural == "events" else 422)


def test_long_generate_name_is_cut(api):
    made = api.create("configmaps", {"metadata": {"generateName": "a" * 100}})
    assert len(made.ok["metadata"]["name"]) == 63


BAD_METADATA = {
    "label-value-space": {"labels": {"a": "b c"}},
    "label-value-long": {"labels": {"a": "x" * 64}},
    "label-key-empty": {"labels": {"": "b"}},
    "label-key-slashes": {"labels": {"a/b/c": "d"}},
    "label-key-prefix": {"labels": {"Bad_Prefix/x": "d"}},
    "label-key-long": {"labels": {"x" * 64: "d"}},
    "label-value-empty": {"labels": {"a": ""}},
    "annotation-key-bad": {"annotations": {"a b": "c"}},
    "annotation-key-upper": {"annotations": {"Ok.Example/Key": "c"}},
    "annotations-huge": {"annotations": {"a": "x" * (256 * 1024)}},
    "owner-without-uid": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
    "owner-without-kind": {"ownerReferences": [{"apiVersion": "v1", "name": "p", "uid": "u"}]},
    "owner-bad-version": {"ownerReferences": [{"apiVersion": "a/b/c", "kind": "Pod", "name": "p", "uid": "u"}]},
    "owner-event": {"ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "p", "uid": "u"}]},
    "two-controllers": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True}
                                            for n in ("p", "q")]},
    "duplicate-owner": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}] * 2},
    "owner-foreign-namespace": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "blockOwnerDeletion": True}]},
    "finalizer-bad": {"finalizers": ["a b"]},
    "finalizer-plain": {"finalizers": ["plain"]},
    "finalizer-unknown": {"finalizers": ["kubernetes"]},
    "finalizer-good": {"finalizers": ["example.com/hold"]},
    "finalizer-twice": {"finalizers": ["example.com/a", "example.com/a"]},
    "finalizers-both": {"finalizers": ["orphan", "foregroundDeletion"]},
    "uid-given": {"uid": "11111111-1111-1111-1111-111111111111"},
    "version-given": {"resourceVersion": "5"},
    "generation-given": {"generation": 7},
    "creation-given": {"creationTimestamp": "2001-01-01T00:00:00Z"},
    "deletion-given": {"deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5},
    "self-link-given": {"selfLink": "/somewhere"},
    "managed-fields-given": {"managedFields": [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                                                "fieldsV1": {"f:data": {}}}]},
    "managed-fields-bad": {"managedFields": [{"manager": "x", "operation": "Nonsense"}]},
    "creation-bad": {"creationTimestamp": "yesterday"},
    "null-maps": {"labels": None, "annotations": None, "ownerReferences": None, "finalizers": None},
}


@pytest.mark.parametrize("case", list(BAD_METADATA))
@pytest.mark.parametrize("plural", ["configmaps", "pipelineruns"])
def test_metadata(api, plural, case):
    api.create(plural, sample(plural, "a", **BAD_METADATA[case]))
    api.made(plural, sample(plural, "b"))
    api.patch(plural, "b", {"metadata": BAD_METADATA[case]})


def test_namespaces_that_do_not_agree(api):
    body = config("a", namespace="elsewhere")
    assert api.create("configmaps", body).status == 400
    api.made("configmaps", config("a"))
    assert api.replace("configmaps", body).status == 400
    assert api.replace("configmaps", config("b"), name="a").status == 400
    assert api.patch("configmaps", "a", {"metadata": {"name": "b"}}).status == 400
    assert api.patch("configmaps", "a", {"metadata": {"namespace": "b"}}).status == 400
    assert api.patch("pipelines", "a", {"metadata": {"name": "b"}}).status == 404


def test_namespace_that_is_not_there(api):
    missing = "/api/v1/namespaces/is-not-there/configmaps"
    answer = api.request("POST", missing, config("a"))
    assert answer.reason == (404, "NotFound") and "is-not-there" in answer.message
    assert api.request("GET", missing).ok["items"] == []
    assert api.request("GET", missing + "/a").reason == (404, "NotFound")
    assert api.request("DELETE", missing + "/a").reason == (404, "NotFound")
    assert api.request("POST", "/apis/millrace.dev/v1/namespaces/is-not-there/pipelines", sample("pipelines", "a")).status == 404


@pytest.mark.parametrize("plural", ["configmaps", "jobs", "pipelines"])
@pytest.mark.parametrize("field", ["uid", "creationTimestamp", "generateName", "deletionTimestamp", "generation", "selfLink"])
def test_fields_of_the_server_cannot_be_changed(api, plural, field):
    value = {"uid": "11111111-1111-1111-1111-111111111111", "creationTimestamp": "2001-01-01T00:00:00Z", "generateName": "x-",
             "deletionTimestamp": "2001-01-01T00:00:00Z", "generation": 9, "selfLink": "/x"}[field]
    api.made(plural, sample(plural, "a"))
    api.patch(plural, "a", {"metadata": {field: value}})
    api.get(plural, "a")
    body = sample(plural, "a", **{field: value})
    api.replace(plural, body)
