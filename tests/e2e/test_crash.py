"""Kill -9 of the operator between any two of its writes: before the write reaches the server, and after the server has done
it but before the operator knows. After a restart everything ends as it would have."""
import pytest

from harness.killer import Killer
from harness.kube import condition_of
from harness.objects import attempts, owner, pipeline, run, self_as_owner, service, step_states, stream
from harness.proxy import Cut

MOST_WRITES = 40


def outline(kube, name):
    """All of a run's end that must not depend on when the operator died."""
    item = kube.get("pipelinerun", name)
    jobs = kube.list("job", f"pipeline-run={name}")
    pods = kube.list("pod", f"pipeline-run={name}")
    return {
        "conditions": [(each["type"], each["status"], each["reason"]) for each in item["status"]["conditions"]],
        "message": condition_of(item, "Succeeded")["message"],
        "steps": step_states(item), "count": item["status"]["steps"], "failed": attempts(item),
        "retries": item["status"]["retryStatus"]["retryCount"],
        "jobs": sorted((job["metadata"]["labels"]["millrace.dev/attempt"], condition_type(job)) for job in jobs),
        "pods": sorted((pod["metadata"]["labels"]["millrace.dev/attempt"], pod["status"]["phase"]) for pod in pods),
    }


def condition_type(job):
    return next((each["type"] for each in job["status"].get("conditions", []) if each["type"] in ("Complete", "Failed")), None)


def has_ended(kube, name):
    """Whether the run and all its Jobs are at their ends."""
    completed = condition_of(kube.get("pipelinerun", name), "Completed") or {}
    return completed.get("status") == "True" and all(condition_type(job) for job in kube.list("job", f"pipeline-run={name}"))


def wait_ended(kube, name):
    kube.wait_completed(name, timeout=60)
    kube.wait_list("job", f"pipeline-run={name}", lambda found: all(condition_type(job) for job in found), "their ends")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_batch_run_ends_the_same_whenever_the_operator_dies(kube, start_operator, fault_proxy, job_controller, moment):
    operator = start_operator(kube, kubeconfig=fault_proxy.kubeconfig, config={"jobController": job_controller})
    killer = Killer(fault_proxy, operator)

    def go(n):
        """One batch run of three steps, one retry, with the operator killed at write n. False when there was no such write."""
        name = f"run-{n}"
        killer.arm(n, moment)
        kube.apply([pipeline(f"p-{n}", outcomes={1: "fail:4@build-step-clean"}), run(name, f"p-{n}", maxRetryCount=1)])
        while not (killer.struck.wait(0.05) or has_ended(kube, name)):  # the Jobs may end after the run
            pass
        struck = killer.disarm()
        if struck:
            operator.start()
        wait_ended(kube, name)
        return struck

    assert not go(0)
    undisturbed, want = list(killer.writes), outline(kube, "run-0")
    assert [attempt for attempt, _ in want["jobs"]] == ["1", "2"] and [attempt for attempt, _ in want["pods"]] == ["1", "2"]
    assert want["failed"] == ["Fail"] and want["steps"] == {"clean": "Succeeded", "output--out": "Succeeded"}
    n = 0
    while n < MOST_WRITES:
        n += 1
        struck = go(n)
        assert outline(kube, f"run-{n}") == want, f"killed {moment} write {n} of {killer.writes}; undisturbed: {undisturbed}"
        if not struck:
            break
    assert n >= 6, f"the writes of an undisturbed run: {undisturbed}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_each_tick_has_one_run_whenever_the_operator_dies(kube, start_operator, fault_proxy, moment):
    operator = start_operator(kube, kubeconfig=fault_proxy.kubeconfig)
    killer = Killer(fault_proxy, operator)
    for n in range(1, 9):  # more than two ticks' worth: claim, run, record, and the run's own
        name = f"p-{n}"
        killer.arm(n, moment)
        kube.apply(pipeline(name, strategy={"cronExpression": "@every 1s"}))
        assert killer.struck.wait(20), f"no write {n}: {killer.writes}"
        killer.disarm()
        operator.start()
        found = kube.wait_list("pipelinerun", f"pipeline={name}", lambda items: len(items) >= 3, "three runs")
        kube.patch("pipeline", name, {"spec": {"strategy": {"suspend": True}}})
        settled = kube.wait("pipeline", name, lambda item: not item["status"]["schedule"].get("nextTick") and
                            all(line["outcome"] != "Claimed" for line in item["status"]["schedule"]["ticks"]), "no claimed tick left")
        found = kube.list("pipelinerun", f"pipeline={name}")
        ticks = [item["metadata"]["labels"]["millrace.dev/tick"] for item in found]
        assert len(ticks) == len(set(ticks)), f"killed {moment} write {n} of {killer.writes}"
        recorded = {(line["run"], line["uid"]) for line in settled["status"]["schedule"]["ticks"] if line["outcome"] == "Created"}
        assert {(item["metadata"]["name"], item["metadata"]["uid"]) for item in found} == recorded
        kube.delete("pipeline", name, "--wait=false")


def test_a_stream_comes_up_whenever_the_operator_dies(kube, start_operator, fault_proxy):
    operator = start_operator(kube, kubeconfig=fault_proxy.kubeconfig)
    killer = Killer(fault_proxy, operator)
    for n in range(1, 8):
        killer.arm(n, "after")
        kube.apply([stream(f"s-{n}", [service(f"one-{n}"), service(f"two-{n}")]), run(f"r-{n}", f"s-{n}")])
        killer.struck.wait(5)
        struck = killer.disarm()
        if struck:
            operator.start()
        up = kube.wait_condition("pipelinerun", f"r-{n}", "Succeeded", "True", "Available", 40)
        made = [*kube.list("deployment", f"pipeline=s-{n}"), *kube.list("service", f"pipeline=s-{n}")]
        assert len(made) == 4 and {owner(item) for item in made} == {self_as_owner(up)}
        if not struck:
            break


def test_outages_cost_nothing_but_time(kube, start_operator, fault_proxy, job_controller):
    """Every write meets a fault first, each kind in turn, and each connection is cut once in between."""
    operator = start_operator(kube, kubeconfig=fault_proxy.kubeconfig, config={"jobController": job_controller})
    status = '{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"%s","message":"made up","code":%d}'
    faults = [(429, {"Retry-After": "1"}, status % ("TooManyRequests", 429)), (503, {}, status % ("ServiceUnavailable", 503)),
              (500, {}, status % ("InternalError", 500)), (504, {}, status % ("Timeout", 504)), None]
    met = {}

    def before(request):
        if not request.write or "/events" in request.path:
            return None
        kind = (request.method, request.path.partition("?")[0])
        met[kind] = met.get(kind, 0) + 1
        if met[kind] % 2 == 0:
            return None
        fault = faults[sum(met.values()) % len(faults)]
        if fault is None:
            raise Cut
        return fault

    fault_proxy.before = before
    kube.apply([pipeline(outcomes={1: "fail:4@build-step-clean"}), run(maxRetryCount=1)])
    kube.wait("pipelinerun", "r", attempts, "its first attempt over", timeout=90)
    fault_proxy.cut_all()
    kube.wait_completed("r", "Succeeded", timeout=90)
    wait_ended(kube, "r")
    found = outline(kube, "r")
    assert [attempt for attempt, _ in found["jobs"]] == [attempt for attempt, _ in found["pods"]] == ["1", "2"]
    assert found["failed"] == ["Fail"] and operator.alive()


def test_two_operators_at_once_do_no_harm(kube, start_operator, job_controller):
    for _ in range(2):
        start_operator(kube, config={"jobController": job_controller})
    kube.apply([pipeline(outcomes={1: "fail:4@build-step-clean"}),
                pipeline("ticking", strategy={"cronExpression": "@every 1s"}), *[run(f"r-{n}", maxRetryCount=1) for n in range(5)]])
    for n in range(5):
        wait_ended(kube, f"r-{n}")
        found = outline(kube, f"r-{n}")
        assert [attempt for attempt, _ in found["jobs"]] == [attempt for attempt, _ in found["pods"]] == ["1", "2"]
        assert found["failed"] == ["Fail"] and ("Succeeded", "True", "Succeeded") in found["conditions"]
    items = kube.wait_list("pipelinerun", "pipeline=ticking", lambda items: len(items) >= 3, "three ticks")
    ticks = [item["metadata"]["labels"]["millrace.dev/tick"] for item in items]
    assert len(ticks) == len(set(ticks))
