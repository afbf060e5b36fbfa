"""Several operators that share the runs: each run has one owner, and shards change hands when a process dies, comes or leaves."""
import collections
import concurrent.futures
import time

import pytest

from harness.objects import API, parse_time, pipeline, run
from harness.shards import LEASE, lease_name, stable_hash

pytestmark = pytest.mark.cluster_only("local mode has one operator")

SHARDS = 3
DURATION = 12  # of a lease [s]; shorter ones are lost on a machine that is busy
LOOK = 2  # how late a look at a lease may be, on a busy machine [s]


def holders(kube, shards=SHARDS):
    """Holder of each shard, "" where nobody is."""
    found = {each["metadata"]["name"]: each["spec"].get("holderIdentity", "") for each in kube.list("lease")}
    return [found.get(lease_name(k), "") for k in range(shards)]


def wait_holders(kube, test, what, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not test(found := holders(kube)):
        assert time.monotonic() < deadline, f"not {what}: {found}"
        time.sleep(0.05)
    return found


def one_each(found):
    return "" not in found and len(set(found)) == SHARDS


def identity(operator):
    """As it stands in the lease."""
    return operator.wait_log(lambda line: line.get("message") == "leading", "a lease that it got")["identity"]


@pytest.fixture
def start(kube, start_operator):
    def make(shards=SHARDS, **options):
        return start_operator(kube, leader_elect=True, args=["--lease-namespace", kube.namespace, "--shards", shards,
                                                             "--lease-duration", f"{DURATION}s"], **options)
    return make


@pytest.fixture
def three(kube, start):
    made = [start() for _ in range(3)]
    wait_holders(kube, one_each, "one shard for each")
    return made


def writers(operators):
    """Run → numbers of the operators that report a transition of it."""
    found = {}
    for number, operator in enumerate(operators):
        for line in operator.log():
            if line.get("message") == "run transition":
                found.setdefault(line["object"].rpartition("/")[2], set()).add(number)
    return found


def arrive(kube, count, of="p", prefix="r", start=0):
    kube.apply([run(f"{prefix}{n}", of) for n in range(start, start + count)])


def wait_all(kube, count, timeout=120):
    """Waits until all runs have ended well; returns them."""
    def ended(found):
        done = [each for each in found if each.get("status", {}).get("completionTime")]
        return len(done) == count
    return kube.wait_list("pipelinerun", "", ended, timeout=timeout)


def assert_one_job_per_attempt(kube):
    seen = {}
    for job in kube.list("job"):
        labels = job["metadata"]["labels"]
        key = (labels["millrace.dev/run-uid"], labels.get("millrace.dev/step"), labels.get("millrace.dev/attempt"))
        assert key not in seen, (seen[key], job["metadata"]["name"])
        seen[key] = job["metadata"]["name"]


def assert_no_job_twice(calls, least):
    """By what the API server says it has made: a Job that is gone counts. Its name follows from run, step and attempt."""
    made = collections.Counter(call.name for call in calls if (call.verb, call.resource, call.code) == ("create", "jobs", 201))
    assert len(made) >= least and set(made.values()) == {1}, made.most_common(3)


@pytest.mark.timeout(240)
def test_three_share_the_runs_and_each_run_has_one_owner(kube, three):
    kube.apply([pipeline()])
    for batch in range(3):
        arrive(kube, 50, start=50 * batch)
    runs = wait_all(kube, 150)
    of_shard = [next(k for k, each in enumerate(three) if identity(each) == holder) for holder in holders(kube)]
    found = writers(three)
    for each in runs:
        name, uid = each["metadata"]["name"], each["metadata"]["uid"]
        assert found[name] == {of_shard[stable_hash(uid) % SHARDS]}, f"{name} {uid}: {found[name]}"
    shares = [sum(each == {number} for each in found.values()) for number in range(3)]
    assert min(shares) > 20, shares
    assert sum(each.metric("millrace_shards_held") for each in three) == SHARDS
    assert_one_job_per_attempt(kube)


@pytest.mark.timeout(300)
def test_the_shards_of_a_killed_process_are_taken_within_a_lease_and_all_runs_end(kube, three, audit):
    kube.apply([pipeline(delay="1s")])
    arrive(kube, 75)
    kube.wait_list("job", "", lambda found: len(found) > 10)
    dead, survivors = identity(three[1]), [three[0], three[2]]
    shard = holders(kube).index(dead)
    three[1].kill()
    died = time.monotonic()
    orphans = {each["metadata"]["name"] for each in kube.list("pipelinerun")
               if stable_hash(each["metadata"]["uid"]) % SHARDS == shard and not each.get("status", {}).get("completionTime")}
    assert orphans, "the dead one was to leave runs behind"
    assert not orphans & writers(survivors).keys(), "nobody else has worked on them"
    with concurrent.futures.ThreadPoolExecutor() as pool:  # kubectl's own time is none of the operators'
        arriving = pool.submit(arrive, kube, 75, start=75)
        wait_holders(kube, lambda found: "" not in found and dead not in found, "taken over")
        assert time.monotonic() - died < DURATION + LOOK
        while not orphans & writers(survivors).keys():
            assert time.monotonic() - died < DURATION + LOOK + 2, "the shard has a holder, and nobody works on its runs"
            time.sleep(0.05)
        arriving.result()
    runs = wait_all(kube, 150)
    assert all(any(c["type"] == "Succeeded" and c["status"] == "True" for c in each["status"]["conditions"]) for each in runs)
    assert_one_job_per_attempt(kube)
    assert_no_job_twice(audit.calls(namespace=kube.namespace, writes_only=True), 150)
    both = [name for name, who in writers(survivors).items() if len(who) > 1]
    assert not both, f"written by both that live: {both}"


@pytest.mark.timeout(240)
def test_a_process_that_comes_gets_a_share_and_one_that_ends_gives_its_own_up_at_once(kube, start):
    first = start()
    wait_holders(kube, lambda found: "" not in found, "all held by one")
    kube.apply([pipeline(delay="300ms")])
    arrive(kube, 40)
    second = start()
    wait_holders(kube, lambda found: "" not in found and sorted(map(found.count, set(found))) == [1, 2], "two and one")
    arrive(kube, 40, start=40)
    wait_all(kube, 80)
    assert first.alive() and second.alive()
    assert second.stop() == 0
    mine = identity(first)
    wait_holders(kube, lambda found: found == [mine] * SHARDS, "all back", timeout=DURATION - 1)
    arrive(kube, 5, start=80)
    wait_all(kube, 85)
    assert_one_job_per_attempt(kube)


@pytest.mark.timeout(240)
def test_a_group_of_one_at_a_time_is_one_at_a_time_among_three(kube, three):
    kube.apply([{"apiVersion": API, "kind": "Pipeline", "metadata": {"name": f"g{n}"}, "spec": {
        "concurrency": {"group": "only", "limit": 1}, "steps": [{"name": "w", "wait": {"duration": "100ms"}}]}} for n in range(3)])
    kube.apply([run(f"r{n}", f"g{n % 3}") for n in range(24)])
    runs = wait_all(kube, 24, timeout=150)
    spans = sorted((parse_time(s["startedAt"]), parse_time(s["finishedAt"]), each["metadata"]["name"])
                   for each in runs for s in each["status"]["stepStates"])
    over = [(a, b) for a, b in zip(spans, spans[1:]) if b[0] < a[1]]
    assert not over, over
    assert all(len(who) == 1 for who in writers(three).values())


@pytest.mark.timeout(240)
def test_a_call_under_way_is_not_repeated_when_its_shard_is_given_away(kube, start, web, hold):
    config = {"http": {"allow": ["127.0.0.0/8"]}}
    first = start(config=config)
    wait_holders(kube, lambda found: "" not in found, "all held by one")
    web.answer("/slow", hold=hold)
    kube.apply([{"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "calls"}, "spec": {"steps": [
        {"name": "slow", "http": {"url": f"{web.url}/slow"}}, {"name": "then", "dependsOn": ["slow"], "http": {"url": f"{web.url}/then"}}]}}])
    arrive(kube, 12, of="calls")
    deadline = time.monotonic() + 20
    while len(web.seen("/slow")) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    start(config=config)
    first.wait_log(lambda line: line.get("message") == "giving up a shard", "the shard asked for")
    hold.set()
    wait_holders(kube, lambda found: "" not in found and len(set(found)) == 2, "shared")
    wait_all(kube, 12)
    assert len(web.seen("/slow")) == 12 and len(web.seen("/then")) == 12


def test_another_number_of_shards_waits_and_says_so(kube, start):
    first = start()
    wait_holders(kube, lambda found: "" not in found, "all held by one")
    other = start(shards=2)
    other.wait_log(lambda line: line["level"] == "warn" and "another number" in line["message"], "why it waits")
    status, text = other.http("/readyz")
    assert status == 200 and "3 shards and not with 2" in text, "ready, or a rollout would never get to end the old ones"
    assert other.metric("millrace_shards_held") == 0
    assert first.stop() == 0
    kube.wait("lease", LEASE, lambda lease: lease["spec"].get("holderIdentity") == identity(other), "the new one", timeout=30)
    kube.apply([pipeline(), run()])
    kube.wait_run("r")
