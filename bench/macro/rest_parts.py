"""The parts of bench/macro/run about finished runs at rest: memory, processor time, writes, and the start with them."""
import time

import costs
import pipelines
from bench_cluster import Cluster
from measurements import figure, point, quick, quiet, repeats, row, say, spread
from pair import AUDIT

TERMINATED_PODS = 12500  # kube-controller-manager deletes pods that have ended beyond this number
WITH_JOBS = 10000
STEP = 10000  # finished runs between two looks


class Rest:
    """A cluster that is filled with finished batch runs, by the bare client, the operator being stopped."""

    def __init__(self):
        self.cluster, self.pipeline = Cluster(CLUSTER_AUDIT=AUDIT), pipelines.batch("hello")
        self.have = {"pipelineruns": 0, "jobs": 0, "pods": 0}

    def __enter__(self):
        cluster = self.cluster.__enter__()
        try:
            cluster.start_operator()
            self.recorded = cluster.record(self.pipeline)
            cluster.stop_operator()
            self.namespace = cluster.namespace()
            self.uid = cluster.apply(self.namespace, self.pipeline)
        except BaseException:
            cluster.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.cluster.__exit__(*error)

    def fill(self, total):
        """Until there are so many. The first have their Job and pod, as long as Kubernetes would keep them."""
        while (now := self.have["pipelineruns"]) < total:
            kinds, upto = ("pipelineruns",), total
            if now < WITH_JOBS:  # every batch run has one Job and one pod
                kinds, upto = ("pipelineruns", "jobs", "pods"), min(total, WITH_JOBS, TERMINATED_PODS)
            script = self.cluster.file("finished.json", self.recorded.finished(self.namespace, self.uid, kinds))
            done = self.cluster.load("--namespace", self.namespace, "--mode", "bare", "--script", script, "--prefix", f"done{now}", "--runs",
                                     upto - now, "--concurrency", 32, "--timeout", 7200)
            say(f"{upto - now:,} finished runs with {', '.join(kinds)} in {done['all_written_s']:.0f} s")
            for kind in kinds:
                self.have[kind] += upto - now

    def contents(self):
        return f"{self.have['pipelineruns']:,} finished runs, {self.have['jobs']:,} Jobs, {self.have['pods']:,} pods"

    def start(self, pause):
        """A new operator process; returns it after a pause."""
        if self.cluster.operator:
            self.cluster.stop_operator()
        operator = self.cluster.start_operator()
        operator.start_cpu = operator.cpu_seconds()
        time.sleep(pause)
        resident, _, peak = operator.memory()
        total = self.have["pipelineruns"]
        for series, value in (("20 s after the start", resident), ("peak", peak)):
            if pause >= 20 or series == "peak":
                point("rest", series, total, value)
        point("restart", "start → synced", total, operator.start_seconds)
        point("restart", "the operator's own CPU in it", total, operator.start_cpu)
        return operator


def measure_rest(total, memory_limit, start_limit, idle_limit, peak_limit=None):
    with Rest() as rest:
        rest.start(quick(5, 20))
        for each in range(STEP, total, STEP):  # looks on the way, for the plots
            rest.cluster.stop_operator()
            rest.fill(each)
            rest.start(20)
        rest.cluster.stop_operator()
        rest.fill(total)
        quiet()
        started = []
        for i in repeats():
            rest.start(quick(5, 20))
            operator = rest.cluster.operator
            started.append((operator.start_seconds, operator.start_cpu, *operator.memory()))
        starts, cpu, resident, anonymous, peaks = zip(*started)
        figure(f"start → caches synced, {rest.contents()}", starts, "s", 2, start_limit, f"its own CPU in that time {spread(cpu, 's', 2)}")
        figure(f"memory with {total:,} finished runs, {quick(5, 20)} s after the start", resident, "MiB", 1, memory_limit,
               f"anonymous {spread(anonymous, '', 1)}")
        row("peak of the memory until then", spread(peaks, "MiB", 1), max(peaks), peak_limit, peak_limit and f"< {peak_limit} MiB")
        seconds = quick(10, 60)
        address = f"127.0.0.1:{operator.port}"
        before = costs.writes(address)
        idle = operator.idle_percent(seconds)
        writes = costs.writes(address) - before
        figure(f"CPU, idle with {total:,} finished runs, over {seconds} s", [idle], "%", 3, idle_limit)
        row(f"API writes in these {seconds} s, but for the lease", f"{writes}", writes, 0, "0")
        rest.cluster.hold()


def measure_rest10k():
    measure_rest(quick(300, 10000), 60, 3, 0.2)


def measure_rest50k():
    measure_rest(quick(1000, 50000), 150, 10, 0.5, 150)
