"""Several operators, one of them at work: the Lease changes hands when its holder ends, dies or freezes, and never twice at once."""
import pytest

from harness.objects import API, pipeline, run

LEASE = "millrace-operator"


def holder(lease):
    return (lease or {}).get("spec", {}).get("holderIdentity") or ""


@pytest.fixture
def operators(kube, start_operator):
    """Two of them: the first holds the Lease."""
    options = {"leader_elect": True, "args": ["--lease-namespace", kube.namespace], "config": {"http": {"allow": ["127.0.0.0/8"]}}}
    first = start_operator(kube, **options)
    kube.wait("lease", LEASE, holder, "a holder")
    second = start_operator(kube, **options)
    return first, second


def test_the_lease_is_handed_over_when_its_holder_ends(kube, operators):
    first, _ = operators
    before = holder(kube.get("lease", LEASE))
    assert first.stop() == 0
    kube.wait("lease", LEASE, lambda lease: holder(lease) not in ("", before), "another holder", timeout=10)
    kube.apply([pipeline(), run()])
    kube.wait_run("r")


@pytest.mark.timeout(240)
def test_a_frozen_holder_loses_the_lease_and_does_no_harm_when_it_wakes(kube, operators):
    first, second = operators
    before = holder(kube.get("lease", LEASE))
    kube.apply([pipeline("slow", outcome="hang@build-step-clean"), run("under-way", "slow"),
                pipeline("ticking", strategy={"cronExpression": "@every 2s"})])
    kube.wait_list("pod", "pipeline-run=under-way", lambda found: found)
    first.pause()
    kube.wait("lease", LEASE, lambda lease: holder(lease) not in ("", before), "another holder", timeout=60)
    kube.apply([pipeline(), run()])
    kube.wait_run("r")
    first.resume()
    assert first.wait_exit(30) != 0, "who lost the Lease ends, to be started anew"
    kube.patch("pipelinerun", "under-way", {"spec": {"cancel": True}})
    kube.wait_completed("under-way", "Cancelled")
    assert second.alive()
    for name in ("r", "under-way"):
        assert len(kube.list("job", f"pipeline-run={name}")) == 1
    assert len(kube.list("pod", "pipeline-run=r")) == 1
    items = kube.wait_list("pipelinerun", "pipeline=ticking", lambda found: len(found) >= 3, "ticks go on")
    ticks = [item["metadata"]["labels"]["millrace.dev/tick"] for item in items]
    assert len(ticks) == len(set(ticks))


@pytest.mark.timeout(240)
def test_a_dead_holder_is_replaced(kube, operators):
    first, _ = operators
    kube.apply([pipeline(delay="1s"), run()])
    kube.wait_list("pod", "pipeline-run=r", lambda found: found)
    first.kill()
    kube.wait_run("r", timeout=60)
    assert len(kube.list("pod", "pipeline-run=r")) == 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_call_under_way_keeps_its_key_when_the_leader_changes(kube, operators, web, hold, how):
    first, second = operators
    web.answer("/ask", hold=hold)
    kube.apply([{"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "calls"}, "spec": {"steps": [
        {"name": "ask", "http": {"url": f"{web.url}/ask", "method": "POST", "body": {"run": "{{ run.name }}"}}}]}}, run("r", "calls")])
    web.wait("/ask")
    first.kill() if how == "killed" else first.pause()
    one, again = web.wait("/ask", 2, timeout=60)
    hold.set()
    done = kube.wait_completed("r", "Succeeded")
    if how == "frozen":
        first.resume()
        assert first.wait_exit(30) != 0, "who lost the Lease ends, to be started anew"
    assert again.headers["idempotency-key"] == one.headers["idempotency-key"] and again.body == one.body
    assert done["status"]["stepStates"][0].get("attempt", 1) == 1 and web.count("/ask") == 2 and second.alive()
