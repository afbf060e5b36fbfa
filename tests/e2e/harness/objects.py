"""Pipelines and runs as dicts, for tests to which most of the YAML does not matter, and what to ask of the objects they lead to."""
import datetime

API = "millrace.dev/v1"
ADAPTER_IMAGE = "demo/adapter:1"  # on the real node: prints its arguments; --exit=N and --sleep=S change its end
SHELL_IMAGE = "busybox:1"


def pipeline(name="p", processors=("clean",), outputs=("out",), *, outcome=None, outcomes=(), delay=None, labels=None,
             annotations=None, strategy=None, **batch_job):
    """A batch pipeline: step input, the processors (names or containers), an output for each name or dict.
    `outcome`, `outcomes` ({attempt: outcome}) and `delay`: what its simulated pods do. More keywords: fields of batchJob."""
    item = {"apiVersion": API, "kind": "Pipeline",
            "metadata": {"name": name, "labels": labels or {}, "annotations": {**notes(outcome, outcomes, delay), **(annotations or {})}},
            "spec": {"batchJob": {
                "input": {"apiServer": {"server": "http://source.test"}},
                "processors": [{"name": each, "image": SHELL_IMAGE} if isinstance(each, str) else each for each in processors],
                "outputs": [{"name": each, "custom": {"image": ADAPTER_IMAGE}} if isinstance(each, str) else each for each in outputs],
                **batch_job}}}
    if strategy is not None:
        item["spec"]["strategy"] = strategy
    return item


def stream(name="s", services=("web",), *, outcome=None, labels=None, annotations=None, strategy=None):
    """A stream pipeline; a service is a name or a microService."""
    item = {"apiVersion": API, "kind": "Pipeline",
            "metadata": {"name": name, "labels": labels or {}, "annotations": {**notes(outcome), **(annotations or {})}},
            "spec": {"streamJob": {"microServices": [service(each) if isinstance(each, str) else each for each in services]}}}
    if strategy is not None:
        item["spec"]["strategy"] = strategy
    return item


def service(name, replicas=None, image="demo/reader:1", ports=(9000,)):
    """One microService."""
    item = {"name": name, "spec": {"containers": [
        {"name": name, "image": image, "ports": [{"containerPort": port} for port in ports]}]}}
    if replicas is not None:
        item["replicas"] = replicas
    return item


def shell(name, script, **fields):
    """A container that runs a shell script."""
    return {"name": name, "image": SHELL_IMAGE, "command": ["sh", "-c", script], **fields}


def run(name="r", of="p", **spec):
    """A PipelineRun."""
    return {"apiVersion": API, "kind": "PipelineRun", "metadata": {"name": name}, "spec": {"refPipeline": of, **spec}}


def notes(outcome=None, outcomes=(), delay=None):
    """Annotations that tell simulated pods what to do."""
    wanted = {"outcome": outcome, "delay": delay, **{f"outcome-attempt-{n}": what for n, what in dict(outcomes).items()}}
    return {f"test.millrace.dev/{key}": value for key, value in wanted.items() if value}


def owner(item):
    """(kind, name, uid) of the controller, or None."""
    return next(((each["kind"], each["name"], each["uid"]) for each in item["metadata"].get("ownerReferences", [])
                 if each.get("controller")), None)


def self_as_owner(item):
    """What `owner` of its children is."""
    return item["kind"], item["metadata"]["name"], item["metadata"]["uid"]


def pod_containers(item):
    """The containers of a pod, or of a Job's template, in the order they run."""
    spec = item["spec"]["template"]["spec"] if "template" in item["spec"] else item["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def container_names(item):
    return [each["name"] for each in pod_containers(item)]


def step_states(item):
    """Step → its state, of a run."""
    return {step["name"]: step["state"] for step in item["status"]["stepStates"]}


def attempts(item):
    """The reason of each failed attempt of a run, in order."""
    return [each["reason"] for each in item.get("status", {}).get("retryStatus", {}).get("historyBuild", [])]


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def now():
    return datetime.datetime.now(datetime.timezone.utc)
