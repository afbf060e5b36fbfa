"""Two builds take turns: what the previous one (file `previous`) began, today's goes on with, and the other way round, as in an upgrade and
when it is rolled back. The first is killed after each of its writes in turn; in a rolling update both live, and the one with the Lease is told to end."""
import itertools
import pathlib
import signal
import threading

import pytest

import builds
from harness import FaultProxy, Operator
from harness.killer import Killer
from harness.objects import API, pipeline, run
from scenarios import SCENARIOS, all_ended, outline

HERE = pathlib.Path(__file__).resolve().parent
LOOPBACK = {"http": {"allow": ["127.0.0.0/8"]}}
LEASE = "millrace-operator"
RUNS = [each for each in SCENARIOS if each.name in ("batch", "graph")]
[STREAM] = [each for each in SCENARIOS if each.name == "stream"]


@pytest.fixture(scope="session")
def previous():
    """The previous build's program. A clone without the history cannot make it, and says so."""
    ref = (HERE / "previous").read_text().strip()
    if not (commit := builds.commit_of(ref)):
        pytest.skip(f"tests/upgrade/previous names {ref}, which this clone does not have (git fetch --unshallow); "
                    "upgrade from and rollback to the previous build are NOT tested here")
    return builds.build(commit) / "millrace"


@pytest.fixture
def operator_of(crds, tmp_path, fault_proxy):
    """Function: (program, name, options) → its operator, not started; ended with the test."""
    made = []

    def make(program, name, **options):
        made.append(Operator(program, crds, tmp_path / "operators", name, **{"config": LOOPBACK, "kubeconfig": fault_proxy.kubeconfig, **options}))
        return made[-1]
    yield make
    for each in made:
        each.kill()
        assert not each.sanitizer_reports()


@pytest.fixture(params=["upgrade", "rollback"])
def pair(request, operator_of, previous, millrace):
    """The build that begins, and the one that goes on."""
    older, newer = operator_of(previous, "previous"), operator_of(millrace, "today")
    return (older, newer) if request.param == "upgrade" else (newer, older)


def keys_of(web, path):
    return {seen.headers["idempotency-key"] for seen in web.seen(path)}


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("scenario", RUNS, ids=lambda each: each.name)
def test_a_run_begun_by_one_build_is_ended_by_the_other(crds, web, fault_proxy, pair, scenario):
    kube, (first, second) = crds, pair
    web.answer("/ask", 200, {"n": 7})
    killer = Killer(fault_proxy, first)

    def go(n):
        """One run that the first build begins, and the second ends when the first has died at write n."""
        killer.arm(n, "after")
        first.start()
        kube.apply(scenario.items(n, web.url))
        while not (killer.struck.wait(0.05) or all_ended(kube)):
            assert first.alive() or killer.struck.wait(10), first.tail()
        struck = killer.disarm()
        if struck:
            second.start()
            kube.wait_completed(f"r-{n}", timeout=90)
            kube.wait_list("job", "", lambda _: all_ended(kube), "the ends of all", timeout=60)
            assert second.stop() == 0
        else:
            assert first.stop() == 0
        item = kube.get("pipelinerun", f"r-{n}")
        return struck, outline(item, kube.list("job"), kube.list("pod"))

    struck, want = go(0)
    assert not struck and want["completed"] == "True" and want["jobs"]
    n = 0
    while struck or n == 0:
        n += 1
        struck, got = go(n)
        assert got == want, f"killed after write {n} of {killer.writes}"
        assert n < scenario.most
    assert n >= 8, f"the writes of an undisturbed run: {killer.writes}"
    names = [each["metadata"]["name"] for each in kube.list("pipelinerun")]
    assert len([name for name in names if "-sub-" in name]) == (n + 1 if scenario.name == "graph" else 0), names
    for path in ("/ask", "/note"):  # one attempt of one run has one key, whoever sent it
        assert len(keys_of(web, path)) == (n + 1 if scenario.name == "graph" else 0), path


@pytest.mark.slow
def test_a_call_under_way_keeps_its_key_when_the_builds_change(crds, web, hold, pair):
    """The first build dies while the service is at it; the second one sends the same request again."""
    kube, (first, second) = crds, pair
    web.answer("/ask", 200, {"n": 7}, hold=hold)
    first.start()
    kube.apply([{"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "p"}, "spec": {"steps": [
        {"name": "ask", "http": {"url": f"{web.url}/ask", "method": "POST", "body": {"run": "{{ run.name }}"}}}]}}, run()])
    web.wait("/ask")
    first.kill()
    second.start()
    one, again = web.wait("/ask", 2)
    hold.set()
    kube.wait_completed("r", "Succeeded")
    assert again.headers["idempotency-key"] == one.headers["idempotency-key"] and again.body == one.body
    assert web.count("/ask") == 2 and second.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_schedule_begun_by_one_build_goes_on_under_the_other(crds, fault_proxy, pair):
    """Each tick has one run, whichever build claimed it, made the run or put it on record."""
    kube, (first, second) = crds, pair
    killer = Killer(fault_proxy, first)

    def ticks(item):
        return item.get("status", {}).get("schedule", {}).get("ticks", [])

    for n in range(1, 10):  # more than two ticks' worth: claim, run, record, and the run's own
        name = f"p-{n}"
        killer.arm(n, "after")
        first.start()
        kube.apply(pipeline(name, strategy={"cronExpression": "@every 1s"}))
        assert killer.struck.wait(30), f"no write {n}: {killer.writes}"
        killer.disarm()
        begun = [line for line in ticks(kube.get("pipeline", name)) if line["outcome"] in ("Claimed", "Created")]
        second.start()
        known = len(ticks(kube.get("pipeline", name)))
        kube.wait("pipeline", name, lambda item: len(ticks(item)) >= known + 2, "two more ticks")
        kube.patch("pipeline", name, {"spec": {"strategy": {"suspend": True}}})
        settled = kube.wait("pipeline", name, lambda item: not item["status"]["schedule"].get("nextTick") and
                            all(line["outcome"] != "Claimed" for line in ticks(item)), "no claimed tick left")
        kube.wait_list("pipelinerun", f"pipeline={name}", lambda _: all_ended(kube), "the ends of all")
        assert second.stop() == 0
        found = kube.list("pipelinerun", f"pipeline={name}")
        lines = {line["time"]: line for line in ticks(settled)}
        what = f"killed after write {n} of {killer.writes}: {lines}"
        assert len(lines) == len(ticks(settled)), what
        for line in begun:
            now = lines[line["time"]]
            assert now["outcome"] == "Created" and now["run"] == line["run"] and line.get("uid") in (None, now["uid"]), what
        made = {(line["run"], line["uid"]) for line in lines.values() if line["outcome"] == "Created"}
        assert {(item["metadata"]["name"], item["metadata"]["uid"]) for item in found} == made, what
        labels = [item["metadata"]["labels"]["millrace.dev/tick"] for item in found]
        assert len(labels) == len(set(labels)), what


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_stream_begun_by_one_build_is_kept_running_by_the_other(crds, fault_proxy, pair):
    """No Deployment is made again, and none gets another template: that would restart its pods."""
    kube, (first, second) = crds, pair
    killer = Killer(fault_proxy, first)

    def made():
        return {item["metadata"]["uid"]: item for kind in ("deployment", "service") for item in kube.list(kind)}

    for n in range(1, 13):
        killer.arm(n, "after")
        first.start()
        kube.apply(STREAM.items(n, ""))
        while not (killer.struck.wait(0.05) or STREAM.done(kube)):
            assert first.alive() or killer.struck.wait(10), first.tail()
        struck = killer.disarm()
        if not struck:
            assert first.stop() == 0
        stood = made()
        second.start()
        kube.wait_condition("pipelinerun", f"r-{n}", "Succeeded", "True", "Available", 60)
        kube.apply([pipeline(f"b-{n}"), run(f"last-{n}", f"b-{n}")])  # when it has ended, all that was there has been looked at
        kube.wait_completed(f"last-{n}", "Succeeded")
        kube.delete("pipelinerun", f"last-{n}")
        assert second.stop() == 0
        now = made()
        assert stood.keys() <= now.keys() and len(now) == 4 * n, f"killed after write {n} of {killer.writes}"
        for uid, item in stood.items():
            if item["kind"] == "Deployment":
                assert now[uid]["spec"]["template"] == item["spec"]["template"], f"killed after write {n} of {killer.writes}"
        if not struck:
            break
    assert n >= 5, f"the writes of an undisturbed stream: {killer.writes}"


class Ender:
    """Tells an operator to end (TERM) at its n-th write, Lease and events not counted. What it still does is passed on: it ends in order."""

    def __init__(self, operator, proxy):
        self.operator, self.proxy = operator, proxy

    def arm(self, n):
        numbers, self.writes, self.struck = itertools.count(1), [], threading.Event()

        def after(request, status):
            path = request.path.partition("?")[0]
            if request.write and "/events" not in path and "/leases" not in path:
                self.writes.append(f"{request.method} {path.rpartition('/namespaces/')[2]}")
                if next(numbers) == n:
                    self.operator.process.send_signal(signal.SIGTERM)
                    self.struck.set()
        self.proxy.after = after

    def disarm(self):
        self.proxy.after = lambda request, status: None
        return self.struck.is_set()


@pytest.fixture
def ender_of(crds, tmp_path, operator_of):
    """Function: (program, name) → an Ender of its operator, which takes part in the election."""
    proxies = []

    def make(program, name):
        proxies.append(FaultProxy(crds.cluster, tmp_path / name))
        return Ender(operator_of(program, name, kubeconfig=proxies[-1].kubeconfig, leader_elect=True,
                                 args=["--lease-namespace", crds.namespace]), proxies[-1])
    yield make
    for each in proxies:
        each.close()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("scenario", RUNS, ids=lambda each: each.name)
def test_a_rolling_update_changes_no_run(crds, web, ender_of, previous, millrace, scenario):
    """Both builds live, and the one that leads is told to end after one of its writes: the other one ends the run. Then it leads the next run, which the
    first, started again, has to end: so odd writes are those of an upgrade, even ones those of a rollback."""
    kube = crds
    web.answer("/ask", 200, {"n": 7})
    leading, waiting = ender_of(previous, "previous"), ender_of(millrace, "today")
    leading.operator.start()
    kube.wait("lease", LEASE, lambda lease: lease["spec"].get("holderIdentity"), "a holder")
    waiting.operator.start()

    def go(n):
        leading.arm(n)
        kube.apply(scenario.items(n, web.url))
        while not (leading.struck.wait(0.05) or all_ended(kube)):
            assert waiting.operator.alive() and (leading.operator.alive() or leading.struck.wait(10))
        struck = leading.disarm()
        if struck:
            assert leading.operator.wait_exit() == 0, leading.operator.tail()
        item = kube.wait_completed(f"r-{n}", timeout=60)
        kube.wait_list("job", "", lambda _: all_ended(kube), "the ends of all", timeout=60)
        return struck, outline(item, kube.list("job"), kube.list("pod"))

    struck, want = go(0)
    assert not struck and want["completed"] == "True" and want["jobs"]
    n = 0
    while struck or n == 0:
        n += 1
        struck, got = go(n)
        assert got == want, f"{leading.operator.log_path.name} ended after write {n} of {leading.writes}"
        if struck:
            leading.operator.start()
            leading, waiting = waiting, leading
        assert n < scenario.most
    assert n >= 8, f"the writes of an undisturbed run: {leading.writes}"
    for path in ("/ask", "/note"):
        assert len(keys_of(web, path)) == (n + 1 if scenario.name == "graph" else 0), path
    for each in (leading, waiting):
        assert each.operator.stop() == 0
