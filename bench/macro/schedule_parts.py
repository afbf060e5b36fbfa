"""The part of bench/macro/run about schedules that fire in the same minute."""
import json
import time

import pipelines
from bench_cluster import Cluster
from measurements import latency, quick, quiet, row, say


def scheduled(due):
    """A template: a batch pipeline that fires at that time only."""
    pipeline = pipelines.batch("$(NAME)")
    at = time.gmtime(due)
    pipeline["spec"]["strategy"] = {"cronExpression": f"{at.tm_min} {at.tm_hour} {at.tm_mday} {at.tm_mon} *"}
    return pipeline


def measure_schedules():
    count = quick(100, 1000)
    with Cluster() as cluster:
        cluster.start_operator()
        namespace = cluster.namespace()
        quiet()
        due = (int(time.time()) + quick(25, 90)) // 60 * 60 + 60
        made = cluster.load("--namespace", namespace, "--prefix", "tick", "--template", cluster.file("tick.json", scheduled(due)), "--runs",
                            count, "--resource", "millrace.dev/v1/pipelines/Pipeline", "--success", "Ready=True", "--failure", "phase=Never")
        left = due - time.time()
        say(f"{count:,} pipelines ready in {made['wall_s']:.1f} s; they fire in {left:.0f} s")
        if left < 3:
            raise RuntimeError(f"{count} pipelines were ready too late for their tick, by {-left:.0f} s")
        suffix = f"-run-{due:08x}"
        found = cluster.load("--namespace", namespace, "--mode", "await", "--due", due, "--prefix", "tick", "--suffix", suffix, "--runs", count)
        time.sleep(quick(5, 30))  # a second run of a tick would come late
        names = cluster.kubectl("-n", namespace, "get", "pipelineruns", "-o", "name").split()
        ledger = json.loads(cluster.kubectl("-n", namespace, "get", "pipelines", "-o", "json"))["items"]
    ticks = [tick for each in ledger for tick in each["status"].get("schedule", {}).get("ticks", [])]
    fired = [name for name in names if name.endswith(suffix)]
    wrong = abs(count - len(set(fired))) + len(names) - len(fired) + abs(count - sum(1 for each in ticks if each["outcome"] == "Created"))
    row(f"{count:,} schedules in one minute: ticks with a run; runs in all; ledger lines `Created`",
        f"{len(set(fired)):,}; {len(names):,}; {sum(1 for each in ticks if each['outcome'] == 'Created'):,}", wrong, 0, f"{count:,} each")
    what = f"{count:,} schedules in one minute"
    latency([found], "sent_to_seen", f"{what}: lateness (tick → run seen)", None, 2000)
    latency([found], "sent_to_done", f"{what}: tick → `Succeeded`")
