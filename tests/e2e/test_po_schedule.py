"""Schedules (pipeline-operator items PO-4, PO-5, PO-6, PO-13, PO-15, and the tick ledger) in real time, on simulated pods."""
import datetime
import re
import subprocess
import time

import pytest

from harness.kube import GC_TIME, condition_of
from harness.objects import API, now, owner, parse_time, pipeline, self_as_owner, stream

FAR = "0 0 1 1 *"  # fires at New Year only


@pytest.fixture
def operator(kube, start_operator):
    return start_operator(kube)


def scheduled(name="p", cron="@every 1s", *, outcome=None, delay=None, **strategy):
    return pipeline(name, outcome=outcome, delay=delay, strategy={"cronExpression": cron, **strategy})


def tick_of(item):
    """When a run was due."""
    return datetime.datetime.fromtimestamp(int(item["metadata"]["labels"]["millrace.dev/tick"]), datetime.timezone.utc)


def runs_of(kube, name):
    return sorted(kube.list("pipelinerun", f"pipeline={name}"), key=tick_of)


def wait_runs(kube, name, count, timeout=30.0):
    """At least so many runs of the pipeline, in the order of their ticks."""
    return sorted(kube.wait_list("pipelinerun", f"pipeline={name}", lambda found: len(found) >= count, f"{count} runs", timeout),
                  key=tick_of)


def ledger(item):
    """The schedule's record of its ticks, oldest first."""
    return item.get("status", {}).get("schedule", {}).get("ticks", [])


def wait_ledger(kube, name, test, what, timeout=30.0):
    return ledger(kube.wait("pipeline", name, lambda item: test(ledger(item)), what, timeout))


def wait_schedule(kube, name, timeout=30.0):
    """The pipeline once its schedule is registered and its next tick known."""
    return kube.wait("pipeline", name, lambda item: item.get("status", {}).get("schedule", {}).get("nextTick"), "its next tick", timeout)


def wait_until(moment):
    """Lets the clock pass a moment that ticks depend on: time itself is what is tested here."""
    while (left := (moment - now()).total_seconds()) > 0:
        time.sleep(min(left, 0.2))


def preview(millrace, *words):
    done = subprocess.run([millrace, "schedule", "preview", *words], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_PO_4_five_fields_fire_at_minutes_0_and_5(kube, operator, millrace):
    kube.apply(scheduled(cron="0/5 * * * *"))
    status = wait_schedule(kube, "p")["status"]["schedule"]
    begun = parse_time(status["anchor"])
    want = begun.replace(minute=begun.minute // 5 * 5, second=0, microsecond=0) + datetime.timedelta(minutes=5)
    assert parse_time(status["nextTick"]) == want
    assert status["expression"] == "0/5 * * * *"
    assert preview(millrace, "0/5 * * * *", "--from", "2026-03-01T10:58:30Z", "--count", "3") == [
        "2026-03-01T11:00:00Z", "2026-03-01T11:05:00Z", "2026-03-01T11:10:00Z"]


def test_a_graph_has_a_schedule(kube, operator):
    kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "p"},
                "spec": {"steps": [{"name": "a", "wait": {"duration": "1s"}}], "strategy": {"cronExpression": "@every 1s"}}})
    for run in wait_runs(kube, "p", 2)[:2]:
        kube.wait_condition("pipelinerun", run["metadata"]["name"], "Succeeded")


def test_PO_4_six_fields_never_fire_and_are_reported(crds):
    said = crds.refused(scheduled(cron="0 0/5 * * * *"))
    assert "spec.strategy.cronExpression" in said and "five fields" in said


def test_PO_4_a_field_out_of_range_is_reported_and_stops_nothing(kube, operator):
    kube.apply([scheduled("wrong", "61 * * * *"), scheduled("right")])
    told = kube.wait_condition("pipeline", "wrong", "Ready", "False")
    assert "spec.strategy.cronExpression" in condition_of(told, "Ready")["message"]
    wait_runs(kube, "right", 2)
    assert not runs_of(kube, "wrong")


@pytest.mark.slow
def test_PO_4_a_five_field_expression_fires_at_the_minute(kube, operator):
    kube.apply(scheduled(cron="* * * * *"))
    [first] = wait_runs(kube, "p", 1, timeout=90)
    assert tick_of(first).second == 0
    late = parse_time(first["metadata"]["creationTimestamp"]) - tick_of(first)
    assert datetime.timedelta(0) <= late < datetime.timedelta(seconds=3)


def test_PO_5_a_tick_makes_a_run_of_the_pipeline(kube, operator):
    kube.apply(scheduled("feed", "@every 2s"))
    first, second = wait_runs(kube, "feed", 2)[:2]
    parent = kube.get("pipeline", "feed")
    for item in (first, second):
        assert re.fullmatch(r"feed-run-[0-9a-f]{8}", item["metadata"]["name"])
        assert item["metadata"]["name"] == f"feed-run-{int(tick_of(item).timestamp()):08x}", "the name follows from the tick"
        assert item["metadata"]["labels"]["pipeline"] == "feed"
        assert owner(item) == self_as_owner(parent)
        assert item["spec"]["refPipeline"] == "feed"
        assert "timeout" not in item["spec"] and item["spec"].get("maxRetryCount", 0) == 0
        # Other than the old system: no finalizer, deletion cascades by owners alone.
        assert "finalizers" not in item["metadata"]
        kube.wait_run(item["metadata"]["name"])
    assert tick_of(second) - tick_of(first) == datetime.timedelta(seconds=2)


def test_PO_5_each_tick_is_on_record(kube, operator):
    kube.apply(scheduled())
    wait_runs(kube, "p", 3)
    lines = wait_ledger(kube, "p", lambda lines: sum(line["outcome"] == "Created" for line in lines) >= 3, "three ticks recorded")
    created = [line for line in lines if line["outcome"] == "Created"]
    by_name = {item["metadata"]["name"]: item for item in runs_of(kube, "p")}
    for line in created:
        assert by_name[line["run"]]["metadata"]["uid"] == line["uid"]
        assert tick_of(by_name[line["run"]]) == parse_time(line["time"])
    times = [parse_time(line["time"]) for line in lines]
    assert times == sorted(set(times))


def test_PO_6_nothing_fires_from_expire_on(kube, operator):
    end = (now() + datetime.timedelta(seconds=5)).replace(microsecond=0)
    kube.apply(scheduled(expire=end.strftime("%Y-%m-%d %H:%M:%S")))
    wait_runs(kube, "p", 2)
    wait_until(end)
    kube.wait("pipeline", "p", lambda item: not item["status"]["schedule"].get("nextTick"), "no next tick")
    kube.apply(scheduled("witness"))  # time enough for two more ticks, had there been any
    wait_runs(kube, "witness", 2)
    assert all(tick_of(item) < end for item in runs_of(kube, "p"))


def test_PO_13_a_stream_with_a_cron_expression_makes_no_run(kube, operator):
    kube.apply([stream(strategy={"cronExpression": "@every 1s", "expire": ""}), scheduled("witness")])
    kube.wait_condition("pipeline", "s", "Ready")
    wait_runs(kube, "witness", 3)
    assert not kube.list("pipelinerun", "pipeline=s")
    assert not kube.get("pipeline", "s")["status"].get("schedule", {}).get("nextTick")
    assert not kube.list("deployment")


def test_PO_15_an_edit_takes_effect_at_once_and_fires_nothing_of_the_past(kube, operator):
    kube.apply(scheduled(cron=FAR))
    wait_schedule(kube, "p")
    edited = now().replace(microsecond=0)
    kube.apply(scheduled(cron="@every 2s"))
    first, second = wait_runs(kube, "p", 2)[:2]
    assert tick_of(first) > edited and tick_of(second) - tick_of(first) == datetime.timedelta(seconds=2)
    kube.apply(scheduled(cron=FAR))
    kube.wait("pipeline", "p", lambda item: item["status"]["schedule"]["expression"] == FAR, "the edit")
    before = len(runs_of(kube, "p"))
    kube.apply(scheduled("witness"))
    wait_runs(kube, "witness", 3)
    assert len(runs_of(kube, "p")) == before
    # A pipeline that loses its expression has no schedule any more.
    kube.apply(pipeline("p"))
    kube.wait("pipeline", "p", lambda item: not item["status"].get("schedule", {}).get("nextTick"), "no schedule")


def test_PO_15_deleting_the_pipeline_stops_its_schedule(kube, operator):
    kube.apply([scheduled(), scheduled("witness")])
    wait_runs(kube, "p", 1)
    kube.delete("pipeline", "p", "--wait=false")
    kube.wait_gone("pipeline", "p")
    kube.wait_list("pipelinerun", "pipeline=p", lambda found: not found, "its runs gone too", GC_TIME)
    seen = len(runs_of(kube, "witness"))
    wait_runs(kube, "witness", seen + 2)
    assert not runs_of(kube, "p")


def test_a_suspended_schedule_makes_no_run_until_it_is_resumed(kube, operator):
    kube.apply([scheduled(suspend=True), scheduled("witness")])
    wait_runs(kube, "witness", 3)
    assert not runs_of(kube, "p")
    resumed = now().replace(microsecond=0)
    kube.patch("pipeline", "p", {"spec": {"strategy": {"suspend": False}}})
    [first, *_] = wait_runs(kube, "p", 1)
    assert tick_of(first) >= resumed, "ticks of the suspended time are not made up for"
    assert not any(line["outcome"] == "Created" and parse_time(line["time"]) < resumed for line in ledger(kube.get("pipeline", "p")))


def test_forbid_skips_a_tick_while_a_run_goes_on(kube, operator):
    kube.apply(scheduled(outcome="hang", concurrencyPolicy="Forbid"))
    [first] = wait_runs(kube, "p", 1)
    lines = wait_ledger(kube, "p", lambda lines: any(line["outcome"] == "Skipped" and (line.get("count", 1) >= 2 or len(lines) > 2)
                                                     for line in lines), "two ticks skipped")
    assert {line["reason"] for line in lines if line["outcome"] == "Skipped"} == {"PreviousRunActive"}
    assert len(runs_of(kube, "p")) == 1
    kube.patch("pipelinerun", first["metadata"]["name"], {"spec": {"cancel": True}})
    wait_runs(kube, "p", 2)


def test_replace_cancels_the_run_before(kube, operator):
    kube.apply(scheduled(cron="@every 2s", outcome="hang", concurrencyPolicy="Replace"))
    first, second = wait_runs(kube, "p", 2)[:2]
    ended = kube.wait_completed(first["metadata"]["name"])
    assert condition_of(ended, "Cancelled")["status"] == "True"
    assert second["metadata"]["name"] != first["metadata"]["name"]


def test_allow_runs_side_by_side(kube, operator):
    kube.apply(scheduled(outcome="hang"))
    names = [item["metadata"]["name"] for item in wait_runs(kube, "p", 2)[:2]]
    kube.wait_list("pod", "pipeline=p", lambda found: {pod["metadata"]["labels"]["pipeline-run"] for pod in found} >= set(names), "both at work")


def test_old_runs_are_deleted_beyond_the_history_limits(kube, operator):
    kube.apply([scheduled("good", successfulRunsHistoryLimit=2), scheduled("bad", outcome="fail:1", failedRunsHistoryLimit=1),
                scheduled("all")])
    made = {name: wait_runs(kube, name, 1)[0]["metadata"]["name"] for name in ("good", "bad", "all")}
    wait_runs(kube, "all", 5)
    kube.wait_gone("pipelinerun", made["good"])
    kube.wait_gone("pipelinerun", made["bad"])
    assert kube.get("pipelinerun", made["all"]), "without a limit all are kept"

    def ended(items, how):
        return [item for item in items if (condition_of(item, "Succeeded") or {}).get("status") == how]

    for name, limit, how in (("good", 2, "True"), ("bad", 1, "False")):
        kube.patch("pipeline", name, {"spec": {"strategy": {"suspend": True}}})
        kube.wait_list("pipelinerun", f"pipeline={name}", lambda found: len(found) == len(ended(found, how)) == limit, f"{limit} {name} ones left")


def test_ticks_missed_while_the_operator_was_away(kube, operator):
    away = {"cron": "@every 2s"}
    kube.apply([scheduled("everything", catchUp="All", **away), scheduled("few", catchUp="All", catchUpLimit=2, **away),
                scheduled("latest", catchUp="Last", **away), scheduled("nothing", catchUp="None", startingDeadline="500ms", **away)])
    names = ("everything", "few", "latest", "nothing")
    for name in names:
        wait_runs(kube, name, 1)
    operator.stop()
    before = {name: runs_of(kube, name) for name in names}
    gone = now()
    wait_until(gone + datetime.timedelta(seconds=9))
    operator.start()
    back = now()

    def missed(name):
        """Ticks between the stop and the start that got a run after all."""
        known = {item["metadata"]["name"] for item in before[name]}
        return [tick_of(item) for item in runs_of(kube, name)
                if item["metadata"]["name"] not in known and tick_of(item) < back - datetime.timedelta(seconds=1)]

    for name in names:  # the first tick after the start: by then the past is settled
        kube.wait_list("pipelinerun", f"pipeline={name}", lambda found: any(tick_of(item) > back for item in found), f"{name}: a new tick")
    last = {name: tick_of(before[name][-1]) for name in names}
    due = int((back - datetime.timedelta(seconds=1) - last["everything"]).total_seconds() // 2)
    assert due >= 3
    assert len(missed("everything")) in (due, due - 1, due + 1) and missed("everything") == sorted(set(missed("everything")))
    assert 1 <= len(missed("few")) <= 2
    assert len(missed("latest")) <= 1
    assert not missed("nothing")
    reasons = {line.get("reason") for line in ledger(kube.get("pipeline", "few"))}
    assert "TooManyMissed" in reasons
    assert "CatchUpLast" in {line.get("reason") for line in ledger(kube.get("pipeline", "latest"))}
    assert {"DeadlineMissed", "CatchUpNone"} & {line.get("reason") for line in ledger(kube.get("pipeline", "nothing"))}


def test_a_restart_forgets_no_tick_and_repeats_none(kube, operator):
    kube.apply(scheduled())
    for _ in range(3):
        seen = len(runs_of(kube, "p"))
        wait_runs(kube, "p", seen + 1)
        operator.kill()
        operator.start()
    wait_runs(kube, "p", len(runs_of(kube, "p")) + 1)
    ticks = [tick_of(item) for item in runs_of(kube, "p")]
    assert len(ticks) == len(set(ticks))
    lines = wait_ledger(kube, "p", lambda lines: all(line["outcome"] != "Claimed" for line in lines[:-1]), "no tick forgotten")
    times = [parse_time(line["time"]) for line in lines]
    assert times == sorted(set(times))


def test_time_zones_are_those_of_the_expression(kube, operator, millrace):
    kube.apply([scheduled("berlin", "30 2 * * *", timeZone="Europe/Berlin"), scheduled("mars", timeZone="Mars/Olympus")])
    told = kube.wait_condition("pipeline", "mars", "Ready", "False")
    assert "spec.strategy.timeZone" in condition_of(told, "Ready")["message"]
    following = wait_schedule(kube, "berlin")["status"]["schedule"]["nextTick"]
    [line] = preview(millrace, "30 2 * * *", "--time-zone", "Europe/Berlin", "--count", "1")
    assert parse_time(line) == parse_time(following)
    assert not runs_of(kube, "mars")


def test_used_runs_and_idleness_are_told(kube, operator):
    kube.apply(scheduled(cron=FAR, outcome="hang"))
    kube.wait("pipeline", "p", lambda item: item.get("status", {}).get("idle") is True, "idle")
    kube.apply({"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "by-hand"}, "spec": {"refPipeline": "p"}})
    busy = kube.wait("pipeline", "p", lambda item: item["status"].get("idle") is False, "busy", timeout=40)
    assert {"namespace": kube.namespace, "pipelineRun": "by-hand"} in busy["status"]["usedPipelineRun"]
    kube.patch("pipelinerun", "by-hand", {"spec": {"cancel": True}})
    kube.wait("pipeline", "p", lambda item: item["status"].get("idle") is True, "idle again", timeout=40)
