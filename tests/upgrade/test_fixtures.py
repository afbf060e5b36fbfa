"""What earlier builds left behind (fixtures/) goes on under today's, as if there had been one build all the time."""
import json
import os
import pathlib
import subprocess

import pytest

import moments
from harness.kube import Kube, condition_of
from harness.ports import free_ports
from scenarios import all_ended, job_end, outline

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = HERE.parent / "cluster/cluster"
BUILDS = sorted(path for path in (HERE / "fixtures").iterdir() if path.is_dir())
LOOPBACK = {"http": {"allow": ["127.0.0.0/8"]}}


def recorded(scenario):
    """The files of a scenario, of all builds that have it."""
    return [pytest.param(path / f"{scenario}.json.gz", id=path.name) for path in BUILDS if (path / f"{scenario}.json.gz").exists()]


def test_there_are_recordings_of_several_builds():
    assert len(BUILDS) >= 4 and all(recorded(name) for name in ("batch", "graph", "schedule", "stream", "running", "running-graph"))


def restored(kube, path, web=None, shift=True):
    """The fixture, its objects in the namespace, and those as the API server shows them: {uid: object}."""
    fixture = moments.load(path)
    moments.restore(kube, fixture, web.url if web else None, shift)
    wanted = {item["metadata"]["uid"] for moment in fixture["moments"] for item in moment["objects"]}
    shown = by_uid(kube)
    assert wanted <= set(shown), "the API server does not show all that was put into etcd"
    return fixture, shown


def by_uid(kube):
    return {item["metadata"]["uid"]: item for kind in moments.KINDS for item in kube.list(kind)}


def kinds(moment, kind):
    return [item for item in moment["objects"] if item["kind"] == kind]


def check_runs(kube, fixture, before):
    """Each moment's run ended as the undisturbed one did; what stood when the builds changed is what stands; no attempt has two Jobs."""
    runs, jobs, pods = ({each["metadata"]["uid"]: each for each in kube.list(kind)} for kind in ("pipelinerun", "job", "pod"))
    last = fixture["moments"][-1]
    def outlines(items, number):
        """By name without the moment's number: child runs are called after their run."""
        return {item["metadata"]["name"].startswith(f"r-{number}-"): outline(item, jobs.values(), pods.values()) for item in items}
    want = {key: outline(item, kinds(last, "Job"), kinds(last, "Pod"))
            for item in kinds(last, "PipelineRun") for key in [item["metadata"]["name"].startswith(f"r-{last['n']}-")]}
    assert want[False]["completed"] == "True" and want[False]["jobs"]
    for moment in fixture["moments"]:
        n = moment["n"]
        mine = [item for item in runs.values() if item["metadata"]["name"] == f"r-{n}" or item["metadata"]["name"].startswith(f"r-{n}-")]
        assert outlines(mine, n) == want, f"taken over after write {n}: {moment['after']}"
        for item in moment["objects"]:
            uid = item["metadata"]["uid"]
            assert uid in {"Job": jobs, "Pod": pods, "PipelineRun": runs}.get(item["kind"], before), \
                f"{item['kind']} {item['metadata']['name']} was not kept (after write {n}: {moment['after']})"
    for job in jobs.values():
        same = [each for each in jobs.values() if identity(each) == identity(job)]
        assert len(same) == 1, f"two Jobs of one attempt: {[each['metadata']['name'] for each in same]}"


def identity(job):
    labels = job["metadata"]["labels"]
    return labels["millrace.dev/run-uid"], labels.get("millrace.dev/step", ""), labels["millrace.dev/attempt"]


def check_untouched(kube, fixture, before):
    """What had ended when the builds changed was not written to."""
    now = by_uid(kube)
    for item in fixture["moments"][-1]["objects"]:
        uid = item["metadata"]["uid"]
        if item["kind"] in ("PipelineRun", "Job", "ControllerRevision"):
            assert now[uid]["metadata"]["resourceVersion"] == before[uid]["metadata"]["resourceVersion"], \
                f"{item['kind']} {item['metadata']['name']} had ended, and was written to:\n{json.dumps(now[uid].get('status'))}"


@pytest.mark.parametrize("path", recorded("batch"))
def test_batch_runs_of_an_earlier_build_end_as_they_would_have(crds, start_operator, path):
    kube = crds
    fixture, before = restored(crds, path)
    start_operator(kube)
    finish(kube, fixture)
    check_runs(kube, fixture, before)
    check_untouched(kube, fixture, before)


@pytest.mark.parametrize("path", recorded("graph"))
def test_graphs_of_an_earlier_build_end_as_they_would_have(crds, start_operator, web, path):
    """And no call is sent twice by this build. That its key is the earlier build's, too: test_previous.py."""
    web.answer("/ask", 200, {"n": 7})
    kube = crds
    fixture, before = restored(crds, path, web)
    start_operator(kube, config=LOOPBACK)
    finish(kube, fixture)
    check_runs(kube, fixture, before)
    check_untouched(kube, fixture, before)
    for place in ("/ask", "/note"):
        keys = [seen.headers["idempotency-key"] for seen in web.seen(place)]
        assert keys and len(keys) == len(set(keys)), "sent more than once by this build"
    assert {json.dumps(seen.json()) for seen in web.seen("/note")} == {'{"n": 7}'}


def finish(kube, fixture):
    names = [f"r-{moment['n']}" for moment in fixture["moments"]]
    for name in names:
        kube.wait_completed(name, timeout=120)
    kube.wait_list("job", "", lambda jobs: all(job_end(job) for job in jobs), "the ends of all Jobs")
    assert all_ended(kube)


@pytest.mark.parametrize("path", [*recorded("running"), *recorded("running-graph")])
def test_a_step_that_runs_is_left_alone_and_its_end_is_seen(crds, start_operator, path):
    kube = crds
    fixture, before = restored(crds, path)
    operator = start_operator(kube)
    [run] = kinds(fixture["moments"][0], "PipelineRun")
    name = run["metadata"]["name"]
    kube.wait_condition("pipeline", run["spec"]["refPipeline"], "Ready")
    ended = kube.get("pipelinerun", name)
    assert condition_of(ended, "Succeeded")["status"] == "Unknown"
    while not condition_of(ended, "Completed") or condition_of(ended, "Completed")["status"] != "True":
        for pod in kube.list("pod"):  # whatever hangs ends now, well
            if pod.get("status", {}).get("phase") in ("Pending", "Running"):
                kube.patch("pod", pod["metadata"]["name"], {"metadata": {"annotations": {"test.millrace.dev/outcome-attempt-1": "succeed"}}})
        ended = kube.wait("pipelinerun", name, lambda item: item["metadata"]["resourceVersion"] != ended["metadata"]["resourceVersion"] or
                          (condition_of(item, "Completed") or {}).get("status") == "True", "the next status")
    assert condition_of(ended, "Succeeded")["status"] == "True" and operator.alive()
    now = by_uid(kube)
    for item in fixture["moments"][0]["objects"]:
        assert item["metadata"]["uid"] in now, f"{item['kind']} {item['metadata']['name']} was not kept"
    assert len(kube.list("job")) == (2 if path.name == "running-graph.json.gz" else 1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", recorded("schedule"))
def test_schedules_of_an_earlier_build_go_on_without_a_lost_or_doubled_tick(crds, start_operator, path):
    """Times stay as they were recorded: the new build comes long after the old one. A claimed tick gets its run all the same."""
    kube = crds
    fixture, before = restored(crds, path, shift=False)
    start_operator(kube)
    for moment in fixture["moments"]:
        name = f"p-{moment['n']}"
        [then] = kinds(moment, "Pipeline")
        old = then.get("status", {}).get("schedule", {}).get("ticks", [])
        kube.wait("pipeline", name, lambda item: sum(line["outcome"] == "Created" for line in ticks(item)) >=
                  sum(line["outcome"] in ("Created", "Claimed") for line in old) + 1, "one more tick", timeout=150)
        kube.patch("pipeline", name, {"spec": {"strategy": {"suspend": True}}})
        settled = kube.wait("pipeline", name, lambda item: item["status"]["schedule"].get("paused") and
                            all(line["outcome"] != "Claimed" for line in ticks(item)), "no claimed tick left")
        lines = {line["time"]: line for line in ticks(settled)}
        for line in [line for line in old if line["outcome"] != "Skipped"]:
            now = lines[line["time"]]
            assert now["outcome"] == "Created" and now["run"] == line["run"] and line.get("uid") in (None, now["uid"])
        if any(line["outcome"] == "Created" for line in old):  # what passed in between is on record as skipped
            assert any(line["outcome"] == "Skipped" for line in ticks(settled))
        found = kube.list("pipelinerun", f"pipeline={name}")
        made = {(item["metadata"]["name"], item["metadata"]["uid"]) for item in found}
        assert made == {(line["run"], line["uid"]) for line in ticks(settled) if line["outcome"] == "Created"}
        assert {item["metadata"]["uid"] for item in kinds(moment, "PipelineRun")} <= {uid for _, uid in made}
        labels = [item["metadata"]["labels"]["millrace.dev/tick"] for item in found]
        assert len(labels) == len(set(labels))


def ticks(item):
    return item.get("status", {}).get("schedule", {}).get("ticks", [])


@pytest.mark.parametrize("path", recorded("stream"))
def test_streams_of_an_earlier_build_are_kept_running_without_a_restart(crds, start_operator, path):
    kube = crds
    fixture, before = restored(crds, path)
    start_operator(kube)
    for moment in fixture["moments"]:
        kube.wait_condition("pipelinerun", f"r-{moment['n']}", "Succeeded", "True", "Available", 120)
    now = by_uid(kube)
    for moment in fixture["moments"]:
        for item in moment["objects"]:
            assert item["metadata"]["uid"] in now, f"{item['kind']} {item['metadata']['name']} was not kept"
            if item["kind"] == "Deployment":  # a new generation with another template would roll its pods
                assert now[item["metadata"]["uid"]]["spec"]["template"] == item["spec"]["template"]
    assert len(kube.list("deployment")) == len(kube.list("service")) == 2 * len(fixture["moments"])


class Bare:
    """etcd and the API server only, for what happens to CRDs; as `Cluster` to Kube."""

    def __init__(self, directory):
        self.directory, self.kubeconfig = directory, directory / "kubeconfig"
        self._environment = {**os.environ, "CLUSTER_DIR": str(directory), "CLUSTER_PORT": str(free_ports(7)), "KUBECONFIG": str(self.kubeconfig),
                             "KUBECACHEDIR": str(directory / "kubectl-cache")}

    def environment(self):
        return self._environment

    def run(self, *words):
        done = subprocess.run([RECIPE, *words], env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def bare(tmp_path):
    cluster = Bare(tmp_path / "cluster")
    cluster.run("up", "--api")
    yield Kube(cluster, "default")
    cluster.run("down")


@pytest.mark.parametrize("build", BUILDS, ids=lambda path: path.name)
def test_the_crds_of_an_earlier_build_are_replaced_by_kubectl_apply(bare, build):
    """Objects from before can be read, labelled and edited afterwards: nothing that is stored has become invalid."""
    kube = bare
    for plural in ("pipelines", "pipelineruns"):
        kube.kubectl("apply", "-f", build / f"{plural}.yaml")
    wait_served(kube)
    stored = {}
    for path in sorted(build.glob("*.json.gz")):
        fixture = moments.load(path)
        for moment in [*fixture["moments"][::4], fixture["moments"][-1]]:
            for item in moment["objects"]:
                if item["kind"] in ("Pipeline", "PipelineRun") and item["metadata"]["uid"] not in stored:
                    number = len(stored)
                    item["metadata"].update(name=f"o-{number}", namespace="default")
                    item["metadata"].pop("ownerReferences", None)
                    moments.put(kube, item)
                    stored[item["metadata"]["uid"]] = item
    changed = kube.kubectl("apply", "-f", HERE.parents[1] / "manifests/crds")
    assert changed.count("configured") + changed.count("unchanged") == 2, changed
    wait_served(kube)
    shown = {item["metadata"]["uid"]: item for kind in ("pipeline", "pipelinerun") for item in kube.list(kind)}
    for uid, item in stored.items():
        for part in ("spec", "status"):
            lost = missing(item.get(part), shown[uid].get(part), part)
            assert not lost, f"{item['kind']} of {item['metadata']['name']}: {lost} is no longer there"
    names = [item["metadata"]["name"] for item in stored.values() if item["kind"] == "PipelineRun" and item.get("status")]
    kube.kubectl("label", "pipelines,pipelineruns", "--all", "seen=today")
    kube.kubectl("patch", "pipelinerun", *names, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    kube.kubectl("patch", "pipelinerun", *names, "--type=merge", "--subresource=status", "-p", '{"status":{"stepsCompleted":["seen"]}}')


def wait_served(kube):
    for plural in ("pipelines", "pipelineruns"):
        kube.wait_condition("crd", f"{plural}.millrace.dev", "Established")


def missing(old, new, path):
    """The first path whose value is gone or another one, or None. New defaults are no loss."""
    if isinstance(old, dict) and isinstance(new, dict):
        return next((found for key in old for found in [missing(old[key], new.get(key), f"{path}.{key}")] if found), None)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return next((found for i, each in enumerate(old) for found in [missing(each, new[i], f"{path}[{i}]")] if found), None)
    return None if old == new else path
