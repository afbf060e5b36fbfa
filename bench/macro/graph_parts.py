"""The parts of bench/macro/run about graphs: HTTP steps started by webhook, and the time between two steps."""
import json
import statistics
import subprocess
import tempfile
import time

import bench_cluster
from bench_cluster import Cluster, free_ports, quiet, row, spread

STAGES = 3
CHAIN = 20


def http_pipeline(name, stages, target):
    """Stages of one call each; a call brings the run's webhook id, and what the one before answered."""
    steps = []
    for i in range(stages):
        body = {"n": "{{ trigger.body.n }}"} if i == 0 else {"before": f"{{{{ steps.s{i - 1:02}.response.status }}}}"}
        call = {"url": f"http://127.0.0.1:{target}/s{i:02}", "headers": [{"name": "X-Run", "value": "{{ trigger.id }}"}], "body": body}
        steps.append({"name": f"s{i:02}", "stage": f"stage{i:02}", "http": call})
    return pipeline(name, {"triggers": [{"type": "webhook"}], "stages": [step["stage"] for step in steps], "steps": steps})


def pod_pipeline(name, steps):
    made = []
    for i in range(steps):
        step = {"name": f"s{i:02}", "container": {"image": "busybox:1", "command": ["true"]}}
        made.append({**step, "dependsOn": [f"s{i - 1:02}"]} if i else step)
    return pipeline(name, {"steps": made})


def pipeline(name, spec):
    return {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": name}, "spec": spec}


class Hooks:
    """A cluster whose operator takes webhooks, a place for the target, and files for load."""

    def __init__(self, **settings):
        self.cluster = Cluster(**settings)

    def __enter__(self):
        cluster = self.cluster.__enter__()
        try:
            self.hook, self.target = free_ports(1), free_ports(1)
            self.start_operator()
            self.namespace = cluster.namespace()
            self.body = self.file("body.json", {"n": "$(NAME)"})
            self.taken = 0
        except BaseException:
            cluster.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.cluster.__exit__(*error)

    def start_operator(self):
        self.cluster.start_operator(http={"allow": ["127.0.0.1"]}, webhook={"address": f"127.0.0.1:{self.hook}"})

    def file(self, name, content):
        path = self.cluster.dir / name
        path.write_text(json.dumps(content))
        return path

    def apply(self, content):
        name = content["metadata"]["name"]
        self.cluster.kubectl("-n", self.namespace, "apply", "-f", self.file(f"{name}-pipeline.json", content))
        self.cluster.kubectl("-n", self.namespace, "wait", "--for=condition=Ready", "--timeout=30s", f"pipeline/{name}")

    def prefix(self):
        self.taken += 1
        return f"r{self.taken}"

    def post(self, pipeline_name, runs, *flags):
        return self.cluster.load("--namespace", self.namespace, "--prefix", self.prefix(), "--mode", "webhook", "--template", self.body,
                                 "--webhook", f"http://127.0.0.1:{self.hook}/webhook/{self.namespace}/{pipeline_name}",
                                 "--target", self.target, "--runs", runs, *flags)

    def run_of(self, pipeline_name):
        """A file with a run, for `create`."""
        return self.file(f"{pipeline_name}-run.json", {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun",
                                                       "metadata": {"name": "$(NAME)"}, "spec": {"refPipeline": pipeline_name}})

    def create(self, run, runs, *flags):
        return self.cluster.load("--namespace", self.namespace, "--prefix", self.prefix(), "--template", run, "--runs", runs, *flags)

    def bare(self, example, runs, *flags):
        """The same writes, by a bare client, with the operator stopped."""
        template, statuses = example
        self.cluster.stop_operator()
        try:
            return self.cluster.load("--namespace", self.namespace, "--prefix", self.prefix(), "--mode", "bare", "--template", template,
                                     "--statuses", statuses, "--runs", runs, *flags)
        finally:
            self.start_operator()

    def example(self, pipeline_name):
        """Files with the object that the gateway creates and each status that the operator writes, of one run that is watched."""
        with tempfile.TemporaryFile("w+") as seen:
            words = ["kubectl", "--kubeconfig", self.cluster.kubeconfig, "-n", self.namespace, "get", "pipelineruns", "--watch-only",
                     "-o", "json"]
            watch = subprocess.Popen(list(map(str, words)), stdout=seen, stderr=subprocess.DEVNULL, env=self.cluster.env)
            time.sleep(2)
            self.post(pipeline_name, 1)
            time.sleep(1)
            watch.terminate()
            watch.wait()
            seen.seek(0)
            objects, text = [], seen.read().strip()
        while text:
            one, end = json.JSONDecoder().raw_decode(text)
            objects.append(one)
            text = text[end:].lstrip()
        made, statuses = objects[0], [each["status"] for each in objects if each.get("status")]
        kept = {key: made["metadata"][key] for key in ("labels", "annotations", "ownerReferences")}
        template = {key: made[key] for key in ("apiVersion", "kind", "spec")}
        return (self.file("bare.json", {**template, "metadata": {"name": "$(NAME)", **kept}}), self.file("statuses.json", statuses),
                len(statuses))


def measure_webhook():
    runs = 200 if bench_cluster.OPTIONS.quick else 1000
    with Hooks(CLUSTER_AUDIT="1") as hooks:
        hooks.apply(http_pipeline("hooks", STAGES, hooks.target))
        hooks.post("hooks", 20)  # makes the revision
        for flags, name in ((["--one-by-one"], "one at a time"), ([], "at once")):
            count = 20 if flags else 200
            calls, events = hooks.cluster.count_calls(hooks.namespace, lambda: hooks.post("hooks", count, *flags))
            report_calls(f"webhook → 3 HTTP stages: API calls per run, {count} {name}", calls, events, count, 4)
        hooks.apply(pod_pipeline("pods", STAGES))
        run = hooks.run_of("pods")
        hooks.create(run, 1)
        calls, events = hooks.cluster.count_calls(hooks.namespace, lambda: hooks.create(run, 100))
        report_calls("graph of 3 container steps: API calls per run, 100 at once", calls, events, 100, 13)
    with Hooks() as hooks:
        hooks.apply(http_pipeline("hooks", STAGES, hooks.target))
        hooks.post("hooks", 100)  # warm
        *example, writes = hooks.example("hooks")
        hooks.bare(example, 100)
        quiet()
        alone = [hooks.post("hooks", 20, "--one-by-one") for _ in range(bench_cluster.OPTIONS.repeats)]
        p50 = [each["latency_ms"]["sent_to_done"]["p50"] for each in alone]
        row("webhook → 3 HTTP stages: one run alone, POST → `Succeeded`, p50 of 20", spread(p50, "ms", 1))
        posted, bare = [], []
        for i in range(bench_cluster.OPTIONS.repeats):
            for found in [posted, bare][::1 if i % 2 else -1]:
                time.sleep(3)
                found.append(hooks.post("hooks", runs) if found is posted else hooks.bare(example, runs))
    report_webhook(runs, writes, posted, bare)


def report_calls(what, calls, events, count, most):
    listed = ", ".join(f"{verb} {number / count:.2f}" for verb, number in sorted(calls.items()))
    per_run = sum(calls.values()) / count
    row(what, f"{per_run:.2f} ({listed}; and {events / count:.2f} events)", per_run, most, f"≤ {most}")


def report_webhook(runs, writes, posted, bare):
    what = f"webhook → 3 HTTP stages, {runs:,} runs, 16 connections"
    rates = [each["runs_per_s"] for each in posted]
    bounds = [each["runs_per_s"] for each in bare]
    ratios = [a / b for a, b in zip(rates, bounds)]
    row(what, spread(rates, "runs/s", 1))
    row(f"the bound beside it: create and {writes} status writes a run, 16 at a time", spread(bounds, "runs/s", 1))
    reached = min(statistics.median(rates) / 150, statistics.median(ratios)) if statistics.median(bounds) < 150 else \
        statistics.median(rates) / 150
    row("runs/s as a part of the bound, each pair", spread(ratios, "", 2), 1 - reached, 0, "≥ 150 runs/s or 1.0")
    cost = [each["engine_cpu_s"] * 1000 / runs for each in posted]
    row("the operator's CPU per run", spread(cost, "ms", 2))
    for found, name in ((posted, "webhooks"), (bare, "the bound")):
        row(f"the control plane's CPU per run, {name}", spread([each["cluster_cpu_s"] * 1000 / runs for each in found], "ms", 1))
    row("the operator's memory, peak", spread([each["engine_rss_peak_kib"] / 1024 for each in posted], "MiB", 1))
    for key, name in (("sent_to_answered", "POST → 202"), ("sent_to_done", "POST → `Succeeded`")):
        p50, p99 = ([each["latency_ms"][key][p] for each in posted] for p in ("p50", "p99"))
        row(f"{name} in that load, p50", f"{spread(p50, 'ms')} (p99 {spread(p99, 'ms')})")


def measure_steps():
    count = 3 if bench_cluster.OPTIONS.quick else 10
    with Hooks() as hooks:
        hooks.apply(pod_pipeline("pods", CHAIN))
        hooks.apply(http_pipeline("calls", CHAIN, hooks.target))
        run = hooks.run_of("pods")
        chain = ["--watch", "jobs,pods", "--one-by-one"]
        hooks.create(run, 2, *chain)  # warm
        hooks.post("calls", 2, "--one-by-one")
        quiet()
        repeats = range(bench_cluster.OPTIONS.repeats)
        pods = [hooks.create(run, count, *chain) for _ in repeats]
        calls = [hooks.post("calls", count, "--one-by-one") for _ in repeats]
    for found, key, what, limit in ((pods, "pod_ended_to_next_job", "pod succeeded → next step's Job", 10),
                                    (pods, "pod_ended_to_next_pod", "pod succeeded → next step's pod", None),
                                    (calls, "call_ended_to_next_call", "HTTP step answered → next step's call", None)):
        p50, p99 = ([each["latency_ms"][key][p] for each in found] for p in ("p50", "p99"))
        row(f"chain of {CHAIN} steps, {what}, p50", f"{spread(p50, 'ms', 1)} (p99 {spread(p99, 'ms', 1)})", statistics.median(p50),
            limit, limit and f"< {limit} ms")
