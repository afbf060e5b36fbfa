"""The parts of bench/macro/run about HTTP steps started by webhook, and the time between two steps of a run alone."""
import statistics
import time

import pipelines
import recorder
from batch_parts import report_calls
from bench_cluster import Cluster, free_ports
from measurements import figure, latency, quick, quiet, repeats, row, spread

STAGES = 3
CHAIN = 20
ID = "annotation:millrace.dev/delivery-id"


class Hooks:
    """A cluster whose operator takes webhooks, and a place for the target that the runs call."""

    def __init__(self, **settings):
        self.cluster, self.taken = Cluster(**settings), 0

    def __enter__(self):
        cluster = self.cluster.__enter__()
        try:
            self.hook, self.target = free_ports(1), free_ports(1)
            self.start_operator()
            self.body = cluster.file("body.json", {"n": "$(NAME)"})
        except BaseException:
            cluster.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.cluster.__exit__(*error)

    def start_operator(self):
        self.cluster.start_operator(http={"allow": ["127.0.0.1"]}, webhook={"address": f"127.0.0.1:{self.hook}"})

    def load(self, namespace, runs, *flags):
        self.taken += 1
        return self.cluster.load("--namespace", namespace, "--prefix", f"r{self.taken}", "--runs", runs, *flags)

    def post(self, namespace, pipeline, runs, *flags):
        return self.load(namespace, runs, "--mode", "webhook", "--template", self.body, "--id", ID, "--target", self.target, "--webhook",
                         f"http://127.0.0.1:{self.hook}/webhook/{namespace}/{pipeline}", *flags)

    def bare(self, namespace, script, runs):
        """The same writes, by the bare client, with the operator stopped."""
        self.cluster.stop_operator()
        try:
            return self.load(namespace, runs, "--mode", "bare", "--script", script)
        finally:
            self.start_operator()


def measure_webhook():
    runs = quick(200, 1000)
    with Hooks(CLUSTER_AUDIT=f"bodies:counted,{recorder.NAMESPACE}") as hooks:
        cluster, pipeline = hooks.cluster, pipelines.http_stages("hooks", STAGES, hooks.target)
        counted, recorded = cluster.namespace("counted"), cluster.namespace(recorder.NAMESPACE)
        cluster.apply(counted, pipeline)
        hooks.post(counted, "hooks", 20)  # makes the revision
        for flags, way in ((["--one-by-one"], "one at a time"), ([], "at once")):
            count = 20 if flags else 200
            audit = cluster.count_calls(counted, lambda: hooks.post(counted, "hooks", count, *flags))
            report_calls(f"webhook → 3 HTTP stages: {count} {way}", audit, count, 4)
        uid = cluster.apply(recorded, pipeline)
        hooks.post(recorded, "hooks", 1)
        example = cluster.record_run(lambda: hooks.post(recorded, "hooks", 1), uid, pipeline)
        namespace = cluster.namespace()
        writes = example.script(namespace, cluster.apply(namespace, pipeline))
        script = cluster.file("script.json", writes)
        hooks.post(namespace, "hooks", 100)  # warm
        hooks.bare(namespace, script, 100)
        quiet()
        alone = [hooks.post(namespace, "hooks", 20, "--one-by-one") for _ in repeats()]
        latency(alone, "sent_to_done", "webhook → 3 HTTP stages: one run alone, POST → `Succeeded`")
        posted, bare = [], []
        for i in repeats():
            for found in [posted, bare][::1 if i % 2 else -1]:
                time.sleep(3)
                found.append(hooks.post(namespace, "hooks", runs) if found is posted else hooks.bare(namespace, script, runs))
    report_webhook(runs, len(writes) - 1, posted, bare)


def report_webhook(runs, statuses, posted, bare):
    rates = [each["runs_per_s"] for each in posted]
    bounds = [each["runs_per_s"] for each in bare]
    ratios = [a / b for a, b in zip(rates, bounds)]
    row(f"webhook → 3 HTTP stages, {runs:,} runs, 16 connections", spread(rates, "runs/s", 1))
    row(f"the bound beside it: create and {statuses} status writes a run, 16 at a time", spread(bounds, "runs/s", 1))
    reached = max(statistics.median(rates) / 150, statistics.median(ratios))
    row("runs/s as a part of the bound, each pair", spread(ratios, "", 2), 1 - reached, 0, "≥ 150 runs/s or 1.0")
    figure("the operator's CPU per run", [each["engine_cpu_s"] * 1000 / runs for each in posted], "ms", 2)
    for found, name in ((posted, "webhooks"), (bare, "the bound")):
        figure(f"the control plane's CPU per run, {name}", [each["cluster_cpu_s"] * 1000 / runs for each in found], "ms", 1)
    figure("the operator's memory, peak", [each["engine_rss_peak_kib"] / 1024 for each in posted], "MiB", 1)
    latency(posted, "sent_to_answered", "POST → 202 in that load")
    latency(posted, "sent_to_done", "POST → `Succeeded` in that load")


def measure_steps():
    count = quick(3, 10)
    with Hooks() as hooks:
        cluster, namespace = hooks.cluster, hooks.cluster.namespace()
        cluster.apply(namespace, pipelines.chain("pods", CHAIN))
        cluster.apply(namespace, pipelines.http_stages("calls", CHAIN, hooks.target))
        run = cluster.file("run.json", pipelines.run_of("pods"))
        flags = ("--template", run, "--watch", "jobs,pods", "--one-by-one")
        hooks.load(namespace, 2, *flags)  # warm
        hooks.post(namespace, "calls", 2, "--one-by-one")
        quiet()
        pods = [hooks.load(namespace, count, *flags) for _ in repeats()]
        calls = [hooks.post(namespace, "calls", count, "--one-by-one") for _ in repeats()]
    for found, key, what, limit in ((pods, "pod_ended_to_next_job", "pod succeeded → next step's Job", 10),
                                    (pods, "pod_ended_to_next_pod", "pod succeeded → next step's pod", None),
                                    (calls, "call_ended_to_next_call", "HTTP step answered → next step's call", None)):
        latency(found, key, f"chain of {CHAIN} steps, {what}", limit)
