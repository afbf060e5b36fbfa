"""Graphs of steps, as a user writes them: conditions, outputs, matrices, retries, approvals, child runs, objects, queues."""
import json
import signal
import subprocess
import time

import pytest

from harness import LocalCluster
from harness.killer import Killer
from harness.kube import KubectlError, condition_of
from harness.objects import API, owner, parse_time, run, self_as_owner, shell, step_states
from harness.web import Answer, Web


@pytest.fixture
def engine(kube, start_operator):
    """A started operator that may call loopback."""
    return start_operator(kube, config={"http": {"allow": ["127.0.0.0/8"]}})


def graph(steps, name="g", **spec):
    return {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": name}, "spec": {"steps": steps, **spec}}


def call(name, url, after=(), body=None, **fields):
    """An HTTP step: POST with that body."""
    http = {"url": url, "method": "POST", **({} if body is None else {"body": body})}
    return {"name": name, "dependsOn": list(after), "http": http, **fields}


def script(name, text, after=(), **fields):
    """A container step of a shell script."""
    container = shell(name, text)
    del container["name"]
    return {"name": name, "dependsOn": list(after), "container": container, **fields}


def apply(kube, *items):
    kube.apply(list(items))
    for item in items:
        if item["kind"] == "Pipeline":
            kube.wait_condition("pipeline", item["metadata"]["name"], "Ready")


def start(kube, item, name="r", **spec):
    apply(kube, item)
    kube.create(run(name, item["metadata"]["name"], **spec))
    return name


def step(item, name):
    return next(each for each in item["status"]["stepStates"] if each["name"] == name)


def said(item):
    return condition_of(item, "Succeeded")["message"]


def millrace_of(millrace, kube):
    def call_it(*words, code=0):
        done = subprocess.run([millrace, *words, "-n", kube.namespace], capture_output=True, text=True, timeout=60, env=kube.cluster.environment())
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout
    return call_it


# --- order ---


def test_steps_run_in_the_order_of_their_dependencies_and_once(kube, engine, web):
    url = {name: f"{web.url}/{name}" for name in "abcde"}
    name = start(kube, graph([call("e", url["e"], ["d", "c"]), call("c", url["c"], ["a"]), call("d", url["d"], ["b", "a"]), call("b", url["b"]),
                              call("a", url["a"])]))
    done = kube.wait_completed(name, "Succeeded")
    assert done["status"]["steps"] == "5/5" and set(step_states(done).values()) == {"Succeeded"}
    at = {path: web.seen(f"/{path}")[0].begun for path in "abcde"}
    assert all(at[first] < at[then] for first, then in ("ac", "ad", "bd", "de", "ce"))
    assert [web.count(f"/{path}") for path in "abcde"] == [1] * 5


def test_stages_wait_for_each_other_and_parallelism_limits_a_run(kube, engine, web):
    web.answer("/x", by=lambda _: Answer(body={}, delay=0.2))
    name = start(kube, graph([{"stage": "two", **call(f"b{i}", f"{web.url}/x?two")} for i in range(3)] +
                             [{"stage": "one", **call(f"a{i}", f"{web.url}/x?one")} for i in range(4)], stages=["one", "two"], parallelism=2))
    kube.wait_completed(name, "Succeeded")
    seen = web.seen("/x")
    assert [each.path.partition("?")[2] for each in seen] == ["one"] * 4 + ["two"] * 3
    assert max(sum(1 for other in seen if other.begun <= each.begun < other.ended) for each in seen) == 2


def test_a_failed_step_skips_what_depends_on_it_then_on_error_then_finally(kube, engine, web):
    web.answer("/bad", 404, {})
    name = start(kube, graph(
        [call("bad", f"{web.url}/bad"), call("never", f"{web.url}/never", ["bad"]), call("after", f"{web.url}/after", ["never"]),
         call("free", f"{web.url}/free"), call("more", f"{web.url}/more", ["free"])],
        onError=[call("alarm", f"{web.url}/alarm", body={"failed": "{{ run.failedSteps | join(',') }}", "why": "{{ steps.bad.status }}"})],
        **{"finally": [call("last", f"{web.url}/last", body={"ended": "{{ run.status }}"})]}))
    done = kube.wait_completed(name, "StepFailed")
    assert step_states(done) == {"bad": "Failed", "never": "Skipped", "after": "Skipped", "free": "Succeeded", "more": "Succeeded",
                                 "alarm": "Succeeded", "last": "Succeeded"}
    assert "bad" in said(done) and "404" in said(done)
    [alarm], [last] = web.seen("/alarm"), web.seen("/last")
    assert alarm.json() == {"failed": "bad", "why": "Failed"} and last.json() == {"ended": "Failed"}
    assert web.seen("/more")[0].begun < alarm.begun < last.begun
    assert web.count("/never") == web.count("/after") == 0


def test_on_error_stays_out_of_a_success_and_finally_does_not(kube, engine, web):
    name = start(kube, graph([call("a", f"{web.url}/a")], onError=[call("alarm", f"{web.url}/alarm")],
                             **{"finally": [call("last", f"{web.url}/last")]}))
    done = kube.wait_completed(name, "Succeeded")
    assert step_states(done)["alarm"] == "Skipped" and web.count("/alarm") == 0 and web.count("/last") == 1


def test_continue_on_error_lets_the_run_succeed(kube, engine, web):
    web.answer("/bad", 400, {})
    name = start(kube, graph([call("bad", f"{web.url}/bad", continueOnError=True), call("next", f"{web.url}/next", ["bad"],
                                                                                     {"was": "{{ steps.bad.status }}"})]))
    done = kube.wait_completed(name, "Succeeded")
    assert step_states(done) == {"bad": "Failed", "next": "Succeeded"} and web.seen("/next")[0].json() == {"was": "Failed"}


# --- values ---


def test_outputs_keep_their_types_between_steps(kube, engine, web):
    web.answer("/a", body={"n": 3, "list": [1, {"x": None}], "text": "{{ params.p }} \" \\ \n"}, headers={"X-Tag": "v1"})
    name = start(kube, graph([
        call("a", f"{web.url}/a", outputs={"n": "response.body.n", "double": "{{ response.body.n * 2 }}", "tag": "response.headers.x-tag"}),
        call("b", f"{web.url}/b", ["a"], {"n": "{{ steps.a.outputs.n }}", "sum": "{{ steps.a.outputs.double + params.p }}", "list": "{{ steps.a.response.body.list }}",
                                          "text": "{{ steps.a.response.body.text }}", "joined": "<{{ steps.a.outputs.n }}|{{ run.name }}>",
                                          "tag": "{{ steps.a.outputs.tag }}"})],
        params=[{"name": "p", "type": "integer", "default": 4}]))
    done = kube.wait_completed(name, "Succeeded")
    assert web.seen("/b")[0].json() == {"n": 3, "sum": 10, "list": [1, {"x": None}], "text": "{{ params.p }} \" \\ \n", "joined": "<3|r>", "tag": "v1"}
    assert step(done, "a")["outputs"] == {"n": 3, "double": 6, "tag": "v1"}
    assert done["status"]["params"] == {"p": 4}


def test_containers_hand_values_on_by_file_and_as_json(real_kube, start_operator, web):
    start_operator(real_kube, config={"http": {"allow": ["127.0.0.0/8"]}})
    name = start(real_kube, graph([
        script("lines", "echo rows=42 > \"$MILLRACE_OUTPUTS\"; echo name=a=b >> \"$MILLRACE_OUTPUTS\""),
        script("json", "printf '{\"list\": [1, 2], \"n\": %s}' '{{ steps.lines.outputs.rows }}' > \"$MILLRACE_OUTPUTS\"", ["lines"]),
        {"name": "several", "containers": [shell("one", "echo first=1 > \"$MILLRACE_OUTPUTS\"; echo shared > note"),
                                           shell("two", "echo second=$(cat note) > \"$MILLRACE_OUTPUTS\"")]},
        script("never", "exit 1", ["json"], when="steps.json.outputs.n < 42"),
        call("tell", f"{web.url}/tell", ["json", "several", "never"], {
            "rows": "{{ steps.lines.outputs.rows }}", "name": "{{ steps.lines.outputs.name }}", "json": "{{ steps.json.outputs }}",
            "several": "{{ steps.several.outputs }}", "never": "{{ steps.never.status }}"})]))
    done = real_kube.wait_completed(name, "Succeeded", timeout=120)
    assert web.seen("/tell")[0].json() == {"rows": "42", "name": "a=b", "json": {"list": [1, 2], "n": 42},
                                           "several": {"first": "1", "second": "shared"}, "never": "Skipped"}
    jobs = real_kube.list("job", f"pipeline-run={name}")
    assert len(jobs) == 3 and all(owner(each) == self_as_owner(done) for each in jobs)


def test_a_false_condition_skips_a_step_and_those_after_it_go_on(kube, engine, web):
    web.answer("/a", body={"go": False})
    name = start(kube, graph([call("a", f"{web.url}/a"), call("b", f"{web.url}/b", ["a"], when="{{ steps.a.response.body.go }}", outputs={"x": "response.status"}),
                              call("c", f"{web.url}/c", ["b"], {"b": "{{ steps.b.outputs.x | default('none') }}"}),
                              call("d", f"{web.url}/d", ["a"], when="params.mode in ['x', 'y'] && !steps.a.response.body.go")],
                             params=[{"name": "mode", "enum": ["x", "y", "z"]}]), params={"mode": "y"})
    done = kube.wait_completed(name, "Succeeded")
    assert step_states(done) == {"a": "Succeeded", "b": "Skipped", "c": "Succeeded", "d": "Succeeded"}
    assert step(done, "b")["reason"] == "WhenFalse" and web.count("/b") == 0 and web.seen("/c")[0].json() == {"b": "none"}


def test_a_path_that_is_not_there_fails_the_step_and_is_named(kube, engine, web):
    web.answer("/a", body={"k": "secret-value"})
    name = start(kube, graph([call("a", f"{web.url}/a"), call("b", f"{web.url}/b", ["a"], {"v": "{{ steps.a.response.body.no.such }}"})]))
    done = kube.wait_completed(name, "StepFailed")
    assert step(done, "b")["reason"] == "ExpressionError" and "steps.a.response.body.no" in said(done)
    assert "secret-value" not in said(done) and web.count("/b") == 0


@pytest.mark.parametrize("steps, words", [
    ([{"name": "a", "dependsOn": ["c"]}, {"name": "b", "dependsOn": ["a"]}, {"name": "c", "dependsOn": ["b"]}], ["spec.steps[0].dependsOn", "a", "b", "c"]),
    ([{"name": "fetch"}, {"name": "b", "dependsOn": ["fetsh"]}], ["spec.steps[1].dependsOn", "fetsh", "fetch"]),
    ([{"name": "a"}, {"name": "a"}], ["spec.steps[1]", "uplicate"]),
    ([{"name": "a"}, {"name": "b", "when": "steps.a.status == 'Succeeded'"}], ["spec.steps[1].when", "steps.a"]),
    ([{"name": "a", "when": "params.none == 1"}], ["spec.steps[0].when", "params.none"]),
    ([{"name": "a", "when": "1 +"}], ["spec.steps[0].when"]),
    ([{"name": "a", "timeout": "soon"}], ["timeout"]),
    ([{"name": "a", "http": {"url": "gopher://x/"}}], ["spec.steps[0].http.url"]),
], ids=["cycle", "unknown", "twice", "no-ancestor", "no-param", "syntax", "duration", "url"])
def test_mistakes_are_told_when_applied_with_their_place(kube, engine, steps, words):
    item = graph([{"http": {"url": "http://x.test/"}, **each} for each in steps])
    try:
        kube.apply(item)
        message = condition_of(kube.wait_condition("pipeline", "g", "Ready", "False", timeout=5), "Ready")["message"]
    except KubectlError as error:
        message = error.stderr
    assert all(word in message for word in words), message


@pytest.mark.parametrize("params, words", [({}, "env"), ({"env": "moon"}, "env"), ({"env": "test", "other": 1}, "other"),
                                           ({"env": "test", "n": "many"}, "n"), ({"env": "test", "tag": "x1"}, "tag")],
                         ids=["missing", "enum", "unknown", "type", "pattern"])
def test_params_that_do_not_fit_end_the_run_at_once(kube, engine, web, params, words):
    name = start(kube, graph([call("a", f"{web.url}/a")], params=[{"name": "env", "enum": ["test", "prod"]}, {"name": "n", "type": "integer", "default": 1},
                                                                  {"name": "tag", "pattern": r"v\d+", "default": "v1"}]), params=params)
    done = kube.wait_completed(name, "ParamsInvalid")
    assert words in said(done) and web.count() == 0


def test_a_step_over_lists_runs_every_combination(kube, engine, web):
    web.answer("/m", by=lambda seen: Answer(body={"got": "{region}-{n}".format(**seen.json())}, delay=0.1))
    name = start(kube, graph([
        call("m", f"{web.url}/m", body={"region": "{{ matrix.region }}", "n": "{{ matrix.n }}"}, outputs={"got": "response.body.got"},
             matrix={"params": {"region": ["eu", "us"], "n": "{{ params.numbers }}"}, "maxParallel": 2}),
        call("all", f"{web.url}/all", ["m"], {"got": "{{ steps.m.outputs.got | sort }}"})], params=[{"name": "numbers", "type": "list", "default": [1, 2]}]))
    done = kube.wait_completed(name, "Succeeded")
    assert web.seen("/all")[0].json() == {"got": ["eu-1", "eu-2", "us-1", "us-2"]}
    seen = web.seen("/m")
    assert len(seen) == 4 and max(sum(1 for other in seen if other.begun <= each.begun < other.ended) for each in seen) <= 2
    assert step(done, "m.0")["of"] == "m" and set(step(done, "m.0")["matrix"]) == {"region", "n"}


def test_a_failed_combination_stops_those_not_begun(kube, engine, web):
    web.answer("/m", by=lambda seen: Answer(404 if seen.json() == {"n": 1} else 200, {}))
    name = start(kube, graph([call("m", f"{web.url}/m", body={"n": "{{ matrix.n }}"}, matrix={"params": {"n": [1, 2, 3]}, "maxParallel": 1})]))
    kube.wait_completed(name, "StepFailed")
    assert web.count("/m") == 1


# --- attempts and time ---


def test_a_retry_waits_its_backoff_and_keeps_to_its_causes(kube, engine, web):
    for status in (503, 503, 200):
        web.answer("/flaky", status, {})
    web.answer("/wrong", 404, {})
    policy = {"limit": 3, "backoff": {"initial": "1s", "factor": 1}, "on": ["Infrastructure"]}
    name = start(kube, graph([call("flaky", f"{web.url}/flaky", retry=policy), call("wrong", f"{web.url}/wrong", retry=policy)]))
    done = kube.wait_completed(name, "StepFailed")
    assert step(done, "flaky")["state"] == "Succeeded" and step(done, "flaky")["attempt"] == 3
    begun = [each.begun for each in web.seen("/flaky")]
    assert len(begun) == 3 and all(0.99 < then - first < 4 for first, then in zip(begun, begun[1:]))
    keys = [each.headers["idempotency-key"] for each in web.seen("/flaky")]
    assert len(set(keys)) == 3  # one for each attempt
    assert step(done, "wrong")["attempt"] == 1 and web.count("/wrong") == 1


def test_a_container_step_is_tried_again_as_another_job(kube, engine):
    item = graph([{"name": "a", "container": {"image": "busybox:1"}, "retry": {"limit": 2, "backoff": {"initial": "1s"}}}])
    item["metadata"]["annotations"] = {"test.millrace.dev/outcome-attempt-1": "fail:4"}
    name = start(kube, item)
    done = kube.wait_completed(name, "Succeeded")
    assert step(done, "a")["attempt"] == 2
    jobs = kube.list("job", f"pipeline-run={name}")
    assert sorted(each["metadata"]["labels"]["millrace.dev/attempt"] for each in jobs) == ["1", "2"]
    [first] = done["status"]["retryStatus"]["historyBuild"]
    assert first["step"] == "a" and first["attempt"] == 1


def test_a_step_that_takes_too_long_is_stopped(kube, engine, web):
    item = graph([{"name": "slow", "timeout": "1s", "container": {"image": "busybox:1"}}])
    item["metadata"]["annotations"] = {"test.millrace.dev/outcome": "hang"}
    done = kube.wait_completed(start(kube, item), "StepFailed")
    assert step(done, "slow")["reason"] == "StepTimeout"


def test_a_pause_is_never_shorter(kube, engine):
    done = kube.wait_completed(start(kube, graph([{"name": "w", "wait": {"duration": "{{ params.s }}s"}}], params=[{"name": "s", "type": "integer", "default": 2}])),
                               "Succeeded")
    took = parse_time(done["status"]["completionTime"]) - parse_time(done["status"]["startTime"])
    assert 1 <= took.total_seconds() <= 5


def test_cancel_stops_the_steps_and_finally_still_runs(kube, engine, web, hold):
    web.answer("/slow", hold=hold)
    name = start(kube, graph([call("slow", f"{web.url}/slow"), call("next", f"{web.url}/next", ["slow"])],
                             **{"finally": [call("last", f"{web.url}/last", body={"ended": "{{ run.status }}"})]}))
    web.wait("/slow")
    kube.patch("pipelinerun", name, {"spec": {"cancel": True}})
    done = kube.wait_completed(name, "Cancelled")
    assert condition_of(done, "Cancelled")["status"] == "True"
    assert web.count("/next") == 0 and [each.json() for each in web.seen("/last")] == [{"ended": "Cancelled"}]


# --- people, children, objects ---


def test_an_approval_by_patch_lets_the_run_go_on(kube, engine, web):
    name = start(kube, graph([{"name": "agree", "approval": {"message": "Deploy {{ params.v }}?", "approvers": ["alice", "group:ops"]}},
                              call("b", f"{web.url}/b", ["agree"], {"by": "{{ steps.agree.outputs.by }}"})], params=[{"name": "v", "default": "1.2"}]))
    kube.wait_condition("pipelinerun", name, "Succeeded", "Unknown", "Approval")
    assert "Deploy 1.2?" in json.dumps(step(kube.get("pipelinerun", name), "agree"))
    kube.patch("pipelinerun", name, {"spec": {"approvals": [{"step": "agree", "decision": "Approve", "by": "mallory"}]}})
    kube.wait("pipelinerun", name, lambda item: "mallory" in json.dumps(step(item, "agree")), "mallory's decision refused")
    assert web.count("/b") == 0
    kube.patch("pipelinerun", name, {"spec": {"approvals": [{"step": "agree", "decision": "Approve", "by": "alice"}]}})
    kube.wait_completed(name, "Succeeded")
    assert web.seen("/b")[0].json() == {"by": "alice"}


@pytest.mark.parametrize("flags, reason", [([], "Succeeded"), (["--reject", "--comment", "not on Fridays"], "StepFailed")], ids=["approve", "reject"])
def test_an_approval_by_command(kube, engine, millrace, flags, reason):
    name = start(kube, graph([{"name": "agree", "approval": {}}]))
    kube.wait_condition("pipelinerun", name, "Succeeded", "Unknown", "Approval")
    millrace_of(millrace, kube)("approve", name, *flags)
    done = kube.wait_completed(name, reason)
    if flags:
        assert step(done, "agree")["reason"] == "Rejected" and "not on Fridays" in said(done)


def test_an_approval_expires(kube, engine):
    done = kube.wait_completed(start(kube, graph([{"name": "agree", "approval": {"expires": "1s"}}])), "StepFailed")
    assert step(done, "agree")["reason"] == "ApprovalExpired"


def test_another_pipeline_is_a_step(kube, engine, web):
    web.answer("/fails", 404, {})
    apply(kube, graph([call("x", f"{web.url}/x", body={"v": "{{ params.v }}"})], "child", params=[{"name": "v"}]), graph([call("x", f"{web.url}/fails")], "bad"))
    name = start(kube, graph([{"name": "c", "pipeline": {"name": "child", "params": {"v": "{{ params.v }}!"}}},
                              {"name": "bad", "dependsOn": ["c"], "pipeline": {"name": "bad"}}], params=[{"name": "v"}]), params={"v": "one"})
    done = kube.wait_completed(name, "StepFailed")
    assert step_states(done) == {"c": "Succeeded", "bad": "Failed"} and web.seen("/x")[0].json() == {"v": "one!"}
    child = kube.get("pipelinerun", step(done, "c")["runName"])
    assert owner(child) == self_as_owner(done) and condition_of(child, "Succeeded")["status"] == "True"
    assert step(done, "bad")["reason"] == "RunFailed"


def test_cancelling_a_run_cancels_its_child(kube, engine, web, hold):
    web.answer("/slow", hold=hold)
    apply(kube, graph([call("x", f"{web.url}/slow")], "child"))
    name = start(kube, graph([{"name": "c", "pipeline": {"name": "child"}}]))
    web.wait("/slow")
    kube.patch("pipelinerun", name, {"spec": {"cancel": True}})
    done = kube.wait_completed(name, "Cancelled")
    kube.wait_completed(step(done, "c")["runName"], "Cancelled")


def rights(kube, account):
    """A service account that may work with ConfigMaps."""
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": account},
             "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}]},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": account},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
             "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": kube.namespace}]}]


def config_map(name, data, **action):
    return {"name": "cm", "manifest": {"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}, **action}}


def test_an_object_is_applied_as_the_service_account_and_watched(kube, engine, web):
    if not isinstance(kube.cluster, LocalCluster):
        kube.apply(rights(kube, "builder"))
    name = start(kube, graph([{**config_map("made", {"v": "{{ params.v }}"}, success="object.data.ready == 'yes'"), "outputs": {"said": "object.data.ready"}},
                              call("b", f"{web.url}/b", ["cm"], {"said": "{{ steps.cm.outputs.said }}"})], params=[{"name": "v", "default": "x"}],
                             podTemplate={"serviceAccountName": "builder"}))
    made = kube.wait("configmap", "made", lambda _: True, "being applied")
    assert made["data"] == {"v": "x"}
    assert [each["name"] for each in made["metadata"]["ownerReferences"]] == [name]
    kube.wait_condition("pipelinerun", name, "Completed", "False")  # it waits for the object
    kube.patch("configmap", "made", {"data": {"ready": "yes"}})
    kube.wait_completed(name, "Succeeded")
    assert web.seen("/b")[0].json() == {"said": "yes"}


@pytest.mark.cluster_only("no authorization there: everybody is the administrator")
def test_an_object_is_refused_to_a_service_account_without_rights(kube, engine):
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})
    kube.apply(graph([config_map("made", {"v": "x"})], podTemplate={"serviceAccountName": "nobody"}))
    assert "cannot patch resource" in condition_of(kube.wait_condition("pipeline", "g", "Ready", "False", "Refused"), "Ready")["message"]
    kube.create(run("r", "g"))
    done = kube.wait_completed("r", "StepFailed")
    assert step(done, "cm")["reason"] == "Forbidden" and f"system:serviceaccount:{kube.namespace}:nobody" in said(done)
    assert kube.get("configmap", "made") is None


# --- many runs ---


def test_runs_of_a_group_queue_and_go_in_order(kube, engine, web, hold):
    web.answer("/a", hold=hold)
    item = graph([call("a", f"{web.url}/a", body={"run": "{{ run.name }}"})], concurrency={"group": "deploy-{{ params.env }}", "limit": 1}, params=[{"name": "env"}])
    start(kube, item, "one", params={"env": "test"})
    web.wait("/a")
    kube.create(run("two", "g", params={"env": "test"}))
    kube.wait_condition("pipelinerun", "two", "Succeeded", "Unknown", "Queued")
    kube.create(run("other", "g", params={"env": "prod"}))
    web.wait("/a", 2)
    assert [each.json()["run"] for each in web.seen("/a")] == ["one", "other"]
    hold.set()
    for name in ("one", "two", "other"):
        kube.wait_completed(name, "Succeeded")
    assert kube.get("pipelinerun", "two")["status"]["concurrencyGroup"] == "deploy-test"


@pytest.mark.parametrize("conflict, ends", [("Reject", {"one": "Succeeded", "two": "ConcurrencyLimit"}), ("Replace", {"one": "Cancelled", "two": "Succeeded"})])
def test_a_full_group_rejects_or_replaces(kube, engine, web, hold, conflict, ends):
    web.answer("/a", hold=hold)
    web.answer("/a", body={})
    start(kube, graph([call("a", f"{web.url}/a")], concurrency={"onConflict": conflict}), "one")
    web.wait("/a")
    kube.create(run("two", "g"))
    kube.wait_completed("one" if conflict == "Replace" else "two", ends["one" if conflict == "Replace" else "two"])
    hold.set()
    for name, reason in ends.items():
        kube.wait_completed(name, reason)


# --- HTTP ---


def test_https_with_an_authority_and_a_header_from_secrets(kube, engine, tmp_path):
    server = Web(tmp_path / "tls")
    try:
        kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"ca": server.authority, "token": "Bearer hidden-word"}})
        secured = call("a", f"{server.url}/a")
        secured["http"].update(caFrom={"name": "keys", "key": "ca"}, headers=[{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}])
        done = kube.wait_completed(start(kube, graph([secured, call("untrusted", f"{server.url}/b", continueOnError=True)])), "Succeeded")
        assert step_states(done) == {"a": "Succeeded", "untrusted": "Failed"}
        assert server.seen("/a")[0].headers["authorization"] == "Bearer hidden-word" and server.count("/b") == 0
        assert "hidden-word" not in json.dumps(done) and "hidden-word" not in engine.tail(1000)
    finally:
        server.close()


def test_loopback_and_the_api_server_are_refused_unless_allowed(kube, start_operator, web):
    start_operator(kube)
    api_server = json.loads(kube.cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    name = start(kube, graph([call("a", f"{web.url}/a"), call("b", f"http://localhost:{web.port}/a"), call("c", f"{api_server}/api"),
                              call("d", "http://169.254.169.254/latest"), call("e", f"http://[::ffff:127.0.0.1]:{web.port}/a")]))
    done = kube.wait_completed(name, "StepFailed")
    assert {each["name"]: each["reason"] for each in done["status"]["stepStates"]} == dict.fromkeys("abcde", "TargetDenied")
    assert web.count() == 0


def test_a_long_answer_and_a_failing_success_condition_fail_the_step(kube, engine, web):
    web.answer("/long", body={"x": "y" * 2000})
    web.answer("/a", body={"state": "odd"})
    long = call("long", f"{web.url}/long")
    long["http"]["maxResponseBytes"] = 1000
    odd = call("odd", f"{web.url}/a")
    odd["http"]["success"] = "response.status == 200 && response.body.state == 'good'"
    done = kube.wait_completed(start(kube, graph([long, odd])), "StepFailed")
    assert step_states(done) == {"long": "Failed", "odd": "Failed"}


# --- what people see ---


def test_kubectl_and_our_commands_show_the_run(kube, engine, web, millrace):
    web.answer("/bad", 404, {})
    name = start(kube, graph([call("a", f"{web.url}/a"), call("bad", f"{web.url}/bad", ["a"]), call("c", f"{web.url}/c", ["bad"])]))
    kube.wait_completed(name, "StepFailed")
    head, row = kube.kubectl("get", "pipelineruns").splitlines()
    assert head.split() == ["NAME", "PIPELINE", "STATUS", "STEPS", "RETRIES", "STARTED", "DURATION"]
    assert row.split()[:4] == [name, "g", "StepFailed", "1/3"]
    assert "404" in kube.kubectl("get", "plr", name, "-o", "wide")
    assert kube.kubectl("get", "pl", "g").splitlines()[1].split()[1] == "True"
    text = kube.kubectl("describe", "plr", name)
    assert "StepFailed" in text and "Events:" in text
    ours = millrace_of(millrace, kube)
    assert all(word in ours("describe", name) for word in ("a", "bad", "Failed", "404", "DependencyFailed"))
    assert "StepFailed" in ours("get") and "404" in ours("logs", name, "bad") and "bad" in ours("why", name)


def test_retry_takes_over_what_succeeded(kube, engine, web, millrace):
    web.answer("/a", body={"k": "first"})
    web.answer("/b", 404, {})
    web.answer("/b", body={})
    name = start(kube, graph([call("a", f"{web.url}/a"), call("b", f"{web.url}/b", ["a"], {"k": "{{ steps.a.response.body.k }}"})]))
    kube.wait_completed(name, "StepFailed")
    ours = millrace_of(millrace, kube)
    assert "reused" in ours("retry", name)
    again = next(each["metadata"]["name"] for each in kube.list("pipelinerun") if each["spec"].get("retryOf") == name)
    done = kube.wait_completed(again, "Succeeded")
    assert step_states(done) == {"a": "Succeeded", "b": "Succeeded"}
    assert (web.count("/a"), web.count("/b")) == (1, 2) and web.seen("/b")[1].json() == {"k": "first"}


# --- crashes ---


@pytest.mark.parametrize("between", ["http", "container"])
def test_a_run_ends_the_same_whenever_the_operator_dies(kube, start_operator, fault_proxy, web, between):
    """Killed after each of its first writes: every step once, but for a call under way, which is sent again with the same key."""
    operator = start_operator(kube, kubeconfig=fault_proxy.kubeconfig, config={"http": {"allow": ["127.0.0.0/8"]}})
    apply(kube, graph([call("a", f"{web.url}/a", body={"run": "{{ run.name }}"}, outputs={"v": "response.status"}),
                       call("mid", f"{web.url}/mid", ["a"]) if between == "http" else
                       {"name": "mid", "dependsOn": ["a"], "container": {"image": "busybox:1"}},
                       call("b", f"{web.url}/b", ["mid"], {"run": "{{ run.name }}", "v": "{{ steps.a.outputs.v }}"})],
                      **{"finally": [call("last", f"{web.url}/last", body={"run": "{{ run.name }}"})]}))
    killer = Killer(fault_proxy, operator)
    for n in range(1, 30):
        name = f"r{n}"
        killer.arm(n, "after")
        kube.create(run(name, "g"))
        while not (killer.struck.wait(0.05) or (condition_of(kube.get("pipelinerun", name), "Completed") or {}).get("status") == "True"):
            pass
        struck = killer.disarm()
        if struck:
            operator.start()
        done = kube.wait_completed(name, "Succeeded")
        assert set(step_states(done).values()) == {"Succeeded"}, f"killed at write {n}"
        assert len(kube.list("job", f"pipeline-run={name}")) == (between == "container")
        for path in ("/a", "/b", "/last"):
            keys = {each.headers["idempotency-key"] for each in web.seen(path) if each.json()["run"] == name}
            assert len(keys) == 1, f"{path} under {len(keys)} keys, killed at write {n}"
        if not struck:
            break
    assert n > 4  # so many writes there are at least


def test_an_operator_that_is_told_to_end_waits_for_its_calls(kube, engine, web, hold):
    """One answered in time is on record and not sent again; no other call is begun meanwhile, though its step is there to begin."""
    web.answer("/slow", hold=hold)
    start(kube, graph([call("slow", f"{web.url}/slow"), call("then", f"{web.url}/then", ["slow"])]))
    web.wait("/slow")
    engine.process.send_signal(signal.SIGTERM)
    engine.wait_log(lambda line: line.get("message") == "waiting for calls under way", "that it waits")
    hold.set()
    assert engine.wait_exit() == 0
    assert step(kube.get("pipelinerun", "r"), "slow")["state"] == "Succeeded"
    assert not web.seen("/then")
    engine.start()
    kube.wait_completed("r", "Succeeded")
    assert len(web.seen("/slow")) == len(web.seen("/then")) == 1


def test_a_call_longer_than_an_operator_waits_is_sent_again_with_the_same_key(kube, start_operator, web, hold):
    engine = start_operator(kube, config={"http": {"allow": ["127.0.0.0/8"]}}, args=["--drain-timeout", "500ms"])
    web.answer("/slow", hold=hold)
    web.answer("/slow")
    start(kube, graph([call("slow", f"{web.url}/slow")]))
    web.wait("/slow")
    assert engine.stop() == 0
    engine.start()
    kube.wait_completed("r", "Succeeded")
    first, second = web.seen("/slow")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


# --- what the API server would say ---
