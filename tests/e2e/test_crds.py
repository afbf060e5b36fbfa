"""The manifests under tests/golden/manifests, shown to a real API server. tests/unit/crds/manifests_test.cc shows the same
files to our own check: both must come to the same verdict.

First line of each file: `# path | message`; where the API server says it in other words, a second line `# server: path | message`."""
import pathlib
import re
import time
import uuid

import pytest
import yaml

from conftest import install_crds
from harness import Kube

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "manifests"
ANNOTATION_LIMIT = 262144  # bytes kubectl apply can keep in its annotation


def files(folder):
    found = sorted((GOLDEN / folder).glob("*.yaml"))
    assert found, f"no manifests in {GOLDEN / folder}"
    return [pytest.param(path, id=path.stem) for path in found]


def expected(path):
    lines = path.read_text().splitlines()
    line = lines[1].removeprefix("# server: ") if lines[1].startswith("# server: ") else lines[0].removeprefix("# ")
    return [part.strip() for part in line.split(" | ") if part.strip(" |")]


@pytest.fixture(scope="module")
def schema(sim):
    """One namespace with the CRDs for all manifests; they run on nothing, so they need no service account."""
    kube = Kube(sim, f"schema-{uuid.uuid4().hex[:8]}")
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}})
    install_crds(kube)
    return kube


@pytest.mark.parametrize("path", files("accept"))
def test_accepts(schema, path):
    schema.kubectl("create", "--dry-run=server", "-f", str(path))


@pytest.mark.parametrize("path", files("refuse"))
def test_refuses(schema, path):
    said = schema.refused(path.read_text())
    for part in expected(path):
        assert part in said, f"{path.name}: wanted {part!r} in: {said}"


@pytest.mark.parametrize("path", files("update"))
def test_judges_updates(schema, path):
    before, after = path.read_text().split("\n---\n")
    schema.apply(before)
    if expected(path) == ["accepted"]:
        schema.apply(after)
    else:
        said = schema.refused(after)
        for part in expected(path):
            assert part in said, f"{path.name}: wanted {part!r} in: {said}"


@pytest.mark.cluster_only("its kinds are built in, no definitions are installed")
def test_definitions_fit_plain_apply_and_carry_no_warnings(crds):
    for plural in ("pipelines", "pipelineruns"):
        definition = crds.kubectl("get", "crd", f"{plural}.millrace.dev", "-o", "json")
        found = yaml.safe_load(definition)
        kept = found["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        assert len(kept) < ANNOTATION_LIMIT // 4
        states = {c["type"]: c["status"] for c in found["status"]["conditions"]}
        assert states["Established"] == "True" and states["NamesAccepted"] == "True"
        assert states.get("NonStructuralSchema", "False") == "False"
    root = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "crds"
    assert "Warning" not in crds.kubectl("apply", "--dry-run=server", "-f", str(root))


PIPELINE = """
apiVersion: millrace.dev/v1
kind: Pipeline
metadata: {name: feed}
spec:
  batchJob:
    input: {apiServer: {url: u}}
    outputs: [{name: files, ftp: {topic: t}}]
  strategy: {cronExpression: "0/5 * * * *", suspend: true}
"""
RUN = """
apiVersion: millrace.dev/v1
kind: PipelineRun
metadata: {name: feed-1}
spec: {refPipeline: feed}
"""


def columns(text):
    head, *rows = [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]
    return [dict(zip(head, row)) for row in rows]


def test_columns_show_the_state(crds):
    crds.apply(PIPELINE)
    crds.apply(RUN)
    crds.kubectl("patch", "plr", "feed-1", "--subresource=status", "--type=merge", "-p", yaml.safe_dump({"status": {
        "conditions": [{"type": "Succeeded", "status": "Unknown", "reason": "Running", "message": "clean runs"}],
        "startTime": "2026-01-01T00:00:00Z", "steps": "1/3", "duration": "12s", "retryStatus": {"retryCount": 2},
        "pipelineRevision": "feed-abc"}}))
    crds.kubectl("patch", "pl", "feed", "--subresource=status", "--type=merge", "-p", yaml.safe_dump({"status": {
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "fine"}], "idle": True,
        "revision": "feed-abc", "schedule": {"nextTick": "2031-01-01T00:05:00Z", "lastTick": "2026-01-01T00:00:00Z"}}}))
    run = columns(crds.kubectl("get", "plr", "-o", "wide"))[0]
    assert run.pop("STARTED").endswith(("d", "h", "y"))
    assert run == {"NAME": "feed-1", "PIPELINE": "feed", "STATUS": "Running", "STEPS": "1/3", "RETRIES": "2",
                   "DURATION": "12s", "MESSAGE": "clean runs", "REVISION": "feed-abc"}
    # kubectl separates columns with three blanks; an empty one leaves a gap, so those are left out here.
    pipeline = columns(crds.kubectl("get", "pipelines"))[0]
    assert pipeline["NAME"] == "feed" and pipeline["READY"] == "True" and pipeline["SCHEDULE"] == "0/5 * * * *"
    assert pipeline["SUSPEND"] == "true" and pipeline["NEXT"] == "2031-01-01T00:05:00Z" and pipeline["IDLE"] == "true"
    everything = crds.kubectl("get", "all")
    assert "pipeline.millrace.dev/feed" in everything and "pipelinerun.millrace.dev/feed-1" in everything


def test_defaults_are_filled_in(crds):
    crds.apply(PIPELINE.replace("suspend: true", "catchUpLimit: 5"))
    strategy = crds.get("Pipeline", "feed")["spec"]["strategy"]
    assert strategy == {"cronExpression": "0/5 * * * *", "concurrencyPolicy": "Allow", "suspend": False, "catchUp": "None",
                        "catchUpLimit": 5}


def test_kubectl_explains_fields(crds):
    said = ""
    for _ in range(20):  # the server publishes the schema a moment after the definition is there
        said = crds.kubectl("explain", "plr.spec.timeout", check=False)
        if "Longest time of one attempt" in said:
            return
        time.sleep(0.5)
    assert "Longest time of one attempt" in said
