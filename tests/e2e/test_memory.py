"""What a finished run leaves in the operator's memory: itself, and nothing of its Jobs and pods."""
import time

import pytest

from harness.objects import pipeline, run


def cached(operator, resource):
    return operator.metric("millrace_cache_objects", resource=resource)


def wait_cached(operator, resource, count, timeout=10.0):
    deadline = time.monotonic() + timeout
    while cached(operator, resource) != count:
        assert time.monotonic() < deadline, f"{cached(operator, resource):g} {resource} are cached, not {count}"
        time.sleep(0.02)


@pytest.mark.parametrize("outcome, succeeded", [("succeed", "True"), ("fail:3", "False")])
def test_jobs_and_pods_of_finished_runs_leave_the_cache(kube, start_operator, outcome, succeeded):
    operator = start_operator(kube)
    kube.apply([pipeline(outcome=outcome), run("r1", maxRetryCount=1), run("r2")])
    before = [kube.wait_run(name, succeeded) for name in ("r1", "r2")]
    for resource, count in (("pipelineruns", 2), ("jobs", 0), ("pods", 0)):
        wait_cached(operator, resource, count)
    assert kube.list("pod", "pipeline-run=r2"), "they are still in the cluster"

    operator.stop()
    operator.start()
    for resource, count in (("pipelineruns", 2), ("jobs", 0), ("pods", 0)):
        wait_cached(operator, resource, count)
    assert [kube.wait_run(name, succeeded)["status"] for name in ("r1", "r2")] == [each["status"] for each in before]


def test_a_pod_that_has_not_ended_is_kept(kube, start_operator):
    operator = start_operator(kube)
    kube.apply([pipeline("quick"), pipeline("slow", outcome="hang"), run("done", of="quick"), run("going", of="slow")])
    kube.wait_run("done")
    kube.wait_list("pod", "pipeline-run=going", lambda found: len(found) == 1, "one pod")
    wait_cached(operator, "pods", 1)
    wait_cached(operator, "jobs", 1)
