"""The parts of bench/macro/run about batch runs: calls, latency, bursts, Kubernetes' default limits, size at rest."""
import statistics
import time

import pipelines
from bench_cluster import Cluster
from measurements import OPTIONS, figure, latency, quick, quiet, repeats, row, spread
from pair import Pair, apart, report_pair

HELLO = pipelines.batch("hello")


def report_calls(what, audit, count, most):
    """Rows of an Audit of some runs."""
    other = audit.calls.pop("patch pipelines/status", 0)  # once in a while, however many runs there are
    listed = ", ".join(f"{verb} {number / count:.2f}" for verb, number in sorted(audit.calls.items()))
    per_run = sum(audit.calls.values()) / count
    row(f"API calls per run, {what}", f"{per_run:.2f} ({listed}; and {audit.events / count:.2f} events, {other} writes of the Pipeline's "
        "status in all)", per_run, most, f"≤ {most}")
    if any(audit.sent.values()):
        parts = ", ".join(f"{verb} {audit.sent[verb] / 1024 / count:.1f}; {audit.answered[verb] / 1024 / count:.1f}"
                          for verb in sorted(audit.calls))
        row("bytes of these calls per run: sent; answered",
            f"{sum(audit.sent.values()) / 1024 / count:.1f}; {sum(audit.answered.values()) / 1024 / count:.1f} KiB ({parts})")


def count_runs(pipeline, most):
    """Every call of the operator about the namespace, without Events; watches and lists are cluster-wide and not in it."""
    name = pipeline["metadata"]["name"]
    with Cluster(CLUSTER_AUDIT="bodies:counted") as cluster:
        cluster.start_operator()
        namespace = cluster.namespace("counted")
        cluster.apply(namespace, pipeline)
        words = ("--namespace", namespace, "--template", cluster.file("run.json", pipelines.run_of(name)))
        cluster.load(*words, "--runs", 1, "--prefix", "first")  # makes the revision
        for count, flags, way in ((20, ["--one-by-one"], "one at a time"), (quick(100, 200), [], "at once")):
            audit = cluster.count_calls(namespace, lambda: cluster.load(*words, "--runs", count, "--prefix", f"n{count}", *flags))
            report_calls(f"{name}: {count} {way}", audit, count, most)


def measure_calls():
    count_runs(HELLO, 6)
    count_runs(pipelines.chain("three-steps", 3), 13)


def measure_latency():
    count = quick(10, 40)
    with Pair(HELLO) as pair:
        flags = ("--one-by-one", "--watch", "jobs,pods", "--pause", 200)
        pair.runs(20, *flags)  # warm
        quiet()
        found = [pair.runs(count, *flags) for _ in repeats()]
    for key, what, limit in (("seen_to_first_job", "run created → its Job created", 10),
                             ("last_pod_ended_to_done", "last pod succeeded → run `Succeeded`", 10),
                             ("seen_to_done", "run created → `Succeeded`", None)):
        latency(found, key, f"{count} batch runs one by one: {what}", limit)


def measure_burst():
    count = quick(100, 500)
    with Pair(HELLO) as pair:
        pair.runs(100)  # warm
        pair.jobs_alone(100)
        quiet()
        runs, bare, alone = pair.alternate(count, pair.runs, pair.bare, pair.jobs_alone)
    report_pair(f"{count} batch runs at once", count, runs, bare)
    figure("Jobs and pods alone, wall time", [each["wall_s"] for each in alone], "s", 2)
    ratios = [a["wall_s"] / b["wall_s"] for a, b in zip(runs, alone)]
    row("ratio to Jobs and pods alone, each pair", spread(ratios, "", 2), statistics.median(ratios), 1.3, "≤ 1.3")
    figure("the operator's CPU, per 500 runs", [each["engine_cpu_s"] * 500 / count for each in runs], "s", 2, 0.75)


def measure_batch5k():
    count = quick(200, 5000)
    runs, bare = apart(HELLO, count)
    report_pair(f"{count:,} batch runs at once", count, [runs], [bare])


def measure_limits():
    with Pair(HELLO, CLUSTER_QPS="") as pair:
        alone = ("--one-by-one", "--pause", 300)
        pair.runs(10, *alone)  # warm
        quiet()
        found = [pair.runs(quick(10, 20), *alone) for _ in repeats()]
        latency(found, "sent_to_done", "default limits: one batch run alone, POST → `Succeeded`", 60)
        runs = []
        for _ in repeats():
            time.sleep(5)  # the token buckets fill again
            runs.append(pair.runs(100)["wall_s"])
        figure("default limits: 100 batch runs at once", runs, "s", 2, 3)
        time.sleep(5)
        figure("default limits: plain Jobs by the cluster's own controller, wall time of 100, once",
               [pair.plain_jobs(quick(20, 100))["wall_s"] * quick(5, 1)], "s", 1, note="20 times five" if OPTIONS.quick else "")


def measure_size():
    """At rest without anything, and after many runs by the process that ran them."""
    total, seconds = quick(300, 10000), quick(10, 60)
    with Cluster() as cluster:
        operator = cluster.start_operator()
        time.sleep(5)
        resident, anonymous, peak = operator.memory()
        row("resident memory, idle, 5 s after the start", f"{resident:.1f} MiB ({anonymous:.1f} anonymous, peak {peak:.1f})",
            resident, 15, "< 15 MiB")
        quiet()
        figure(f"CPU, idle, over {seconds} s", [operator.idle_percent(seconds)], "%", 3, 0.2)
        namespace = cluster.namespace()
        cluster.apply(namespace, HELLO)
        run = cluster.file("run.json", pipelines.run_of("hello"))
        for i in range(0, total, 1000):
            cluster.load("--namespace", namespace, "--template", run, "--runs", min(1000, total - i), "--prefix", f"f{i}")
        time.sleep(quick(5, 30))
        resident, anonymous, peak = operator.memory()
        row(f"resident memory after {total:,} runs, by the process that ran them",
            f"{resident:.1f} MiB ({anonymous:.1f} anonymous, peak {peak:.1f})", resident, 60, "< 60 MiB")
