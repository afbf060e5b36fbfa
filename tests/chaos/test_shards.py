"""Three operators that share the runs, and lose one of them. README.md has the table of scenarios and invariants."""
import time

import pytest

from api import PATIENCE
from auditor import is_true, name_of
from harness.shards import lease_name, stable_hash

SHARDS = 3
DURATION = 12  # of a lease [s]; shorter ones are lost on a machine that is busy


def holders(arena):
    """Holder of each shard, "" where nobody is."""
    found = {name_of(each): each["spec"].get("holderIdentity") or "" for each in arena.api.list("lease")}
    return [found.get(lease_name(shard), "") for shard in range(SHARDS)]


def wait_holders(arena, test, what):
    deadline = time.monotonic() + PATIENCE
    while not test(found := holders(arena)):
        assert time.monotonic() < deadline, f"not {what}: {found}"
        time.sleep(0.1)
    return found


def identity(operator):
    """As it stands in the leases."""
    return operator.wait_log(lambda line: line.get("message") == "leading", "a lease that it got", PATIENCE)["identity"]


def under_way(arena):
    """Names of the runs that have begun and have not ended, for each shard. A stream's shard is another's business."""
    found = [set() for _ in range(SHARDS)]
    for name, run in arena.recorder.latest("pipelineruns").items():
        if name in arena.run_names() and (run.get("status") or {}).get("startTime") and not is_true(run, "Completed"):
            found[stable_hash(run["metadata"]["uid"]) % SHARDS].add(name)
    return found


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_one_of_three_shards_is_lost(arena, how):
    """One of three operators dies, or is frozen past its Lease and wakes up, while runs of every shard are under way: the others end its runs,
    everything ends as drawn, and nothing is made twice."""
    args = ["--lease-namespace", arena.kube.namespace, "--shards", SHARDS, "--lease-duration", f"{DURATION}s"]
    operators = [arena.operator(leader_elect=True, args=args) for _ in range(SHARDS)]
    found = wait_holders(arena, lambda found: "" not in found and len(set(found)) == SHARDS, "one shard for each")
    lost = arena.rng.choice(operators)
    shard = found.index(identity(lost))
    arena.begin(size=4, span=15.0, hang=1.5)  # there is always something under way
    arena.at(arena.rng.uniform(2.0, 6.0))
    orphans = set(arena.recorder.wait(lambda: all(found := under_way(arena)) and found, "runs of every shard are under way", describe=arena.unended)[shard])
    arena.note(f"{lost.log_path.name} with shard {shard} is {how}")
    arena.kill(lost) if how == "killed" else lost.pause()
    wait_holders(arena, lambda now: "" not in now and found[shard] not in now, "taken over")
    arena.note("its shard is taken over")
    arena.recorder.wait(lambda: not orphans & under_way(arena)[shard], "the others end its runs", describe=arena.unended)
    arena.last(arena.rng.uniform(0.0, 2.0))
    if how == "killed":
        lost.start()
    else:
        lost.resume()
        assert lost.wait_exit(PATIENCE) != 0, "who lost a Lease ends, to be started anew"
    arena.keep()
    arena.finish(repeats=True, allowed=["lease is lost", "lease lost"])
