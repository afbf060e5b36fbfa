"""Graphs whose containers truly run: on the real node, or in local mode. The tests of test_graph.py that make sense here, with their
assertions, and those that need programs with a doing of their own."""
import pytest

import test_conveyor
import test_graph
from harness import LocalCluster
from harness.kube import condition_of
from harness.objects import API, owner, parse_time, self_as_owner, shell, step_states
from test_graph import call, engine, graph, said, script, start, step  # noqa: F401 (engine is a fixture)
from test_real_node import POLITE, is_over

# The same functions, collected here again: their fixture `kube` is this file's.
for _name in ("a_failed_step_skips_what_depends_on_it_then_on_error_then_finally", "continue_on_error_lets_the_run_succeed",
              "a_false_condition_skips_a_step_and_those_after_it_go_on", "a_step_over_lists_runs_every_combination",
              "a_retry_waits_its_backoff_and_keeps_to_its_causes", "a_pause_is_never_shorter", "cancel_stops_the_steps_and_finally_still_runs",
              "an_approval_by_patch_lets_the_run_go_on", "an_approval_by_command", "another_pipeline_is_a_step",
              "an_object_is_applied_as_the_service_account_and_watched", "an_object_is_refused_to_a_service_account_without_rights",
              "https_with_an_authority_and_a_header_from_secrets", "retry_takes_over_what_succeeded", "a_run_ends_the_same_whenever_the_operator_dies"):
    globals()[f"test_{_name}"] = getattr(test_graph, f"test_{_name}")
belt = test_conveyor.belt
test_the_example_of_conveyor_belt_runs = test_conveyor.test_the_example_of_conveyor_belt_runs_against_a_real_server


@pytest.fixture
def kube(real_kube):
    return real_kube


def pods_of(kube, name, step_name):
    """Of one step, in the order of its attempts."""
    return sorted((pod for pod in kube.list("pod", f"pipeline-run={name}") if pod["metadata"]["labels"].get("millrace.dev/step") == step_name),
                  key=lambda pod: int(pod["metadata"]["labels"]["millrace.dev/attempt"]))


def log_of(kube, name, step_name):
    [pod] = pods_of(kube, name, step_name)
    return kube.logs(pod["metadata"]["name"]).strip()


def running(kube, name, step_name):
    kube.wait("pipelinerun", name, lambda item: any(each["name"] == step_name and each["state"] == "Running" for each in item.get("status", {}).get("stepStates", [])),
              f"step {step_name} running", 60)
    [pod] = kube.wait_list("pod", f"pipeline-run={name}", lambda found: found and all(
        each["status"].get("containerStatuses") and "running" in each["status"]["containerStatuses"][0]["state"] for each in found), "its container running", 60)
    return pod


def test_values_go_from_container_to_container_by_every_way(kube, engine, web):
    name = start(kube, graph([
        script("lines", "echo rows=3 > \"$MILLRACE_OUTPUTS\"; echo from=lines >> \"$MILLRACE_OUTPUTS\"; echo to the log"),
        script("message", "printf '{\"regions\": [\"eu\", \"us\"], \"n\": %s}' '{{ steps.lines.outputs.rows }}' > /dev/termination-log", ["lines"]),
        script("each", "echo got={{ matrix.region }}-$(hostname | wc -l) > \"$MILLRACE_OUTPUTS\"", ["message"],
               matrix={"params": {"region": "{{ steps.message.outputs.regions }}"}}),
        script("skipped", "exit 1", ["message"], when="steps.message.outputs.n > 3"),
        call("tell", f"{web.url}/tell", ["each", "skipped"], {"got": "{{ steps.each.outputs.got }}", "code": "{{ steps.lines.exitCode }}"})],
        **{"finally": [script("last", "echo {{ run.status }} of {{ run.name }}")]}))
    done = kube.wait_completed(name, "Succeeded", timeout=120)
    assert web.seen("/tell")[0].json() == {"got": ["eu-1", "us-1"], "code": 0}
    assert step(done, "lines")["outputs"] == {"rows": "3", "from": "lines"} and step(done, "message")["outputs"] == {"regions": ["eu", "us"], "n": 3}
    assert step_states(done)["skipped"] == "Skipped" and log_of(kube, name, "last") == "Succeeded of r" and log_of(kube, name, "lines") == "to the log"
    jobs = kube.list("job", f"pipeline-run={name}")
    assert len(jobs) == 5 and all(owner(each) == self_as_owner(done) for each in jobs)
    at = {each["name"]: each for each in done["status"]["stepStates"]}
    assert parse_time(at["lines"]["finishedAt"]) <= parse_time(at["message"]["startedAt"]) <= parse_time(at["last"]["startedAt"])


def test_outputs_need_neither_root_nor_a_writable_image(kube, engine):
    careful = script("careful", "id -u; touch /here 2>/dev/null && echo writable; echo k=v > \"$MILLRACE_OUTPUTS\"")
    careful["container"]["securityContext"] = {"runAsUser": 65532, "runAsNonRoot": True, "readOnlyRootFilesystem": True,
                                               "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    name = start(kube, graph([careful]))
    done = kube.wait_completed(name, "Succeeded", timeout=90)
    assert step(done, "careful")["outputs"] == {"k": "v"}
    if not isinstance(kube.cluster, LocalCluster):  # there images and securityContext are ignored
        assert log_of(kube, name, "careful") == "65532"


def test_outputs_of_four_kilobytes_are_whole_and_longer_ones_fail_the_step(kube, engine, web):
    def writes(name, size, after=(), form="{{\"v\": \"%s\"}}", **fields):
        text = f"printf '{form}' \"$(head -c {size} /dev/zero | tr '\\0' x)\" > \"$MILLRACE_OUTPUTS\"".replace("{{", "{").replace("}}", "}")
        return script(name, text, after, continueOnError=True, **fields)
    name = start(kube, graph([writes("fits", 4000), writes("long", 5000), writes("lines", 5000, form="k=v\\nlong=%s\\n"),
                              call("tell", f"{web.url}/tell", ["fits", "long"], {"fits": "{{ steps.fits.outputs.v | length }}",
                                                                                 "long": "{{ steps.long.outputs.v | default('none') }}"})]))
    done = kube.wait_completed(name, "Succeeded", timeout=90)
    assert web.seen("/tell")[0].json() == {"fits": 4000, "long": "none"}
    for failed in ("long", "lines"):
        assert "outputs" not in step(done, failed) and step(done, failed)["reason"] == "OutputsTooLong"
        assert "wrote 4096 bytes or more to $MILLRACE_OUTPUTS" in step(done, failed)["message"]


def test_many_containers_of_a_step_all_give_outputs(kube, engine):
    """The kubelet keeps 12 KiB of messages for a pod: what several containers say has to fit in there together."""
    name = start(kube, graph([{"name": "several", "containers": [
        shell(f"c{i}", f"echo k{i}=$(head -c 900 /dev/zero | tr '\\0' {i}) > \"$MILLRACE_OUTPUTS\"") for i in range(8)]}]))
    done = kube.wait_completed(name, "Succeeded", timeout=120)
    assert step(done, "several")["outputs"] == {f"k{i}": str(i) * 900 for i in range(8)}


def test_the_failure_of_a_container_is_told_and_on_error_and_finally_run(kube, engine):
    name = start(kube, graph([script("bad", "echo the disk is full >/dev/termination-log; exit 7"), script("never", "true", ["bad"]), script("free", "echo did it")],
                             onError=[script("alarm", "echo failed: {{ run.failedSteps | join(',') }} with {{ steps.bad.exitCode }}")],
                             **{"finally": [script("last", "echo {{ run.status }}")]}))
    done = kube.wait_completed(name, "StepFailed", timeout=120)
    assert step_states(done) == {"bad": "Failed", "never": "Skipped", "free": "Succeeded", "alarm": "Succeeded", "last": "Succeeded"}
    assert all(word in said(done) for word in ("bad", "7", "the disk is full")) and step(done, "bad")["exitCode"] == 7
    assert log_of(kube, name, "alarm") == "failed: bad with 7" and log_of(kube, name, "last") == "Failed"


def test_containers_of_a_step_share_a_folder_and_the_first_that_fails_ends_it(kube, engine):
    several = {"name": "several", "retry": {"limit": 1, "backoff": {"initial": "1s"}}, "containers": [
        shell("one", "echo x >> note; echo first=$(wc -l < note) > \"$MILLRACE_OUTPUTS\""), shell("two", "cat note; exit 3"), shell("three", "echo never")]}
    name = start(kube, graph([several]))
    done = kube.wait_completed(name, "StepFailed", timeout=120)
    assert step(done, "several")["attempt"] == 2 and "two" in said(done) and "3" in said(done)
    pods = pods_of(kube, name, "several")
    assert len(pods) == 2  # each begins with the first again, in an empty folder
    for pod in pods:
        [two] = [each["name"] for each in pod["spec"].get("initContainers", []) + pod["spec"]["containers"] if each["name"].endswith("two")]
        assert kube.logs(pod["metadata"]["name"], "-c", two).split() == ["x"]


def test_a_container_that_failed_is_tried_again_and_its_success_counts(kube, engine):
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mood"}, "data": {"mood": "bad"}})
    moody = script("moody", 'echo mood=$MOOD > "$MILLRACE_OUTPUTS"; test "$MOOD" = good', retry={"limit": 2, "backoff": {"initial": "3s"}})
    moody["container"]["env"] = [{"name": "MOOD", "valueFrom": {"configMapKeyRef": {"name": "mood", "key": "mood"}}}]
    name = start(kube, graph([moody, script("after", "echo {{ steps.moody.outputs.mood }} {{ steps.moody.attempt }}", ["moody"])]))
    kube.wait("pipelinerun", name, lambda item: item.get("status", {}).get("retryStatus", {}).get("historyBuild"), "the first attempt having failed", 60)
    kube.patch("configmap", "mood", {"data": {"mood": "good"}})
    done = kube.wait_completed(name, "Succeeded", timeout=120)
    assert step(done, "moody")["attempt"] == 2 and step(done, "moody")["outputs"] == {"mood": "good"} and log_of(kube, name, "after") == "good 2"
    assert [pod["metadata"]["labels"]["millrace.dev/attempt"] for pod in pods_of(kube, name, "moody")] == ["1", "2"]


def test_a_container_that_takes_too_long_is_told_to_stop(kube, engine):
    name = start(kube, graph([script("slow", POLITE, timeout="5s"), script("free", "true")]))
    done = kube.wait_completed(name, "StepFailed", timeout=90)
    assert step(done, "slow")["reason"] == "StepTimeout" and step_states(done)["free"] == "Succeeded"
    assert all(is_over(pod) for pod in pods_of(kube, name, "slow"))


def test_cancel_tells_a_container_to_stop_and_finally_runs_after_it(kube, engine):
    name = start(kube, graph([script("busy", POLITE), script("next", "true", ["busy"])], **{"finally": [script("last", "echo {{ run.status }}")]}))
    pod = running(kube, name, "busy")
    kube.patch("pipelinerun", name, {"spec": {"cancel": True}})
    done = kube.wait_completed(name, "Cancelled", timeout=90)
    assert condition_of(done, "Cancelled")["status"] == "True" and step_states(done)["last"] == "Succeeded"
    assert step_states(done)["busy"] != "Succeeded", "it ended with 0, but only because it was told to"
    assert log_of(kube, name, "last") == "Cancelled" and is_over(kube.get("pod", pod["metadata"]["name"]))
    assert not pods_of(kube, name, "next")


def test_an_image_that_does_not_exist_is_told_and_ends_with_the_timeout(kube, engine):
    wrong = {"name": "wrong", "timeout": "15s", "container": {"image": "nowhere.test/nothing:1", "command": ["true"]}}
    name = start(kube, graph([wrong]))
    waiting = kube.wait_condition("pipelinerun", name, "Succeeded", "Unknown", "ImagePullBackOff", timeout=60)
    assert "nowhere.test/nothing:1" in said(waiting)
    done = kube.wait_completed(name, "StepFailed", timeout=90)
    assert step_states(done) == {"wrong": "Failed"} and "nowhere.test/nothing:1" in said(done)


@pytest.mark.cluster_only("the operator of a test runs the Jobs that name it only; tests/local has this with local mode's own")
@pytest.mark.parametrize("script_text, reason, state", [("echo migrated", "Succeeded", "Succeeded"), ("exit 1", "StepFailed", "Failed")], ids=["success", "failure"])
def test_a_job_as_a_manifest_step_is_waited_for(kube, engine, script_text, reason, state):
    """As docs/steps.md shows it; the Job is run by the cluster's own controller."""
    kube.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "migrator"}},
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "migrator"},
                 "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "create", "patch"]}]},
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "migrator"},
                 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "migrator"},
                 "subjects": [{"kind": "ServiceAccount", "name": "migrator", "namespace": kube.namespace}]}])
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate-{{ run.name }}"}, "spec": {"backoffLimit": 0, "template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", script_text]}]}}}}
    migrate = {"name": "migrate", "timeout": "60s", "outputs": {"uid": "object.metadata.uid"},
               "manifest": {"object": job, "success": "object.status.succeeded | default(0) > 0", "failure": "object.status.failed | default(0) > 0"}}
    name = start(kube, graph([migrate], podTemplate={"serviceAccountName": "migrator"}))
    done = kube.wait_completed(name, reason, timeout=120)
    made = kube.get("job", f"migrate-{name}")
    assert step_states(done) == {"migrate": state} and [each["uid"] for each in made["metadata"]["ownerReferences"]] == [done["metadata"]["uid"]]
    assert step(done, "migrate").get("outputs") == ({"uid": made["metadata"]["uid"]} if state == "Succeeded" else None)


def test_a_restart_while_containers_run_starts_none_twice(kube, engine):
    name = start(kube, graph([script("work", "sleep 4; echo done once; echo n=1 > \"$MILLRACE_OUTPUTS\""), script("after", "echo {{ steps.work.outputs.n }}", ["work"])]))
    running(kube, name, "work")
    engine.kill()
    engine.start()
    done = kube.wait_completed(name, "Succeeded", timeout=90)
    assert log_of(kube, name, "work") == "done once" and log_of(kube, name, "after") == "1" and step(done, "work")["attempt"] == 1


def test_a_pod_that_is_taken_away_is_infrastructure_and_tried_again_as_such(kube, engine):
    name = start(kube, graph([script("work", POLITE, retry={"limit": 1, "backoff": {"initial": "1s"}, "on": ["Infrastructure"]}, timeout="40s")]))
    pod = running(kube, name, "work")
    kube.delete("pod", pod["metadata"]["name"], "--force", "--grace-period=0")
    kube.wait("pipelinerun", name, lambda item: step(item, "work").get("attempt") == 2, "a second attempt", 60)
    kube.patch("pipelinerun", name, {"spec": {"cancel": True}})
    kube.wait_completed(name, "Cancelled", timeout=60)


def test_a_graph_with_everything_runs_under_the_own_and_the_built_in_job_controller(kube, start_operator, web, job_controller):
    start_operator(kube, config={"http": {"allow": ["127.0.0.0/8"]}, "jobController": job_controller})
    kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "child"}, "spec": {
        "params": [{"name": "v"}], "steps": [script("say", "echo child {{ params.v }}")]}})
    name = start(kube, graph([
        script("make", "echo v=7 > \"$MILLRACE_OUTPUTS\""), call("tell", f"{web.url}/tell", ["make"], {"v": "{{ steps.make.outputs.v }}"}),
        {"name": "agree", "dependsOn": ["tell"], "approval": {"message": "v is {{ steps.make.outputs.v }}"}},
        {"name": "rest", "dependsOn": ["agree"], "wait": {"duration": "1s"}},
        {"name": "child", "dependsOn": ["rest"], "pipeline": {"name": "child", "params": {"v": "{{ steps.make.outputs.v }}"}}},
        script("end", "echo by {{ steps.agree.outputs.by }} after {{ steps.child.outputs.run }}", ["child"])]))
    kube.wait_condition("pipelinerun", name, "Succeeded", "Unknown", "Approval", timeout=60)
    kube.patch("pipelinerun", name, {"spec": {"approvals": [{"step": "agree", "decision": "Approve", "by": "ann"}]}})
    done = kube.wait_completed(name, "Succeeded", timeout=120)
    child = step(done, "child")["runName"]
    assert log_of(kube, name, "end") == f"by ann after {child}" and log_of(kube, child, "say") == "child 7" and web.seen("/tell")[0].json() == {"v": "7"}
