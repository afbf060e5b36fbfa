"""Faults of the API server and of etcd. README.md has the table of scenarios and invariants."""
import contextlib
import signal

import pytest

from auditor import is_true
from test_operator import LEASE, holder

LEASE_LOST = ["lease is lost", "lease lost"]
# Longer than a call's timeout (30 s), and shorter than a node's grace (50 s, from its last heartbeat, up to 10 s before): past that its pods are marked
# as not ready, which the simulated node never takes back.
LONG = (32.0, 36.0)


def past_a_call(arena):
    """Whether this seed has the pause that is longer than a call may take (30 s): the first of every four."""
    return arena.seed % 4 == 1


def wait_under_way(arena):
    """A fault that meets no run shows nothing."""
    def found():
        return [name for name, run in arena.recorder.latest("pipelineruns").items() if name in arena.run_names() and not is_true(run, "Completed")]
    arena.recorder.wait(found, "a run is under way", describe=arena.unended)


@contextlib.contextmanager
def paused(arena, component):
    """It stands still while a run is under way, and who asks meanwhile gets no answer."""
    wait_under_way(arena)
    with component.paused():
        arena.note(f"{component.name} is paused")
        with pytest.raises(TimeoutError):
            arena.api.once("GET", arena.api.path("namespace", arena.kube.namespace), timeout=0.5)
        yield
    arena.note(f"{component.name} goes on")


def given_up(operator):
    """Calls that the operator waited for in vain."""
    return [line for line in operator.log() if line.get("code") == "Timeout"]


def expired(operator):
    """Resources whose watch was answered with 410, once for each time."""
    return [line["resource"] for line in operator.log() if line.get("message") == "watch interrupted" and line.get("reason") == "expired"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])
def test_api_server_ends_and_comes_back(arena, how):
    """Nothing fails because the API server is away; what it lost is done again, what it kept is not."""
    operator = arena.operator()
    arena.begin()
    server = arena.component("apiserver")
    arena.at(arena.rng.uniform(0.5, 4.0))
    wait_under_way(arena)
    server.end(how, patience=3.0)
    arena.last(arena.rng.uniform(0.2, 3.0))
    server.start()
    arena.wait_ready()
    arena.finish()
    assert operator.process.returncode == 0


def test_api_server_paused(arena):
    """An API server that takes requests and does not answer costs time only, also when calls are given up that it still does when it goes on."""
    operator = arena.operator()
    arena.begin(span=10.0)
    server = arena.component("apiserver")
    if past_a_call(arena):
        arena.at(arena.rng.uniform(0.3, 3.0))
        before = len(given_up(operator))
        with paused(arena, server):
            arena.last(arena.rng.uniform(*LONG))
        assert len(given_up(operator)) > before, "the operator has given up no call"
    else:
        moment = 0.0
        for _ in range(2):
            moment += arena.rng.uniform(0.3, 2.0)
            arena.at(moment)
            with paused(arena, server):
                arena.last(arena.rng.uniform(1.0, 4.0))
    arena.finish()


def test_api_server_restarted_with_an_emptied_watch_cache(arena):
    """The versions that the operator knows are too old for the new server (410): it lists again, misses nothing and makes
    nothing twice, though the world has moved on."""
    proxy = arena.proxy()
    operator = arena.operator(kubeconfig=proxy.kubeconfig)
    load = arena.begin()
    arena.at(arena.rng.uniform(0.5, 3.0))
    wait_under_way(arena)
    proxy.before = _away  # from here on the operator sees nothing, while users go on
    proxy.cut_all()
    version = arena.api.version("pod")
    load.created()
    etcd = arena.component("etcd")
    etcd.move_on()
    etcd.compact()
    server = arena.component("apiserver")
    server.end(signal.SIGKILL)
    server.start()
    arena.wait_ready()
    assert not arena.api.is_kept("pod", version), "etcd has kept its history"
    proxy.before = lambda request: None
    arena.finish()
    assert set(expired(operator)) & {"jobs", "pods", "pipelineruns"}, "the operator has met no 410"


def _away(request):
    return 503, {"Retry-After": "1"}, '{"kind":"Status","status":"Failure","reason":"ServiceUnavailable","message":"away","code":503}'


def test_etcd_paused_then_compacted(arena):
    """A store that stands still costs time only, be it so long that the leader loses its Lease and ends. So does one that was killed and is back
    without its history: the API server's own watches cannot go on, it ends all of its clients', and they are answered 410."""
    long = past_a_call(arena)
    operator = arena.operator(**({"leader_elect": True, "args": ["--lease-namespace", arena.kube.namespace]} if long else {}))
    if long:
        arena.kube.wait("lease", LEASE, holder, "a holder")
    arena.begin(span=10.0)
    etcd, server = arena.component("etcd"), arena.component("apiserver")
    arena.at(arena.rng.uniform(0.3, 3.0))
    with paused(arena, etcd):
        if long:
            assert operator.wait_exit(30) != 0, "who cannot renew its Lease ends, to be started anew"
            arena.keep()
        arena.last(arena.rng.uniform(16.0, 22.0) if long else arena.rng.uniform(2.0, 6.0))
    arena.recorder.wait(lambda: operator.http("/readyz")[0] == 200, "the operator has its caches", describe=operator.tail)
    arena.last(arena.rng.uniform(0.0, 1.0))
    wait_under_way(arena)
    before, version = len(expired(operator)), arena.api.version("pod")
    with server.paused():  # so that its watches begin again only when there is no going on
        etcd.end()
        etcd.start()
        etcd.move_on()
        etcd.compact()
    arena.note("etcd is back without its history")
    arena.finish(**({"repeats": True, "allowed": LEASE_LOST} if long else {}))
    assert not arena.api.is_kept("pod", version), "etcd has kept its history"
    assert len(expired(operator)) > before, "the operator has met no 410"
