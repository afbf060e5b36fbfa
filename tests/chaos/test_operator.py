"""Faults of the operator itself: killed, paused, with a clock that jumps. README.md has the table of scenarios and invariants."""
import pathlib
import struct
import subprocess

import pytest

from api import PATIENCE
from auditor import is_true
from harness.killer import Killer
from harness.kube import condition_of
from harness.objects import pipeline, run

LEASE = "millrace-operator"


def holder(lease):
    return (lease or {}).get("spec", {}).get("holderIdentity") or ""


def test_operator_killed_at_random(arena):
    """Whenever it is killed (-9) and started again, everything ends as drawn; calls may be repeated with their keys."""
    operator = arena.operator()
    lives = [(arena.rng.uniform(0.2, 2.0), arena.rng.uniform(0.0, 1.0)) for _ in range(arena.rng.randint(3, 5))]
    arena.begin(span=max(6.0, sum(map(sum, lives))))
    moment = 0.0
    for lived, dead in lives:
        moment += lived
        arena.at(moment)
        arena.strike("killed")
        arena.kill(operator)
        moment += dead
        arena.at(moment)
        operator.start(ready=arena.rng.random() < 0.5)  # now and then it dies before it has seen everything
    operator.wait_ready()
    arena.finish()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_operator_killed_at_its_writes(arena, moment):
    """Killed before or after any of its writes, with many runs under way, everything ends as drawn."""
    proxy = arena.proxy()
    operator = arena.operator(kubeconfig=proxy.kubeconfig)
    killer = Killer(proxy, operator)
    arena.begin(span=12.0)
    arena.strike("killed at its writes from here on")
    strikes = 0
    while strikes < 6 and not arena.all_ended():
        killer.arm(arena.rng.randint(1, 12), moment)
        struck = killer.struck
        arena.recorder.wait(lambda: struck.is_set() or arena.all_ended(), "the operator is killed, or all runs have ended", describe=arena.unended)
        if killer.disarm():
            arena.killed = True
            strikes += 1
            operator.start()
    assert strikes >= 3, f"killed only {strikes} times before all runs had ended"
    arena.finish()


def test_leader_paused_past_its_lease(arena):
    """Another takes over; when the first wakes up it notices, writes nothing that does harm, and ends."""
    options = {"leader_elect": True, "args": ["--lease-namespace", arena.kube.namespace]}
    first = arena.operator(**options)
    before = arena.kube.wait("lease", LEASE, holder, "a holder")
    second = arena.operator(**options)
    arena.begin(span=25.0, hang=1.0)  # longer than it takes another to lead
    arena.at(arena.rng.uniform(0.5, 3.0))
    arena.strike("the first is paused")
    first.pause()
    arena.kube.wait("lease", LEASE, lambda lease: holder(lease) not in ("", holder(before)), "another holder")
    arena.note("the second leads")
    arena.last(arena.rng.uniform(0.0, 2.0))
    arena.strike("the first wakes up")
    first.resume()
    assert first.wait_exit(PATIENCE) != 0, "who lost the Lease ends, to be started anew"
    assert second.alive()
    arena.keep()
    arena.finish(repeats=True, allowed=["lease is lost", "lease lost"])


def test_two_operators_at_once(arena):
    """Two that both work, as when a lease was lost unnoticed: every run has one child per attempt all the same."""
    arena.operator()
    other = arena.operator()
    arena.begin(span=9.0)
    moment = 0.0
    for _ in range(3):
        for fault in (other.pause, other.resume):
            moment += arena.rng.uniform(0.3, 1.5)
            arena.at(moment)
            arena.strike(fault.__name__)
            fault()
    arena.finish(repeats=True)


def test_clock_steps_forwards_and_back(arena):
    """Ticks that a step passes are skipped on record or made up for, none fires twice; nothing ends that had time left, and
    what is due ends."""
    clock = Clock(arena.folder)
    arena.operator(env=clock.environment)
    load = arena.begin(span=9.0)
    arena.api.create(pipeline("slow", outcome="hang@build-step-p", processors=["p"], timeout="5m"))
    arena.api.create(run("slow", "slow"))
    moment, off = 0.0, 0.0
    for low, high in ((20, 200), (-150, -20), (0, 0)):
        moment += arena.rng.uniform(0.5, 2.5)
        arena.at(moment)
        off = arena.rng.uniform(low, high)
        arena.strike(f"the clock is {off:+.0f} s off")
        clock.set(off)
    load.created()
    arena.recorder.wait(arena.all_ended, "all runs have ended", describe=arena.unended)
    assert not is_true(arena.api.get("pipelinerun", "slow"), "Completed"), "there was time left"
    clock.set(600.0)  # noticed within half a minute
    arena.recorder.wait(lambda: is_true(arena.recorder.latest("pipelineruns")["slow"], "Completed"), "the slow run times out")
    assert condition_of(arena.recorder.latest("pipelineruns")["slow"], "Succeeded")["reason"] == "BuildTimeout"
    arena.finish()


class Clock:
    """The wall clock of the processes with this environment; `set` steps it to so many seconds off the true time."""

    def __init__(self, folder):
        library, self._file = folder / "clock_step.so", folder / "clock"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).with_name("clock_step.c")], check=True)
        self._file.write_bytes(struct.pack("=q", 0))
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._file)}

    def set(self, seconds):
        with open(self._file, "r+b") as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))
