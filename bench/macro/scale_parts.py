"""The parts of bench/macro/run about many runs: bursts beside the bare client, and finished runs at rest."""
import json
import statistics
import time

import bench_cluster
import pipelines
import recorder
from bench_cluster import Cluster, quiet, row, say, spread

AUDIT = f"bodies:{recorder.NAMESPACE}"
TERMINATED_PODS = 12500  # kube-controller-manager deletes pods that have ended beyond this number


def measure_burst_of(what, pipeline, count):
    """Runs at once, in turn with the bare client's. Returns (runs, bare)."""
    name = pipeline["metadata"]["name"]
    with Cluster(CLUSTER_AUDIT=AUDIT) as cluster:
        cluster.start_operator()
        recorded = cluster.record(pipeline)
        template = cluster.file("run.json", pipelines.run_of(name))

        def runs(number, *flags):
            if not cluster.operator:
                cluster.start_operator()
            namespace = cluster.namespace()
            cluster.apply(namespace, pipeline)
            cluster.load("--namespace", namespace, "--template", template, "--runs", 1, "--prefix", "first")
            return cluster.load("--namespace", namespace, "--template", template, "--runs", number, *flags)

        def bare(number):
            if cluster.operator:
                cluster.stop_operator()
            namespace = cluster.namespace()
            script = cluster.file("script.json", recorded.script(namespace, cluster.apply(namespace, pipeline)))
            return cluster.load("--namespace", namespace, "--mode", "bare", "--script", script, "--runs", number)

        runs(100)  # warm
        bare(100)
        quiet()
        found = {runs: [], bare: []}
        for i in range(bench_cluster.OPTIONS.repeats):
            for each in (runs, bare)[::1 if i % 2 else -1]:
                time.sleep(2)
                found[each].append(each(count))
    report_burst(what, count, found[runs], found[bare])
    return found[runs], found[bare]


def report_burst(what, count, runs, bare):
    row(f"{what}, wall time", spread([each["wall_s"] for each in runs], "s", 2))
    row("the bare client beside it, wall time", spread([each["wall_s"] for each in bare], "s", 2))
    ratios = [a["wall_s"] / b["wall_s"] for a, b in zip(runs, bare)]
    row("ratio of the two, each pair", spread(ratios, "", 2), statistics.median(ratios), 1.25, "≤ 1.25")
    cpu = [each["engine_cpu_s"] * 1000 / count for each in runs]
    row("the operator's CPU per run", spread(cpu, "ms", 2), statistics.median(cpu), 2, "< 2 ms")
    peak = [each["engine_rss_peak_kib"] / 1024 for each in runs]
    row("the operator's memory, peak", spread(peak, "MiB", 1), max(peak), 40, "< 40 MiB")
    for found, name in ((runs, "of runs"), (bare, "of the bare client's")):
        row(f"the control plane's CPU per run, {name}", spread([each["cluster_cpu_s"] * 1000 / count for each in found], "ms", 1))


def measure_graph500():
    count = 100 if bench_cluster.OPTIONS.quick else 500
    measure_burst_of(f"{count} runs of three container steps at once", pipelines.chain("chain", 3), count)


def finished_runs(cluster, recorded, pipeline, total):
    """Makes finished runs through the API, with the operator stopped. Returns a text that says what they are."""
    namespace = cluster.namespace()
    uid = cluster.apply(namespace, pipeline)
    with_jobs = min(total, 10000)
    steps = sum(1 for kind, _ in recorded.objects if kind == "pods")
    with_pods = min(with_jobs, TERMINATED_PODS // steps)
    parts = ((with_pods, ("pipelineruns", "jobs", "pods")), (with_jobs - with_pods, ("pipelineruns", "jobs")),
             (total - with_jobs, ("pipelineruns",)))
    for i, (count, kinds) in enumerate(parts):
        if count:
            script = cluster.file(f"finished{i}.json", recorded.script(namespace, uid, finished=True, kinds=kinds))
            done = cluster.load("--namespace", namespace, "--mode", "bare", "--script", script, "--prefix", f"done{i}", "--runs", count,
                                "--concurrency", 32, "--timeout", 3600)
            say(f"{count:,} finished runs with {', '.join(kinds)} in {done['all_written_s']:.0f} s")
    return f"{total:,} runs, {with_jobs * steps:,} Jobs, {with_pods * steps:,} pods"


def measure_rest(total, limit, start_limit):
    """Finished runs at rest: what the operator needs to start with them, and to keep them."""
    pipeline = pipelines.batch("hello")
    with Cluster(CLUSTER_AUDIT=AUDIT) as cluster:
        cluster.start_operator()
        recorded = cluster.record(pipeline)
        cluster.stop_operator()
        made = finished_runs(cluster, recorded, pipeline, total)
        say(f"in the cluster: {made}")
        quiet()
        starts, cpu, peaks = [], [], []
        for i in range(bench_cluster.OPTIONS.repeats):
            if i:
                cluster.stop_operator()
            operator = cluster.start_operator()
            starts.append(operator.start_seconds)
            cpu.append(operator.cpu_seconds())
            time.sleep(2 if i + 1 < bench_cluster.OPTIONS.repeats else 20)
            peaks.append(operator.memory()[2])
        resident, anonymous, _ = operator.memory()
        row(f"start → caches synced, {made}", f"{spread(starts, 's', 2)} (its own CPU in that time: {spread(cpu, 's', 2)})",
            statistics.median(starts), start_limit, f"< {start_limit} s")
        row(f"memory with {total:,} finished runs, 20 s after the start", f"{resident:.1f} MiB ({anonymous:.1f} anonymous)", resident, limit,
            f"< {limit} MiB")
        row("peak of the memory until then", spread(peaks, "MiB", 1), max(peaks), limit, f"< {limit} MiB")
        seconds = 10 if bench_cluster.OPTIONS.quick else 60
        idle = operator.idle_percent(seconds)
        row(f"CPU, idle with {total:,} finished runs, over {seconds} s", f"{idle:.3f} %", idle, 0.5, "< 0.5 %")
        cluster.hold()


def measure_rest10k():
    measure_rest(1000 if bench_cluster.OPTIONS.quick else 10000, 60, 10)


def measure_rest50k():
    measure_rest(5000 if bench_cluster.OPTIONS.quick else 50000, 150, 10)
