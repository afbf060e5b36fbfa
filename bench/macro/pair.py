"""Runs of one pipeline, and the same made by the bare client, in turn on one cluster."""
import statistics
import time

import pipelines
import recorder
from bench_cluster import Cluster
from measurements import figure, quick, quiet, repeats, row, spread

AUDIT = f"bodies:{recorder.NAMESPACE}"
SMALL = 10  # steps; a larger pipeline is not run just to be warm


class Pair:
    def __init__(self, pipeline, **settings):
        self.cluster, self.pipeline = Cluster(CLUSTER_AUDIT=AUDIT, **settings), pipeline
        self.small = len(pipeline["spec"].get("steps", [])) <= SMALL

    def __enter__(self):
        cluster = self.cluster.__enter__()
        try:
            cluster.start_operator()
            self.recorded = cluster.record(self.pipeline)
            self.template = cluster.file("run.json", pipelines.run_of(self.pipeline["metadata"]["name"]))
        except BaseException:
            cluster.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.cluster.__exit__(*error)

    def runs(self, count, *flags):
        if not self.cluster.operator:
            self.cluster.start_operator()
        namespace = self.cluster.namespace()
        self.cluster.apply(namespace, self.pipeline)
        words = ("--namespace", namespace, "--template", self.template, "--timeout", 3600)
        if self.small:
            self.cluster.load(*words, "--runs", 1, "--prefix", "first")  # makes the revision
        self.cluster.operator.forget_peak()  # of its start among what earlier repeats left; starts have parts of their own (rest10k, rest50k)
        return self.cluster.load(*words, "--runs", count, *flags)

    def bare(self, count, *flags):
        """With the operator stopped: it would see the runs."""
        if self.cluster.operator:
            self.cluster.stop_operator()
        namespace = self.cluster.namespace()
        script = self.cluster.file("script.json", self.recorded.script(namespace, self.cluster.apply(namespace, self.pipeline)))
        return self.cluster.load("--namespace", namespace, "--mode", "bare", "--script", script, "--runs", count, "--timeout", 3600, *flags)

    def jobs_alone(self, count):
        """The bound of earlier records: a Job and a pod for each run, and nothing else written."""
        if self.cluster.operator:
            self.cluster.stop_operator()
        namespace = self.cluster.namespace()
        script = self.cluster.file("jobs-alone.json", self.recorded.jobs_alone(namespace))
        return self.cluster.load("--namespace", namespace, "--mode", "bare", "--script", script, "--runs", count, "--resource",
                                 "/v1/pods/Pod", "--success", "phase=Succeeded", "--failure", "phase=Failed")

    def plain_jobs(self, count):
        """The same Jobs, for the cluster's own Job controller."""
        namespace = self.cluster.namespace()
        job = self.recorded.jobs_alone(namespace)[0]["body"]
        job["spec"].pop("managedBy")
        job["spec"].pop("manualSelector", None)
        job["metadata"]["name"] = "$(NAME)"
        return self.cluster.load("--namespace", namespace, "--template", self.cluster.file("job.json", job), "--runs", count, "--resource",
                                 "batch/v1/jobs/Job", "--success", "Complete=True", "--failure", "Failed=True", "--child-label", "job-name")

    def alternate(self, count, *ways, flags=()):
        """Measurements of each way, in turn, the order changing each time."""
        found = [[] for _ in ways]
        for i in repeats():
            for way, into in list(zip(ways, found))[::1 if i % 2 else -1]:
                time.sleep(2)
                into.append(way(count, *flags))
        return found


def apart(pipeline, count):
    """Runs of the operator, and the same by the bare client, each on a cluster of its own: what thousands of runs leave behind slows down who comes second."""
    with Pair(pipeline) as pair:
        quiet()
        runs = pair.runs(count)
    with Pair(pipeline) as pair:
        quiet()
        return runs, pair.bare(count)


def report_pair(what, count, runs, bare, ratio=None, cpu=None, memory=None):
    """Rows of runs at once beside the bound."""
    figure(f"{what}, wall time", [each["wall_s"] for each in runs], "s", 2)
    figure("the bare client beside it, wall time", [each["wall_s"] for each in bare], "s", 2)
    ratios = [a["wall_s"] / b["wall_s"] for a, b in zip(runs, bare)]
    row("ratio of the two, each pair", spread(ratios, "", 2), statistics.median(ratios), ratio, ratio and f"≤ {ratio}")
    if count > 1:
        figure("runs a second", [each["runs_per_s"] for each in runs], "", 1)
    for key, name in (("sent_to_done", "latency of a run, POST → `Succeeded`"), ("seen_to_first_pod", "created → first pod")):
        have = [each["latency_ms"][key] for each in runs if key in each["latency_ms"]]
        if have:
            row(name, "; ".join(f"{p} {spread([each[p] / 1000 for each in have], 's', 2)}" for p in ("p50", "p90", "p99")))
    figure("the operator's CPU per run", [each["engine_cpu_s"] * 1000 / count for each in runs], "ms", 2, cpu)
    figure("the bare client's own CPU per run (the bound's writes, watches of what it waits for)", [each["bench_cpu_s"] * 1000 / count for each in bare], "ms", 2)
    peaks = [each["engine_rss_peak_kib"] / 1024 for each in runs]
    row("the operator's memory, peak", spread(peaks, "MiB", 1), max(peaks), memory, memory and f"< {memory} MiB")
    for found, name in ((runs, ""), (bare, ", the bare client's")):
        row(f"per run{name}: the control plane's CPU; etcd's log, puts",
            f"{spread([each['cluster_cpu_s'] * 1000 / count for each in found], 'ms', 1)}; "
            f"{spread([each['etcd_wal_bytes'] / 1024 / count for each in found], 'KiB', 1)}, "
            f"{spread([each['etcd_puts'] / count for each in found], '', 1)}")
    row("per run: bytes on the operator's connections, sent; received",
        f"{spread([each['engine_sent_bytes'] / 1024 / count for each in runs], 'KiB', 1)}; "
        f"{spread([each['engine_received_bytes'] / 1024 / count for each in runs], 'KiB', 1)}")
