"""What is wrong is said where the user looks: at apply, on the object's condition, or on stderr. It never stops other objects."""
import json
import subprocess

import pytest

from harness.kube import condition_of
from harness.objects import parse_time, pipeline, run, service, shell, stream


def ready(item):
    return condition_of(item, "Ready") or {}


# name → a wrong Pipeline that the schema lets through, and what the condition must name
STORED = {
    "cron-range": (pipeline(strategy={"cronExpression": "0 25 * * *"}), "spec.strategy.cronExpression"),
    "zone": (pipeline(strategy={"cronExpression": "@daily", "timeZone": "Nowhere/Atall"}), "spec.strategy.timeZone"),
    "no-input-image": (pipeline(input={"elasticSearch": {"a": "b"}}), "adapterImages.inputElasticSearch"),
    "no-output-image": (pipeline(outputs=[{"name": "x", "as2": {"a": "b"}}]), "spec.batchJob.outputs[0].as2"),
}


def test_a_wrong_pipeline_is_told_by_its_condition_with_the_field(kube, start_operator):
    start_operator(kube, config={"adapterImages": {"inputApiServer": "some/adapter:1"}})
    items = []
    for name, (item, _) in STORED.items():
        item["metadata"]["name"] = name
        items.append(item)
    kube.apply([*items, pipeline("good"), run("g", "good")])
    for name, (_, path) in STORED.items():
        told = kube.wait_condition("pipeline", name, "Ready", "False", timeout=10)
        assert path in ready(told)["message"], ready(told)
        assert ready(told)["observedGeneration"] == told["metadata"]["generation"]
        took = parse_time(ready(told)["lastTransitionTime"]) - parse_time(told["metadata"]["creationTimestamp"])
        assert took.total_seconds() <= 2, f"{name} was told after {took}"  # both are whole seconds
    kube.wait_run("g")
    assert ready(kube.get("pipeline", "good"))["status"] == "True"


def test_a_corrected_pipeline_becomes_ready(kube, start_operator):
    start_operator(kube)
    kube.apply(pipeline(strategy={"cronExpression": "0 25 * * *"}))
    kube.wait_condition("pipeline", "p", "Ready", "False")
    kube.apply(pipeline(strategy={"cronExpression": "0 23 * * *"}))
    kube.wait_condition("pipeline", "p", "Ready", "True")


# What the API server refuses of a pod only the Job's creation shows.
def test_what_the_api_server_refuses_ends_the_run_with_its_words(kube, start_operator, job_controller):
    start_operator(kube, config={"jobController": job_controller})
    kube.apply([pipeline("mount", [{"name": "a", "image": "busybox:1", "volumeMounts": [{"name": "absent", "mountPath": "/x"}]}]),
                pipeline("args", [{"name": "a", "image": "busybox:1", "resources": {"limits": {"memory": "much"}}}]),
                run("r-mount", "mount"), run("r-args", "args", maxRetryCount=1), pipeline("good"), run("g", "good")])
    for name, words in (("mount", "absent"), ("args", "quantit")):
        ended = kube.wait_completed(f"r-{name}")
        found = condition_of(ended, "Succeeded")
        assert found["status"] == "False" and words in found["message"], found
        assert ended["status"]["completionTime"]
    kube.wait_run("g")


def test_refusals_name_the_field_and_what_to_do(crds):
    two = pipeline()
    two["spec"]["streamJob"] = stream()["spec"]["streamJob"]
    for item, words in (
            (two, "exactly one body"),
            (pipeline(input={}), "spec.batchJob.input"),
            (pipeline(outputs=[{"name": "x", "api": {}, "ftp": {}}]), "spec.batchJob.outputs[0]"),
            (pipeline(outputs=[{"name": "x", "custom": {"target": "y"}}]), "image"),
            (pipeline(processors=["same", "same"]), "Duplicate value"),
            (pipeline(strategy={"expire": "tomorrow"}), "spec.strategy.expire"),
            (stream(services=[service("UPPER")]), "spec.streamJob.microServices[0].name"),
            (run(timeout="ten minutes"), "spec.timeout"),
            (run(maxRetryCount=-1), "spec.maxRetryCount"),
    ):
        assert words in crds.refused(item)


def test_the_spec_of_a_run_cannot_be_changed_but_for_cancel(crds):
    crds.apply(run(maxRetryCount=1))
    assert "create a new run" in crds.refused(run(maxRetryCount=2))
    crds.apply(run(maxRetryCount=1, cancel=True))
    assert "create a new run" in crds.refused(run(maxRetryCount=1, cancel=False))


# Pieces of a watch that no Pipeline or run can be.
UNDECODABLE = [
    {"type": "ADDED", "object": {"apiVersion": "millrace.dev/v1", "kind": "{kind}", "metadata": {
        "name": "strange", "namespace": "{namespace}", "uid": "1", "resourceVersion": "1"}, "spec": 5, "status": []}},
    {"type": "ADDED", "object": {"apiVersion": "millrace.dev/v1", "kind": "{kind}", "metadata": {
        "name": "odd", "namespace": "{namespace}", "uid": "2", "resourceVersion": "1", "labels": ["no", "map"]}, "spec": {
            "refPipeline": {"not": "text"}, "maxRetryCount": 1e300, "batchJob": {"outputs": "none"}}}},
]


def test_an_object_that_cannot_be_decoded_stops_no_other(kube, start_operator, fault_proxy):
    def prefix(request):
        if "watch=" not in request.path:
            return b""
        kind = {"pipelineruns": "PipelineRun", "pipelines": "Pipeline"}.get(request.path.partition("?")[0].rpartition("/")[2])
        if not kind:
            return b""
        text = "".join(json.dumps(event) + "\n" for event in UNDECODABLE)
        return text.replace("{kind}", kind).replace("{namespace}", kube.namespace).encode()

    fault_proxy.prefix = prefix
    operator = start_operator(kube, kubeconfig=fault_proxy.kubeconfig)
    kube.apply([pipeline(), run()])
    kube.wait_run("r")
    assert operator.alive()
    operator.wait_log(lambda line: line.get("level", "") in ("warn", "warning", "error") and any(
        name in json.dumps(line) for name in ("strange", "odd")), "naming the object it cannot read")


def test_answers_that_are_no_answers_are_waited_out(kube, start_operator, fault_proxy):
    """Truncated, huge-nested and non-UTF-8 answers to writes: the operator lives and goes on when the server is sane again."""
    nonsense = [b'{"kind": "Job", "metadata": {"name"', b"[" * 200000, b'{"kind": "\xff\xfe"}', b"", b"<html>gateway</html>"]
    served = []

    def before(request):
        if request.write and "/jobs" in request.path and len(served) < len(nonsense):
            served.append(request.path)
            return 200 if request.method == "PATCH" else 201, {}, nonsense[len(served) - 1]
        return None

    operator = start_operator(kube, kubeconfig=fault_proxy.kubeconfig)
    fault_proxy.before = before
    kube.apply([pipeline(), run()])
    kube.wait_run("r", timeout=120)
    assert operator.alive() and len(served) == len(nonsense)
    assert len(kube.list("job", "pipeline-run=r")) == 1


# --- the command line ---


def refuse(millrace, *words, env=None):
    """Runs the operator, which must end by itself within a second's reach; returns (exit code, stderr)."""
    done = subprocess.run([millrace, "operator", "--metrics-address", "127.0.0.1:0", *map(str, words)],
                          capture_output=True, text=True, timeout=10, env=env)
    return done.returncode, done.stderr


@pytest.mark.parametrize("text, words", [
    ("adapterImages: {inputApi: x}\n", ["adapterImages.inputApi", "1"]),
    ("jobControler: millrace\n", ["jobControler"]),
    ("# fine\njobController: nobody\n", ["jobController", "millrace", "kubernetes", "2"]),
    ("adapterImages: [a]\n", ["adapterImages"]),
    ("adapterImages: {\n", []),
    ("- a\n- b\n", []),
    ("\x00\xff", []),
], ids=["unknown-image", "unknown-field", "value", "type", "cut", "list", "binary"])
def test_a_wrong_configuration_is_told_with_file_and_field(millrace, tmp_path, text, words):
    config = tmp_path / "millrace.yaml"
    config.write_text(text)
    code, said = refuse(millrace, "--config", config, "--kubeconfig", tmp_path / "unused")
    assert code == 1, said
    for word in ["millrace.yaml", *words]:
        assert word in said, said
    assert "unused" not in said


def test_a_missing_configuration_is_told(millrace, tmp_path):
    code, said = refuse(millrace, "--config", tmp_path / "nowhere.yaml")
    assert code == 1 and "nowhere.yaml" in said and "--config" in said


@pytest.mark.parametrize("change, words", [
    (None, ["does not exist", "--kubeconfig"]),
    ("not: [yaml", []),
    ("", []),
    (lambda config: config["contexts"].clear(), ["context"]),
    (lambda config: config["clusters"].clear(), ["cluster"]),
    (lambda config: config["clusters"][0]["cluster"].update({"certificate-authority": "/nowhere/ca.crt"}), ["/nowhere/ca.crt"]),
    (lambda config: config["clusters"][0]["cluster"].update({"server": "nonsense"}), ["server"]),
    (lambda config: config["users"][0]["user"].update({"token": "wrong"}), ["401"]),
], ids=["missing", "no-yaml", "empty", "no-context", "no-cluster", "no-ca-file", "no-server", "wrong-token"])
def test_a_wrong_kubeconfig_is_told(sim, millrace, tmp_path, change, words):
    path = tmp_path / "kubeconfig"
    if isinstance(change, str):
        path.write_text(change)
    elif change is not None:
        config = json.loads(sim.kubeconfig.read_text())
        change(config)
        path.write_text(json.dumps(config))
    code, said = refuse(millrace, "--kubeconfig", path)
    assert code == 1, said
    for word in [str(path), *words]:
        assert word.lower() in said.lower(), said



@pytest.mark.parametrize("words, named", [
    (["--workers", "0"], "--workers"),
    (["--workers", "many"], "--workers"),
    (["--log-level", "loud"], "--log-level"),
    (["--metrics-address", "here"], "--metrics-address"),
    (["--namspace", "x"], "--namespace"),
    (["--namespace"], "--namespace"),
    (["surplus"], "surplus"),
], ids=["zero", "text", "level", "address", "typo", "value-missing", "surplus"])
def test_wrong_flags_are_told(millrace, words, named):
    done = subprocess.run([millrace, "operator", *words], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr and "--help" in done.stderr


def test_a_port_in_use_is_told(sim, millrace):
    port = json.loads(sim.kubeconfig.read_text())["clusters"][0]["cluster"]["server"].rpartition(":")[2]
    done = subprocess.run([millrace, "operator", "--kubeconfig", sim.kubeconfig, "--metrics-address", f"127.0.0.1:{port}"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "--metrics-address" in done.stderr and port in done.stderr


def test_secrets_of_the_kubeconfig_are_not_in_the_log(kube, start_operator):
    token = json.loads(kube.cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
    operator = start_operator(kube, log_level="debug")
    kube.apply([pipeline(processors=[shell("a", "true", env=[{"name": "PASSWORD", "value": "hidden-treasure"}])]), run()])
    kube.wait_run("r")
    text = operator.log_path.read_text()
    assert token not in text and "hidden-treasure" not in text
