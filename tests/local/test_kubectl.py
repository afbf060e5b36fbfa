"""An unmodified kubectl against local mode: what people type."""
import json
import subprocess

from server import job, pipeline, run, wait_for

HELLO = pipeline("hello", "echo 'Hello from Millrace' | tee /workspace/greeting", "cat /workspace/greeting")


def test_apply_get_watch_describe_logs_wait_delete(up, tmp_path):
    seen = tmp_path / "watch"
    with seen.open("w") as out:
        watcher = subprocess.Popen(["kubectl", "get", "pipelineruns", "-w"], stdout=out, stderr=subprocess.STDOUT, env=up.environment())
        try:
            assert "pipelinerun.millrace.dev/hello-1 created" in up.apply(HELLO, run("hello-1", "hello"))
            up.kubectl("wait", "--for=condition=Succeeded", "pipelinerun/hello-1", "--timeout=30s")
            wait_for(lambda: "Succeeded" in seen.read_text(), "the watch shows the end")
        finally:
            watcher.terminate()
            watcher.wait(10)
    assert seen.read_text().split()[:7] == ["NAME", "PIPELINE", "STATUS", "STEPS", "RETRIES", "STARTED", "DURATION"]
    listed = up.kubectl("get", "pl,plr")
    assert "pipeline.millrace.dev/hello" in listed and "Succeeded" in listed and "2/2" in listed
    described = up.kubectl("describe", "pipelinerun", "hello-1")
    assert "Events:" in described and "Succeeded" in described
    pod = up.kubectl("get", "pods", "-l", "millrace.dev/run=hello-1", "-o", "jsonpath={.items[0].metadata.name}")
    assert "Completed" in up.kubectl("get", "pod", pod)
    assert up.kubectl("logs", pod, "-c", "build-step-step1") == "Hello from Millrace\n"
    assert "build-step-step0" in up.kubectl("describe", "pod", pod)
    up.kubectl("delete", "pipeline", "hello")
    wait_for(lambda: "No resources found" in up.kubectl("get", "pl,plr,jobs,pods", check=False).stderr, "all of it is gone")


def test_logs_follow_until_the_end(up, tmp_path):
    gate = tmp_path / "gate"
    up.apply(job("talker", f"echo first; while ! [ -e {gate} ]; do sleep 0.02; done; echo last"))
    wait_for(lambda: "first" in up.kubectl("logs", "job/talker", check=False).stdout, "the first line")
    follower = subprocess.Popen(["kubectl", "logs", "-f", "job/talker"], stdout=subprocess.PIPE, text=True, env=up.environment())
    assert follower.stdout.readline() == "first\n"
    gate.touch()
    assert follower.stdout.readline() == "last\n"
    assert follower.wait(10) == 0


def test_explain_knows_our_fields_and_theirs(up):
    assert "refPipeline" in up.kubectl("explain", "pipelinerun.spec")
    assert "backoffLimit" in up.kubectl("explain", "job.spec")
    assert "terminationMessagePath" in up.kubectl("explain", "pod.spec.containers")


def test_a_typo_is_named(up):
    bad = json.loads(json.dumps(HELLO))
    bad["spec"]["batchJob"]["procesors"] = bad["spec"]["batchJob"].pop("processors")
    done = up.kubectl("apply", "-f", "-", stdin=json.dumps(bad), check=False)
    assert done.returncode == 1 and 'unknown field "spec.batchJob.procesors"' in done.stderr
    cm = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "dta": {}}
    done = up.kubectl("apply", "-f", "-", stdin=json.dumps(cm), check=False)
    assert done.returncode == 1 and 'unknown field "dta"' in done.stderr


def test_a_kind_that_is_not_served_is_named(up):
    widget = {"apiVersion": "nonsense/v1", "kind": "Widget", "metadata": {"name": "w"}}
    done = up.kubectl("apply", "-f", "-", stdin=json.dumps(widget), check=False)
    assert done.returncode == 1 and 'no matches for kind "Widget" in version "nonsense/v1"' in done.stderr


def test_edit_patch_label_annotate_and_both_ways_of_apply(up, tmp_path):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}}
    up.apply(config)
    del config["data"]["b"]
    config["data"]["a"] = "3"
    up.apply(config)
    assert up.get("configmap", "c")["data"] == {"a": "3"}
    up.kubectl("patch", "configmap", "c", "--type=merge", "-p", '{"data":{"x":"y"}}')
    up.kubectl("label", "configmap", "c", "team=blue")
    up.kubectl("annotate", "configmap", "c", "note=hello")
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/x: \"*y\"*/x: edited/' \"$1\"\n")
    editor.chmod(0o755)
    done = subprocess.run(["kubectl", "edit", "configmap", "c"], env={**up.environment(), "EDITOR": str(editor)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    got = up.get("configmap", "c")
    assert got["data"] == {"a": "3", "x": "edited"} and got["metadata"]["labels"] == {"team": "blue"}
    done = up.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps({**config, "data": {"x": "mine"}}), check=False)
    assert done.returncode == 1 and "conflict" in done.stderr
    up.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps({**config, "data": {"x": "mine"}}))
    assert up.get("configmap", "c")["data"]["x"] == "mine"


def test_jobs_nobody_manages_are_run(up):
    up.kubectl("create", "job", "plain", "--image=busybox", "--", "sh", "-c", "echo plain")
    up.kubectl("wait", "--for=condition=Complete", "job/plain", "--timeout=30s")
    assert up.kubectl("logs", "job/plain") == "plain\n"
    up.apply(job("many", "true", completions=5, parallelism=2))
    up.kubectl("wait", "--for=condition=Complete", "job/many", "--timeout=30s")
    assert up.get("job", "many")["status"]["succeeded"] == 5
    up.apply(job("never", "exit 3", backoffLimit=0))
    up.kubectl("wait", "--for=condition=Failed", "job/never", "--timeout=30s")
    up.apply(job("late", "sleep 600", activeDeadlineSeconds=1))
    up.kubectl("wait", "--for=condition=Failed", "job/late", "--timeout=30s")
    up.apply(job("shortlived", "true", ttlSecondsAfterFinished=0))
    wait_for(lambda: up.kubectl("get", "job", "shortlived", check=False).returncode == 1, "its time to live is over")


def test_a_deployment_gets_ready_rolls_and_scales(up):
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
           "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
                    "template": {"metadata": {"labels": {"app": "web"}},
                                 "spec": {"terminationGracePeriodSeconds": 1,
                                          "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "1000"]}]}}}}
    up.apply(web)
    up.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    up.kubectl("scale", "deployment/web", "--replicas=3")
    up.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    web["spec"]["template"]["spec"]["containers"][0]["command"] = ["sleep", "2000"]
    web["spec"]["replicas"] = 3
    up.apply(web)
    up.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert up.get("deployment", "web")["status"]["readyReplicas"] == 3
    up.kubectl("delete", "deployment", "web")
    wait_for(lambda: not json.loads(up.kubectl("get", "pods", "-o", "json"))["items"], "its pods are gone")


def test_env_and_volumes_reach_the_process(up):
    up.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast", "file.txt": "from a map"}},
             {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"password": "not-for-logs"}})
    item = job("reads", 'echo "$MODE $NAME $PLAIN-$MODE"; cat /etc/settings/file.txt; test "$PASSWORD" = not-for-logs && test "$(cat /etc/login/password)" = not-for-logs'
                        ' && echo "{\\"ok\\":true}" > /dev/termination-log')
    container = item["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
                        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
                        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                        {"name": "PLAIN", "value": "$(MODE)er"}]
    container["volumeMounts"] = [{"name": "settings", "mountPath": "/etc/settings"}, {"name": "login", "mountPath": "/etc/login"}]
    item["spec"]["template"]["spec"]["volumes"] = [{"name": "settings", "configMap": {"name": "settings"}}, {"name": "login", "secret": {"secretName": "login"}}]
    up.apply(item)
    up.kubectl("wait", "--for=condition=Complete", "job/reads", "--timeout=30s")
    assert up.kubectl("logs", "job/reads") == "fast default faster-fast\nfrom a map"
    pod = json.loads(up.kubectl("get", "pods", "-l", "job-name=reads", "-o", "json"))["items"][0]
    assert json.loads(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]) == {"ok": True}


def test_images_are_ignored_and_it_is_said(up):
    up.apply(pipeline("hello", "true"), run("r", "hello"))
    up.kubectl("wait", "--for=condition=Succeeded", "pipelinerun/r", "--timeout=30s")
    wait_for(lambda: "ImageIgnored" in up.kubectl("get", "events"), "the event")
    assert "ImageIgnored" in up.kubectl("describe", "pipelinerun", "r")


# Commands whose client sends protobuf (create and what is like it), and those that work on what they made; in order.
CREATE_COMMANDS = [
    ("create configmap settings --from-literal=mode=fast", "configmap/settings created"),
    ("create secret generic login --from-literal=password=p", "secret/login created"),
    ("create secret docker-registry pull --docker-server=r.test --docker-username=u --docker-password=p", "secret/pull created"),
    ("create job plain --image=busybox", "job.batch/plain created"),
    ("create job talks --image=busybox -- sh -c true", "job.batch/talks created"),
    ("create deployment web --image=busybox --replicas=1 -- sleep 1000", "deployment.apps/web created"),
    ("create serviceaccount robot", "serviceaccount/robot created"),
    ("create namespace other", "namespace/other created"),
    ("create service clusterip front --tcp=80:8080", "service/front created"),
    ("create service externalname away --external-name=away.test", "service/away created"),
    ("expose deployment web --port=80 --target-port=http --name=web", "service/web exposed"),
    ("run one --image=busybox --restart=Never --command -- true", "pod/one created"),
    ("run full --image=busybox --env=A=b --port=80 --labels=a=b --restart=Never -- sh -c true", "pod/full created"),
    ("auth can-i create jobs", "yes"),
    ("auth can-i get /version", "yes"),
    ("auth whoami", "admin"),
    ("set image deployment/web busybox=busybox:2", "deployment.apps/web image updated"),
    ("set env deployment/web A=b", "deployment.apps/web env updated"),
    ("rollout restart deployment/web", "deployment.apps/web restarted"),
    ("scale deployment/web --replicas=2", "deployment.apps/web scaled"),
    ("label configmap settings team=blue", "configmap/settings labeled"),
    ("annotate configmap settings note=x", "configmap/settings annotated"),
    ("delete deployment/web service/web service/front", 'service "front" deleted'),
    ("delete configmap settings", 'configmap "settings" deleted'),
    ("delete namespace other --wait=false", 'namespace "other" deleted'),
]


def test_create_commands_work(up):
    for command, says in CREATE_COMMANDS:
        assert says in up.kubectl(*command.split()), command
    secret = up.get("secret", "login")
    assert secret["type"] == "Opaque" and secret["data"] == {"password": "cA=="}
    container = up.get("pod", "full")["spec"]["containers"][0]
    assert container["args"] == ["sh", "-c", "true"] and container["env"] == [{"name": "A", "value": "b"}]
    up.kubectl("wait", "--for=condition=Complete", "job/talks", "--timeout=30s")
