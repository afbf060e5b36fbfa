"""Pods and nodes that are lost, and users who reach in by hand. README.md has the table of scenarios and invariants."""
import auditor
from auditor import FORGED, is_true, label, name_of
from harness.kube import condition_of
from harness.objects import API, SHELL_IMAGE, notes, pipeline, run

LOST = ("PodDeleted", "PodLost", "NodeLost", "Evicted", "Preempted", "NodeShutdown", "DeletionByPodGC", "DeletionByTaintManager")


def runs_now(pod):
    """A pod of a Job that runs, and nobody has taken away or forged."""
    return ((auditor.owner_of(pod) or {}).get("kind") == "Job" and (pod.get("status") or {}).get("phase") == "Running"
            and not pod["metadata"].get("deletionTimestamp") and not auditor.forged(pod))


def running_pods(arena):
    """Those that run now, by name, in an order that does not change."""
    return [pod for _, pod in sorted(arena.recorder.latest("pods").items()) if runs_now(pod)]


def victims(arena, moment, suits):
    """Pods for which `suits` that run when so long has passed since the beginning, or as soon as there are any; none when all runs have
    ended. Waited for: on a busy machine the first pod may come after all the times that were drawn."""
    arena.at(moment)

    def found():
        return [pod for pod in running_pods(arena) if suits(pod)] or arena.all_ended()
    pods = arena.recorder.wait(found, "a pod runs, or all runs have ended", describe=arena.unended)
    return [] if pods is True else pods


def exact_but_for(load, disturbed):
    """Runs that nobody has disturbed take the attempts that were drawn, and no more."""
    for name, expected in load.expected.items():
        expected.exact = name not in disturbed


def test_pods_evicted(arena):
    """An evicted pod costs an attempt, for a reason that says so, and the next one goes on; no attempt has two pods, and no other run notices."""
    arena.operator()
    load = arena.begin(spare=4, hang=1.0)
    tried, evicted = {}, []

    def suits(pod):
        name = label(pod, "pipeline-run")
        return name in load.expected and list(tried.values()).count(name) < 3 and name_of(pod) not in tried
    moment = 0.0
    while len(evicted) < 6:
        moment += arena.rng.uniform(0.2, 1.0)
        pods = victims(arena, moment, suits)
        if not pods:
            break
        pod = arena.rng.choice(pods)
        tried[name_of(pod)] = label(pod, "pipeline-run")
        if arena.api.evict(name_of(pod)) < 300:
            evicted.append(pod["metadata"]["uid"])
    assert evicted, "nothing was evicted"
    exact_but_for(load, set(tried.values()))
    arena.finish()
    assert_told_apart(arena, evicted)


def assert_told_apart(arena, evicted):
    """The attempts of these pods (uids) ended for a reason that is not the program's, unless the program had ended before."""
    last = {one.uid: one.item for one in arena.recorder.history() if one.kind == "pods"}
    runs = arena.recorder.latest("pipelineruns")
    cut = [last[uid] for uid in evicted if not auditor.ended_pod(last[uid])]
    assert cut, "no evicted pod was seen running to its last"
    for pod in cut:
        job, status = auditor.owner_of(pod)["name"], runs[label(pod, "pipeline-run")]["status"]
        reasons = {line["reason"] for line in (status.get("retryStatus") or {}).get("historyBuild") or [] if line.get("buildName") == job}
        reasons |= {step.get("reason") for step in status["stepStates"] if step.get("jobName") == job and step["state"] == "Failed"}
        assert reasons and reasons <= set(LOST), f"{name_of(pod)} was evicted, and the status says {reasons or 'nothing'}: {status}"


def test_node_lost_mid_step(arena):
    """Its pods are given up when the cluster gives them up, as the infrastructure's doing, and run elsewhere; the others go on."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"doomed-{arena.seed}", "labels": {"doomed": "true"},
                                                           "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"taints": [{"key": "doomed", "effect": "PreferNoSchedule"}]},  # the others keep away: they end as drawn
            "status": {kind: {"cpu": "1000", "memory": "1000Gi", "pods": "1000"} for kind in ("allocatable", "capacity")}}
    arena.api.create(node)
    arena.kube.wait_condition("node", node["metadata"]["name"], "Ready")
    arena.operator()
    arena.begin()
    name = f"doomed-{arena.seed}"
    held = notes(outcomes={1: "hang"})
    arena.api.create(pipeline("held-b", outcomes={1: "hang"}, nodeSelector={"doomed": "true"}))
    arena.api.create({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "held-g", "annotations": held}, "spec": {
        "podTemplate": {"nodeSelector": {"doomed": "true"}},
        "steps": [{"name": "x", "retry": {"limit": 2, "on": ["Infrastructure"], "backoff": {"initial": "100ms"}},
                   "container": {"image": SHELL_IMAGE, "command": ["true"]}}]}})
    each = arena.rng.randint(1, 3)
    for number in range(each):
        arena.api.create(run(f"held-b-{number}", "held-b", maxRetryCount=2))
        arena.api.create(run(f"held-g-{number}", "held-g"))
    # All of them: one that had not begun yet would take its first, hanging, attempt on the node that comes back.
    arena.recorder.wait(lambda: sum(label(pod, "pipeline") in ("held-b", "held-g") for pod in running_pods(arena)) == 2 * each,
                        "the held pods run", describe=arena.unended)
    arena.at(arena.rng.uniform(1.0, 4.0))
    arena.api.delete("node", name)
    arena.note("the node is gone")
    arena.recorder.wait(lambda: not any((pod["spec"].get("nodeName") == name) for pod in arena.recorder.latest("pods").values()),
                        "the garbage collector takes the pods")
    arena.note("its pods are gone")
    arena.api.create(node)  # those that need it wait for it
    runs = ("held-b", "held-g")
    arena.recorder.wait(lambda: all(is_true(item, "Completed") for item in arena.recorder.latest("pipelineruns").values()
                                    if item["spec"]["refPipeline"] in runs), "the held runs end")
    for item in arena.recorder.latest("pipelineruns").values():
        if item["spec"]["refPipeline"] in runs:
            assert condition_of(item, "Succeeded")["reason"] == "Succeeded", item["status"]
            assert [line["reason"] in LOST for line in item["status"]["retryStatus"]["historyBuild"]] == [True], item["status"]["retryStatus"]
    arena.finish()
    arena.api.delete("node", name)


def test_run_deleted_mid_step(arena):
    """What belongs to it goes with it, nothing of it is made again, and no other run notices."""
    arena.operator()
    load = arena.begin(hang=1.0)
    gone = set()
    moment = 0.0
    while len(gone) < 4:
        moment += arena.rng.uniform(0.3, 1.0)
        names = sorted({label(pod, "pipeline-run") for pod in victims(arena, moment, lambda pod: label(pod, "pipeline-run") in load.expected)})
        if not names:
            break
        name = arena.rng.choice(names)
        gone.add(name)
        arena.api.delete("pipelinerun", name, propagationPolicy=arena.rng.choice(["Background", "Foreground"]))
        load.expected.pop(name)
    assert gone, "nothing was deleted"
    arena.finish()


FORGERIES = ("pod of nobody", "pod of another Job", "Job of nobody", "torn label", "other run's labels", "torn owner", "other owner", "other owner of the Job")
OUR_LABELS = ("pipeline-run", "millrace.dev/run", "millrace.dev/run-uid", "millrace.dev/step", "millrace.dev/attempt")
NOBODY = "00000000-0000-0000-0000-000000000001"  # uid of an owner that is not there


def test_labels_and_owners_forged(arena):
    """Pods and Jobs that only say they belong to a run decide nothing, and cost no attempt. Labels and owners of real ones may be torn off or
    changed: their runs end as drawn, attempts aside, and each attempt has one child."""
    arena.operator()
    load = arena.begin(spare=4, hang=1.0)
    forger, moment = Forger(arena), 0.0
    for what in arena.rng.sample(FORGERIES, len(FORGERIES)):
        while True:
            moment += arena.rng.uniform(0.2, 0.8)
            pods = victims(arena, moment, lambda pod: label(pod, "pipeline-run") in load.expected and forger.may(what, pod))
            assert pods, f"all runs have ended before this was forged: {what}"
            pod = arena.rng.choice(pods)
            if forger.forge(what, pod, pods):
                arena.note(f"{what}: {name_of(pod)}")
                break
    exact_but_for(load, set(forger.disturbed))
    forger.clean_up()
    arena.finish()


def test_owner_torn_off_a_pod_that_runs_on(arena):
    """A pod that is nobody's any more costs an attempt, also when nothing else happens to its Job."""
    arena.operator()
    arena.begin(size=1, tick=False, streams=False)
    arena.api.create(pipeline("held-b", outcomes={1: "hang"}))
    arena.api.create({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "held-g", "annotations": notes(outcomes={1: "hang"})}, "spec": {
        "steps": [{"name": "x", "retry": {"limit": 2, "on": ["Infrastructure"], "backoff": {"initial": "100ms"}},
                   "container": {"image": SHELL_IMAGE, "command": ["true"]}}]}})
    arena.api.create(run("held-b", "held-b", maxRetryCount=2))
    arena.api.create(run("held-g", "held-g"))

    def told():
        pods = {label(pod, "pipeline"): pod for pod in running_pods(arena) if label(pod, "pipeline") in ("held-b", "held-g")}
        jobs = arena.recorder.latest("jobs")
        return pods if len(pods) == 2 and all(jobs[auditor.owner_of(pod)["name"]]["status"].get("active") for pod in pods.values()) else None
    for pod in arena.recorder.wait(told, "the held pods run, and their Jobs say so").values():
        arena.api.patch("pod", name_of(pod), {"metadata": _deceit(pod, torn=True)})
    arena.note("torn")
    runs = ("held-b", "held-g")
    arena.recorder.wait(lambda: all(is_true(arena.recorder.latest("pipelineruns")[name], "Completed") for name in runs), "the held runs end",
                        timeout=60, describe=lambda: str([arena.recorder.latest("pipelineruns")[name].get("status") for name in runs]))
    for name in runs:
        status = arena.recorder.latest("pipelineruns")[name]["status"]
        assert [line["reason"] in LOST for line in status["retryStatus"]["historyBuild"]] == [True], status
    arena.finish()


class Forger:
    """What a user does who deceives the operator, by hand. `disturbed`: the runs of what was changed, or may have been, once for each time."""

    def __init__(self, arena):
        self.arena, self.disturbed = arena, []
        self._touched, self._made, self._jobs = set(), 0, []

    def may(self, what, pod):
        """No pod twice, and no run so often that it would end in another way."""
        if name_of(pod) in self._touched or self.disturbed.count(label(pod, "pipeline-run")) >= 3:
            return False
        return what != "other owner of the Job" or self._on_record(pod)

    def _on_record(self, pod):
        """Whether the run's status names the pod's Job: one that is taken away before may be made again (docs/guarantees.md)."""
        status = self.arena.recorder.latest("pipelineruns")[label(pod, "pipeline-run")].get("status") or {}
        job = auditor.owner_of(pod)["name"]
        return (status.get("cluster") or {}).get("buildName") == job or any(step.get("jobName") == job for step in status.get("stepStates") or [])

    def forge(self, what, pod, pods):
        """Whether it was done: the pod, one of `pods`, may have ended meanwhile."""
        name = f"forged-{self._made}"
        if what in ("pod of nobody", "pod of another Job"):
            outcome = self.arena.rng.choice(["succeed", "fail:3"])
            return self._create(_forged_pod(name, pod, outcome, what == "pod of another Job"))
        job = self.arena.api.get("job", auditor.owner_of(pod)["name"])  # the recorder may have seen its pod only
        if what == "Job of nobody":
            self._jobs.append(name)
            return job is not None and self._create(_forged_job(name, job))
        if what == "other owner of the Job":
            return job is not None and self._change("job", job, pod, _deceit(job))
        if what == "other run's labels":
            others = [each for each in pods if label(each, "pipeline-run") != label(pod, "pipeline-run")]
            if not others:
                return False
            other = self.arena.rng.choice(others)
            change = {"labels": {key: label(other, key) for key in OUR_LABELS}}
        elif what == "torn label":
            change = {"labels": {"millrace.dev/step": None}}
        else:
            change = _deceit(pod, torn=what == "torn owner")
        # Only if it still is as it was seen: it runs.
        return self._change("pod", pod, pod, {**change, "resourceVersion": pod["metadata"]["resourceVersion"]})

    def _create(self, item):
        self.arena.api.create(item)
        self._made += 1
        return True

    def _change(self, kind, item, pod, metadata):
        self._touched.add(name_of(pod))
        self.disturbed.append(label(pod, "pipeline-run"))
        return self.arena.api.patch(kind, name_of(item), {"metadata": metadata}, wanted=(404, 409))[0] < 300

    def clean_up(self):
        """Takes away the Jobs that were made up: they never end."""
        for name in self._jobs:
            self.arena.api.delete("job", name, propagationPolicy="Background")


def _deceit(item, torn=False):
    """Metadata with which a real object has no owner, or one of the same name that is not there."""
    owners = None if torn else [{**auditor.owner_of(item), "uid": NOBODY, "blockOwnerDeletion": False}]
    return {"annotations": {FORGED: "true"}, "ownerReferences": owners}


def _forged_pod(name, pod, outcome, owner):
    """A pod that looks like `pod`, and ends at once."""
    made = {"name": name, "labels": pod["metadata"]["labels"], "annotations": {FORGED: "true", "test.millrace.dev/outcome": outcome}}
    if owner:  # of the same name, which is another Job all the same
        made["ownerReferences"] = [{**auditor.owner_of(pod), "uid": NOBODY, "blockOwnerDeletion": False}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made,
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": SHELL_IMAGE}]}}


def _forged_job(name, job):
    """A Job that says it belongs to the same run, step and attempt, but is nobody's."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": SHELL_IMAGE}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "annotations": {FORGED: "true"}, "labels": {
        key: value for key, value in job["metadata"]["labels"].items() if "controller-uid" not in key and "job-name" not in key}},
        "spec": {"backoffLimit": 0, "template": template, "suspend": True}}
