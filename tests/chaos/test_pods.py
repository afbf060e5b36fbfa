"""Pods and nodes that are lost, and users who reach in by hand. README.md has the table of scenarios and invariants."""
import auditor
from auditor import FORGED, is_true, label, name_of
from harness.kube import condition_of
from harness.objects import API, SHELL_IMAGE, notes, pipeline, run

LOST = ("PodDeleted", "PodLost", "NodeLost", "Evicted", "Preempted", "NodeShutdown", "DeletionByPodGC", "DeletionByTaintManager")


def running_pods(arena):
    """Pods of Jobs that run now, by name, in an order that does not change."""
    return [pod for _, pod in sorted(arena.recorder.latest("pods").items())
            if (auditor.owner_of(pod) or {}).get("kind") == "Job" and (pod.get("status") or {}).get("phase") == "Running"
            and not pod["metadata"].get("deletionTimestamp") and not auditor.forged(pod)]


def victims(arena, moment, suits):
    """Pods for which `suits` that run when so long has passed since the beginning, or as soon as there are any; none when all runs have
    ended. Waited for: on a busy machine the first pod may come after all the times that were drawn."""
    arena.at(moment)

    def found():
        return [pod for pod in running_pods(arena) if suits(pod)] or arena.all_ended()
    pods = arena.recorder.wait(found, "a pod runs, or all runs have ended", describe=arena.unended)
    return [] if pods is True else pods


def test_pods_evicted(arena):
    """An evicted pod costs an attempt, and the next one goes on; no attempt has two pods."""
    arena.operator()
    load = arena.begin(spare=4, hang=1.0)
    evicted = {}

    def suits(pod):
        name = label(pod, "pipeline-run")
        return name in load.expected and list(evicted.values()).count(name) < 3 and name_of(pod) not in evicted
    moment = 0.0
    while len(evicted) < 6:
        moment += arena.rng.uniform(0.2, 1.0)
        pods = victims(arena, moment, suits)
        if not pods:
            break
        pod = arena.rng.choice(pods)
        if arena.api.evict(name_of(pod)) < 300:
            evicted[name_of(pod)] = label(pod, "pipeline-run")
    assert evicted, "nothing was evicted"
    arena.finish()


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


def test_labels_and_owners_forged(arena):
    """Pods that only say they belong to a run decide nothing; labels and owners of real ones may be torn off or changed: the run ends,
    and each attempt has one child."""
    arena.operator()
    load = arena.begin(spare=4, hang=1.0)
    moment, done, number, jobs = 0.0, 0, 0, []
    while done < 8:
        moment += arena.rng.uniform(0.2, 0.8)
        pods = victims(arena, moment, lambda pod: label(pod, "pipeline-run") in load.expected)
        if not pods:
            break
        pod, other = arena.rng.choice(pods), arena.rng.choice(pods)
        what = arena.rng.choice(["foreign pod", "foreign owner", "foreign Job", "torn label", "other run"])
        arena.note(f"{what}: {name_of(pod)}")
        done, number = done + 1, number + 1
        outcome = arena.rng.choice(["succeed", "fail:3"])
        if what in ("foreign pod", "foreign owner"):
            arena.api.create(_forged_pod(f"forged-{number}", pod, outcome, what == "foreign owner"))
        elif what == "foreign Job":
            job = arena.api.get("job", auditor.owner_of(pod)["name"])  # the recorder may have seen its pod only
            arena.api.create(_forged_job(f"forged-{number}", job))
            jobs.append(f"forged-{number}")
        else:
            change = {"millrace.dev/step": None} if what == "torn label" else {
                key: label(other, key) for key in ("millrace.dev/run", "millrace.dev/run-uid", "pipeline-run", "millrace.dev/step", "millrace.dev/attempt")}
            arena.api.patch("pod", name_of(pod), {"metadata": {"labels": change}}, wanted=(404,))
    assert done >= 3, "hardly anything was forged"
    for name in jobs:
        arena.api.delete("job", name, propagationPolicy="Background")
    arena.finish()


def _forged_pod(name, pod, outcome, owner):
    """A pod that looks like `pod`, and ends at once."""
    made = {"name": name, "labels": pod["metadata"]["labels"], "annotations": {FORGED: "true", "test.millrace.dev/outcome": outcome}}
    if owner:  # of the same name, which is another Job all the same
        made["ownerReferences"] = [{**auditor.owner_of(pod), "uid": "00000000-0000-0000-0000-000000000001", "blockOwnerDeletion": False}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made,
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": SHELL_IMAGE}]}}


def _forged_job(name, job):
    """A Job that says it belongs to the same run, step and attempt, but is nobody's."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": SHELL_IMAGE}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "annotations": {FORGED: "true"}, "labels": {
        key: value for key, value in job["metadata"]["labels"].items() if "controller-uid" not in key and "job-name" not in key}},
        "spec": {"backoffLimit": 0, "template": template, "suspend": True}}
