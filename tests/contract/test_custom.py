"""The manifests under tests/golden/manifests on both servers: accepted, refused, and what an update may change."""
import copy
import pathlib

import pytest
import yaml

from kit.samples import sample

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/manifests"


def files(folder):
    found = sorted((GOLDEN / folder).glob("*.yaml"))
    assert found, f"no manifests in {GOLDEN / folder}"
    return [pytest.param(path, id=path.stem) for path in found]


def expected(path):
    lines = path.read_text().splitlines()
    line = lines[1].removeprefix("# server: ") if lines[1].startswith("# server: ") else lines[0].removeprefix("# ")
    return [part.strip() for part in line.split(" | ") if part.strip(" |")]


def plural(body):
    return body["kind"].lower() + "s"


class Loader(yaml.SafeLoader):
    """Texts that look like times stay texts, as in kubectl."""


Loader.yaml_implicit_resolvers = {key: [item for item in items if item[0] != "tag:yaml.org,2002:timestamp"]
                                  for key, items in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def objects(path):
    return [item for item in yaml.load_all(path.read_text(), Loader) if item]


@pytest.mark.parametrize("path", files("accept"))
def test_accepted(api, path):
    for body in objects(path):
        assert api.create(plural(body), body, fieldValidation="Strict").status == 201
        applied = api.apply(plural(body), body, force=True).status
        assert applied == 200 or (applied == 422 and "null" in path.stem), "a null may be of the wrong type"


@pytest.mark.parametrize("path", files("refuse"))
def test_refused(api, path):
    for body in objects(path):
        answer = api.create(plural(body), body, fieldValidation="Strict")
        assert answer.status in (400, 422)
        for part in expected(path):
            assert part in answer.message, f"wanted {part!r}"


@pytest.mark.parametrize("path", files("refuse"))
def test_refused_by_patch_and_replace(api, path):
    body = objects(path)[0]
    base = sample(plural(body), "base")
    if not isinstance(body.get("spec"), dict) or "bogus" in path.stem:
        return
    api.made(plural(body), base)
    api.patch(plural(body), "base", {"spec": body["spec"]})
    changed = api.get(plural(body), "base").ok
    changed["spec"] = body["spec"]
    api.replace(plural(body), changed)


@pytest.mark.parametrize("path", files("update"))
def test_updates(api, path):
    before, after = objects(path)
    made = api.create(plural(before), before, fieldValidation="Strict").ok
    body = copy.deepcopy(after)
    body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    answer = api.replace(plural(before), body)
    if expected(path) == ["accepted"]:
        assert answer.status == 200
    else:
        assert answer.status == 422
        for part in expected(path):
            assert part in answer.message, f"wanted {part!r}"
    api.apply(plural(before), after, force=True)


STATUS = {
    "empty": {}, "unknown": {"bogus": 1}, "conditions": {"conditions": [{"type": "Succeeded", "status": "True", "reason": "Done", "message": "",
                                                                       "lastTransitionTime": "2020-01-01T00:00:00Z"}]},
    "condition-status": {"conditions": [{"type": "Succeeded", "status": "Maybe", "reason": "Done", "message": ""}]},
    "condition-twice": {"conditions": [{"type": "A", "status": "True", "reason": "R", "message": ""}] * 2},
    "condition-without-type": {"conditions": [{"status": "True"}]}, "conditions-text": {"conditions": "x"},
    "time": {"startTime": "yesterday"}, "time-good": {"startTime": "2020-01-01T00:00:00Z"}, "time-odd": {"startTime": "2020-01-01 00:00:00"},
    "retry": {"retryStatus": {"retryCount": -1}}, "retry-text": {"retryStatus": {"retryCount": "1"}}, "null": None, "steps-number": {"steps": 3},
    "long": {"duration": "x" * 5000}, "step-states": {"stepStates": [{"name": "a", "state": "Running"}]},
}


@pytest.mark.parametrize("case", list(STATUS))
def test_status(api, case):
    api.made("pipelineruns", sample("pipelineruns", "a"))
    api.patch("pipelineruns", "a", {"status": STATUS[case]}, sub="status")
    api.patch("pipelineruns", "a", {"status": STATUS[case]}, sub="status", fieldValidation="Strict")
    body = api.get("pipelineruns", "a").ok
    body["status"] = STATUS[case]
    api.replace("pipelineruns", body, sub="status")
    api.apply("pipelineruns", {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "a"}, "status": STATUS[case]}, sub="status", force=True)
