"""Batch runs in containers that truly run, fail, time out and are killed (pipeline-operator items PO-1, PO-8, PO-9, PO-16)."""
import subprocess
import time

import pytest

from harness.kube import condition_of
from harness.objects import attempts, container_names, parse_time, pipeline, run, shell, step_states

POLITE = "trap 'echo told to stop; exit 0' TERM; echo at work; while :; do sleep 1 & wait $!; done"


@pytest.fixture
def operator(real_kube, start_operator, job_controller):
    return start_operator(real_kube, config={"jobController": job_controller})


def pods_of(kube, name):
    return sorted(kube.list("pod", f"pipeline-run={name}"), key=lambda pod: int(pod["metadata"]["labels"]["millrace.dev/attempt"]))


def log_of(kube, pod, step):
    return kube.logs(pod["metadata"]["name"], "-c", f"build-step-{step}")


def wait_step(kube, name, step, state, timeout=60.0):
    return kube.wait("pipelinerun", name, lambda item: item.get("status", {}).get("stepStates") and step_states(item).get(step) == state,
                     f"step {step} {state}", timeout)


def is_over(pod):
    return pod is None or pod["status"]["phase"] in ("Succeeded", "Failed")


def test_PO_1_steps_run_one_after_another_and_share_workspace_and_home(real_kube, operator):
    real_kube.apply([
        pipeline(processors=[
            shell("first", "echo one >>order; pwd; echo 'from first' >$HOME/note; sleep 1.2"),
            shell("second", "echo two >>order; cat order; cat ~/note; pwd")],
            outputs=[{"name": "out", "custom": {"image": "demo/adapter:1", "z": "1", "a": "2"}}]),
        run()])
    done = real_kube.wait_run("r", timeout=90)
    [pod] = pods_of(real_kube, "r")
    assert log_of(real_kube, pod, "first").split() == ["/workspace"]
    assert log_of(real_kube, pod, "second").splitlines() == ["one", "two", "from first", "/workspace"]
    assert log_of(real_kube, pod, "output--out").splitlines() == ["adapter: --a=2", "adapter: --z=1"]
    assert "adapter: --server=http://source.test" in log_of(real_kube, pod, "input")
    steps = done["status"]["stepStates"]
    for former, later in zip(steps, steps[1:]):
        assert parse_time(former["finishedAt"]) <= parse_time(later["startedAt"]), "each starts after the former has ended"
    assert all(step["exitCode"] == 0 for step in steps)
    assert parse_time(steps[1]["finishedAt"]) > parse_time(steps[1]["startedAt"])


def test_PO_8_a_failing_step_tells_its_code_and_words_and_only_it_runs_again(real_kube, operator):
    real_kube.apply([
        pipeline(processors=[shell("good", "echo did it"),
                             shell("bad", "echo 'the disk is full' >/dev/termination-log; echo no luck >&2; exit 7")]),
        run(maxRetryCount=1)])
    ended = real_kube.wait_completed("r", "Fail", timeout=120)
    assert attempts(ended) == ["Fail", "Fail"]
    said = condition_of(ended, "Succeeded")["message"]
    assert "bad" in said and "7" in said and "the disk is full" in said
    first, second = pods_of(real_kube, "r")
    assert container_names(first) == [f"build-step-{name}" for name in ("input", "good", "bad", "output--out")]
    assert container_names(second) == ["build-step-bad", "build-step-output--out"]
    assert step_states(ended) == {"bad": "Failed", "output--out": "Skipped"}
    assert ended["status"]["stepStates"][0]["exitCode"] == 7
    assert "no luck" in log_of(real_kube, second, "bad")


def test_PO_9_timeout_ends_the_pod(real_kube, operator):
    real_kube.apply([pipeline(processors=[shell("slow", POLITE)]), run(timeout="4s")])
    ended = real_kube.wait_completed("r", "BuildTimeout", timeout=90)
    assert "slow" in condition_of(ended, "Succeeded")["message"]
    took = parse_time(ended["status"]["completionTime"]) - parse_time(ended["status"]["startTime"])
    assert 3 <= took.total_seconds() < 40
    assert all(is_over(pod) for pod in pods_of(real_kube, "r")), "gone, or ended"


@pytest.mark.cluster_only("pods get no service account token there")
def test_PO_16_environment_volumes_and_account_reach_the_program(real_kube, operator):
    real_kube.apply([
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rules"}, "data": {"rule.txt": "be kind"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"word": "sesame"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "feeder"}},
        pipeline(processors=[shell(
            "look", 'echo "$MODE"; cat /rules/rule.txt; echo; test "$WORD" = sesame && echo word known; '
                    "cut -d. -f2 /var/run/secrets/kubernetes.io/serviceaccount/token | base64 -d 2>/dev/null | grep -o serviceaccount:[^\\\"]*",
            env=[{"name": "MODE", "value": "full"}, {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "key", "key": "word"}}}],
            volumeMounts=[{"name": "rules", "mountPath": "/rules"}])],
            volumes=[{"name": "rules", "configMap": {"name": "rules"}}], serviceAccountName="feeder", nodeSelector={"disk": "ssd"},
            resources={"limits": {"memory": "64Mi"}}),
        run()])
    real_kube.wait_run("r", timeout=90)
    [pod] = pods_of(real_kube, "r")
    assert log_of(real_kube, pod, "look").splitlines() == [
        "full", "be kind", "word known", f"serviceaccount:{real_kube.namespace}:feeder"]


def test_cancel_sends_TERM_and_waits_for_the_program(real_kube, operator):
    real_kube.apply([pipeline(processors=[shell("busy", POLITE)]), run(maxRetryCount=2)])
    wait_step(real_kube, "r", "busy", "Running")
    [pod] = pods_of(real_kube, "r")
    reader = subprocess.Popen(["kubectl", "-n", real_kube.namespace, "logs", "-f", pod["metadata"]["name"], "-c", "build-step-busy"],
                              stdout=subprocess.PIPE, text=True, env=real_kube.cluster.environment())
    assert reader.stdout.readline().strip() == "at work"
    real_kube.patch("pipelinerun", "r", {"spec": {"cancel": True}})
    ended = real_kube.wait_completed("r", "Cancelled", timeout=60)
    assert "told to stop" in reader.communicate(timeout=20)[0]
    assert condition_of(ended, "Cancelled")["status"] == "True"
    assert all(is_over(pod) for pod in pods_of(real_kube, "r"))
    assert step_states(ended)["input"] == "Succeeded" and step_states(ended)["output--out"] == "Skipped"
    assert len(real_kube.list("job", "pipeline-run=r")) == 1


@pytest.mark.timeout(240)
def test_cancel_kills_what_does_not_listen_after_its_grace(real_kube, start_operator):
    start_operator(real_kube)
    real_kube.apply([pipeline(processors=[shell("deaf", "trap '' TERM; echo at work; while :; do sleep 1; done")]), run()])
    wait_step(real_kube, "r", "deaf", "Running")
    begun = time.monotonic()
    real_kube.patch("pipelinerun", "r", {"spec": {"cancel": True}})
    stopping = real_kube.wait_condition("pipelinerun", "r", "Cancelled", "Unknown")
    assert "waiting for the pod to end" in condition_of(stopping, "Cancelled")["message"]
    real_kube.wait_completed("r", "Cancelled", timeout=120)
    assert time.monotonic() - begun > 25, "the grace period of 30 s is respected"
    assert all(is_over(pod) for pod in pods_of(real_kube, "r"))


@pytest.mark.cluster_only("memory is not limited there")
def test_too_much_memory_is_told(real_kube, start_operator):
    start_operator(real_kube)
    real_kube.apply([pipeline(processors=[shell("greedy", "tail /dev/zero", resources={"limits": {"memory": "20Mi"}})]), run(timeout="1m")])
    ended = real_kube.wait_completed("r", timeout=120)
    [pod] = pods_of(real_kube, "r")
    end = next(each["state"]["terminated"] for each in pod["status"]["initContainerStatuses"] if each["name"] == "build-step-greedy")
    if end["reason"] != "OOMKilled":
        pytest.skip(f"this machine's cgroups do not limit memory: the container ended with {end['reason']}")
    said = condition_of(ended, "Succeeded")
    assert said["reason"] == "Fail" and "OOMKilled" in said["message"] and "memory" in said["message"]


def test_an_image_that_does_not_exist_is_told_and_a_corrected_pipeline_runs(real_kube, operator):
    broken = {"name": "a", "image": "nowhere.test/nothing:1"}
    real_kube.apply([pipeline(processors=[broken]), run(timeout="20s")])
    waiting = real_kube.wait_condition("pipelinerun", "r", "Succeeded", "Unknown", "ImagePullBackOff", timeout=30)
    assert "nowhere.test/nothing:1" in condition_of(waiting, "Succeeded")["message"]
    real_kube.wait_completed("r", "ImagePullFailed", timeout=60)
    real_kube.apply([pipeline(processors=[shell("a", "true")]), run("r2")])
    real_kube.wait_run("r2", timeout=60)


def test_PO_17_a_restart_while_a_container_runs_starts_no_second_one(real_kube, operator):
    real_kube.apply([pipeline(processors=[shell("work", "sleep 5; echo done once")]), run(maxRetryCount=1)])
    wait_step(real_kube, "r", "work", "Running")
    operator.kill()
    operator.start()
    done = real_kube.wait_run("r", timeout=60)
    [pod] = pods_of(real_kube, "r")
    assert log_of(real_kube, pod, "work").split() == ["done", "once"]
    assert not attempts(done)


def test_a_pod_deleted_by_force_is_an_infrastructure_failure(real_kube, operator):
    real_kube.apply([pipeline(processors=[shell("work", POLITE.replace("exit 0", "exit 143"))]), run(maxRetryCount=1, timeout="30s")])
    wait_step(real_kube, "r", "work", "Running")
    [pod] = pods_of(real_kube, "r")
    real_kube.delete("pod", pod["metadata"]["name"], "--force", "--grace-period=0")
    retried = real_kube.wait("pipelinerun", "r", attempts, "an attempt in the history", timeout=60)
    assert attempts(retried)[0] in ("PodLost", "PodDeleted")
    real_kube.patch("pipelinerun", "r", {"spec": {"cancel": True}})
    real_kube.wait_completed("r", "Cancelled", timeout=60)
    assert len(real_kube.list("job", "pipeline-run=r")) <= 2
