"""Faults of the API server and of etcd. README.md has the table of scenarios and invariants."""
import signal

import pytest


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])
def test_api_server_ends_and_comes_back(arena, how):
    """Nothing fails because the API server is away; what it lost is done again, what it kept is not."""
    operator = arena.operator()
    arena.begin()
    server = arena.component("apiserver")
    arena.at(arena.rng.uniform(0.5, 4.0))
    server.end(how, patience=3.0)
    arena.last(arena.rng.uniform(0.2, 3.0))
    server.start()
    arena.wait_ready()
    arena.finish()
    assert operator.process.returncode == 0


def test_api_server_paused(arena):
    """An API server that takes requests and does not answer costs time only."""
    arena.operator()
    arena.begin()
    server = arena.component("apiserver")
    moment = 0.0
    for _ in range(2):
        moment += arena.rng.uniform(0.3, 2.0)
        arena.at(moment)
        with server.paused():
            arena.last(arena.rng.uniform(1.0, 4.0))
    arena.finish()


def test_api_server_restarted_with_an_emptied_watch_cache(arena):
    """The versions that the operator knows are too old for the new server (410): it lists again, misses nothing and makes
    nothing twice, though the world has moved on."""
    proxy = arena.proxy()
    operator = arena.operator(kubeconfig=proxy.kubeconfig)
    load = arena.begin()
    arena.at(arena.rng.uniform(0.5, 3.0))
    proxy.before = _away  # from here on the operator sees nothing, while users go on
    proxy.cut_all()
    load.created()
    arena.component("etcd").compact()
    server = arena.component("apiserver")
    server.end(signal.SIGKILL)
    server.start()
    arena.wait_ready()
    proxy.before = lambda request: None
    arena.finish()
    expired = [line for line in operator.log() if line.get("message") == "watch interrupted" and line.get("reason") == "expired"]
    assert {line["resource"] for line in expired} & {"jobs", "pods", "pipelineruns"}, "the operator has met no 410"


def _away(request):
    return 503, {"Retry-After": "1"}, '{"kind":"Status","status":"Failure","reason":"ServiceUnavailable","message":"away","code":503}'


def test_etcd_paused_then_compacted(arena):
    """A store that stands still, and one whose history is gone, cost time only."""
    arena.operator()
    arena.begin()
    etcd = arena.component("etcd")
    arena.at(arena.rng.uniform(0.3, 3.0))
    with etcd.paused():
        arena.last(arena.rng.uniform(2.0, 6.0))
    etcd.compact()
    arena.last(arena.rng.uniform(0.0, 2.0))
    etcd.compact()
    arena.finish()
