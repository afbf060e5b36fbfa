"""Several operators, one of them at work: the Lease changes hands when its holder ends, dies or freezes, and never twice at once."""
import pytest

from harness.objects import pipeline, run

LEASE = "millrace-operator"


def holder(lease):
    return (lease or {}).get("spec", {}).get("holderIdentity") or ""


@pytest.fixture
def operators(kube, start_operator):
    """Two of them: the first holds the Lease."""
    options = {"leader_elect": True, "args": ["--lease-namespace", kube.namespace]}
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
