"""The parts of bench/macro/run about graphs of container steps under load, each beside the bare client."""
import statistics
import threading
import time

import pipelines
from bench_cluster import Cluster
from measurements import figure, latency, point, quick, quiet, repeats, row, spread
from pair import Pair, apart, report_pair

THREE = pipelines.chain("three-steps", 3)
SCHEDULER_QPS, SCHEDULER_BURST = 50, 100  # of kube-scheduler where nobody says otherwise


def measure_graph500():
    count = quick(100, 500)
    with Pair(THREE) as pair:
        pair.runs(100)  # warm
        pair.bare(100)
        quiet()
        runs, bare = pair.alternate(count, pair.runs, pair.bare)
    report_pair(f"{count} runs of three container steps at once", count, runs, bare, ratio=1.25, cpu=2, memory=40)


def measure_graph5k():
    count = quick(200, 5000)
    found, bare = apart(THREE, count)
    growth(count, found)
    report_pair(f"{count:,} runs of three container steps at once", count, [found], [bare])


def growth(count, found):
    """Points of latency and memory over the number of runs at once."""
    for p in ("p50", "p90", "p99"):
        point("latency", f"run, {p}", count, found["latency_ms"]["sent_to_done"][p] / 1000)
    point("memory", "peak", count, found["engine_rss_peak_kib"] / 1024)
    point("memory", "afterwards", count, found["engine_rss_kib"] / 1024)


def measure_growth():
    """For the plots, a new operator for each number; graph5k has the last one."""
    with Pair(THREE) as pair:
        for count in quick((10, 50, 100), (10, 30, 100, 300, 1000)):
            if pair.cluster.operator:
                pair.cluster.stop_operator()
            found = pair.runs(count, "--watch", "pods")
            growth(count, found)
            point("latency", "created → first pod, p50", count, found["latency_ms"]["seen_to_first_pod"]["p50"] / 1000)
            row(f"{count:,} runs of three container steps at once: p50, p99; memory's peak",
                f"{found['latency_ms']['sent_to_done']['p50'] / 1000:.2f}, {found['latency_ms']['sent_to_done']['p99'] / 1000:.2f} s; "
                f"{found['engine_rss_peak_kib'] / 1024:.1f} MiB")


def measure_fanout():
    width = quick(50, 200)
    pipeline = pipelines.fan_out("fan-out", width)
    with Pair(pipeline) as pair:
        quiet()
        runs, bare = pair.alternate(1, pair.runs, pair.bare)
    report_pair(f"one run of {width} steps at once", 1, runs, bare)


def measure_chain():
    length = quick(60, 1000)
    with Pair(pipelines.chain("chain", length)) as pair:
        quiet()
        runs, bare = [pair.runs(1, "--watch", "jobs,pods")], [pair.bare(1)]
    report_pair(f"one run of {length:,} steps one after another", 1, runs, bare)
    latency(runs, "pod_ended_to_next_job", f"chain of {length:,} steps: pod succeeded → next Job")
    latency(runs, "pod_ended_to_next_pod", f"chain of {length:,} steps: pod succeeded → next pod")


def measure_between():
    """From the end of a pod to the next Job, with 100 runs under way: pods that take 5 s, and pods that end at once."""
    runs, length = quick(10, 100), quick(3, 8)
    slow = pipelines.chain("slow", length)
    slow["metadata"]["annotations"] = {"test.millrace.dev/delay": "5s"}
    for pipeline, flags, what, limits in ((slow, ("--rate", runs / 5), "steps of 5 s", (5, 50)),
                                          (pipelines.chain("fast", length), (), "steps that end at once", (None, None))):
        with Pair(pipeline) as pair:
            quiet()
            found = [pair.runs(runs, "--watch", "jobs,pods", *flags) for _ in repeats()]
        latency(found, "pod_ended_to_next_job", f"{runs} runs under way, {what}: pod succeeded → next Job", *limits)
        latency(found, "pod_ended_to_next_pod", f"{runs} runs under way, {what}: pod succeeded → next pod")
        latency(found, "seen_to_first_pod", f"{runs} runs under way, {what}: run created → first pod")


def measure_alone():
    with Pair(THREE) as pair:
        flags = ("--one-by-one", "--pause", 200)
        pair.runs(10, *flags)  # warm
        quiet()
        found = [pair.runs(20, *flags) for _ in repeats()]
        bare = [pair.bare(20, *flags) for _ in repeats()]
    latency(found, "sent_to_done", "one run of three container steps alone, POST → `Succeeded`", 80)
    latency(bare, "sent_to_done", "the same by the bare client")


def measure_limits500():
    count = quick(60, 500)
    with Pair(THREE, CLUSTER_QPS="") as pair:
        quiet()
        runs, bare = [], []
        for way, found in ((pair.runs, runs), (pair.bare, bare)):
            for _ in repeats(2):
                time.sleep(5)  # the token buckets fill again
                found.append(way(count))
    allowed = (3 * count - SCHEDULER_BURST) / SCHEDULER_QPS
    walls = [each["wall_s"] for each in runs]
    figure(f"default limits: {count} runs of three container steps at once", walls, "s", 2)
    figure("the bare client with them", [each["wall_s"] for each in bare], "s", 2)
    row(f"ratio to the {allowed:.1f} s in which the scheduler's 50 pods/s (after a burst of 100) are bound",
        spread([wall / allowed for wall in walls], "", 2), statistics.median(walls) / allowed, 1.1, "≤ 1.1")


class Samples:
    """The operator's memory over time, taken while a function runs."""

    def __init__(self, operator, seconds=2.0):
        self.operator, self.seconds, self.values = operator, seconds, []

    def during(self, action):
        over, start = threading.Event(), time.monotonic()

        def sample():
            while not over.wait(self.seconds):
                self.values.append((time.monotonic() - start, self.operator.memory()[0]))

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            return action()
        finally:
            over.set()
            thread.join()

    def slope(self):
        """Of the last two thirds, by least squares [MiB/s]."""
        values = self.values[len(self.values) // 3:]
        if len(values) < 2:
            raise RuntimeError("too short to see the memory grow")
        x, y = statistics.mean(t for t, _ in values), statistics.mean(m for _, m in values)
        return sum((t - x) * (m - y) for t, m in values) / sum((t - x) ** 2 for t, _ in values)


def measure_steady():
    """Runs that arrive at a steady rate: what an hour of them would be, in short."""
    rate, seconds = 3, quick(20, 180)
    with Cluster() as cluster:
        operator = cluster.start_operator()
        namespace = cluster.namespace()
        cluster.apply(namespace, THREE)
        words = ("--namespace", namespace, "--template", cluster.file("run.json", pipelines.run_of("three-steps")))
        cluster.load(*words, "--runs", 20, "--prefix", "first")  # warm
        quiet()
        samples = Samples(operator, quick(1.0, 2.0))
        found = samples.during(lambda: cluster.load(*words, "--runs", rate * seconds, "--rate", rate, "--watch", "jobs,pods"))
    for t, memory in samples.values:
        point("steady", f"{rate} runs/s", t, memory)
    what = f"{rate} runs/s of three container steps for {seconds} s"
    latency([found], "sent_to_done", f"{what}: POST → `Succeeded`")
    latency([found], "pod_ended_to_next_job", f"{what}: pod succeeded → next Job")
    figure(f"{what}: the operator's CPU", [100 * found["engine_cpu_s"] / found["wall_s"]], "%", 1)
    slope = samples.slope()
    row(f"{what}: the operator's memory grows by", f"{slope * 1024 / rate:.1f} KiB a run, {slope * 3600:.0f} MiB an hour; at the end "
        f"{samples.values[-1][1]:.1f} MiB")
