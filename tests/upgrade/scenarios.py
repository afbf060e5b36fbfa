"""What is recorded of each build: pipelines and runs as users of all builds could write them, and how one knows that they are done."""
from harness.kube import condition_of
from harness.objects import API, attempts, pipeline, run, service, shell, step_states, stream


def job_end(job):
    return next((each["type"] for each in job.get("status", {}).get("conditions", []) if each["type"] in ("Complete", "Failed")), None)


def all_ended(kube):
    """Every run has ended, and every Job."""
    runs = kube.list("pipelinerun")
    return bool(runs) and all((condition_of(each, "Completed") or {}).get("status") == "True" for each in runs) and all(
        job_end(job) for job in kube.list("job"))


def outline(item, jobs, pods):
    """All of a run's end that must depend neither on the build that began it nor on when it was replaced."""
    uid = item["metadata"]["uid"]
    mine = [each for each in jobs if each["metadata"]["labels"].get("millrace.dev/run-uid") == uid]
    names = {each["metadata"]["name"] for each in mine}
    def key(each):
        return each["metadata"]["labels"].get("millrace.dev/step", ""), each["metadata"]["labels"]["millrace.dev/attempt"]
    return {
        "succeeded": [condition_of(item, "Succeeded")[field] for field in ("status", "reason")],
        "completed": condition_of(item, "Completed")["status"],
        "steps": step_states(item), "failed": attempts(item),
        "jobs": sorted([*key(job), job_end(job)] for job in mine),
        "pods": sorted([*key(pod), pod["status"]["phase"]] for pod in pods
                       if any(owner["name"] in names for owner in pod["metadata"].get("ownerReferences", []))),
    }


class Scenario:
    """`items(n, url)` are the objects of moment n, `done(kube)` when there is nothing more to see. With `kill`, one moment is kept
    after each write of the operator; without, only the one when `done` is true."""
    kill = True
    steps = False  # needs a build with `spec.steps`
    most = 60  # writes that are looked at

    def __init__(self, name, items, done, **more):
        self.name, self.items, self.done = name, items, done
        vars(self).update(more)


def _container(text="true"):
    container = shell("x", text)
    del container["name"]
    return container


def _batch(n, url):
    return [pipeline(f"p-{n}", outcomes={1: "fail:4@build-step-clean"}), run(f"r-{n}", f"p-{n}", maxRetryCount=1)]


def _graph(n, url):
    """A step that is tried twice, a call, a child run, a step that reads the call's answer, and one in finally."""
    steps = [
        {"name": "one", "retry": {"limit": 1, "backoff": {"initial": "1s"}}, "container": _container()},
        {"name": "ask", "dependsOn": ["one"], "http": {"url": "{{ params.url }}/ask", "method": "POST"}, "outputs": {"n": "response.body.n"}},
        {"name": "sub", "dependsOn": ["ask"], "pipeline": {"name": f"child-{n}"}},
        {"name": "note", "dependsOn": ["sub"], "http": {"url": "{{ params.url }}/note", "method": "POST", "body": {"n": "{{ steps.ask.outputs.n }}"}}},
    ]
    last = [{"name": "last", "retry": {"limit": 1, "backoff": {"initial": "1s"}}, "container": _container()}]
    notes = {"test.millrace.dev/outcome-attempt-1": "fail:4"}
    return [{"apiVersion": API, "kind": "Pipeline", "metadata": {"name": f"child-{n}"},
             "spec": {"steps": [{"name": "pause", "wait": {"duration": "100ms"}}]}},
            {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": f"p-{n}", "annotations": notes},
             "spec": {"params": [{"name": "url"}], "steps": steps, "finally": last}},
            run(f"r-{n}", f"p-{n}", params={"url": url})]


def _schedule(n, url):
    return [pipeline(f"p-{n}", strategy={"cronExpression": "@every 5s"})]


def _fired(kube):
    """A tick has its run, on record, and the run has ended."""
    [item] = kube.list("pipeline")
    ticks = item.get("status", {}).get("schedule", {}).get("ticks", [])
    return any(line["outcome"] == "Created" and line.get("uid") for line in ticks) and all_ended(kube)


def _stream(n, url):
    return [stream(f"p-{n}", [service(f"one-{n}"), service(f"two-{n}")]), run(f"r-{n}", f"p-{n}")]


def _available(kube):
    runs = kube.list("pipelinerun")
    return bool(runs) and all((condition_of(each, "Succeeded") or {}).get("reason") == "Available" for each in runs)


def _running(n, url):
    return [pipeline(f"p-{n}", outcomes={1: "hang@build-step-clean"}), run(f"r-{n}", f"p-{n}")]


def _running_graph(n, url):
    notes = {"test.millrace.dev/outcome-attempt-1": "hang"}
    steps = [{"name": "one", "container": _container()}, {"name": "two", "dependsOn": ["one"], "container": _container()}]
    return [{"apiVersion": API, "kind": "Pipeline", "metadata": {"name": f"p-{n}", "annotations": notes}, "spec": {"steps": steps}},
            run(f"r-{n}", f"p-{n}")]


def _runs(kube):
    """The status says so, and a container does."""
    runs = kube.list("pipelinerun")
    started = [(each.get("state") or {}).get("running") for pod in kube.list("pod") for kind in ("initContainerStatuses", "containerStatuses")
               for each in pod.get("status", {}).get(kind, [])]
    return any(started) and bool(runs) and all("Running" in step_states(each).values() for each in runs if each.get("status", {}).get("stepStates")) \
        and all(each.get("status", {}).get("stepStates") for each in runs)


SCENARIOS = [
    Scenario("batch", _batch, all_ended),
    Scenario("graph", _graph, all_ended, steps=True),
    Scenario("schedule", _schedule, _fired),
    Scenario("stream", _stream, _available),
    Scenario("running", _running, _runs, kill=False),
    Scenario("running-graph", _running_graph, _runs, kill=False, steps=True),
]


def known_to(crds):
    """The scenarios that the CRDs in that folder have fields for."""
    steps = "\n              steps:\n" in (crds / "pipelines.yaml").read_text()
    return [each for each in SCENARIOS if steps or not each.steps]
