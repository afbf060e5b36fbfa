"""What lies between the operator and the API server delays, refuses, breaks. README.md has the table of scenarios and invariants."""
import random
import threading
import time

import pytest

from harness.proxy import Cut

STATUS = '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"%s","message":"made up","code":%d}'


class Faults:
    """Which requests meet a fault: a share of them, drawn by their number, until told to stop. Watches are `watch`, the rest are `call`."""

    def __init__(self, arena, proxy, share, watches=0.0):
        self.seed, self.proxy, self.share, self.watches, self.on = arena.seed, proxy, share, watches, True
        self.late, self._before = 0, 0

    def draw(self, request):
        """Random numbers of this request if it meets a fault, else None."""
        rng = random.Random(f"{self.seed}:{request.number}")
        return rng if self.on and rng.random() < (self.watches if "watch=" in request.path else self.share) else None

    def forget(self):
        """What was met so far hit an operator with nothing to do."""
        self._before = self.proxy.faults + self.late

    def met(self):
        """How many answers really were late, cut off or made up since `forget`."""
        return self.proxy.faults + self.late - self._before


def play(arena, proxy, faults, **finish):
    """The load, with faults for a drawn time, and the judgement."""
    arena.operator(kubeconfig=proxy.kubeconfig)
    arena.begin(span=9.0)
    arena.strike("faults from here on")
    faults.forget()
    arena.at(arena.rng.uniform(6.0, 9.0))
    arena.recorder.wait(lambda: faults.met() > 5 or arena.all_ended(), "a few faults were met, or all runs have ended", describe=arena.unended)
    assert faults.met() > 5, f"only {faults.met()} faults were met while runs were under way"
    arena.note(f"{faults.met()} faults were met")
    faults.on = False
    arena.finish(**finish)


def test_answers_and_watches_are_late(arena):
    """Calls take up to a second, watches lag by up to half a second: caches are old, and nothing is done twice."""
    proxy = arena.proxy()
    faults = Faults(arena, proxy, 0.3, 1.0)

    def slow(request):
        if rng := faults.draw(request):
            time.sleep(rng.uniform(0.01, 1.0) if rng.random() < 0.3 else 0.01)
            faults.late += 1

    def lag(request):
        if "watch=" in request.path and faults.on:
            faults.late += 1
            time.sleep(random.Random(f"{faults.seed}:{request.number}:{faults.late}").uniform(0.0, 0.5))
    proxy.before, proxy.pace = slow, lag
    play(arena, proxy, faults)


def test_connections_are_cut(arena):
    """Before a request is passed on, and now and then all at once, watches too."""
    proxy = arena.proxy()
    faults = Faults(arena, proxy, 0.25, 0.3)

    def cut(request):
        if rng := faults.draw(request):
            if rng.random() < 0.1:
                proxy.cut_all()
            raise Cut
    proxy.before = cut
    play(arena, proxy, faults)


def test_calls_are_throttled(arena):
    """429 with Retry-After: runs wait and do not fail, and nothing that was refused comes again before it may."""
    proxy = arena.proxy()
    faults, promised = Faults(arena, proxy, 0.4, 0.4), Promised()

    def throttle(request):
        promised.came(request)
        if rng := faults.draw(request):
            pause = rng.randint(1, 2)
            promised.refused(request, pause)
            return 429, {"Retry-After": str(pause)}, STATUS % ("TooManyRequests", 429)
    proxy.before = throttle
    play(arena, proxy, faults)
    assert promised.early == [], promised.early
    assert promised.kept > 5, f"only {promised.kept} of the refused requests came again"


class Promised:
    """When a refused request may come again. Writes and watches are told apart by path and body. Two callers may well read the same, or
    write the same revision, whose name is its content."""

    def __init__(self):
        self.early, self.kept = [], 0
        self._due, self._lock = {}, threading.Lock()

    def came(self, request):
        with self._lock:
            if (due := self._due.pop(self._key(request), None)) is None:
                return
            self.kept += 1
            if (left := due - time.monotonic()) > 0:
                self.early.append(f"{request.method} {request.path} came again {left:.2f} s too early")

    def refused(self, request, pause):
        """A tenth of the pause is forgiven."""
        if request.write and "/controllerrevisions" not in request.path or "watch=" in request.path:
            with self._lock:
                self._due[self._key(request)] = time.monotonic() + 0.9 * pause

    @staticmethod
    def _key(request):
        return request.method, request.path, request.body


def test_server_errors(arena):
    """500, 502, 503, 504 in the server's place, some of them not even JSON."""
    proxy = arena.proxy()
    faults = Faults(arena, proxy, 0.3, 0.3)

    def err(request):
        if rng := faults.draw(request):
            code, reason = rng.choice([(500, "InternalError"), (502, "BadGateway"), (503, "ServiceUnavailable"), (504, "Timeout")])
            return code, {}, STATUS % (reason, code) if rng.random() < 0.7 else "<html>upstream went away</html>"
    proxy.before = err
    play(arena, proxy, faults)


def test_answers_are_swallowed(arena):
    """The server has done it, and the operator never hears of it."""
    proxy = arena.proxy()
    faults = Faults(arena, proxy, 0.3)

    def swallow(request, status):
        if request.write and faults.draw(request):
            raise Cut
    proxy.after = swallow
    play(arena, proxy, faults)


@pytest.mark.parametrize("what", ["call", "watch"])
def test_answers_are_cut_in_the_middle(arena, what):
    """Of calls: head and half a body. Of watches: the stream breaks in the middle of an event, or of the first list."""
    proxy = arena.proxy()
    faults = Faults(arena, proxy, 0.3, 0.0) if what == "call" else Faults(arena, proxy, 0.0, 0.9)

    def half(request):
        rng = faults.draw(request)
        return None if rng is None else rng.randint(1, 40 if what == "call" else 20000)
    proxy.half = half
    play(arena, proxy, faults)
