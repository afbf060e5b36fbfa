"""A seeded mix of work, and how each run of it has to end: batch runs, graphs (containers, calls, matrices, runs of other pipelines, retries,
finally), a schedule, a stream. The same random numbers draw the same load, to be started at the same times."""
import collections
import dataclasses
import threading

from harness.objects import API, SHELL_IMAGE, notes, pipeline, run, service, shell, stream
from harness.web import Answer

FOR_EVER = 99  # attempts that fail


@dataclasses.dataclass
class Expected:
    """How a run ends. `steps`: name → (state, attempts; 0: not told). `exact`: the attempts are these and no more."""
    reasons: tuple
    steps: dict
    exact: bool = True


class Calls:
    """The service that HTTP steps call: the first so many keys of a place fail, whatever is sent again."""

    def __init__(self, web):
        self._web = web
        self._keys = collections.defaultdict(list)
        self._lock = threading.Lock()

    def expect(self, place, fails, delay):
        def answer(seen):
            with self._lock:
                keys, key = self._keys[place], seen.headers["idempotency-key"]
                if key not in keys:
                    keys.append(key)
                failed = keys.index(key) < fails
            return Answer(500 if failed else 200, {"n": len(place)}, delay=delay)
        self._web.answer(place, by=answer)

    def seen(self):
        """(place, key) of each request so far."""
        return [(each.path, each.headers["idempotency-key"]) for each in self._web.seen()]


class Load:
    """`size`: pipelines of each kind. `span`: over how many seconds the runs are begun, the last of them at its end. `spare`: more attempts for
    each run, where pods are taken away; the attempts are then not exact."""

    def __init__(self, rng, web, size=3, span=6.0, spare=0, prefix="", tick=True, streams=True, hang=0.0):
        self.rng, self.web, self.calls = rng, web, Calls(web)
        self.span, self.spare, self.prefix = span, spare, prefix
        self.pipelines, self.runs, self.expected, self.schedules, self.streams = [], [], {}, [], []
        self._thread, self._stop, self._error = None, threading.Event(), None
        for number in range(size):
            self._batch(f"{prefix}b{number}", hang)
        self._children(hang)
        for number in range(size):
            self._graph(f"{prefix}g{number}", hang)
        if tick:
            self._schedule(f"{prefix}t")
        if streams:
            self._stream(f"{prefix}s")
        last = max((number for number, (_, item) in enumerate(self.runs) if item["metadata"]["name"] in self.expected),
                   key=lambda number: self.runs[number][0])
        self.runs[last] = span, self.runs[last][1]  # until then there is always one that has not ended

    # --- at work ---

    def start(self, api):
        """Begins to create it, on a thread of its own."""
        def go():
            try:
                for item in self.pipelines:
                    api.create(item)
                begun = 0.0
                for at, item in sorted(self.runs, key=lambda each: each[0]):
                    if self._stop.wait(at - begun):
                        return
                    begun = at
                    api.create(item)
            except AssertionError as error:
                self._error = error
        self._thread = threading.Thread(target=go, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        if self._thread:
            self._thread.join(70)

    def created(self):
        """Waits until everything was created."""
        self._thread.join(90)
        assert self._error is None, self._error
        assert not self._thread.is_alive(), "the load could not be created"

    # --- drawn ---

    def _begin(self, name, of, reasons, steps, **spec):
        self.runs.append((self.rng.uniform(0, self.span), run(name, of, **spec)))
        self.expected[name] = Expected(reasons, steps, not self.spare)

    def _delay(self, hang):
        return f"{int(1000 * (hang or self.rng.choice([0, 0, self.rng.uniform(0.1, 1.5)])))}ms"

    def _batch(self, name, hang):
        kind = self.rng.choice(["well", "again", "never"])
        processors = [f"p{number}" for number in range(self.rng.randint(1, 3))]
        bad = self.rng.choice(processors)
        fails = {"well": {}, "again": {1: f"fail:{self.rng.randint(1, 99)}@build-step-{bad}"}, "never": None}[kind]
        self.pipelines.append(pipeline(name, processors, outcome=f"fail:7@build-step-{bad}" if fails is None else None,
                                       outcomes=fails or {}, delay=self._delay(hang)))
        for number in range(2):
            retries = self.spare + (1 if kind != "well" else self.rng.randint(0, 2))
            if kind == "never":
                self._begin(f"{name}-{number}", name, ("Fail",), {bad: ("Failed", 1 + retries)}, maxRetryCount=retries)
            else:
                attempt = 2 if kind == "again" else 1
                self._begin(f"{name}-{number}", name, ("Succeeded",), {"output--out": ("Succeeded", attempt)}, maxRetryCount=retries)

    def _children(self, hang):
        """What the `pipeline` steps of graphs start: one pipeline that succeeds, and one that fails."""
        for name, end in (("well", None), ("badly", "fail:4")):
            self.pipelines.append({"apiVersion": API, "kind": "Pipeline", "metadata": {
                "name": f"{self.prefix}c-{name}", "annotations": notes(end, delay=self._delay(hang))}, "spec": {"steps": [
                    {"name": each, "container": {"image": SHELL_IMAGE, "command": ["true"]}} for each in ("y0", "y1")[:1 if end else 2]]}})

    def _graph(self, name, hang):
        rng, steps, fails = self.rng, [], {}
        limit = rng.randint(0, 2)
        bad = None
        for number in range(rng.randint(3, 6)):
            step = {"name": f"x{number}", "dependsOn": sorted(rng.sample([each["name"] for each in steps], min(len(steps), rng.randint(0, 2))))}
            kind = rng.choice(["container", "containers", "http", "http", "matrix", "pipeline"])
            if kind == "http":
                fails[step["name"]] = rng.choice([0, 0, 1, limit, limit + 1])
                step["http"] = {"url": f"{self.web.url}/{{{{ run.name }}}}/{step['name']}", "method": "POST"}
            elif kind == "pipeline":
                fails[step["name"]] = 0 if self.spare else rng.choice([0, 0, FOR_EVER])
                step["pipeline"] = {"name": f"{self.prefix}c-{'badly' if fails[step['name']] else 'well'}"}
            elif kind == "containers":
                step["containers"] = [shell("one", "true"), shell("two", "true")]
            else:
                step["container"] = {"image": SHELL_IMAGE, "command": ["true"]}
                if kind == "matrix":
                    step["matrix"] = {"params": {"n": list(range(rng.randint(1, 3)))}, "failFast": False}
                if bad is None and rng.random() < 0.4:
                    bad = step["name"]
                    fails[bad] = rng.choice([1, FOR_EVER])
            if fails.get(step["name"]) or self.spare:
                step["retry"] = {"limit": limit + self.spare, "backoff": {"initial": "100ms", "max": "500ms"}}
            if rng.random() < 0.3:
                step["continueOnError"] = True
            if rng.random() < 0.1:
                step["when"] = "{{ run.name == 'nobody' }}"
            steps.append(step)
        end = {"name": "last", "container": {"image": SHELL_IMAGE, "command": ["true"]},
               **({"retry": {"limit": self.spare, "backoff": {"initial": "100ms"}}} if self.spare else {})}
        outcome = {} if bad is None else {"outcome": f"fail:5@build-step-{bad}"} if fails[bad] == FOR_EVER else {"outcomes": {1: f"fail:5@build-step-{bad}"}}
        self.pipelines.append({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": name, "annotations": notes(delay=self._delay(hang), **outcome)},
                               "spec": {"steps": steps, "finally": [end], "onError": [
                                   {"name": "alarm", "http": {"url": f"{self.web.url}/{{{{ run.name }}}}/alarm", "method": "POST"}}]}})
        for number in range(2):
            again = rng.randint(0, 1)
            self._expect_graph(f"{name}-{number}", name, steps, fails, limit, again)

    def _expect_graph(self, run_name, name, steps, fails, limit, again):
        states, used = {}, collections.Counter()
        for turn in range(1 + again):
            for step in steps:
                key = step["name"]
                if states.get(key, ("",))[0] in ("Succeeded", "Tolerated", "When"):
                    continue
                if any(states[each][0] in ("Failed", "Skipped") for each in step["dependsOn"]):
                    states[key] = ("Skipped", 0)
                    continue
                if "when" in step:
                    states[key] = ("When", 0)
                    continue
                allowed = 1 + (limit + self.spare if "retry" in step else 0)
                tries = min(allowed, max(1, fails.get(key, 0) + 1 - used[key]))
                used[key] += tries
                good = used[key] > fails.get(key, 0)
                states[key] = ("Succeeded" if good else "Tolerated" if step.get("continueOnError") else "Failed", used[key])
            if not any(state == "Failed" for state, _ in states.values()):
                break
        failed = any(state == "Failed" for state, _ in states.values())
        shown = {"Tolerated": "Failed", "When": "Skipped"}
        ends = {key: (shown.get(state, state), 0 if "matrix" in next(step for step in steps if step["name"] == key) else attempts)
                for key, (state, attempts) in states.items()}
        ends["alarm"] = ("Succeeded" if failed else "Skipped", 0)
        ends["last"] = ("Succeeded", 0)
        for step in steps:
            if "http" in step:
                self.calls.expect(f"/{run_name}/{step['name']}", fails.get(step["name"], 0), self.rng.choice([0, self.rng.uniform(0, 0.4)]))
        self._begin(run_name, name, ("StepFailed",) if failed else ("Succeeded",), ends, maxRetryCount=again)

    def _schedule(self, name):
        self.schedules.append(name)
        self.pipelines.append(pipeline(name, ["only"], strategy={
            "cronExpression": f"@every {self.rng.randint(1, 2)}s", "catchUp": "All", "catchUpLimit": 30}))

    def _stream(self, name):
        self.streams.append(name)
        self.pipelines.append(stream(name, [service(f"{name}-{each}", self.rng.randint(1, 2)) for each in ("one", "two")[:self.rng.randint(1, 2)]]))
        self.runs.append((self.rng.uniform(0, self.span / 2), run(name, name)))
