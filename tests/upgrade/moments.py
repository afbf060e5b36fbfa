"""Objects as one build left them in the storage, kept in a file and put back into a cluster as they were.

They go back through etcd, not through the API: names of Jobs, pods and revisions follow from the UIDs of their owners, and the
API server gives a new UID to whatever is created. So UIDs, owner references, generations, status and times are those of the
recording. Times are moved on to the present (but not in schedules, where names follow from times).
"""
import base64
import datetime
import gzip
import json
import re
import urllib.request

KINDS = ("pipeline", "controllerrevision", "pipelinerun", "job", "pod", "deployment", "service")
_PLACES = {"Pipeline": "millrace.dev/pipelines", "PipelineRun": "millrace.dev/pipelineruns", "ControllerRevision": "controllerrevisions",
           "Job": "jobs", "Pod": "pods", "Deployment": "deployments", "Service": "services/specs"}
_TIME = re.compile(r"(?<![\w.-])\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z(?!\w)")


def capture(kube):
    """What is in the namespace now, owners first."""
    found = []
    for kind in KINDS:
        for item in sorted(kube.list(kind), key=lambda each: each["metadata"]["name"]):
            meta = item["metadata"]
            if kind == "service" and not meta.get("ownerReferences"):
                continue
            if kind == "pod" and not any(each["kind"] == "Job" for each in meta.get("ownerReferences", [])):
                continue  # those of Deployments: Kubernetes makes them
            for field in ("resourceVersion", "namespace", *(() if kind in ("deployment", "service") else ("managedFields",))):
                meta.pop(field, None)  # server-side apply, of streams, needs to know what it owned
            found.append(item)
    return found


def save(path, fixture):
    """Equal content gives equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(fixture, sort_keys=True, separators=(",", ":")).encode(), 9, mtime=0))


def load(path):
    return json.loads(gzip.decompress(path.read_bytes()))


def restore(kube, fixture, url=None, shift=True):
    """Puts all moments of a fixture into the namespace; `url` takes the place of the one that was called then."""
    for moment in fixture["moments"]:
        text = json.dumps(moment["objects"])
        if url:
            text = text.replace(fixture["url"], url)
        if shift:
            text = brought_up(text)
        for item in json.loads(text):
            item["metadata"]["namespace"] = kube.namespace
            put(kube, item)


def brought_up(text):
    """With all times moved on so that the latest is now."""
    age = datetime.datetime.now(datetime.timezone.utc) - max(_read(found[0]) for found in _TIME.finditer(text))
    return _TIME.sub(lambda found: _write(_read(found[0]) + age, micro=bool(found[1])), text)


def put(kube, item):
    """One object, past the API server."""
    place = f"/registry/{_PLACES[item['kind']]}/{item['metadata']['namespace']}/{item['metadata']['name']}"
    port = int(kube.cluster.environment()["CLUSTER_PORT"]) + 1
    body = {"key": _base64(place), "value": _base64(json.dumps(item))}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v3/kv/put", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def _base64(text):
    return base64.b64encode(text.encode()).decode()


def _read(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _write(time, micro):
    return time.isoformat(timespec="microseconds" if micro else "seconds").replace("+00:00", "Z")
