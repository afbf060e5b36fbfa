"""One scenario at work: a namespace, a load, operators, a recorder, and the judgement at the end."""
import itertools
import random
import re
import threading
import time

import auditor
from api import PATIENCE, Api
from harness import AuditLog, FaultProxy, Kube, Operator, Web
from harness.controlplane import Component, Etcd, wait_ready
from harness.kube import condition_of
from load import Load
from recorder import KINDS, Recorder

CONFIG = {"http": {"allow": ["127.0.0.0/8"]}}
OWNED = ("deployments", "replicasets", "services", "controllerrevisions")
_numbers = itertools.count(1)


class Arena:
    """`begin()` starts the load, `finish()` judges. What a test draws comes from `rng`, so a seed repeats it."""

    def __init__(self, cluster, name, seed, binary, results, folder):
        self.cluster, self.seed, self.binary, self.folder = cluster, seed, binary, folder
        self.rng = random.Random(f"{name}:{seed}")
        short = re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")
        self.results = results / f"{short}-{seed}"
        self.kube = Kube(cluster, f"{short}-{next(_numbers)}", PATIENCE)
        self.api = Api(self.kube)
        self.api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.kube.namespace}})
        self.kube.wait("serviceaccount", "default", lambda _: True, "being there")
        self.web = Web()
        self.audit, self.written = AuditLog(cluster), AuditLog(cluster)  # the first is marked again and again, the second never
        self.recorder = Recorder(self.api)
        self.operators, self.killed, self.proxies = [], False, []
        self.load = None
        self._begun = None
        self._over = threading.Event()
        self._kept, self._keeper, self._crashes = threading.Event(), None, []

    # --- parts ---

    def operator(self, start=True, **options):
        options.setdefault("config", CONFIG)
        options.setdefault("name", f"operator-{len(self.operators) + 1}")
        options.setdefault("patience", PATIENCE)
        operator = Operator(self.binary, self.kube, self.results, **options)
        self.operators.append(operator)
        return operator.start() if start else operator

    def kill(self, operator):
        self.killed = True
        operator.kill()

    def keep(self):
        """From here on operators that end by themselves are started anew, as their Deployment does: one may lose its lease because the machine
        stands still."""
        def go():
            while not self._kept.wait(0.2):
                for operator in self.operators:
                    if operator.alive():
                        continue
                    if (code := operator.process.returncode) < 0:
                        self._crashes.append(f"{operator.log_path.name}: ended by signal {-code}")
                    operator.start(ready=False)
        self._keeper = threading.Thread(target=go, daemon=True)
        self._keeper.start()

    def _keep_no_longer(self):
        self._kept.set()
        if self._keeper:
            self._keeper.join()

    def proxy(self):
        proxy = FaultProxy(self.cluster, self.folder / f"proxy-{len(self.proxies)}")
        self.proxies.append(proxy)
        return proxy

    def component(self, name):
        return Etcd(self.cluster) if name == "etcd" else Component(self.cluster, name)

    def wait_ready(self):
        wait_ready(self.cluster)

    # --- time ---

    def begin(self, **options):
        """Draws the load and starts it."""
        self.recorder.start()
        return self.begin_again(**options)

    def begin_again(self, **options):
        """Another load, in place of the one before."""
        self.load = Load(self.rng, self.web, **options)
        self.load.start(self.api)
        self._begun = time.monotonic()
        return self.load

    def at(self, seconds):
        """Lets the load go on until so long after its begin: a time that was drawn, nothing is waited for."""
        self._over.wait(max(0.0, self._begun + seconds - time.monotonic()))

    def last(self, seconds):
        """A drawn duration of a fault."""
        self._over.wait(seconds)

    def strike(self, what):
        """Just before a fault: waits until a run is under way that the fault can hit. Fails when all of them have ended."""
        def under_way():
            runs = self.recorder.latest("pipelineruns")
            return self.all_ended() or any(name in runs and not auditor.is_true(runs[name], "Completed") for name in self.run_names())
        self.recorder.wait(under_way, f"a run is under way, for this fault: {what}", describe=self.unended)
        assert not self.all_ended(), f"all runs have ended, and this fault would hit nothing: {what}"
        self.note(what)

    def note(self, what):
        """For the report of a failure: what was when."""
        print(f"{time.monotonic() - self._begun:6.2f} s  {what}", flush=True)

    # --- what is there ---

    def run_names(self):
        return set(self.load.expected)

    def all_ended(self):
        runs = self.recorder.latest("pipelineruns")
        return all(name in runs and auditor.is_true(runs[name], "Completed") for name in self.run_names())

    def unended(self):
        runs = self.recorder.latest("pipelineruns")
        return "\n".join(f"{name}: " + (str((runs[name].get("status") or {}).get("conditions")) if name in runs else "not there")
                         for name in sorted(self.run_names()) if name not in runs or not auditor.is_true(runs[name], "Completed")) + self._pods()

    def _pods(self):
        """What the pods that have not ended are waiting for: the operator is not the only one that has to get over a fault."""
        return "".join(f"\npod {name} on {pod['spec'].get('nodeName')}: {(pod.get('status') or {}).get('phase')} since {pod['metadata']['creationTimestamp']}"
                       for name, pod in sorted(self.recorder.latest("pods").items()) if not auditor.ended_pod(pod))

    # --- the end ---

    def settle(self, timeout=PATIENCE):
        """Waits until all runs have ended and the schedule has come to rest."""
        self.note("the faults are over")
        self.load.created()
        for name in self.load.schedules:  # stopped first: a tick a second is most of the load, the more so on a slow machine
            before = self._ticks(name)
            self.recorder.wait(lambda: len(self._ticks(name)) >= 3 and max(self._ticks(name)) > max(before, default=0),
                               f"three ticks of {name}, one of them after the faults", timeout)
            self.api.patch("pipeline", name, {"spec": {"strategy": {"suspend": True}}})
        self.recorder.wait(self.all_ended, "all runs have ended", timeout, self.unended)
        self.note("all runs have ended")
        for name in self.load.schedules:
            self.recorder.wait(lambda: self._at_rest(name), f"{name} at rest", timeout, lambda: str(self.recorder.latest("pipelines")[name].get("status")))
        for name in self.load.streams:
            self.recorder.wait(lambda: (condition_of(self.recorder.latest("pipelineruns").get(name) or {}, "Succeeded") or {}).get("status") == "True",
                               f"the stream {name} is up", timeout)
        self.recorder.wait(self._jobs_ended, "all Jobs have ended", timeout)

    def _ticks(self, name):
        return [int(auditor.label(item, auditor.TICK)) for item in self.recorder.latest("pipelineruns").values() if item["spec"]["refPipeline"] == name]

    def _at_rest(self, name):
        schedule = (self.recorder.latest("pipelines")[name].get("status") or {}).get("schedule") or {}
        runs = [item for item in self.recorder.latest("pipelineruns").values() if item["spec"]["refPipeline"] == name]
        return (schedule.get("paused") == "Suspended" and all(line["outcome"] != "Claimed" for line in schedule.get("ticks") or [])
                and all(auditor.is_true(item, "Completed") for item in runs))

    def _jobs_ended(self):
        return all(auditor.is_true(item, "Complete") or auditor.is_true(item, "Failed")
                   for item in self.recorder.latest("jobs").values() if auditor.label(item, auditor.RUN_UID))

    def wait_quiet(self, window=12.0, timeout=PATIENCE):
        """Waits for a time without writes of the operator, in any namespace (the cluster is this worker's own); complaints if there is none.
        Longer than what is put off for a moment (a Pipeline's status for 10 s), so that a write every few seconds never passes."""
        begun = last = time.monotonic()
        while time.monotonic() < last + window:
            self.audit.mark()
            self._over.wait(1.0)
            if found := auditor.quiet(self.audit.calls(writes_only=True)):
                last = time.monotonic()
                if last > begun + timeout:
                    return found
        return []

    def wait_owned(self, timeout=PATIENCE):
        """Waits until the garbage collector has taken what lost its owner; complaints about what stays."""
        deadline = time.monotonic() + timeout
        while True:
            items = []
            for kind in ("pipelines", "pipelineruns", "jobs", "pods", *OWNED):
                answer = self.api.call("GET", self.kube.path(kind), wanted=(404,))[1]
                items += [{**item, "kind": answer["kind"].removesuffix("List")} for item in answer.get("items", [])]
            found = auditor.no_orphans(items)
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def finish(self, drawn=True, allowed=(), repeats=None, timeout=PATIENCE):
        """Everything has to come to its end, as drawn (unless told that it cannot), and nothing may be wrong with how."""
        self.settle(timeout)
        self.note("at rest")
        complaints = self.wait_quiet()
        self.note("quiet")
        complaints += self.wait_owned()
        self.note("nothing is without owner")
        self.recorder.catch_up()
        complaints += self.judge(drawn, repeats) + self.stop_operators(allowed)
        assert not complaints, f"seed {self.seed}:\n" + "\n".join(complaints)

    def judge(self, drawn=True, repeats=None):
        history = auditor.History(self.recorder.history())
        gaps = set(self.recorder.gaps)
        complaints = (auditor.children_once(history) + auditor.one_attempt_at_a_time(history) + auditor.runs_ended(history)
                      + auditor.ends_kept(history) + auditor.true_to_the_pods(history) + auditor.ends_follow(history, gaps)
                      + auditor.nothing_after_deletion(history) + auditor.ticks_kept(history)
                      + auditor.made_once(self.written.calls(writes_only=True), history, self.kube.namespace))
        if drawn:
            complaints += auditor.as_drawn(history, self.load.expected)
        runs = {auditor.name_of(one.item): history.last[one.uid].item for one in history.by_kind["pipelineruns"]}

        def attempts_of(place):
            _, run, step = place.split("/")
            states = (runs.get(run, {}).get("status") or {}).get("stepStates") or []
            return next((each.get("attempt", 1) for each in states if each["name"] == step), None)
        return complaints + auditor.calls_once(self.load.calls.seen(), attempts_of, self.killed if repeats is None else repeats)

    def stop_operators(self, allowed=()):
        self._keep_no_longer()
        complaints = self._crashes[:]
        for operator in self.operators:
            if operator.alive() and (code := operator.stop()) != 0:
                complaints.append(f"{operator.log_path.name}: ended with {code} on TERM")
            elif operator.process and operator.process.returncode not in (0, -9) and not allowed:
                complaints.append(f"{operator.log_path.name}: ended by itself with {operator.process.returncode}")
            complaints += auditor.log_clean(operator.log(), allowed) + operator.sanitizer_reports()
        return complaints

    def close(self):
        """Ends what is left, whatever happened. The namespace stays until its cluster goes: to delete it is a third of the API server's work
        for a scenario, and would go on beside the next one."""
        self._over.set()
        self._keep_no_longer()
        if self.load:
            self.load.stop()
        for operator in self.operators:
            if operator.process:
                operator.resume() if operator.alive() else None
            operator.kill()
        self.recorder.stop()
        for proxy in self.proxies:
            proxy.close()
        self.web.close()
