"""What a client may send, and must not get."""
import json

import pytest
import yaml

from server import job, wait_for


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "Basic dXNlcjpwYXNz"])
def test_a_wrong_token_is_401(up, header):
    connection, own = up.connection()
    headers = {**own, "Authorization": header} if header else {"Accept": "application/json"}
    connection.request("GET", "/api/v1/namespaces/default/pods", headers=headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 401 and body["kind"] == "Status" and body["reason"] == "Unauthorized"


@pytest.mark.parametrize("path", [
    "/api/v1/namespaces/default/pods/..%2f..%2fetc/log", "/api/v1/namespaces/..%2f..%2f/pods/x/log",
    "/api/v1/namespaces/default/pods/%2e%2e/log", "/api/v1/namespaces/default/pods/x/log?container=..%2f..%2f..%2fetc%2fpasswd",
    "/api/v1/namespaces/default/configmaps/..%2f..%2ftoken", "/../../../etc/passwd", "/api/v1/../../etc/passwd", "/%00", "/api/v1/namespaces/%ff/pods"])
def test_paths_do_not_leave_their_place(up, path):
    status, text = up.request("GET", path)
    assert status in (400, 403, 404) and "root:" not in text


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "x\u0000y", "UPPER", "", "a" * 254])
def test_names_that_are_no_names_are_refused(up, name):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    status, text = up.request("POST", "/api/v1/namespaces/default/configmaps", body)
    assert status == 422 or (name == "" and status in (422, 400)), text


@pytest.mark.parametrize("change", [
    {"volumes": [{"name": "../up", "emptyDir": {}}]},
    {"volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../../escape"}]}}]},
    {"volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "/abs"}]}}]},
    {"volumes": [{"name": "v", "emptyDir": {}}], "mounts": [{"name": "v", "mountPath": "/x", "subPath": "../../.."}]},
    {"containers": [{"name": "../c", "image": "x", "command": ["true"]}]},
])
def test_pods_that_reach_outside_are_refused(up, change):
    spec = {"restartPolicy": "Never", "containers": change.get("containers", [{"name": "c", "image": "x", "command": ["true"], "volumeMounts": change.get("mounts", [])}]),
            "volumes": change.get("volumes", [])}
    status, text = up.request("POST", "/api/v1/namespaces/default/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    assert status == 422, text


def test_a_volume_named_like_a_path_finds_nothing(up):
    """The real server lets such names through too; nothing of the disk may be reached by them."""
    volumes = [{"name": "v", "configMap": {"name": "../../../../token"}}, {"name": "w", "secret": {"secretName": "../tls/ca.key"}}]
    container = {"name": "c", "image": "x", "command": ["sh", "-c", "cat /v/* /w/*"],
                 "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/w"}]}
    up.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"restartPolicy": "Never", "containers": [container], "volumes": volumes}})

    def waiting():
        states = up.get("pod", "p").get("status", {}).get("containerStatuses") or [{}]
        return states[0].get("state", {}).get("waiting", {}).get("message", "")
    assert "token" in wait_for(waiting, "the pod says what is missing")
    assert up.kubectl("logs", "p", check=False).returncode != 0


def test_keys_of_config_maps_are_file_names(up):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"../../x": "y"}}
    assert up.request("POST", "/api/v1/namespaces/default/configmaps", body)[0] == 422


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "{}" * 3, '{"apiVersion":"v1"}', '{"kind":"ConfigMap","apiVersion":"v1","metadata":[]}', "\xff\xfe",
                                  "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000])
def test_bodies_that_are_nothing_are_refused_and_the_server_lives(up, body):
    status, _ = up.request("POST", "/api/v1/namespaces/default/configmaps", body.encode("latin-1"))
    assert 400 <= status < 500
    assert up.request("GET", "/healthz")[0] == 200


def test_a_body_that_is_too_large_is_413(up):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"x": "y" * (4 << 20)}}
    connection, own = up.connection()
    try:
        connection.request("POST", "/api/v1/namespaces/default/configmaps", json.dumps(body), own)
        assert connection.getresponse().status == 413
    except BrokenPipeError:
        pass  # it had heard enough
    assert up.request("GET", "/healthz")[0] == 200


def test_a_container_without_a_command_says_what_to_do(up):
    item = job("bare", "true", backoffLimit=0)
    del item["spec"]["template"]["spec"]["containers"][0]["command"]
    up.apply(item)

    def told():
        pods = json.loads(up.kubectl("get", "pods", "-l", "job-name=bare", "-o", "json"))["items"]
        return pods and "command" in json.dumps(pods[0].get("status", {}))
    wait_for(told, "the pod says that it needs a command")


def test_the_kubeconfig_is_well_formed(up):
    config = yaml.safe_load((up.data / "kubeconfig").read_text())
    assert config["current-context"] == "millrace-local" and config["clusters"][0]["cluster"]["server"].startswith("https://127.0.0.1:")
    assert up.command("kubeconfig", "--path").stdout.strip() == str(up.data / "kubeconfig")
    assert yaml.safe_load(up.command("kubeconfig").stdout) == config
