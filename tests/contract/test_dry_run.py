"""dryRun=All: the answer of the real thing, and nothing happened."""
import pytest

from kit.samples import config, pod, sample


@pytest.mark.parametrize("plural", ["configmaps", "pods", "jobs", "pipelines", "deployments"])
def test_nothing_happens(api, plural):
    answer = api.create(plural, sample(plural, "a"), dryRun="All")
    assert answer.status == 201 and "resourceVersion" not in answer.ok["metadata"] and answer.ok["metadata"]["uid"]
    assert api.get(plural, "a").status == 404
    made = api.made(plural, sample(plural, "a"))
    assert api.create(plural, sample(plural, "a"), dryRun="All").status == 409
    made["metadata"]["labels"] = {"a": "b"}
    assert api.replace(plural, made, dryRun="All").ok["metadata"]["labels"] == {"a": "b"}
    assert api.patch(plural, "a", {"metadata": {"labels": {"a": "c"}}}, dryRun="All").ok["metadata"]["labels"]["a"] == "c"
    api.apply(plural, sample(plural, "a", labels={"a": "d"}), dryRun="All")
    api.apply(plural, sample(plural, "new"), dryRun="All")
    assert api.delete(plural, "a", dryRun="All").status == 200
    assert api.delete(plural, "a", {"dryRun": ["All"]}).status == 200
    assert api.delete_all(plural, dryRun="All").status == 200
    got = api.get(plural, "a").ok
    assert "labels" not in got["metadata"] or "a" not in got["metadata"]["labels"]
    assert "deletionTimestamp" not in got["metadata"]


def test_other_values_are_refused(api):
    for value in ("Some", "all", ["All", "Some"]):
        assert api.create("configmaps", config("a"), dryRun=value).status == 422
    api.create("configmaps", config("b"), dryRun="")
    api.made("configmaps", config("a"))
    assert api.delete("configmaps", "a", {"dryRun": ["Some"]}).status == 422
    assert api.patch("configmaps", "a", {}, dryRun="x").status == 422
    assert api.replace("configmaps", config("a"), dryRun="x").status == 422


def test_generated_names_and_validation(api):
    assert api.create("configmaps", {"metadata": {"generateName": "g-"}}, dryRun="All").status == 201
    assert api.create("pods", pod("a", {"containers": []}), dryRun="All").status == 422
    assert api.create("pipelineruns", sample("pipelineruns", "a", {"spec": {}}), dryRun="All").status == 422
    api.create("pods", {**pod("a"), "metadata": {"name": "a", "labels": {"bad label": "x"}}}, dryRun="All", fieldValidation="Strict")
